//! Keys in a folder: a file for each customer, so that one can be destroyed by itself.
//!
//! A file is one line, `v1 bank/c-1042 <128 hex digits>`, or `v1 bank/c-1042 erased`; keys that several servers
//! made at one moment, and that were copied from a cluster, stand side by side. Its name is a hash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ledger_domain::{CustomerName, LedgerName};

use crate::{Kept, Key, KeyError, KeyStore, Subject};

const FORM: &str = "v1";
const ERASED: &str = "erased";

/// Keys in a folder. Several processes may read them; one makes and destroys them.
#[derive(Debug)]
pub struct FolderKeys {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl FolderKeys {
    /// Keys in this folder, which is made when the first key is.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        FolderKeys { folder, writing: Mutex::new(()) }
    }

    /// Whether any key was ever kept in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.folder.exists()
    }

    fn place(&self, subject: &Subject) -> PathBuf {
        let hash = blake3::hash(subject.to_string().as_bytes()).to_hex();
        let (shelf, name) = hash.split_at(2);
        self.folder.join(shelf).join(name)
    }

    /// Puts a line in the place of what was there, whole or not at all.
    fn write(&self, subject: &Subject, what: &str) -> Result<(), KeyError> {
        let place = self.place(subject);
        let shelf = place.parent().unwrap_or(&self.folder);
        let failed = |error: io::Error| unavailable(&place, &error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(shelf).map_err(failed)?;
        let new = place.with_extension("new");
        let mut file = OpenOptions::new();
        let file = file.write(true).create(true).truncate(true).mode(0o600).open(&new);
        let mut file = file.map_err(failed)?;
        let line = format!("{FORM} {subject} {what}\n");
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&new, &place).map_err(failed)?;
        for folder in [shelf, &self.folder, self.folder.parent().unwrap_or(Path::new("."))] {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(())
    }
}

impl KeyStore for FolderKeys {
    fn find(&self, subject: &Subject) -> Result<Kept, KeyError> {
        let place = self.place(subject);
        let text = match fs::read_to_string(&place) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Nothing),
            Err(error) => return Err(unavailable(&place, &error)),
        };
        match parse(&text) {
            Some((of, kept)) if of == *subject => Ok(kept),
            Some(_) | None => Err(damaged(&place)),
        }
    }

    fn keep(&self, subject: &Subject, keys: &[Key]) -> Result<(), KeyError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.find(subject)? {
            Kept::Nothing => {
                let keys: Vec<String> = keys.iter().map(|key| hex(key.as_bytes())).collect();
                self.write(subject, &keys.join(" "))
            }
            Kept::Keys(_) | Kept::Erased => Ok(()),
        }
    }

    fn erase(&self, subject: &Subject) -> Result<bool, KeyError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // What is damaged is destroyed as well.
        if let Ok(Kept::Erased) = self.find(subject) {
            return Ok(false);
        }
        // Over the bytes themselves first, where the disk writes in place, with what says the same whenever
        // this ends half-way; then the mark takes the file's name.
        let place = self.place(subject);
        if let Ok(mut file) = OpenOptions::new().write(true).open(&place) {
            let failed = |error: io::Error| unavailable(&place, &error);
            let length = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(0);
            let line = format!("{:<length$}", format!("{FORM} {subject} {ERASED}"));
            let over = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
            over.map_err(failed)?;
        }
        self.write(subject, ERASED)?;
        Ok(true)
    }

    fn each(
        &self,
        visit: &mut dyn FnMut(&Subject, Kept) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        if self.is_empty() {
            return Ok(());
        }
        for shelf in entries(&self.folder)? {
            for file in entries(&shelf)? {
                // What a crash left of one that was being written.
                if file.extension().is_some() {
                    continue;
                }
                let text = fs::read_to_string(&file).map_err(|error| unavailable(&file, &error))?;
                let (subject, kept) = parse(&text).ok_or_else(|| damaged(&file))?;
                visit(&subject, kept)?;
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Option<(Subject, Kept)> {
    let (form, rest) = text.trim_end().split_once(' ')?;
    let (subject, what) = rest.split_once(' ')?;
    let (ledger, customer) = subject.split_once('/')?;
    let subject = Subject {
        ledger: LedgerName::parse(ledger).ok()?,
        customer: CustomerName::parse(customer).ok()?,
    };
    let kept = match what {
        ERASED => Kept::Erased,
        keys => {
            let keys = keys.split(' ').map(|key| Key::from_bytes(&from_hex(key)?));
            Kept::Keys(keys.collect::<Option<_>>()?)
        }
    };
    (form == FORM).then_some((subject, kept))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let failed = |error: io::Error| unavailable(folder, &error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn unavailable(place: &Path, error: &io::Error) -> KeyError {
    KeyError::Unavailable { what: format!("{}: {error}", place.display()) }
}

fn damaged(place: &Path) -> KeyError {
    KeyError::Damaged { what: format!("{}: is no key of who it should be", place.display()) }
}
