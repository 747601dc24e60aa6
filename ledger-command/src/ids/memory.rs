//! The id store in memory, for the simulator: what was not flushed is lost in a crash, and its disk
//! can be full.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger_log::Cursor;

use super::{IdEntry, IdStore, IdStoreError, Keys};

/// An id store that lives and dies with the process that it stands in.
#[derive(Debug, Default)]
pub struct MemoryIds {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: Content,
    flushed: Content,
    full: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    entries: BTreeMap<Vec<u8>, IdEntry>,
    applied: Option<Cursor>,
}

impl MemoryIds {
    /// Drops all that was written since the last flush.
    pub fn crash(&self) {
        let mut inner = self.inner();
        inner.live = inner.flushed.clone();
    }

    /// Drops everything: the folder was removed.
    pub fn lose(&self) {
        *self.inner() = Inner::default();
    }

    /// Whether there is no room: writing and flushing fail until there is again.
    pub fn set_full(&self, full: bool) {
        self.inner().full = full;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner_with_room(&self) -> Result<MutexGuard<'_, Inner>, IdStoreError> {
        let inner = self.inner();
        if inner.full { Err(IdStoreError::new("No space left on device")) } else { Ok(inner) }
    }
}

impl IdStore for MemoryIds {
    fn lookup(&self, keys: &Keys) -> Result<Vec<Option<IdEntry>>, IdStoreError> {
        let inner = self.inner();
        Ok(keys.iter().map(|key| inner.live.entries.get(key).cloned()).collect())
    }

    fn write(&self, entries: &[(Vec<u8>, IdEntry)], applied: &Cursor) -> Result<(), IdStoreError> {
        let mut inner = self.inner_with_room()?;
        inner.live.entries.extend(entries.iter().cloned());
        inner.live.applied = Some(applied.clone());
        Ok(())
    }

    fn applied(&self) -> Result<Option<Cursor>, IdStoreError> {
        Ok(self.inner().live.applied.clone())
    }

    fn flush(&self) -> Result<(), IdStoreError> {
        let mut inner = self.inner_with_room()?;
        inner.flushed = inner.live.clone();
        Ok(())
    }
}
