//! Topics: created with the settings that what is in them stands on, refused with any other.

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
/// Only segments that are no longer written are compacted, so a small table has small ones.
const TABLE_SEGMENT_BYTES: &str = "1048576";
const TABLE_SEGMENT_MS: &str = "600000";
/// A key that was destroyed is off the brokers' disks so long after its segment has ended.
const KEYS_COMPACTION_MS: &str = "3600000";

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The log itself: nothing in it may ever vanish.
    Log,
    /// What was read may go after the brokers' default time, or when a person says so.
    Queue,
    /// As a queue, but made to keep everything.
    Feed,
    /// The newest record of each key is kept, and whoever wrote it writes it again.
    Table,
    /// The newest record of each key is kept, and there is no other copy of it.
    Keys,
}

/// A topic as it shall be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    /// `None` takes what is there.
    pub(super) partitions: Option<u32>,
}

impl Kind {
    /// Settings of a topic that is created, beside those that all have.
    fn made_with(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Kind::Log | Kind::Feed => {
                &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")]
            }
            Kind::Queue => &[("cleanup.policy", "delete")],
            Kind::Table => &[
                ("cleanup.policy", "compact"),
                ("segment.bytes", TABLE_SEGMENT_BYTES),
                ("segment.ms", TABLE_SEGMENT_MS),
                ("min.cleanable.dirty.ratio", "0.1"),
            ],
            // One tombstone among many keys is less than any ratio: what was destroyed goes by time.
            Kind::Keys => &[
                ("cleanup.policy", "compact"),
                ("segment.bytes", TABLE_SEGMENT_BYTES),
                ("segment.ms", TABLE_SEGMENT_MS),
                ("max.compaction.lag.ms", KEYS_COMPACTION_MS),
            ],
        }
    }

    /// Settings that it must have and no other.
    fn needed(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Kind::Log => &[
                ("cleanup.policy", "delete"),
                ("retention.ms", "-1"),
                ("retention.bytes", "-1"),
                ("unclean.leader.election.enable", "false"),
            ],
            // Many records have one key: compaction would remove what nobody has read.
            Kind::Queue | Kind::Feed => &[("cleanup.policy", "delete")],
            Kind::Table => &[("cleanup.policy", "compact")],
            Kind::Keys => {
                &[("cleanup.policy", "compact"), ("unclean.leader.election.enable", "false")]
            }
        }
    }

    /// Whether it matters that a record that was acknowledged is lost.
    fn is_precious(self) -> bool {
        match self {
            Kind::Log | Kind::Queue | Kind::Feed | Kind::Keys => true,
            // Whoever wrote a row writes it again.
            Kind::Table => false,
        }
    }

    fn endangered(self) -> &'static str {
        match self {
            Kind::Log => "the log",
            Kind::Keys => "the keys of customers",
            Kind::Queue | Kind::Feed | Kind::Table => "what is sent through it",
        }
    }
}

/// Creates the topic where there is none and checks it; how many partitions it has.
pub(super) fn ensure(clients: &Clients, wanted: &Wanted<'_>) -> Result<u32, LogError> {
    let options = clients.options();
    let found = match replicas(clients, wanted.name)? {
        Some(found) => found,
        None => {
            create(clients, wanted)?;
            await_leaders(clients, wanted.name)?
        }
    };
    let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let topic = wanted.name;
    if let Some(asked_for) = wanted.partitions
        && asked_for != count
    {
        let what = format!("topic {topic} has {count} partitions, {asked_for} were asked for");
        return Err(LogError::Mismatch { what });
    }
    let allowed = options.allow_under_replicated || !wanted.kind.is_precious();
    let mut dangers = dangers(wanted.kind, &settings(clients, topic)?, allowed);
    let fewest = found.into_iter().min().unwrap_or(0);
    if fewest < REPLICAS_MIN && !allowed {
        dangers.push(format!("it has {fewest} replicas, at least {REPLICAS_MIN} are needed"));
    }
    if dangers.is_empty() {
        return Ok(count);
    }
    let (dangers, endangered) = (dangers.join("; "), wanted.kind.endangered());
    Err(LogError::Mismatch { what: format!("topic {topic} endangers {endangered}: {dangers}") })
}

/// Whether there is such a topic.
pub(super) fn exists(clients: &Clients, topic: &str) -> Result<bool, LogError> {
    Ok(replicas(clients, topic)?.is_some())
}

/// Replicas of each partition; `None` where there is no such topic.
pub(super) fn replicas(clients: &Clients, topic: &str) -> Result<Option<Vec<usize>>, LogError> {
    let timeout = clients.options().request_timeout;
    let metadata = clients
        .asking()
        .fetch_metadata(Some(topic), timeout)
        .map_err(|error| clients.unavailable_at(topic, &error))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            return Ok(None);
        }
        Some(code) => {
            let what = format!("topic {topic}: {code}");
            return Err(LogError::Unavailable { what });
        }
    }
    let partitions = found.partitions().iter();
    let replicas: Vec<usize> = partitions.map(|partition| partition.replicas().len()).collect();
    Ok((!replicas.is_empty()).then_some(replicas))
}

/// A topic that was just created has its leaders a moment later.
fn await_leaders(clients: &Clients, topic: &str) -> Result<Vec<usize>, LogError> {
    let found = repeat(clients, || {
        let found = replicas(clients, topic)?;
        // Each leader hears of it by itself.
        let led = |found: &Vec<usize>| {
            let mut partitions = (0u32..).zip(found);
            partitions.all(|(partition, _)| clients.watermarks_of(topic, partition).is_ok())
        };
        Ok(found.filter(led))
    })?;
    found.ok_or_else(|| {
        let what = format!("topic {topic} was created, but has no leaders yet");
        LogError::Unavailable { what }
    })
}

