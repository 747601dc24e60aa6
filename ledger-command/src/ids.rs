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

use ledger_domain::{AccountHandle, AssetHandle, Code, Metadata, Posted, Timestamp};
use ledger_log::Cursor;
use ledger_proto::logged;

pub use keys::{Keys, entry_key, noted_key, request_key, reversed_key, transfer_key};
pub use memory::MemoryIds;
pub use rocks::{IdStores, RocksIds};

/// The first outcome of an id; of a transfer that was reversed, its newest reversal, and of one whose metadata was
/// updated, the newest update.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Of a transfer that can be reversed: what it posted, and how much of that is not reversed after this.
    pub posted: Option<Posted>,
    /// Of a transfer that was accepted: what is noted of it after this.
    pub metadata: Metadata,
}

impl IdEntry {
    /// Fixed little-endian fields, in the order of the struct, 0 for "not refused"; then what was posted, as
    /// numbers of seven bits a byte, the lowest first, or nothing; then metadata as in the log, or nothing. Where
    /// there is metadata alone, four zeros stand for what was posted: nobody posts from an account to itself.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let IdEntry { offset, index, recorded_at, content_hash, refused, posted, metadata } = self;
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&recorded_at.to_le_bytes());
        bytes.extend_from_slice(content_hash);
        bytes.extend_from_slice(&refused.map_or(0, Code::number).to_le_bytes());
        if let Some(Posted { debit_account, credit_account, asset, left }) = posted {
            put_number(&mut bytes, debit_account.0.into());
            put_number(&mut bytes, credit_account.0.into());
            put_number(&mut bytes, asset.0.into());
            put_number(&mut bytes, *left);
        } else if !metadata.is_empty() {
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes.extend_from_slice(&logged::encode_metadata(metadata));
        bytes
    }

    /// Reads what [`IdEntry::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (recorded_at, rest) = rest.split_first_chunk()?;
        let (content_hash, rest) = rest.split_first_chunk()?;
        let (number, mut rest) = rest.split_first_chunk()?;
        let number = u32::from_le_bytes(*number);
        let refused = if number == 0 { None } else { Some(Code::from_number(number)?) };
        let posted = match rest {
            [] => None,
            _ => {
                let posted = take_posted(&mut rest)?;
                (posted.debit_account != posted.credit_account).then_some(posted)
            }
        };
        Some(IdEntry {
            offset: u64::from_le_bytes(*offset),
            index: u32::from_le_bytes(*index),
            recorded_at: i64::from_le_bytes(*recorded_at),
            content_hash: *content_hash,
            refused,
            posted,
            metadata: logged::decode_metadata(rest).ok()?,
        })
    }
}

fn take_posted(bytes: &mut &[u8]) -> Option<Posted> {
    Some(Posted {
        debit_account: AccountHandle(take_number(bytes)?.try_into().ok()?),
        credit_account: AccountHandle(take_number(bytes)?.try_into().ok()?),
        asset: AssetHandle(take_number(bytes)?.try_into().ok()?),
        left: take_number(bytes)?,
    })
}

fn put_number(out: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u128> {
    let mut number = 0u128;
    for shift in (0..128).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u128::from(byte & 0x7f);
        if part.leading_zeros() < shift {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
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
