//! PR-2: the rows that the log makes are the rows that the view has, each of them and no others.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use ledger_domain::{
    AccountHandle, AssetHandle, Balance, LedgerHandle, Metadata, MetadataTarget, Position, State,
};
use ledger_log::{Cursor, LogInfo};
use ledger_views::key::{self, Place};
use ledger_views::row::AppliedRow;
use ledger_views::{
    AccountNameRow, AccountRow, AssetCodeRow, AssetRow, Balances, CommitRow, CustomerNameRow,
    CustomerRow, JournalEntryRow, LatestRow, LedgerNameRow, LedgerRow, Members, ProjectError,
    Projection, Row, Rows, ScheduleRow, SetKind, StoreError, Table, TimeRow, TransferRow, ViewLog,
    ViewReader, ViewRecord, project_record,
};

use crate::report::{AuditError, Report};
use crate::{holds, metadata};

/// Compares record by record, while the view may go on.
#[derive(Debug)]
pub(crate) struct Compare<'a> {
    view: &'a ViewReader,
    partition: u32,
    /// Last record that the view held when the comparison began.
    until: Option<u64>,
    /// Last record that was compared.
    last: Option<u64>,
    projection: Projection<Running>,
    rows: Rows,
    /// How many rows each table must have up to `last`.
    expected: BTreeMap<Table, u64>,
    surplus: Option<Surplus>,
    failed: bool,
}

/// All keys of the tables that have more rows than the log made.
#[derive(Debug)]
struct Surplus {
    tables: BTreeSet<Table>,
    keys: HashSet<[u8; 16]>,
}

/// Balances in memory, with the place that changed each last.
#[derive(Debug, Default)]
struct Running(BTreeMap<(AccountHandle, AssetHandle), (Balance, Place)>);

impl Balances for Running {
    fn balance(
        &mut self,
        account: AccountHandle,
        asset: AssetHandle,
    ) -> Result<Balance, StoreError> {
        Ok(self.0.get(&(account, asset)).map(|(balance, _)| *balance).unwrap_or_default())
    }

    fn set(&mut self, account: AccountHandle, asset: AssetHandle, balance: Balance, place: Place) {
        self.0.insert((account, asset), (balance, place));
    }

    fn members(&mut self, _: LedgerHandle, _: SetKind) -> Result<Members, StoreError> {
        // From the log's first record on there was none before.
        Ok(Members::default())
    }

    fn metadata(&mut self, _: LedgerHandle, _: &MetadataTarget) -> Result<Metadata, StoreError> {
        Ok(Metadata::default())
    }
}

impl<'a> Compare<'a> {
    /// With a view of this log.
    pub(crate) fn new(
        view: &'a ViewReader,
        log: LogInfo,
        partition: u32,
    ) -> Result<Self, AuditError> {
        let LogInfo { id, partition_count } = log;
        let expected = ViewLog { log_id: id.0, partition, partition_count };
        if view.log() != expected {
            return Err(AuditError::Views(format!("a view of {}, not {expected}", view.log())));
        }
        let until = view.state().applied.map(|applied| applied.offset);
        Ok(Self::until(view, partition, until))
    }

    fn until(view: &'a ViewReader, partition: u32, until: Option<u64>) -> Self {
        Compare {
            view,
            partition,
            until,
            last: None,
            projection: Projection::default(),
            rows: Rows::default(),
            expected: BTreeMap::new(),
            surplus: None,
            failed: false,
        }
    }

    /// Offset after the last record to compare.
    pub(crate) fn end(&self) -> u64 {
        self.until.map_or(0, |until| until + 1)
    }

