//! The topic of the log: created with the settings that the log stands on, refused with any other.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::PARTITIONS;
use super::client::{Clients, FRAMING_BYTES};
use crate::backend::RECORD_BYTES_MAX;
use crate::log::LogError;

/// Replicas, and those in sync that an acknowledgement stands for, below which a broker's end may lose
/// what was acknowledged.
const REPLICAS_MIN: usize = 3;
const IN_SYNC_MIN: u64 = 2;
/// Kafka's own default: 1 MiB and the framing of a batch.
const MESSAGE_BYTES_MAX: &str = "1048588";

/// Creates the topic where there is none and checks it; how many partitions it has.
pub(super) fn ensure(clients: &Clients) -> Result<u32, LogError> {
    let options = clients.options();
    let wanted = options.partition_count;
    let found = match replicas(clients)? {
        Some(found) => found,
        None => {
            create(clients, wanted.unwrap_or(PARTITIONS))?;
            await_leaders(clients)?
        }
    };
    let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let topic = clients.topic();
    if wanted.is_some_and(|wanted| wanted != count) {
        let wanted = wanted.unwrap_or_default();
        let what = format!("topic {topic} has {count} partitions, {wanted} were asked for");
        return Err(LogError::Mismatch { what });
    }
    let mut dangers = dangers(&settings(clients)?, options.allow_under_replicated);
    let fewest = found.into_iter().min().unwrap_or(0);
    if fewest < REPLICAS_MIN && !options.allow_under_replicated {
        dangers.push(format!("it has {fewest} replicas, at least {REPLICAS_MIN} are needed"));
    }
    if dangers.is_empty() {
        return Ok(count);
    }
    let dangers = dangers.join("; ");
    Err(LogError::Mismatch { what: format!("topic {topic} endangers the log: {dangers}") })
}

/// Whether there is such a topic.
pub(super) fn exists(clients: &Clients) -> Result<bool, LogError> {
    Ok(replicas(clients)?.is_some())
}

/// Replicas of each partition; `None` where there is no such topic.
fn replicas(clients: &Clients) -> Result<Option<Vec<usize>>, LogError> {
    let timeout = clients.options().request_timeout;
    let metadata = clients
        .asking()
        .fetch_metadata(Some(clients.topic()), timeout)
        .map_err(|error| clients.unavailable(&error))?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == clients.topic());
    let Some(topic) = topic else { return Ok(None) };
    match topic.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            return Ok(None);
        }
        Some(code) => {
            let what = format!("topic {}: {code}", clients.topic());
            return Err(LogError::Unavailable { what });
        }
    }
    let partitions = topic.partitions().iter();
    let replicas: Vec<usize> = partitions.map(|partition| partition.replicas().len()).collect();
    Ok((!replicas.is_empty()).then_some(replicas))
}

/// A topic that was just created has its leaders a moment later.
#[expect(clippy::disallowed_methods, reason = "a door to the outside: waits for the brokers")]
fn await_leaders(clients: &Clients) -> Result<Vec<usize>, LogError> {
    const STEP: std::time::Duration = std::time::Duration::from_millis(50);
    let steps = clients.options().request_timeout.as_millis() / STEP.as_millis();
    for _ in 0..=steps {
        if let Some(found) = replicas(clients)?
            && clients.watermarks(u32::try_from(found.len()).unwrap_or(1) - 1).is_ok()
        {
            return Ok(found);
        }
        std::thread::sleep(STEP);
    }
    let what = format!("topic {} was created, but has no leaders yet", clients.topic());
    Err(LogError::Unavailable { what })
}

