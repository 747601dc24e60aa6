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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger_domain::{
    Command, Effect, Event, Id, LedgerHandle, LedgerName, Rejection, Settlement, State, Timestamp,
    send,
};

use tokio::sync::Notify;

pub use run::drive;

/// Pause before a step is asked for again: doubled each time, up to the longest.
const PAUSE_FIRST_NS: i64 = 50_000_000;
const PAUSE_LONGEST_NS: i64 = 10_000_000_000;
/// Steps of a partition that are asked for at once.
const IN_FLIGHT_MAX: usize = 256;

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
    version: u64,
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
        let Some((source, receive)) = source.zip(send::receive(state, ledger, id)) else { return };
        let mut changes = self.changes();
        changes.version += 1;
        changes.open.insert((ledger, id.clone()), Open { source, receive });
        self.changed.notify_one();
    }

    fn ended(&self, ledger: LedgerHandle, id: &Id) {
        let mut changes = self.changes();
        changes.version += 1;
        changes.open.remove(&(ledger, id.clone()));
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
    in_flight: usize,
}

#[derive(Debug)]
struct Saga {
    open: Open,
    /// What the destination's log said.
    settlement: Option<Settlement>,
    in_flight: bool,
    failures: u32,
    next_at: Timestamp,
}

impl Sagas {
    /// Steps that can be asked for now. Whoever takes them owes an answer to each.
    pub fn step(&mut self, outbox: &Outbox, now: Timestamp) -> Vec<Step> {
        self.look(outbox, now);
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight);
        let ready = self.sagas.iter_mut();
        let ready = ready.filter(|(_, saga)| !saga.in_flight && saga.next_at <= now).take(room);
        let steps: Vec<Step> = ready.map(|(key, saga)| saga.next(key)).collect();
        self.in_flight += steps.len();
        steps
    }

    /// When there is something to ask for, unless something changes before; `None` is never.
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        if self.in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        let waiting = self.sagas.values().filter(|saga| !saga.in_flight);
        waiting.map(|saga| saga.next_at).min()
    }

    /// Takes in what came of a step.
    pub fn answered(&mut self, send: &Key, kind: StepKind, answered: Answered, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // One that ended meanwhile is asked about no more.
        let Some(saga) = self.sagas.get_mut(send) else { return };
        saga.in_flight = false;
        match (kind, answered) {
            (StepKind::Receive, Answered::Accepted) => saga.settles(Settlement::Received, now),
            (StepKind::Receive, Answered::Refused(rejection)) => {
                saga.settles(Settlement::Refused(rejection), now);
            }
            // It ends here once the follower has read it.
            (StepKind::Settle, Answered::Accepted) => saga.pauses(now),
            (StepKind::Settle, Answered::Refused(rejection)) => {
                tracing::error!(send = %send.1, %rejection, "a send cannot be settled");
                saga.pauses(now);
            }
            (_, Answered::Again { why }) => {
                tracing::debug!(send = %send.1, why, "a step of a send is asked for again");
                saga.pauses(now);
            }
        }
    }

    fn look(&mut self, outbox: &Outbox, now: Timestamp) {
        let changes = outbox.changes();
        if self.seen == Some(changes.version) {
            return;
        }
        self.seen = Some(changes.version);
        self.sagas.retain(|key, _| changes.open.contains_key(key));
        for (key, open) in &changes.open {
            self.sagas.entry(key.clone()).or_insert_with(|| Saga {
                open: open.clone(),
                settlement: None,
                in_flight: false,
                failures: 0,
                next_at: now,
            });
        }
    }
}

impl Saga {
    fn next(&mut self, key: &Key) -> Step {
        self.in_flight = true;
        let (command, kind) = match &self.settlement {
            None => (self.open.receive.clone(), StepKind::Receive),
            Some(settlement) => {
                (send::settle(&self.open.source, &key.1, settlement), StepKind::Settle)
            }
        };
        Step { send: key.clone(), command, kind }
    }

    fn settles(&mut self, settlement: Settlement, now: Timestamp) {
        self.settlement = Some(settlement);
        (self.failures, self.next_at) = (0, now);
    }

    fn pauses(&mut self, now: Timestamp) {
        let doubled = PAUSE_FIRST_NS.saturating_mul(1 << self.failures.min(16));
        self.next_at = now.saturating_add(doubled.min(PAUSE_LONGEST_NS));
        self.failures += 1;
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