    /// Compares the rows of the next record. `cursor` is the reader's after it.
    pub(crate) fn record(
        &mut self,
        record: &ViewRecord,
        cursor: &Cursor,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        if self.failed || self.until.is_none_or(|until| until < record.offset) {
            return Ok(());
        }
        self.last = Some(record.offset);
        self.rows.clear();
        match project_record(&mut self.projection, record, &mut self.rows) {
            Ok(()) => self.projection.keep(),
            Err(ProjectError::Poison { place, what }) => {
                report.find("PR-2", place.position(self.partition), what);
                self.failed = true;
                return Ok(());
            }
            Err(ProjectError::Store(error)) => return Err(views(&error)),
        }
        if let Some(surplus) = &mut self.surplus {
            let kept = self.rows.iter().filter(|(table, ..)| surplus.tables.contains(table));
            surplus.keys.extend(kept.map(|(table, key, _)| digest(table, key)));
            return Ok(());
        }
        for (table, key, value) in self.rows.iter() {
            *self.expected.entry(table).or_default() += 1;
            let found = stored(self.view, table, key)?;
            if let Some(what) = difference(table, found.as_deref(), value) {
                let at = place_of_key(table, key).unwrap_or(Place::end_of(record.offset));
                report.find("PR-2", at.position(self.partition), what);
            }
        }
        report.rows_compared += self.rows.len() as u64;
        if self.until == Some(record.offset) {
            self.compare_cursor(record.offset, cursor, report)?;
        }
        Ok(())
    }

    /// The view was made from these bytes, if it did not go on since.
    fn compare_cursor(
        &self,
        offset: u64,
        cursor: &Cursor,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        let row = stored(self.view, Table::Meta, b"applied")?;
        let Some(applied) = row.and_then(|bytes| AppliedRow::decode(&bytes)) else {
            let what = "the view's row of how far it came is damaged or missing";
            report.find("PR-1", Position::commit(self.partition, offset), what.into());
            return Ok(());
        };
        if applied.offset == offset && applied.cursor != cursor.encode() {
            let what = "the view was made from other bytes than the log holds now";
            let counted = Position::commit(self.partition, cursor.counted);
            report.find("LG-4", counted, what.into());
        }
        Ok(())
    }

    /// Compares what the view lists with the state, if both are after the same record. Where rows were found to
    /// differ, so do lists.
    pub(crate) fn lists(&self, state: &State, report: &mut Report) -> Result<(), AuditError> {
        let position = self.last.map(|last| (last, Position::commit(self.partition, last)));
        let Some((last, at)) = position.filter(|(_, at)| report.position == Some(*at)) else {
            return Ok(());
        };
        if self.failed || self.surplus.is_some() || !report.is_clean() {
            return Ok(());
        }
        let holds = holds::differences(self.view, last, state).map_err(|error| views(&error))?;
        let noted = metadata::differences(self.view, last, state).map_err(|error| views(&error))?;
        for what in holds.into_iter().chain(noted) {
            report.find("PR-2", at, what);
        }
        Ok(())
    }

    /// Compares what is one row for many records, and the number of rows. What is to be replayed again
    /// to find the rows that no record made.
    pub(crate) fn finish(self, report: &mut Report) -> Result<Option<Self>, AuditError> {
        if let Some(parked) = self.view.state().parked {
            let at = Position::commit(self.partition, parked.offset);
            report.find("PR-2", at, format!("the view is parked: {}", parked.what));
        }
        let Some(last) = self.last else { return Ok(None) };
        report.view_position = Some(Position::commit(self.partition, last));
        if self.failed {
            return Ok(None);
        }
        self.compare_latest(last, report)?;
        let mut tables = BTreeSet::new();
        for table in Table::ALL {
            if matches!(table, Table::Meta | Table::Latest) {
                continue;
            }
            let mut found = 0;
            let newest = self.each(table, last, |_, _| found += 1)?;
            self.check_applied(table, newest, report)?;
            // Those that are missing were found before.
            let expected = self.expected.get(&table).copied().unwrap_or(0);
            if found != expected {
                tables.insert(table);
            }
        }
        if tables.is_empty() {
            return Ok(None);
        }
        let surplus = Some(Surplus { tables, keys: HashSet::new() });
        Ok(Some(Compare { surplus, ..Self::until(self.view, self.partition, self.last) }))
    }

