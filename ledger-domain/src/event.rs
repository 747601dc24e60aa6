//! What happened: facts that `apply` cannot refuse.

use crate::alert::{AlertRule, Crossing};
use crate::command::{AccountStatus, AccountType, Link, Timestamp, Transfer, TransferKind};
use crate::customer::{CustomerHandle, NewAccount, Profile};
use crate::metadata::{Metadata, MetadataChange, MetadataTarget};
use crate::name::{AccountName, AssetCode, CustomerName, Id, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::rules::AccountRules;
use crate::schedule::Plan;
use crate::send::{Destination, Origin};
use crate::state::{AccountHandle, AssetHandle, LedgerHandle, Step};

/// One event of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A ledger was created.
    LedgerCreated {
        /// Its handle, the next free one.
        ledger: LedgerHandle,
        /// Its name.
        name: LedgerName,
        /// Its metadata.
        metadata: Metadata,
    },
    /// An asset was created.
    AssetCreated {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its handle, the next free one of the ledger.
        asset: AssetHandle,
        /// Its code.
        code: AssetCode,
        /// Decimal digits of its minor unit.
        scale: u8,
    },
    /// An account was opened.
    AccountOpened {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its handle, the next free one of the partition.
        account: AccountHandle,
        /// Its name.
        name: AccountName,
        /// Its type.
        account_type: AccountType,
        /// Its rules.
        rules: AccountRules,
        /// Its metadata.
        metadata: Metadata,
    },
    /// What may be done with an account has changed.
    AccountStatusChanged {
        /// Its ledger.
        ledger: LedgerHandle,
        /// The account.
        account: AccountHandle,
        /// Its status from now on.
        status: AccountStatus,
    },
    /// An account has other rules.
    AccountRulesChanged {
        /// Its ledger.
        ledger: LedgerHandle,
        /// The account.
        account: AccountHandle,
        /// Its rules from now on.
        rules: AccountRules,
    },
    /// Metadata has changed.
    MetadataChanged {
        /// The ledger.
        ledger: LedgerHandle,
        /// Whose metadata.
        target: MetadataTarget,
        /// What has changed, by key; nothing where all was as asked.
        changes: Vec<MetadataChange>,
        /// Of a transfer, what is noted beside that: no state keeps what is noted of transfers.
        others: Metadata,
    },
    /// What took effect before an instant is closed from now on, and nothing else.
    BooksLocked {
        /// The ledger.
        ledger: LedgerHandle,
        /// The instant; `None` when nothing is closed.
        locked_before: Option<Timestamp>,
    },
    /// A batch of transfers was decided.
    TransferBatch(TransferBatch),
    /// A hold was not captured in time: what was left of it was given back.
    HoldExpired {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its id.
        hold: Id,
        /// Account that it would have debited.
        debit_account: AccountHandle,
        /// Account that it would have credited.
        credit_account: AccountHandle,
        /// Asset.
        asset: AssetHandle,
        /// What was left of it, in minor units; not zero.
        amount: u128,
    },
    /// A schedule was made.
    ScheduleCreated {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its id.
        schedule: Id,
        /// What it posts, and when.
        plan: Box<Plan>,
        /// When it is due first.
        next_due: Timestamp,
    },
    /// A schedule was ended by a command.
    ScheduleCancelled {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its id.
        schedule: Id,
    },
    /// A schedule was due. Its transfer stands right before, in the batch of one.
    ScheduleRan {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its id.
        schedule: Id,
        /// The how many-th time it was; the first is 1.
        number: u32,
        /// When it was due; it ran no sooner.
        due_at: Timestamp,
        /// When it is due again; `None` when it has ended.
        next_due: Option<Timestamp>,
        /// Why its transfer was refused, if it was.
        refused: Option<Code>,
    },
    /// A customer was registered, and accounts were opened for them.
    CustomerRegistered {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Its handle, the next free one of the partition.
        customer: CustomerHandle,
        /// Its name.
        name: CustomerName,
        /// The accounts.
        accounts: Vec<NewAccount>,
        /// What is kept of the person.
        profile: Profile,
    },
    /// Something else is kept of a person.
    ProfileUpdated {
        /// Its ledger.
        ledger: LedgerHandle,
        /// The customer.
        customer: CustomerHandle,
        /// What is kept from now on, all of it.
        profile: Profile,
    },
    /// Nothing is kept of a person any more, and the customer's key is to be destroyed.
    CustomerErased {
        /// Its ledger.
        ledger: LedgerHandle,
        /// The customer.
        customer: CustomerHandle,
    },
    /// An alert was set, or replaced. Where it must cross for that, the crossing stands right behind.
    BalanceAlertSet {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Account that it watches.
        account: AccountHandle,
        /// Its id, in the account.
        alert: Id,
        /// What it watches for. Boxed, so that most events stay small.
        rule: Box<AlertRule>,
        /// Whether the one that it replaces was raised: it stands so until it crosses.
        raised: bool,
    },
    /// An alert was removed.
    BalanceAlertRemoved {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Account that it watched.
        account: AccountHandle,
        /// Its id, in the account.
        alert: Id,
    },
    /// The condition of an alert became true or false, by an event before this one in the same command.
    BalanceAlertCrossed {
        /// Its ledger.
        ledger: LedgerHandle,
        /// Which alert, how, and why.
        crossing: Box<Crossing>,
    },
    /// A command was refused as a whole, for a reason that depends on state.
    CommandRefused {
        /// The ledger that it named; it may not exist.
        ledger: LedgerName,
        /// Why.
        rejection: Rejection,
    },
}

