//! Judges what clients were told, by the log and the model.
//!
//! It reads the log by a rule of its own, runs every counted command through the model in the order of
//! the log, and compares what stands there with what the model says.

mod answers;
mod crossings;
mod events;
mod notes;

use std::collections::BTreeMap;

use ledger_domain::{Crossing, Event, Rejection};
use ledger_log::record::Record;
use ledger_log::simulated::Simulated;
use ledger_log::{Backend, Chain, LogId};
use ledger_proto::logged::{self, LoggedCommand};

use crate::model::{Cause, Crossed, Due, Model, Place, Verdicts};
use crate::request::{Ask, Request, Transfer};
use crate::summary::Summary;

/// One request of a client's, sent once.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) request: Request,
    /// Its well-formed transfers; empty for what is no batch.
    pub(crate) transfers: Vec<Transfer>,
    /// Whether its writer had the newest term of the log when it was asked.
    pub(crate) current: bool,
    pub(crate) told: Told,
}

/// What its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Answer,
    NotRecorded,
    Unknown,
}

/// What the log has of an attempt.
#[derive(Clone, Debug)]
struct Logged {
    place: Place,
    /// Of the first row of a batch: behind the clearing accounts that it opens.
    rows: Place,
    recorded_at: i64,
    verdicts: Verdicts,
}

/// A commit that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commit {
    pub(crate) offset: u64,
    pub(crate) recorded_at: i64,
    pub(crate) width: u32,
}

/// Judges one partition.
#[derive(Debug)]
pub(crate) struct Oracle {
    log_id: LogId,
    partition: u32,
    pub(crate) model: Model,
    pub(crate) attempts: BTreeMap<u64, Attempt>,
    logged: BTreeMap<u64, Logged>,
    pub(crate) commits: Vec<Commit>,
    /// Why each refusal that is recorded was made.
    rejections: BTreeMap<Place, Rejection>,
    /// What each attempt that is neither answered nor in the log may come to, at any state that it may
    /// have seen.
    /// Each with the first instant at which it may.
    open: BTreeMap<u64, Vec<(i64, Verdicts)>>,
    /// The latest that any writer's clock ever was.
    pub(crate) clock: i64,
    /// Instant of the commit that is read, or was last.
    recorded_at: i64,
    /// How often things came up in the log.
    pub(crate) seen: Summary,
    pub(crate) next: u64,
    term: u64,
    sequence: u64,
    chain: Chain,
    pub(crate) skipped: u64,
}

impl Oracle {
    pub(crate) fn new(log_id: LogId, partition: u32) -> Self {
        Oracle {
            log_id,
            partition,
            model: Model::default(),
            attempts: BTreeMap::new(),
            logged: BTreeMap::new(),
            commits: Vec::new(),
            rejections: BTreeMap::new(),
            open: BTreeMap::new(),
            clock: 0,
            recorded_at: 0,
            seen: Summary::default(),
            next: 0,
            term: 0,
            sequence: 0,
            chain: Chain::START,
            skipped: 0,
        }
    }

    /// A client sends a request.
    pub(crate) fn sent(&mut self, number: u64, attempt: Attempt) {
        let verdicts = self.may_come_to(&attempt);
        self.open.insert(number, verdicts);
        self.attempts.insert(number, attempt);
    }

    /// What an attempt comes to at this state, from each instant on at which that may be something else.
    fn may_come_to(&self, attempt: &Attempt) -> Vec<(i64, Verdicts)> {
        let Attempt { request, transfers, .. } = attempt;
        let expiries = transfers.iter().filter_map(|transfer| transfer.expires_at);
        // Books that may not be locked yet may be when it is decided.
        let lock = match &request.ask {
            Ask::Lock { before } => *before,
            // Likewise a start that is not past yet.
            Ask::Schedule(schedule) => schedule.start,
            _ => None,
        };
        let deadlines = transfers.iter().filter_map(|transfer| transfer.deadline);
        let later = expiries.chain(deadlines).chain(lock).filter(|at| *at > self.recorded_at);
        let mut instants: Vec<i64> = later.chain([self.recorded_at]).collect();
        instants.sort_unstable();
        instants.dedup();
        let decide = |at| (at, self.model.decide(request, transfers, at));
        instants.into_iter().map(decide).collect()
    }

    /// The state has changed: what is open may have seen it.
    fn reconsider(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        for (number, candidates) in &mut open {
            let Some(attempt) = self.attempts.get(number) else { continue };
            for candidate in self.may_come_to(attempt) {
                if !candidates.iter().any(|(at, v)| *at <= candidate.0 && *v == candidate.1) {
                    candidates.push(candidate);
                }
            }
        }
        self.open = open;
    }

    /// Nobody will answer an attempt any more.
    pub(crate) fn abandoned(&mut self, attempt: u64) {
        self.open.remove(&attempt);
    }

