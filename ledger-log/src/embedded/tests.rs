//! The embedded log against its promises: the conformance suite, syncs, refusals. What a damaged disk
//! does to it stands in `damage.rs`, what a dying process does in `tests/process.rs`.

mod damage;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::backend::{Outcome, Report};
use crate::conformance::{self, Subject};

struct InFolder {
    dir: tempfile::TempDir,
    options: EmbeddedOptions,
    log: Option<Arc<Embedded>>,
}

impl Subject for InFolder {
    fn backend(&self) -> &dyn Backend {
        &**self.log.as_ref().unwrap()
    }

    fn shared(&self) -> Arc<dyn Backend> {
        Arc::clone(self.log.as_ref().unwrap()) as Arc<dyn Backend>
    }

    fn settle(&self) {}

    fn reopen(&mut self) -> bool {
        self.log = None;
        self.log = Some(Embedded::open(self.dir.path(), self.options.clone()).unwrap());
        true
    }

    fn waits(&self) -> bool {
        true
    }
}

#[test]
fn conforms() {
    conformance::run(&mut |partition_count| {
        let options = EmbeddedOptions { partition_count, ..EmbeddedOptions::default() };
        let dir = tempfile::tempdir().unwrap();
        let log = Some(Embedded::open(dir.path(), options.clone()).unwrap());
        Box::new(InFolder { dir, options, log })
    });
}

/// Sends records and returns what was reported, once all was.
fn append(log: &Embedded, partition: u32, records: &[Vec<u8>]) -> Vec<Report> {
    let (told, reports) = mpsc::channel();
    let sink: ReportSink = Box::new(move |report| told.send(report).unwrap());
    let mut producer = log.producer(partition, sink).unwrap();
    for (ticket, bytes) in (0..).zip(records) {
        producer.send(ticket, bytes.clone()).unwrap();
    }
    reports.iter().take(records.len()).collect()
}

fn options(partition_count: u32) -> EmbeddedOptions {
    EmbeddedOptions { partition_count, ..EmbeddedOptions::default() }
}

#[test]
fn every_acknowledged_group_followed_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let log =
        Embedded::open(dir.path(), EmbeddedOptions { count_syncs: true, ..options(4) }).unwrap();
    let seen = Arc::new(OnceLock::new());
    assert!(seen.set(Arc::downgrade(&log)).is_ok());
    let (told, reports) = mpsc::channel();
    let mut producers: Vec<_> = (0..4)
        .map(|partition| {
            let (seen, told) = (Arc::clone(&seen), told.clone());
            let sink: ReportSink = Box::new(move |report: Report| {
                let log = seen.get().and_then(std::sync::Weak::upgrade).unwrap();
                told.send((report.outcome, log.groups(), log.syncs())).unwrap();
            });
            log.producer(partition, sink).unwrap()
        })
        .collect();
    let mut last_group = 0;
    for round in 0..50u64 {
        for producer in &mut producers {
            (0..10).for_each(|i| producer.send(round * 10 + i, vec![1; 100]).unwrap());
        }
        for (outcome, groups, syncs) in reports.iter().take(40) {
            assert!(matches!(outcome, Outcome::Durable(Some(_))));
            assert!(syncs >= groups, "group {groups} was reported after {syncs} syncs");
            last_group = groups;
        }
        assert!(last_group > round, "each round has a group of its own");
    }
    assert!(last_group < 2_000, "records of all partitions share a group");
}

#[test]
fn a_folder_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path(), options(1)).unwrap();
    let Err(LogError::Locked { what }) = Embedded::open(dir.path(), options(1)) else {
        panic!("a second open is refused");
    };
    assert!(what.contains(&dir.path().display().to_string()), "{what}");
    let mut producer = log.producer(0, Box::new(|_| ())).unwrap();
    drop(log);
    assert!(matches!(producer.send(0, vec![]), Err(LogError::Unavailable { .. })));
    drop(Embedded::open(dir.path(), options(1)).unwrap());
}

#[test]
fn rocksdb_open_elsewhere_is_locked_and_a_missing_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    // RocksDB's errors name the folder.
    let dir = dir.path().join("clocks");
    drop(Embedded::open(&dir, options(1)).unwrap());
    let store = Store::open(&dir.join("store"), &options(1), false).unwrap();
    let error = Embedded::open(&dir, options(1)).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    drop(store);
    for file in std::fs::read_dir(dir.join("store")).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("MANIFEST-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let error = Embedded::open(&dir, options(1)).unwrap_err();
    assert!(matches!(error, LogError::DamagedStore { .. }), "{error}");
}

