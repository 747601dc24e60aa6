//! The rule by which a writer may acknowledge.

use std::collections::VecDeque;

use crate::backend::{Outcome, Report};

/// Follows the delivery reports of one writer in one term.
///
/// The expected offset is that of its last counted record (at first its `TermStarted`) + 1 + the number
/// of its own records reported without an offset since. A report at the expected offset means that
/// nothing foreign stands between: it counts, and so do those before it. Everything else is settled by
/// a new term, whose `TermStarted` ends the old one for ever: what is read below it as accepted counts,
/// the rest has failed. Reports count in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acks {
    counted: u64,
    in_flight: VecDeque<u64>,
    without_offset: u64,
    settled: bool,
}

/// What a report came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckStep {
    /// The oldest `count` sends in flight count; the newest of them stands at `offset`.
    Counted {
        /// How many.
        count: usize,
        /// Offset of the newest.
        offset: u64,
    },
    /// Nothing to acknowledge yet.
    Wait,
    /// The term is over for this writer: take a new one, then read what became of the rest.
    Retake(Retake),
    /// The log gave an offset that it must have given before: it lost records.
    Diverged {
        /// The least that was possible.
        expected: u64,
        /// What was reported.
        reported: u64,
    },
}

/// Why a term is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retake {
    /// Nobody knows whether a record is in the log.
    Unknown,
    /// A record was refused, so that those behind it cannot count.
    Failed,
    /// Something stands between its records: a newer term, or bytes that do not count.
    Gap,
}

impl Acks {
    /// For a term that started at this offset.
    #[must_use]
    pub fn new(term: u64) -> Self {
        Acks { counted: term, in_flight: VecDeque::new(), without_offset: 0, settled: false }
    }

    /// Notes a send. Tickets ascend.
    pub fn sent(&mut self, ticket: u64) {
        assert!(self.in_flight.back().is_none_or(|last| *last < ticket), "tickets ascend");
        self.in_flight.push_back(ticket);
    }

    /// How many sends are not settled.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Takes a report. After `Retake` or `Diverged` every further report is ignored.
    ///
    /// # Panics
    /// When a report comes out of order: then no offset can be trusted.
    pub fn report(&mut self, report: Report) -> AckStep {
        if self.settled {
            return AckStep::Wait;
        }
        let place = usize::try_from(self.without_offset).unwrap_or(usize::MAX);
        let awaited = self.in_flight.get(place).copied();
        assert_eq!(awaited, Some(report.ticket), "reports come in the order of the sends");
        match report.outcome {
            Outcome::Durable(None) => {
                self.without_offset += 1;
                AckStep::Wait
            }
            Outcome::Durable(Some(offset)) => self.durable_at(offset),
            Outcome::Unknown => self.over(AckStep::Retake(Retake::Unknown)),
            Outcome::Failed => self.over(AckStep::Retake(Retake::Failed)),
        }
    }

    fn durable_at(&mut self, offset: u64) -> AckStep {
        let expected = self.counted + 1 + self.without_offset;
        if offset < expected {
            return self.over(AckStep::Diverged { expected, reported: offset });
        }
        if offset > expected {
            return self.over(AckStep::Retake(Retake::Gap));
        }
        let count = usize::try_from(self.without_offset).unwrap_or(usize::MAX) + 1;
        self.in_flight.drain(..count);
        self.without_offset = 0;
        self.counted = offset;
        AckStep::Counted { count, offset }
    }

    fn over(&mut self, step: AckStep) -> AckStep {
        self.settled = true;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(tickets: u64) -> Acks {
        let mut acks = Acks::new(10);
        (0..tickets).for_each(|ticket| acks.sent(ticket));
        acks
    }

    fn at(ticket: u64, offset: u64) -> Report {
        Report { ticket, outcome: Outcome::Durable(Some(offset)) }
    }

    fn other(ticket: u64, outcome: Outcome) -> Report {
        Report { ticket, outcome }
    }

    #[test]
    fn contiguous_reports_count() {
        let mut acks = acks(2);
        assert_eq!(acks.report(at(0, 11)), AckStep::Counted { count: 1, offset: 11 });
        assert_eq!(acks.report(at(1, 12)), AckStep::Counted { count: 1, offset: 12 });
        assert_eq!(acks.in_flight(), 0);
    }

    #[test]
    fn a_report_without_offset_counts_with_the_next_that_has_one() {
        let mut acks = acks(3);
        assert_eq!(acks.report(other(0, Outcome::Durable(None))), AckStep::Wait);
        assert_eq!(acks.report(other(1, Outcome::Durable(None))), AckStep::Wait);
        assert_eq!(acks.report(at(2, 13)), AckStep::Counted { count: 3, offset: 13 });
    }

    #[test]
    fn a_gap_ends_the_term_and_nothing_counts_after_it() {
        let mut acks = acks(2);
        assert_eq!(acks.report(at(0, 12)), AckStep::Retake(Retake::Gap));
        assert_eq!(acks.report(at(1, 13)), AckStep::Wait);
        assert_eq!(acks.in_flight(), 2);
    }

    #[test]
    fn an_offset_that_was_given_before_is_loss() {
        let mut acks = acks(1);
        assert_eq!(acks.report(at(0, 10)), AckStep::Diverged { expected: 11, reported: 10 });
    }

    #[test]
    fn unknown_and_failed_end_the_term() {
        assert_eq!(acks(1).report(other(0, Outcome::Unknown)), AckStep::Retake(Retake::Unknown));
        assert_eq!(acks(1).report(other(0, Outcome::Failed)), AckStep::Retake(Retake::Failed));
    }
}
