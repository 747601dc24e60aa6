//! The log on this machine's disk: one RocksDB for all partitions, one fsync for all that is ready.
//!
//! ```text
//!   producers ──► Queue ──► flusher thread: one WriteBatch, synced ──► HEAD ──► reports, waiters
//!                   │                            │
//!             bounded bytes,               store/ (RocksDB)  ◄── read(), up to the durable end
//!             disk nearly full
//!
//!   DIR/LOCK   who has it open        DIR/SHAPE  partition count, pinned
//!   DIR/store  the records            DIR/HEAD   durable end of each partition, as acknowledged
//! ```
//!
//! RocksDB's checksums find a flipped bit in a table or blob file; `fragments` finds one in a
//! write-ahead log or manifest. Neither finds a log that lost its tail, for a flip in the last length
//! field looks like a torn tail: `HEAD` does, and a count of all entries finds a hole before the tail.
//!
//! **Invariant**: nothing is acknowledged that a returned sync does not cover, and nothing at all after
//! a sync that failed.

mod flusher;
mod fragments;
mod head;
mod queue;
mod shape;
mod store;

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::backend::{Backend, Producer, RECORD_BYTES_MAX, RawRecord, ReportSink, check_partition};
use crate::log::LogError;

use flusher::{Ends, Flusher};
use head::Head;
use queue::{Item, Queue, Reply};
use store::Store;

/// Called with the reason when a write or sync failed.
pub type OnWriteFailure = Arc<dyn Fn(&str) + Send + Sync>;

/// Free bytes of the disk that a folder is on.
pub type FreeBytes = Arc<dyn Fn(&Path) -> std::io::Result<u64> + Send + Sync>;

/// How an embedded log is kept.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// How many partitions; pinned when the log is created.
    pub partition_count: u32,
    /// Largest record, in bytes.
    pub record_bytes_max: usize,
    /// What may wait for the disk, in bytes, beside the group that is being written. A send beyond it
    /// waits for room.
    pub queue_bytes_max: usize,
    /// Appends are refused when the disk has less than this free beside [`Self::flush_bytes`].
    pub reserve_bytes: u64,
    /// Free space is looked at once per this many appended bytes.
    pub space_check_bytes: u64,
    /// Size of one of RocksDB's write buffers.
    pub write_buffer_bytes: usize,
    /// Counts syncs of the write-ahead log, for tests: [`Embedded::syncs`].
    pub count_syncs: bool,
    /// What ends the process when a write or sync failed: after that nobody knows what is on the disk.
    pub on_write_failure: OnWriteFailure,
    /// How free space is found.
    pub free_bytes: FreeBytes,
}

impl EmbeddedOptions {
    /// What RocksDB may have yet to flush, and needs room for, in bytes.
    #[must_use]
    pub fn flush_bytes(&self) -> u64 {
        self.write_buffer_bytes as u64 * u64::from(WRITE_BUFFERS_MAX)
    }
}

/// RocksDB's write buffers: one that fills and those that wait to be flushed.
const WRITE_BUFFERS_MAX: u32 = 3;

impl Default for EmbeddedOptions {
    fn default() -> Self {
        EmbeddedOptions {
            partition_count: 8,
            record_bytes_max: RECORD_BYTES_MAX,
            queue_bytes_max: 64 << 20,
            reserve_bytes: 64 << 20,
            space_check_bytes: 8 << 20,
            write_buffer_bytes: 32 << 20,
            count_syncs: false,
            on_write_failure: Arc::new(|_| std::process::abort()),
            free_bytes: Arc::new(|dir| {
                let stat = rustix::fs::statvfs(dir)?;
                Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
            }),
        }
    }
}

impl fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedOptions")
            .field("partition_count", &self.partition_count)
            .field("record_bytes_max", &self.record_bytes_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("space_check_bytes", &self.space_check_bytes)
            .field("write_buffer_bytes", &self.write_buffer_bytes)
            .field("count_syncs", &self.count_syncs)
            .finish_non_exhaustive()
    }
}

/// A log in a folder.
pub struct Embedded {
    dir: PathBuf,
    record_bytes_max: usize,
    queue: Arc<Queue>,
    ends: Arc<Ends>,
    store: Arc<Store>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    /// Held while the log is open; dropped last.
    _lock: File,
}

impl Embedded {
    /// How many partitions the log in a folder has; `None` where there is none.
    ///
    /// # Errors
    /// [`LogError::DamagedStore`] when what pins it is damaged.
    pub fn partition_count_of(dir: &Path) -> Result<Option<u32>, LogError> {
        shape::count(dir)
    }

