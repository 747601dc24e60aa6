//! Transfers, and what has become of them.

use ledger_domain::{Id, LedgerHandle};

use super::ViewReader;
use crate::key::{self, Place};
use crate::row::{HoldRow, JournalEntryRow, ReversalRow, TransferRow};
use crate::store::StoreError;
use crate::table::Table;

impl ViewReader {
    /// The transfer with this id, accepted or refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn transfer(
        &self,
        at: Place,
        ledger: LedgerHandle,
        id: &Id,
    ) -> Result<Option<TransferRow>, StoreError> {
        self.placed(at, Table::Transfers, &key::transfer(ledger, id))
    }

    /// What a hold is, with the place that it is it from; none where there is no such hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hold(
        &self,
        at: Place,
        ledger: LedgerHandle,
        id: &Id,
    ) -> Result<Option<(Place, HoldRow)>, StoreError> {
        self.newest(Table::Holds, &key::changes_prefix(ledger, id), &key::change(ledger, id, at))
    }

    /// At most `limit` reversals of a transfer, newest first, each with its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reversals(
        &self,
        at: Place,
        ledger: LedgerHandle,
        id: &Id,
        limit: usize,
    ) -> Result<Vec<(Place, ReversalRow)>, StoreError> {
        let (prefix, from) = (key::changes_prefix(ledger, id), key::change(ledger, id, at));
        self.newest_first(Table::Reversals, &prefix, &from, limit)
    }

    /// The journal entry with this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn journal_entry(
        &self,
        at: Place,
        ledger: LedgerHandle,
        id: &Id,
    ) -> Result<Option<JournalEntryRow>, StoreError> {
        let row: Option<JournalEntryRow> =
            self.placed(at, Table::JournalEntries, &key::transfer(ledger, id))?;
        Ok(row.map(|row| row.as_of(at)))
    }
}
