//! What the writer and the follower of one partition tell each other.
//!
//! The writer asks for the state as the log has it at the beginning of its term, and learns how far the
//! id store is; the follower learns what hash the writer's state has, to compare it with its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger_domain::State;
use ledger_log::{Chain, Cursor, Incarnation};

use crate::erasures::Erasures;
use crate::saga::Outbox;

/// The state at a `TermStarted`, read from the log's bytes.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Up to and with the `TermStarted`.
    pub cursor: Cursor,
    /// The state there.
    pub state: State,
}

/// Hash of a state after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Sequence of the commit.
    pub sequence: u64,
    /// [`crate::snapshot::state_hash`] after it.
    pub hash: [u8; 32],
}

/// Shared by one writer and one follower.
#[derive(Debug, Default)]
pub struct Link {
    followed: AtomicU64,
    followed_offset: AtomicU64,
    writer_waits: AtomicBool,
    slot: Mutex<Slot>,
    outbox: Outbox,
    erasures: Erasures,
}

#[derive(Debug, Default)]
struct Slot {
    wanted: Option<Incarnation>,
    handover: Option<Handover>,
    claim: Option<(Fingerprint, Chain)>,
}

impl Link {
    /// With these, which tell others of what the follower reads.
    pub(crate) fn with(outbox: Outbox, erasures: Erasures) -> Self {
        Link { outbox, erasures, ..Link::default() }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open sends, as far as the follower has read.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Erased customers whose keys are not destroyed yet, as far as the follower has read.
    #[must_use]
    pub fn erasures(&self) -> &Erasures {
        &self.erasures
    }

    /// Sequence of the last commit whose ids are in the id store.
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.followed.load(Ordering::SeqCst)
    }

    /// The follower wrote the ids of all commits up to this sequence.
    pub(crate) fn set_followed(&self, sequence: u64) {
        self.followed.store(sequence, Ordering::SeqCst);
    }

    /// Offset of the next record that the follower reads: how far a standby is.
    #[must_use]
    pub fn followed_offset(&self) -> u64 {
        self.followed_offset.load(Ordering::Relaxed)
    }

    pub(crate) fn set_followed_offset(&self, next: u64) {
        self.followed_offset.store(next, Ordering::Relaxed);
    }

    /// The writer has no room for more ids until the follower is further on. It says so before it looks
    /// again how far that is, and the follower the other way round: so one of them sees the other.
    pub(crate) fn set_writer_waits(&self, waits: bool) {
        self.writer_waits.store(waits, Ordering::SeqCst);
    }

    /// Whether the writer has something to do now that the follower is further on.
    #[must_use]
    pub fn wakes_writer(&self) -> bool {
        self.writer_waits.load(Ordering::SeqCst) || self.slot().handover.is_some()
    }

    /// The writer waits for the `TermStarted` of this attempt.
    pub(crate) fn want(&self, incarnation: Incarnation) {
        let mut slot = self.slot();
        slot.wanted = Some(incarnation);
        slot.handover = None;
    }

    /// The writer waits for no attempt and for no room: it is on standby.
    pub(crate) fn want_nothing(&self) {
        let mut slot = self.slot();
        (slot.wanted, slot.handover) = (None, None);
        drop(slot);
        self.set_writer_waits(false);
    }

    /// Whether the writer waits for this attempt.
    pub(crate) fn wants(&self, incarnation: Incarnation) -> bool {
        self.slot().wanted == Some(incarnation)
    }

    /// The follower reached what the writer waits for, unless it waits for another attempt by now.
    pub(crate) fn hand_over(&self, incarnation: Incarnation, handover: Handover) {
        let mut slot = self.slot();
        if slot.wanted == Some(incarnation) {
            slot.wanted = None;
            slot.handover = Some(handover);
        }
    }

    /// What the writer waits for, once.
    pub(crate) fn take_handover(&self) -> Option<Handover> {
        self.slot().handover.take()
    }

    /// The writer's state has this hash after its commit that makes this chain; to be compared when the
    /// follower comes there. Must be claimed before the commit is sent.
    pub(crate) fn claim(&self, claim: Fingerprint, chain: Chain) {
        self.slot().claim = Some((claim, chain));
    }

    /// The claim on the state after this commit, if there is one. Another writer's commit of the same
    /// sequence makes another chain: the claimed one has failed.
    pub(crate) fn claim_at(&self, sequence: u64, chain: Chain) -> Option<Fingerprint> {
        let mut slot = self.slot();
        let (claim, claimed) = slot.claim.take_if(|(claim, _)| claim.sequence <= sequence)?;
        (claim.sequence == sequence && claimed == chain).then_some(claim)
    }
}
