//! How far a data folder has read the log, as its ids and snapshots say: for who finds another log, or
//! none, in its place.

use std::fs;
use std::path::Path;

use ledger_log::Cursor;

use crate::ids::{IdStore as _, IdStores};
use crate::run::RunError;
use crate::snapshot::{self, FileSnapshots, SnapshotError};

/// The positions of the stores that are in a folder, at most two of each partition. None of them may be
/// open.
///
/// # Errors
/// [`RunError`] of the first that cannot be read.
pub fn remembered(folder: &Path) -> Result<Vec<Cursor>, RunError> {
    let mut cursors = Vec::new();
    let ids = folder.join("ids");
    for partition in partitions(&ids)? {
        cursors.extend(IdStores::new(&ids).open(partition)?.applied()?);
    }
    let snapshots = folder.join("snapshots");
    for partition in partitions(&snapshots)? {
        let store = FileSnapshots::open(&snapshots.join(partition.to_string()))?;
        cursors.extend(snapshot::newest(&store)?.map(|newest| newest.cursor));
    }
    Ok(cursors)
}

/// The partitions that have a folder of their own in this one.
fn partitions(folder: &Path) -> Result<Vec<u32>, SnapshotError> {
    let failed = |error| SnapshotError::new(format!("{}: {error}", folder.display()));
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut partitions = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        partitions.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    partitions.sort_unstable();
    Ok(partitions)
}
