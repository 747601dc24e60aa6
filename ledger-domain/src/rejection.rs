//! Refusals: answers with stable numbers, never used again.
//!
//! 100-199 are of shape, authority and limits: they depend on no state, never reach the log and never
//! burn an id. 300-399 tell of an id that was used before, and record nothing. 200-299 depend on state:
//! they are recorded, and their id stays refused. 400-499 tell of another transfer's refusal, and record
//! nothing.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// What was wrong. Of several reasons, the first in the order of this enum is the answer; the
        /// numbers are stable and need not ascend.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All codes, in precedence.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// Its stable number.
            #[must_use]
            pub fn number(self) -> u32 {
                match self { $(Code::$variant => $number,)* }
            }

            /// Its stable name, as clients see it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The code with this number.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Code> {
                match number { $($number => Some(Code::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// A name, code or id breaks its rule, or a required field is missing.
    Malformed = 101, "MALFORMED";
    /// An amount is not `(0|[1-9][0-9]*)(\.[0-9]+)?`.
    MalformedAmount = 102, "MALFORMED_AMOUNT";
    /// An amount has more digits than 128 bits hold, whatever the asset.
    AmountTooLarge = 103, "AMOUNT_TOO_LARGE";
    /// A transfer moves nothing.
    ZeroAmount = 104, "ZERO_AMOUNT";
    /// Debit and credit account are the same.
    SameAccount = 105, "SAME_ACCOUNT";
    /// More transfers than a batch may hold, or none.
    BatchSize = 106, "BATCH_SIZE";
    /// A text is longer than its limit.
    TooLong = 107, "TOO_LONG";
    /// A scale above the limit.
    ScaleTooLarge = 108, "SCALE_TOO_LARGE";

    /// The id was used before with other content.
    IdReused = 301, "ID_REUSED";
    /// The journal entry was recorded before, with other transfers.
    EntryExists = 302, "ENTRY_EXISTS";

    /// No such ledger.
    UnknownLedger = 201, "UNKNOWN_LEDGER";
    /// An account has changed since the version on which the command depends.
    VersionMismatch = 228, "VERSION_MISMATCH";
    /// A balance is not as the command depends on it.
    ConditionFailed = 229, "CONDITION_FAILED";
    /// The ledger exists already.
    LedgerExists = 202, "LEDGER_EXISTS";
    /// The asset exists already.
    AssetExists = 203, "ASSET_EXISTS";
    /// The account exists already.
    AccountExists = 204, "ACCOUNT_EXISTS";
    /// The customer exists already: also one that was erased.
    CustomerExists = 250, "CUSTOMER_EXISTS";
    /// The schedule exists already: also one that has ended.
    ScheduleExists = 235, "SCHEDULE_EXISTS";
    /// The partition, ledger or account holds as many ledgers, assets or alerts as it may.
    TooMany = 205, "TOO_MANY";
    /// No such account to debit.
    UnknownDebitAccount = 206, "UNKNOWN_DEBIT_ACCOUNT";
    /// No such account to credit.
    UnknownCreditAccount = 207, "UNKNOWN_CREDIT_ACCOUNT";
    /// No such account.
    UnknownAccount = 212, "UNKNOWN_ACCOUNT";
    /// No such customer.
    UnknownCustomer = 251, "UNKNOWN_CUSTOMER";
    /// The customer is erased, for ever.
    CustomerErased = 252, "CUSTOMER_ERASED";
    /// No such schedule.
    UnknownSchedule = 236, "UNKNOWN_SCHEDULE";
    /// No such alert of the account.
    UnknownAlert = 230, "UNKNOWN_ALERT";
    /// No transfer with this id was accepted.
    UnknownTransfer = 220, "UNKNOWN_TRANSFER";
    /// The transfer posted nothing that could be posted back, or is a reversal itself.
    NotReversible = 221, "NOT_REVERSIBLE";
    /// The account is closed, for ever.
    AccountClosed = 213, "ACCOUNT_CLOSED";
    /// The account is frozen: nothing new is posted or held until it is unfrozen.
    AccountFrozen = 214, "ACCOUNT_FROZEN";
    /// The account is not frozen.
    AccountNotFrozen = 215, "ACCOUNT_NOT_FROZEN";
    /// The account has a balance, or something is held in it.
    AccountNotEmpty = 216, "ACCOUNT_NOT_EMPTY";
    /// No hold with this id is open: there never was one, or it was captured in full, voided, or expired.
    HoldNotOpen = 217, "HOLD_NOT_OPEN";
    /// The hold's time is over.
    HoldExpired = 218, "HOLD_EXPIRED";
    /// The schedule has ended: it was cancelled, or is never due again.
    ScheduleEnded = 237, "SCHEDULE_ENDED";
    /// A schedule is to start at an instant that has passed.
    ScheduleInPast = 238, "SCHEDULE_IN_PAST";
    /// The hold is that of a send: its destination ends it.
    HoldOfSend = 245, "HOLD_OF_SEND";
    /// The deadline of the send is over.
    DeadlinePassed = 246, "DEADLINE_PASSED";
    /// Books are to be closed up to an instant that has not come.
    LockInFuture = 226, "LOCK_IN_FUTURE";
    /// The transfer takes effect before the instant up to which the books are closed.
    BooksLocked = 227, "BOOKS_LOCKED";
    /// No such asset.
    UnknownAsset = 208, "UNKNOWN_ASSET";
    /// The asset has another scale in the ledger that sends.
    ScaleDiffers = 247, "SCALE_DIFFERS";
    /// More digits behind the point than the asset's scale.
    TooManyDecimals = 209, "TOO_MANY_DECIMALS";
    /// The metadata would have more keys than it may.
    MetadataFull = 240, "METADATA_FULL";
    /// More is to be reversed than is left of the transfer.
    ExceedsTransfer = 222, "EXCEEDS_TRANSFER";
    /// The amount or a counter would reach 2^128 minor units.
    Overflow = 210, "OVERFLOW";
    /// More is to be captured than is left of the hold.
    ExceedsHold = 219, "EXCEEDS_HOLD";
    /// A balance that the account has would pass its new rules.
    BalancePassesRules = 225, "BALANCE_PASSES_RULES";
    /// The debit would take a credit-normal account further below zero than it may, or the credit a
    /// debit-normal one.
    InsufficientFunds = 211, "INSUFFICIENT_FUNDS";

    /// Another transfer of its group was refused.
    LinkedFailed = 401, "LINKED_FAILED";
}

impl Code {
    /// Whether the refusal depends on state: then it is recorded and burns its id.
    #[must_use]
    pub fn depends_on_state(self) -> bool {
        matches!(self.number(), 200..=299)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal: its code, and what it is about (a field, an account, an amount).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What was wrong.
    pub code: Code,
    /// The field or thing that it is about; part of the record.
    pub subject: Box<str>,
}

impl Rejection {
    /// A refusal about `subject`.
    #[must_use]
    pub fn new(code: Code, subject: &str) -> Self {
        Rejection { code, subject: subject.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.subject)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_names_are_unique() {
        let numbers: BTreeSet<u32> = Code::ALL.iter().map(|code| code.number()).collect();
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!((numbers.len(), names.len()), (Code::ALL.len(), Code::ALL.len()));
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
        }
    }

    #[test]
    fn shape_comes_before_known_ids_these_before_state_and_others_refusals_last() {
        let stage = |code: &Code| match code.number() {
            100..=199 => 0,
            300..=399 => 1,
            200..=299 => 2,
            400..=499 => 3,
            other => panic!("{code}: no range has {other}"),
        };
        assert!(Code::ALL.is_sorted_by_key(stage));
    }
}
