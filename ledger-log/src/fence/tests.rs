//! The accept rule, rule by rule, and against a naive reading of a whole log.

mod histories;
mod writers;

use super::*;
use crate::Cursor;
use crate::log::LogError;
use crate::record::{Chain, Commit, FORMAT, HASH, Incarnation, LogId, Record};

const LOG: LogId = LogId([7; 16]);
const PARTITION: u32 = 3;

fn created() -> Vec<u8> {
    let hash = HASH.to_owned();
    Record::LogCreated { format: FORMAT, partition: PARTITION, partition_count: 8, hash }
        .encode(LOG)
}

fn started(who: u8) -> Vec<u8> {
    Record::TermStarted(Incarnation([who; 16])).encode(LOG)
}

fn commit(term: u64, sequence: u64, prev_hash: Chain) -> Commit {
    Commit { term, sequence, recorded_at: 1_000 + sequence, prev_hash, commands: vec![vec![9]] }
}

fn bytes_of(commit: &Commit) -> Vec<u8> {
    Record::Commit(commit.clone()).encode(LOG)
}

/// At offset 4: record 0, a term at 1, sequences 1 and 2 accepted at 2 and 3.
fn grown() -> Reader {
    let mut reader = Reader::new(LOG, PARTITION);
    assert_eq!(reader.step(0, &created()), Ok(Decision::Created));
    assert_eq!(reader.step(1, &started(1)), Ok(Decision::NewTerm(Incarnation([1; 16]))));
    for (offset, sequence) in [(2, 1), (3, 2)] {
        let next = commit(1, sequence, reader.cursor().chain);
        assert_eq!(reader.step(offset, &bytes_of(&next)), Ok(Decision::Accepted(next)));
    }
    reader
}

#[test]
fn what_counts_moves_the_chain() {
    let mut chain = Chain::START.after(&created());
    chain = chain.after_term(1, &started(1));
    let first = bytes_of(&commit(1, 1, chain));
    let before = chain.after(&first);
    let second = bytes_of(&commit(1, 2, before));
    let cursor = Cursor {
        log_id: LOG,
        partition: PARTITION,
        next: 4,
        term: 1,
        sequence: 2,
        recorded_at: 1_002,
        chain: before.after(&second),
        counted: 3,
        chain_before: before,
    };
    assert_eq!(*grown().cursor(), cursor);
}

#[test]
fn what_does_not_count_moves_only_the_position() {
    let now = grown().cursor().clone();
    let other_log = Record::Commit(commit(1, 3, now.chain)).encode(LogId([8; 16]));
    for (bytes, skip) in [
        (b"{\"json\":true}".to_vec(), Skip::Foreign),
        (vec![], Skip::Foreign),
        (other_log, Skip::Foreign),
        (Record::TermStarted(Incarnation([1; 16])).encode(LogId([8; 16])), Skip::Foreign),
        (created(), Skip::Foreign),
        (bytes_of(&commit(0, 3, now.chain)), Skip::Zombie),
        (bytes_of(&commit(1, 2, now.chain_before)), Skip::Duplicate),
        (bytes_of(&commit(1, 0, now.chain)), Skip::Duplicate),
        (bytes_of(&commit(1, 4, now.chain)), Skip::Hole),
        // In the rule's order: what is skipped is skipped whatever its past.
        (bytes_of(&commit(0, 9, Chain::START)), Skip::Zombie),
        (bytes_of(&commit(1, 1, Chain::START)), Skip::Duplicate),
        (bytes_of(&commit(1, 9, Chain::START)), Skip::Hole),
    ] {
        let mut reader = grown();
        assert_eq!(reader.step(4, &bytes), Ok(Decision::Skipped(skip)));
        assert_eq!(*reader.cursor(), Cursor { next: 5, ..now.clone() }, "{skip:?}");
    }
}

#[test]
fn a_new_term_makes_zombies_of_the_old_one() {
    let mut reader = grown();
    let chain = reader.cursor().chain;
    let late = bytes_of(&commit(1, 3, chain));
    assert_eq!(reader.step(4, &started(2)), Ok(Decision::NewTerm(Incarnation([2; 16]))));
    assert_eq!(reader.cursor().chain, chain.after_term(4, &started(2)));
    assert_eq!((reader.cursor().term, reader.cursor().counted), (4, 4));
    assert_eq!(reader.step(5, &late), Ok(Decision::Skipped(Skip::Zombie)));
    let next = commit(4, 3, reader.cursor().chain);
    assert_eq!(reader.step(6, &bytes_of(&next)), Ok(Decision::Accepted(next)));
    // The same TermStarted twice starts two terms: its offset tells them apart.
    assert_eq!(reader.step(7, &started(2)), Ok(Decision::NewTerm(Incarnation([2; 16]))));
    assert_eq!(reader.cursor().term, 7);
}

