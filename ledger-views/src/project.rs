//! What an event makes of the read stores: rows, from nothing but the event, its place and the
//! balances before it. The projector, the audit and the simulator run this same code (PR-2).

mod alerts;
mod customers;
mod directory;
mod metadata;
mod schedules;

use ledger_domain::{
    AcceptedTransfer, AccountHandle, AssetHandle, Balance, Effect, Event, Id, LedgerHandle,
    Metadata, MetadataTarget, Reversal, Side, Step, Timestamp, TransferBatch,
};

use crate::key::{self, Place};
use crate::noted::Noted;
use crate::row::{
    AccountRulesRow, AccountStatusRow, BookLockRow, CommitRow, EntryKind, EntryRow, Heads, HoldRow,
    HoldStatus, JournalEntryRow, RecordKind, ReversalRow, Row, TimeRow, TransferOutcome,
    TransferRow,
};
use crate::rows::Rows;
use crate::sets::{Change, Members, SetKind, Sets};
use crate::store::StoreError;
use crate::table::Table;
use ledger_domain::event::Row as BatchRow;

/// One record of the log, as its reader decided on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRecord {
    /// Its offset.
    pub offset: u64,
    /// What it is. The width of a commit is that of its events.
    pub kind: ViewRecordKind,
    /// Newest term up to and with it.
    pub term: u64,
    /// Sequence of the newest commit up to and with it; 0 before any.
    pub sequence: u64,
    /// When that commit was recorded; 0 before any.
    pub recorded_at: Timestamp,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewRecordKind {
    /// Record 0.
    Created,
    /// A writer took the partition.
    TermStarted,
    /// A commit that counts: the events of its commands, in order.
    Commit(Vec<Event>),
    /// It does not count, for the reason of this name.
    Skipped(&'static str),
}

/// An event that does not follow from those before it, or a store that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectError {
    /// The event cannot be projected, now or ever.
    #[error("POISON_EVENT at offset {}, index {}: {what}", place.offset, place.index)]
    Poison {
        /// Where.
        place: Place,
        /// What is wrong with it.
        what: String,
    },
    /// The balances before it cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Running balances, and the sets that were there before.
pub trait Balances {
    /// The counters of this account and asset; zero for one that never moved.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    fn balance(
        &mut self,
        account: AccountHandle,
        asset: AssetHandle,
    ) -> Result<Balance, StoreError>;

    /// Sets the counters as the event at `place` left them. The rows of [`Table::Latest`] are the
    /// caller's: one for each balance, once for many events.
    fn set(&mut self, account: AccountHandle, asset: AssetHandle, balance: Balance, place: Place);

    /// A set as the store has it. Asked for once, before the first change of the set.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn members(&mut self, ledger: LedgerHandle, kind: SetKind) -> Result<Members, StoreError>;

    /// Metadata as the store has it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn metadata(
        &mut self,
        ledger: LedgerHandle,
        target: &MetadataTarget,
    ) -> Result<Metadata, StoreError>;
}

/// What a projection carries from event to event.
#[derive(Clone, Debug, Default)]
pub struct Projection<B> {
    /// Handles given out so far.
    pub heads: Heads,
    /// Running balances.
    pub balances: B,
    /// Members of sets.
    pub sets: Sets,
    /// Metadata.
    pub noted: Noted,
}

impl<B> Projection<B> {
    /// Keeps what the last record changed, beside balances: whoever never takes a record back says so after each.
    pub fn keep(&mut self) {
        self.sets.keep();
        self.noted.keep();
    }
}