    /// Reads the log to its end.
    pub(crate) fn walk(&mut self, log: &Simulated) -> Result<(), String> {
        let records = log.read(self.partition, self.next, usize::MAX);
        for record in records.map_err(|error| error.to_string())? {
            if record.offset != self.next {
                return Err(format!("offset {} where {} is next", record.offset, self.next));
            }
            self.next += 1;
            self.record(record.offset, &record.bytes)?;
        }
        Ok(())
    }

    /// The accept rule in its plainest words.
    fn record(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let record = match Record::decode(bytes) {
            Ok((log_id, record)) if log_id == self.log_id => record,
            _ => {
                self.skipped += 1;
                return Ok(());
            }
        };
        match record {
            Record::LogCreated { .. } if offset == 0 => self.chain = self.chain.after(bytes),
            Record::LogCreated { .. } => self.skipped += 1,
            Record::TermStarted(_) => {
                self.term = offset;
                self.chain = self.chain.after_term(offset, bytes);
            }
            Record::Unknown => return Err(format!("offset {offset} is of an unknown kind")),
            Record::Commit(commit) => {
                let counts = commit.term == self.term && commit.sequence == self.sequence + 1;
                if commit.term > self.term {
                    return Err(format!("offset {offset} is of a term that never started"));
                }
                if !counts {
                    self.skipped += 1;
                    return Ok(());
                }
                if commit.prev_hash != self.chain {
                    return Err(format!("offset {offset} was written upon another past"));
                }
                self.sequence += 1;
                self.chain = self.chain.after(bytes);
                self.commit(offset, commit.recorded_at, &commit.commands)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, offset: u64, at: u64, commands: &[Vec<u8>]) -> Result<(), String> {
        let recorded_at = i64::try_from(at).map_err(|_| "a commit of the far future".to_owned())?;
        if self.commits.last().is_some_and(|last| last.recorded_at >= recorded_at) {
            return Err(format!("offset {offset}: time stands still or goes back"));
        }
        self.recorded_at = recorded_at;
        self.clock = self.clock.max(recorded_at);
        self.model.instants.insert(offset, recorded_at);
        let mut is_due = !self.model.due(recorded_at).is_empty();
        let mut index = 0;
        for bytes in commands {
            let command = logged::decode(bytes).map_err(|error| error.to_string())?;
            if is_due {
                self.due((offset, index), recorded_at, &command)?;
                is_due = !self.model.due(recorded_at).is_empty();
                if commands.len() == 1 {
                    self.seen.note("due.alone");
                }
            } else {
                self.command((offset, index), recorded_at, &command)?;
            }
            index += command.events.iter().map(Event::width).sum::<u32>();
        }
        if is_due {
            let due = self.model.due(recorded_at);
            return Err(format!("offset {offset}: {due:?} are due, the log has nothing of them"));
        }
        self.commits.push(Commit { offset, recorded_at, width: index });
        Ok(())
    }

    /// What is due comes first in its commit, all of it: the holds that expire one after the other are a
    /// command, and each time of a schedule is one.
    fn due(&mut self, place: Place, now: i64, command: &LoggedCommand) -> Result<(), String> {
        let mut due = self.model.due(now);
        let (bare, crossed) = crossings::split(command);
        if !command.traceparent.is_empty() {
            return Err(format!("{place:?}: {due:?} are due, the log has {command:?}"));
        }
        match due.first() {
            Some(first) if first.is_schedule => {
                let first = first.clone();
                self.run(place, now, &first, &bare)?;
                self.crossed(&first.ledger, (place.0, place.1 + 2), &crossed)?;
            }
            Some(first) if self.model.watches(&first.ledger, &first.id) => {
                due.truncate(1);
                events::expiries(&due, &bare).map_err(|what| format!("{place:?}: {what}"))?;
                self.model.expire(&due[0], place);
                self.seen.note("hold.expired");
                self.crossed(&due[0].ledger, (place.0, place.1 + 1), &crossed)?;
            }
            _ => {
                // What those of a watched account come to depends on all before them: each is by itself.
                let apart =
                    |due: &&Due| !due.is_schedule && !self.model.watches(&due.ledger, &due.id);
                let holds = due.iter().take_while(apart).count();
                due.truncate(holds);
                events::expiries(&due, command).map_err(|what| format!("{place:?}: {what}"))?;
                for (index, due) in (place.1..).zip(&due) {
                    self.model.expire(due, (place.0, index));
                    self.seen.note("hold.expired");
                }
            }
        }
        self.reconsider();
        Ok(())
    }

    /// The alerts that cross are those of the model.
    fn crossed(&mut self, ledger: &str, from: Place, found: &[Crossing]) -> Result<(), String> {
        let due = self.model.crossed(ledger, from);
        crossings::check(self.model.books.get(ledger), &due, found)
            .map_err(|what| format!("{from:?}: {what}"))?;
        for it in &due {
            self.seen.note(if it.raised { "alert.raised" } else { "alert.cleared" });
            self.seen.note(match it.cause {
                Cause::Set => "alert.at_once",
                Cause::Transfer(_) => "alert.by_transfer",
                Cause::Expiry(_) => "alert.by_expiry",
            });
        }
        let twice = |it: &Crossed| {
            due.iter().filter(|other| (&other.account, &other.id) == (&it.account, &it.id)).count()
        };
        if due.iter().any(|it| twice(it) > 1) {
            self.seen.note("alert.twice_in_a_batch");
        }
        Ok(())
    }

    fn run(
        &mut self,
        place: Place,
        now: i64,
        due: &Due,
        command: &LoggedCommand,
    ) -> Result<(), String> {
        let Due { ledger, id, .. } = due;
        let nothing = || format!("{place:?}: {due:?} is due with nothing");
        let (transfer, verdict) = self.model.runs(ledger, id, now).ok_or_else(nothing)?;
        events::rejections(place, command, &mut self.rejections);
        let planned = self.model.books[ledger].schedules[id].asked.metadata.len();
        if transfer.metadata.len() < planned {
            self.seen.note("schedule.posted_without_the_erased");
        }
        notes::metadata(command, &mut self.seen);
        let run = self.model.ran((ledger, id), &transfer, &verdict, place).ok_or_else(nothing)?;
        let number = self.model.books[ledger].schedules[id].runs.len();
        events::ran(place, due, (&transfer, &verdict), (number, run), command)?;
        self.seen.note(if run.refused.is_some() { "schedule.refused" } else { "schedule.posted" });
        if now - run.due > 1_000_000_000 {
            self.seen.note("schedule.late");
        }
        Ok(())
    }

    fn command(
        &mut self,
        place: Place,
        recorded_at: i64,
        command: &LoggedCommand,
    ) -> Result<(), String> {
        let number: u64 = command
            .traceparent
            .parse()
            .map_err(|_| format!("{place:?}: a command that nobody sent"))?;
        let attempt = self.attempts.get(&number);
        let Some(Attempt { request, transfers, told, .. }) = attempt else {
            return Err(format!("{place:?}: attempt {number} was never sent"));
        };
        if request.validate_only {
            return Err(format!("{place:?}: a dry run, attempt {number}, is in the log"));
        }
        if *told == Told::NotRecorded {
            return Err(format!("{place:?}: attempt {number} was told that it is not recorded"));
        }
        if self.logged.contains_key(&number) {
            return Err(format!("{place:?}: attempt {number} is in the log twice"));
        }
        let verdicts = self.model.decide(request, transfers, recorded_at);
        let opens = self.model.opens(request, transfers, &verdicts);
        let rows = (place.0, place.1 + opens.len() as u32);
        in_order(transfers, recorded_at)?;
        let (bare, crossed) = crossings::split(command);
        events::check(rows, request, transfers, (&verdicts, &opens), &bare)
            .map_err(|what| format!("{place:?} attempt {number}: {what}\n  {request:?}"))?;
        events::rejections(place, command, &mut self.rejections);
        self.model.record(request, transfers, &verdicts, place);
        let ledger = request.ledger.clone();
        let width: u32 = bare.events.iter().map(ledger_domain::Event::width).sum();
        let book = self.model.books.get(&request.ledger);
        notes::moves(book, transfers, &verdicts, &mut self.seen);
        notes::conditions(request, &verdicts, &mut self.seen);
        notes::metadata(command, &mut self.seen);
        notes::refused_metadata(request, &verdicts, &mut self.seen);
        self.logged.insert(number, Logged { place, rows, recorded_at, verdicts });
        self.crossed(&ledger, (place.0, place.1 + width), &crossed)?;
        self.open.remove(&number);
        self.reconsider();
        Ok(())
    }

    /// No more answers come: what was told is what the log has.
    pub(crate) fn finish(&self) -> Result<(), String> {
        for (number, attempt) in &self.attempts {
            if attempt.told == Told::NotRecorded && self.logged.contains_key(number) {
                return Err(format!(
                    "attempt {number} is in the log, its client was told otherwise"
                ));
            }
        }
        Ok(())
    }

    /// Newest term of the log.
    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    pub(crate) fn partition(&self) -> u32 {
        self.partition
    }

    /// Ids of all transfers that were decided, with their ledgers.
    pub(crate) fn transfer_ids(&self) -> Vec<(String, String)> {
        let books = self.model.books.iter();
        books
            .flat_map(|(ledger, book)| {
                book.transfers.keys().map(move |id| (ledger.clone(), id.clone()))
            })
            .collect()
    }
}

/// What is received was sent before, by the clocks of both partitions.
fn in_order(transfers: &[Transfer], recorded_at: i64) -> Result<(), String> {
    let mut sources = transfers.iter().filter_map(|transfer| transfer.source.as_ref());
    match sources.find(|source| source.sent_at >= recorded_at) {
        Some(source) => Err(format!("received at {recorded_at}, and sent later: {source:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
