//! The fence as a model: one partition, its writers, and every fault, in every order.
//!
//! ```text
//!   writers ── messages on their way ──► log ──► one reader (every reader reads the same)
//!      ▲            │ late, dropped,      │
//!      └─ reports ──┘ copied, foreign     └─ loss of its end
//! ```
//!
//! `stateright` visits each state that a [`Size`] allows and asks whether the properties S1 to S6, L1
//! and L2 hold in it. The reader in it is [`Reader`](crate::fence::Reader), from real bytes, and the
//! writers follow their reports with [`Acks`](crate::fence::Acks): what is checked is what runs. A
//! [`Change`] takes one rule away, or puts an earlier wording in its place; then a twin of the reader
//! decides, which in every unchanged step must agree with the module, and some property must fail.
//! docs/fence-model.md says what was found.

mod alone;
mod loss;
mod message;
mod state;
mod view;
mod writer;

mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};

use state::{State, Wrong};

/// What is searched, how writers behave, and which rule is left out.
#[derive(Debug)]
struct Fence {
    size: Size,
    in_doubt: InDoubt,
    change: Change,
    seen: [AtomicU64; Seen::ALL.len()],
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
struct Size {
    writers: usize,
    /// Behind record 0.
    records: usize,
    /// Attempts to take the partition.
    incarnations: u8,
    requests: u8,
    /// Of one writer.
    in_flight: usize,
    /// How often each may happen, in the order of [`Fault::ALL`].
    faults: [u8; Fault::ALL.len()],
}

/// What a writer does when a report is not the one that it expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InDoubt {
    /// It takes a new term, which settles the old one: what ours does.
    Retakes,
    /// It reads what stands between, or what became of its records, and goes on in its term if nothing
    /// speaks against it: the finer rule, for a log where gaps are common.
    ReadsBack,
}

/// A rule that is left out, or an earlier wording of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    NoZombieSkip,
    NoTermAheadStop,
    NoDuplicateSkip,
    NoHoleSkip,
    NoPastCheck,
    /// A writer serves upon what it knew when it sent its `TermStarted`.
    ServesUnread,
    /// A durable commit is acknowledged wherever it stands.
    AcknowledgesAnyOffset,
    /// A `TermStarted` of a writer's own incarnation, landed twice, does not depose it.
    OwnCopyDoesNotDepose,
    /// After an unknown outcome a writer goes on as if its record were durable.
    KeepsSpeculation,
    /// After an unknown outcome clients hear "failed" at once.
    FailsEarly,
    /// A writer takes the partition with the same incarnation each time.
    ReusesIncarnation,
    /// A reader that reconnects does not compare the log with what it kept.
    NoVerification,
    /// Earlier wording: the chain covers the offset of each commit, which a writer that pipelines
    /// must guess.
    ChainOverOffset,
    /// Earlier wording: after a hole everything is skipped up to the next `TermStarted`.
    StickyHole,
    /// Earlier wording: after an unknown outcome a writer goes on in its term if it sees no newer one.
    GoesOnAfterUnknown,
}

/// What goes wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Somebody else's bytes land.
    Foreign,
    /// An outcome is reported as unknown.
    Unknown,
    /// A record is reported durable, without its offset.
    WithoutOffset,
    /// A record that is in the log lands again.
    Copy,
    /// A record is refused, or delayed, and those behind it come first.
    Hole,
    /// A writer dies.
    Crash,
    /// The end of the log is lost.
    Loss,
    /// It is lost, and its records are sent again by whoever heard no report of them.
    LossSentAgain,
}

impl Fault {
    const ALL: [Fault; 8] = [
        Fault::Foreign,
        Fault::Unknown,
        Fault::WithoutOffset,
        Fault::Copy,
        Fault::Hole,
        Fault::Crash,
        Fault::Loss,
        Fault::LossSentAgain,
    ];
}

/// One thing that happens. Writers and late queues are named by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// A writer sends a `TermStarted`.
    Take(usize),
    /// It does not learn what became of it.
    GiveUp(usize),
    /// It reads up to its `TermStarted` and serves.
    Serve(usize),
    /// It sends a commit of this request.
    Send(usize, u8),
    /// Its oldest message on the way becomes durable.
    Land(usize),
    /// It is told the offset of its oldest unreported record.
    Report(usize),
    /// It is told only that it is durable.
    ReportWithoutOffset(usize),
    /// It is told that nobody knows, or that it was refused.
    ReportUnknown(usize),
    /// It looks where the records stand that were reported without an offset.
    ReadBack(usize),
    /// Its oldest message on the way never lands.
    Drop(usize),
    /// Its oldest message on the way is overtaken.
    Delay(usize),
    Crash(usize),
    LandLate(usize),
    Foreign,
    /// The record at this offset lands again.
    Copy(u64),
    /// The log ends here now.
    Lose(u64),
    LoseAndSendAgain(u64),
}

