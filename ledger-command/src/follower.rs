//! The follower: applies the log again from its bytes, behind the writer's back.
//!
//! ```text
//!  log ──► Reader ──► decode ──► ids ──► IdStore (with the position, one batch)
//!                           └──► apply ─► State ──► snapshots, state hash, handover to the writer
//! ```
//!
//! Recovery is the same walk: it begins at the newest sound snapshot or where the id store is,
//! whichever is earlier, and skips for each what it has already. A step machine: whoever runs it
//! says when.

pub(crate) mod entries;

use std::sync::Arc;

use ledger_domain::{State, Timestamp, apply};
use ledger_log::{Backend, Cursor, Decision, Incarnation, LogError, LogId, RawRecord, Reader};
use ledger_proto::logged;

use crate::ids::{IdEntry, IdStore, IdStoreError};
use crate::link::{Fingerprint, Handover, Link};
use crate::snapshot::{self, Snapshot, SnapshotError, SnapshotStore, state_hash};

/// Bytes of the log read at once.
const READ_BYTES_MAX: usize = 4 << 20;

/// When a snapshot is made, whichever comes first. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotPolicy {
    /// After so many commits.
    pub every_commits: u64,
    /// After so many bytes of the log.
    pub every_bytes: u64,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        SnapshotPolicy { every_commits: 100_000, every_bytes: 256 << 20 }
    }
}

/// Why the follower cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The log cannot be read, or is not the one that was read before.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The id store failed.
    #[error(transparent)]
    Ids(#[from] IdStoreError),
    /// The snapshot store cannot be read.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// Replay and live state differ (LD-5): a defect.
    #[error(
        "STATE_DIFFERS partition {partition} sequence {sequence}: replay and live state differ"
    )]
    Differs {
        /// Partition.
        partition: u32,
        /// Sequence of the commit after which they were compared.
        sequence: u64,
    },
}

impl FollowError {
    /// Whether stepping again may help: then nothing was lost, and it goes on where it was.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            FollowError::Log(error) => !error.is_final(),
            FollowError::Ids(error) => matches!(error, IdStoreError::Full { .. }),
            FollowError::Snapshots(_) | FollowError::Differs { .. } => false,
        }
    }
}

/// What the follower stands on.
#[derive(Debug)]
pub struct FollowerParts {
    /// The log.
    pub backend: Arc<dyn Backend>,
    /// Its id.
    pub log_id: LogId,
    /// Which partition.
    pub partition: u32,
    /// Id store of the partition.
    pub ids: Arc<dyn IdStore>,
    /// Snapshots of the partition.
    pub snapshots: Box<dyn SnapshotStore>,
    /// When to make one.
    pub policy: SnapshotPolicy,
    /// The writer.
    pub link: Arc<Link>,
}

/// Follows one partition.
#[derive(Debug)]
pub struct Follower {
    parts: FollowerParts,
    reader: Reader,
    state: State,
    /// Records below are in the state already.
    state_from: u64,
    /// Records below are in the id store already.
    ids_from: u64,
    /// The later of the two positions that recovery began with: the reader must come to the same.
    meets: Option<Cursor>,
    /// The log's count when it was compared last.
    reconnects: u64,
    pending: Vec<(Vec<u8>, IdEntry)>,
    /// What the writer gets once the ids before it are in the store.
    handover: Option<(Incarnation, Handover)>,
    commits_since_snapshot: u64,
    bytes_since_snapshot: u64,
}