/// Asks until there is an answer, as long as one request may take.
#[expect(clippy::disallowed_methods, reason = "a door to the outside: waits for the brokers")]
fn repeat<T>(
    clients: &Clients,
    mut ask: impl FnMut() -> Result<Option<T>, LogError>,
) -> Result<Option<T>, LogError> {
    const STEP: std::time::Duration = std::time::Duration::from_millis(50);
    let steps = clients.options().request_timeout.as_millis() / STEP.as_millis();
    for _ in 0..steps {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        std::thread::sleep(STEP);
    }
    ask()
}

fn create(clients: &Clients, wanted: &Wanted<'_>) -> Result<(), LogError> {
    let options = clients.options();
    let name = wanted.name;
    let partitions = wanted.partitions.unwrap_or(PARTITIONS);
    let mut replication = i32::from(options.replication_factor);
    if options.allow_under_replicated {
        let metadata = clients.asking().fetch_metadata(None, options.request_timeout);
        let metadata = metadata.map_err(|error| clients.unavailable_at(name, &error))?;
        let brokers = metadata.brokers().len();
        replication = replication.min(i32::try_from(brokers).unwrap_or(i32::MAX));
    }
    let in_sync = if replication >= 3 { "2" } else { "1" };
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let topic = NewTopic::new(name, count, TopicReplication::Fixed(replication))
        .set("min.insync.replicas", in_sync)
        .set("unclean.leader.election.enable", "false")
        .set("max.message.bytes", MESSAGE_BYTES_MAX);
    let made_with = wanted.kind.made_with().iter();
    let topic = made_with.fold(topic, |topic, (key, value)| topic.set(key, value));
    let created = block_on(clients.admin()?.create_topics([&topic], &clients.admin_options()))
        .map_err(|error| clients.unavailable_at(name, &error))?;
    for result in created {
        match result {
            Ok(_) => tracing::info!(topic = name, partitions, replication, "created"),
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

/// What the brokers say that the topic is set to.
///
/// Any broker may be asked, and one that has not heard of a new topic yet says that it has no settings
/// at all: rust-rdkafka does not pass on the error that stands beside them. That is no answer.
fn settings(clients: &Clients, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
    let found = repeat(clients, || {
        let found = described(clients, topic)?;
        Ok((!found.is_empty()).then_some(found))
    })?;
    found.ok_or_else(|| {
        let what =
            format!("the broker that was asked for topic {topic} does not know its settings");
        LogError::Unavailable { what }
    })
}

fn described(clients: &Clients, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
    let specifier = [ResourceSpecifier::Topic(topic)];
    let described =
        block_on(clients.admin()?.describe_configs(&specifier, &clients.admin_options()))
            .map_err(|error| clients.unavailable_at(topic, &error))?;
    let mut settings = BTreeMap::new();
    for resource in described {
        let resource = resource.map_err(|code| LogError::Unavailable {
            what: format!("the settings of topic {topic}: {code}"),
        })?;
        let named =
            resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        settings.extend(named);
    }
    Ok(settings)
}

/// Settings with which records may vanish or be refused, each with what is needed.
fn dangers(
    kind: Kind,
    settings: &BTreeMap<String, String>,
    allow_under_replicated: bool,
) -> Vec<String> {
    let value = |key: &str| settings.get(key).map_or("", String::as_str);
    let mut dangers = Vec::new();
    for (key, needed) in kind.needed() {
        if value(key) != *needed {
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
    use crate::kafka::KafkaOptions;

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
        assert_eq!(dangers(Kind::Log, &sound(), false), Vec::<String>::new());
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
            let found = dangers(Kind::Log, &settings, false);
            let [danger] = found.as_slice() else { panic!("{key}={value}: {found:?}") };
            assert!(danger.starts_with(&format!("{key} is {value}")), "{danger}");
            let allowed = dangers(Kind::Log, &settings, true).is_empty();
            assert_eq!(allowed, key == "min.insync.replicas", "{key}: replication may be allowed");
        }
    }

    #[test]
    fn each_kind_is_made_with_what_it_needs() {
        for kind in [Kind::Log, Kind::Queue, Kind::Feed, Kind::Table] {
            let mut settings = sound();
            for (key, value) in kind.made_with() {
                settings.insert((*key).to_owned(), (*value).to_owned());
            }
            assert_eq!(dangers(kind, &settings, false), Vec::<String>::new(), "{kind:?}");
            let other = if kind == Kind::Table { "delete" } else { "compact" };
            settings.insert("cleanup.policy".into(), other.into());
            let found = dangers(kind, &settings, false);
            assert!(found[0].starts_with(&format!("cleanup.policy is {other}")), "{found:?}");
        }
        let mut short_lived = sound();
        short_lived.insert("retention.ms".into(), "604800000".into());
        assert!(dangers(Kind::Queue, &short_lived, false).is_empty(), "what was read may go");
    }

    /// As a broker answers that has not heard of a new topic yet.
    #[test]
    fn a_topic_without_settings_is_not_one_that_endangers_the_log() {
        let Some(bootstrap) = std::env::var("KAFKA_BOOTSTRAP").ok().filter(|at| !at.is_empty())
        else {
            eprintln!("SKIPPED: KAFKA_BOOTSTRAP names no broker (scripts/kafka up starts one)");
            return;
        };
        let request_timeout = std::time::Duration::from_secs(1);
        let options = KafkaOptions { bootstrap, request_timeout, ..KafkaOptions::default() };
        let clients = Clients::new(options).unwrap();
        let error = settings(&clients, "nobody-made-this-topic").unwrap_err();
        assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
    }
}