#[test]
fn what_cannot_be_stops_the_reader_before_it() {
    let now = grown().cursor().clone();
    let unknown = Record::Commit(commit(1, 3, now.chain)).encode(LOG)[..23].to_vec();
    assert_eq!(Record::decode(&unknown), Ok((LOG, Record::Unknown)));
    for (offset, bytes, diverged, says) in [
        (4, bytes_of(&commit(2, 3, now.chain)), true, "later term than 1"),
        (4, bytes_of(&commit(2, 1, Chain::START)), true, "later term than 1"),
        (4, bytes_of(&commit(1, 3, now.chain_before)), true, "another past"),
        (4, bytes_of(&commit(1, 3, Chain::START)), true, "another past"),
        (
            5,
            bytes_of(&commit(1, 3, now.chain)),
            true,
            "offset 4 is missing, the next record is at 5",
        ),
        (
            3,
            bytes_of(&commit(1, 3, now.chain)),
            true,
            "offset 4 is missing, the next record is at 3",
        ),
        (4, unknown, false, "partition 3 offset 4 is of a kind"),
    ] {
        let mut reader = grown();
        let error = reader.step(offset, &bytes).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(matches!(error, LogError::Diverged { partition: PARTITION, .. }), diverged);
        assert_eq!(matches!(error, LogError::Mismatch { .. }), !diverged);
        assert_eq!(*reader.cursor(), now, "it stays before it: {says}");
        assert_eq!(reader.step(offset, &bytes), Err(error), "and says so again");
    }
}

/// Records as a careless world writes them: most count, some do not, one in a while cannot be.
fn random_log(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(LOG, PARTITION);
    let mut log = vec![created()];
    let mut earlier: Vec<Vec<u8>> = Vec::new();
    drop(reader.step(0, &log[0]));
    for offset in 1..rng.u64(2..60) {
        let cursor = reader.cursor();
        let (term, sequence, chain) = (cursor.term, cursor.sequence, cursor.chain);
        let bytes = match rng.u32(0..100) {
            0..60 => bytes_of(&commit(term, sequence + 1, chain)),
            60..72 => started(rng.u8(..)),
            72..80 => vec![rng.u8(..); rng.usize(0..9)],
            80..88 if !earlier.is_empty() => earlier[rng.usize(0..earlier.len())].clone(),
            88..92 => bytes_of(&commit(term, sequence + 2, chain)),
            92..96 => bytes_of(&commit(term.saturating_sub(1), sequence + 1, chain)),
            96 => bytes_of(&commit(term + 1, sequence + 1, chain)),
            97 => bytes_of(&commit(term, sequence + 1, Chain([1; 32]))),
            _ => Record::TermStarted(Incarnation([0; 16])).encode(LogId([9; 16])),
        };
        drop(reader.step(offset, &bytes));
        earlier.push(bytes.clone());
        log.push(bytes);
    }
    log
}

/// The rule read off the whole past each time, without a cursor: which commits count so far?
fn naive(log: &[Vec<u8>]) -> Vec<(usize, u64)> {
    let (mut term, mut chain, mut counted) = (0u64, Chain::START, Vec::new());
    for (offset, bytes) in log.iter().enumerate() {
        match Record::decode(bytes) {
            Ok((LOG, Record::LogCreated { .. })) if offset == 0 => chain = chain.after(bytes),
            Ok((LOG, Record::TermStarted(_))) => {
                term = offset as u64;
                chain = chain.after_term(term, bytes);
            }
            Ok((LOG, Record::Commit(c))) if c.term > term => break,
            Ok((LOG, Record::Commit(c)))
                if c.term == term && c.sequence == counted.len() as u64 + 1 =>
            {
                if c.prev_hash != chain {
                    break;
                }
                chain = chain.after(bytes);
                counted.push((offset, c.sequence));
            }
            _ => (),
        }
    }
    counted
}

#[test]
fn random_logs_count_as_a_naive_reading_says_and_restarts_change_nothing() {
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut accepted, mut skipped, mut stopped) = (0, 0, 0);
    for _ in 0..2_000 {
        let log = random_log(&mut rng);
        let mut reader = Reader::new(LOG, PARTITION);
        let mut counted = Vec::new();
        for (offset, bytes) in log.iter().enumerate() {
            // One that restarts here from what was kept decides as one that did not.
            let kept = Cursor::decode(&reader.cursor().encode()).unwrap();
            let mut restarted = Reader::resume(kept);
            let decision = reader.step(offset as u64, bytes);
            assert_eq!(restarted.step(offset as u64, bytes), decision);
            assert_eq!(restarted, reader);
            match decision {
                Ok(Decision::Accepted(c)) => counted.push((offset, c.sequence)),
                Ok(Decision::Skipped(_)) => skipped += 1,
                Ok(Decision::Created | Decision::NewTerm(_)) => (),
                Err(_) => {
                    stopped += 1;
                    break;
                }
            }
        }
        assert_eq!(counted, naive(&log));
        let gapless = counted.iter().map(|(_, sequence)| *sequence);
        assert!(gapless.eq(1..=counted.len() as u64), "LG-2");
        accepted += counted.len();
    }
    assert!(
        accepted > 10_000 && skipped > 5_000 && stopped > 200,
        "{accepted} {skipped} {stopped}"
    );
}
