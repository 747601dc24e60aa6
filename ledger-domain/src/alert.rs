//! Balance alerts: each watches one figure of one balance, and says whenever its condition becomes true or
//! false.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::format_difference;
use crate::condition::{BalanceFigure, Comparison};
use crate::feed::feed_length;
use crate::name::Id;
use crate::state::{Account, AccountHandle, AssetHandle, Balance, State};

/// Minor units of an asset that may be below zero. Zero has no sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedMinor {
    negative: bool,
    minor: u128,
}

impl SignedMinor {
    /// That many minor units, below zero or not.
    #[must_use]
    pub fn new(negative: bool, minor: u128) -> Self {
        SignedMinor { negative: negative && minor > 0, minor }
    }

    /// `plus` less `minus`, exact for all of them.
    #[must_use]
    pub fn difference((plus, minus): (u128, u128)) -> Self {
        SignedMinor::new(plus < minus, plus.abs_diff(minus))
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// The minor units without their sign.
    #[must_use]
    pub fn size(self) -> u128 {
        self.minor
    }

    /// In units of an asset with this scale: "-1.50".
    #[must_use]
    pub fn format(self, scale: u8) -> String {
        let (plus, minus) = if self.negative { (0, self.minor) } else { (self.minor, 0) };
        format_difference(plus, minus, scale)
    }
}

/// What an alert watches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRule {
    /// Asset of the balance.
    pub asset: AssetHandle,
    /// Which figure of it.
    pub figure: BalanceFigure,
    /// How it must compare.
    pub comparison: Comparison,
    /// With what.
    pub amount: SignedMinor,
}

impl AlertRule {
    /// Whether this balance of its asset meets it, in this account.
    #[must_use]
    pub fn holds(&self, account: &Account, balance: Balance) -> bool {
        let sides = self.figure.of(account, balance);
        self.comparison.holds(sides, self.amount.is_negative(), self.amount.size())
    }
}

/// An alert of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it watches for.
    pub rule: AlertRule,
    /// Whether that is so (LD-10).
    pub raised: bool,
}

/// An alert's condition became true or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Account whose balance it is about.
    pub account: AccountHandle,
    /// Id of the alert, in the account.
    pub alert: Id,
    /// What the alert watches for.
    pub rule: AlertRule,
    /// It is raised: the condition became true. Else it is cleared.
    pub raised: bool,
    /// The figure after it.
    pub value: SignedMinor,
    /// What made it cross.
    pub cause: Cause,
}

/// What made an alert cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was set while its condition was true, or replaced by one whose condition differs.
    Set,
    /// This transfer moved the balance.
    Transfer(Id),
    /// This hold expired.
    Expiry(Id),
}

impl State {
    /// The alert of an account with this id.
    #[must_use]
    pub fn alert(&self, account: AccountHandle, id: &Id) -> Option<&Alert> {
        if self.is_watched(account) { self.alerts.get(&(account, id.clone())) } else { None }
    }

    /// All alerts of an account, by id.
    pub fn alerts_of(&self, account: AccountHandle) -> impl Iterator<Item = (&Id, &Alert)> {
        // No id comes before this one.
        let first = (account, Id::Uuid([0; 16]));
        let from = self.alerts.range(first..).map(|((of, id), alert)| (*of, id, alert));
        from.take_while(move |(of, ..)| *of == account).map(|(_, id, alert)| (id, alert))
    }

    /// All alerts of all accounts.
    pub fn alerts(&self) -> impl Iterator<Item = (AccountHandle, &Id, &Alert)> {
        self.alerts.iter().map(|((account, id), alert)| (*account, id, alert))
    }

    /// Whether an account has an alert.
    #[must_use]
    pub fn is_watched(&self, account: AccountHandle) -> bool {
        self.account(account).is_some_and(|account| account.alerts > 0)
    }
}

/// Counts the alerts of each account, which a snapshot does not hold.
pub(crate) fn count(alerts: &BTreeMap<(AccountHandle, Id), Alert>, accounts: &mut [Account]) {
    for (account, _) in alerts.keys() {
        let at = usize::try_from(account.0).ok().and_then(|at| accounts.get_mut(at));
        if let Some(account) = at {
            account.alerts = account.alerts.saturating_add(1);
        }
    }
}

pub(crate) fn feed_all(
    alerts: &BTreeMap<(AccountHandle, Id), Alert>,
    sink: &mut impl FnMut(&[u8]),
) {
    feed_length(alerts.len(), sink);
    let mut key = Vec::new();
    for ((account, id), Alert { rule, raised }) in alerts {
        let AlertRule { asset, figure, comparison, amount } = rule;
        sink(&account.0.to_le_bytes());
        key.clear();
        id.write_key(&mut key);
        feed_length(key.len(), sink);
        sink(&key);
        sink(&asset.0.to_le_bytes());
        sink(&[figure.number(), comparison.number(), u8::from(amount.is_negative())]);
        sink(&amount.size().to_le_bytes());
        sink(&[u8::from(*raised)]);
    }
}
