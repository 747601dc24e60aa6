//! Parts of the backend over brokers that stand still: what one leader must not hold up.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ledger_log::Backend;
use ledger_log::kafka::{Kafka, KafkaOptions};

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
