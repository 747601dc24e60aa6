//! Taking the partition: a `TermStarted`, the state at it from the follower, and what became of the
//! commits of the term before.

use ledger_domain::Timestamp;
use ledger_log::record::Record;
use ledger_log::{
    AckStep, Acks, Cursor, Decision, Incarnation, LogError, Outcome, Producer, Reader, Report,
};

use super::{InFlight, Speculation, Writer, not_recorded};
use crate::link::Handover;
use crate::reply::{Replied, Reply};

/// The longest pause before the first retake; it doubles with every failure.
const BACK_OFF_NS: i64 = 1_000_000;
const BACK_OFF_DOUBLINGS_MAX: u32 = 10;
/// The longest pause before any retake.
const BACK_OFF_NS_MAX: i64 = BACK_OFF_NS << BACK_OFF_DOUBLINGS_MAX;
/// Bytes of the log read at once.
const READ_BYTES_MAX: usize = 4 << 20;

/// Where a writer is with its term.
#[derive(Debug)]
pub(super) enum Phase {
    /// The partition is another server's.
    Standby,
    /// It waits before an attempt; the time is set at the next step.
    Resting { until: Option<Timestamp> },
    /// It sent a `TermStarted`.
    Taking(Taking),
    /// It serves.
    Serving(Serving),
    /// It stopped for good.
    Stopped { reason: String },
}

#[derive(Debug)]
pub(super) struct Taking {
    ticket: u64,
    producer: Box<dyn Producer>,
    /// Whether the log said that it may not have taken it.
    doubtful: bool,
    /// When to try again, once it is doubtful.
    retry_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Serving {
    pub(super) term: u64,
    pub(super) acks: Acks,
    pub(super) producer: Box<dyn Producer>,
    /// Why the log took a record no more, such as a full disk: what is in flight still counts by its
    /// reports, and then the term is over.
    pub(super) refused: Option<String>,
}

impl Taking {
    /// A log that gives the new term an offset that it gave before has lost records.
    pub(super) fn report(&mut self, report: Report, settled: Option<&Cursor>) -> AckStep {
        if report.ticket != self.ticket {
            return AckStep::Wait;
        }
        self.doubtful = matches!(report.outcome, Outcome::Unknown | Outcome::Failed);
        match (report.outcome, settled) {
            (Outcome::Durable(Some(reported)), Some(settled)) if reported < settled.next => {
                AckStep::Diverged { expected: settled.next, reported }
            }
            _ => AckStep::Wait,
        }
    }
}

impl Writer {
    /// Goes on with taking a term; returns when to be called again for it.
    pub(super) fn advance_term(&mut self, now: Timestamp) -> Option<Timestamp> {
        let handover = match &self.phase {
            Phase::Taking(_) => self.parts.link.take_handover(),
            Phase::Standby | Phase::Resting { .. } | Phase::Serving(_) | Phase::Stopped { .. } => {
                None
            }
        };
        if let Some(handover) = handover {
            self.begin_term(handover);
        }
        let until = match &self.phase {
            Phase::Standby | Phase::Serving(_) | Phase::Stopped { .. } => return None,
            Phase::Taking(taking) if !taking.doubtful => return None,
            Phase::Taking(taking) => taking.retry_at,
            Phase::Resting { until } => *until,
        };
        let until = until.unwrap_or_else(|| now.saturating_add(self.pause_ns()));
        // A clock that was set back does not make the pause longer.
        let until = until.min(now.saturating_add(BACK_OFF_NS_MAX));
        if now >= until {
            return self.attempt(now);
        }
        match &mut self.phase {
            Phase::Taking(taking) => taking.retry_at = Some(until),
            phase => *phase = Phase::Resting { until: Some(until) },
        }
        Some(until)
    }

    /// The term is over: what is in flight is settled by the next one.
    pub(super) fn retake(&mut self, why: String) {
        // Said once: a full disk is looked at again and again.
        if why != self.last_error {
            tracing::warn!(partition = self.parts.partition, why, "taking the partition again");
        }
        self.failures = self.failures.saturating_add(1);
        self.last_error = why;
        self.without_offset = 0;
        self.phase = Phase::Resting { until: None };
        self.first_ticket = self.next_ticket;
    }

    /// The log refused a record in this term: the term is over once what went before it is settled.
    pub(super) fn end_refused_term(&mut self) {
        let Phase::Serving(Serving { refused: Some(why), .. }) = &self.phase else { return };
        if self.in_flight.is_empty() {
            self.retake(why.clone());
        }
    }

    /// At random below a bound, so that two writers do not depose each other for ever.
    fn pause_ns(&mut self) -> i64 {
        let bound = BACK_OFF_NS << self.failures.min(BACK_OFF_DOUBLINGS_MAX);
        let [a, b, c, d, e, f, g, h, ..] = (self.parts.entropy)();
        i64::from_le_bytes([a, b, c, d, e, f, g, h]).rem_euclid(bound)
    }

