//! The topics beside the log: made and checked, sent to, read, kept as a table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_log::LogError;
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::records::{KafkaRecord, ReadFrom, Records};
use ledger_log::kafka::table::Table;
use ledger_log::kafka::{Cluster, Topic};
use rdkafka::ClientConfig;

use crate::{admin, bootstrap, cluster, options, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A publisher, and what it heard of each tag.
type Heard = Arc<Mutex<BTreeMap<u64, Vec<Result<(), LogError>>>>>;

fn publisher(cluster: &Cluster, publishing: PublishOptions) -> (Publisher, Heard) {
    let heard = Heard::default();
    let hears = heard.clone();
    let sink = move |tag, delivered| {
        hears.lock().unwrap().entry(tag).or_insert_with(Vec::new).push(delivered);
    };
    (Publisher::new(cluster, publishing, Box::new(sink)).unwrap(), heard)
}

/// All records of a topic, once there are this many.
fn read(cluster: &Cluster, topic: &str, from: &ReadFrom, count: usize) -> Vec<KafkaRecord> {
    let mut reader = Records::open(cluster, topic, from).unwrap();
    let mut records = Vec::new();
    until("all read", || {
        records.extend(reader.poll(Duration::from_millis(100)).unwrap());
        records.len() >= count
    });
    records
}

#[test]
fn the_topics_beside_the_log_are_made_and_checked() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 3);
    let cluster = cluster(&options);
    for topic in [Topic::Commands, Topic::Results, Topic::Feed, Topic::Topology] {
        let name = options.topic(topic);
        assert_eq!(cluster.partitions(&name), Ok(None));
        cluster.ensure(topic, 3).unwrap();
        cluster.ensure(topic, 3).unwrap();
        let count = if topic == Topic::Topology { 1 } else { 3 };
        assert_eq!(cluster.partitions(&name), Ok(Some(count)));
    }
    let refused = cluster.ensure(Topic::Commands, 4).unwrap_err().to_string();
    let name = options.topic(Topic::Commands);
    let needle = format!("LOG_MISMATCH: topic {name} has 3 partitions, 4 were asked for");
    assert_eq!(refused, needle);

    let strict = crate::KafkaOptions { allow_under_replicated: false, ..options };
    let strict = crate::cluster(&strict);
    let refused = strict.ensure(Topic::Results, 3).unwrap_err().to_string();
    let needle = "endangers what is sent through it: min.insync.replicas is 1";
    assert!(refused.contains(needle) && refused.contains("it has 1 replicas"), "{refused}");
    strict.ensure(Topic::Topology, 3).unwrap();
}

/// A compacted topic would keep one command of each ledger.
#[test]
fn a_compacted_commands_topic_is_refused() {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 1);
    let name = options.topic(Topic::Commands);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    let topic =
        NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let cluster = cluster(&options);
    until("known to the broker", || cluster.partitions(&name) == Ok(Some(1)));
    let refused = cluster.ensure(Topic::Commands, 1).unwrap_err().to_string();
    assert!(refused.contains(&name) && refused.contains("cleanup.policy is compact"), "{refused}");
}

#[test]
fn records_arrive_where_they_were_sent_and_as_they_were() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 3);
    let (cluster, topic) = (cluster(&options), options.topic(Topic::Results));
    cluster.ensure(Topic::Results, 3).unwrap();
    let (publisher, heard) = publisher(&cluster, PublishOptions::to(&topic));
    let headers: [(&str, &[u8]); 3] = [("a", b"1"), ("content-type", b""), ("a", b"\xff\x00")];
    let (key, value): (&[u8], &[u8]) = (b"key", b"value");
    let sent = [
        Outgoing { partition: Some(2), key: Some(key), value: Some(value), headers: &headers },
        Outgoing { partition: Some(2), key: Some(key), ..Outgoing::default() },
        Outgoing { partition: Some(0), value: Some(b""), ..Outgoing::default() },
    ];
    for (tag, record) in (0..).zip(&sent) {
        publisher.publish(tag, record).unwrap();
    }
    assert!(publisher.flush(PATIENCE));
    let mut late = Records::open(&cluster, &topic, &ReadFrom::End).unwrap();
    let mut records = read(&cluster, &topic, &ReadFrom::Beginning, 3);
    records.sort_by_key(|record| record.partition);
    for (record, (sent, offset)) in
        records.iter().zip([(&sent[2], 0), (&sent[0], 0), (&sent[1], 1)])
    {
        assert_eq!((Some(record.partition), record.offset), (sent.partition, offset));
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (sent.key, sent.value));
        let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        assert!(pairs.eq(sent.headers.iter().copied()), "{record:?}");
        assert!(record.timestamp_ms.is_some());
    }
    assert_eq!(read(&cluster, &topic, &ReadFrom::Offsets(vec![1, 0, 1]), 1)[0].value, None);
    let one = ReadFrom::Partition { partition: 2, offset: 1 };
    let found = read(&cluster, &topic, &one, 1).pop().unwrap();
    assert_eq!((found.partition, found.offset, found.value), (2, 1, None));
    publisher.publish(3, &sent[2]).unwrap();
    let mut came = Vec::new();
    until("read", || {
        came.extend(late.poll(Duration::from_millis(100)).unwrap());
        !came.is_empty()
    });
    assert_eq!((came[0].partition, came[0].offset), (0, 1), "what is older is not read");
    assert!(publisher.flush(PATIENCE));
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 4 && heard.values().all(|of| *of == [Ok(())]), "{heard:?}");

    let mismatch = |topic: &str, from| Records::open(&cluster, topic, &from).unwrap_err();
    let error = mismatch("no-such-topic", ReadFrom::End).to_string();
    assert!(error.contains("there is no topic no-such-topic"), "{error}");
    let error = mismatch(&topic, ReadFrom::Offsets(vec![0])).to_string();
    assert!(error.contains("3 partitions, 1 offsets"), "{error}");
}

