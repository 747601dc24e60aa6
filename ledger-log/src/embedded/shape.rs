//! `SHAPE`: one line of text that pins what can never change in a folder.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::embedded::unavailable;
use crate::log::LogError;

const NAME: &str = "SHAPE";

fn line(partition_count: u32) -> String {
    let text = format!("ledger embedded log, format 1, partitions {partition_count}");
    let check = blake3::hash(text.as_bytes()).to_hex();
    format!("{text}, check {}\n", &check[..16])
}

/// Whether the folder holds a log.
///
/// # Errors
/// [`LogError::Mismatch`], naming both counts, when it has another partition count.
pub(super) fn read(dir: &Path, partition_count: u32) -> Result<bool, LogError> {
    match count(dir)? {
        None => Ok(false),
        Some(count) if count == partition_count => Ok(true),
        Some(count) => Err(LogError::Mismatch {
            what: format!(
                "{} has {count} partitions, {partition_count} were asked for",
                dir.display()
            ),
        }),
    }
}

/// How many partitions the folder's log has; `None` where there is no log.
///
/// # Errors
/// [`LogError::DamagedStore`] when the file is not what was written.
pub(super) fn count(dir: &Path) -> Result<Option<u32>, LogError> {
    let path = dir.join(NAME);
    let found = match std::fs::read(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unavailable(&path, &error)),
    };
    let count = String::from_utf8(found.clone())
        .ok()
        .and_then(|text| text.split("partitions ").nth(1)?.split(',').next()?.parse::<u32>().ok());
    match count {
        Some(count) if found == line(count).as_bytes() => Ok(Some(count)),
        _ => Err(LogError::DamagedStore {
            what: format!("{}: not what was written", path.display()),
        }),
    }
}

/// Pins the folder, durably and at once.
pub(super) fn write(dir: &Path, partition_count: u32) -> Result<(), LogError> {
    let (path, draft) = (dir.join(NAME), dir.join("SHAPE.new"));
    let pin = || {
        let mut file = File::create(&draft)?;
        file.write_all(line(partition_count).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    };
    pin().map_err(|error| unavailable(&path, &error))
}