    /// Opens the log in a folder, creating it where there is none, and checks that every record that
    /// was ever acknowledged has its place in it.
    ///
    /// # Errors
    /// [`LogError::Locked`] when it is open elsewhere, in this process or another;
    /// [`LogError::Mismatch`] when it has another partition count;
    /// [`LogError::Damaged`] when a record is missing;
    /// [`LogError::DamagedStore`] when a file of it is damaged or missing;
    /// [`LogError::Full`] when there is no room for the little that opening writes;
    /// [`LogError::Unavailable`] when the disk says no.
    pub fn open(dir: &Path, options: EmbeddedOptions) -> Result<Arc<Embedded>, LogError> {
        std::fs::create_dir_all(dir).map_err(|error| unavailable(dir, &error))?;
        let lock = lock(dir)?;
        let known = shape::read(dir, options.partition_count)?;
        fragments::check(&dir.join("store"))?;
        let store = Store::open(&dir.join("store"), &options, !known)?;
        let head = if known {
            Head::open(dir, options.partition_count)?
        } else {
            Head::create(dir, options.partition_count)?
        };
        let ends = store.check(head.ends())?;
        if !known {
            if ends.iter().any(|end| *end > 0) {
                let what = format!("{}: holds records, but SHAPE is missing", dir.display());
                return Err(LogError::DamagedStore { what });
            }
            shape::write(dir, options.partition_count)?;
        }
        tracing::info!(dir = %dir.display(), ?ends, "opened the embedded log");
        let (store, queue) = (Arc::new(store), Arc::new(Queue::new(dir, &options)));
        let flusher = Flusher::new(
            Arc::clone(&store),
            Arc::clone(&queue),
            head,
            ends,
            options.on_write_failure,
        )
        .map_err(|error| unavailable(dir, &error))?;
        let ends = flusher.ends();
        let thread = spawn(flusher).map_err(|error| unavailable(dir, &error))?;
        Ok(Arc::new(Embedded {
            dir: dir.to_owned(),
            record_bytes_max: options.record_bytes_max,
            queue,
            ends,
            store,
            flusher: Mutex::new(Some(thread)),
            _lock: lock,
        }))
    }

    /// Reads every record of every partition and returns how many there are.
    ///
    /// # Errors
    /// [`LogError::Damaged`] at the first record that is missing or cannot be read.
    pub fn verify(&self) -> Result<u64, LogError> {
        const WINDOW_BYTES: usize = 8 << 20;
        let mut count = 0;
        for partition in 0..self.partition_count() {
            let (mut from, end) = (0, self.end(partition)?);
            while from < end {
                from += self.read(partition, from, WINDOW_BYTES)?.len() as u64;
            }
            count += end;
        }
        Ok(count)
    }

    /// How many groups of appends were written since it was opened.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.ends.groups()
    }

    /// How often the write-ahead log was synced since it was opened; 0 unless
    /// [`EmbeddedOptions::count_syncs`].
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.store.syncs()
    }
}

impl Backend for Embedded {
    fn partition_count(&self) -> u32 {
        self.ends.partition_count()
    }

    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    fn create(&self, partition: u32, record: Vec<u8>) -> Result<(), LogError> {
        check_partition(partition, self.partition_count())?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.queue.push(Item { partition, bytes: record, reply: Reply::Created(answer) })?;
        let gone = || LogError::Unavailable { what: "the log was closed".into() };
        answered.recv().unwrap_or_else(|_| Err(gone()))
    }

    fn producer(&self, partition: u32, reports: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        check_partition(partition, self.partition_count())?;
        let (queue, reports) = (Arc::clone(&self.queue), Arc::new(reports));
        Ok(Box::new(EmbeddedProducer { partition, queue, reports }))
    }

    fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        check_partition(partition, self.partition_count())?;
        self.store.read(partition, from, self.ends.get(partition), bytes_max)
    }

    fn end(&self, partition: u32) -> Result<u64, LogError> {
        check_partition(partition, self.partition_count())?;
        Ok(self.ends.get(partition))
    }

    fn wait(&self, partition: u32, from: u64, at_most: Duration) {
        if partition < self.partition_count() {
            self.ends.wait(partition, from, at_most);
        }
    }
}

impl Drop for Embedded {
    /// Writes what is queued, then lets go of the folder.
    fn drop(&mut self) {
        self.queue.close("the log was closed");
        let thread = sync::lock(&self.flusher).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!(dir = %self.dir.display(), "the flusher of the log panicked");
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("dir", &self.dir).finish_non_exhaustive()
    }
}

struct EmbeddedProducer {
    partition: u32,
    queue: Arc<Queue>,
    reports: Arc<ReportSink>,
}

impl Producer for EmbeddedProducer {
    fn send(&mut self, ticket: u64, bytes: Vec<u8>) -> Result<(), LogError> {
        let reply = Reply::Report { ticket, sink: Arc::clone(&self.reports) };
        self.queue.push(Item { partition: self.partition, bytes, reply })
    }
}

impl fmt::Debug for EmbeddedProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedProducer")
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "a door to the outside: the one thread that writes")]
fn spawn(flusher: Flusher) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ledger-log".into()).spawn(move || flusher.run())
}

fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("LOCK");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| unavailable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(LogError::Locked { what: format!("{} is open elsewhere", dir.display()) })
        }
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> LogError {
    let what = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull => LogError::Full { what },
        _ => LogError::Unavailable { what },
    }
}

/// Locks that outlive a panic elsewhere: what they guard is whole between two statements.
mod sync {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
