//! What a client makes a command depend on: that an account is as it was read, or that there is enough.

use serde::{Deserialize, Serialize};

use crate::amount::{AmountError, Decimal};
use crate::name::{AccountName, AssetCode};
use crate::state::{Account, Balance};

/// What must be true of one account for a command to be done at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The account, in the ledger of the command.
    pub account: AccountName,
    /// What must be true of it.
    pub that: Predicate,
}

/// What must be true of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// [`Account::version`] is this; 0 is that there is no such account.
    Version(u64),
    /// A figure of one of its balances compares so with an amount.
    Balance(BalanceCondition),
}

/// How a figure of a balance must compare with an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceCondition {
    /// Asset.
    pub asset: AssetCode,
    /// Which figure.
    pub figure: BalanceFigure,
    /// How it must compare.
    pub comparison: Comparison,
    /// With what.
    pub amount: SignedDecimal,
}

/// A figure of an account's balance of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalanceFigure {
    /// What is posted, on the account's normal side.
    Posted,
    /// The same, less what is held against it.
    Available,
    /// Sum of what was debited.
    DebitsPosted,
    /// Sum of what was credited.
    CreditsPosted,
    /// Held for debits.
    DebitsPending,
    /// Held for credits.
    CreditsPending,
}

impl BalanceFigure {
    /// All figures, ascending by number.
    pub const ALL: [BalanceFigure; 6] = [
        BalanceFigure::Posted,
        BalanceFigure::Available,
        BalanceFigure::DebitsPosted,
        BalanceFigure::CreditsPosted,
        BalanceFigure::DebitsPending,
        BalanceFigure::CreditsPending,
    ];

    /// Its stable number: in the API, the log, the rows of the views and canonical bytes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            BalanceFigure::Posted => 1,
            BalanceFigure::Available => 2,
            BalanceFigure::DebitsPosted => 3,
            BalanceFigure::CreditsPosted => 4,
            BalanceFigure::DebitsPending => 5,
            BalanceFigure::CreditsPending => 6,
        }
    }

    /// The figure with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<BalanceFigure> {
        BalanceFigure::ALL.into_iter().find(|figure| figure.number() == number)
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            BalanceFigure::Posted => "posted",
            BalanceFigure::Available => "available",
            BalanceFigure::DebitsPosted => "debits_posted",
            BalanceFigure::CreditsPosted => "credits_posted",
            BalanceFigure::DebitsPending => "debits_pending",
            BalanceFigure::CreditsPending => "credits_pending",
        }
    }

    /// The figure as what counts for it and what counts against it, in minor units: their difference may be
    /// below zero, and has a sign more than 128 bits hold.
    #[must_use]
    pub fn of(self, account: &Account, balance: Balance) -> (u128, u128) {
        let Balance { debits_posted, credits_posted, debits_pending, credits_pending } = balance;
        match self {
            BalanceFigure::Posted if account.account_type.is_debit_normal() => {
                (debits_posted, credits_posted)
            }
            BalanceFigure::Posted => (credits_posted, debits_posted),
            BalanceFigure::Available => balance.sides(account.account_type),
            BalanceFigure::DebitsPosted => (debits_posted, 0),
            BalanceFigure::CreditsPosted => (credits_posted, 0),
            BalanceFigure::DebitsPending => (debits_pending, 0),
            BalanceFigure::CreditsPending => (credits_pending, 0),
        }
    }
}

/// How a figure must compare with an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// It is the amount or more.
    AtLeast,
    /// It is the amount or less.
    AtMost,
    /// It is the amount.
    Equal,
}

impl Comparison {
    /// Its stable number: in the API, the log, the rows of the views and canonical bytes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Comparison::AtLeast => 1,
            Comparison::AtMost => 2,
            Comparison::Equal => 3,
        }
    }

    /// The comparison with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Comparison> {
        match number {
            1 => Some(Comparison::AtLeast),
            2 => Some(Comparison::AtMost),
            3 => Some(Comparison::Equal),
            _ => None,
        }
    }

    /// Whether `plus` less `minus` compares so with an amount in minor units. Exact for all of them: no sum
    /// is made that could pass 128 bits.
    #[must_use]
    pub fn holds(self, (plus, minus): (u128, u128), negative: bool, amount: u128) -> bool {
        let is_below_zero = plus < minus;
        let size = plus.abs_diff(minus);
        let order = match (is_below_zero, negative && amount > 0) {
            (false, false) => size.cmp(&amount),
            (true, true) => amount.cmp(&size),
            (true, false) => std::cmp::Ordering::Less,
            (false, true) => std::cmp::Ordering::Greater,
        };
        match self {
            Comparison::AtLeast => order.is_ge(),
            Comparison::AtMost => order.is_le(),
            Comparison::Equal => order.is_eq(),
        }
    }
}

/// A decimal that may be below zero. Zero has no sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedDecimal {
    negative: bool,
    size: Decimal,
}

impl SignedDecimal {
    /// Reads what [`Decimal::parse`] reads, with at most one "-" before it.
    ///
    /// # Errors
    /// As [`Decimal::parse`].
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (signed, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let size = Decimal::parse(digits)?;
        Ok(SignedDecimal { negative: signed && !size.is_zero(), size })
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// The decimal without its sign.
    #[must_use]
    pub fn size(self) -> Decimal {
        self.size
    }
}

impl std::fmt::Display for SignedDecimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_decimal_reads_one_sign_and_zero_has_none() {
        let read = |text: &str| SignedDecimal::parse(text).map(|it| it.to_string());
        assert_eq!(read("-1.50"), Ok("-1.5".into()));
        assert_eq!(read("1.50"), Ok("1.5".into()));
        assert_eq!(read("-0.00"), Ok("0".into()));
        for malformed in ["", "-", "--1", "+1", "- 1", "-.5", "1-"] {
            assert_eq!(read(malformed), Err(AmountError::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn numbers_lead_back() {
        for figure in BalanceFigure::ALL {
            assert_eq!(BalanceFigure::from_number(figure.number()), Some(figure));
        }
        for comparison in [Comparison::AtLeast, Comparison::AtMost, Comparison::Equal] {
            assert_eq!(Comparison::from_number(comparison.number()), Some(comparison));
        }
        assert_eq!((BalanceFigure::from_number(0), Comparison::from_number(0)), (None, None));
        assert_eq!((BalanceFigure::from_number(7), Comparison::from_number(4)), (None, None));
    }

    /// At the ends of 128 bits, where a difference or a sum would wrap.
    #[test]
    fn figures_compare_exactly_at_the_ends() {
        const MAX: u128 = u128::MAX;
        let check = |sides, negative, amount, expected: [bool; 3]| {
            let all = [Comparison::AtLeast, Comparison::AtMost, Comparison::Equal];
            let found = all.map(|comparison| comparison.holds(sides, negative, amount));
            assert_eq!(found, expected, "{sides:?} and {negative} {amount}");
        };
        let (more, less, equal) = ([true, false, false], [false, true, false], [true, true, true]);
        check((MAX, 0), false, MAX, equal);
        check((MAX, 1), false, MAX, less);
        check((0, MAX), true, MAX, equal);
        check((1, MAX), true, MAX, more);
        check((0, MAX), false, 0, less);
        check((MAX, 0), true, MAX, more);
        check((MAX, MAX), false, 0, equal);
        check((MAX, MAX), true, 0, equal);
        check((MAX, MAX), true, 1, more);
        check((0, 1), false, 0, less);
    }
}
