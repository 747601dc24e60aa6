//! Clients of librdkafka, each made from the same settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaConfRes;

use super::KafkaOptions;
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
/// Settings that make no sense for a log with one fence of its own.
const REFUSED: [&str; 5] = [
    "bootstrap.servers",
    "transactional.id",
    "group.instance.id",
    "message.timeout.ms",
    "partitioner",
];

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

    /// The first offset that is kept, and the offset after the last record that all in-sync replicas
    /// have.
    pub(super) fn watermarks(&self, partition: u32) -> Result<(u64, u64), LogError> {
        let Inner { options, topic, asking } = &*self.inner;
        let partition = native(partition);
        let (first, end) = asking
            .fetch_watermarks(topic, partition, options.request_timeout)
            .map_err(|error| self.unavailable(&error))?;
        Ok((u64::try_from(first).unwrap_or(0), u64::try_from(end).unwrap_or(0)))
    }

    pub(super) fn unavailable(&self, error: &KafkaError) -> LogError {
        let Inner { options, topic, .. } = &*self.inner;
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
    config
        .set("group.id", format!("{}.log-readers", options.prefix))
        .set("enable.partition.eof", "true")
        // The default of a second stalls a replay each time its queue is full.
        .set("fetch.queue.backoff.ms", "2")
        .set("fetch.message.max.bytes", (4 << 20).to_string())
        .set("queued.max.messages.kbytes", (16 << 10).to_string());
    pin(&mut config, &PINNED[..4]);
    config
}

fn pin(config: &mut ClientConfig, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        config.set(*key, *value);
    }
}

fn refuse_pinned(client: &BTreeMap<String, String>) -> Result<(), LogError> {
    let pinned = PINNED.iter().map(|(key, _)| *key).chain(REFUSED);
    match pinned.into_iter().find(|key| client.contains_key(*key)) {
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
