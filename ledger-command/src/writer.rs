//! The writer of one partition: a deterministic step machine with no clock, thread or randomness
//! of its own.
//!
//! ```text
//!  offer ─► queue ─► look ids up ─► decide ─► apply (speculative) ─► seal ─► Producer
//!                                                │                              │
//!  replies ◄── waiting (until all it was decided upon is durable) ◄── Acks ◄── report
//! ```
//!
//! The next commit is decided while the last ones are written. When the fate of one is unknown, the
//! speculation is dropped, a new term is taken, and the log says what became of the rest.

mod answer;
mod decide;
mod draft;
mod due;
mod known;
mod offsets;
mod ownership;
mod recent;
mod term;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use ledger_domain::{Position, State, Timestamp};
use ledger_log::record::{Chain, LogId};
use ledger_log::{AckStep, Backend, Cursor, Outcome, Report, ReportSink};

use crate::config::at_least_one;
use crate::ids::IdStore;
use crate::link::{Fingerprint, Link};
use crate::reply::{Replied, Reply, Request};
use crate::snapshot::state_hash;
use offsets::Offsets;
use recent::Recent;
use term::Phase;

/// A writer whose clock is further behind the last commit than this is not ready.
pub const CLOCK_BEHIND_MAX_NS: i64 = 1_000_000_000;
/// What a full queue tells clients to wait.
pub(crate) const RETRY_AFTER_MS: u64 = 50;

/// Bounds of one writer. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WriterLimits {
    /// Commands that wait to be decided.
    #[serde(deserialize_with = "at_least_one")]
    pub queue_commands_max: usize,
    /// Transfers of the commands that wait to be decided; one command fits whatever its size.
    #[serde(deserialize_with = "at_least_one")]
    pub queue_transfers_max: usize,
    /// Commands of one commit.
    #[serde(deserialize_with = "at_least_one")]
    pub commit_commands_max: usize,
    /// Transfers of one commit; one command fits whatever its size.
    #[serde(deserialize_with = "at_least_one")]
    pub commit_transfers_max: usize,
    /// Bytes of one commit; one command fits up to what the log takes.
    #[serde(deserialize_with = "at_least_one")]
    pub commit_bytes_max: usize,
    /// Commits sent and not settled.
    #[serde(deserialize_with = "at_least_one")]
    pub commits_in_flight_max: usize,
    /// Ids that are not in the id store yet: when the follower lags, the writer waits for it.
    #[serde(deserialize_with = "at_least_one")]
    pub recent_ids_max: usize,
    /// Every so many commits the follower's state hash is compared with the writer's; 0 is never.
    pub compare_every_commits: u64,
}

impl Default for WriterLimits {
    fn default() -> Self {
        WriterLimits {
            queue_commands_max: 16_384,
            queue_transfers_max: 131_072,
            commit_commands_max: 8_192,
            commit_transfers_max: 16_384,
            commit_bytes_max: 1 << 20,
            commits_in_flight_max: 4,
            recent_ids_max: 1 << 20,
            compare_every_commits: 65_536,
        }
    }
}

/// 16 fresh random bytes at every call.
pub type Entropy = Box<dyn FnMut() -> [u8; 16] + Send>;
/// Makes the sink that a new producer reports to.
pub type Sinks = Box<dyn Fn() -> ReportSink + Send>;

/// What a writer stands on.
pub struct WriterParts {
    /// The log.
    pub backend: Arc<dyn Backend>,
    /// Its id.
    pub log_id: LogId,
    /// Which partition.
    pub partition: u32,
    /// Id store of the partition; the follower writes it.
    pub ids: Arc<dyn IdStore>,
    /// The follower.
    pub link: Arc<Link>,
    /// Randomness, for incarnations and back-off.
    pub entropy: Entropy,
    /// Where delivery reports go, to come back by [`Writer::report`].
    pub sinks: Sinks,
}

