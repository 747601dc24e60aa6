//! The simulated log: the conformance suite, and each fault as it says.

use std::sync::Arc;

use super::*;
use crate::conformance::{self, Subject};

#[derive(Debug)]
struct InMemory(Arc<Simulated>);

impl Subject for InMemory {
    fn backend(&self) -> &dyn Backend {
        &*self.0
    }

    fn shared(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0) as Arc<dyn Backend>
    }

    fn settle(&self) {
        self.0.flush_all();
    }

    fn reopen(&mut self) -> bool {
        self.0.crash(Crash::Drop);
        true
    }

    fn waits(&self) -> bool {
        false
    }
}

#[test]
fn conforms() {
    conformance::run(&mut |count| Box::new(InMemory(Arc::new(Simulated::new(count, 1)))));
}

type Taken = Arc<Mutex<Vec<Outcome>>>;

fn producer(log: &Simulated) -> (Box<dyn Producer>, Taken) {
    let taken = Taken::default();
    let sink = Arc::clone(&taken);
    let reports: ReportSink = Box::new(move |report| sink.lock().unwrap().push(report.outcome));
    (log.producer(0, reports).unwrap(), taken)
}

fn bytes(log: &Simulated) -> Vec<Vec<u8>> {
    log.read(0, 0, usize::MAX).unwrap().into_iter().map(|record| record.bytes).collect()
}

#[test]
fn nothing_is_durable_or_reported_before_the_simulator_says_so() {
    let log = Simulated::new(1, 0);
    let (mut writer, taken) = producer(&log);
    writer.send(1, vec![1]).unwrap();
    assert_eq!((log.end(0), log.pending(0), taken.lock().unwrap().len()), (Ok(0), 1, 0));
    log.flush(0);
    assert_eq!((log.end(0), log.pending(0)), (Ok(1), 0));
    assert_eq!(*taken.lock().unwrap(), [Outcome::Durable(Some(0))]);
}

#[test]
fn each_fate_does_what_it_says() {
    for (fate, outcome, durable, late) in [
        (Fate::Durable, Outcome::Durable(Some(0)), 1, 0),
        (Fate::WithoutOffset, Outcome::Durable(None), 1, 0),
        (Fate::AckLost, Outcome::Unknown, 1, 0),
        (Fate::Lost, Outcome::Unknown, 0, 0),
        (Fate::Late, Outcome::Unknown, 0, 1),
        (Fate::Doubled, Outcome::Durable(Some(1)), 2, 0),
        (Fate::Failed, Outcome::Failed, 0, 0),
    ] {
        let log = Simulated::new(1, 0);
        let (mut writer, taken) = producer(&log);
        writer.send(1, vec![7]).unwrap();
        assert!(log.settle(0, fate));
        assert!(!log.settle(0, fate), "there was one send");
        assert_eq!(*taken.lock().unwrap(), [outcome], "{fate:?}");
        assert_eq!((bytes(&log), log.late(0)), (vec![vec![7]; durable], late), "{fate:?}");
        assert_eq!(log.land(0), (late > 0).then_some(0), "{fate:?}");
    }
}

#[test]
fn a_crash_drops_keeps_a_prefix_or_leaves_in_flight() {
    for crash in [Crash::Drop, Crash::KeepPrefix, Crash::InFlight] {
        let mut kept = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let log = Simulated::new(1, seed);
            let (mut writer, taken) = producer(&log);
            (0..4).for_each(|ticket| writer.send(ticket, vec![ticket as u8]).unwrap());
            log.settle(0, Fate::Durable);
            log.crash(crash);
            let stored = bytes(&log);
            assert_eq!(stored, (0..stored.len() as u8).map(|i| vec![i]).collect::<Vec<_>>());
            assert_eq!(taken.lock().unwrap().len(), 1, "a crash gives no report");
            assert!(matches!(writer.send(9, vec![9]), Err(LogError::Unavailable { .. })));
            assert_eq!(log.late(0), if crash == Crash::InFlight { 3 } else { 0 });
            kept.insert(stored.len());
        }
        let expected: &[usize] = if crash == Crash::KeepPrefix { &[1, 2, 3, 4] } else { &[1] };
        assert_eq!(kept.into_iter().collect::<Vec<_>>(), expected, "{crash:?}");
    }
}

#[test]
fn a_flipped_bit_is_located_and_a_full_disk_refuses() {
    let log = Simulated::new(1, 0);
    for i in 0..3 {
        log.inject(0, vec![i; 4]);
    }
    log.flip_bit(0, 1, 5);
    assert_eq!(log.read(0, 0, usize::MAX).unwrap().len(), 1, "what stands before is readable");
    let damaged = log.read(0, 1, usize::MAX);
    assert!(matches!(damaged, Err(LogError::Damaged { partition: 0, offset: 1, .. })));
    assert_eq!(log.read(0, 2, usize::MAX).unwrap().len(), 1);
    let (mut writer, _) = producer(&log);
    log.set_full(true);
    assert!(matches!(writer.send(0, vec![]), Err(LogError::Full { .. })));
    log.set_full(false);
    writer.send(0, vec![]).unwrap();
    log.truncate(0, 1);
    assert_eq!(log.end(0), Ok(1));
}

#[test]
fn one_seed_makes_one_log_and_draws_every_fault() {
    let faults = Faults {
        without_offset: 100,
        ack_lost: 50,
        lost: 50,
        late: 50,
        doubled: 50,
        failed: 50,
        foreign: 50,
        lands: 200,
    };
    let run = |seed| {
        let log = Simulated::new(2, seed);
        log.set_faults(faults);
        let (mut writer, taken) = producer(&log);
        for ticket in 0..2_000u64 {
            writer.send(ticket, ticket.to_le_bytes().to_vec()).unwrap();
            if ticket % 7 == 0 {
                log.tick();
            }
        }
        while log.tick() {}
        let outcomes = taken.lock().unwrap().clone();
        (bytes(&log), outcomes)
    };
    let (stored, outcomes) = run(42);
    assert_eq!((&stored, &outcomes), (&run(42).0, &run(42).1));
    assert_ne!(stored, run(43).0);
    assert_eq!(outcomes.len(), 2_000);
    let count = |outcome| outcomes.iter().filter(|o| **o == outcome).count();
    for outcome in [Outcome::Durable(None), Outcome::Unknown, Outcome::Failed] {
        assert!(count(outcome) > 50, "{outcome:?}");
    }
    assert!(stored.iter().any(|bytes| bytes.len() != 8), "foreign bytes");
}
