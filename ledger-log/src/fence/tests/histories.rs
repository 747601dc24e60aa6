//! The shortest histories that broke the model when one rule was left out (`fence/model/tests.rs`),
//! played to the module. In the drawings, `T` is a new term, `+` a commit that counts, `z`, `d`, `h` and
//! `f` are skips (zombie, duplicate, hole, foreign), and `!` stops the reader.

use super::*;
use crate::backend::{Outcome, Report};

/// A writer's own view of its term: what it sends next.
struct Term {
    term: u64,
    sequence: u64,
    chain: Chain,
}

impl Term {
    /// Serves upon what this reader read.
    fn upon(reader: &Reader) -> Term {
        let Cursor { term, sequence, chain, .. } = *reader.cursor();
        Term { term, sequence, chain }
    }

    fn commit(&mut self) -> Vec<u8> {
        let bytes = bytes_of(&commit(self.term, self.sequence + 1, self.chain));
        (self.sequence, self.chain) = (self.sequence + 1, self.chain.after(&bytes));
        bytes
    }
}

/// A log that somebody writes, read as it grows.
struct Log {
    records: Vec<Vec<u8>>,
    reader: Reader,
    decided: String,
}

impl Log {
    fn new() -> Log {
        let (records, reader) = (Vec::new(), Reader::new(LOG, PARTITION));
        let mut log = Log { records, reader, decided: String::new() };
        log.land(&created());
        log.decided.clear();
        log
    }

    /// A log in which this writer has just taken the first term, at offset 1.
    fn served() -> (Log, Term) {
        let mut log = Log::new();
        log.land(&started(1));
        let term = Term::upon(&log.reader);
        (log, term)
    }

    /// The reader decides as one that restarts here.
    fn land(&mut self, bytes: &[u8]) {
        let kept = Cursor::decode(&self.reader.cursor().encode()).unwrap();
        let offset = self.records.len() as u64;
        let decision = self.reader.step(offset, bytes);
        assert_eq!(Reader::resume(kept).step(offset, bytes), decision);
        self.decided.push(match decision {
            Ok(Decision::Created) => 'c',
            Ok(Decision::NewTerm(_)) => 'T',
            Ok(Decision::Accepted(_)) => '+',
            Ok(Decision::Skipped(skip)) => skip.name().chars().next().unwrap(),
            Err(error) => {
                assert!(matches!(error, LogError::Diverged { .. }), "{error}");
                '!'
            }
        });
        self.records.push(bytes.to_vec());
    }

    /// Loses its end, and is read anew.
    fn lose(&mut self, end: usize) {
        let kept: Vec<Vec<u8>> = self.records.drain(..).take(end).collect();
        *self = Log::new();
        kept.iter().skip(1).for_each(|bytes| self.land(bytes));
    }
}

fn report(ticket: u64, outcome: Outcome) -> Report {
    Report { ticket, outcome }
}

fn durable_at(ticket: u64, offset: u64) -> Report {
    report(ticket, Outcome::Durable(Some(offset)))
}

/// Reports of one writer, with tickets from 0, in the term that starts at this offset.
fn steps(term: u64, reports: &[Report]) -> Vec<AckStep> {
    let mut acks = Acks::new(term);
    (0..4).for_each(|ticket| acks.sent(ticket));
    reports.iter().map(|report| acks.report(*report)).collect()
}

#[test]
fn a_deposed_writers_commit_is_skipped_and_is_not_acknowledged() {
    let (mut log, mut old) = Log::served();
    log.land(&started(2));
    log.land(&old.commit());
    assert_eq!(log.decided, "TTz");
    assert_eq!(steps(1, &[durable_at(0, 3)]), [AckStep::Retake(Retake::Gap)]);
}

#[test]
fn its_own_term_started_landed_twice_deposes_a_writer() {
    let (mut log, mut old) = Log::served();
    log.land(&started(1));
    log.land(&old.commit());
    assert_eq!(log.decided, "TTz");
    assert_eq!(steps(1, &[durable_at(0, 3)]), [AckStep::Retake(Retake::Gap)]);
}