impl fmt::Debug for WriterParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterParts").field("partition", &self.partition).finish_non_exhaustive()
    }
}

/// How a writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The partition is another server's to write.
    Standby,
    /// It is taking the partition.
    Starting {
        /// Why the last attempt failed; empty for the first.
        last_error: String,
    },
    /// It serves.
    Serving {
        /// Its term.
        term: u64,
    },
    /// Its clock is behind the last commit: it refuses until the clock catches up.
    ClockBehind {
        /// Its term.
        term: u64,
        /// By how much, in nanoseconds.
        by_ns: i64,
    },
    /// It stopped for good; a person has to act.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Where something stands that may not be in the log yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the log.
    At { offset: u64, index: u32 },
    /// In a commit that was not settled when it was decided upon.
    In { sequence: u64, index: u32 },
}

/// The state ahead of the log: with all commits in flight, and the one being filled.
#[derive(Debug, Default)]
struct Speculation {
    state: State,
    chain: Option<Chain>,
    sequence: u64,
    recorded_at: Timestamp,
}

/// A commit that was sent and is not settled.
#[derive(Debug)]
struct InFlight {
    term: u64,
    sequence: u64,
    recorded_at: Timestamp,
    before: Chain,
    after: Chain,
}

/// A reply that waits for all it was decided upon.
#[derive(Debug)]
struct Waiting {
    /// Sequence of the last commit that it was decided upon.
    after: u64,
    token: u64,
    replied: Replied<Place>,
}

/// Writes one partition.
#[derive(Debug)]
pub struct Writer {
    parts: WriterParts,
    limits: WriterLimits,
    record_bytes_max: usize,
    /// Whether the partition is this server's to write.
    assigned: bool,
    /// Whether it finishes what it has and begins nothing more.
    closing: bool,
    /// Whether what is due waits for the commands in the next commit.
    commands_lead: bool,
    phase: Phase,
    queue: VecDeque<Request>,
    queued_transfers: usize,
    speculation: Speculation,
    in_flight: VecDeque<InFlight>,
    recent: Recent,
    offsets: Offsets,
    waiting: VecDeque<Waiting>,
    /// The last record of its own that counts, once a term was taken.
    settled: Option<Cursor>,
    next_ticket: u64,
    /// Reports since the last that had an offset.
    without_offset: usize,
    /// Reports below are of producers that are gone.
    first_ticket: u64,
    failures: u32,
    last_error: String,
    /// Why the log takes no record now, such as a full disk: commands are refused at once.
    unwritable: Option<String>,
    clock_behind_ns: i64,
    replies: Vec<(u64, Replied)>,
}

impl Writer {
    /// A writer on standby: it takes the partition once that is assigned to it.
    #[must_use]
    pub fn new(parts: WriterParts, limits: WriterLimits) -> Self {
        Writer {
            record_bytes_max: parts.backend.record_bytes_max(),
            parts,
            limits,
            assigned: false,
            closing: false,
            commands_lead: false,
            phase: Phase::Standby,
            queue: VecDeque::new(),
            queued_transfers: 0,
            speculation: Speculation::default(),
            in_flight: VecDeque::new(),
            recent: Recent::default(),
            offsets: Offsets::default(),
            waiting: VecDeque::new(),
            settled: None,
            next_ticket: 0,
            without_offset: 0,
            first_ticket: 0,
            failures: 0,
            last_error: String::new(),
            unwritable: None,
            clock_behind_ns: 0,
            replies: Vec::new(),
        }
    }