/// Rows of one record: what it is, and what its events make.
///
/// # Errors
/// [`ProjectError`]; then the rows and the projection are as far as the events before it took them.
pub fn project_record(
    projection: &mut Projection<impl Balances>,
    record: &ViewRecord,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let offset = record.offset;
    let kind = match &record.kind {
        ViewRecordKind::Created => RecordKind::Created,
        ViewRecordKind::TermStarted => RecordKind::TermStarted,
        ViewRecordKind::Skipped(why) => RecordKind::Skipped((*why).into()),
        ViewRecordKind::Commit(events) => {
            let mut width = 0u32;
            for event in events {
                let first = Place { offset, index: width };
                project(projection, first, event, rows)?;
                width = width
                    .checked_add(event.width())
                    .ok_or_else(|| poison(first, "the commit has more than 2^32 events".into()))?;
            }
            rows.put(Table::Times, &key::time(record.recorded_at), |out| {
                TimeRow { offset }.encode(out);
            });
            RecordKind::Commit { width }
        }
    };
    let ViewRecord { term, sequence, recorded_at, .. } = *record;
    rows.put(Table::Commits, &offset.to_be_bytes(), |out| {
        CommitRow { kind, term, sequence, recorded_at }.encode(out);
    });
    Ok(())
}

/// Rows of one event, whose first index is that of `place`.
///
/// # Errors
/// [`ProjectError`]; then the rows and the projection hold a part of the event.
pub fn project(
    projection: &mut Projection<impl Balances>,
    place: Place,
    event: &Event,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    match event {
        Event::LedgerCreated { .. } | Event::AssetCreated { .. } | Event::AccountOpened { .. } => {
            directory::project(projection, place, event, rows)?;
        }
        Event::AccountStatusChanged { ledger, account, status } => {
            known_ledger(projection.heads, *ledger, place)?;
            known_account(projection.heads, *account, place)?;
            let key = key::account_change(*account, place);
            rows.put(Table::AccountStatuses, &key, |out| AccountStatusRow(*status).encode(out));
        }
        Event::AccountRulesChanged { ledger, account, rules } => {
            known_ledger(projection.heads, *ledger, place)?;
            known_account(projection.heads, *account, place)?;
            let (key, row) = (key::account_change(*account, place), AccountRulesRow(rules.clone()));
            rows.put(Table::AccountRules, &key, |out| row.encode(out));
        }
        Event::MetadataChanged { ledger, target, changes, others } => {
            let of = (*ledger, target.clone());
            metadata::changed(projection, place, of, (changes, others), rows)?;
        }
        Event::BooksLocked { ledger, locked_before } => {
            known_ledger(projection.heads, *ledger, place)?;
            let (key, row) = (key::book_lock(*ledger, place), BookLockRow(*locked_before));
            rows.put(Table::BookLocks, &key, |out| row.encode(out));
        }
        Event::TransferBatch(batch) => project_batch(projection, place, batch, rows)?,
        Event::HoldExpired { .. } => expired(projection, place, event, rows)?,
        Event::ScheduleCreated { .. }
        | Event::ScheduleCancelled { .. }
        | Event::ScheduleRan { .. } => schedules::project(projection.heads, place, event, rows)?,
        Event::BalanceAlertSet { .. }
        | Event::BalanceAlertRemoved { .. }
        | Event::BalanceAlertCrossed { .. } => alerts::project(projection, place, event, rows)?,
        Event::CustomerRegistered { .. }
        | Event::ProfileUpdated { .. }
        | Event::CustomerErased { .. } => {
            customers::project(projection, place, event, rows)?;
        }
        // Nothing that a view shows changed; the log and the id store hold it.
        Event::CommandRefused { .. } => {}
    }
    Ok(())
}

/// What was left of a hold is given back; any other event makes no rows here.
fn expired(
    projection: &mut Projection<impl Balances>,
    place: Place,
    event: &Event,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } = event
    else {
        return Ok(());
    };
    known_ledger(projection.heads, *ledger, place)?;
    let moved = Moved {
        kind: EntryKind::Expiry,
        step: Step::Release,
        debit_account: *debit_account,
        credit_account: *credit_account,
        asset: *asset,
        amount: *amount,
        transfer: hold,
        reference: "",
        effective_at: None,
        noted: false,
    };
    entries(projection, place, &moved, rows)?;
    let change = Change::of_hold(*ledger, place, hold, false);
    projection.sets.change(&mut projection.balances, change, rows)?;
    let row = HoldRow { status: HoldStatus::Expired, remaining: 0, released: *amount };
    rows.put(Table::Holds, &key::change(*ledger, hold, place), |out| row.encode(out));
    Ok(())
}