    fn compare_latest(&self, last: u64, report: &mut Report) -> Result<(), AuditError> {
        let running = &self.projection.balances.0;
        for ((account, asset), (balance, place)) in running {
            let key = key::balance(*account, *asset);
            let found = stored(self.view, Table::Latest, &key)?;
            // Of a view that went on, the history was compared.
            let newer = |bytes: &Vec<u8>| {
                LatestRow::decode(bytes).is_some_and(|row| row.place.offset > last)
            };
            if found.as_ref().is_some_and(newer) {
                continue;
            }
            let mut expected = Vec::new();
            LatestRow { place: *place, balance: *balance }.encode(&mut expected);
            report.rows_compared += 1;
            if let Some(what) = difference(Table::Latest, found.as_deref(), &expected) {
                report.find("PR-2", place.position(self.partition), what);
            }
        }
        let newest = self.each(Table::Latest, last, |key, place| {
            if key::read_balance(key).is_none_or(|key| !running.contains_key(&key)) {
                self.report_surplus(Table::Latest, key, place, report);
            }
        })?;
        self.check_applied(Table::Latest, newest, report)
    }

    /// PR-1: no row is of a record that the view does not have. Read behind the rows, for both are
    /// written together.
    fn check_applied(
        &self,
        table: Table,
        newest: Option<Place>,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        let row = stored(self.view, Table::Meta, b"applied")?;
        let applied = row.and_then(|bytes| AppliedRow::decode(&bytes)).map(|row| row.offset);
        if let Some(place) = newest.filter(|place| applied < Some(place.offset)) {
            let what = format!("{}: a row is of a record behind the view's position", table.name());
            report.find("PR-1", place.position(self.partition), what);
        }
        Ok(())
    }

    /// Finds the rows whose keys were not collected.
    pub(crate) fn find_surplus(&self, report: &mut Report) -> Result<(), AuditError> {
        let (Some(surplus), Some(last)) = (&self.surplus, self.last) else { return Ok(()) };
        for &table in &surplus.tables {
            self.each(table, last, |key, place| {
                if !surplus.keys.contains(&digest(table, key)) {
                    self.report_surplus(table, key, place, report);
                }
            })?;
        }
        Ok(())
    }

    fn report_surplus(&self, table: Table, key: &[u8], at: Option<Place>, report: &mut Report) {
        let at = at.map(|place| place.position(self.partition));
        let at = at.unwrap_or(Position::commit(self.partition, 0));
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        report.find("PR-2", at, format!("{}: row {key} was made by no record", table.name()));
    }

    /// Visits the rows of a table that were made up to `last`, each with its place if it tells one; the
    /// newest place of the others.
    fn each(
        &self,
        table: Table,
        last: u64,
        mut visit: impl FnMut(&[u8], Option<Place>),
    ) -> Result<Option<Place>, AuditError> {
        let mut newest = None;
        let mut place = |key: &[u8], value: &[u8]| {
            match place_of(self.view, table, key, value)? {
                place if place.is_none_or(|place| place.offset <= last) => visit(key, place),
                place => newest = newest.max(place),
            }
            Ok(())
        };
        if names_another(table) {
            // While rows are visited no others can be read: of these tables they are kept until then.
            let mut rows = Vec::new();
            let scanned = self.view.rows(table, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            });
            scanned.map_err(|error| views(&error))?;
            rows.iter().try_for_each(|(key, value)| place(key, value))?;
            return Ok(newest);
        }
        let mut failure = None;
        let scanned = self.view.rows(table, &mut |key, value| match place(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        });
        scanned.map_err(|error| views(&error))?;
        failure.map_or(Ok(newest), Err)
    }
}

/// Whether a row's place stands in the row of another table that it names.
fn names_another(table: Table) -> bool {
    matches!(
        table,
        Table::LedgerNames
            | Table::AssetCodes
            | Table::AccountNames
            | Table::CustomerNames
            | Table::AccountCustomers
    )
}

fn views(error: &StoreError) -> AuditError {
    AuditError::Views(error.to_string())
}

fn stored(view: &ViewReader, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, AuditError> {
    view.row(table, key).map_err(|error| views(&error))
}

fn difference(table: Table, found: Option<&[u8]>, expected: &[u8]) -> Option<String> {
    let name = table.name();
    match found {
        None => Some(format!("{name}: the row is missing")),
        Some(found) if found != expected => Some(format!("{name}: the row differs from the log")),
        Some(_) => None,
    }
}

fn digest(table: Table, key: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.name().as_bytes()).update(&[0]).update(key);
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}