    /// Takes a command in. A full queue, or a partition that does not serve, answers at once.
    pub fn offer(&mut self, request: Request) {
        let refusal = match self.status() {
            Status::Stopped { reason } => Some(Reply::NotRecorded { reason }),
            Status::Standby => Some(Reply::NotOwner),
            _ if !self.assigned => Some(Reply::NotOwner),
            Status::ClockBehind { by_ns, .. } => Some(clock_behind(by_ns)),
            Status::Starting { .. } | Status::Serving { .. } => {
                self.unwritable.as_deref().map(not_recorded)
            }
        };
        let weight = request.weight();
        let full = self.queue.len() >= self.limits.queue_commands_max
            || (!self.queue.is_empty()
                && self.queued_transfers + weight > self.limits.queue_transfers_max);
        let overloaded = || full.then_some(Reply::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        match refusal.or_else(overloaded) {
            Some(reply) => self.replies.push((request.token, Replied::of(reply))),
            None => {
                self.queued_transfers += weight;
                self.queue.push_back(request);
            }
        }
    }

    /// Its server stops: it finishes what it has, and what becomes due is for the next one.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Takes a delivery report.
    pub fn report(&mut self, report: Report) {
        if report.ticket < self.first_ticket {
            return;
        }
        let step = match &mut self.phase {
            Phase::Standby | Phase::Resting { .. } | Phase::Stopped { .. } => AckStep::Wait,
            Phase::Taking(taking) => taking.report(report, self.settled.as_ref()),
            Phase::Serving(serving) => {
                self.without_offset += usize::from(report.outcome == Outcome::Durable(None));
                serving.acks.report(report)
            }
        };
        match step {
            AckStep::Wait => {}
            AckStep::Counted { count, offset } => {
                self.counted(count, offset);
                self.end_refused_term();
            }
            AckStep::Retake(why) => self.retake(format!("{why:?} after ticket {}", report.ticket)),
            AckStep::Diverged { expected, reported } => self.stop(format!(
                "LOG_DIVERGED partition {}: the log gave offset {reported} where {expected} is the \
                 least possible: it lost records",
                self.parts.partition
            )),
        }
        self.release();
    }

    /// Does all that can be done now. Returns when it wants to be called again, at the latest;
    /// `None` is when something comes in.
    pub fn step(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut wake = self.advance_term(now);
        if matches!(self.phase, Phase::Serving(_)) {
            self.clock_behind_ns = self.speculation.recorded_at.saturating_sub(now);
            if self.clock_behind_ns > CLOCK_BEHIND_MAX_NS {
                self.refuse_queued(&clock_behind(self.clock_behind_ns));
                wake = Some(self.speculation.recorded_at - CLOCK_BEHIND_MAX_NS);
            } else {
                self.drain(now);
                // What is due now waits for room, and whoever makes some calls.
                let due = self.speculation.state.next_due().filter(|at| *at > now);
                wake = wake.into_iter().chain(due).min();
            }
            self.settle_without_offset();
        }
        self.release();
        self.stand_by_if_revoked();
        match self.phase {
            // The term ended in this step: its pause begins now.
            Phase::Resting { until: None } => Some(now),
            _ => wake,
        }
    }

    /// Replies that may leave, by token, in the order in which they may.
    pub fn take_replies(&mut self) -> Vec<(u64, Replied)> {
        std::mem::take(&mut self.replies)
    }

    /// Whether nothing is queued, in flight or waiting.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty() && self.waiting.is_empty()
    }

