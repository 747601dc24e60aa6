//! Sends records to a topic, and hears of each whether the brokers have it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer,
};

use super::Cluster;
use super::client::{Clients, FRAMING_BYTES, native};
use crate::backend::RECORD_BYTES_MAX;
use crate::log::LogError;

/// A step of waiting, where librdkafka has nothing to be woken by.
const STEP: Duration = Duration::from_millis(1);

/// How records are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    /// The topic.
    pub topic: String,
    /// How long a record may wait for others to share a request with.
    pub linger: Duration,
    /// Compress batches with lz4.
    pub compress: bool,
    /// How long a record may wait for the brokers; `None` is for ever.
    pub delivery_timeout: Option<Duration>,
    /// Records that may be on their way; then [`Publisher::publish`] waits.
    pub queue_records_max: u32,
    /// Bytes that may be on their way, as above.
    pub queue_bytes_max: usize,
}

impl PublishOptions {
    /// For a topic: a linger of 1 ms, no compression, for ever, 200,000 records and 64 MiB on their way.
    #[must_use]
    pub fn to(topic: impl Into<String>) -> Self {
        PublishOptions {
            topic: topic.into(),
            linger: Duration::from_millis(1),
            compress: false,
            delivery_timeout: None,
            queue_records_max: 200_000,
            queue_bytes_max: 64 << 20,
        }
    }
}

/// What is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// `None`: where Kafka's own clients put the key (murmur2), or anywhere without a key.
    pub partition: Option<u32>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// What it says; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Hears of every record that was taken, by its tag, once: `Ok` when all in-sync replicas have it, an
/// error when nobody knows or will ever have it. It is called on one thread, which must not be held up.
pub type DeliverySink = Box<dyn Fn(u64, Result<(), LogError>) + Send + Sync>;

/// An idempotent producer: what is taken is in its partition once and in order.
pub struct Publisher {
    clients: Clients,
    options: PublishOptions,
    producer: ThreadedProducer<Deliveries>,
}

impl Publisher {
    /// Connects when there is something to send.
    ///
    /// # Errors
    /// [`LogError::Mismatch`] for settings that librdkafka does not take.
    pub fn new(
        cluster: &Cluster,
        options: PublishOptions,
        sink: DeliverySink,
    ) -> Result<Publisher, LogError> {
        let clients = cluster.clients().clone();
        let about = format!("topic {} at {}", options.topic, clients.options().bootstrap);
        let context = Deliveries { sink, about, in_flight: AtomicUsize::new(0) };
        let producer = clients.publisher(&options, context)?;
        Ok(Publisher { clients, options, producer })
    }

    /// Sends a record, once there is room: what is already on its way holds it up, nothing is dropped.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], and [`LogError::Unavailable`] when the client has failed for good; then the
    /// sink hears nothing of this record.
    pub fn publish(&self, tag: u64, record: &Outgoing<'_>) -> Result<(), LogError> {
        self.publish_while(tag, record, || true).map(drop)
    }

    /// As [`Publisher::publish`], but waits for room only as long as it is wanted: whether it was taken.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish_while(
        &self,
        tag: u64,
        record: &Outgoing<'_>,
        wanted: impl Fn() -> bool,
    ) -> Result<bool, LogError> {
        while !self.try_publish(tag, record)? {
            if !wanted() {
                return Ok(false);
            }
            pause();
        }
        Ok(true)
    }

    /// Sends a record unless too much is on its way: whether it was taken.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn try_publish(&self, tag: u64, record: &Outgoing<'_>) -> Result<bool, LogError> {
        let opaque = usize::try_from(tag).unwrap_or(usize::MAX);
        let mut sent: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&self.options.topic, opaque);
        sent.partition = record.partition.map(native);
        sent.key = record.key;
        sent.payload = record.value;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let add = |headers: OwnedHeaders, (key, value): &(&str, &[u8])| {
                headers.insert(Header { key, value: Some(*value) })
            };
            sent.headers = Some(record.headers.iter().fold(headers, add));
        }
        let in_flight = &self.producer.context().in_flight;
        in_flight.fetch_add(1, Ordering::AcqRel);
        let Err((error, _)) = self.producer.send(sent) else { return Ok(true) };
        in_flight.fetch_sub(1, Ordering::AcqRel);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Ok(false),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                let bytes = record.value.map_or(0, <[u8]>::len);
                let bytes_max = RECORD_BYTES_MAX + FRAMING_BYTES;
                Err(LogError::TooLarge { bytes, bytes_max })
            }
            _ => Err(self.clients.unavailable_at(&self.options.topic, &error)),
        }
    }

    /// Records that were taken and of which the sink has not heard.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.producer.context().in_flight.load(Ordering::Acquire)
    }

    /// Waits until the sink has heard of everything, or for this long: whether it has.
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: waits for the network")]
    pub fn flush(&self, at_most: Duration) -> bool {
        let deadline = std::time::Instant::now() + at_most;
        while self.in_flight() > 0 {
            if std::time::Instant::now() >= deadline {
                return false;
            }
            pause();
        }
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "a door to the outside: waits for the network")]
fn pause() {
    std::thread::sleep(STEP);
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Turns delivery reports into calls of the sink.
struct Deliveries {
    sink: DeliverySink,
    about: String,
    in_flight: AtomicUsize,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(about = self.about, %error, reason, "kafka publisher");
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let delivered = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => {
                Err(LogError::Unavailable { what: format!("{}: {error}", self.about) })
            }
        };
        (self.sink)(tag as u64, delivered);
        // After the sink, so that whoever waits for none in flight knows that it has heard of all.
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
