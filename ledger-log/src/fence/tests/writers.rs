//! Several writers of one partition over a log with every fault: what one of them may acknowledge
//! counts for every reader, for ever (LG-1, LG-3), and no reader is ever stopped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::*;
use crate::backend::{Backend, Producer, Report};
use crate::log::open;
use crate::simulated::{Faults, Simulated};

const IN_FLIGHT_MAX: usize = 4;

type Reports = Arc<Mutex<VecDeque<Report>>>;

/// A writer as a service would be, but for the commands.
struct Writer {
    number: u8,
    reader: Reader,
    attempts: u64,
    role: Role,
}

enum Role {
    /// Has no term and wants none yet.
    Idle,
    /// Sent its `TermStarted` and looks for it.
    Starting { incarnation: Incarnation, reports: Reports },
    /// Has a term.
    Serving(Term),
}

struct Term {
    acks: Acks,
    producer: Box<dyn Producer>,
    reports: Reports,
    term: u64,
    /// Sequence and chain after what was sent.
    sequence: u64,
    chain: Chain,
    sent: VecDeque<Vec<u8>>,
    ticket: u64,
}

fn producer(log: &Simulated) -> (Box<dyn Producer>, Reports) {
    let reports = Reports::default();
    let sink = Arc::clone(&reports);
    let take = Box::new(move |report| sink.lock().unwrap().push_back(report));
    (log.producer(0, take).unwrap(), reports)
}

impl Writer {
    fn step(&mut self, log: &Simulated, rng: &mut fastrand::Rng, acknowledged: &mut Acknowledged) {
        if rng.u32(0..60) == 0 {
            // It dies, or gives up; what it sent is still on its way.
            self.role = Role::Idle;
        }
        self.role = match std::mem::replace(&mut self.role, Role::Idle) {
            Role::Idle if rng.u32(0..8) > 0 => Role::Idle,
            Role::Idle => self.start(log),
            Role::Starting { incarnation, reports } => self.look(log, incarnation, reports),
            Role::Serving(term) => term.serve(rng, acknowledged).map_or(Role::Idle, Role::Serving),
        };
    }

    fn start(&mut self, log: &Simulated) -> Role {
        self.attempts += 1;
        let mut incarnation = Incarnation([self.number; 16]);
        incarnation.0[..8].copy_from_slice(&self.attempts.to_le_bytes());
        let (mut producer, reports) = producer(log);
        producer.send(0, Record::TermStarted(incarnation).encode(LOG)).unwrap();
        Role::Starting { incarnation, reports }
    }

    /// Reads up to its own `TermStarted`.
    fn look(&mut self, log: &Simulated, incarnation: Incarnation, reports: Reports) -> Role {
        let settled = !reports.lock().unwrap().is_empty();
        for record in log.read(0, self.reader.cursor().next, usize::MAX).unwrap() {
            let decision = self.reader.step(record.offset, &record.bytes).unwrap();
            if decision != Decision::NewTerm(incarnation) {
                continue;
            }
            let (producer, reports) = producer(log);
            let cursor = self.reader.cursor();
            return Role::Serving(Term {
                acks: Acks::new(record.offset),
                producer,
                reports,
                term: record.offset,
                sequence: cursor.sequence,
                chain: cursor.chain,
                sent: VecDeque::new(),
                ticket: 0,
            });
        }
        if settled { Role::Idle } else { Role::Starting { incarnation, reports } }
    }
}

/// What clients were told: offset and bytes.
type Acknowledged = Vec<(u64, Vec<u8>)>;

impl Term {
    /// `None` when the term is over.
    fn serve(mut self, rng: &mut fastrand::Rng, acknowledged: &mut Acknowledged) -> Option<Term> {
        while let Some(report) = { self.reports.lock().unwrap().pop_front() } {
            match self.acks.report(report) {
                AckStep::Counted { count, offset } => {
                    let first = offset + 1 - count as u64;
                    acknowledged.extend((first..).zip(self.sent.drain(..count)));
                }
                AckStep::Wait => (),
                AckStep::Retake(_) => return None,
                AckStep::Diverged { .. } => panic!("nothing was lost"),
            }
        }
        while self.acks.in_flight() < IN_FLIGHT_MAX && rng.bool() {
            let mut next = commit(self.term, self.sequence + 1, self.chain);
            next.commands = vec![rng.u64(..).to_le_bytes().to_vec()];
            let bytes = bytes_of(&next);
            (self.sequence, self.chain) = (next.sequence, self.chain.after(&bytes));
            self.ticket += 1;
            self.acks.sent(self.ticket);
            self.producer.send(self.ticket, bytes.clone()).unwrap();
            self.sent.push_back(bytes);
        }
        Some(self)
    }
}

/// Runs one seed and returns how much was acknowledged, and how much was skipped.
fn run(seed: u64) -> (usize, usize) {
    let log = Simulated::new(1, seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    open(&log, LOG).unwrap();
    log.set_faults(Faults {
        without_offset: 80,
        ack_lost: 20,
        lost: 20,
        late: 20,
        doubled: 20,
        failed: 20,
        foreign: 20,
        lands: 100,
    });
    let mut acknowledged = Acknowledged::new();
    let mut writers: Vec<Writer> = (0..rng.u8(1..4))
        .map(|number| Writer { number, reader: Reader::new(LOG, 0), attempts: 0, role: Role::Idle })
        .collect();
    for _ in 0..400 {
        let writer = rng.usize(0..writers.len());
        writers[writer].step(&log, &mut rng, &mut acknowledged);
        if rng.bool() {
            log.tick();
        }
    }
    log.flush_all();
    while log.land(0).is_some() {}

    let mut reader = Reader::new(LOG, 0);
    let mut accepted = BTreeMap::new();
    let mut skipped = 0;
    for record in log.read(0, 0, usize::MAX).unwrap() {
        match reader.step(record.offset, &record.bytes).unwrap() {
            Decision::Accepted(_) => drop(accepted.insert(record.offset, record.bytes)),
            Decision::Skipped(_) => skipped += 1,
            Decision::Created | Decision::NewTerm(_) => (),
        }
    }
    for (offset, bytes) in &acknowledged {
        assert_eq!(accepted.get(offset), Some(bytes), "seed {seed}: offset {offset} counts");
    }
    (acknowledged.len(), skipped)
}

#[test]
fn what_was_acknowledged_counts() {
    let (mut acknowledged, mut skipped) = (0, 0);
    for seed in 0..500 {
        let (more_acknowledged, more_skipped) = run(seed);
        acknowledged += more_acknowledged;
        skipped += more_skipped;
    }
    assert!(acknowledged > 10_000 && skipped > 5_000, "{acknowledged} {skipped}");
}
