//! What happened: facts that `apply` cannot refuse.

use crate::command::{AccountRules, AccountStatus, AccountType, Timestamp, Transfer};
use crate::name::{AccountName, AssetCode, Id, LedgerName};
use crate::rejection::Rejection;
use crate::state::{AccountHandle, AssetHandle, LedgerHandle};

/// One event of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A ledger was created.
    LedgerCreated {
        /// Its handle, the next free one.
        ledger: LedgerHandle,
        /// Its name.
        name: LedgerName,
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
    /// A batch of transfers was decided.
    TransferBatch(TransferBatch),
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
            | Event::CommandRefused { .. } => 1,
        }
    }
}

/// Transfers decided together, in the client's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferBatch {
    /// Their ledger.
    pub ledger: LedgerHandle,
    /// Those that were posted, in order.
    pub posted: Vec<PostedTransfer>,
    /// Those that were refused, ascending by row.
    pub refused: Vec<RefusedTransfer>,
}

/// A transfer that moved its amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedTransfer {
    /// Its id.
    pub id: Id,
    /// Account that was debited.
    pub debit_account: AccountHandle,
    /// Account that was credited.
    pub credit_account: AccountHandle,
    /// Asset.
    pub asset: AssetHandle,
    /// Amount in minor units; not zero.
    pub amount: u128,
    /// Free text of the client's; empty when there is none.
    pub reference: Box<str>,
    /// When it took effect, if that is not when it was recorded.
    pub effective_at: Option<Timestamp>,
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
    /// It was posted.
    Posted(&'a PostedTransfer),
    /// It was refused.
    Refused(&'a RefusedTransfer),
}

impl TransferBatch {
    /// Rows of the batch, posted and refused.
    #[must_use]
    pub fn rows(&self) -> u32 {
        let rows = self.posted.len().saturating_add(self.refused.len());
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    /// All rows in the client's order, each with its row number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Row<'_>)> {
        let mut posted = self.posted.iter();
        let mut refused = self.refused.iter().peekable();
        (0..self.rows()).map_while(move |row| match refused.next_if(|r| r.row == row) {
            Some(refusal) => Some((row, Row::Refused(refusal))),
            None => posted.next().map(|p| (row, Row::Posted(p))),
        })
    }
}
