//! Snapshots: the state of a partition at a position, so that recovery reads the log's tail only.
//!
//! They are caches. One of damaged bytes is discarded with a log line and the next older is used;
//! one of another log is the sign of loss, and stops.

mod codec;
mod files;
mod memory;

use std::fmt;

use ledger_domain::State;
use ledger_log::Cursor;

pub use files::FileSnapshots;
pub use memory::MemorySnapshots;

/// How many are kept, so that a damaged one does not cost the whole log.
pub const SNAPSHOTS_KEPT: usize = 2;

/// A state and the position that it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Up to where the log is in it.
    pub cursor: Cursor,
    /// The state there.
    pub state: State,
}

/// The snapshot store failed. The text is for the person who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SNAPSHOT_STORE: {what}")]
pub struct SnapshotError {
    /// What failed.
    pub what: String,
}

impl SnapshotError {
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        SnapshotError { what: what.to_string() }
    }
}

/// Keeps the snapshots of one partition, each named by the offset of the next record to read.
pub trait SnapshotStore: Send + fmt::Debug {
    /// Keeps a snapshot, durably and whole or not at all, and drops all but the newest
    /// [`SNAPSHOTS_KEPT`].
    ///
    /// # Errors
    /// [`SnapshotError`] when it cannot.
    fn save(&mut self, next: u64, bytes: &[u8]) -> Result<(), SnapshotError>;

    /// Names of the snapshots, newest first.
    ///
    /// # Errors
    /// [`SnapshotError`] when they cannot be listed.
    fn list(&self) -> Result<Vec<u64>, SnapshotError>;

    /// Bytes of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`] when they cannot be read.
    fn load(&self, next: u64) -> Result<Vec<u8>, SnapshotError>;
}

/// Hash of a state in its canonical form (LD-5).
#[must_use]
pub fn state_hash(state: &State) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    state.feed(&mut |bytes| {
        hasher.update(bytes);
    });
    hasher.finalize().into()
}

/// Saves a snapshot.
///
/// # Errors
/// [`SnapshotError`] when it cannot.
pub fn save(
    store: &mut dyn SnapshotStore,
    cursor: &Cursor,
    state: &State,
) -> Result<(), SnapshotError> {
    store.save(cursor.next, &codec::encode(cursor, state)?)
}

/// The newest snapshot whose bytes are sound; those that are not are named in the log.
///
/// # Errors
/// [`SnapshotError`] when the store cannot be read at all.
pub fn newest(store: &dyn SnapshotStore) -> Result<Option<Snapshot>, SnapshotError> {
    for next in store.list()? {
        let decoded = store.load(next).and_then(|bytes| codec::decode(&bytes));
        match decoded {
            Ok(snapshot) if snapshot.cursor.next == next => return Ok(Some(snapshot)),
            Ok(_) => tracing::warn!(next, "snapshot discarded: it is of another position"),
            Err(error) => tracing::warn!(next, %error, "snapshot discarded: it is damaged"),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
