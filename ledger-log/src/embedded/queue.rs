//! What waits for the disk: bounded in bytes, refused while the disk is nearly full.

use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::backend::{ReportSink, check_size};
use crate::embedded::sync::lock;
use crate::embedded::{EmbeddedOptions, FreeBytes, unavailable};
use crate::log::LogError;

/// One append.
pub(super) struct Item {
    pub(super) partition: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) reply: Reply,
}

/// Who hears of it.
pub(super) enum Reply {
    Report {
        ticket: u64,
        sink: Arc<ReportSink>,
    },
    /// Record 0: only where there is none yet.
    Created(SyncSender<Result<(), LogError>>),
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// Something is queued, or the queue was closed.
    ready: Condvar,
    /// There is room again.
    room: Condvar,
    record_bytes_max: usize,
    queue_bytes_max: usize,
    space: Space,
}

#[derive(Default)]
struct State {
    items: Vec<Item>,
    bytes: usize,
    closed: Option<String>,
    /// Bytes since free space was looked at; `None` means look now.
    unchecked: Option<u64>,
}

impl Queue {
    pub(super) fn new(dir: &Path, options: &EmbeddedOptions) -> Self {
        Queue {
            state: Mutex::default(),
            ready: Condvar::new(),
            room: Condvar::new(),
            record_bytes_max: options.record_bytes_max,
            queue_bytes_max: options.queue_bytes_max,
            space: Space {
                dir: dir.to_owned(),
                free_bytes: Arc::clone(&options.free_bytes),
                reserve: options.reserve_bytes,
                to_flush: options.flush_bytes(),
                every: options.space_check_bytes,
            },
        }
    }

    /// Queues one append, waiting for room.
    pub(super) fn push(&self, item: Item) -> Result<(), LogError> {
        let bytes = item.bytes.len();
        check_size(bytes, self.record_bytes_max)?;
        let mut state = lock(&self.state);
        while state.closed.is_none()
            && !state.items.is_empty()
            && state.bytes + bytes > self.queue_bytes_max
        {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(what) = &state.closed {
            return Err(LogError::Unavailable { what: what.clone() });
        }
        self.space.check(&mut state.unchecked, bytes as u64)?;
        state.bytes += bytes;
        state.items.push(item);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Everything that is queued, in the order it came; `None` once it was closed and is empty.
    pub(super) fn take_all(&self) -> Option<Vec<Item>> {
        let mut state = lock(&self.state);
        while state.items.is_empty() {
            if state.closed.is_some() {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes = 0;
        let items = std::mem::take(&mut state.items);
        drop(state);
        self.room.notify_all();
        Some(items)
    }

    /// Refuses appends from now on, naming why. The first reason stays.
    pub(super) fn close(&self, why: &str) {
        lock(&self.state).closed.get_or_insert_with(|| why.to_owned());
        self.ready.notify_all();
        self.room.notify_all();
    }
}

/// Looks at free space now and then.
struct Space {
    dir: PathBuf,
    free_bytes: FreeBytes,
    reserve: u64,
    to_flush: u64,
    every: u64,
}

impl Space {
    fn check(&self, unchecked: &mut Option<u64>, bytes: u64) -> Result<(), LogError> {
        if let Some(unchecked) = unchecked.as_mut().filter(|u| **u + bytes < self.every) {
            *unchecked += bytes;
            return Ok(());
        }
        *unchecked = None;
        let free = (self.free_bytes)(&self.dir).map_err(|error| unavailable(&self.dir, &error))?;
        let Space { dir, reserve, to_flush, .. } = self;
        let needed = reserve.saturating_add(*to_flush);
        if free < needed {
            let what = format!(
                "{} has {free} bytes free, appending needs {needed}: {to_flush} for what is not \
                 flushed yet and a reserve of {reserve}",
                dir.display()
            );
            return Err(LogError::Full { what });
        }
        *unchecked = Some(0);
        Ok(())
    }
}