/// Keys go where Kafka's own clients put them: the hashes are of its own tests.
#[test]
fn a_key_goes_where_kafka_puts_it() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 5);
    let (cluster, topic) = (cluster(&options), options.topic(Topic::Commands));
    cluster.ensure(Topic::Commands, 5).unwrap();
    let (publisher, _) = publisher(&cluster, PublishOptions::to(&topic));
    let hashes: [(&str, i32); 5] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("abc", 479_470_107),
    ];
    for (tag, (key, _)) in (0..).zip(hashes) {
        publisher
            .publish(tag, &Outgoing { key: Some(key.as_bytes()), ..Outgoing::default() })
            .unwrap();
    }
    assert!(publisher.flush(PATIENCE));
    for record in read(&cluster, &topic, &ReadFrom::Beginning, hashes.len()) {
        let (key, hash) =
            hashes.iter().find(|(key, _)| Some(key.as_bytes()) == record.key.as_deref()).unwrap();
        assert_eq!(record.partition, (hash & i32::MAX) as u32 % 5, "{key}");
    }
}

/// More than the queue takes: each is heard of once, in order, and nothing is dropped.
#[test]
fn a_full_queue_holds_the_sender_up() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 1);
    let (cluster, topic) = (cluster(&options), options.topic(Topic::Results));
    cluster.ensure(Topic::Results, 1).unwrap();
    let publishing = PublishOptions {
        linger: Duration::from_millis(5),
        compress: true,
        queue_records_max: 10,
        ..PublishOptions::to(&topic)
    };
    let (publisher, heard) = publisher(&cluster, publishing);
    let mut was_full = false;
    for tag in 0..1_000u64 {
        let value = tag.to_le_bytes();
        let record = Outgoing { partition: Some(0), value: Some(&value), ..Outgoing::default() };
        if !publisher.try_publish(tag, &record).unwrap() {
            was_full = true;
            publisher.publish(tag, &record).unwrap();
        }
    }
    assert!(was_full && publisher.flush(PATIENCE));
    let heard = heard.lock().unwrap();
    assert!(heard.keys().copied().eq(0..1_000) && heard.values().all(|of| *of == [Ok(())]));
    let records = read(&cluster, &topic, &ReadFrom::Beginning, 1_000);
    let values = records.iter().map(|record| record.value.clone().unwrap());
    assert!(values.eq((0..1_000u64).map(|tag| tag.to_le_bytes().to_vec())));
    let large = vec![0; 2_000_000];
    let record = Outgoing { value: Some(&large), ..Outgoing::default() };
    let refused = publisher.publish(9, &record).unwrap_err();
    assert!(matches!(refused, LogError::TooLarge { bytes: 2_000_000, .. }), "{refused}");
    assert_eq!(publisher.in_flight(), 0);
}

#[test]
fn a_table_keeps_the_newest_of_each_key() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 1);
    let (cluster, topic) = (cluster(&options), options.topic(Topic::Topology));
    cluster.ensure(Topic::Topology, 1).unwrap();
    let (publisher, _) = publisher(&cluster, PublishOptions::to(&topic));
    let put = |key: Option<&str>, value: Option<&str>| {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        let record = Outgoing { partition: Some(0), key, value, headers: &[] };
        publisher.publish(0, &record).unwrap();
        assert!(publisher.flush(PATIENCE));
    };
    let rows = |rows: &[(&str, &str)]| -> BTreeMap<Vec<u8>, Vec<u8>> {
        rows.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
    };
    put(Some("a"), Some("1"));
    put(Some("b"), Some("1"));
    put(None, Some("nobody's"));
    put(Some("a"), Some("2"));
    put(Some("b"), None);
    let told = Arc::new(AtomicU32::new(0));
    let tells = told.clone();
    let changed = move || {
        tells.fetch_add(1, Ordering::AcqRel);
    };
    let table = Table::follow(&cluster, &topic, Some(Box::new(changed))).unwrap();
    assert!(table.wait_complete(PATIENCE));
    assert_eq!(table.all(), rows(&[("a", "2")]));
    let (version, told_before) = (table.version(), told.load(Ordering::Acquire));
    assert_eq!(table.wait(version, Duration::ZERO), version, "nothing changes by itself");
    put(Some("c"), Some("3"));
    assert_eq!(table.wait(version, PATIENCE), version + 1);
    assert_eq!(table.get(b"c"), Some(b"3".to_vec()));
    assert_eq!(table.get(b"b"), None);
    until("told", || told.load(Ordering::Acquire) > told_before);
    put(Some("a"), None);
    table.wait(version + 1, PATIENCE);
    assert_eq!(table.all(), rows(&[("c", "3")]));

    // Another topic of the name is another table.
    admin(&bootstrap, "delete the topic", &topic);
    until("made anew", || {
        cluster.partitions(&topic) == Ok(None) && cluster.ensure(Topic::Topology, 1).is_ok()
    });
    put(Some("d"), Some("4"));
    until("read anew", || table.all() == rows(&[("d", "4")]));
}
