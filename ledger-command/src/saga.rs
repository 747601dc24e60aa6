//! The driver of the sends of one partition: it has the other ledger receive each, and then ends it.
//!
//! ```text
//!   the log ──► Follower ──► Outbox ──► Sagas ──► steps: receive, settle ──► the writer that decides them
//!                                         ▲                                        │
//!                                         └────────── what it answered ◄───────────┘
//! ```
//!
//! The log is its only memory. Whoever writes the partition drives it, from where the log is: what was asked
//! before is asked again, and gets its first outcome. It asks until the destination's log has answered,
//! and never takes silence for a refusal. A step machine: time is handed in.

mod run;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger_domain::send::{receive, settle};
use ledger_domain::{
    Command, Effect, Event, Id, LedgerHandle, LedgerName, Rejection, Settlement, State, Timestamp,
};

use tokio::sync::Notify;

pub use run::drive;

/// Pause before a step is asked for again: doubled each time, up to the longest.
const PAUSE_FIRST_NS: i64 = 50_000_000;
const PAUSE_LONGEST_NS: i64 = 10_000_000_000;
/// Steps of a partition of either kind that are asked for at once: those that other ledgers decide do not keep
/// its own waiting.
const IN_FLIGHT_MAX: usize = 256;
/// Changes that are kept for a driver: one that is further behind looks at all that is open.
const RECENT_MAX: usize = 4_096;

/// A send, by its ledger and id.
pub type Key = (LedgerHandle, Id);

/// The open sends of a partition, as its log has them.
#[derive(Debug, Default)]
pub struct Outbox {
    changes: Mutex<Changes>,
    /// Told of every change.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Changes {
    open: BTreeMap<Key, Open>,
    /// The sends that were opened or ended last, in order.
    recent: VecDeque<Key>,
    /// How many changes came before those.
    forgotten: u64,
}

/// An open send: its ledger, and the step that its destination decides.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    source: LedgerName,
    receive: Command,
}

