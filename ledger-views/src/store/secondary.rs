//! A store that another process writes: a RocksDB secondary, which follows the files of the primary.
//!
//! ```text
//!   manifest as it was ──► in place: the log's new writes, each as a whole, join what is there
//!   another manifest   ──► the database is opened anew beside the old one, then read instead of it
//! ```
//!
//! RocksDB follows a manifest in place as well, but not so that one could read from it: it forgets rows that
//! went from the log to a file even when a compaction has removed that file before it was opened, and it
//! reads an older row out of a log that it has not read to its end before the newer one out of a file. So
//! a look in place counts only when the manifest was the same before and after it, and so does an opening:
//! then no file that the manifest names can be gone, and the rows of the log are newer than those of files.
//! A manifest changes with flushes and compactions, which are seldom beside writes.
//!
//! The files that a secondary has open stay readable when the primary deletes them or dies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rocksdb::{DB, LogLevel, Options};

use super::rocks::{self, RocksShared, failed};
use super::{StoreError, ViewStore, Visit};
use crate::rows::Rows;
use crate::table::Table;

/// A view of one partition that another process writes.
pub struct SecondaryStore {
    folder: PathBuf,
    shared: RocksShared,
    read: RwLock<Read>,
}

/// What is read.
struct Read {
    opened: Opened,
    /// Why not all of it may be there: then nothing is read.
    incomplete: Option<StoreError>,
}

/// Whether a database may be read instead of the one before.
pub(crate) type Accept<'a> = dyn Fn(&dyn ViewStore) -> Result<(), StoreError> + 'a;

/// Openings until one counts.
const OPENINGS_MAX: u32 = 100;
/// Beside the folder, where a secondary writes its own lines, and nothing else. The one that is read and the
/// one that is opened anew beside it have each their own.
const OWN: [&str; 2] = ["reader", "reader-2"];

/// The database of a folder at a time.
pub(crate) struct Opened {
    db: DB,
    /// Which of [`OWN`] is its own.
    own: usize,
    /// Which files it follows.
    files: Files,
}

/// Which database is in a folder, and how far its manifest goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    /// What RocksDB gave the database when it was made.
    identity: Vec<u8>,
    /// Name of the manifest that counts.
    manifest: String,
    /// It only grows.
    manifest_bytes: u64,
}

impl std::fmt::Debug for SecondaryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondaryStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SecondaryStore {
    /// Opens the database in this folder, as it is now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none, or it is about to be made; [`StoreError::Damaged`]
    /// when its files are.
    pub fn open(folder: &Path, shared: &RocksShared) -> Result<Self, StoreError> {
        let opened = Opened::open(folder, shared, 0, OPENINGS_MAX)?;
        let read = RwLock::new(Read { opened, incomplete: None });
        Ok(SecondaryStore { folder: folder.to_owned(), shared: shared.clone(), read })
    }

    /// Takes over what the primary wrote since: in place, for which reads wait, or by opening the database
    /// anew, which `accept` may refuse. Until that is done what was there is read on, unless a look in place
    /// did not count: then reads wait for one opening, and are refused while more are needed.
    ///
    /// # Errors
    /// [`StoreError`] when its files cannot be followed, and what `accept` says.
    pub(crate) fn catch_up(&self, accept: &Accept<'_>) -> Result<(), StoreError> {
        let (same, other) = {
            let read = self.read();
            let same = read.incomplete.is_none() && Files::of(&self.folder)? == read.opened.files;
            (same, 1 - read.opened.own)
        };
        if !same {
            let opened = self.open_again(other, OPENINGS_MAX, accept)?;
            let before = std::mem::replace(&mut *self.write(), Read { opened, incomplete: None });
            // It takes a moment to close, for which nobody waits.
            drop(before);
            return Ok(());
        }
        let mut read = self.write();
        let Err(error) = read.opened.catch_up(&self.folder) else { return Ok(()) };
        // What is there may not be all of it any more, and must not be read. Mostly the first opening counts.
        if let Ok(opened) = self.open_again(other, 1, accept) {
            *read = Read { opened, incomplete: None };
            return Ok(());
        }
        read.incomplete = Some(error);
        drop(read);
        // There is nothing in place any more: it is opened anew, and nobody is held up for it.
        self.catch_up(accept)
    }

