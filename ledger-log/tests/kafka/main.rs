//! The Kafka backend on a real broker: the log, and what is beside it for processes that share it.
//!
//! `KAFKA_BOOTSTRAP` names the broker; `scripts/test` starts one. Without it these tests are skipped.

#![expect(clippy::unwrap_used, reason = "the crate's lints know tests by their attribute only")]
#![expect(clippy::disallowed_methods, reason = "real members on a real clock")]

mod group;
mod log;
mod member;
mod topics;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledger_log::kafka::{Cluster, Kafka, KafkaOptions};
use rdkafka::ClientConfig;

/// The brokers, or nothing after saying so.
pub(crate) fn bootstrap() -> Option<String> {
    let bootstrap = std::env::var("KAFKA_BOOTSTRAP").ok().filter(|brokers| !brokers.is_empty());
    if bootstrap.is_none() {
        assert!(
            std::env::var_os("LEDGER_KAFKA_REQUIRED").is_none(),
            "LEDGER_KAFKA_REQUIRED is set, KAFKA_BOOTSTRAP is not"
        );
        eprintln!("SKIPPED: KAFKA_BOOTSTRAP names no broker (scripts/kafka up starts one)");
    }
    bootstrap
}

/// Topics of this test run that nobody else has.
pub(crate) fn fresh_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{count}", std::process::id())
}

pub(crate) fn options(bootstrap: &str, partition_count: u32) -> KafkaOptions {
    KafkaOptions {
        bootstrap: bootstrap.into(),
        prefix: fresh_prefix(),
        partition_count: Some(partition_count),
        replication_factor: 1,
        allow_under_replicated: true,
        ..KafkaOptions::default()
    }
}

pub(crate) fn open(options: &KafkaOptions) -> Arc<Kafka> {
    Kafka::open(options.clone()).unwrap_or_else(|error| panic!("{options:?} opens: {error}"))
}

pub(crate) fn cluster(options: &KafkaOptions) -> Cluster {
    Cluster::new(options.clone()).unwrap_or_else(|error| panic!("{options:?}: {error}"))
}

/// Until it holds, or the test has failed.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("for a minute: not {what}");
}

/// What an administrator may do to a topic.
pub(crate) fn admin(bootstrap: &str, what: &str, topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::{Offset, TopicPartitionList, client::DefaultClientContext};
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let options = AdminOptions::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match what {
            "delete the topic" => {
                for result in admin.delete_topics(&[topic], &options).await.unwrap() {
                    result.unwrap();
                }
            }
            "delete its first records" => {
                let mut offsets = TopicPartitionList::new();
                offsets.add_partition_offset(topic, 0, Offset::Offset(2)).unwrap();
                admin.delete_records(&offsets, &options).await.unwrap();
            }
            other => panic!("{other}"),
        }
    });
}