#[test]
fn the_partition_count_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::open(dir.path(), options(3)).unwrap());
    let Err(LogError::Mismatch { what }) = Embedded::open(dir.path(), options(8)) else {
        panic!("another count is refused");
    };
    assert!(what.contains("has 3 partitions, 8 were asked for"), "{what}");
    drop(Embedded::open(dir.path(), options(3)).unwrap());
}

#[test]
fn a_log_without_its_shape_or_head_is_refused() {
    for name in ["SHAPE", "HEAD"] {
        let dir = tempfile::tempdir().unwrap();
        let log = Embedded::open(dir.path(), options(1)).unwrap();
        append(&log, 0, &[vec![1]]);
        drop(log);
        std::fs::remove_file(dir.path().join(name)).unwrap();
        let error = Embedded::open(dir.path(), options(1)).unwrap_err();
        assert!(matches!(error, LogError::DamagedStore { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::open(dir.path(), options(2)).unwrap());
    std::fs::remove_file(dir.path().join("SHAPE")).unwrap();
    let log = Embedded::open(dir.path(), options(5)).unwrap();
    assert_eq!(append(&log, 4, &[vec![1]])[0].outcome, Outcome::Durable(Some(0)));
}

#[test]
fn a_nearly_full_disk_refuses_appends_and_reads_go_on() {
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let seen = Arc::clone(&free);
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        space_check_bytes: 1_000,
        free_bytes: Arc::new(move |_| Ok(seen.load(Ordering::Relaxed))),
        ..options(1)
    };
    let needed = options.reserve_bytes + options.flush_bytes();
    let log = Embedded::open(dir.path(), options).unwrap();
    append(&log, 0, &[vec![1; 10]]);
    free.store(needed - 1, Ordering::Relaxed);
    let mut producer = log.producer(0, Box::new(|_| ())).unwrap();
    let sent = (0..).take_while(|ticket| producer.send(*ticket, vec![2; 100]).is_ok()).count();
    assert!(sent < 10, "it looks again every 1,000 bytes: {sent}");
    let Err(LogError::Full { what }) = producer.send(0, vec![]) else { panic!("it stays full") };
    assert!(what.contains(&format!("{} bytes free", needed - 1)), "{what}");
    assert!(matches!(log.create(0, vec![]), Err(LogError::Full { .. })));
    assert_eq!(log.read(0, 0, 1).unwrap()[0].bytes, vec![1; 10], "reads go on");
    free.store(needed, Ordering::Relaxed);
    assert_eq!(append(&log, 0, &[vec![3]])[0].outcome, Outcome::Durable(Some(1 + sent as u64)));
}

#[test]
fn free_space_of_the_real_disk_is_known() {
    let free = (EmbeddedOptions::default().free_bytes)(Path::new("/")).unwrap();
    assert!(free > 0);
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { reserve_bytes: 1 << 60, ..options(1) };
    let log = Embedded::open(dir.path(), options).unwrap();
    assert!(matches!(log.create(0, vec![]), Err(LogError::Full { .. })));
}

#[test]
fn a_full_queue_makes_senders_wait_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path(), EmbeddedOptions { queue_bytes_max: 64, ..options(1) });
    let log = log.unwrap();
    let records: Vec<Vec<u8>> = (0..200u8).map(|i| vec![i; usize::from(i)]).collect();
    let reports = append(&log, 0, &records);
    assert!(reports.iter().zip(0..).all(|(r, i)| r.outcome == Outcome::Durable(Some(i))));
    let stored = log.read(0, 0, usize::MAX).unwrap();
    assert!(stored.iter().map(|record| &record.bytes).eq(&records));
}

#[test]
fn closing_writes_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(dir.path(), options(1)).unwrap();
    let mut producer = log.producer(0, Box::new(|_| ())).unwrap();
    (0..500).for_each(|ticket| producer.send(ticket, vec![7; 50]).unwrap());
    drop(log);
    assert_eq!(Embedded::open(dir.path(), options(1)).unwrap().verify(), Ok(500));
}