    fn attempt(&mut self, now: Timestamp) -> Option<Timestamp> {
        if matches!(self.phase, Phase::Taking(_)) {
            self.retake("nobody knows whether the log took the new term".into());
            self.let_nobody_wait();
        }
        let incarnation = Incarnation((self.parts.entropy)());
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.first_ticket = ticket;
        self.parts.link.want(incarnation);
        let record = Record::TermStarted(incarnation).encode(self.parts.log_id);
        let sent = self
            .parts
            .backend
            .producer(self.parts.partition, (self.parts.sinks)())
            .and_then(|mut producer| producer.send(ticket, record).map(|()| producer));
        match sent {
            Ok(producer) => {
                self.unwritable = None;
                self.phase =
                    Phase::Taking(Taking { ticket, producer, doubtful: false, retry_at: None });
                None
            }
            Err(error) if error.is_final() => {
                self.stop(error.to_string());
                None
            }
            Err(error) => {
                self.retake(error.to_string());
                self.refuse_queued(&not_recorded(&self.last_error));
                self.unwritable = Some(self.last_error.clone());
                let until = now.saturating_add(self.pause_ns());
                self.phase = Phase::Resting { until: Some(until) };
                Some(until)
            }
        }
    }

    /// The log has not answered twice, and nobody knows when it will: whoever waits may ask again, with the
    /// same ids, and find out as soon as it does.
    fn let_nobody_wait(&mut self) {
        self.refuse_queued(&not_recorded(&self.last_error));
        let reply = Reply::Unknown { reason: self.last_error.clone() };
        for waiting in self.waiting.drain(..) {
            self.replies.push((waiting.token, Replied::of(reply.clone())));
        }
    }

    /// The follower read the log up to our `TermStarted`: the old term is settled, the new one
    /// serves.
    fn begin_term(&mut self, handover: Handover) {
        let settled = match self.settle(&handover.cursor) {
            Ok(settled) => settled,
            Err(error) if error.is_final() => return self.stop(error.to_string()),
            Err(error) => return self.retake(error.to_string()),
        };
        let resting = std::mem::replace(&mut self.phase, Phase::Resting { until: None });
        let Phase::Taking(Taking { ticket, producer, .. }) = resting else {
            panic!("a term begins where it was being taken");
        };
        let Handover { cursor, state } = handover;
        let before = self.settled.replace(cursor.clone());
        let accepted = settled.last().map(|(sequence, _)| *sequence);
        self.fail_waiting(accepted.or(before.map(|cursor| cursor.sequence)).unwrap_or(0));
        // What was accepted is released before the offsets are forgotten.
        for (sequence, offset) in settled {
            self.offsets.push(sequence, offset);
        }
        self.release();
        assert!(self.waiting.is_empty(), "a new term begins with nothing undecided");
        self.in_flight.clear();
        self.recent.clear();
        self.offsets.restart(cursor.sequence + 1);
        self.speculation = Speculation {
            state,
            chain: Some(cursor.chain),
            sequence: cursor.sequence,
            recorded_at: Timestamp::try_from(cursor.recorded_at).unwrap_or(Timestamp::MAX),
        };
        self.first_ticket = ticket + 1;
        let (term, acks) = (cursor.term, Acks::new(cursor.term));
        self.phase = Phase::Serving(Serving { term, acks, producer, refused: None });
        tracing::info!(partition = self.parts.partition, term, "serving");
    }

    /// Replies that were decided upon a commit that failed for ever.
    pub(super) fn fail_waiting(&mut self, accepted: u64) {
        let ready = self.waiting.partition_point(|waiting| waiting.after <= accepted);
        let reply = not_recorded(&self.last_error);
        for failed in self.waiting.drain(ready..) {
            self.replies.push((failed.token, Replied::of(reply.clone())));
        }
    }

    /// Reads what became of the commits in flight; sequence and offset of those that count. It changes
    /// nothing, for a log that cannot be read now is asked again.
    fn settle(&self, until: &Cursor) -> Result<Vec<(u64, u64)>, LogError> {
        let mut accepted = Vec::new();
        let Some(settled) = self.settled.clone() else { return Ok(accepted) };
        let mut in_flight = self.in_flight.iter().peekable();
        let mut reader = Reader::resume(settled);
        while reader.cursor().next < until.next {
            let next = reader.cursor().next;
            let records = self.parts.backend.read(until.partition, next, READ_BYTES_MAX)?;
            if records.is_empty() {
                let what = format!("offset {next} was read before and is not there now");
                return Err(LogError::Diverged { partition: until.partition, what });
            }
            for record in records.iter().take_while(|record| record.offset < until.next) {
                let Decision::Accepted(commit) = reader.step(record.offset, &record.bytes)? else {
                    continue;
                };
                let own = in_flight
                    .next_if(|own| (own.term, own.sequence) == (commit.term, commit.sequence));
                if let Some(InFlight { sequence, after, .. }) = own {
                    self.check_own(*after == reader.cursor().chain, record.offset)?;
                    accepted.push((*sequence, record.offset));
                }
            }
        }
        self.check_own(reader.cursor() == until, until.counted)?;
        Ok(accepted)
    }

    fn check_own(&self, same: bool, offset: u64) -> Result<(), LogError> {
        if same {
            return Ok(());
        }
        let what = format!("offset {offset} holds another record than this writer's");
        Err(LogError::Diverged { partition: self.parts.partition, what })
    }
}