impl Outbox {
    /// Empty; it tells of every change there.
    pub(crate) fn telling(changed: Arc<Notify>) -> Self {
        Outbox { changed, ..Outbox::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sends of a state that was read from a snapshot.
    pub(crate) fn begin(&self, state: &State) {
        for (ledger, id) in state.sends() {
            self.opened(state, ledger, id);
        }
    }

    /// Takes in an event that the log has and that was applied.
    pub(crate) fn follow(&self, state: &State, event: &Event) {
        let Event::TransferBatch(batch) = event else { return };
        for accepted in &batch.accepted {
            match &accepted.effect {
                Effect::Send(_) => self.opened(state, batch.ledger, &accepted.id),
                Effect::Capture(_) | Effect::Void { .. } if accepted.id.is_settlement() => {
                    if let Some(send) = accepted.effect.hold() {
                        self.ended(batch.ledger, send);
                    }
                }
                Effect::Post
                | Effect::Hold { .. }
                | Effect::Capture(_)
                | Effect::Void { .. }
                | Effect::Receive(_)
                | Effect::Reversal(_) => {}
            }
        }
    }

    /// One that the same batch has ended is open no more.
    fn opened(&self, state: &State, ledger: LedgerHandle, id: &Id) {
        let source = state.ledger(ledger).map(|book| book.name.clone());
        let Some((source, receive)) = source.zip(receive(state, ledger, id)) else { return };
        let key = (ledger, id.clone());
        let mut changes = self.changes();
        changes.open.insert(key.clone(), Open { source, receive });
        changes.note(key);
        self.changed.notify_one();
    }

    fn ended(&self, ledger: LedgerHandle, id: &Id) {
        let key = (ledger, id.clone());
        let mut changes = self.changes();
        changes.open.remove(&key);
        changes.note(key);
        self.changed.notify_one();
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes().open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Changes {
    fn note(&mut self, key: Key) {
        self.recent.push_back(key);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
            self.forgotten += 1;
        }
    }

    /// How many changes there have been.
    fn version(&self) -> u64 {
        self.forgotten + self.recent.len() as u64
    }

    /// The sends that have changed since this version; `None` when that is not known any more.
    fn since(&self, version: u64) -> Option<impl Iterator<Item = &Key>> {
        let known = usize::try_from(version.checked_sub(self.forgotten)?).ok()?;
        Some(self.recent.iter().skip(known))
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is done, and recorded.
    Accepted,
    /// It was refused, and that is recorded: so it stays.
    Refused(Rejection),
    /// It is not known what became of it, or nothing did: it is asked for again.
    Again {
        /// Why, for a person.
        why: String,
    },
}

/// A step to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The send.
    pub send: Key,
    /// For the writer of its ledger's partition.
    pub command: Command,
    /// Which of the two it is.
    pub kind: StepKind,
}

/// The steps of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The destination receives it, or refuses to.
    Receive,
    /// The source ends it.
    Settle,
}

/// Drives the open sends of a partition, while this server writes it.
#[derive(Debug, Default)]
pub struct Sagas {
    seen: Option<u64>,
    sagas: BTreeMap<Key, Saga>,
    receiving: Lane,
    settling: Lane,
}

/// Steps of one kind.
#[derive(Debug, Default)]
struct Lane {
    /// Sends whose step is not in flight, by when it is asked for next.
    waiting: BTreeSet<(Timestamp, Key)>,
    in_flight: usize,
}

impl Lane {
    /// The next send whose step can be asked for now.
    fn pop(&mut self, now: Timestamp) -> Option<Key> {
        self.wake().filter(|at| *at <= now)?;
        self.in_flight += 1;
        self.waiting.pop_first().map(|(_, key)| key)
    }

    fn wake(&self) -> Option<Timestamp> {
        let has_room = self.in_flight < IN_FLIGHT_MAX;
        self.waiting.first().filter(|_| has_room).map(|(at, _)| *at)
    }
}

#[derive(Debug)]
struct Saga {
    open: Open,
    /// What the destination's log said.
    settlement: Option<Settlement>,
    failures: u32,
    /// When it is asked for next; `None` while it is in flight.
    next_at: Option<Timestamp>,
}

impl Sagas {
    /// Steps that can be asked for now. Whoever takes them owes an answer to each.
    pub fn step(&mut self, outbox: &Outbox, now: Timestamp) -> Vec<Step> {
        self.look(outbox, now);
        let mut steps = Vec::new();
        for lane in [&mut self.settling, &mut self.receiving] {
            while let Some(key) = lane.pop(now) {
                match self.sagas.get_mut(&key) {
                    Some(saga) => steps.push(saga.next(key)),
                    None => lane.in_flight -= 1,
                }
            }
        }
        steps
    }

    /// When there is something to ask for, unless something changes before; `None` is never.
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        self.settling.wake().into_iter().chain(self.receiving.wake()).min()
    }

    /// Takes in what came of a step.
    pub fn answered(&mut self, send: &Key, kind: StepKind, answered: Answered, now: Timestamp) {
        let lane = self.lane(kind);
        lane.in_flight = lane.in_flight.saturating_sub(1);
        // One that ended meanwhile is asked about no more.
        let Some(saga) = self.sagas.get_mut(send) else { return };
        let next_at = match (kind, answered) {
            (StepKind::Receive, Answered::Accepted) => saga.settles(Settlement::Received, now),
            (StepKind::Receive, Answered::Refused(rejection)) => {
                saga.settles(Settlement::Refused(rejection), now)
            }
            // It ends here once the follower has read it.
            (StepKind::Settle, Answered::Accepted) => saga.pauses(now),
            (StepKind::Settle, Answered::Refused(rejection)) => {
                tracing::error!(send = %send.1, %rejection, "a send cannot be settled");
                saga.pauses(now)
            }
            (_, Answered::Again { why }) => {
                tracing::debug!(send = %send.1, why, "a step of a send is asked for again");
                saga.pauses(now)
            }
        };
        let before = saga.next_at.replace(next_at);
        let kind = saga.kind();
        if let Some(before) = before {
            self.receiving.waiting.remove(&(before, send.clone()));
            self.settling.waiting.remove(&(before, send.clone()));
        }
        self.lane(kind).waiting.insert((next_at, send.clone()));
    }

    fn lane(&mut self, kind: StepKind) -> &mut Lane {
        match kind {
            StepKind::Receive => &mut self.receiving,
            StepKind::Settle => &mut self.settling,
        }
    }

    fn look(&mut self, outbox: &Outbox, now: Timestamp) {
        let changes = outbox.changes();
        let version = changes.version();
        if self.seen == Some(version) {
            return;
        }
        match self.seen.and_then(|seen| changes.since(seen)) {
            Some(changed) => changed.for_each(|key| self.take(key, changes.open.get(key), now)),
            None => {
                self.sagas.clear();
                self.receiving.waiting.clear();
                self.settling.waiting.clear();
                changes.open.iter().for_each(|(key, open)| self.take(key, Some(open), now));
            }
        }
        self.seen = Some(version);
    }

    /// Begins with a send that is open, and forgets one that has ended.
    fn take(&mut self, key: &Key, open: Option<&Open>, now: Timestamp) {
        let Some(open) = open else {
            let Some(saga) = self.sagas.remove(key) else { return };
            if let Some(at) = saga.next_at {
                self.lane(saga.kind()).waiting.remove(&(at, key.clone()));
            }
            return;
        };
        if !self.sagas.contains_key(key) {
            let (open, next_at) = (open.clone(), Some(now));
            self.sagas.insert(key.clone(), Saga { open, settlement: None, failures: 0, next_at });
            self.receiving.waiting.insert((now, key.clone()));
        }
    }
}

impl Saga {
    /// Which step is next.
    fn kind(&self) -> StepKind {
        match self.settlement {
            None => StepKind::Receive,
            Some(_) => StepKind::Settle,
        }
    }

    fn next(&mut self, send: Key) -> Step {
        self.next_at = None;
        let (command, kind) = match &self.settlement {
            None => (self.open.receive.clone(), StepKind::Receive),
            Some(settlement) => (settle(&self.open.source, &send.1, settlement), StepKind::Settle),
        };
        Step { send, command, kind }
    }

    /// When it is asked for next, as below.
    fn settles(&mut self, settlement: Settlement, now: Timestamp) -> Timestamp {
        self.settlement = Some(settlement);
        self.failures = 0;
        now
    }

    fn pauses(&mut self, now: Timestamp) -> Timestamp {
        let doubled = PAUSE_FIRST_NS.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        now.saturating_add(doubled.min(PAUSE_LONGEST_NS))
    }
}

/// What a refusal says of a step: only one that is recorded, and for its own sake, is an answer.
#[must_use]
pub fn refused(rejection: Rejection, is_recorded: bool) -> Answered {
    if is_recorded && rejection.code.depends_on_state() {
        Answered::Refused(rejection)
    } else {
        Answered::Again { why: rejection.to_string() }
    }
}