fn project_batch(
    projection: &mut Projection<impl Balances>,
    first: Place,
    batch: &TransferBatch,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    known_ledger(projection.heads, batch.ledger, first)?;
    let mut count = 0;
    let mut journal = Journal { ledger: batch.ledger, open: None };
    for (row, item) in batch.iter() {
        count += 1;
        let index = first.index.checked_add(row);
        let index = index.ok_or_else(|| poison(first, "a row's index passes 2^32".into()))?;
        let place = Place { index, ..first };
        let (id, outcome) = match item {
            BatchRow::Accepted(accepted) => {
                entries(projection, place, &Moved::by(accepted), rows)?;
                hold(projection, batch.ledger, place, accepted, rows)?;
                reversal(batch.ledger, place, accepted, rows);
                journal.take(place, accepted, rows);
                (&accepted.id, TransferOutcome::Accepted(accepted.clone()))
            }
            BatchRow::Refused(refused) => {
                let outcome =
                    TransferOutcome::Refused(refused.transfer.clone(), refused.rejection.clone());
                (&refused.transfer.id, outcome)
            }
        };
        let key = key::transfer(batch.ledger, id);
        rows.put(Table::Transfers, &key, |out| TransferRow { place, outcome }.encode(out));
    }
    journal.end(rows);
    if count == batch.rows() {
        Ok(())
    } else {
        Err(poison(first, format!("{count} of {} rows have their place", batch.rows())))
    }
}

/// An amount on its way between two accounts.
struct Moved<'a> {
    kind: EntryKind,
    step: Step,
    debit_account: AccountHandle,
    credit_account: AccountHandle,
    asset: AssetHandle,
    amount: u128,
    transfer: &'a Id,
    reference: &'a str,
    effective_at: Option<Timestamp>,
    noted: bool,
}

impl<'a> Moved<'a> {
    fn by(accepted: &'a AcceptedTransfer) -> Self {
        Moved {
            kind: accepted.effect.kind().into(),
            step: accepted.effect.step(),
            debit_account: accepted.debit_account,
            credit_account: accepted.credit_account,
            asset: accepted.asset,
            amount: accepted.amount,
            transfer: &accepted.id,
            reference: &accepted.reference,
            effective_at: accepted.effective_at,
            noted: !accepted.metadata.is_empty(),
        }
    }
}

/// Both sides.
fn entries(
    projection: &mut Projection<impl Balances>,
    place: Place,
    moved: &Moved<'_>,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    entry(projection, place, moved, Side::Debit, rows)?;
    entry(projection, place, moved, Side::Credit, rows)
}

fn entry(
    projection: &mut Projection<impl Balances>,
    place: Place,
    moved: &Moved<'_>,
    side: Side,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let (account, counterparty) = match side {
        Side::Debit => (moved.debit_account, moved.credit_account),
        Side::Credit => (moved.credit_account, moved.debit_account),
    };
    known_account(projection.heads, account, place)?;
    if account == counterparty {
        return Err(poison(place, format!("account {} is on both sides", account.0)));
    }
    let before = projection.balances.balance(account, moved.asset)?;
    let after = before.after(side, moved.step, moved.amount);
    let balance = after.ok_or_else(|| {
        let what = "passes 2^128, or less is held";
        poison(place, format!("a counter of account {} {what}", account.0))
    })?;
    projection.balances.set(account, moved.asset, balance, place);
    let row = EntryRow {
        side,
        kind: moved.kind,
        amount: moved.amount,
        counterparty,
        transfer: moved.transfer.clone(),
        reference: moved.reference.into(),
        effective_at: moved.effective_at,
        noted: moved.noted,
        balance,
    };
    let key = key::history(account, moved.asset, place);
    rows.put(Table::History, &key, |out| row.encode(out));
    Ok(())
}

