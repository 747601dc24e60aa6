//! A look at RocksDB's write-ahead logs and manifests before RocksDB opens them.
//!
//! Both are blocks of 32 KiB of fragments: checksum, length, type, payload. RocksDB checks them too, but
//! not every flip: one in the type byte that makes a fragment look recycled sends its open into an
//! endless loop, or ends the log there as if it had been torn. So every whole fragment is checked here,
//! and a damaged one is named by file and byte. A fragment that the file ends within is a torn tail:
//! what it may have cost is found by `HEAD` and the count.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::embedded::unavailable;
use crate::log::LogError;

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;

/// Checks every such file of a store; a folder that is not there has none.
pub(super) fn check(store: &Path) -> Result<(), LogError> {
    let entries = match std::fs::read_dir(store) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unavailable(store, &error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| unavailable(store, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("MANIFEST-") || name.ends_with(".log") {
            check_file(&path)?;
        }
    }
    Ok(())
}

fn check_file(path: &Path) -> Result<(), LogError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // RocksDB removes what it no longer needs while it is open: its lock is about to say so.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unavailable(path, &error)),
    };
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    for number in 0u64.. {
        block.clear();
        let read = file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
        read.map_err(|error| unavailable(path, &error))?;
        if let Err(place) = check_block(&block) {
            let byte = number * BLOCK_BYTES as u64 + place as u64;
            let what = format!("{}: damaged at byte {byte}", path.display());
            return Err(LogError::DamagedStore { what });
        }
        if block.len() < BLOCK_BYTES {
            break;
        }
    }
    Ok(())
}

/// Where the first damaged fragment of a block begins.
fn check_block(block: &[u8]) -> Result<(), usize> {
    let mut place = 0;
    while let Some((header, rest)) = block[place..].split_first_chunk::<HEADER_BYTES>() {
        let [c0, c1, c2, c3, l0, l1, kind] = *header;
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        if kind == 0 && length == 0 {
            // Space that was set aside and not written.
            break;
        }
        let Some(payload) = rest.get(..length) else {
            return if block.len() < BLOCK_BYTES { Ok(()) } else { Err(place) };
        };
        if unmask(u32::from_le_bytes([c0, c1, c2, c3])) != crc32c(kind, payload) {
            return Err(place);
        }
        place += HEADER_BYTES + length;
    }
    Ok(())
}

/// RocksDB stores a checksum rotated and shifted.
fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(0xa282_ead8).rotate_right(17)
}

const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 8 {
            value = (value >> 1) ^ if value & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// CRC-32C (Castagnoli) of a fragment's type and payload.
fn crc32c(kind: u8, payload: &[u8]) -> u32 {
    let step = |crc: u32, byte: u8| CRC32C[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !payload.iter().fold(step(!0, kind), |crc, byte| step(crc, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b'1', b"23456789"), 0xe306_9283);
    }

    #[test]
    fn a_file_that_is_gone_before_it_is_read_is_not_missed() {
        let store = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", store.path().join("000004.log")).unwrap();
        check(store.path()).unwrap();
    }

    #[test]
    fn unmasking_undoes_rocksdbs_mask() {
        for crc in [0u32, 1, 0xe306_9283, u32::MAX] {
            assert_eq!(unmask(crc.rotate_right(15).wrapping_add(0xa282_ead8)), crc);
        }
    }
}
