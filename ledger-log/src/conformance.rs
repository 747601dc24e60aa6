//! One suite for every backend: what the fence, the writers and the readers rely on.
//!
//! A backend's test calls [`run`] with a maker of [`Subject`]s. A check that fails panics, naming what
//! was promised.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::backend::{Backend, Outcome, Producer, RawRecord, Report, ReportSink};
use crate::log::{LogError, open, open_existing};
use crate::record::{FORMAT, HASH, Incarnation, LogId, Record};

/// A backend under test.
pub trait Subject {
    /// The backend, the same until [`Subject::reopen`].
    fn backend(&self) -> &dyn Backend;

    /// A handle that another thread may hold.
    fn shared(&self) -> Arc<dyn Backend>;

    /// Lets what was sent become durable, where the backend does not do so by itself.
    fn settle(&self);

    /// Closes the backend and opens what it kept; false where it keeps nothing.
    fn reopen(&mut self) -> bool;

    /// Whether `wait` blocks: the simulated one returns at once.
    fn waits(&self) -> bool;
}

/// Makes an empty log with this many partitions.
pub type Make<'a> = dyn FnMut(u32) -> Box<dyn Subject> + 'a;

/// Runs every check, each on a log of its own.
///
/// # Panics
/// When the backend breaks a promise.
pub fn run(make: &mut Make<'_>) {
    let checks: [fn(&mut Make<'_>); 11] = [
        an_empty_log_is_empty,
        offsets_are_dense_and_reports_in_order,
        producers_of_one_partition_keep_their_orders,
        partitions_are_apart,
        reads_come_in_windows,
        create_is_for_empty_partitions,
        a_record_has_a_largest_size,
        reopening_keeps_all,
        wait_wakes,
        open_creates_and_completes,
        open_refuses,
    ];
    checks.iter().for_each(|check| check(make));
}

const PATIENCE: Duration = Duration::from_secs(60);
const LOG: LogId = LogId([0xA5; 16]);

/// Takes reports and hands them out again.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Report>>>);

impl Reports {
    fn sink(&self) -> ReportSink {
        let taken = Arc::clone(&self.0);
        Box::new(move |report| {
            taken.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        })
    }

    fn all(&self) -> Vec<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn producer(subject: &dyn Subject, partition: u32, reports: &Reports) -> Box<dyn Producer> {
    let producer = subject.backend().producer(partition, reports.sink());
    producer.unwrap_or_else(|error| panic!("a producer is given: {error}"))
}

fn send(producer: &mut dyn Producer, ticket: u64, bytes: &[u8]) {
    let sent = producer.send(ticket, bytes.to_vec());
    sent.unwrap_or_else(|error| panic!("a send is taken: {error}"));
}

/// Until the partition ends here and the reports are in.
fn await_end(subject: &dyn Subject, partition: u32, end: u64, reports: &Reports, count: usize) {
    const STEP: Duration = Duration::from_millis(20);
    let steps = PATIENCE.as_millis() / STEP.as_millis();
    for _ in 0..steps {
        subject.settle();
        if end_of(subject, partition) >= end && reports.all().len() >= count {
            break;
        }
        subject.backend().wait(partition, end_of(subject, partition), STEP);
    }
    assert_eq!(end_of(subject, partition), end, "what was sent becomes durable");
    assert_eq!(reports.all().len(), count, "every send has one report");
}

fn end_of(subject: &dyn Subject, partition: u32) -> u64 {
    let end = subject.backend().end(partition);
    end.unwrap_or_else(|error| panic!("the end of partition {partition} is known: {error}"))
}

fn read(subject: &dyn Subject, partition: u32, from: u64, bytes_max: usize) -> Vec<RawRecord> {
    let records = subject.backend().read(partition, from, bytes_max);
    records.unwrap_or_else(|error| panic!("partition {partition} from {from} is readable: {error}"))
}

fn all(subject: &dyn Subject, partition: u32) -> Vec<Vec<u8>> {
    let records = read(subject, partition, 0, usize::MAX);
    let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
    let dense: Vec<u64> = (0..records.len() as u64).collect();
    assert_eq!(offsets, dense, "offsets are dense from 0");
    records.into_iter().map(|record| record.bytes).collect()
}

fn create(subject: &dyn Subject, partition: u32, record: &[u8]) {
    let created = subject.backend().create(partition, record.to_vec());
    created.unwrap_or_else(|error| panic!("record 0 of partition {partition} is written: {error}"));
}

fn an_empty_log_is_empty(make: &mut Make<'_>) {
    let subject = make(3);
    assert_eq!(subject.backend().partition_count(), 3);
    for partition in 0..3 {
        assert_eq!(end_of(&*subject, partition), 0);
        assert_eq!(read(&*subject, partition, 0, usize::MAX), []);
        assert_eq!(read(&*subject, partition, 7, usize::MAX), []);
    }
    assert!(subject.backend().end(3).is_err(), "a partition that is not there has no end");
    assert!(subject.backend().read(3, 0, 1).is_err(), "nor records");
    assert!(subject.backend().create(3, vec![1]).is_err(), "nor can it be created");
    assert!(subject.backend().producer(3, Reports::default().sink()).is_err(), "nor written");
}

fn offsets_are_dense_and_reports_in_order(make: &mut Make<'_>) {
    let subject = make(2);
    create(&*subject, 1, b"record 0");
    let reports = Reports::default();
    let mut writer = producer(&*subject, 1, &reports);
    let sent: Vec<Vec<u8>> = (0..200u64).map(|i| i.to_le_bytes().repeat(1 + i as usize)).collect();
    for (ticket, bytes) in (1000..).zip(&sent) {
        send(&mut *writer, ticket, bytes);
    }
    await_end(&*subject, 1, 201, &reports, 200);
    assert_eq!(all(&*subject, 1)[1..], sent, "records stand in the order of the sends");
    for ((ticket, offset), report) in (1000..).zip(1..).zip(reports.all()) {
        assert_eq!(report.ticket, ticket, "reports come in the order of the sends");
        assert!(
            [Outcome::Durable(Some(offset)), Outcome::Durable(None)].contains(&report.outcome),
            "a report tells the offset, if any: {report:?}, offset {offset}"
        );
    }
}

fn producers_of_one_partition_keep_their_orders(make: &mut Make<'_>) {
    const WRITERS: u8 = 3;
    const EACH: u8 = 50;
    let subject = make(1);
    let reports: Vec<Reports> = (0..WRITERS).map(|_| Reports::default()).collect();
    let mut writers: Vec<_> = reports.iter().map(|r| producer(&*subject, 0, r)).collect();
    for number in 0..EACH {
        for (who, writer) in (0..).zip(&mut writers) {
            send(&mut **writer, u64::from(number), &[who, number]);
        }
    }
    let end = u64::from(WRITERS) * u64::from(EACH);
    for reports in &reports {
        await_end(&*subject, 0, end, reports, usize::from(EACH));
    }
    let stored = all(&*subject, 0);
    for (who, reports) in (0..).zip(&reports) {
        let own: Vec<u8> = stored.iter().filter(|b| b[0] == who).map(|b| b[1]).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "order and completeness of writer {who}");
        for report in reports.all() {
            if let Outcome::Durable(Some(offset)) = report.outcome {
                let [by, number] = stored[offset as usize][..] else { panic!("two bytes") };
                assert_eq!((by, u64::from(number)), (who, report.ticket), "its own offset");
            }
        }
    }
}

fn partitions_are_apart(make: &mut Make<'_>) {
    let subject = make(3);
    let reports = [(); 3].map(|()| Reports::default());
    let mut writers: Vec<_> =
        (0..).zip(&reports).map(|(partition, r)| producer(&*subject, partition, r)).collect();
    for number in 0..30u8 {
        for (partition, writer) in (0..).zip(&mut writers).skip(usize::from(number) % 3) {
            send(&mut **writer, u64::from(number), &[partition, number]);
        }
    }
    for (partition, count) in [(0u8, 10), (1, 20), (2, 30)] {
        let at = usize::from(partition);
        await_end(&*subject, partition.into(), count as u64, &reports[at], count);
        let stored = all(&*subject, partition.into());
        assert!(stored.iter().all(|bytes| bytes[0] == partition), "only its own records");
    }
}

fn reads_come_in_windows(make: &mut Make<'_>) {
    let subject = make(1);
    let reports = Reports::default();
    let mut writer = producer(&*subject, 0, &reports);
    (0..10).for_each(|ticket| send(&mut *writer, ticket, &[ticket as u8; 100]));
    await_end(&*subject, 0, 10, &reports, 10);
    for (from, bytes_max, offsets) in [
        (0, 0, 0..1),
        (0, 1, 0..1),
        (3, 99, 3..4),
        (3, 100, 3..4),
        (3, 199, 3..4),
        (3, 200, 3..5),
        (0, 1000, 0..10),
        (8, usize::MAX, 8..10),
        (9, 0, 9..10),
        (10, usize::MAX, 10..10),
        (11, usize::MAX, 11..11),
        (u64::MAX, usize::MAX, 0..0),
    ] {
        let records = read(&*subject, 0, from, bytes_max);
        let expected: Vec<RawRecord> =
            offsets.map(|offset| RawRecord { offset, bytes: vec![offset as u8; 100] }).collect();
        assert_eq!(records, expected, "from {from}, at most {bytes_max} bytes");
    }
}

fn create_is_for_empty_partitions(make: &mut Make<'_>) {
    let subject = make(2);
    create(&*subject, 0, b"first");
    assert_eq!(all(&*subject, 0), [b"first"], "it is durable when create returns");
    assert!(subject.backend().create(0, b"second".to_vec()).is_err(), "only once");
    let reports = Reports::default();
    let mut writer = producer(&*subject, 1, &reports);
    send(&mut *writer, 0, b"a record");
    await_end(&*subject, 1, 1, &reports, 1);
    assert!(subject.backend().create(1, b"late".to_vec()).is_err(), "only where there is none");
    assert_eq!((all(&*subject, 0).len(), all(&*subject, 1).len()), (1, 1));
}

fn a_record_has_a_largest_size(make: &mut Make<'_>) {
    let subject = make(1);
    let bytes_max = subject.backend().record_bytes_max();
    let reports = Reports::default();
    let mut writer = producer(&*subject, 0, &reports);
    let refused = writer.send(0, vec![1; bytes_max + 1]);
    assert_eq!(refused, Err(LogError::TooLarge { bytes: bytes_max + 1, bytes_max }));
    let largest: Vec<u8> = (0..bytes_max).map(|i| (i % 251) as u8).collect();
    send(&mut *writer, 1, &largest);
    send(&mut *writer, 2, &[]);
    await_end(&*subject, 0, 2, &reports, 2);
    assert_eq!(all(&*subject, 0), [largest, vec![]], "the largest and the smallest read back");
    assert_eq!(reports.all()[0].ticket, 1, "what was refused has no report");
}

fn reopening_keeps_all(make: &mut Make<'_>) {
    let mut subject = make(2);
    let mut expected = Vec::new();
    for round in 0..3u8 {
        let reports = Reports::default();
        let mut writer = producer(&*subject, 1, &reports);
        for ticket in 0..20u8 {
            expected.push([round, ticket].repeat(usize::from(ticket)));
            send(&mut *writer, ticket.into(), &expected[expected.len() - 1]);
        }
        await_end(&*subject, 1, expected.len() as u64, &reports, 20);
        drop(writer);
        if !subject.reopen() {
            return;
        }
        assert_eq!(end_of(&*subject, 0), 0);
        assert_eq!(end_of(&*subject, 1), expected.len() as u64);
        assert_eq!(all(&*subject, 1), expected, "what was durable is there after reopening");
    }
}

#[expect(clippy::disallowed_methods, reason = "waiting is what threads do")]
fn wait_wakes(make: &mut Make<'_>) {
    let subject = make(2);
    create(&*subject, 0, b"record 0");
    // What is there already is not waited for.
    subject.backend().wait(0, 0, Duration::from_secs(3600));
    if !subject.waits() {
        return;
    }
    let (woken, wakes) = mpsc::channel();
    let backend = subject.shared();
    let waiter = std::thread::spawn(move || {
        backend.wait(0, 1, Duration::from_secs(3600));
        drop(woken.send(backend.end(0)));
    });
    let reports = Reports::default();
    // A record of another partition is none of its business.
    let mut elsewhere = producer(&*subject, 1, &reports);
    send(&mut *elsewhere, 0, b"elsewhere");
    let mut here = producer(&*subject, 0, &reports);
    send(&mut *here, 1, b"here");
    let end = wakes.recv_timeout(PATIENCE);
    assert_eq!(end, Ok(Ok(2)), "a durable record wakes who waits for it");
    assert!(waiter.join().is_ok());
    await_end(&*subject, 1, 1, &reports, 2);
}

fn created(partition: u32, partition_count: u32) -> Vec<u8> {
    let hash = HASH.to_owned();
    Record::LogCreated { format: FORMAT, partition, partition_count, hash }.encode(LOG)
}

fn open_creates_and_completes(make: &mut Make<'_>) {
    let subject = make(3);
    let none = open_existing(subject.backend());
    assert!(matches!(none, Err(LogError::NotALog { partition: 0, .. })), "{none:?}");
    assert_eq!(end_of(&*subject, 0), 0, "who only opens what is there makes nothing");
    let info = open(subject.backend(), LOG);
    assert!(info.as_ref().is_ok_and(|i| i.id == LOG && i.partition_count == 3), "{info:?}");
    for partition in 0..3 {
        assert_eq!(all(&*subject, partition), [created(partition, 3)]);
    }
    let again = open(subject.backend(), LogId([1; 16]));
    assert_eq!(again, info, "a log keeps its id");
    assert_eq!(open_existing(subject.backend()), info);

    let subject = make(3);
    create(&*subject, 1, &created(1, 3));
    let part = open_existing(subject.backend());
    assert!(matches!(part, Err(LogError::NotALog { partition: 0, .. })), "{part:?}");
    let completed = open(subject.backend(), LogId([1; 16]));
    assert_eq!(completed, info, "a creation that was cut short is completed under its id");
    assert_eq!(all(&*subject, 2), [created(2, 3)]);
}

fn open_refuses(make: &mut Make<'_>) {
    let term = Record::TermStarted(Incarnation([3; 16])).encode(LOG);
    let other_id = Record::decode(&created(1, 2)).map(|(_, record)| record.encode(LogId([9; 16])));
    let other_format = Record::LogCreated {
        format: FORMAT + 1,
        partition: 0,
        partition_count: 2,
        hash: HASH.to_owned(),
    };
    let other_hash = Record::LogCreated {
        format: FORMAT,
        partition: 0,
        partition_count: 2,
        hash: "md5".to_owned(),
    };
    let not_a_log: [(&str, Vec<Vec<u8>>); 4] = [
        ("a foreign first record", vec![b"{\"some\":\"json\"}".to_vec()]),
        ("a first record that is not LogCreated", vec![term.clone()]),
        ("the partition of another", vec![created(1, 2)]),
        ("a partition of another log", vec![created(0, 2), other_id.unwrap_or_default()]),
    ];
    let mismatch: [(&str, Vec<Vec<u8>>); 3] = [
        ("another partition count", vec![created(0, 9)]),
        ("another format", vec![other_format.encode(LOG)]),
        ("another hash", vec![other_hash.encode(LOG)]),
    ];
    let mut refused = |what: &str, records: &[Vec<u8>]| {
        let subject = make(2);
        for (partition, record) in (0..).zip(records) {
            create(&*subject, partition, record);
        }
        let Err(error) = open(subject.backend(), LOG) else { panic!("{what} is refused") };
        error
    };
    for (what, records) in &not_a_log {
        let error = refused(what, records);
        assert!(matches!(error, LogError::NotALog { .. }), "{what}: {error}");
    }
    for (what, records) in &mismatch {
        let error = refused(what, records);
        assert!(matches!(error, LogError::Mismatch { .. }), "{what}: {error}");
    }

    let subject = make(2);
    create(&*subject, 0, &created(0, 2));
    let reports = Reports::default();
    let mut writer = producer(&*subject, 0, &reports);
    send(&mut *writer, 0, &term);
    await_end(&*subject, 0, 2, &reports, 1);
    let error = open(subject.backend(), LOG);
    assert!(
        matches!(error, Err(LogError::NotALog { partition: 1, .. })),
        "an empty partition among grown ones is refused: {error:?}"
    );
    assert_eq!(end_of(&*subject, 1), 0, "and nothing is written");
}
