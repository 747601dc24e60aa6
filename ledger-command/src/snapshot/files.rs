//! Snapshots as files: written aside, fsynced, renamed, and the folder fsynced.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{SNAPSHOTS_KEPT, SnapshotError, SnapshotStore};

const SUFFIX: &str = ".snapshot";

/// The snapshots of one partition in a folder of their own.
#[derive(Debug)]
pub struct FileSnapshots {
    folder: PathBuf,
}

impl FileSnapshots {
    /// Opens the folder, making it where there is none and removing what a crash left half-written.
    ///
    /// # Errors
    /// [`SnapshotError`] with the folder.
    pub fn open(folder: &Path) -> Result<Self, SnapshotError> {
        let store = FileSnapshots { folder: folder.to_owned() };
        fs::create_dir_all(folder).map_err(|error| store.failed(&error))?;
        match fs::remove_file(store.aside()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(store.failed(&error)),
            _ => Ok(store),
        }
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("next.partial")
    }

    /// Twenty digits, so that names sort as numbers do.
    fn path(&self, next: u64) -> PathBuf {
        self.folder.join(format!("{next:020}{SUFFIX}"))
    }

    fn failed(&self, error: &std::io::Error) -> SnapshotError {
        SnapshotError::new(format!("{}: {error}", self.folder.display()))
    }

    fn write_aside(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = File::create(self.aside())?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

impl SnapshotStore for FileSnapshots {
    fn save(&mut self, next: u64, bytes: &[u8]) -> Result<(), SnapshotError> {
        let saved = self
            .write_aside(bytes)
            .and_then(|()| fs::rename(self.aside(), self.path(next)))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        saved.map_err(|error| {
            // Half a snapshot must not take the room that a full disk has left.
            let _ = fs::remove_file(self.aside());
            self.failed(&error)
        })?;
        for old in self.list()?.into_iter().skip(SNAPSHOTS_KEPT) {
            fs::remove_file(self.path(old)).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<u64>, SnapshotError> {
        let mut names = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(|error| self.failed(&error))? {
            let name = file.map_err(|error| self.failed(&error))?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            names.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    fn load(&self, next: u64) -> Result<Vec<u8>, SnapshotError> {
        fs::read(self.path(next)).map_err(|error| self.failed(&error))
    }
}
