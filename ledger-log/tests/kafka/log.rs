//! The log: the conformance suite, and what a broker can do to it.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use ledger_log::conformance::{self, Subject};
use ledger_log::kafka::{Kafka, KafkaOptions};
use ledger_log::{Backend, Cursor, Decision, LogError, LogId, Outcome, RawRecord, Reader, Report};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::{admin, bootstrap, cluster, fresh_prefix, open, options, until};

struct OnBroker {
    options: KafkaOptions,
    log: Option<Arc<Kafka>>,
}

impl OnBroker {
    fn log(&self) -> &Arc<Kafka> {
        self.log.as_ref().unwrap()
    }
}

impl Subject for OnBroker {
    fn backend(&self) -> &dyn Backend {
        &**self.log()
    }

    fn shared(&self) -> Arc<dyn Backend> {
        self.log().clone()
    }

    fn settle(&self) {}

    fn reopen(&mut self) -> bool {
        self.log = None;
        self.log = Some(open(&self.options));
        true
    }

    fn waits(&self) -> bool {
        true
    }
}

#[test]
fn conforms() {
    let Some(bootstrap) = bootstrap() else { return };
    conformance::run(&mut |partition_count| {
        let options = options(&bootstrap, partition_count);
        let log = Some(open(&options));
        Box::new(OnBroker { options, log })
    });
}

fn append(log: &dyn Backend, partition: u32, records: &[Vec<u8>]) -> Vec<Report> {
    let (told, reports) = mpsc::channel();
    let sink = Box::new(move |report| told.send(report).unwrap());
    let mut producer = log.producer(partition, sink).unwrap();
    for (ticket, bytes) in (0..).zip(records) {
        producer.send(ticket, bytes.clone()).unwrap();
    }
    reports.iter().take(records.len()).collect()
}

fn all(log: &dyn Backend, partition: u32) -> Vec<RawRecord> {
    let end = log.end(partition).unwrap();
    let mut records: Vec<RawRecord> = Vec::new();
    while (records.len() as u64) < end {
        let more = log.read(partition, records.len() as u64, 1 << 20).unwrap();
        assert!(!more.is_empty(), "what end() names, read() gives");
        records.extend(more);
    }
    records
}

/// What is older than the tail is fetched from the broker: the same bytes, in windows.
#[test]
fn a_log_larger_than_the_tail_reads_back() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = KafkaOptions { tail_bytes_max: 100_000, ..options(&bootstrap, 1) };
    let log = open(&options);
    let sent: Vec<Vec<u8>> = (0..3_000u32).map(|i| i.to_le_bytes().repeat(50)).collect();
    append(&*log, 0, &sent);
    for log in [log, open(&options)] {
        let read: Vec<Vec<u8>> = all(&*log, 0).into_iter().map(|record| record.bytes).collect();
        assert_eq!(read, sent);
        for at in [2_999u64, 0, 1_234, 17] {
            let [record] = &log.read(0, at, 1).unwrap()[..] else { panic!("one record at {at}") };
            assert_eq!((record.offset, &record.bytes), (at, &sent[at as usize]));
        }
    }
}

/// A foreign producer's transaction, left open and then aborted: its records count nowhere, the offsets
/// that its markers take stop nobody.
#[test]
fn a_foreign_transaction_holds_nobody_up() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 1);
    let log = open(&options);
    let info = ledger_log::log::open(&*log, LogId([7; 16])).unwrap();
    let foreign: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("transactional.id", fresh_prefix())
        .create()
        .unwrap();
    let patience = Duration::from_secs(20);
    foreign.init_transactions(patience).unwrap();
    foreign.begin_transaction().unwrap();
    let topic = options.events_topic();
    let record = BaseRecord::<(), _>::to(&topic).partition(0).payload("not ours");
    foreign.send(record).map_err(|(error, _)| error).unwrap();
    foreign.flush(patience).unwrap();

    // Open: what is appended behind it is durable and is read at once.
    let term = ledger_log::record::Record::TermStarted(ledger_log::Incarnation([1; 16]));
    let term = term.encode(info.id);
    let reports = append(&*log, 0, std::slice::from_ref(&term));
    assert_eq!(reports[0].outcome, Outcome::Durable(Some(2)));
    assert_eq!(all(&*log, 0)[2].bytes, term);

    // Aborted: the marker stands at offset 3, once the broker has written it.
    foreign.abort_transaction(patience).unwrap();
    until("the marker stands", || cluster(&options).bounds(&topic, 0).unwrap().1 == 4);
    let reports = append(&*log, 0, std::slice::from_ref(&term));
    assert_eq!(reports[0].outcome, Outcome::Durable(Some(4)));
    for log in [log, open(&options)] {
        let mut reader = Reader::new(info.id, 0);
        let read = all(&*log, 0).into_iter().map(|r| reader.step(r.offset, &r.bytes).unwrap());
        let counted: Vec<bool> =
            read.map(|decision| !matches!(decision, Decision::Skipped(_))).collect();
        assert_eq!(counted, [true, false, true, false, true]);
    }
}

