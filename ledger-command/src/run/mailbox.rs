//! What waits for a writer's thread: requests from clients, reports from the log, words from the
//! follower. The thread takes all of it at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger_domain::Command;
use ledger_log::Report;

use super::Submission;
use super::reply_to::ReplyTo;
use crate::reply::Request;

/// A request and who waits for its reply.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) request: Request,
    pub(super) reply_to: ReplyTo,
}

impl Letter {
    /// What was asked, of one that was not sent; `None` where a call waits for it.
    pub(super) fn take_back(self) -> Option<(Command, Submission, u64)> {
        let Request { command, validate_only, actor, traceparent, .. } = self.request;
        let tag = self.reply_to.take_back()?;
        Some((command, Submission { validate_only, actor, traceparent }, tag))
    }
}

/// What the group wants of a partition here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ownership {
    /// Another server writes it.
    #[default]
    Abandoned,
    /// It is to be given back once what is in flight is answered.
    Revoked,
    /// This server writes it.
    Assigned,
}

/// All that came in since the last look.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) letters: Vec<Letter>,
    pub(super) reports: Vec<Report>,
    /// Stop at once, for this reason.
    pub(super) stop: Option<String>,
    /// No more letters will come: finish.
    pub(super) closing: bool,
    /// What the group wants.
    pub(super) ownership: Ownership,
}

/// Why a letter was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The mailbox of one writer.
#[derive(Debug)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    came: Condvar,
    letters_max: usize,
    transfers_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    letters: Vec<Letter>,
    transfers: usize,
    reports: Vec<Report>,
    stop: Option<String>,
    closing: bool,
    ownership: Ownership,
    /// Something came that is not a letter or a report.
    nudged: bool,
}

impl Mailbox {
    pub(super) fn new(letters_max: usize, transfers_max: usize) -> Self {
        let (inner, came) = (Mutex::default(), Condvar::new());
        Mailbox { inner, came, letters_max, transfers_max }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in, unless too much waits already: then it comes back, with the reason.
    pub(super) fn send(&self, letter: Letter) -> Option<(Letter, Refused)> {
        self.send_all(std::iter::once(letter))
    }

    /// Takes in as many as there is room for, in order; those that are left, and why.
    pub(super) fn send_all(
        &self,
        mut letters: impl Iterator<Item = Letter>,
    ) -> Option<(Letter, Refused)> {
        let mut inner = self.inner();
        let refused = letters.find_map(|letter| self.put(&mut inner, letter));
        drop(inner);
        self.came.notify_one();
        refused
    }

    fn put(&self, inner: &mut Inner, letter: Letter) -> Option<(Letter, Refused)> {
        if inner.closing || inner.stop.is_some() {
            return Some((letter, Refused::Closed));
        }
        let weight = letter.request.weight();
        let some = !inner.letters.is_empty();
        let full = inner.letters.len() >= self.letters_max
            || (some && inner.transfers + weight > self.transfers_max);
        if full {
            return Some((letter, Refused::Full));
        }
        inner.transfers += weight;
        inner.letters.push(letter);
        None
    }

    /// What the group wants of the partition here.
    pub(super) fn set_ownership(&self, ownership: Ownership) {
        self.inner().ownership = ownership;
        self.nudge();
    }

    pub(super) fn report(&self, report: Report) {
        self.inner().reports.push(report);
        self.came.notify_one();
    }

    /// The writer has something to look at elsewhere.
    pub(super) fn nudge(&self) {
        self.inner().nudged = true;
        self.came.notify_one();
    }

    /// No more letters are taken; the writer finishes.
    pub(super) fn close(&self) {
        self.inner().closing = true;
        self.nudge();
    }

    /// No more letters are taken; the writer stops at once. The first reason stands.
    pub(super) fn stop(&self, reason: String) {
        self.inner().stop.get_or_insert(reason);
        self.nudge();
    }

    pub(super) fn ownership(&self) -> Ownership {
        self.inner().ownership
    }

    /// Everything that came, once something did or the time is over; `None` waits for ever.
    pub(super) fn take(&self, at_most: Option<Duration>) -> Mail {
        let quiet = |inner: &mut Inner| {
            inner.letters.is_empty() && inner.reports.is_empty() && !inner.nudged
        };
        let inner = self.inner();
        let mut inner = match at_most {
            None => self.came.wait_while(inner, quiet).unwrap_or_else(PoisonError::into_inner),
            Some(at_most) => {
                let waited = self.came.wait_timeout_while(inner, at_most, quiet);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        inner.nudged = false;
        inner.transfers = 0;
        Mail {
            letters: std::mem::take(&mut inner.letters),
            reports: std::mem::take(&mut inner.reports),
            stop: inner.stop.clone(),
            closing: inner.closing,
            ownership: inner.ownership,
        }
    }
}
