//! The id store: which client-made ids were used before, where, and what came of them. Exact for
//! ever.
//!
//! The follower writes it from the log's bytes, with its applied position in the same batch; so it
//! can be lost, or fall behind in a crash, and is made again from the log. The writer only looks
//! up.

mod keys;
mod memory;
mod rocks;

use std::fmt;

use ledger_domain::{Code, Timestamp};
use ledger_log::Cursor;

pub use keys::{Keys, request_key, transfer_key};
pub use memory::MemoryIds;
pub use rocks::{IdStores, RocksIds};

/// The first outcome of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdEntry {
    /// Offset of the commit that recorded it.
    pub offset: u64,
    /// Index of the event in that commit.
    pub index: u32,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Hash of what was asked, as domain values.
    pub content_hash: [u8; 16],
    /// Why it was refused, if it was.
    pub refused: Option<Code>,
}

/// Bytes of an encoded entry.
pub const ENTRY_BYTES: usize = 8 + 4 + 8 + 16 + 4;

impl IdEntry {
    /// Fixed little-endian fields, in the order of the struct; 0 for "not refused".
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.index.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.recorded_at.to_le_bytes());
        bytes[20..36].copy_from_slice(&self.content_hash);
        bytes[36..].copy_from_slice(&self.refused.map_or(0, Code::number).to_le_bytes());
        bytes
    }

    /// Reads what [`IdEntry::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (recorded_at, rest) = rest.split_first_chunk()?;
        let (content_hash, rest) = rest.split_first_chunk()?;
        let number = u32::from_le_bytes(rest.try_into().ok()?);
        let refused = if number == 0 { None } else { Some(Code::from_number(number)?) };
        Some(IdEntry {
            offset: u64::from_le_bytes(*offset),
            index: u32::from_le_bytes(*index),
            recorded_at: i64::from_le_bytes(*recorded_at),
            content_hash: *content_hash,
            refused,
        })
    }
}

/// The id store failed. The text is for the person who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdStoreError {
    /// There is no room to write: it goes on once there is.
    #[error("DISK_FULL: {what}")]
    Full {
        /// Which folder, and what the storage said.
        what: String,
    },
    /// It cannot be read or written.
    #[error("ID_STORE: {what}; removed while the server is down, it is rebuilt from the log")]
    Failed {
        /// Which folder, and what the storage said.
        what: String,
    },
}

impl IdStoreError {
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        let what = what.to_string();
        // RocksDB says it in the words of the operating system only.
        if what.contains("No space left") {
            IdStoreError::Full { what }
        } else {
            IdStoreError::Failed { what }
        }
    }
}

/// Ids of one partition. One writes, many look up.
pub trait IdStore: Send + Sync + fmt::Debug {
    /// First outcomes of the keys, which ascend; one for each.
    ///
    /// # Errors
    /// [`IdStoreError`] when it cannot be read.
    fn lookup(&self, keys: &Keys) -> Result<Vec<Option<IdEntry>>, IdStoreError>;

    /// Writes entries and the position of the log that they reach, all or none. Seen by the next
    /// lookup; durable after [`IdStore::flush`].
    ///
    /// # Errors
    /// [`IdStoreError`] when it cannot be written.
    fn write(&self, entries: &[(Vec<u8>, IdEntry)], applied: &Cursor) -> Result<(), IdStoreError>;

    /// How far it was written; `None` when it is empty.
    ///
    /// # Errors
    /// [`IdStoreError`] when it cannot be read.
    fn applied(&self) -> Result<Option<Cursor>, IdStoreError>;

    /// Makes everything written durable.
    ///
    /// # Errors
    /// [`IdStoreError`] when it cannot.
    fn flush(&self) -> Result<(), IdStoreError>;
}

#[cfg(test)]
mod tests;