impl Action {
    fn fault(self, state: &State) -> Option<Fault> {
        match self {
            Action::Foreign => Some(Fault::Foreign),
            Action::GiveUp(_) => Some(Fault::Unknown),
            Action::ReportUnknown(w) if !state.is_astray(w) => Some(Fault::Unknown),
            Action::ReportWithoutOffset(_) => Some(Fault::WithoutOffset),
            Action::Copy(_) => Some(Fault::Copy),
            Action::Drop(_) | Action::Delay(_) => Some(Fault::Hole),
            Action::Crash(_) => Some(Fault::Crash),
            Action::Lose(_) => Some(Fault::Loss),
            Action::LoseAndSendAgain(_) => Some(Fault::LossSentAgain),
            _ => None,
        }
    }
}

/// What a search has to have met, or it shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    NewTerm,
    Accepted,
    Foreign,
    Zombie,
    Duplicate,
    Hole,
    Stopped,
    ToldOk,
    ToldFailed,
    SettledOk,
    Deposed,
    CountedBehindAGap,
    ReadBack,
    WentOnAfterUnknown,
    FoundLoss,
}

impl Seen {
    const ALL: [Seen; 15] = [
        Seen::NewTerm,
        Seen::Accepted,
        Seen::Foreign,
        Seen::Zombie,
        Seen::Duplicate,
        Seen::Hole,
        Seen::Stopped,
        Seen::ToldOk,
        Seen::ToldFailed,
        Seen::SettledOk,
        Seen::Deposed,
        Seen::CountedBehindAGap,
        Seen::ReadBack,
        Seen::WentOnAfterUnknown,
        Seen::FoundLoss,
    ];
}

impl Fence {
    fn new(size: Size, in_doubt: InDoubt, change: Change) -> Fence {
        Fence { size, in_doubt, change, seen: Default::default() }
    }

    fn saw(&self, seen: Seen) {
        self.seen[seen as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn times(&self, seen: Seen) -> u64 {
        self.seen[seen as usize].load(Ordering::Relaxed)
    }
}

const S1_ONCE: &str = "S1 what was told OK counts, and no request counts twice";
const S2_PAST: &str = "S2 what counts was decided upon exactly what counts before it";
const S3_FAILED: &str = "S3 what was told FAILED never counts";
const S4_ALONE: &str = "S4 a writer alone, without faults, gets a commit through";
const S4B_DEPOSED: &str = "S4b only a newer TermStarted deposes";
const S5_ALARM: &str = "S5 no reader stops and no writer reports loss where nothing was lost";
const S6_RESTART: &str = "S6 a reader that restarts decides as one that did not";
const L1_VERIFIED: &str = "L1 loss of what counted is found by whoever had read it";
const L2_TERM: &str = "L2 the first commit of a lost term is not passed over";

impl Model for Fence {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(self, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.apply(self, action);
        Some(next.canonical())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1_ONCE, |_, state: &State| {
                !matches!(state.wrong, Some(Wrong::OkDoesNotCount | Wrong::CountsTwice))
            }),
            Property::always(S2_PAST, |_, state: &State| state.wrong != Some(Wrong::OtherPast)),
            Property::always(S3_FAILED, |_, state: &State| {
                state.wrong != Some(Wrong::FailedCounts)
            }),
            Property::always(S4_ALONE, |fence, state: &State| state.each_gets_on(fence)),
            Property::always(S4B_DEPOSED, |_, state: &State| {
                state.wrong != Some(Wrong::NotDeposed)
            }),
            Property::always(S5_ALARM, |_, state: &State| state.wrong != Some(Wrong::FalseAlarm)),
            Property::always(S6_RESTART, |_, state: &State| {
                state.wrong != Some(Wrong::RestartDiffers)
            }),
            Property::always(L1_VERIFIED, |fence, state: &State| state.loss_is_found(fence)),
            Property::always(L2_TERM, |_, state: &State| {
                state.wrong != Some(Wrong::LossPassedOver)
            }),
        ]
    }
}