/// Until followers are told to compare.
fn await_reconnect(log: &dyn Backend, before: u64) {
    for _ in 0..300 {
        if log.reconnects() > before {
            return;
        }
        log.wait(0, u64::MAX, Duration::from_millis(100));
    }
    panic!("nobody is told that the log is not what it was");
}

/// A log with a reader's cursor at its end.
fn followed(options: &KafkaOptions) -> (Arc<Kafka>, LogId, Cursor) {
    let log = open(options);
    let info = ledger_log::log::open(&*log, LogId([7; 16])).unwrap();
    append(&*log, 0, &[b"garbage".to_vec(), b"more of it".to_vec()]);
    let mut reader = Reader::new(info.id, 0);
    for record in all(&*log, 0) {
        reader.step(record.offset, &record.bytes).unwrap();
    }
    let cursor = reader.cursor().clone();
    cursor.verify(&*log, info.id).unwrap();
    (log, info.id, cursor)
}

fn assert_diverged(found: Result<(), LogError>) {
    let text = found.expect_err("the log is not what it was").to_string();
    assert!(text.starts_with("LOG_DIVERGED"), "{text}");
}

#[test]
fn a_topic_deleted_and_made_anew_is_found() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 1);
    let (log, log_id, cursor) = followed(&options);
    let before = log.reconnects();
    admin(&bootstrap, "delete the topic", &options.events_topic());
    let other = open_until_there(&options);
    await_reconnect(&*log, before);
    assert_diverged(cursor.verify(&*log, log_id));
    assert_diverged(cursor.verify(&*other, log_id));
    // Another log in its place, as long as the old one was.
    let info = ledger_log::log::open(&*other, LogId([8; 16])).unwrap();
    append(&*other, 0, &[b"garbage".to_vec(), b"more of it".to_vec()]);
    assert_diverged(cursor.verify(&*other, info.id));
    assert_diverged(cursor.verify(&*other, log_id));
}

