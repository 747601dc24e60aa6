//! Clients of librdkafka, each made from the same settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaConfRes;

use super::KafkaOptions;
use super::group::GroupOptions;
use super::publish::PublishOptions;
use crate::backend::RECORD_BYTES_MAX;
use crate::log::LogError;

/// What the framing of a record may add to its bytes.
pub(super) const FRAMING_BYTES: usize = 1_024;

/// Settings that the log stands on: what is set here nobody may set otherwise.
const PINNED: [(&str, &str); 6] = [
    ("enable.auto.commit", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_uncommitted"),
    ("check.crcs", "true"),
    ("acks", "all"),
    ("enable.idempotence", "true"),
];
/// As above, for a member of a group: who begins reads everything that waits, and what a client took back
/// with its transaction was never asked for.
const GROUP_PINNED: [(&str, &str); 7] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "earliest"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("group.protocol", "classic"),
    ("partition.assignment.strategy", "cooperative-sticky"),
];
/// Without it a reader that has come to the end does not hear so.
const TELLS_ENDS: (&str, &str) = ("enable.partition.eof", "true");
/// Settings that make no sense for a log with one fence of its own, or that have a place of their own.
const REFUSED: [&str; 15] = [
    "bootstrap.servers",
    // Other names of librdkafka's for what is set here: of two names that are both set, either may count.
    "metadata.broker.list",
    "request.required.acks",
    "auto.commit.enable",
    "delivery.timeout.ms",
    "transactional.id",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "message.timeout.ms",
    "partitioner",
];
/// How often a member tells the group that it lives, and hears whether partitions change hands: a planned
/// handover takes two of these.
const HEARTBEAT_MS: u128 = 250;
/// A member that gives partitions back may take this long, or it is out.
const HANDOVER_MS: u128 = 60_000;

/// Makes clients, and asks the brokers what any of them may ask.
#[derive(Clone)]
pub(super) struct Clients {
    inner: Arc<Inner>,
}

struct Inner {
    options: KafkaOptions,
    topic: String,
    /// For questions only: it is assigned nothing.
    asking: BaseConsumer,
}

impl Clients {
    pub(super) fn new(options: KafkaOptions) -> Result<Self, LogError> {
        refuse_pinned(&options.client)?;
        let topic = options.events_topic();
        let asking = consumer_config(&options).create().map_err(|error| invalid(&error))?;
        Ok(Clients { inner: Arc::new(Inner { options, topic, asking }) })
    }

    pub(super) fn options(&self) -> &KafkaOptions {
        &self.inner.options
    }

    pub(super) fn topic(&self) -> &str {
        &self.inner.topic
    }

    /// Without a group of its own, except in name: it never joins one.
    pub(super) fn consumer<C: ConsumerContext>(
        &self,
        context: C,
    ) -> Result<BaseConsumer<C>, LogError> {
        BaseConsumer::from_config_and_context(&consumer_config(self.options()), context)
            .map_err(|error| invalid(&error))
    }

    /// For reads of the past, here and there. A broker answers one fetch of a client at a time, and one
    /// that finds nothing new waits: half a second by default, for which the next place would have to wait.
    pub(super) fn fetcher<C: ConsumerContext>(
        &self,
        context: C,
    ) -> Result<BaseConsumer<C>, LogError> {
        let mut config = consumer_config(self.options());
        config.set("fetch.wait.max.ms", "10");
        BaseConsumer::from_config_and_context(&config, context).map_err(|error| invalid(&error))
    }

