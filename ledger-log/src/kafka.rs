//! The log on a Kafka cluster: topic `<prefix>.events`, one of its partitions for each of ours.
//!
//! ```text
//!   Producer ──► librdkafka, idempotent, acks=all ──► broker ──► report, in the order of the sends
//!
//!   broker ──► tail thread: one consumer of all partitions ──► windows of the newest records ─┐
//!      └─────► fetchers: a consumer each, for what is older ─────────────────────────────────┴► read()
//!      └─────► watch threads: begins at 0, ends no earlier than before? ─► reconnects()
//!                            ends where, and when was that asked? ──► known_end()
//! ```
//!
//! No transactions: the fence above needs only a total order and that an acknowledged record stays.
//! Readers are `read_uncommitted`, for a foreign transaction left open must hold nobody up; the offsets
//! that its markers take are read as empty records, which count nowhere.
//!
//! Beside the log, for processes that share it: [`group`] hands partitions out, [`publish`] and [`records`]
//! send and read, [`table`] keeps what everybody says of itself. Each is made from a [`Cluster`].
//!
//! **Invariant**: [`Backend::end`] never names a record that [`Backend::read`] does not give.

mod client;
mod cluster;
mod fetch;
pub mod group;
mod producer;
pub mod publish;
pub mod records;
pub mod table;
mod tail;
mod topic;
mod watch;

pub use cluster::{Cluster, Topic};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::backend::{
    Backend, KnownEnd, Outcome, Producer, RECORD_BYTES_MAX, RawRecord, ReportSink, check_partition,
};
use crate::log::LogError;

use client::Clients;
use fetch::Fetchers;
use producer::Spare;
use tail::Tail;
use watch::Watch;

/// How a log on Kafka is reached and kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port,host:port`.
    pub bootstrap: String,
    /// The topics begin with it: `<prefix>.events`.
    pub prefix: String,
    /// How many partitions the log has; pinned when its topic is created. `None` takes what is there.
    pub partition_count: Option<u32>,
    /// Replicas of a topic that is created; no more than there are brokers where that is allowed.
    pub replication_factor: u16,
    /// Take a topic with fewer than three replicas, or that acknowledges what one broker has: a broker's
    /// disk is then the only copy of what was acknowledged.
    pub allow_under_replicated: bool,
    /// How long a record may wait for its acknowledgement before its fate is called unknown.
    pub delivery_timeout: Duration,
    /// How long a question to the brokers may take.
    pub request_timeout: Duration,
    /// Bytes of the newest records that are kept in memory, of all partitions together.
    pub tail_bytes_max: usize,
    /// Further settings of librdkafka, such as `security.protocol`, `sasl.username` and `ssl.ca.location`.
    /// Their values are never written to a log line.
    pub client: BTreeMap<String, String>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        KafkaOptions {
            bootstrap: "127.0.0.1:9092".into(),
            prefix: "ledger".into(),
            partition_count: None,
            replication_factor: 3,
            allow_under_replicated: false,
            delivery_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            tail_bytes_max: 64 << 20,
            client: BTreeMap::new(),
        }
    }
}

impl KafkaOptions {
    /// The topic that holds the log.
    #[must_use]
    pub fn events_topic(&self) -> String {
        format!("{}.events", self.prefix)
    }
}

/// Values of `client` are left out: some are secrets.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("bootstrap", &self.bootstrap)
            .field("prefix", &self.prefix)
            .field("partition_count", &self.partition_count)
            .field("client", &self.client.keys())
            .finish_non_exhaustive()
    }
}

/// Partitions of a log whose topic is created, when none were asked for.
const PARTITIONS: u32 = 8;

/// A log on Kafka.
pub struct Kafka {
    clients: Clients,
    partition_count: u32,
    tail: Tail,
    fetchers: Fetchers,
    spare: Spare,
    watch: Watch,
}

impl Kafka {
    /// Connects, creates the topic where there is none, and refuses one whose settings endanger what is
    /// acknowledged.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers;
    /// [`LogError::Mismatch`] naming each setting that endangers the log, or the partition count that the
    /// topic has.
    pub fn open(options: KafkaOptions) -> Result<Arc<Kafka>, LogError> {
        Kafka::with(Clients::new(options)?)
    }

