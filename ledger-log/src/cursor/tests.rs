//! What a cursor keeps, and each way in which a log can differ from it.

use super::*;
use crate::backend::{Backend, Producer, RawRecord, ReportSink};
use crate::fence::Reader;
use crate::record::{Commit, FORMAT, HASH, Incarnation, Record};
use crate::simulated::Simulated;

const LOG: LogId = LogId([7; 16]);

#[test]
fn reads_back_and_its_bytes_are_golden() {
    let cursor = Cursor {
        log_id: LogId([1; 16]),
        partition: 2,
        next: 3,
        term: 4,
        sequence: 5,
        recorded_at: 6,
        chain: Chain([7; 32]),
        counted: 8,
        chain_before: Chain([9; 32]),
    };
    let bytes = cursor.encode();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("../../golden/cursor.hex").trim());
    assert_eq!(Cursor::decode(&bytes), Some(cursor));
    assert_eq!(Cursor::decode(&bytes[1..]), None);
    assert_eq!(Cursor::decode(&[&bytes[..], &[0]].concat()), None);
    assert_eq!(Cursor::decode(&[]), None);
    let mut other_version = bytes;
    other_version[0] = 2;
    assert_eq!(Cursor::decode(&other_version), None);
}

/// A log of record 0, a term, two commits, foreign bytes and a second term, with the cursor that a
/// reader has before each offset.
fn log() -> (Simulated, Vec<Cursor>) {
    let log = Simulated::new(1, 0);
    let mut reader = Reader::new(LOG, 0);
    let mut cursors = vec![reader.cursor().clone()];
    for offset in 0..6 {
        let Cursor { term, sequence, chain, .. } = *reader.cursor();
        let record = match offset {
            0 => {
                let (partition_count, hash) = (1, HASH.to_owned());
                Record::LogCreated { format: FORMAT, partition: 0, partition_count, hash }
            }
            1 | 5 => Record::TermStarted(Incarnation([offset as u8; 16])),
            _ => Record::Commit(Commit {
                term,
                sequence: sequence + 1,
                recorded_at: offset,
                prev_hash: chain,
                commands: vec![vec![1; 8]],
            }),
        };
        let bytes = if offset == 4 { b"foreign".to_vec() } else { record.encode(LOG) };
        assert_eq!(log.inject(0, bytes.clone()), offset);
        reader.step(offset, &bytes).unwrap();
        cursors.push(reader.cursor().clone());
    }
    (log, cursors)
}

fn diverged(cursor: &Cursor, log: &Simulated, log_id: LogId) -> String {
    match cursor.verify(log, log_id) {
        Err(LogError::Diverged { partition: 0, what }) => what,
        other => panic!("not diverged: {other:?}"),
    }
}

#[test]
fn the_same_log_verifies_from_every_place() {
    let (log, cursors) = log();
    let counted: Vec<u64> = cursors.iter().map(|cursor| cursor.counted).collect();
    assert_eq!(counted, [0, 0, 1, 2, 3, 3, 5], "a TermStarted may be the last that counted");
    for cursor in &cursors {
        assert_eq!(cursor.verify(&log, LOG), Ok(()), "{cursor:?}");
    }
}

#[test]
fn a_shorter_log_has_diverged_and_both_ends_are_named() {
    let (log, cursors) = log();
    for end in (0..6u64).rev() {
        log.truncate(0, end);
        for cursor in &cursors {
            if cursor.next <= end {
                assert_eq!(cursor.verify(&log, LOG), Ok(()));
                continue;
            }
            let what = diverged(cursor, &log, LOG);
            let both = format!("read up to offset {}, the log ends at {end}", cursor.next);
            assert!(what.contains(&both), "{what}");
        }
    }
}

#[test]
fn another_log_has_diverged() {
    let (log, cursors) = log();
    let other = LogId([8; 16]);
    for cursor in &cursors {
        let what = diverged(cursor, &log, other);
        assert!(what.contains(&LOG.to_string()) && what.contains(&other.to_string()), "{what}");
    }
}

