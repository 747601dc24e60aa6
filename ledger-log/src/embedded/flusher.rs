//! The one thread that writes: everything that is queued becomes one synced batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::backend::{Outcome, Report};
use crate::embedded::OnWriteFailure;
use crate::embedded::head::Head;
use crate::embedded::queue::{Item, Queue, Reply};
use crate::embedded::store::Store;
use crate::embedded::sync::lock;
use crate::log::LogError;

/// Durable end of each partition, and who waits for it.
#[derive(Debug)]
pub(super) struct Ends {
    partitions: Vec<(Mutex<u64>, Condvar)>,
    groups: AtomicU64,
}

impl Ends {
    fn new(ends: &[u64]) -> Self {
        let partitions = ends.iter().map(|end| (Mutex::new(*end), Condvar::new())).collect();
        Ends { partitions, groups: AtomicU64::new(0) }
    }

    pub(super) fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, partition: u32) -> u64 {
        *lock(&self.partitions[partition as usize].0)
    }

    pub(super) fn groups(&self) -> u64 {
        self.groups.load(Ordering::Acquire)
    }

    pub(super) fn wait(&self, partition: u32, from: u64, at_most: Duration) {
        let (end, moved) = &self.partitions[partition as usize];
        let waited = moved.wait_timeout_while(lock(end), at_most, |end| *end <= from);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn advance(&self, ends: &[u64]) {
        self.groups.fetch_add(1, Ordering::AcqRel);
        for ((end, moved), new) in self.partitions.iter().zip(ends) {
            let mut end = lock(end);
            if *end != *new {
                *end = *new;
                drop(end);
                moved.notify_all();
            }
        }
    }
}

pub(super) struct Flusher {
    store: Arc<Store>,
    queue: Arc<Queue>,
    head: Head,
    ends: Arc<Ends>,
    /// Next offset of each partition.
    next: Vec<u64>,
    on_write_failure: OnWriteFailure,
}

impl Flusher {
    pub(super) fn new(
        store: Arc<Store>,
        queue: Arc<Queue>,
        mut head: Head,
        next: Vec<u64>,
        on_write_failure: OnWriteFailure,
    ) -> std::io::Result<Self> {
        head.advance(&next)?;
        Ok(Flusher { store, queue, head, ends: Arc::new(Ends::new(&next)), next, on_write_failure })
    }

    pub(super) fn ends(&self) -> Arc<Ends> {
        Arc::clone(&self.ends)
    }

    /// Until the queue is closed and empty, or a write failed.
    pub(super) fn run(mut self) {
        let guard = PanicGuard(Arc::clone(&self.queue), Arc::clone(&self.on_write_failure));
        while let Some(items) = self.queue.take_all() {
            if let Err(what) = self.commit(items) {
                self.queue.take_all().into_iter().flatten().for_each(|item| unknown(item, &what));
                break;
            }
        }
        drop(guard);
    }

    fn commit(&mut self, items: Vec<Item>) -> Result<(), String> {
        let items = self.place(items);
        if items.is_empty() {
            return Ok(());
        }
        let batch = items.iter().map(|(offset, item)| (item.partition, *offset, &item.bytes[..]));
        let written = self.store.append(batch).and_then(|()| {
            let place = self.head.path().display().to_string();
            self.head.advance(&self.next).map_err(|error| format!("{place}: {error}"))
        });
        if let Err(what) = written {
            tracing::error!(what, "LOG_WRITE_FAILED: what is on the disk is not known");
            self.queue.close(&what);
            // Whoever ends the process does so before anybody hears anything.
            (self.on_write_failure)(&what);
            items.into_iter().for_each(|(_, item)| unknown(item, &what));
            return Err(what);
        }
        self.ends.advance(&self.next);
        for (offset, item) in items {
            match item.reply {
                Reply::Report { ticket, sink } => {
                    sink(Report { ticket, outcome: Outcome::Durable(Some(offset)) });
                }
                Reply::Created(answer) => drop(answer.send(Ok(()))),
            }
        }
        Ok(())
    }

    /// Gives out offsets, in the order of the sends.
    fn place(&mut self, items: Vec<Item>) -> Vec<(u64, Item)> {
        let mut placed = Vec::with_capacity(items.len());
        for item in items {
            let next = &mut self.next[item.partition as usize];
            match &item.reply {
                Reply::Created(answer) if *next > 0 => {
                    let what = format!("partition {} has records already", item.partition);
                    drop(answer.send(Err(LogError::Mismatch { what })));
                }
                Reply::Created(_) | Reply::Report { .. } => {
                    placed.push((*next, item));
                    *next += 1;
                }
            }
        }
        placed
    }
}

fn unknown(item: Item, what: &str) {
    match item.reply {
        Reply::Report { ticket, sink } => sink(Report { ticket, outcome: Outcome::Unknown }),
        Reply::Created(answer) => {
            drop(answer.send(Err(LogError::Unavailable { what: what.to_owned() })));
        }
    }
}

/// A flusher that panicked acknowledges nothing any more: that must not look like a slow disk.
struct PanicGuard(Arc<Queue>, OnWriteFailure);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = "the flusher of the log panicked";
            self.0.close(what);
            (self.1)(what);
        }
    }
}