    /// The database as it is in the folder now, beside the one that is read.
    fn open_again(
        &self,
        own: usize,
        openings_max: u32,
        accept: &Accept<'_>,
    ) -> Result<Opened, StoreError> {
        let opened = Opened::open(&self.folder, &self.shared, own, openings_max)?;
        accept(&opened)?;
        Ok(opened)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Read> {
        self.read.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Read> {
        self.read.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is all there.
    fn complete<T>(
        &self,
        read: impl FnOnce(&Opened) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let from = self.read();
        match &from.incomplete {
            None => read(&from.opened),
            Some(error) => Err(error.clone()),
        }
    }
}

impl Opened {
    /// Opens until nothing changed meanwhile, or so often.
    fn open(
        folder: &Path,
        shared: &RocksShared,
        own: usize,
        openings_max: u32,
    ) -> Result<Self, StoreError> {
        let mut openings = 1;
        loop {
            let opened = Opened::open_once(folder, shared, own);
            match opened.and_then(|opened| opened.catch_up(folder).map(|()| opened)) {
                Err(error) if error.is_transient() && openings < openings_max => openings += 1,
                opened => return opened,
            }
        }
    }

    fn open_once(folder: &Path, shared: &RocksShared, own: usize) -> Result<Self, StoreError> {
        let files = Files::of(folder)?;
        let mut options = Options::default();
        // All files are kept open, for the primary may delete them.
        options.set_max_open_files(-1);
        options.set_keep_log_file_num(2);
        options.set_log_level(LogLevel::Warn);
        let lines = folder.with_file_name(OWN[own]);
        let families = rocks::families(shared);
        let db = DB::open_cf_descriptors_as_secondary(&options, folder, &lines, families);
        Ok(Opened { db: db.map_err(failed)?, own, files })
    }

    /// Takes over what is in the log. An error when the manifest changed meanwhile, so that more than the log
    /// may have been taken over.
    fn catch_up(&self, folder: &Path) -> Result<(), StoreError> {
        self.db.try_catch_up_with_primary().map_err(failed)?;
        if Files::of(folder)? == self.files {
            return Ok(());
        }
        let what = format!("{}: its manifest was written meanwhile", folder.display());
        Err(StoreError::Unavailable { what })
    }
}

impl Files {
    fn of(folder: &Path) -> Result<Self, StoreError> {
        let read = || {
            let identity = fs::read(folder.join("IDENTITY"))?;
            let manifest = fs::read_to_string(folder.join("CURRENT"))?;
            let manifest_bytes = fs::metadata(folder.join(manifest.trim_end()))?.len();
            Ok(Files { identity, manifest, manifest_bytes })
        };
        let unavailable = |error: io::Error| StoreError::Unavailable {
            what: format!("{}: its manifest: {error}", folder.display()),
        };
        read().map_err(unavailable)
    }
}

fn read_only<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { what: "another process writes this view".into() })
}

impl ViewStore for Opened {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        rocks::get(&self.db, table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        rocks::scan(&self.db, table, prefix, from, visit)
    }

    fn write(&self, _: &Rows) -> Result<(), StoreError> {
        read_only()
    }

    fn flush(&self) -> Result<(), StoreError> {
        read_only()
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ViewStore for SecondaryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.complete(|opened| opened.get(table, key))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.complete(|opened| opened.scan(table, prefix, from, visit))
    }

    fn write(&self, _: &Rows) -> Result<(), StoreError> {
        read_only()
    }

    fn flush(&self) -> Result<(), StoreError> {
        read_only()
    }
}
