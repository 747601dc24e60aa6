//! Which version of a view counts: named in a manifest that is swapped by rename.
//!
//! ```text
//! views/<partition>/MANIFEST.json     {"view":"v3"}
//! views/<partition>/v3/               the store of that version
//! ```
//!
//! A new version is built in a folder of its own beside the running one; the swap of the manifest
//! makes it count.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::store::StoreError;
use crate::store::rocks::{Readers, RocksShared, RocksStore};

/// The version that this code reads and writes, and the name of its folder.
pub const VIEW_VERSION: &str = "v3";
const MANIFEST: &str = "MANIFEST.json";

/// Opens the view in this folder, creating it when there is none.
///
/// # Errors
/// [`StoreError::UnknownVersion`] when the manifest names another version, [`StoreError::Damaged`] when
/// it cannot be understood, and those of [`RocksStore::open`].
pub fn open_view(
    folder: &Path,
    shared: &RocksShared,
    readers: Readers,
) -> Result<RocksStore, StoreError> {
    if is_there(folder)? {
        return RocksStore::open(&folder.join(VIEW_VERSION), shared, readers);
    }
    fs::create_dir_all(folder).map_err(|error| unavailable(folder, &error))?;
    // The store first: a manifest never names what is not there.
    let store = RocksStore::open(&folder.join(VIEW_VERSION), shared, readers)?;
    write_manifest(folder).map_err(|error| unavailable(&folder.join(MANIFEST), &error))?;
    Ok(store)
}

/// Whether a view was made in this folder, of the version that this code reads.
///
/// # Errors
/// [`StoreError::UnknownVersion`] when the manifest names another version, [`StoreError::Damaged`] when
/// it cannot be understood.
pub(crate) fn is_there(folder: &Path) -> Result<bool, StoreError> {
    let place = folder.join(MANIFEST);
    match fs::read(&place) {
        Ok(bytes) => check(&bytes, &place).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unavailable(&place, &error)),
    }
}

fn check(bytes: &[u8], place: &Path) -> Result<(), StoreError> {
    let damaged = || StoreError::Damaged { what: format!("manifest {}", place.display()) };
    let manifest: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    let found = manifest.get("view").and_then(serde_json::Value::as_str).ok_or_else(damaged)?;
    if found == VIEW_VERSION {
        return Ok(());
    }
    let (found, place) = (found.to_owned(), place.display().to_string());
    Err(StoreError::UnknownVersion { found, known: VIEW_VERSION, place })
}

/// Durable before it counts: the file, then its name.
fn write_manifest(folder: &Path) -> io::Result<()> {
    let next = folder.join("MANIFEST.json.next");
    let mut file = File::create(&next)?;
    writeln!(file, "{}", serde_json::json!({ "view": VIEW_VERSION }))?;
    file.sync_all()?;
    fs::rename(&next, folder.join(MANIFEST))?;
    File::open(folder)?.sync_all()
}

fn unavailable(place: &Path, error: &io::Error) -> StoreError {
    let what = format!("{}: {error}", place.display());
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full { what },
        _ => StoreError::Unavailable { what },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_opens_again_and_an_unknown_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let shared = RocksShared::new(8 << 20, 4 << 20);
        drop(open_view(folder.path(), &shared, Readers::ThisProcess).unwrap());
        let manifest = fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        assert_eq!(manifest, "{\"view\":\"v3\"}\n");
        let first = open_view(folder.path(), &shared, Readers::ThisProcess).unwrap();
        let second = open_view(folder.path(), &shared, Readers::ThisProcess);
        assert!(matches!(second, Err(StoreError::Unavailable { .. })), "one process at a time");
        drop(first);

        fs::write(folder.path().join(MANIFEST), "{\"view\":\"v9\"}").unwrap();
        let error = open_view(folder.path(), &shared, Readers::ThisProcess).unwrap_err();
        assert!(matches!(&error, StoreError::UnknownVersion { found, .. } if found == "v9"));
        fs::write(folder.path().join(MANIFEST), "{\"view\":").unwrap();
        let error = open_view(folder.path(), &shared, Readers::ThisProcess).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }));
    }
}
