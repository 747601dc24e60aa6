//! `<prefix>.feed`: a publisher for each partition, on the server that a consumer group gives it to.
//!
//! The group is over the feed's own topic, and consumes nothing of it: what it deals out is who publishes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledger_domain::Position;
use ledger_log::kafka::group::{Group, GroupOptions, Member};
use ledger_log::kafka::publish::{DeliverySink, Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::records::{KafkaRecord, ReadFrom, Records};
use ledger_log::kafka::{Cluster, Topic};
use ledger_log::{Backend, LogError};
use ledger_projector::{Feed, FeedRecord, Publish, PublishError};
use ledger_runtime::spawn;
use ledger_views::ViewReader;

use crate::json;

/// How long the newest record of a partition is waited for.
const NEWEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long its partition is asked where it ends: whoever takes the partition back waits no longer.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// One wait for it, and for a delivery; also how long a stop takes to be seen.
const WAIT: Duration = Duration::from_millis(100);

/// The publishers of this server. Dropping it stops them, and gives their partitions to others.
pub(super) struct Feeds {
    _group: Group,
}

impl Feeds {
    /// Creates the topic, and takes a seat among those who publish.
    pub(super) fn start(
        cluster: &Cluster,
        backend: Arc<dyn Backend>,
        views: Vec<ViewReader>,
    ) -> Result<Feeds, LogError> {
        cluster.ensure(Topic::Feed, backend.partition_count())?;
        let topic = cluster.options().topic(Topic::Feed);
        let group = format!("{}.feed-publishers", cluster.options().prefix);
        let options = GroupOptions { reads: false, ..GroupOptions::new(group, topic) };
        let cluster_of_member = cluster.clone();
        let member =
            Publishers { cluster: cluster_of_member, backend, views, running: BTreeMap::new() };
        Ok(Feeds { _group: Group::join(cluster, options, Box::new(member))? })
    }
}

/// Publishes the partitions that the group gives it.
struct Publishers {
    cluster: Cluster,
    backend: Arc<dyn Backend>,
    views: Vec<ViewReader>,
    running: BTreeMap<u32, Running>,
}

/// A thread that publishes one partition.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Member for Publishers {
    fn assigned(&mut self, partitions: &[u32]) {
        for partition in partitions {
            let at = usize::try_from(*partition).unwrap_or(usize::MAX);
            let Some(view) = self.views.get(at).cloned() else { continue };
            let stop = Arc::new(AtomicBool::new(false));
            let publish = Partition::new(&self.cluster, &view, stop.clone());
            let mut feed = Feed::new(self.backend.clone(), view, Box::new(publish));
            let stopped = stop.clone();
            match spawn::thread(&format!("feed-{partition}"), move || feed.run(&stopped)) {
                Ok(thread) => drop(self.running.insert(*partition, Running { stop, thread })),
                Err(error) => tracing::error!(partition, %error, "no thread for the feed"),
            }
        }
    }

    fn revoked(&mut self, partitions: &[u32], _lost: bool) {
        let ended: Vec<Running> =
            partitions.iter().filter_map(|partition| self.running.remove(partition)).collect();
        ended.iter().for_each(|running| running.stop.store(true, Ordering::Release));
        for Running { thread, .. } in ended {
            if thread.join().is_err() {
                tracing::error!("a publisher of the feed panicked");
            }
        }
    }

    fn records(&mut self, _records: Vec<KafkaRecord>) {}

    fn room(&mut self) -> usize {
        0
    }

    fn done(&mut self) -> Vec<(u32, u64)> {
        Vec::new()
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        let partitions: Vec<u32> = self.running.keys().copied().collect();
        self.revoked(&partitions, false);
    }
}

/// One partition of the topic.
struct Partition {
    cluster: Cluster,
    topic: String,
    partition: u32,
    log_id: String,
    stop: Arc<AtomicBool>,
    sending: Option<Sending>,
}

/// A producer, and what it says of its records.
struct Sending {
    publisher: Publisher,
    delivered: mpsc::Receiver<Result<(), LogError>>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

impl Partition {
    fn new(cluster: &Cluster, view: &ViewReader, stop: Arc<AtomicBool>) -> Self {
        let log = view.log();
        let topic = cluster.options().topic(Topic::Feed);
        let log_id = log.log_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let cluster = cluster.clone();
        Partition { cluster, topic, partition: log.partition, log_id, stop, sending: None }
    }

