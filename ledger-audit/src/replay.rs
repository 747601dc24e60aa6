//! Replays one partition from its first record.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use ledger_domain::{Event, MetadataTarget as Of, Position, State, Timestamp, invariants};
use ledger_log::record::{Commit, LogId, MAGIC, Record};
use ledger_log::{Backend, Cursor, Decision, LogError, LogInfo, RawRecord, Reader, Skip};
use ledger_proto::logged::{self, LoggedCommand};
use ledger_views::{ViewReader, ViewRecord, ViewRecordKind};

use crate::compare::Compare;
use crate::fit::{self, Misfit, ToCross};
use crate::ids::{Ids, Kind};
use crate::report::{AuditError, Report};

/// Bytes that are read at once.
const READ_BYTES_MAX: usize = 4 << 20;
/// No writer has as many commits in flight: so far behind a commit that failed, nothing was ever sent.
const COMMITS_IN_FLIGHT_MAX: u64 = 64;
/// A record that is foreign, but whose head differs from ours by no more bits, was ours.
const DAMAGED_BITS_MAX: u32 = 16;

/// Hears how many records were read, of how many; may end the replay.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Where a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// At the log's end as it is when the replay begins.
    End,
    /// With the commit at this position.
    Position(Position),
    /// With the last commit recorded at or before this instant.
    Timestamp(Timestamp),
}

/// What is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which partition.
    pub partition: u32,
    /// How far.
    pub until: Until,
}

/// Replays a partition and compares it with a view of it, as far as that is.
///
/// # Errors
/// [`AuditError`] when the log or the views cannot be read, or do not reach so far. What is wrong with
/// them is in the report.
pub fn replay(
    backend: &dyn Backend,
    log: LogInfo,
    target: Target,
    view: Option<&ViewReader>,
    progress: &mut Progress<'_>,
) -> Result<Report, AuditError> {
    let end = end_of(backend, log, target)?;
    let compare = view.map(|view| Compare::new(view, log, target.partition)).transpose()?;
    let held = compare.as_ref().map_or(0, Compare::end);
    let mut replay = Replay::new(log.id, target, compare);
    replay.read(backend, end, progress)?;
    let (mut report, surplus) = replay.finish()?;
    if let Some(surplus) = surplus {
        let end = surplus.end();
        let mut again = Replay::new(log.id, target, Some(surplus));
        again.read(backend, end, progress)?;
        if let Some(compare) = again.compare {
            compare.find_surplus(&mut report)?;
        }
    }
    // The log's end as it is now, for both may have gone on since the replay began.
    let end = backend.end(target.partition)?;
    if end < held {
        let what = format!("the log ends here, and the view has read it up to offset {}", held - 1);
        report.find("LG-1", Position::commit(target.partition, end), what);
    }
    Ok(report)
}

/// Offset after the last record to read.
fn end_of(backend: &dyn Backend, log: LogInfo, target: Target) -> Result<u64, AuditError> {
    let Target { partition, until } = target;
    let other = |position| AuditError::OtherPartition { partition, position };
    if partition >= log.partition_count {
        return Err(other(Position::commit(partition, 0)));
    }
    let end = backend.end(partition)?;
    match until {
        Until::End | Until::Timestamp(_) => Ok(end),
        Until::Position(position) if position.partition != partition => Err(other(position)),
        Until::Position(position) if position.offset >= end => {
            Err(AuditError::Future { position, partition, end })
        }
        Until::Position(position) => Ok(position.offset + 1),
    }
}

#[derive(Debug)]
struct Replay<'a> {
    log_id: LogId,
    target: Target,
    reader: Reader,
    state: State,
    ids: Ids,
    report: Report,
    compare: Option<Compare<'a>>,
    done: bool,
    /// Offset of the last record that was ours before it was changed, in this term.
    damaged: Option<u64>,
    /// Commits of this term behind one that is missing.
    holes: u64,
    /// All terms so far.
    terms: BTreeSet<u64>,
}

