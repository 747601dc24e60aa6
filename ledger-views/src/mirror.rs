//! A view that another process writes, as it is read here.
//!
//! ```text
//!   catch up ──► read "applied" and "told" ──► tell the readers ──► pause ──┐
//!      ▲                                                                    │
//!      └───────────── 50 ms, or at once when somebody waits ◄───────────────┘
//! ```
//!
//! Readers fix a position that was told to them. It was read after everything up to it had become visible,
//! and nothing that is visible vanishes: a view that was made anew is read only once it is as far.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::manifest::{VIEW_VERSION, is_there};
use crate::reader::ViewReader;
use crate::row::{AppliedRow, ToldRow, ViewLog};
use crate::store::rocks::RocksShared;
use crate::store::secondary::SecondaryStore;
use crate::store::{StoreError, ViewStore};
use crate::writer::{APPLIED, Applied, Freshness, LOG, Parked, TOLD, ViewState, read_meta};

/// Between two looks at what was written.
const PAUSE: Duration = Duration::from_millis(50);
/// The same while somebody waits for a position, for so many looks.
const SHORT_PAUSE: Duration = Duration::from_millis(5);
const SHORT_PAUSES: u32 = 20;
/// The same after a failure, which took its time: the database was opened anew, and in vain.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(250);
/// Looks after which it is looked whether the view has still the same version.
const LOOKS_BETWEEN_CHECKS: u32 = 20;

/// Follows the view in a folder that another process writes.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    store: Arc<SecondaryStore>,
    log: ViewLog,
    state: watch::Sender<ViewState>,
    nudge: Arc<Nudge>,
    looks: u32,
    short_pauses: u32,
    failed: bool,
}

/// Readers who wait for a position say so here.
#[derive(Debug, Default)]
pub(crate) struct Nudge {
    asked: Mutex<bool>,
    came: Condvar,
}

impl Nudge {
    pub(crate) fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.came.notify_all();
    }

    /// Waits for this long, or until somebody asks; whether somebody did.
    fn wait(&self, at_most: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.came.wait_timeout_while(asked, at_most, |asked| !*asked);
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *asked)
    }
}

impl Mirror {
    /// Opens the view in this folder; `None` while nobody has made one there, or it holds no record yet.
    ///
    /// # Errors
    /// [`StoreError`] when there is one that cannot be read.
    pub fn open(folder: &Path, shared: &RocksShared) -> Result<Option<Self>, StoreError> {
        if !is_there(folder)? {
            return Ok(None);
        }
        let store = Arc::new(SecondaryStore::open(&folder.join(VIEW_VERSION), shared)?);
        let Some(log) = read_meta(&*store, LOG)? else { return Ok(None) };
        let mirror = Mirror {
            folder: folder.to_owned(),
            store,
            log,
            state: watch::Sender::default(),
            nudge: Arc::default(),
            looks: 0,
            short_pauses: 0,
            failed: false,
        };
        mirror.tell()?;
        Ok(Some(mirror))
    }

    /// A reader of the view, and of how far it is here.
    #[must_use]
    pub fn reader(&self) -> ViewReader {
        let store: Arc<dyn ViewStore> = self.store.clone();
        ViewReader::new(store, self.log, self.state.subscribe()).with_nudge(Arc::clone(&self.nudge))
    }

    /// Takes over what was written since, and tells the readers.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot: readers read what was there, which says how stale it is. The next
    /// call tries again.
    pub fn follow(&mut self) -> Result<(), StoreError> {
        self.looks = self.looks.wrapping_add(1);
        let followed = self.follow_files();
        self.failed = followed.is_err();
        followed
    }

    fn follow_files(&mut self) -> Result<(), StoreError> {
        let check = self.failed || self.looks.is_multiple_of(LOOKS_BETWEEN_CHECKS);
        if check && !is_there(&self.folder)? {
            let what = format!("{}: the view is gone", self.folder.display());
            return Err(StoreError::Unavailable { what });
        }
        self.store.catch_up(&|opened| self.accept(opened))?;
        self.tell()
    }

    /// A view that was made anew is read once it is as far as what readers have seen.
    fn accept(&self, opened: &dyn ViewStore) -> Result<(), StoreError> {
        match read_meta::<ViewLog>(opened, LOG)? {
            Some(log) if log != self.log => {
                let what = format!("the view was of {}, it is of {log} now", self.log);
                return Err(StoreError::OtherLog { what });
            }
            _ => {}
        }
        let seen = self.state.borrow().applied.map(|applied| applied.offset);
        let there = read_meta::<AppliedRow>(opened, APPLIED)?.map(|applied| applied.offset);
        if there < seen {
            let folder = self.folder.display();
            let what = format!("{folder}: the view is made anew, up to {there:?} of {seen:?}");
            return Err(StoreError::Unavailable { what });
        }
        Ok(())
    }

    /// Tells the readers what is visible: between two calls of `catch_up` that stays the same.
    fn tell(&self) -> Result<(), StoreError> {
        let applied = read_meta::<AppliedRow>(&*self.store, APPLIED)?;
        let told = read_meta::<ToldRow>(&*self.store, TOLD)?.unwrap_or_default();
        let now = ViewState {
            applied: applied
                .map(|row| Applied { offset: row.offset, recorded_at: row.recorded_at }),
            fresh: Freshness { caught_up_at: told.caught_up_at, known_end: told.known_end },
            parked: told.parked.map(|(offset, what)| Parked { offset, what: what.into() }),
        };
        self.state.send_if_modified(|state| {
            let waited_for = state.applied != now.applied || state.parked != now.parked;
            *state = now;
            waited_for
        });
        Ok(())
    }

    /// Waits until it is time to look again: shorter while somebody waits for a position.
    pub fn pause(&mut self) {
        if self.failed {
            self.nudge.wait(PAUSE_AFTER_FAILURE);
        } else if self.short_pauses > 0 {
            self.short_pauses -= 1;
            self.nudge.wait(SHORT_PAUSE);
        } else if self.nudge.wait(PAUSE) {
            self.short_pauses = SHORT_PAUSES;
        }
    }
}
