//! Parts of the backend over brokers that stand still or are killed: what one leader must not hold up, and a
//! table over a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ledger_log::Backend;
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::table::Table;
use ledger_log::kafka::{Cluster, Kafka, KafkaOptions, Topic};

use crate::cluster::brokers;

const PATIENCE: Duration = Duration::from_secs(60);

fn options(bootstrap: String, partition_count: u32) -> KafkaOptions {
    KafkaOptions {
        bootstrap,
        partition_count: Some(partition_count),
        replication_factor: 1,
        allow_under_replicated: true,
        ..KafkaOptions::default()
    }
}

/// Until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not {what} in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A broker that stands still is not known to be gone for so long: it leads what it led.
const NOT_SOON_GONE: &str = "--set broker.session.timeout.ms=120000";

/// A question about a partition whose leader stands still takes 10 s. The others are asked every half second
/// meanwhile, not once in 10 s.
#[test]
fn a_partition_whose_leader_does_not_answer_holds_up_no_other() {
    let Some((cluster, bootstrap)) = brokers(3, NOT_SOON_GONE) else { return };
    let options = options(bootstrap, 3);
    let log = Kafka::open(options.clone()).unwrap();
    let leader = crate::topics::Topic::of_log(&options.bootstrap, &options.prefix).leader(2, 1);
    let asked_at = |partition| log.known_end(partition, 0)?.confirmed.map(|end| end.at_ns);
    until("every end known", || (0..3).all(|partition| asked_at(partition).is_some()));
    cluster.run(&format!("pause {leader}"));
    let away_since = asked_at(2);
    let mut asked: [BTreeSet<u64>; 2] = Default::default();
    until("the others asked again and again", || {
        for (partition, asked) in (0..).zip(&mut asked) {
            asked.extend(asked_at(partition));
        }
        asked.iter().all(|asked| asked.len() > 15)
    });
    assert_eq!(asked_at(2), away_since, "it does not answer");
    cluster.run(&format!("resume {leader}"));
    until("back", || asked_at(2) > away_since);
}

#[test]
fn a_table_outlives_a_restart_of_the_broker() {
    let Some((brokers, bootstrap)) = brokers(1, "") else { return };
    let options = options(bootstrap, 1);
    let (cluster, topic) = (Cluster::new(options.clone()).unwrap(), options.topic(Topic::Topology));
    cluster.ensure(Topic::Topology, 1).unwrap();
    let delivered = Box::new(|_, delivered: Result<(), _>| delivered.unwrap());
    let publisher = Publisher::new(&cluster, PublishOptions::to(&topic), delivered).unwrap();
    let put = |key: &[u8], value: &[u8]| {
        let (partition, key, value) = (Some(0), Some(key), Some(value));
        let record = Outgoing { partition, key, value, ..Outgoing::default() };
        publisher.publish(0, &record).unwrap();
    };
    let rows = |rows: &[(&str, &str)]| -> BTreeMap<Vec<u8>, Vec<u8>> {
        rows.iter().map(|(key, value)| (key.as_bytes().into(), value.as_bytes().into())).collect()
    };
    put(b"a", b"1");
    put(b"b", b"1");
    let table = Table::follow(&cluster, &topic, None).unwrap();
    until("read", || table.all() == rows(&[("a", "1"), ("b", "1")]));
    assert!(table.wait_complete(PATIENCE));
    let version = table.version();

    brokers.run("kill 1");
    // Waits at the publisher until there is a broker.
    put(b"b", b"2");
    assert_eq!(table.all(), rows(&[("a", "1"), ("b", "1")]), "it keeps what it has");
    brokers.run("start 1");
    until("read on", || table.all() == rows(&[("a", "1"), ("b", "2")]));
    assert_eq!(table.version(), version + 1, "nothing was read anew");
    assert!(table.wait_complete(Duration::ZERO));
}
