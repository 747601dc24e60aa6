//! The one writer of a view: rows and the applied position in one write (PR-1).

use std::sync::Arc;

use ledger_domain::{Event, Timestamp};
use tokio::sync::watch;

use crate::balances::HotBalances;
use crate::noted::Noted;
use crate::project::{ProjectError, Projection, ViewRecord, ViewRecordKind, project_record};
use crate::reader::ViewReader;
use crate::row::{AppliedRow, Heads, Row, ToldRow, ViewLog};
use crate::rows::Rows;
use crate::sets::Sets;
use crate::store::{StoreError, ViewStore};
use crate::table::Table;

/// Balances that a writer keeps in memory, at about 150 bytes each.
const HOT_BALANCES_MAX: usize = 100_000;
pub(crate) const APPLIED: &[u8] = b"applied";
pub(crate) const LOG: &[u8] = b"log";
pub(crate) const TOLD: &[u8] = b"told";
/// How often what readers are told is written for those in other processes.
const TOLD_EVERY_NS: u64 = 400_000_000;

/// How far a view came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Offset of the last record that it holds.
    pub offset: u64,
    /// When the newest commit up to there was recorded; 0 before any.
    pub recorded_at: Timestamp,
}

impl ViewState {
    /// Records of the log that were heard of and are not applied.
    #[must_use]
    pub fn records_behind(&self) -> u64 {
        let next = self.applied.map_or(0, |applied| applied.offset + 1);
        self.fresh.known_end.saturating_sub(next)
    }
}

/// Why a view goes no further: for ever, or until its storage works again. It answers up to what it has
/// applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Offset of the record that stopped it.
    pub offset: u64,
    /// What is wrong.
    pub what: Arc<str>,
}

/// How a view stands to the log that it follows, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The view is known to hold everything that the log had at this instant.
    pub caught_up_at: Option<Timestamp>,
    /// Offset after the newest record of the log that was heard of.
    pub known_end: u64,
}

/// What readers are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewState {
    /// How far the view came; nothing in an empty one.
    pub applied: Option<Applied>,
    /// How stale that may be.
    pub fresh: Freshness,
    /// Set while it goes no further.
    pub parked: Option<Parked>,
}

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// It cannot be projected, or the store failed.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// It is not the next one.
    #[error("VIEW_OUT_OF_ORDER the next record is {next}, not {found}")]
    OutOfOrder {
        /// The offset that comes next.
        next: u64,
        /// The offset that came.
        found: u64,
    },
    /// The view was parked before.
    #[error("VIEW_PARKED at offset {}: {}", .0.offset, .0.what)]
    Parked(Parked),
}

impl From<StoreError> for ViewError {
    fn from(error: StoreError) -> Self {
        ViewError::Project(ProjectError::Store(error))
    }
}

/// Writes one view of one partition. Records are staged in order, then committed together.
#[derive(Debug)]
pub struct ViewWriter {
    store: Arc<dyn ViewStore>,
    log: ViewLog,
    projection: Projection<HotBalances>,
    rows: Rows,
    /// The last record staged, or else applied.
    staged: Option<Applied>,
    cursor: Option<Vec<u8>>,
    state: watch::Sender<ViewState>,
    /// When readers in other processes were told; not yet of what is now.
    told_at: Option<Timestamp>,
}

impl ViewWriter {
    /// Opens a view where it was left; an empty store becomes one of this log.
    ///
    /// # Errors
    /// [`StoreError::OtherLog`] when the store is of another log or partition,
    /// [`StoreError::Damaged`] when it cannot be understood.
    pub fn open(store: Arc<dyn ViewStore>, log: ViewLog) -> Result<Self, StoreError> {
        Self::open_with(store, log, HOT_BALANCES_MAX, Sets::default())
    }

    pub(crate) fn open_with(
        store: Arc<dyn ViewStore>,
        log: ViewLog,
        hot_balances_max: usize,
        sets: Sets,
    ) -> Result<Self, StoreError> {
        let balances = HotBalances::new(Arc::clone(&store), hot_balances_max);
        let mut writer = ViewWriter {
            store,
            log,
            projection: Projection {
                heads: Heads::default(),
                balances,
                sets,
                noted: Noted::default(),
            },
            rows: Rows::default(),
            staged: None,
            cursor: None,
            state: watch::Sender::default(),
            told_at: None,
        };
        writer.reopen()?;
        Ok(writer)
    }

