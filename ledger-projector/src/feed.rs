//! The feed: what happened, with names, for consumers that do not know which records of the log count.
//!
//! ```text
//!  Backend::read ──► records up to what the view has ──► FeedEvent, with names ──► Publish
//!                        what counts, and names: the view                            │
//!       ▲                                                                            │
//!       └──── after the newest position in the feed: at the start, after a failure ◄─┘
//! ```
//!
//! It keeps nothing of its own. What counts was decided once, by the projector, and stands in the view with
//! the names; where to go on stands in the feed itself. So it starts at once, on any server that has views.
//!
//! **Invariant**: when an event stands in a partition of the feed, so does every event before it. What was
//! published is a prefix of the log, and a publisher begins behind a position that it found there. Two
//! publishers at once repeat events, and leave none out.

mod event;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger_domain::Position;
use ledger_log::record::{Commit, Record};
use ledger_log::{Backend, LogError, LogId, RawRecord};
use ledger_proto::{logged, v1};
use ledger_views::{CommitRow, Place, RecordKind, StoreError, ViewReader};

use self::event::Names;

/// Bytes of the log that one step reads, one record at least: they may become fifty times as many.
const STEP_BYTES_MAX: usize = 64 << 10;
/// One wait for more; also how long a stop takes to be seen.
const WAIT: Duration = Duration::from_millis(50);
/// Waits after a failure.
const WAITS_AFTER_FAILURE: u32 = 20;

/// One record of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedRecord {
    /// Where the event stands in the log.
    pub position: Position,
    /// What happened; its ledger is the record's key.
    pub event: v1::FeedEvent,
}

/// One partition of the feed, to be read at its end and written.
pub trait Publish: Send + fmt::Debug {
    /// Position of the newest record; none in an empty partition.
    ///
    /// # Errors
    /// What is wrong, when it cannot be known.
    fn newest(&mut self) -> Result<Option<Position>, PublishError>;

    /// Appends these records in this order, and returns once all of them are durable. When it fails, some of
    /// the first may be.
    ///
    /// # Errors
    /// What is wrong, when not all are known to be durable.
    fn publish(&mut self, records: Vec<FeedRecord>) -> Result<(), PublishError>;
}

/// Why nothing was read from or written to the feed. The text is for the person who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FEED_UNAVAILABLE {what}")]
pub struct PublishError {
    /// What the brokers said.
    pub what: String,
}

/// Why the feed does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The log cannot be read, or is not the one that the view was made from.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The view cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The feed cannot be read or written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A commit that counts holds bytes that this version does not understand.
    #[error("POISON_EVENT partition {partition} offset {offset}: {what}")]
    Undecodable {
        /// Partition.
        partition: u32,
        /// Offset of the commit.
        offset: u64,
        /// What the decoder said.
        what: String,
    },
    /// The feed holds something else than events of this partition of the log.
    #[error("FEED_OF_ANOTHER_LOG the newest record of partition {partition} is of {found}")]
    OtherLog {
        /// Partition.
        partition: u32,
        /// Position of the record.
        found: Position,
    },
}

/// Publishes the events of one partition.
#[derive(Debug)]
pub struct Feed {
    backend: Arc<dyn Backend>,
    view: ViewReader,
    publish: Box<dyn Publish>,
    names: Names,
    /// The first event that is not in the feed; not known before the feed was asked.
    next: Option<Place>,
}