/// What a transfer makes of a hold: its own, or that which it captures or voids.
fn hold(
    projection: &mut Projection<impl Balances>,
    ledger: LedgerHandle,
    place: Place,
    accepted: &AcceptedTransfer,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let amount = accepted.amount;
    let (id, row) = match &accepted.effect {
        Effect::Post | Effect::Receive(_) | Effect::Reversal(_) => return Ok(()),
        Effect::Hold { .. } | Effect::Send(_) => {
            let row = HoldRow { status: HoldStatus::Open, remaining: amount, released: 0 };
            (&accepted.id, row)
        }
        Effect::Capture(capture) => {
            let remaining = capture.remaining;
            let is_open = remaining > 0;
            let status = if is_open { HoldStatus::Open } else { HoldStatus::Captured };
            (&capture.hold, HoldRow { status, remaining, released: 0 })
        }
        Effect::Void { hold, refused: _ } => {
            (&**hold, HoldRow { status: HoldStatus::Voided, remaining: 0, released: amount })
        }
    };
    rows.put(Table::Holds, &key::change(ledger, id, place), |out| row.encode(out));
    let joins = matches!(accepted.effect, Effect::Hold { .. } | Effect::Send(_));
    if !joins && row.status == HoldStatus::Open {
        // Something is left of it.
        return Ok(());
    }
    let change = Change::of_hold(ledger, place, id, joins);
    projection.sets.change(&mut projection.balances, change, rows)?;
    if matches!(accepted.effect, Effect::Send(_)) || accepted.id.is_settlement() {
        let change = Change { kind: SetKind::OpenSends, ..change };
        projection.sets.change(&mut projection.balances, change, rows)?;
    }
    Ok(())
}

fn reversal(ledger: LedgerHandle, place: Place, accepted: &AcceptedTransfer, rows: &mut Rows) {
    let Some(Reversal { of, rest: _, remaining }) = accepted.effect.reversal() else { return };
    let row = ReversalRow { reversal: accepted.id.clone(), remaining: *remaining };
    rows.put(Table::Reversals, &key::change(ledger, of, place), |out| row.encode(out));
}

/// Puts the transfers of a journal entry together: they stand side by side.
struct Journal {
    ledger: LedgerHandle,
    open: Option<(Id, JournalEntryRow)>,
}

impl Journal {
    fn take(&mut self, place: Place, accepted: &AcceptedTransfer, rows: &mut Rows) {
        let entry = accepted.link.entry();
        match (&mut self.open, entry) {
            (None, None) => {}
            (Some((open, row)), Some(entry)) if open == entry => {
                row.transfers.push(accepted.id.clone());
            }
            (_, entry) => {
                self.end(rows);
                let row = JournalEntryRow { place, transfers: vec![accepted.id.clone()] };
                self.open = entry.map(|entry| (entry.clone(), row));
            }
        }
    }

    fn end(&mut self, rows: &mut Rows) {
        if let Some((entry, row)) = self.open.take() {
            let key = key::transfer(self.ledger, &entry);
            rows.put(Table::JournalEntries, &key, |out| row.encode(out));
        }
    }
}

fn poison(place: Place, what: String) -> ProjectError {
    ProjectError::Poison { place, what }
}

fn in_order(what: &str, next: u64, handle: u64, place: Place) -> Result<(), ProjectError> {
    if next == handle {
        return Ok(());
    }
    Err(poison(place, format!("{what} handle {handle} where {next} is the next")))
}

fn known_ledger(heads: Heads, ledger: LedgerHandle, place: Place) -> Result<(), ProjectError> {
    if ledger.0 < heads.ledgers {
        return Ok(());
    }
    Err(poison(place, format!("ledger {} was never created", ledger.0)))
}

fn known_account(heads: Heads, account: AccountHandle, place: Place) -> Result<(), ProjectError> {
    if account.0 < heads.accounts {
        return Ok(());
    }
    Err(poison(place, format!("account {} was never opened", account.0)))
}