    pub(super) fn producer<C: ProducerContext + 'static>(
        &self,
        context: C,
    ) -> Result<ThreadedProducer<C>, LogError> {
        let options = self.options();
        let mut config = common_config(options);
        pin(&mut config, &PINNED[4..]);
        config
            // What is ready is sent at once: the writer has batched it already.
            .set("linger.ms", "0")
            .set("message.timeout.ms", options.delivery_timeout.as_millis().to_string())
            .set("message.max.bytes", (RECORD_BYTES_MAX + FRAMING_BYTES).to_string());
        ThreadedProducer::from_config_and_context(&config, context).map_err(|error| invalid(&error))
    }

    /// A producer for any topic. Without a partition, a record goes where Kafka's own clients put its key.
    pub(super) fn publisher<C: ProducerContext + 'static>(
        &self,
        publishing: &PublishOptions,
        context: C,
    ) -> Result<ThreadedProducer<C>, LogError> {
        let mut config = common_config(self.options());
        pin(&mut config, &PINNED[4..]);
        // 0 is for ever.
        let timeout_ms = publishing.delivery_timeout.map_or(0, |timeout| timeout.as_millis());
        config
            .set("linger.ms", publishing.linger.as_millis().to_string())
            .set("compression.codec", if publishing.compress { "lz4" } else { "none" })
            .set("partitioner", "murmur2_random")
            .set("queue.buffering.max.messages", publishing.queue_records_max.to_string())
            .set("queue.buffering.max.kbytes", (publishing.queue_bytes_max >> 10).to_string())
            .set("message.timeout.ms", timeout_ms.to_string())
            .set("message.max.bytes", (RECORD_BYTES_MAX + FRAMING_BYTES).to_string());
        ThreadedProducer::from_config_and_context(&config, context).map_err(|error| invalid(&error))
    }

    /// A consumer that joins a group once it subscribes.
    pub(super) fn member<C: ConsumerContext>(
        &self,
        group: &GroupOptions,
        context: C,
    ) -> Result<BaseConsumer<C>, LogError> {
        let session_ms = group.session_timeout.as_millis();
        let mut config = common_config(self.options());
        fetch_briskly(&mut config);
        pin(&mut config, &GROUP_PINNED);
        config
            .set("group.id", &group.group)
            .set("session.timeout.ms", session_ms.to_string())
            .set("heartbeat.interval.ms", HEARTBEAT_MS.min(session_ms / 4).to_string())
            .set("max.poll.interval.ms", HANDOVER_MS.max(session_ms).to_string());
        BaseConsumer::from_config_and_context(&config, context).map_err(|error| invalid(&error))
    }

    pub(super) fn admin(&self) -> Result<AdminClient<DefaultClientContext>, LogError> {
        common_config(self.options()).create().map_err(|error| invalid(&error))
    }

    pub(super) fn admin_options(&self) -> AdminOptions {
        let timeout = Some(self.options().request_timeout);
        AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
    }

    pub(super) fn asking(&self) -> &BaseConsumer {
        &self.inner.asking
    }

    /// Of a partition of the log: the first offset that is kept, and the offset after the last record that
    /// all in-sync replicas have.
    pub(super) fn watermarks(&self, partition: u32) -> Result<(u64, u64), LogError> {
        self.watermarks_of(self.topic(), partition)
    }

    /// As [`Clients::watermarks`], of any topic.
    pub(super) fn watermarks_of(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<(u64, u64), LogError> {
        self.watermarks_within(topic, partition, self.options().request_timeout)
    }

    /// As [`Clients::watermarks_of`], for somebody who does not wait that long.
    pub(super) fn watermarks_within(
        &self,
        topic: &str,
        partition: u32,
        at_most: Duration,
    ) -> Result<(u64, u64), LogError> {
        let at_most = at_most.min(self.options().request_timeout);
        let (first, end) = self
            .asking()
            .fetch_watermarks(topic, native(partition), at_most)
            .map_err(|error| self.unavailable_at(topic, &error))?;
        Ok((u64::try_from(first).unwrap_or(0), u64::try_from(end).unwrap_or(0)))
    }

    pub(super) fn unavailable(&self, error: &KafkaError) -> LogError {
        self.unavailable_at(self.topic(), error)
    }

    pub(super) fn unavailable_at(&self, topic: &str, error: &KafkaError) -> LogError {
        let Inner { options, .. } = &*self.inner;
        let said = match error.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => error.to_string(),
        };
        LogError::Unavailable { what: format!("topic {topic} at {}: {said}", options.bootstrap) }
    }
}