#[test]
fn a_copy_of_a_commit_is_skipped() {
    let (mut log, mut term) = Log::served();
    let commit = term.commit();
    log.land(&commit);
    log.land(&commit);
    assert_eq!(log.decided, "T+d");
}

#[test]
fn a_commit_that_overtook_another_is_skipped_and_the_other_counts() {
    let (mut log, mut term) = Log::served();
    let (first, second) = (term.commit(), term.commit());
    log.land(&second);
    log.land(&first);
    // Not only up to the next term, or a reader that restarts between the two would decide otherwise.
    assert_eq!(log.decided, "Th+");
}

#[test]
fn foreign_bytes_between_two_commits_in_flight_do_not_part_them() {
    let (mut log, mut term) = Log::served();
    let (first, second) = (term.commit(), term.commit());
    log.land(b"foreign");
    log.land(&first);
    log.land(&second);
    assert_eq!(log.decided, "Tf++");
    let reports = [durable_at(0, 3), durable_at(1, 4)];
    assert_eq!(steps(1, &reports), [AckStep::Retake(Retake::Gap), AckStep::Wait]);
}

#[test]
fn nothing_is_acknowledged_behind_an_unknown_outcome() {
    let (mut log, mut term) = Log::served();
    let (_lost, second) = (term.commit(), term.commit());
    log.land(b"foreign");
    log.land(&second);
    assert_eq!(log.decided, "Tfh");
    // Offset 3 is where the second would stand if the first were at 2.
    let reports = [report(0, Outcome::Unknown), durable_at(1, 3)];
    assert_eq!(steps(1, &reports), [AckStep::Retake(Retake::Unknown), AckStep::Wait]);
}

#[test]
fn an_unknown_commit_may_still_count_until_a_newer_term() {
    let (mut log, mut term) = Log::served();
    let unknown = term.commit();
    assert_eq!(
        steps(1, &[report(0, Outcome::Unknown)]),
        [AckStep::Retake(Retake::Unknown)],
        "which is not: failed"
    );
    log.land(&unknown);
    assert_eq!(log.decided, "T+");

    let (mut log, mut term) = Log::served();
    let unknown = term.commit();
    log.land(&started(2));
    log.land(&unknown);
    assert_eq!(log.decided, "TTz", "now it has failed for ever");
}

#[test]
fn a_late_commit_takes_the_sequence_of_one_sent_after_it() {
    let (mut log, mut term) = Log::served();
    let mut again = Term { ..term };
    let late = term.commit();
    // The same writer goes on in its term as if the first were lost.
    let instead = again.commit();
    log.land(&late);
    log.land(&instead);
    assert_eq!(log.decided, "T+d");
    let reports = [report(0, Outcome::Unknown), durable_at(1, 3)];
    assert_eq!(steps(1, &reports), [AckStep::Retake(Retake::Unknown), AckStep::Wait]);
}

#[test]
fn a_commit_decided_before_its_term_was_read_up_to_does_not_count() {
    let (mut log, mut old) = Log::served();
    let chain = log.reader.cursor().chain_before;
    log.land(&old.commit());
    log.land(&started(2));
    // What its writer knew was the log before either of them.
    let mut unread = Term { term: 3, sequence: 0, chain: chain.after_term(3, &started(2)) };
    log.land(&unread.commit());
    assert_eq!(log.decided, "T+Td");
    let counted = AckStep::Counted { count: 1, offset: 4 };
    assert_eq!(steps(3, &[durable_at(0, 4)]), [counted], "so the reports alone do not tell");
}

#[test]
fn a_commit_of_a_lost_term_stops_the_reader() {
    let (mut log, mut term) = Log::served();
    log.land(&term.commit());
    log.lose(1);
    log.land(&term.commit());
    assert_eq!(log.decided, "!", "though its sequence looks like a hole");
}

#[test]
fn a_commit_upon_a_lost_past_stops_the_reader() {
    let (mut log, mut old) = Log::served();
    log.land(&old.commit());
    log.lose(1);
    // Another writer's term starts at the same offset, and takes the same sequence.
    log.land(&started(2));
    let mut new = Term::upon(&log.reader);
    log.land(&new.commit());
    log.land(&old.commit());
    assert_eq!(log.decided, "T+!");
}
