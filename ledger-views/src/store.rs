//! What views are kept in: RocksDB, read by this process or by others too, or memory for the simulator.

pub mod memory;
pub mod rocks;
pub mod secondary;

use std::fmt;
use std::ops::ControlFlow;

use crate::rows::Rows;
use crate::table::Table;

/// What can be wrong with a store. The text is for the person who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Its bytes were changed or are not what this version writes.
    #[error("VIEW_DAMAGED {what}")]
    Damaged {
        /// Which table and key, or what the storage said.
        what: String,
    },
    /// It was written by another version of the views.
    #[error("VIEW_UNKNOWN_VERSION {found:?} in {place}; this version knows {known:?}")]
    UnknownVersion {
        /// What the manifest names.
        found: String,
        /// What this version writes.
        known: &'static str,
        /// Which file.
        place: String,
    },
    /// It is of another log or partition.
    #[error("VIEW_OF_ANOTHER_LOG {what}")]
    OtherLog {
        /// Both.
        what: String,
    },
    /// There is no room to write.
    #[error("DISK_FULL {what}")]
    Full {
        /// What the storage said.
        what: String,
    },
    /// The storage failed.
    #[error("VIEW_UNAVAILABLE {what}")]
    Unavailable {
        /// What the storage said.
        what: String,
    },
}

impl StoreError {
    /// Whether trying again may help, without anybody changing the store.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Full { .. } | StoreError::Unavailable { .. } => true,
            StoreError::Damaged { .. }
            | StoreError::UnknownVersion { .. }
            | StoreError::OtherLog { .. } => false,
        }
    }
}

/// Called with each key and value of a scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Rows of one view of one partition, in the order of their keys. One writer, many readers.
pub trait ViewStore: Send + Sync + fmt::Debug {
    /// The row with this key.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The rows with these keys, which are sorted; one answer for each.
    ///
    /// # Errors
    /// [`StoreError`] when one cannot be read.
    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().map(|key| self.get(table, key)).collect()
    }

    /// Visits the rows whose key begins with `prefix`, ascending from `from`, until told to stop. The visitor
    /// does not read the store: it may be held still meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when one cannot be read.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// Writes all of these rows, or none. Readers see them at once; a crash may take them back, but
    /// only whole writes, from the last one on.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be written.
    fn write(&self, rows: &Rows) -> Result<(), StoreError>;

    /// Whether other processes read it: then what readers are told is kept in it as well.
    fn has_other_readers(&self) -> bool {
        false
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    fn flush(&self) -> Result<(), StoreError>;
}