impl<'a> Replay<'a> {
    fn new(log_id: LogId, target: Target, compare: Option<Compare<'a>>) -> Self {
        Replay {
            log_id,
            target,
            reader: Reader::new(log_id, target.partition),
            state: State::default(),
            ids: Ids::default(),
            report: Report::new(target.partition),
            compare,
            done: false,
            damaged: None,
            holes: 0,
            terms: BTreeSet::new(),
        }
    }

    fn at(&self, offset: u64) -> Position {
        Position::commit(self.target.partition, offset)
    }

    fn find(&mut self, invariant: &'static str, offset: u64, what: String) {
        self.report.find(invariant, self.at(offset), what);
    }

    fn stop(&mut self, invariant: &'static str, offset: u64, what: &str) {
        self.find(invariant, offset, format!("{what}; the replay stops here"));
        self.report.stopped = true;
        self.done = true;
    }

    fn read(
        &mut self,
        backend: &dyn Backend,
        end: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), AuditError> {
        loop {
            let next = self.reader.cursor().next;
            if progress(next, end).is_break() {
                return Err(AuditError::Cancelled);
            }
            if next >= end || self.done {
                return Ok(());
            }
            match backend.read(self.target.partition, next, READ_BYTES_MAX) {
                Ok(records) if records.is_empty() => {
                    let what = format!("there is no record, and the log held {end}");
                    self.stop("LG-1", next, &what);
                }
                Ok(records) => {
                    for record in records.iter().take_while(|record| record.offset < end) {
                        if self.done {
                            break;
                        }
                        self.record(record)?;
                    }
                }
                Err(LogError::Damaged { offset, what, .. }) => self.stop("LG-1", offset, &what),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn record(&mut self, record: &RawRecord) -> Result<(), AuditError> {
        let offset = record.offset;
        let before = self.reader.clone();
        let decision = match self.reader.step(offset, &record.bytes) {
            Ok(decision) => decision,
            Err(error) => {
                let counted = before.cursor().counted;
                let invariant = if offset == before.cursor().next { "LG-4" } else { "LG-2" };
                let what = format!("{error} (the last record that counts is at offset {counted})");
                self.stop(invariant, offset, &what);
                return Ok(());
            }
        };
        if offset == 0 && decision != Decision::Created {
            self.stop("LG-1", 0, "the log does not begin with LogCreated");
            return Ok(());
        }
        if let Decision::Accepted(commit) = &decision
            && self.is_past(commit)
        {
            self.reader = before;
            self.done = true;
            return Ok(());
        }
        self.report.records += 1;
        self.report.position = Some(self.at(offset));
        let kind = match decision {
            Decision::Created => ViewRecordKind::Created,
            Decision::NewTerm(_) => {
                self.terms.insert(offset);
                (self.damaged, self.holes) = (None, 0);
                ViewRecordKind::TermStarted
            }
            Decision::Accepted(commit) => {
                let events = self.commit(offset, before.cursor().recorded_at, &commit);
                ViewRecordKind::Commit(events)
            }
            Decision::Skipped(skip) => {
                self.skipped(record, skip);
                ViewRecordKind::Skipped(skip.name())
            }
        };
        if self.done { Ok(()) } else { self.compare(offset, kind) }
    }

    fn compare(&mut self, offset: u64, kind: ViewRecordKind) -> Result<(), AuditError> {
        let Some(compare) = &mut self.compare else { return Ok(()) };
        let Cursor { term, sequence, recorded_at, .. } = *self.reader.cursor();
        let recorded_at = Timestamp::try_from(recorded_at).unwrap_or(Timestamp::MAX);
        let record = ViewRecord { offset, kind, term, sequence, recorded_at };
        compare.record(&record, self.reader.cursor(), &mut self.report)
    }

    fn is_past(&self, commit: &Commit) -> bool {
        match self.target.until {
            Until::Timestamp(until) => i64::try_from(commit.recorded_at).is_ok_and(|at| at > until),
            Until::End | Until::Position(_) => false,
        }
    }

    /// Foreign bytes are nobody's concern, unless they were a record of ours once. Nor is a hole, which
    /// the writer had sent behind a commit that failed; but behind damage it was lost.
    fn skipped(&mut self, record: &RawRecord, skip: Skip) {
        self.report.skips.count(skip);
        if self.was_ours(record, skip) {
            self.damaged = Some(record.offset);
            let what = "bytes of this record of the log were changed: it no longer counts";
            self.find("LG-1", record.offset, what.into());
        }
        if skip == Skip::Hole {
            self.holes += 1;
        } else {
            return;
        }
        let what = match self.damaged {
            Some(damaged) => format!("no longer counts: offset {damaged} before it is damaged"),
            None if self.holes == COMMITS_IN_FLIGHT_MAX => {
                let counted = self.reader.cursor().counted;
                format!("commits are missing between offset {counted} and those before this one")
            }
            None => return,
        };
        self.find("LG-2", record.offset, what);
    }

    /// Whether a record counted, or was another zombie's, before its bytes were changed.
    fn was_ours(&self, record: &RawRecord, skip: Skip) -> bool {
        match (skip, Record::decode(&record.bytes)) {
            // A second record 0: of a server that created the same log side by side.
            (Skip::Foreign, Ok((log_id, Record::LogCreated { .. }))) if log_id == self.log_id => {
                false
            }
            (Skip::Foreign, _) => nearly_ours(self.log_id, &record.bytes),
            (Skip::Zombie, Ok((_, Record::Commit(commit)))) => !self.terms.contains(&commit.term),
            _ => false,
        }
    }

    /// Applies a commit; its events.
    fn commit(&mut self, offset: u64, last_recorded_at: u64, commit: &Commit) -> Vec<Event> {
        self.report.commits += 1;
        if commit.recorded_at <= last_recorded_at {
            let at = commit.recorded_at;
            let what = format!("recorded at {at} ns, the commit before it at {last_recorded_at}");
            self.find("LG-5", offset, what);
        }
        let mut events = Vec::new();
        let Ok(recorded_at) = Timestamp::try_from(commit.recorded_at) else {
            self.stop("LG-5", offset, "recorded at an instant behind the year 2262");
            return events;
        };
        let mut index = 0;
        for bytes in &commit.commands {
            match logged::decode(bytes) {
                Ok(command) => {
                    self.command(offset, recorded_at, &mut index, &command);
                    events.extend(command.events);
                }
                Err(error) => {
                    let what = format!("the command at index {index} cannot be decoded: {error}");
                    self.stop("LG-1", offset, &what);
                }
            }
            if self.done {
                return events;
            }
        }
        self.state.record(recorded_at);
        events
    }

    fn command(
        &mut self,
        offset: u64,
        recorded_at: Timestamp,
        index: &mut u32,
        command: &LoggedCommand,
    ) {
        let mut request_id = command.request_id.as_ref();
        let (mut to_cross, mut last) = (ToCross::default(), *index);
        for (at, event) in command.events.iter().enumerate() {
            let first = *index;
            last = first;
            let crossed = to_cross.next(&self.state, event);
            *index = first.saturating_add(event.width());
            let fits = fit::check_and_apply(&mut self.state, event, recorded_at);
            if let Err((misfits, stopped)) = fits {
                for Misfit { invariant, row, what } in misfits {
                    let row = Some(first.saturating_add(row));
                    let position = Position { index: row, ..self.at(offset) };
                    self.report.find(invariant, position, what);
                }
                if stopped {
                    let what = "the event cannot have been decided upon this state";
                    return self.stop("LD-3", offset, what);
                }
            }
            let paired = fit::paired(&command.events, at);
            for Misfit { invariant, row, what } in paired.into_iter().chain(crossed) {
                let index = Some(first.saturating_add(row));
                self.report.find(invariant, Position { index, ..self.at(offset) }, what);
            }
            self.count(event);
            self.check_ids(offset, first, request_id.take(), event);
        }
        if let Some(Misfit { invariant, what, .. }) = to_cross.end() {
            self.report.find(invariant, Position { index: Some(last), ..self.at(offset) }, what);
        }
    }

    fn count(&mut self, event: &Event) {
        let report = &mut self.report;
        match event {
            Event::LedgerCreated { .. }
            | Event::AssetCreated { .. }
            | Event::AccountStatusChanged { .. }
            | Event::AccountRulesChanged { .. }
            | Event::MetadataChanged { .. }
            | Event::BooksLocked { .. }
            | Event::HoldExpired { .. }
            | Event::ScheduleCreated { .. }
            | Event::ScheduleCancelled { .. }
            | Event::ScheduleRan { .. }
            | Event::ProfileUpdated { .. }
            | Event::CustomerErased { .. } => {}
            Event::CustomerRegistered { accounts, .. } => report.accounts += accounts.len() as u64,
            Event::BalanceAlertSet { .. }
            | Event::BalanceAlertRemoved { .. }
            | Event::BalanceAlertCrossed { .. } => {}
            Event::AccountOpened { .. } => report.accounts += 1,
            Event::CommandRefused { .. } => report.refusals += 1,
            Event::TransferBatch(batch) => {
                report.transfers += batch.accepted.len() as u64;
                report.refusals += batch.refused.len() as u64;
            }
        }
    }

    /// LD-4, LD-7, LD-8 and LD-11.
    fn check_ids(
        &mut self,
        offset: u64,
        first: u32,
        request_id: Option<&ledger_domain::Id>,
        event: &Event,
    ) {
        let Some(ledger) = fit::ledger_of(&self.state, event) else { return };
        let mut misfits = Vec::new();
        if let Some(id) = request_id
            && !self.ids.first(ledger.as_str(), Kind::Request, id)
        {
            let what = format!("request {id} was decided before");
            misfits.push(Misfit { invariant: "LD-4", row: 0, what });
        }
        if let Event::TransferBatch(batch) = event {
            misfits.extend(self.ids.check_batch(ledger.as_str(), batch));
        }
        if let Event::MetadataChanged { target: Of::Transfer(id), changes, others, .. } = event
            && let Err(what) = self.ids.check_metadata(ledger.as_str(), id, (changes, others))
        {
            misfits.push(Misfit { invariant: "LD-11", row: 0, what });
        }
        for Misfit { invariant, row, what } in misfits {
            let index = Some(first.saturating_add(row));
            self.report.find(invariant, Position { index, ..self.at(offset) }, what);
        }
    }

    /// The report, and what is to be replayed again to find the rows that no record made.
    fn finish(mut self) -> Result<(Report, Option<Compare<'a>>), AuditError> {
        let end = self.report.position.unwrap_or_else(|| self.at(0));
        for broken in invariants::check(&self.state) {
            self.report.find(broken.invariant, end, broken.what);
        }
        self.report.chain = self.reader.cursor().chain;
        self.report.state_hash = state_hash(&self.state);
        let surplus = match self.compare {
            Some(compare) => {
                compare.lists(&self.state, &mut self.report)?;
                compare.finish(&mut self.report)?
            }
            None => None,
        };
        Ok((self.report, surplus))
    }
}

/// BLAKE3 over the canonical form of a state (LD-5).
#[must_use]
pub fn state_hash(state: &State) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    state.feed(&mut |bytes| {
        hasher.update(bytes);
    });
    hasher.finalize().into()
}

/// Whether bytes that are no record begin as every record of this log does, or nearly so.
fn nearly_ours(log_id: LogId, bytes: &[u8]) -> bool {
    let mut head = vec![0x0d];
    head.extend_from_slice(&MAGIC.to_le_bytes());
    head.extend_from_slice(&[0x12, 16]);
    head.extend_from_slice(&log_id.0);
    let Some(found) = bytes.get(..head.len()) else { return false };
    let bits = head.iter().zip(found).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    bits <= DAMAGED_BITS_MAX
}