    fn with(clients: Clients) -> Result<Arc<Kafka>, LogError> {
        let wanted = topic::Wanted {
            name: clients.topic(),
            kind: topic::Kind::Log,
            partitions: clients.options().partition_count,
        };
        let partition_count = topic::ensure(&clients, &wanted)?;
        let tail = Tail::start(&clients, partition_count)?;
        let watch = Watch::start(&clients, &tail)?;
        let KafkaOptions { bootstrap, .. } = clients.options();
        let topic = clients.topic();
        tracing::info!(bootstrap, topic, partition_count, "opened the log on Kafka");
        Ok(Arc::new(Kafka {
            fetchers: Fetchers::new(clients.clone()),
            spare: Spare::default(),
            clients,
            partition_count,
            tail,
            watch,
        }))
    }

    /// As [`Kafka::open`], but creates nothing.
    ///
    /// # Errors
    /// As [`Kafka::open`]; [`LogError::NotALog`] when there is no such topic.
    pub fn open_existing(options: KafkaOptions) -> Result<Arc<Kafka>, LogError> {
        let clients = Clients::new(options)?;
        if topic::exists(&clients, clients.topic())? {
            return Kafka::with(clients);
        }
        let KafkaOptions { bootstrap, .. } = clients.options();
        let what = format!("there is no topic {} at {bootstrap}", clients.topic());
        Err(LogError::NotALog { partition: 0, what })
    }

    /// The cluster that the log is on, for what else is made there.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        Cluster::of(self.clients.clone())
    }
}

impl Backend for Kafka {
    fn partition_count(&self) -> u32 {
        self.partition_count
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }

    fn create(&self, partition: u32, record: Vec<u8>) -> Result<(), LogError> {
        let end = self.end(partition)?;
        let taken = |what: String| Err(LogError::NotALog { partition, what });
        if end > 0 {
            return taken(format!("has {end} records already"));
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let answer = Mutex::new(answer);
        let sink: ReportSink = Box::new(move |report| {
            let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = answer.try_send(report.outcome);
        });
        let mut producer = self.producer(partition, sink)?;
        producer.send(0, record)?;
        match answered.recv() {
            // Once it has an end, it reads back.
            Ok(Outcome::Durable(Some(0))) => self.end(partition).map(drop),
            Ok(Outcome::Durable(at)) => {
                taken(format!("was begun by another: ours stands at {at:?}"))
            }
            Ok(Outcome::Unknown | Outcome::Failed) | Err(_) => Err(LogError::Unavailable {
                what: format!("no broker acknowledged record 0 of {}", self.clients.topic()),
            }),
        }
    }

    fn producer(&self, partition: u32, reports: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        check_partition(partition, self.partition_count)?;
        Ok(Box::new(self.spare.producer(&self.clients, partition, reports)?))
    }

    fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        check_partition(partition, self.partition_count)?;
        match self.tail.read(partition, from, bytes_max) {
            Some(records) => Ok(records),
            None => self.fetchers.read(partition, from, bytes_max, self.reconnects()),
        }
    }

    fn end(&self, partition: u32) -> Result<u64, LogError> {
        check_partition(partition, self.partition_count)?;
        let (_, end) = self.clients.watermarks(partition)?;
        // What the brokers have, read() gives: the tail is a moment behind.
        if let Some(last) = end.checked_sub(1) {
            self.tail.wait(partition, last, self.clients.options().request_timeout);
        }
        Ok(end)
    }

    fn known_end(&self, partition: u32, _now_ns: u64) -> Option<KnownEnd> {
        (partition < self.partition_count).then(|| self.tail.known_end(partition))
    }

    fn wait(&self, partition: u32, from: u64, at_most: Duration) {
        if partition < self.partition_count {
            self.tail.wait(partition, from, at_most);
        }
    }

    fn reconnects(&self) -> u64 {
        self.watch.reconnects()
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("options", self.clients.options()).finish_non_exhaustive()
    }
}