/// A partition as librdkafka counts it; a log has 1,024 at most.
pub(super) fn native(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// Whether the log is no longer what it was: records are gone from an end of it, or its topic is another.
pub(super) fn tells_of_loss(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopicId
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}

fn common_config(options: &KafkaOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("client.id", "ledger")
        .set("bootstrap.servers", &options.bootstrap)
        .set("allow.auto.create.topics", "false")
        // A broker that is back is found within a second.
        .set("reconnect.backoff.max.ms", "1000");
    for (key, value) in &options.client {
        config.set(key, value);
    }
    config
}

fn consumer_config(options: &KafkaOptions) -> ClientConfig {
    let mut config = common_config(options);
    config.set("group.id", format!("{}.log-readers", options.prefix));
    fetch_briskly(&mut config);
    pin(&mut config, &PINNED[..4]);
    pin(&mut config, &[TELLS_ENDS]);
    config
}

fn fetch_briskly(config: &mut ClientConfig) {
    config
        // The default of a second stalls a replay each time its queue is full.
        .set("fetch.queue.backoff.ms", "2")
        .set("fetch.message.max.bytes", (4 << 20).to_string())
        .set("queued.max.messages.kbytes", (16 << 10).to_string());
}

fn pin(config: &mut ClientConfig, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        config.set(*key, *value);
    }
}

/// Settings that are nobody else's.
fn own_keys() -> impl Iterator<Item = &'static str> {
    let pinned = PINNED.iter().chain(&GROUP_PINNED).chain([&TELLS_ENDS]);
    pinned.map(|(key, _)| *key).chain(REFUSED)
}

fn refuse_pinned(client: &BTreeMap<String, String>) -> Result<(), LogError> {
    match own_keys().find(|key| client.contains_key(*key)) {
        None => Ok(()),
        Some(key) => Err(LogError::Mismatch {
            what: format!(
                "the Kafka setting {key} is the log's own: what it promises stands on it"
            ),
        }),
    }
}

/// Settings that librdkafka does not take. Its own text has the value in it, which may be a secret.
fn invalid(error: &KafkaError) -> LogError {
    let what = match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
            format!("there is no Kafka setting {key}")
        }
        KafkaError::ClientConfig(_, _, key, _) => {
            format!("the Kafka setting {key} does not take this value")
        }
        other => format!("Kafka settings: {other}"),
    };
    LogError::Mismatch { what }
}

/// Librdkafka's lines go where ours go; errors of a connection are said by whoever asked.
#[derive(Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Quiet {}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> KafkaOptions {
        KafkaOptions { client: [(key.into(), value.into())].into(), ..KafkaOptions::default() }
    }

    #[test]
    fn what_is_set_here_nobody_sets_otherwise() {
        for key in PINNED
            .iter()
            .chain(&GROUP_PINNED)
            .map(|(key, _)| *key)
            .chain(REFUSED)
            .chain(["enable.partition.eof", "enable.auto.offset.store"])
        {
            let Err(refused) = Clients::new(with(key, "hunter2")) else { panic!("{key} is taken") };
            let needle = format!("LOG_MISMATCH: the Kafka setting {key} is the log's own");
            assert!(refused.to_string().starts_with(&needle), "{refused}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    /// Each of the names that are refused is one of librdkafka's, spelled as it spells it.
    #[test]
    fn what_is_refused_is_there() {
        for key in own_keys() {
            let config: Result<BaseConsumer, _> = ClientConfig::new().set(key, "?!").create();
            let said = config.err().map(|error| invalid(&error).to_string());
            let unknown = format!("LOG_MISMATCH: there is no Kafka setting {key}");
            assert_ne!(said, Some(unknown));
        }
    }

    #[test]
    fn what_is_nobodys_is_taken() {
        assert!(Clients::new(with("security.protocol", "plaintext")).is_ok());
    }
}
