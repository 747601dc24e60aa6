//! A compacted topic in memory: the newest value of every key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::Cluster;
use super::client::{Clients, Quiet, tells_of_loss};
use crate::log::LogError;

/// How long the thread waits for a record before it looks whether it shall end.
const POLL: Duration = Duration::from_millis(100);
/// Pause before a topic that is not what it was is read anew.
const PAUSE: Duration = Duration::from_millis(500);

/// Called after rows have changed, on the thread that reads: it must not be held up.
pub type ChangeSink = Box<dyn Fn() + Send + Sync>;

/// Follows partition 0 of a compacted topic from its beginning, on a thread of its own, until it is dropped.
/// While the brokers are away it keeps what it has.
pub struct Table {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    rows: Mutex<Rows>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Default)]
struct Rows {
    rows: BTreeMap<Vec<u8>, Value>,
    /// Goes up with every change.
    version: u64,
    /// The end of the topic was seen.
    complete: bool,
}

struct Value {
    value: Vec<u8>,
    offset: i64,
}

/// A key with its newest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// Where in the topic that stands.
    pub offset: i64,
}

impl Table {
    /// Begins to read. `changed` is told of every change; see also [`Table::wait`].
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the system starts no more threads; [`LogError::Mismatch`] for settings
    /// that librdkafka does not take.
    pub fn follow(
        cluster: &Cluster,
        topic: &str,
        changed: Option<ChangeSink>,
    ) -> Result<Table, LogError> {
        let clients = cluster.clients().clone();
        let consumer = clients.consumer(Quiet)?;
        let shared = Arc::new(Shared::default());
        let topic = topic.to_owned();
        let reading = Reading { clients, topic, consumer, shared: shared.clone(), changed };
        reading.begin()?;
        let thread = spawn(reading)
            .map_err(|error| LogError::Unavailable { what: format!("a thread: {error}") })?;
        Ok(Table { shared, thread: Some(thread) })
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.shared.rows().rows.get(key).map(|row| row.value.clone())
    }

    /// The rows whose keys begin with these bytes, ascending.
    #[must_use]
    pub fn starting_with(&self, prefix: &[u8]) -> Vec<Row> {
        let rows = self.shared.rows();
        let from = rows.rows.range(prefix.to_vec()..);
        let rows = from.take_while(|(key, _)| key.starts_with(prefix));
        let row = |(key, Value { value, offset }): (&Vec<u8>, &Value)| {
            let (key, value) = (key.clone(), value.clone());
            Row { key, value, offset: *offset }
        };
        rows.map(row).collect()
    }

    /// Every key with its value.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let rows = self.shared.rows();
        rows.rows.iter().map(|(key, row)| (key.clone(), row.value.clone())).collect()
    }

    /// A number that goes up with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.rows().version
    }

    /// Blocks until there is a later version than this one, or for this long; the version there is.
    pub fn wait(&self, version: u64, at_most: Duration) -> u64 {
        self.shared.wait_while(at_most, |rows| rows.version <= version).version
    }

    /// Blocks until one of these keys has a value, or for this long; whether one has.
    pub fn wait_any(&self, keys: &[&[u8]], at_most: Duration) -> bool {
        let absent = |rows: &Rows| !keys.iter().any(|key| rows.rows.contains_key(*key));
        !absent(&self.shared.wait_while(at_most, absent))
    }

    /// Blocks until everything that was in the topic is read, or for this long; whether it is.
    pub fn wait_complete(&self, at_most: Duration) -> bool {
        self.shared.wait_while(at_most, |rows| !rows.complete).complete
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the reader of a table panicked");
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Shared {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(
        &self,
        at_most: Duration,
        condition: impl Fn(&Rows) -> bool,
    ) -> MutexGuard<'_, Rows> {
        let waited = self.changed.wait_timeout_while(self.rows(), at_most, |rows| condition(rows));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Rows {
    fn apply(&mut self, key: &[u8], value: Option<&[u8]>, offset: i64) {
        let value = value.map(|value| Value { value: value.to_vec(), offset });
        match value {
            Some(value) => drop(self.rows.insert(key.to_vec(), value)),
            None => drop(self.rows.remove(key)),
        }
        self.version += 1;
    }
}

/// The thread that reads.
struct Reading {
    clients: Clients,
    topic: String,
    consumer: BaseConsumer<Quiet>,
    shared: Arc<Shared>,
    changed: Option<ChangeSink>,
}

impl Reading {
    fn begin(&self) -> Result<(), LogError> {
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.topic, 0, Offset::Beginning)
            .and_then(|()| self.consumer.assign(&assignment))
            .map_err(|error| self.clients.unavailable_at(&self.topic, &error))
    }

    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            match self.consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => {
                    // Without a key it is nobody's row.
                    let Some(key) = message.key() else { continue };
                    self.shared.rows().apply(key, message.payload(), message.offset());
                    self.tell();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    let was = std::mem::replace(&mut self.shared.rows().complete, true);
                    if !was {
                        self.tell();
                    }
                }
                Some(Err(error)) if tells_of_loss(&error) => self.begin_anew(&error),
                Some(Err(error)) => tracing::debug!(topic = self.topic, %error, "a table waits"),
            }
        }
    }

    fn tell(&self) {
        self.shared.changed.notify_all();
        if let Some(changed) = &self.changed {
            changed();
        }
    }

    /// Another topic of the name, or one whose records were deleted: what was read may be of no topic.
    #[expect(clippy::disallowed_methods, reason = "a pause of a thread that does nothing else")]
    fn begin_anew(&mut self, error: &KafkaError) {
        tracing::warn!(topic = self.topic, %error, "the table is read anew");
        let version = self.shared.rows().version + 1;
        *self.shared.rows() = Rows { version, ..Rows::default() };
        self.tell();
        while !self.shared.stop.load(Ordering::Acquire) {
            std::thread::sleep(PAUSE);
            // By another consumer, as the tail: one that has lost its place may stop it twice, which ends
            // the process.
            let begun = self.clients.consumer(Quiet).and_then(|consumer| {
                self.consumer = consumer;
                self.begin()
            });
            match begun {
                Ok(()) => return,
                Err(error) => tracing::warn!(topic = self.topic, %error, "the table waits"),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a door to the outside: the one thread that reads")]
fn spawn(reading: Reading) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("kafka-table".into()).spawn(move || reading.run())
}
