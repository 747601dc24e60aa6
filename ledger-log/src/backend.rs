//! What a log is kept in. One conformance suite ([`crate::conformance`]) holds for every backend.

use std::fmt;
use std::time::Duration;

use crate::log::LogError;

/// Largest record by default, in bytes: it fits Kafka's default `max.message.bytes` with its framing, so
/// that a log can move between backends.
pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// One record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Dense per partition, from 0.
    pub offset: u64,
    /// Exactly what was appended.
    pub bytes: Vec<u8>,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable, at this offset; `None` where the backend knows only that it is durable.
    Durable(Option<u64>),
    /// Nobody knows: it may be durable, now or later.
    Unknown,
    /// It was refused and will never be durable.
    Failed,
}

/// A delivery report. Reports of one producer come in the order of its sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number that the send was given.
    pub ticket: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// Takes reports, on a thread of the backend's: it must not block.
pub type ReportSink = Box<dyn Fn(Report) + Send + Sync>;

/// Appends to one partition. Dropping it gives up what it still has in flight: that may become durable, or
/// not, and whether it is reported is open.
pub trait Producer: Send + fmt::Debug {
    /// Queues one record. Its report comes later, with this ticket.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be queued; then it is not in the log and no report comes.
    fn send(&mut self, ticket: u64, bytes: Vec<u8>) -> Result<(), LogError>;
}

/// What is known of where a partition ends, without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownEnd {
    /// Offset after the newest record that was heard of.
    pub end: u64,
    /// Where it ended at an instant, as the storage said last; nothing before it said so.
    pub confirmed: Option<ConfirmedEnd>,
}

/// At an instant a partition had no record from this offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedEnd {
    /// Offset after its last record.
    pub end: u64,
    /// When: nanoseconds since the Unix epoch, by this machine's clock.
    pub at_ns: u64,
}

/// A log's storage: a fixed number of partitions, each a dense sequence of records.
///
/// ```text
///   first()                                       end()
///     │ 0        1        2        3        4       │
///     ▼ ┌────────┬────────┬────────┬────────┬────── ▼
///       │created │ term   │ commit │ commit │ commit      read() shows durable records only
///       └────────┴────────┴────────┴────────┴──────
/// ```
pub trait Backend: Send + Sync + fmt::Debug {
    /// How many partitions there are.
    fn partition_count(&self) -> u32;

    /// Largest record that it takes, in bytes.
    fn record_bytes_max(&self) -> usize;

    /// Writes record 0 of a partition that has none, durably.
    ///
    /// # Errors
    /// [`LogError`] when it cannot, or the partition has records already.
    fn create(&self, partition: u32, record: Vec<u8>) -> Result<(), LogError>;

    /// A producer for one partition. Producers of one partition may exist side by side, in one process
    /// or several: the fence decides which of them counts.
    ///
    /// # Errors
    /// [`LogError`] when the partition cannot be written.
    fn producer(&self, partition: u32, reports: ReportSink) -> Result<Box<dyn Producer>, LogError>;

    /// Durable records from this offset on, in order and without a gap: as many as fit in `bytes_max`,
    /// but at least one where there is one; none at the end. Fewer when one behind cannot be read. What
    /// [`Backend::end`] named is among them; what was reported since may come a moment later.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when the record at `from` cannot be read,
    /// [`LogError::Trimmed`] when it is no longer kept.
    fn read(&self, partition: u32, from: u64, bytes_max: usize)
    -> Result<Vec<RawRecord>, LogError>;

    /// Offset after the last durable record.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be known.
    fn end(&self, partition: u32) -> Result<u64, LogError>;

    /// How far a partition is known to reach, at once and without a question to anybody: what a view has
    /// applied is compared with it, to say how stale the view may be. `now_ns` is the clock, read *before*
    /// the call. A storage that has to ask for its end overrides this with what it was told last; while
    /// it is told nothing the confirmed instant stands still.
    fn known_end(&self, partition: u32, now_ns: u64) -> Option<KnownEnd> {
        let end = self.end(partition).ok()?;
        Some(KnownEnd { end, confirmed: Some(ConfirmedEnd { end, at_ns: now_ns }) })
    }

    /// Blocks until a record at `from` is durable, or for this long. For threads that tail the log;
    /// the simulator never calls it.
    fn wait(&self, partition: u32, from: u64, at_most: Duration);

    /// How often the storage was away, or other than it was: after each time whoever follows the log
    /// compares what it read with the log ([`crate::Cursor::verify`]).
    fn reconnects(&self) -> u64 {
        0
    }
}

/// Whether a log of so many partitions has this one.
pub(crate) fn check_partition(partition: u32, count: u32) -> Result<(), LogError> {
    if partition < count {
        return Ok(());
    }
    Err(LogError::Mismatch { what: format!("partition {partition} of a log of {count}") })
}

/// Whether a record of so many bytes is taken.
pub(crate) fn check_size(bytes: usize, bytes_max: usize) -> Result<(), LogError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(LogError::TooLarge { bytes, bytes_max })
}