/// A topic that is being deleted is there for a moment.
fn open_until_there(options: &KafkaOptions) -> Arc<Kafka> {
    for _ in 0..100 {
        if let Ok(log) = Kafka::open(options.clone())
            && log.end(0).is_ok_and(|end| end == 0)
        {
            return log;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("the topic is made anew");
}

/// The same log, but for its last records: as after a broker that lost them. What comes then stands where
/// they stood.
#[test]
fn a_lost_tail_is_found_also_when_the_log_is_longer_again() {
    let Some(bootstrap) = bootstrap() else { return };
    for longer in [false, true] {
        let options = options(&bootstrap, 1);
        let (log, log_id, cursor) = followed(&options);
        let counted = ledger_log::record::Record::TermStarted(ledger_log::Incarnation([1; 16]));
        append(&*log, 0, &[counted.encode(log_id)]);
        let records = all(&*log, 0);
        let mut reader = Reader::resume(cursor);
        let last = records.last().unwrap();
        reader.step(last.offset, &last.bytes).unwrap();
        let cursor = reader.cursor();
        cursor.verify(&*log, log_id).unwrap();

        let before = log.reconnects();
        admin(&bootstrap, "delete the topic", &options.events_topic());
        let other = open_until_there(&options);
        let mut kept: Vec<Vec<u8>> = records.into_iter().map(|record| record.bytes).collect();
        kept.pop();
        if longer {
            kept.extend([b"others".to_vec(), b"came".to_vec()]);
        }
        append(&*other, 0, &kept);
        await_reconnect(&*log, before);
        for log in [&log, &other] {
            let found = cursor.verify(&**log, log_id).expect_err("it lost a record").to_string();
            let said = if longer { "offset 3 holds another record" } else { "the log ends at 3" };
            assert!(found.starts_with("LOG_DIVERGED") && found.contains(said), "{found}");
            assert!(found.contains("up to offset 4"), "{found}");
        }
    }
}

#[test]
fn deleted_records_are_found() {
    let Some(bootstrap) = bootstrap() else { return };
    let options = options(&bootstrap, 1);
    let (log, log_id, cursor) = followed(&options);
    let before = log.reconnects();
    admin(&bootstrap, "delete its first records", &options.events_topic());
    await_reconnect(&*log, before);
    assert_diverged(cursor.verify(&*log, log_id));
    assert_eq!(
        ledger_log::log::open(&*open(&options), LogId([8; 16])),
        Err(LogError::Trimmed { partition: 0, first: 2 })
    );
}

#[test]
fn a_topic_that_endangers_the_log_is_refused() {
    let Some(bootstrap) = bootstrap() else { return };
    let sound = options(&bootstrap, 1);
    drop(open(&sound));
    let refused = |options: KafkaOptions, needles: &[&str]| {
        let error = Kafka::open(options).expect_err("it is refused").to_string();
        for needle in needles {
            assert!(error.starts_with("LOG_MISMATCH") && error.contains(needle), "{error}");
        }
    };
    refused(
        KafkaOptions { allow_under_replicated: false, ..sound.clone() },
        &["1 replicas, at least 3", "min.insync.replicas is 1, at least 2"],
    );
    refused(
        KafkaOptions { partition_count: Some(3), ..sound.clone() },
        &["has 1 partitions, 3 were asked for"],
    );
    let mine = |key: &str| KafkaOptions {
        client: [(key.to_owned(), "hunter2".to_owned())].into(),
        ..sound.clone()
    };
    refused(mine("acks"), &["the Kafka setting acks is the log's own"]);
    refused(mine("no.such.setting"), &["there is no Kafka setting no.such.setting"]);
    let refused = Kafka::open(mine("security.protocol"));
    let error = refused.expect_err("no such protocol").to_string();
    assert!(error.contains("security.protocol") && !error.contains("hunter2"), "{error}");
}

#[test]
fn nobody_there_is_said_and_not_waited_for_long() {
    let options = KafkaOptions {
        bootstrap: "127.0.0.1:9".into(),
        request_timeout: Duration::from_secs(1),
        ..KafkaOptions::default()
    };
    let error = Kafka::open(options).expect_err("no broker").to_string();
    assert!(error.starts_with("LOG_UNAVAILABLE: topic ledger.events at 127.0.0.1:9"), "{error}");
}

/// From a folder to Kafka, continued there, and back: the same bytes at the same offsets.
#[test]
fn a_log_moves_to_kafka_and_back() {
    use ledger_log::embedded::{Embedded, EmbeddedOptions};
    let Some(bootstrap) = bootstrap() else { return };
    let folder = |dir: &std::path::Path| {
        let options = EmbeddedOptions { partition_count: 2, ..EmbeddedOptions::default() };
        Embedded::open(dir, options).unwrap()
    };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (here, back) = (folder(dirs[0].path()), folder(dirs[1].path()));
    let info = ledger_log::log::open(&*here, LogId([3; 16])).unwrap();
    append(&*here, 1, &(0..300u32).map(|i| i.to_le_bytes().repeat(i as usize)).collect::<Vec<_>>());

    let there = open(&options(&bootstrap, 2));
    assert_eq!(ledger_log::copy::copy(&*here, &*there, &mut |_| {}), Ok(302));
    assert_eq!(ledger_log::log::open(&*there, LogId([4; 16])), Ok(info), "it is the same log");
    append(&*there, 0, &[b"continued".to_vec()]);
    assert_eq!(ledger_log::copy::copy(&*there, &*back, &mut |_| {}), Ok(303));
    for partition in 0..2 {
        assert_eq!(all(&*back, partition), all(&*there, partition));
    }
    assert_eq!(all(&*back, 1), all(&*here, 1));
}