impl Event {
    /// How many indices of the commit it takes: one, or one for each row of a batch.
    #[must_use]
    pub fn width(&self) -> u32 {
        match self {
            Event::TransferBatch(batch) => batch.rows(),
            Event::LedgerCreated { .. }
            | Event::AssetCreated { .. }
            | Event::AccountOpened { .. }
            | Event::AccountStatusChanged { .. }
            | Event::AccountRulesChanged { .. }
            | Event::MetadataChanged { .. }
            | Event::BooksLocked { .. }
            | Event::HoldExpired { .. }
            | Event::ScheduleCreated { .. }
            | Event::ScheduleCancelled { .. }
            | Event::ScheduleRan { .. }
            | Event::CustomerRegistered { .. }
            | Event::ProfileUpdated { .. }
            | Event::CustomerErased { .. }
            | Event::BalanceAlertSet { .. }
            | Event::BalanceAlertRemoved { .. }
            | Event::BalanceAlertCrossed { .. }
            | Event::CommandRefused { .. } => 1,
        }
    }
}

/// Transfers decided together, in the client's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferBatch {
    /// Their ledger.
    pub ledger: LedgerHandle,
    /// Those that were accepted, in order.
    pub accepted: Vec<AcceptedTransfer>,
    /// Those that were refused, ascending by row.
    pub refused: Vec<RefusedTransfer>,
}

/// A transfer that did what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedTransfer {
    /// Its id.
    pub id: Id,
    /// What it did.
    pub effect: Effect,
    /// Account that was debited, or would be; of a capture and a void that of the hold, as below, and of a
    /// reversal the one that was credited.
    pub debit_account: AccountHandle,
    /// Account that was credited, or would be.
    pub credit_account: AccountHandle,
    /// Asset.
    pub asset: AssetHandle,
    /// Amount that was posted, held, captured or given back, in minor units; not zero.
    pub amount: u128,
    /// Of one that was to move up to an amount, that amount in minor units.
    pub up_to: Option<Box<u128>>,
    /// Free text of the client's; empty when there is none.
    pub reference: Box<str>,
    /// When it took effect, if that is not when it was recorded.
    pub effective_at: Option<Timestamp>,
    /// With which others of the batch it was accepted.
    pub link: Link,
    /// Its metadata.
    pub metadata: Metadata,
}

impl AcceptedTransfer {
    /// The amount that was asked for where one was, in minor units: it may have come to less.
    #[must_use]
    pub fn asked(&self) -> u128 {
        self.up_to.as_ref().map_or(self.amount, |asked| **asked)
    }

    /// Whether it can be reversed. What went from ledger to ledger cannot: the other one would not know.
    #[must_use]
    pub fn is_reversible(&self) -> bool {
        match self.effect {
            Effect::Post => true,
            Effect::Capture(_) => !self.id.is_settlement(),
            Effect::Hold { .. }
            | Effect::Void { .. }
            | Effect::Send(_)
            | Effect::Receive(_)
            | Effect::Reversal(_) => false,
        }
    }
}