    /// The last record, unless there is none.
    fn last(&self) -> Result<Option<KafkaRecord>, PublishError> {
        let (topic, partition) = (&self.topic, self.partition);
        let bounds = self.cluster.bounds_within(topic, partition, END_TIMEOUT);
        let (first, end) = bounds.map_err(unavailable)?;
        if end <= first {
            return Ok(None);
        }
        let last = end - 1;
        let from = ReadFrom::Partition { partition, offset: last };
        let mut records = Records::open(&self.cluster, &self.topic, &from).map_err(unavailable)?;
        let until = Instant::now() + NEWEST_TIMEOUT;
        while Instant::now() < until && !self.stop.load(Ordering::Acquire) {
            let polled = records.poll(WAIT).map_err(unavailable)?;
            if let Some(record) = polled.into_iter().next_back() {
                return Ok(Some(record));
            }
        }
        let what = format!("{topic} partition {partition}: offset {last} did not come");
        Err(PublishError { what })
    }

    fn sending(&mut self) -> Result<&Sending, PublishError> {
        if self.sending.is_none() {
            let (told, delivered) = mpsc::channel();
            let sink: DeliverySink = Box::new(move |_, sent| {
                // Nobody listens any more to what a producer says that was given up.
                let _given_up = told.send(sent);
            });
            let options = PublishOptions { compress: true, ..PublishOptions::to(&*self.topic) };
            let publisher = Publisher::new(&self.cluster, options, sink).map_err(unavailable)?;
            self.sending = Some(Sending { publisher, delivered });
        }
        let missing = || PublishError { what: "no producer".into() };
        self.sending.as_ref().ok_or_else(missing)
    }

    fn send(&mut self, records: &[FeedRecord]) -> Result<(), PublishError> {
        let (partition, log_id) = (self.partition, self.log_id.clone());
        let stop = self.stop.clone();
        let Sending { publisher, delivered } = self.sending()?;
        for FeedRecord { position, event } in records {
            let value = json::of("FeedEvent", event)
                .map_err(|error| PublishError { what: format!("{position}: {error:#}") })?;
            let (value, position) = (value.to_string(), position.to_string());
            let record = Outgoing {
                partition: Some(partition),
                key: Some(event.ledger.as_bytes()),
                value: Some(value.as_bytes()),
                headers: &[
                    ("content-type", b"application/json"),
                    ("position", position.as_bytes()),
                    ("log", log_id.as_bytes()),
                ],
            };
            publisher.publish(0, &record).map_err(unavailable)?;
        }
        let mut due = records.len();
        while due > 0 {
            match delivered.recv_timeout(WAIT) {
                Ok(sent) => {
                    sent.map_err(unavailable)?;
                    due -= 1;
                }
                Err(_) if stop.load(Ordering::Acquire) => {
                    return Err(PublishError { what: "the server stops".into() });
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Publish for Partition {
    fn newest(&mut self) -> Result<Option<Position>, PublishError> {
        // What a producer has on its way that was given up comes before what the next one sends, or never.
        self.sending = None;
        let Some(record) = self.last()? else { return Ok(None) };
        let header = |name: &str| {
            let value = record.header(name).and_then(|value| std::str::from_utf8(value).ok());
            value.map(str::to_owned)
        };
        let strange = |what: &str| {
            let KafkaRecord { partition, offset, .. } = record;
            let topic = &self.topic;
            PublishError { what: format!("{topic} partition {partition} offset {offset}: {what}") }
        };
        match header("log") {
            Some(log_id) if log_id == self.log_id => {}
            Some(other) => return Err(strange(&format!("is of log {other}, not {}", self.log_id))),
            None => return Err(strange("is no record of a feed")),
        }
        let position = header("position").and_then(|position| position.parse().ok());
        position.map(Some).ok_or_else(|| strange("has no position"))
    }

    fn publish(&mut self, records: Vec<FeedRecord>) -> Result<(), PublishError> {
        let sent = self.send(&records);
        if sent.is_err() {
            self.sending = None;
        }
        sent
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over by value")]
fn unavailable(error: LogError) -> PublishError {
    PublishError { what: error.to_string() }
}
