//! Metadata, what became of it, and the accounts that have a value.

use std::ops::ControlFlow;

use ledger_domain::{AccountHandle, LedgerHandle, MetadataKey, MetadataTarget};

use super::{PAGE_ROWS_EXAMINED_MAX, ViewReader};
use crate::key::{self, Place};
use crate::row::{MetadataIndexRow, MetadataRow};
use crate::store::StoreError;
use crate::table::Table;

/// Accounts that have a value, in the order in which they were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HolderPage {
    /// The accounts.
    pub accounts: Vec<AccountHandle>,
    /// Set when more may follow: they come after this one, which need not have it.
    pub after: Option<AccountHandle>,
}

impl ViewReader {
    /// Metadata with the place that it is so from; none where there never was any, and of a transfer where it was
    /// never updated.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn metadata(
        &self,
        at: Place,
        ledger: LedgerHandle,
        target: &MetadataTarget,
    ) -> Result<Option<(Place, MetadataRow)>, StoreError> {
        Ok(self.metadata_history(at, ledger, target, 1)?.pop())
    }

    /// Whether a ledger ever updated metadata of a transfer, be it later than what is read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn updates_transfers(&self, ledger: LedgerHandle) -> Result<bool, StoreError> {
        let prefix = key::transfers_metadata_prefix(ledger);
        let mut found = false;
        self.each(Table::Metadata, &prefix, &prefix, |_, _: MetadataRow| {
            found = true;
            Some(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// At most `limit` updates of metadata, newest first, each with its place. Of a transfer without what it was
    /// asked for with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn metadata_history(
        &self,
        at: Place,
        ledger: LedgerHandle,
        target: &MetadataTarget,
        limit: usize,
    ) -> Result<Vec<(Place, MetadataRow)>, StoreError> {
        let prefix = key::metadata_prefix(ledger, target);
        let from = key::metadata(ledger, target, at);
        self.newest_first(Table::Metadata, &prefix, &from, limit)
    }

    /// At most `limit` accounts of a ledger whose metadata has this value, after this one. It costs two seeks for
    /// each account that ever had it, however often that changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holders(
        &self,
        at: Place,
        ledger: LedgerHandle,
        (key, value): (&MetadataKey, &str),
        after: Option<AccountHandle>,
        limit: usize,
    ) -> Result<HolderPage, StoreError> {
        let prefix = key::metadata_index_prefix(ledger, key, value);
        let mut page = HolderPage::default();
        let mut next = after.map_or(Some(0), |after| after.0.checked_add(1)).map(AccountHandle);
        let (mut examined, mut last) = (0, None);
        while let Some(account) = next {
            let Some((account, is_there)) = self.holder_from(at, &prefix, account)? else { break };
            if page.accounts.len() >= limit || examined >= PAGE_ROWS_EXAMINED_MAX {
                page.after = last;
                break;
            }
            examined += 1;
            last = Some(account);
            if is_there {
                page.accounts.push(account);
            }
            next = account.0.checked_add(1).map(AccountHandle);
        }
        Ok(page)
    }

    /// The first account from this one on that ever had the value, and whether it has it there.
    fn holder_from(
        &self,
        at: Place,
        prefix: &[u8],
        account: AccountHandle,
    ) -> Result<Option<(AccountHandle, bool)>, StoreError> {
        let first = |from: AccountHandle| {
            let mut found = None;
            let from = key::metadata_index(prefix, from, at);
            self.each(Table::MetadataIndex, prefix, &from, |key, row: MetadataIndexRow| {
                let (account, place) = key::read_metadata_index(key)?;
                found = Some((account, place, row.0));
                Some(ControlFlow::Break(()))
            })?;
            Ok::<_, StoreError>(found)
        };
        match first(account)? {
            Some((found, place, _)) if place > at => {
                // Its newest row is of later: one as of the place may stand behind it.
                let of_then = first(found)?.filter(|(of, ..)| *of == found);
                Ok(Some((
                    found,
                    of_then.is_some_and(|(_, place, is_there)| place <= at && is_there),
                )))
            }
            found => Ok(found.map(|(found, _, is_there)| (found, is_there))),
        }
    }
}