fn create(clients: &Clients, partitions: u32) -> Result<(), LogError> {
    let options = clients.options();
    let mut replication = i32::from(options.replication_factor);
    if options.allow_under_replicated {
        let metadata = clients.asking().fetch_metadata(None, options.request_timeout);
        let brokers = metadata.map_err(|error| clients.unavailable(&error))?.brokers().len();
        replication = replication.min(i32::try_from(brokers).unwrap_or(i32::MAX));
    }
    let in_sync = if replication >= 3 { "2" } else { "1" };
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let topic = NewTopic::new(clients.topic(), count, TopicReplication::Fixed(replication))
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("min.insync.replicas", in_sync)
        .set("unclean.leader.election.enable", "false")
        .set("max.message.bytes", MESSAGE_BYTES_MAX);
    let created = block_on(clients.admin()?.create_topics([&topic], &clients.admin_options()))
        .map_err(|error| clients.unavailable(&error))?;
    for result in created {
        match result {
            Ok(_) => tracing::info!(topic = clients.topic(), partitions, replication, "created"),
            // Another server was quicker.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, RDKafkaErrorCode::InvalidReplicationFactor)) => {
                let what = format!(
                    "topic {topic} cannot have {replication} replicas: the cluster has fewer brokers; \
                     for a trial allow it to be under-replicated"
                );
                return Err(LogError::Mismatch { what });
            }
            Err((topic, code)) => {
                let what = format!("topic {topic} cannot be created: {code}");
                return Err(LogError::Unavailable { what });
            }
        }
    }
    Ok(())
}

fn settings(clients: &Clients) -> Result<BTreeMap<String, String>, LogError> {
    let specifier = [ResourceSpecifier::Topic(clients.topic())];
    let described =
        block_on(clients.admin()?.describe_configs(&specifier, &clients.admin_options()))
            .map_err(|error| clients.unavailable(&error))?;
    let mut settings = BTreeMap::new();
    for resource in described {
        let resource = resource.map_err(|code| LogError::Unavailable {
            what: format!("the settings of topic {}: {code}", clients.topic()),
        })?;
        let named =
            resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        settings.extend(named);
    }
    Ok(settings)
}

/// Settings with which records of the log may vanish or be refused, each with what is needed.
fn dangers(settings: &BTreeMap<String, String>, allow_under_replicated: bool) -> Vec<String> {
    let value = |key: &str| settings.get(key).map_or("", String::as_str);
    let mut dangers = Vec::new();
    for (key, needed) in [
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("unclean.leader.election.enable", "false"),
    ] {
        if value(key) != needed {
            dangers.push(format!("{key} is {}, {needed} is needed", value(key)));
        }
    }
    let number = |key: &str| value(key).parse().unwrap_or(0u64);
    let bytes = (RECORD_BYTES_MAX + FRAMING_BYTES) as u64;
    if number("max.message.bytes") < bytes {
        let is = value("max.message.bytes");
        dangers.push(format!("max.message.bytes is {is}, at least {bytes} is needed"));
    }
    if number("min.insync.replicas") < IN_SYNC_MIN && !allow_under_replicated {
        let is = value("min.insync.replicas");
        dangers.push(format!("min.insync.replicas is {is}, at least {IN_SYNC_MIN} is needed"));
    }
    dangers
}

/// Waits for one of librdkafka's answers, which come from a thread of its own.
fn block_on<T>(answer: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut answer = pin!(answer);
    loop {
        match answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answered) => return answered,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> BTreeMap<String, String> {
        [
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("unclean.leader.election.enable", "false"),
            ("max.message.bytes", MESSAGE_BYTES_MAX),
            ("min.insync.replicas", "2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn each_setting_that_endangers_the_log_is_named() {
        assert_eq!(dangers(&sound(), false), Vec::<String>::new());
        for (key, value) in [
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "1073741824"),
            ("unclean.leader.election.enable", "true"),
            ("max.message.bytes", "1000000"),
            ("min.insync.replicas", "1"),
        ] {
            let mut settings = sound();
            settings.insert(key.to_owned(), value.to_owned());
            let found = dangers(&settings, false);
            let [danger] = found.as_slice() else { panic!("{key}={value}: {found:?}") };
            assert!(danger.starts_with(&format!("{key} is {value}")), "{danger}");
            let allowed = dangers(&settings, true).is_empty();
            assert_eq!(allowed, key == "min.insync.replicas", "{key}: replication may be allowed");
        }
    }
}
