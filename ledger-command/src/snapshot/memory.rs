//! Snapshots in memory, for the simulator; clones share them, as processes share a disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{SNAPSHOTS_KEPT, SnapshotError, SnapshotStore};

/// The snapshots of one partition.
#[derive(Clone, Debug, Default)]
pub struct MemorySnapshots {
    kept: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
}

impl MemorySnapshots {
    /// The snapshots by name, to damage or drop some.
    pub fn kept(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<u8>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SnapshotStore for MemorySnapshots {
    fn save(&mut self, next: u64, bytes: &[u8]) -> Result<(), SnapshotError> {
        let mut kept = self.kept();
        kept.insert(next, bytes.to_vec());
        while kept.len() > SNAPSHOTS_KEPT {
            kept.pop_first();
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<u64>, SnapshotError> {
        Ok(self.kept().keys().rev().copied().collect())
    }

    fn load(&self, next: u64) -> Result<Vec<u8>, SnapshotError> {
        let bytes = self.kept().get(&next).cloned();
        bytes.ok_or_else(|| SnapshotError::new(format!("no snapshot at {next}")))
    }
}