/// The event that a row's key names.
fn place_of_key(table: Table, key: &[u8]) -> Option<Place> {
    match table {
        Table::History => key::read_history(key).map(|(_, _, place)| place),
        Table::AccountStatuses
        | Table::AccountRules
        | Table::BookLocks
        | Table::Holds
        | Table::Reversals
        | Table::Metadata
        | Table::MetadataIndex
        | Table::SetKeyframes
        | Table::SetMembers
        | Table::ScheduleChanges
        | Table::Alerts
        | Table::AlertCrossings
        | Table::Profiles => key::read_place(key),
        _ => None,
    }
}

/// What made a row; `None` when the row does not tell, which no row of the log's does.
fn place_of(
    view: &ViewReader,
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<Option<Place>, AuditError> {
    let place = match table {
        Table::Meta => None,
        Table::Latest => LatestRow::decode(value).map(|row| row.place),
        Table::History
        | Table::AccountStatuses
        | Table::AccountRules
        | Table::BookLocks
        | Table::Holds
        | Table::Reversals
        | Table::Metadata
        | Table::MetadataIndex
        | Table::SetKeyframes
        | Table::SetMembers
        | Table::ScheduleChanges
        | Table::Alerts
        | Table::AlertCrossings
        | Table::Profiles => place_of_key(table, key),
        Table::Schedules => ScheduleRow::decode(value).map(|row| row.place),
        Table::Customers => CustomerRow::decode(value).map(|row| row.place),
        Table::Transfers => TransferRow::decode(value).map(|row| row.place),
        Table::JournalEntries => JournalEntryRow::decode(value).map(|row| row.place),
        Table::Ledgers => LedgerRow::decode(value).map(|row| row.place),
        Table::Assets => AssetRow::decode(value).map(|row| row.place),
        Table::Accounts => AccountRow::decode(value).map(|row| row.place),
        Table::Commits => {
            let offset = key.try_into().ok().map(u64::from_be_bytes);
            CommitRow::decode(value).and(offset).map(Place::end_of)
        }
        Table::Times => TimeRow::decode(value).map(|row| Place::end_of(row.offset)),
        Table::LedgerNames => match LedgerNameRow::decode(value) {
            Some(LedgerNameRow(name)) => {
                let row = stored(view, Table::Ledgers, name.as_str().as_bytes())?;
                row.and_then(|bytes| LedgerRow::decode(&bytes)).map(|row| row.place)
            }
            None => None,
        },
        Table::AssetCodes => match (key.get(..4), AssetCodeRow::decode(value)) {
            (Some(ledger), Some(row)) => {
                let key = [ledger, row.code.as_str().as_bytes()].concat();
                let row = stored(view, Table::Assets, &key)?;
                row.and_then(|bytes| AssetRow::decode(&bytes)).map(|row| row.place)
            }
            _ => None,
        },
        Table::CustomerNames => match CustomerNameRow::decode(value) {
            Some(CustomerNameRow { ledger, name }) => {
                let row = stored(view, Table::Customers, &key::named(ledger, name.as_str()))?;
                row.and_then(|bytes| CustomerRow::decode(&bytes)).map(|row| row.place)
            }
            None => None,
        },
        Table::AccountCustomers => place_of_account(view, key)?,
        Table::AccountNames => match AccountNameRow::decode(value) {
            Some(AccountNameRow { ledger, name }) => {
                let key = key::named(ledger, name.as_str());
                let row = stored(view, Table::Accounts, &key)?;
                row.and_then(|bytes| AccountRow::decode(&bytes)).map(|row| row.place)
            }
            None => None,
        },
    };
    Ok(place)
}

/// That of the account, with which the customer was registered.
fn place_of_account(view: &ViewReader, account: &[u8]) -> Result<Option<Place>, AuditError> {
    match stored(view, Table::AccountNames, account)? {
        Some(name) => place_of(view, Table::AccountNames, account, &name),
        None => Ok(None),
    }
}
