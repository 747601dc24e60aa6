//! Reads of a view, each as of a fixed place: all up to it, and nothing later (QY-1).

mod alerts;
mod customers;
mod metadata;
mod schedules;
mod sets;
mod transfers;

use std::ops::ControlFlow;
use std::sync::Arc;

use ledger_domain::{AccountHandle, AssetHandle, LedgerHandle, Timestamp};
use tokio::sync::watch;

use crate::key::{self, Place};
use crate::mirror::Nudge;
use crate::row::{
    AccountNameRow, AccountRow, AccountRulesRow, AccountStatusRow, AssetCodeRow, AssetRow,
    BookLockRow, CommitRow, EntryRow, JournalEntryRow, LatestRow, LedgerNameRow, LedgerRow, Row,
    TimeRow, TransferRow, ViewLog,
};
use crate::store::{StoreError, ViewStore, Visit};
use crate::table::Table;
use crate::writer::ViewState;

pub use alerts::{AlertPage, AlertView};
pub use metadata::HolderPage;
pub use sets::MemberPage;

/// Rows that one page of a list looks at. A page may so be short, or empty, and still have a next.
const PAGE_ROWS_EXAMINED_MAX: usize = 10_000;

/// Reads one view of one partition.
#[derive(Clone, Debug)]
pub struct ViewReader {
    store: Arc<dyn ViewStore>,
    log: ViewLog,
    state: watch::Receiver<ViewState>,
    /// Of a view that another process writes.
    nudge: Option<Arc<Nudge>>,
}

/// Part of a list, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    /// Names and rows.
    pub items: Vec<(Box<str>, R)>,
    /// Set when more may follow: they come after this name.
    pub after: Option<Box<str>>,
}

/// A row that appears at a place and never vanishes.
trait Placed: Row {
    fn place(&self) -> Place;
}

impl Placed for LedgerRow {
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for AssetRow {
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for AccountRow {
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for TransferRow {
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for JournalEntryRow {
    fn place(&self) -> Place {
        self.place
    }
}

/// Reads at `at` show what happened up to and with that place. It must not be beyond what the view
/// has applied: the caller fixes it by [`ViewReader::state`].
impl ViewReader {
    pub(crate) fn new(
        store: Arc<dyn ViewStore>,
        log: ViewLog,
        state: watch::Receiver<ViewState>,
    ) -> Self {
        ViewReader { store, log, state, nudge: None }
    }

    /// Whoever follows the view looks sooner when somebody waits.
    pub(crate) fn with_nudge(self, nudge: Arc<Nudge>) -> Self {
        ViewReader { nudge: Some(nudge), ..self }
    }

    /// What the view is of.
    #[must_use]
    pub fn log(&self) -> ViewLog {
        self.log
    }

    /// How far the view came.
    #[must_use]
    pub fn state(&self) -> ViewState {
        self.state.borrow().clone()
    }

    /// Tells when the view came further or is parked: for whoever waits for a position.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ViewState> {
        if let Some(nudge) = &self.nudge {
            nudge.ask();
        }
        self.state.clone()
    }

    /// The ledger with this name.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read; so for every read below.
    pub fn ledger(&self, at: Place, name: &str) -> Result<Option<LedgerRow>, StoreError> {
        self.placed(at, Table::Ledgers, name.as_bytes())
    }

    /// Name of a ledger.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ledger_name(&self, ledger: LedgerHandle) -> Result<Option<LedgerNameRow>, StoreError> {
        self.typed(Table::LedgerNames, &ledger.0.to_be_bytes())
    }

    /// Up to when the books of a ledger are closed, with the place that it is so from; none where that never
    /// changed since the ledger was created.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn book_lock(
        &self,
        at: Place,
        ledger: LedgerHandle,
    ) -> Result<Option<(Place, BookLockRow)>, StoreError> {
        self.newest(Table::BookLocks, &ledger.0.to_be_bytes(), &key::book_lock(ledger, at))
    }

    /// At most `limit` ledgers by name, after this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ledgers(
        &self,
        at: Place,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerRow>, StoreError> {
        self.list(at, Table::Ledgers, &[], after, limit)
    }

    /// The asset with this code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn asset(
        &self,
        at: Place,
        ledger: LedgerHandle,
        code: &str,
    ) -> Result<Option<AssetRow>, StoreError> {
        self.placed(at, Table::Assets, &key::named(ledger, code))
    }

