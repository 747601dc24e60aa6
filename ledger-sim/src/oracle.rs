//! Judges what clients were told, by the log and the model.
//!
//! It reads the log by a rule of its own, runs every counted command through the model in the order of
//! the log, and compares what stands there with what the model says.

mod answers;
mod events;

use std::collections::BTreeMap;

use ledger_domain::Rejection;
use ledger_log::record::Record;
use ledger_log::simulated::Simulated;
use ledger_log::{Backend, Chain, LogId};
use ledger_proto::logged::{self, LoggedCommand};

use crate::model::{Model, Place, Verdicts};
use crate::request::{Request, Transfer};

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
    open: BTreeMap<u64, Vec<Verdicts>>,
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
            next: 0,
            term: 0,
            sequence: 0,
            chain: Chain::START,
            skipped: 0,
        }
    }

    /// A client sends a request.
    pub(crate) fn sent(&mut self, number: u64, attempt: Attempt) {
        let verdicts = self.model.decide(&attempt.request, &attempt.transfers);
        self.open.insert(number, vec![verdicts]);
        self.attempts.insert(number, attempt);
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
        let mut index = 0;
        for bytes in commands {
            let command = logged::decode(bytes).map_err(|error| error.to_string())?;
            self.command((offset, index), recorded_at, &command)?;
            index += command.events.iter().map(ledger_domain::Event::width).sum::<u32>();
        }
        self.commits.push(Commit { offset, recorded_at, width: index });
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
        let verdicts = self.model.decide(request, transfers);
        events::check(place, request, transfers, &verdicts, command)
            .map_err(|what| format!("{place:?} attempt {number}: {what}\n  {request:?}"))?;
        events::rejections(place, command, &mut self.rejections);
        self.model.record(request, transfers, &verdicts, place);
        self.logged.insert(number, Logged { place, recorded_at, verdicts });
        self.open.remove(&number);
        for (number, candidates) in &mut self.open {
            if let Some(Attempt { request, transfers, .. }) = self.attempts.get(number) {
                let verdicts = self.model.decide(request, transfers);
                if candidates.last() != Some(&verdicts) {
                    candidates.push(verdicts);
                }
            }
        }
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
