//! A store in memory, whose crash takes back what was not flushed and whose disk can be full. For the
//! simulator and tests.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{StoreError, ViewStore, Visit};
use crate::rows::Rows;
use crate::table::Table;

/// Tables as ordered maps.
#[derive(Debug, Default)]
pub struct MemoryStore(RwLock<Inner>);

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Default)]
struct Inner {
    tables: BTreeMap<Table, Map>,
    /// What each row written since the last flush was before.
    undo: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
    full: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Falls back to the last flush, as a machine does that loses its power.
    pub fn crash(&self) {
        let mut inner = self.lock();
        while let Some((table, key, before)) = inner.undo.pop() {
            let rows = inner.tables.entry(table).or_default();
            match before {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }

    /// From now on there is no room for a write or a flush, or there is again.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    // A panic elsewhere leaves whole rows behind, so that a poisoned lock means nothing here.
    fn lock(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check_room(&self) -> Result<(), StoreError> {
        if self.full {
            return Err(StoreError::Full { what: "no space left".into() });
        }
        Ok(())
    }
}

impl ViewStore for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read().tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let inner = self.read();
        let Some(rows) = inner.tables.get(&table) else { return Ok(()) };
        for (key, value) in rows.range(from.max(prefix).to_vec()..) {
            if !key.starts_with(prefix) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, rows: &Rows) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.check_room()?;
        for (table, key, value) in rows.iter() {
            let before =
                inner.tables.entry(table).or_default().insert(key.to_vec(), value.to_vec());
            inner.undo.push((table, key.to_vec(), before));
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.check_room()?;
        inner.undo.clear();
        Ok(())
    }
}