    /// Code and scale of an asset.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn asset_code(
        &self,
        ledger: LedgerHandle,
        asset: AssetHandle,
    ) -> Result<Option<AssetCodeRow>, StoreError> {
        self.typed(Table::AssetCodes, &key::asset_code(ledger, asset))
    }

    /// At most `limit` assets of a ledger by code, after this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn assets(
        &self,
        at: Place,
        ledger: LedgerHandle,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<AssetRow>, StoreError> {
        self.list(at, Table::Assets, &ledger.0.to_be_bytes(), after, limit)
    }

    /// The account with this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account(
        &self,
        at: Place,
        ledger: LedgerHandle,
        name: &str,
    ) -> Result<Option<AccountRow>, StoreError> {
        self.placed(at, Table::Accounts, &key::named(ledger, name))
    }

    /// Ledger and name of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_name(
        &self,
        account: AccountHandle,
    ) -> Result<Option<AccountNameRow>, StoreError> {
        self.typed(Table::AccountNames, &account.0.to_be_bytes())
    }

    /// The status of an account, with the place that it has it from; none where it never changed since the
    /// account was opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_status(
        &self,
        at: Place,
        account: AccountHandle,
    ) -> Result<Option<(Place, AccountStatusRow)>, StoreError> {
        let from = key::account_change(account, at);
        self.newest(Table::AccountStatuses, &account.0.to_be_bytes(), &from)
    }

    /// The rules of an account, with the place that it has them from; none where they never changed since
    /// the account was opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_rules(
        &self,
        at: Place,
        account: AccountHandle,
    ) -> Result<Option<(Place, AccountRulesRow)>, StoreError> {
        let from = key::account_change(account, at);
        self.newest(Table::AccountRules, &account.0.to_be_bytes(), &from)
    }

    /// At most `limit` accounts of a ledger by name, after this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn accounts(
        &self,
        at: Place,
        ledger: LedgerHandle,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<AccountRow>, StoreError> {
        self.list(at, Table::Accounts, &ledger.0.to_be_bytes(), after, limit)
    }

    /// A balance, with the place that changed it last; none where the account never moved the asset.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn balance(
        &self,
        at: Place,
        account: AccountHandle,
        asset: AssetHandle,
    ) -> Result<Option<LatestRow>, StoreError> {
        match self.typed(Table::Latest, &key::balance(account, asset))? {
            Some(latest) => self.balance_as_of(at, account, asset, latest),
            None => Ok(None),
        }
    }

    /// All balances of an account, by asset handle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn balances(
        &self,
        at: Place,
        account: AccountHandle,
    ) -> Result<Vec<(AssetHandle, LatestRow)>, StoreError> {
        let mut newest: Vec<(AssetHandle, LatestRow)> = Vec::new();
        let prefix = account.0.to_be_bytes();
        self.each(Table::Latest, &prefix, &prefix, |key, row: LatestRow| {
            let (_, asset) = key::read_balance(key)?;
            newest.push((asset, row));
            Some(ControlFlow::Continue(()))
        })?;
        let mut balances = Vec::with_capacity(newest.len());
        for (asset, latest) in newest {
            if let Some(row) = self.balance_as_of(at, account, asset, latest)? {
                balances.push((asset, row));
            }
        }
        Ok(balances)
    }

    fn balance_as_of(
        &self,
        at: Place,
        account: AccountHandle,
        asset: AssetHandle,
        latest: LatestRow,
    ) -> Result<Option<LatestRow>, StoreError> {
        if latest.place <= at {
            return Ok(Some(latest));
        }
        let newest = self.entries(at, account, asset, 1)?.pop();
        Ok(newest.map(|(place, entry)| LatestRow { place, balance: entry.balance }))
    }

    /// At most `limit` entries of a balance, newest first, each with its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entries(
        &self,
        at: Place,
        account: AccountHandle,
        asset: AssetHandle,
        limit: usize,
    ) -> Result<Vec<(Place, EntryRow)>, StoreError> {
        let mut entries = Vec::new();
        if limit == 0 {
            return Ok(entries);
        }
        let from = key::history(account, asset, at);
        let prefix = key::balance(account, asset);
        self.each(Table::History, &prefix, &from, |key, row: EntryRow| {
            let (_, _, place) = key::read_history(key)?;
            entries.push((place, row));
            Some(if entries.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(entries)
    }

    /// What the record at this offset is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit(&self, offset: u64) -> Result<Option<CommitRow>, StoreError> {
        self.typed(Table::Commits, &offset.to_be_bytes())
    }

    /// Offset of the last commit recorded at or before this instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit_at(&self, instant: Timestamp) -> Result<Option<u64>, StoreError> {
        let mut found = None;
        if instant >= 0 {
            self.each(Table::Times, &[], &key::time(instant), |_, row: TimeRow| {
                found = Some(row.offset);
                Some(ControlFlow::Break(()))
            })?;
        }
        Ok(found)
    }

    /// The bytes of any row: for an audit that projects the log again and compares.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    /// Visits all rows of a table, in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rows(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.store.scan(table, &[], &[], visit)
    }

    /// The first row of these, whose keys end with their places.
    fn newest<R: Row>(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
    ) -> Result<Option<(Place, R)>, StoreError> {
        Ok(self.newest_first(table, prefix, from, 1)?.pop())
    }

    /// At most `limit` of these rows, whose keys end with their places.
    fn newest_first<R: Row>(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<(Place, R)>, StoreError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        self.each(table, prefix, from, |key, row: R| {
            found.push((key::read_place(key)?, row));
            let is_full = found.len() >= limit;
            Some(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    fn list<R: Placed>(
        &self,
        at: Place,
        table: Table,
        prefix: &[u8],
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<R>, StoreError> {
        let from = match after {
            // No name holds a zero byte, so that this is the least key after it.
            Some(name) => [prefix, name.as_bytes(), &[0]].concat(),
            None => prefix.to_vec(),
        };
        let mut page = Page { items: Vec::new(), after: None };
        let (mut examined, mut last) = (0, None);
        self.each(table, prefix, &from, |key, row: R| {
            if page.items.len() >= limit || examined >= PAGE_ROWS_EXAMINED_MAX {
                page.after = last.take();
                return Some(ControlFlow::Break(()));
            }
            examined += 1;
            let name: Box<str> = std::str::from_utf8(&key[prefix.len()..]).ok()?.into();
            last = Some(name.clone());
            if row.place() <= at {
                page.items.push((name, row));
            }
            Some(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    fn placed<R: Placed>(
        &self,
        at: Place,
        table: Table,
        key: &[u8],
    ) -> Result<Option<R>, StoreError> {
        Ok(self.typed(table, key)?.filter(|row: &R| row.place() <= at))
    }

    fn typed<R: Row>(&self, table: Table, key: &[u8]) -> Result<Option<R>, StoreError> {
        let Some(bytes) = self.store.get(table, key)? else { return Ok(None) };
        R::decode(&bytes).map(Some).ok_or_else(|| damaged(table, key))
    }

    /// Visits decoded rows; `None` from the visitor says that the key is damaged.
    fn each<R: Row>(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], R) -> Option<ControlFlow<()>>,
    ) -> Result<(), StoreError> {
        let mut failure = None;
        self.store.scan(table, prefix, from, &mut |key, bytes| match R::decode(bytes)
            .and_then(|row| visit(key, row))
        {
            Some(flow) => flow,
            None => {
                failure = Some(damaged(table, key));
                ControlFlow::Break(())
            }
        })?;
        failure.map_or(Ok(()), Err)
    }
}

fn damaged(table: Table, key: &[u8]) -> StoreError {
    let mut what = format!("{}: row ", table.name());
    for byte in key {
        what.push_str(&format!("{byte:02x}"));
    }
    StoreError::Damaged { what }
}