impl Feed {
    /// Publishes what the view has applied and the feed has not.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, view: ViewReader, publish: Box<dyn Publish>) -> Self {
        Feed { backend, names: Names::new(view.clone()), view, publish, next: None }
    }

    fn partition(&self) -> u32 {
        self.view.log().partition
    }

    /// Publishes the events of the next records; of how many records, none when it has all that the view
    /// has.
    ///
    /// # Errors
    /// [`FeedError`]: the next step looks up again how far the feed is.
    pub fn step(&mut self) -> Result<usize, FeedError> {
        let next = match self.next.take() {
            Some(next) => next,
            None => self.resume()?,
        };
        let Some(applied) = self.view.state().applied else {
            self.next = Some(next);
            return Ok(0);
        };
        let mut records = Vec::new();
        if next.offset <= applied.offset {
            records = self.backend.read(self.partition(), next.offset, STEP_BYTES_MAX)?;
            records.retain(|record| record.offset <= applied.offset);
        }
        let mut events = Vec::new();
        for record in &records {
            self.events(record, &mut events)?;
        }
        events.retain(|event| event.position.bound() >= (next.offset, next.index));
        if !events.is_empty() {
            self.publish.publish(events)?;
        }
        let after = records.last().map(|last| Place { offset: last.offset + 1, index: 0 });
        self.next = Some(after.unwrap_or(next));
        Ok(records.len())
    }

    /// After the newest position in the feed.
    fn resume(&mut self) -> Result<Place, FeedError> {
        let partition = self.partition();
        match self.publish.newest()? {
            None => Ok(Place::default()),
            Some(Position { partition: of, offset, index: Some(index) }) if of == partition => {
                Ok(Place { offset, index: index.saturating_add(1) })
            }
            Some(found) => Err(FeedError::OtherLog { partition, found }),
        }
    }

    /// The events of a record, if it counts: that was decided when the view was made.
    fn events(&mut self, raw: &RawRecord, events: &mut Vec<FeedRecord>) -> Result<(), FeedError> {
        let (partition, offset) = (self.partition(), raw.offset);
        let missing =
            || StoreError::Damaged { what: format!("commits: no row of offset {offset}") };
        let row = self.view.commit(offset)?.ok_or_else(missing)?;
        if !matches!(row.kind, RecordKind::Commit { .. }) {
            return Ok(());
        }
        let commit = self.commit(raw, &row)?;
        let mut index = 0;
        for bytes in &commit.commands {
            let undecodable = |error: logged::DecodeError| FeedError::Undecodable {
                partition,
                offset,
                what: error.to_string(),
            };
            let command = logged::decode(bytes).map_err(undecodable)?;
            for event in &command.events {
                let place = Place { offset, index };
                self.names.write(place, row.recorded_at, &command, event, events)?;
                index += event.width();
            }
        }
        Ok(())
    }

    /// The commit in these bytes: the one that the view was made from.
    fn commit(&self, raw: &RawRecord, row: &CommitRow) -> Result<Commit, FeedError> {
        let log_id = LogId(self.view.log().log_id);
        match Record::decode(&raw.bytes) {
            Ok((id, Record::Commit(commit)))
                if id == log_id && (commit.term, commit.sequence) == (row.term, row.sequence) =>
            {
                Ok(commit)
            }
            _ => Err(FeedError::Log(LogError::Diverged {
                partition: self.partition(),
                what: format!(
                    "offset {} is not the commit that the view was made from",
                    raw.offset
                ),
            })),
        }
    }

    /// Publishes until `stop` is set; what fails is tried again. Blocks: give it a thread.
    pub fn run(&mut self, stop: &AtomicBool) {
        let partition = self.partition();
        let mut failed = None;
        while !stop.load(Ordering::Acquire) {
            match self.step() {
                Ok(records) => {
                    if failed.take().is_some() {
                        tracing::info!(partition, "the feed goes on");
                    }
                    if records == 0 {
                        self.wait();
                    }
                }
                Err(error) => {
                    let said = error.to_string();
                    if failed.as_ref() != Some(&said) {
                        tracing::warn!(partition, %error, "the feed stands, trying again");
                    }
                    failed = Some(said);
                    for _ in 0..WAITS_AFTER_FAILURE {
                        if !stop.load(Ordering::Acquire) {
                            self.backend.wait(partition, u64::MAX, WAIT);
                        }
                    }
                }
            }
        }
    }

    /// Until there may be more.
    fn wait(&self) {
        let next = self.next.map_or(u64::MAX, |next| next.offset);
        let applied = self.view.state().applied.map_or(0, |applied| applied.offset + 1);
        // What the view has yet to apply may come at any moment, or, where it stands, not for long: a look
        // now and then. With all of it applied, the next record of the log is waited for.
        let lags = self.view.state().fresh.known_end > applied;
        let from = if applied <= next && !lags { next } else { u64::MAX };
        self.backend.wait(self.partition(), from, WAIT);
    }
}