    /// Whether it holds a term.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving(_))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::Standby => Status::Standby,
            Phase::Stopped { reason } => Status::Stopped { reason: reason.clone() },
            Phase::Resting { .. } | Phase::Taking(_) => {
                Status::Starting { last_error: self.last_error.clone() }
            }
            Phase::Serving(serving) if self.clock_behind_ns > CLOCK_BEHIND_MAX_NS => {
                Status::ClockBehind { term: serving.term, by_ns: self.clock_behind_ns }
            }
            Phase::Serving(serving) => Status::Serving { term: serving.term },
        }
    }

    /// Hash of the live state after the last commit that was decided.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Speculation { state, sequence, .. } = &self.speculation;
        Fingerprint { sequence: *sequence, hash: state_hash(state) }
    }

    /// The live state, ahead of the log by what is in flight.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.speculation.state
    }

    /// Stops for good: what is queued was not recorded, what is in flight is unknown.
    pub fn stop(&mut self, reason: String) {
        if matches!(self.phase, Phase::Stopped { .. }) {
            return;
        }
        tracing::error!(partition = self.parts.partition, reason, "writer stopped");
        self.release();
        self.refuse_queued(&Reply::NotRecorded { reason: reason.clone() });
        self.leave_unknown(&reason);
        self.phase = Phase::Stopped { reason };
    }

    /// Nobody will tell here any more what becomes of what is in flight.
    fn leave_unknown(&mut self, reason: &str) {
        for waiting in std::mem::take(&mut self.waiting) {
            let reply = Reply::Unknown { reason: reason.to_owned() };
            self.replies.push((waiting.token, Replied::of(reply)));
        }
        self.in_flight.clear();
    }

    /// After all that could be sent was sent: when all in flight was reported without an offset, no
    /// further one will tell where it is, and the log is read, by a new term, as after every doubt.
    fn settle_without_offset(&mut self) {
        let all = self.without_offset > 0 && self.without_offset == self.in_flight.len();
        if all && self.is_serving() {
            self.retake("the log did not say where its last records are".into());
        }
    }

    fn refuse_queued(&mut self, reply: &Reply) {
        self.queued_transfers = 0;
        for request in self.queue.drain(..) {
            self.replies.push((request.token, Replied::of(reply.clone())));
        }
    }

    fn counted(&mut self, count: usize, offset: u64) {
        assert!(count <= self.in_flight.len(), "what counts was sent");
        self.failures = 0;
        self.without_offset = 0;
        let behind = u64::try_from(count).unwrap_or(u64::MAX);
        for (commit, place) in self.in_flight.drain(..count).zip(offset + 1 - behind..) {
            self.offsets.push(commit.sequence, place);
            if let Some(settled) = &mut self.settled {
                assert_eq!(settled.chain, commit.before, "commits count in their order");
                settled.next = place + 1;
                settled.counted = place;
                settled.sequence = commit.sequence;
                settled.recorded_at = u64::try_from(commit.recorded_at).unwrap_or(0);
                settled.chain_before = commit.before;
                settled.chain = commit.after;
            }
        }
    }

    /// Lets go the replies whose commits count.
    fn release(&mut self) {
        let settled = self.settled.as_ref().map_or(0, |cursor| cursor.sequence);
        let Writer { waiting, offsets, replies, parts, .. } = self;
        let place = |place| match place {
            Place::At { offset, index } => Position::event(parts.partition, offset, index),
            Place::In { sequence, index } => {
                Position::event(parts.partition, offsets.get(sequence), index)
            }
        };
        while let Some(ready) = waiting.pop_front_if(|waiting| waiting.after <= settled) {
            replies.push((ready.token, ready.replied.map(&place)));
        }
        let kept = 2 * self.limits.commits_in_flight_max + 2;
        self.offsets.prune(self.parts.link.followed(), kept);
    }
}

/// How it is said that a command is not recorded, and will not be.
pub(crate) const NOT_RECORDED_PREFIX: &str = "not recorded, safe to retry: ";

fn not_recorded<P>(why: &str) -> Reply<P> {
    Reply::NotRecorded { reason: format!("{NOT_RECORDED_PREFIX}{why}") }
}

fn clock_behind(by_ns: i64) -> Reply {
    let reason = format!("the clock is {} ms behind the last commit", by_ns / 1_000_000);
    Reply::NotRecorded { reason }
}

#[cfg(test)]
impl Writer {
    /// Claims another hash for the last commit decided than it has.
    pub(crate) fn claim_for_test(&self, hash: [u8; 32]) {
        let Speculation { sequence, chain, .. } = self.speculation;
        let chain = chain.unwrap_or(Chain::START);
        self.parts.link.claim(Fingerprint { sequence, hash }, chain);
    }
}