/// What an accepted transfer did with its amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was posted.
    Post,
    /// It is held.
    Hold {
        /// From when on it cannot be captured and is given back.
        expires_at: Option<Timestamp>,
    },
    /// It was held and is posted. Boxed, as below, so that most transfers stay small.
    Capture(Box<Capture>),
    /// It was held and is given back.
    Void {
        /// Id of the hold.
        hold: Box<Id>,
        /// Of the void that ends a send: why its destination refused it.
        refused: Option<Box<Rejection>>,
    },
    /// It is held, until another ledger has received it or refused to.
    Send(Box<Destination>),
    /// What another ledger sent was posted.
    Receive(Box<Origin>),
    /// It was posted back.
    Reversal(Box<Reversal>),
}

/// What a reversal says of the transfer that it reverses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// Id of that transfer.
    pub of: Id,
    /// Whether all that was not reversed yet was asked for, and no amount.
    pub rest: bool,
    /// What of it is still not reversed after this, in minor units.
    pub remaining: u128,
}

/// What a capture says of its hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Id of the hold.
    pub hold: Id,
    /// Whether all that was left was asked for, and no amount.
    pub rest: bool,
    /// What is still held after it, in minor units.
    pub remaining: u128,
}

impl Effect {
    /// The kind of transfer that has it.
    #[must_use]
    pub fn kind(&self) -> TransferKind {
        match self {
            Effect::Post => TransferKind::Post,
            Effect::Hold { .. } => TransferKind::Hold,
            Effect::Capture(_) => TransferKind::Capture,
            Effect::Void { .. } => TransferKind::Void,
            Effect::Reversal(_) => TransferKind::Reversal,
            Effect::Send(_) => TransferKind::Send,
            Effect::Receive(_) => TransferKind::Receive,
        }
    }

    /// The hold that it is about, where that is another transfer.
    #[must_use]
    pub fn hold(&self) -> Option<&Id> {
        match self {
            Effect::Capture(capture) => Some(&capture.hold),
            Effect::Void { hold, .. } => Some(hold),
            Effect::Post
            | Effect::Hold { .. }
            | Effect::Send(_)
            | Effect::Receive(_)
            | Effect::Reversal(_) => None,
        }
    }

    /// What it says of the transfer that it reverses.
    #[must_use]
    pub fn reversal(&self) -> Option<&Reversal> {
        match self {
            Effect::Reversal(reversal) => Some(reversal),
            Effect::Post
            | Effect::Hold { .. }
            | Effect::Capture(_)
            | Effect::Send(_)
            | Effect::Receive(_)
            | Effect::Void { .. } => None,
        }
    }

    /// Whether all that was left was asked for, and no amount.
    #[must_use]
    pub fn is_rest(&self) -> bool {
        match self {
            Effect::Capture(capture) => capture.rest,
            Effect::Reversal(reversal) => reversal.rest,
            Effect::Post
            | Effect::Hold { .. }
            | Effect::Send(_)
            | Effect::Receive(_)
            | Effect::Void { .. } => false,
        }
    }

    /// When what it holds expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Effect::Hold { expires_at } => *expires_at,
            Effect::Post
            | Effect::Capture(_)
            | Effect::Void { .. }
            | Effect::Send(_)
            | Effect::Receive(_)
            | Effect::Reversal(_) => None,
        }
    }

    /// What it does to the counters of both accounts.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Effect::Post | Effect::Receive(_) | Effect::Reversal(_) => Step::Post,
            Effect::Hold { .. } | Effect::Send(_) => Step::Hold,
            Effect::Capture(_) => Step::Capture,
            Effect::Void { .. } => Step::Release,
        }
    }
}

/// A transfer that was refused; its id is burnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedTransfer {
    /// Its row of the batch.
    pub row: u32,
    /// What was asked.
    pub transfer: Transfer,
    /// Why it was refused.
    pub rejection: Rejection,
}

/// One row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row<'a> {
    /// It was accepted.
    Accepted(&'a AcceptedTransfer),
    /// It was refused.
    Refused(&'a RefusedTransfer),
}

impl TransferBatch {
    /// Rows of the batch, accepted and refused.
    #[must_use]
    pub fn rows(&self) -> u32 {
        let rows = self.accepted.len().saturating_add(self.refused.len());
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    /// All rows in the client's order, each with its row number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Row<'_>)> {
        let mut accepted = self.accepted.iter();
        let mut refused = self.refused.iter().peekable();
        (0..self.rows()).map_while(move |row| match refused.next_if(|r| r.row == row) {
            Some(refusal) => Some((row, Row::Refused(refusal))),
            None => accepted.next().map(|accepted| (row, Row::Accepted(accepted))),
        })
    }
}