    /// Goes back to what the store holds and is parked no more; readers stay. What was staged is
    /// forgotten.
    ///
    /// # Errors
    /// As [`ViewWriter::open`]; then nothing changed.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        let applied: Option<AppliedRow> = read_meta(self.store.as_ref(), APPLIED)?;
        match read_meta::<ViewLog>(self.store.as_ref(), LOG)? {
            Some(kept) if kept != self.log => {
                let what = format!("the view is of {kept}, this is {}", self.log);
                return Err(StoreError::OtherLog { what });
            }
            None if applied.is_some() => {
                return Err(StoreError::Damaged { what: "meta: no row of the log".into() });
            }
            _ => {}
        }
        self.projection.heads = applied.as_ref().map_or_else(Heads::default, |row| row.heads);
        self.projection.balances.clear();
        self.projection.sets.clear();
        self.projection.noted.clear();
        self.rows.clear();
        self.staged = applied
            .as_ref()
            .map(|row| Applied { offset: row.offset, recorded_at: row.recorded_at });
        self.cursor = applied.map(|row| row.cursor);
        let applied = self.staged;
        self.state.send_modify(|state| {
            // What was known of another state is not known of this one.
            if state.applied != applied {
                state.fresh.caught_up_at = None;
            }
            state.applied = applied;
            state.parked = None;
        });
        self.told_at = None;
        if !self.store.has_other_readers() && read_meta::<ToldRow>(&*self.store, TOLD)?.is_some() {
            // Of a time when it had others; nobody keeps it true any more.
            let mut rows = Rows::default();
            rows.put(Table::Meta, TOLD, |out| ToldRow::default().encode(out));
            self.store.write(&rows)?;
        }
        Ok(())
    }

    /// The cursor that the last commit came with; none in an empty view.
    #[must_use]
    pub fn cursor(&self) -> Option<&[u8]> {
        self.cursor.as_deref()
    }

    /// Offset of the record to stage next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.staged.map_or(0, |staged| staged.offset + 1)
    }

    /// A reader of this view, and of how far it came.
    #[must_use]
    pub fn reader(&self) -> ViewReader {
        ViewReader::new(Arc::clone(&self.store), self.log, self.state.subscribe())
    }

    /// Reads ahead, at once, what staging these records will need. Speeds up; changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn prefetch<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a ViewRecord>,
    ) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        for record in records {
            let ViewRecordKind::Commit(events) = &record.kind else { continue };
            for event in events {
                match event {
                    Event::TransferBatch(batch) => {
                        for accepted in &batch.accepted {
                            keys.push((accepted.debit_account, accepted.asset));
                            keys.push((accepted.credit_account, accepted.asset));
                        }
                    }
                    Event::HoldExpired { debit_account, credit_account, asset, .. } => {
                        keys.extend([(*debit_account, *asset), (*credit_account, *asset)]);
                    }
                    Event::LedgerCreated { .. }
                    | Event::AssetCreated { .. }
                    | Event::AccountOpened { .. }
                    | Event::AccountStatusChanged { .. }
                    | Event::AccountRulesChanged { .. }
                    | Event::MetadataChanged { .. }
                    | Event::BooksLocked { .. }
                    | Event::ScheduleCreated { .. }
                    | Event::ScheduleCancelled { .. }
                    | Event::ScheduleRan { .. }
                    | Event::CustomerRegistered { .. }
                    | Event::ProfileUpdated { .. }
                    | Event::CustomerErased { .. }
                    | Event::BalanceAlertSet { .. }
                    | Event::BalanceAlertRemoved { .. }
                    | Event::BalanceAlertCrossed { .. }
                    | Event::CommandRefused { .. } => {}
                }
            }
        }
        self.projection.balances.prefetch(keys)
    }

    /// Projects the next record; nothing is visible before [`ViewWriter::commit`].
    ///
    /// # Errors
    /// [`ViewError`]; then the record left no trace, and those staged before it can be committed.
    pub fn stage(&mut self, record: &ViewRecord) -> Result<(), ViewError> {
        if let Some(parked) = &self.state.borrow().parked {
            return Err(ViewError::Parked(parked.clone()));
        }
        if record.offset != self.next() {
            return Err(ViewError::OutOfOrder { next: self.next(), found: record.offset });
        }
        let (heads, rows) = (self.projection.heads, self.rows.len());
        match project_record(&mut self.projection, record, &mut self.rows) {
            Ok(()) => {
                self.projection.balances.keep();
                self.projection.keep();
                let ViewRecord { offset, recorded_at, .. } = *record;
                self.staged = Some(Applied { offset, recorded_at });
                Ok(())
            }
            Err(error) => {
                self.projection.balances.take_back();
                self.projection.sets.take_back();
                self.projection.noted.take_back();
                self.projection.heads = heads;
                self.rows.truncate(rows);
                Err(error.into())
            }
        }
    }

    /// Commits what was staged, in one write with the reader's cursor after it, and tells the readers.
    ///
    /// # Errors
    /// [`ViewError`] when the store cannot be written: the view is parked then, until
    /// [`ViewWriter::reopen`].
    pub fn commit(&mut self, cursor: &[u8]) -> Result<(), ViewError> {
        let Some(staged) = self.staged else { return Ok(()) };
        if self.state.borrow().applied == Some(staged) {
            return Ok(());
        }
        self.projection.balances.write_latest(&mut self.rows);
        let applied = AppliedRow {
            offset: staged.offset,
            recorded_at: staged.recorded_at,
            heads: self.projection.heads,
            cursor: cursor.to_vec(),
        };
        self.rows.put(Table::Meta, APPLIED, |out| applied.encode(out));
        if self.cursor.is_none() {
            self.rows.put(Table::Meta, LOG, |out| self.log.encode(out));
        }
        self.rows.sort();
        let written = self.store.write(&self.rows);
        self.rows.clear();
        if let Err(error) = written {
            self.park(staged.offset, &error.to_string());
            return Err(error.into());
        }
        self.projection.noted.clear();
        self.cursor = Some(applied.cursor);
        self.state.send_modify(|state| state.applied = Some(staged));
        Ok(())
    }

    /// Tells readers how what is applied stood to the log `now`. Nobody is woken: nothing else has changed.
    pub fn tell(&mut self, fresh: Freshness, now: Timestamp) {
        self.state.send_if_modified(|state| {
            state.fresh = fresh;
            false
        });
        if self.told_at.is_none_or(|told_at| now.abs_diff(told_at) >= TOLD_EVERY_NS) {
            self.told_at = Some(now);
            self.tell_other_processes();
        }
    }

    /// Writes for readers in other processes what those in this one are told.
    fn tell_other_processes(&self) {
        if !self.store.has_other_readers() {
            return;
        }
        let state = self.state.borrow().clone();
        let told = ToldRow {
            caught_up_at: state.fresh.caught_up_at,
            known_end: state.fresh.known_end,
            parked: state.parked.map(|parked| (parked.offset, (&*parked.what).into())),
        };
        let mut rows = Rows::default();
        rows.put(Table::Meta, TOLD, |out| told.encode(out));
        // A store that cannot be written leaves what they were told before, which is as true as it was; the
        // next commit meets the same failure, and parks the view.
        let _what_was_told_stands = self.store.write(&rows);
    }

    /// Stops the view before the record at `offset`, for a reason that readers are told.
    pub fn park(&mut self, offset: u64, what: &str) {
        let parked = Parked { offset, what: what.into() };
        self.state.send_modify(|state| state.parked = Some(parked));
        self.tell_other_processes();
    }

    /// Makes durable what was committed.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }
}

pub(crate) fn read_meta<R: Row>(
    store: &dyn ViewStore,
    key: &[u8],
) -> Result<Option<R>, StoreError> {
    let Some(bytes) = store.get(Table::Meta, key)? else { return Ok(None) };
    let what = || format!("meta: {:?}", String::from_utf8_lossy(key));
    R::decode(&bytes).map(Some).ok_or_else(|| StoreError::Damaged { what: what() })
}
