//! `HEAD`: the durable end of each partition, as it was acknowledged.
//!
//! It is written after the sync of each group and before its reports, without a sync of its own. So it
//! is never ahead of the log, and a killed process leaves it behind in the page cache: a log that ends
//! before it has lost acknowledged records. After a power cut it may lag, and says less.
//!
//! Each partition has two slots of 16 bytes, `end` and a check, overwritten in turn: no slot crosses a
//! sector, so a torn write leaves the other one whole, and so does one flipped bit.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::embedded::unavailable;
use crate::log::LogError;

const SLOT_BYTES: usize = 16;
const PARTITION_BYTES: usize = 2 * SLOT_BYTES;

#[derive(Debug)]
pub(super) struct Head {
    path: PathBuf,
    file: File,
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Head {
    /// For a new log. A `HEAD` of a creation that was cut short says nothing yet, and is replaced.
    pub(super) fn create(dir: &Path, partition_count: u32) -> Result<Head, LogError> {
        let path = dir.join("HEAD");
        let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        let partitions_then = u32::try_from(bytes / PARTITION_BYTES as u64).unwrap_or(0);
        if let Ok(head) = Head::open(dir, partitions_then)
            && head.ends.iter().any(|end| *end > 0)
        {
            let what = format!("{}: records were written, but SHAPE is missing", path.display());
            return Err(LogError::DamagedStore { what });
        }
        let bytes: Vec<u8> = (0..partition_count)
            .flat_map(|partition| [slot(partition, 0), slot(partition, 0)].concat())
            .collect();
        let make = || {
            let file = File::create(&path)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = make().map_err(|error: std::io::Error| unavailable(&path, &error))?;
        Ok(Head { path, file, ends: vec![0; partition_count as usize], bytes })
    }

    /// Reads what was acknowledged.
    pub(super) fn open(dir: &Path, partition_count: u32) -> Result<Head, LogError> {
        let path = dir.join("HEAD");
        let damaged = |what: &str| {
            Err(LogError::DamagedStore { what: format!("{}: {what}", path.display()) })
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return damaged(&error.to_string()),
        };
        if bytes.len() != partition_count as usize * PARTITION_BYTES {
            return damaged("of another size than was written");
        }
        let mut ends = Vec::new();
        for (partition, slots) in (0u32..).zip(bytes.chunks_exact(PARTITION_BYTES)) {
            let newest = slots.chunks_exact(SLOT_BYTES).filter_map(|s| valid(partition, s)).max();
            let Some(end) = newest else {
                return damaged(&format!("both slots of partition {partition} are damaged"));
            };
            ends.push(end);
        }
        let file = File::options().write(true).open(&path);
        let file = file.map_err(|error| unavailable(&path, &error))?;
        Ok(Head { path, file, ends, bytes })
    }

    /// Acknowledged end of each partition.
    pub(super) fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// Notes new ends, none of them less than before.
    pub(super) fn advance(&mut self, ends: &[u64]) -> std::io::Result<()> {
        assert_eq!(ends.len(), self.ends.len());
        let slots = self.bytes.chunks_exact_mut(PARTITION_BYTES);
        for ((partition, slots), (old, new)) in
            (0u32..).zip(slots).zip(self.ends.iter_mut().zip(ends))
        {
            assert!(*new >= *old, "an end never moves back");
            if new == old {
                continue;
            }
            let (first, second) = slots.split_at_mut(SLOT_BYTES);
            let older = if valid(partition, first) == Some(*old) { second } else { first };
            older.copy_from_slice(&slot(partition, *new));
            *old = *new;
        }
        self.file.write_all_at(&self.bytes, 0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn slot(partition: u32, end: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let (number, check) = bytes.split_at_mut(8);
    number.copy_from_slice(&end.to_le_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&partition.to_le_bytes()).update(&end.to_le_bytes());
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    bytes
}

fn valid(partition: u32, bytes: &[u8]) -> Option<u64> {
    let end = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    (slot(partition, end) == bytes).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_ends_and_survives_any_one_flipped_bit() {
        let dir = tempfile::tempdir().unwrap();
        let mut head = Head::create(dir.path(), 2).unwrap();
        head.advance(&[1, 0]).unwrap();
        head.advance(&[5, 3]).unwrap();
        head.advance(&[9, 3]).unwrap();
        assert_eq!(Head::open(dir.path(), 2).unwrap().ends(), [9, 3]);
        let whole = std::fs::read(head.path()).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(head.path(), flipped).unwrap();
            let ends = Head::open(dir.path(), 2).unwrap().ends().to_vec();
            assert!([5, 9].contains(&ends[0]) && [0, 3].contains(&ends[1]), "{bit}: {ends:?}");
        }
    }

    #[test]
    fn another_size_or_two_damaged_slots_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let head = Head::create(dir.path(), 2).unwrap();
        let path = head.path().to_owned();
        assert!(matches!(Head::open(dir.path(), 3), Err(LogError::DamagedStore { .. })));
        std::fs::write(&path, [1; 64]).unwrap();
        assert!(matches!(Head::open(dir.path(), 2), Err(LogError::DamagedStore { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Head::open(dir.path(), 2), Err(LogError::DamagedStore { .. })));
    }
}