#[test]
fn another_log_in_its_place_has_diverged_though_its_last_record_is_the_same() {
    let (log, cursors) = log();
    let other = LogId([8; 16]);
    let hash = HASH.to_owned();
    let first = Record::LogCreated { format: FORMAT, partition: 0, partition_count: 1, hash };
    log.rewrite(0, 0, first.encode(other));
    for cursor in cursors.iter().filter(|cursor| cursor.next > 0) {
        let what = diverged(cursor, &log, LOG);
        let named = format!("up to offset {}, log {other} stands in its place", cursor.next);
        assert!(what.contains(&named), "{what}");
    }
}

#[test]
fn other_bytes_at_the_last_counted_record_have_diverged() {
    for at in [0, 1, 2, 3, 5] {
        let (log, cursors) = log();
        let bytes = log.read(0, at, 1).unwrap().remove(0).bytes;
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            log.rewrite(0, at, other);
            for cursor in cursors.iter().filter(|c| c.next > 0) {
                if cursor.counted == at {
                    let what = diverged(cursor, &log, LOG);
                    let named = format!("offset {at} holds another record");
                    assert!(what.contains(&named) || at == 0, "{what}");
                } else if at > 0 {
                    assert_eq!(cursor.verify(&log, LOG), Ok(()), "only the last is compared");
                }
            }
        }
        log.rewrite(0, at, bytes);
        log.flip_bit(0, at, 3);
        let cursor = cursors.iter().find(|c| c.next > 0 && c.counted == at).unwrap();
        let damaged = cursor.verify(&log, LOG);
        assert!(matches!(damaged, Err(LogError::Damaged { offset, .. }) if offset == at));
    }
}

#[test]
fn a_term_that_started_elsewhere_has_diverged() {
    let (log, cursors) = log();
    // The same TermStarted one offset later, where foreign bytes stood before it.
    let started = log.read(0, 5, 1).unwrap().remove(0).bytes;
    log.truncate(0, 5);
    log.inject(0, b"foreign too".to_vec());
    log.inject(0, started);
    let last = cursors.last().unwrap();
    assert_eq!(last.counted, 5);
    diverged(last, &log, LOG);
    let moved = Cursor { counted: 6, next: 7, ..last.clone() };
    diverged(&moved, &log, LOG);
}

/// A log that does not give one of its records, for it is slow, or away.
#[derive(Debug)]
struct Withholds(Simulated, u64);

impl Backend for Withholds {
    fn partition_count(&self) -> u32 {
        self.0.partition_count()
    }

    fn record_bytes_max(&self) -> usize {
        self.0.record_bytes_max()
    }

    fn create(&self, partition: u32, record: Vec<u8>) -> Result<(), LogError> {
        self.0.create(partition, record)
    }

    fn producer(&self, partition: u32, reports: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        self.0.producer(partition, reports)
    }

    fn read(&self, partition: u32, from: u64, max: usize) -> Result<Vec<RawRecord>, LogError> {
        if from == self.1 { Ok(Vec::new()) } else { self.0.read(partition, from, max) }
    }

    fn end(&self, partition: u32) -> Result<u64, LogError> {
        self.0.end(partition)
    }

    fn wait(&self, partition: u32, from: u64, at_most: std::time::Duration) {
        self.0.wait(partition, from, at_most);
    }
}

#[test]
fn a_record_that_is_not_given_has_not_diverged() {
    let last = log().1.pop().unwrap();
    for withheld in [0, last.counted] {
        let log = Withholds(log().0, withheld);
        let said = last.verify(&log, LOG).unwrap_err();
        let named = format!("offset {withheld}: below the end");
        assert!(!said.is_final() && said.to_string().contains(&named), "{said}");
    }
    // An end that is really below is another thing.
    let log = Withholds(log().0, 5);
    log.0.truncate(0, 5);
    assert!(matches!(last.verify(&log, LOG), Err(LogError::Diverged { .. })));
}