impl Follower {
    /// Opens the snapshots and the id store and compares both with the log.
    ///
    /// # Errors
    /// [`LogError::Diverged`] when one of them was read from a log that is longer or another; what the
    /// stores say when they cannot be read.
    pub fn open(parts: FollowerParts) -> Result<Self, FollowError> {
        let start = || Cursor::start(parts.log_id, parts.partition);
        let reconnects = parts.backend.reconnects();
        let Snapshot { cursor: state_cursor, state } = snapshot::newest(&*parts.snapshots)?
            .unwrap_or_else(|| Snapshot { cursor: start(), state: State::default() });
        let ids_cursor = parts.ids.applied()?.unwrap_or_else(start);
        for cursor in [&state_cursor, &ids_cursor] {
            cursor.verify(&*parts.backend, parts.log_id)?;
        }
        let (state_from, ids_from) = (state_cursor.next, ids_cursor.next);
        let (from, later) = if state_from <= ids_from {
            (state_cursor, ids_cursor)
        } else {
            (ids_cursor, state_cursor)
        };
        parts.link.set_followed(if ids_from <= state_from { from.sequence } else { 0 });
        parts.link.set_followed_offset(from.next);
        parts.link.outbox().begin(&state);
        parts.link.erasures().begin(&state);
        let meets = (later.next > from.next).then_some(later);
        tracing::info!(partition = parts.partition, state_from, ids_from, "recovering");
        Ok(Follower {
            parts,
            reader: Reader::resume(from),
            state,
            state_from,
            ids_from,
            meets,
            reconnects,
            pending: Vec::new(),
            handover: None,
            commits_since_snapshot: 0,
            bytes_since_snapshot: 0,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        self.reader.cursor()
    }

    /// The state as the log has it, at or (in recovery) after [`Follower::cursor`].
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Hash of its state after the last commit that it read.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { sequence: self.cursor().sequence, hash: state_hash(&self.state) }
    }

    /// Reads and applies the next records, at most a few megabytes; how many it took.
    ///
    /// # Errors
    /// [`FollowError`]; unless it [`FollowError::is_transient`] it must not go on.
    pub fn step(&mut self) -> Result<usize, FollowError> {
        // What the id store had no room for in the last step.
        self.write_ids()?;
        let FollowerParts { partition, log_id, ref backend, .. } = self.parts;
        let reconnects = backend.reconnects();
        if reconnects != self.reconnects {
            self.cursor().verify(&**backend, log_id)?;
        }
        let records = backend.read(partition, self.cursor().next, READ_BYTES_MAX)?;
        if backend.reconnects() != reconnects {
            // They may be another log's: first it is compared.
            return Ok(0);
        }
        self.reconnects = reconnects;
        let mut taken = 0;
        for record in &records {
            self.follow(record)?;
            taken += 1;
            if self.handover.is_some() {
                break;
            }
        }
        if taken > 0 {
            self.write_ids()?;
            self.snapshot_if_due()?;
        }
        Ok(taken)
    }

    /// Makes a snapshot of where it is and the id store durable: for a clean stop.
    ///
    /// # Errors
    /// [`FollowError`] when it cannot.
    pub fn finish(&mut self) -> Result<(), FollowError> {
        self.write_ids()?;
        self.parts.ids.flush()?;
        let caught_up = self.cursor().next >= self.state_from;
        if caught_up && self.cursor().next > 0 && self.bytes_since_snapshot > 0 {
            self.snapshot()?;
        }
        Ok(())
    }

    fn follow(&mut self, record: &RawRecord) -> Result<(), FollowError> {
        let decision = self.reader.step(record.offset, &record.bytes)?;
        let for_state = record.offset >= self.state_from;
        match decision {
            Decision::Accepted(commit) => {
                self.apply_commit(record.offset, &commit)?;
                if for_state {
                    self.compare_claim(commit.sequence)?;
                    self.commits_since_snapshot += 1;
                }
            }
            Decision::NewTerm(incarnation) if self.parts.link.wants(incarnation) => {
                assert!(for_state, "a term that is being taken is newer than every snapshot");
                let handover =
                    Handover { cursor: self.cursor().clone(), state: self.state.clone() };
                self.handover = Some((incarnation, handover));
            }
            Decision::Created | Decision::NewTerm(_) | Decision::Skipped(_) => {}
        }
        if for_state {
            self.bytes_since_snapshot += u64::try_from(record.bytes.len()).unwrap_or(u64::MAX);
        }
        self.meet()
    }

    fn apply_commit(
        &mut self,
        offset: u64,
        commit: &ledger_log::record::Commit,
    ) -> Result<(), FollowError> {
        let partition = self.parts.partition;
        let damaged = |what: String| LogError::Damaged { partition, offset, what };
        let recorded_at = Timestamp::try_from(commit.recorded_at)
            .map_err(|_| damaged("recorded after the year 2262".into()))?;
        let mut index = 0u32;
        for bytes in &commit.commands {
            let command = logged::decode(bytes).map_err(|error| damaged(error.to_string()))?;
            if offset >= self.state_from {
                for event in &command.events {
                    apply(&mut self.state, event, recorded_at);
                    self.parts.link.outbox().follow(&self.state, event);
                    self.parts.link.erasures().follow(&self.state, event);
                }
            }
            if offset >= self.ids_from {
                let place = entries::Place { offset, index, recorded_at };
                entries::of_command(&self.state, &command, place, &mut self.pending);
            }
            index += command.events.iter().map(ledger_domain::Event::width).sum::<u32>();
        }
        if offset >= self.state_from {
            self.state.record(recorded_at);
        }
        Ok(())
    }

    fn compare_claim(&self, sequence: u64) -> Result<(), FollowError> {
        match self.parts.link.claim_at(sequence, self.cursor().chain) {
            Some(claim) if claim.hash != state_hash(&self.state) => {
                Err(FollowError::Differs { partition: self.parts.partition, sequence })
            }
            _ => Ok(()),
        }
    }

    /// Where recovery comes to the later of its two beginnings, both must have read the same.
    fn meet(&mut self) -> Result<(), FollowError> {
        let here = self.reader.cursor();
        match &self.meets {
            Some(other) if other.next == here.next && other != here => {
                let what = format!("read again up to offset {}, it is another log", here.next);
                Err(LogError::Diverged { partition: self.parts.partition, what }.into())
            }
            Some(other) if other.next <= here.next => {
                self.meets = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn write_ids(&mut self) -> Result<(), FollowError> {
        let cursor = self.reader.cursor();
        if cursor.next > self.ids_from {
            self.parts.ids.write(&self.pending, cursor)?;
            self.pending.clear();
            self.ids_from = cursor.next;
        }
        self.parts.link.set_followed(cursor.sequence);
        self.parts.link.set_followed_offset(cursor.next);
        if let Some((incarnation, handover)) = self.handover.take() {
            self.parts.link.hand_over(incarnation, handover);
        }
        Ok(())
    }

    fn snapshot_if_due(&mut self) -> Result<(), FollowError> {
        let SnapshotPolicy { every_commits, every_bytes } = self.parts.policy;
        let due = self.commits_since_snapshot >= every_commits
            || self.bytes_since_snapshot >= every_bytes;
        if due { self.snapshot() } else { Ok(()) }
    }

    /// A snapshot that cannot be kept costs time at the next start, nothing else.
    fn snapshot(&mut self) -> Result<(), FollowError> {
        let cursor = self.reader.cursor();
        match snapshot::save(&mut *self.parts.snapshots, cursor, &self.state) {
            Ok(()) => {
                tracing::info!(partition = cursor.partition, next = cursor.next, "made a snapshot")
            }
            Err(error) => {
                tracing::error!(partition = cursor.partition, %error, "made no snapshot");
            }
        }
        // Flushed beside each snapshot, so that a crash costs both the same stretch of the log.
        match self.parts.ids.flush() {
            Err(error @ IdStoreError::Full { .. }) => {
                tracing::error!(partition = cursor.partition, %error, "the ids are not flushed");
            }
            flushed => flushed?,
        }
        self.commits_since_snapshot = 0;
        self.bytes_since_snapshot = 0;
        Ok(())
    }
}
