//! Sends between ledgers, and the accounts in which they are cleared.

use std::collections::BTreeMap;

use super::{
    ASSET, Account, Book, Bound, CAPTURE, Model, Moved, Place, RECEIVE, SEND, Verdict,
    canonical_id, minor_units,
};
use crate::request::{Source, Transfer};

/// The account that clears with another ledger.
fn clearing(ledger: &str) -> String {
    format!("~clearing:{ledger}")
}

/// Ledger and account of a destination.
pub(crate) fn destination(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("ledgers/")?.split_once("/accounts/")
}

/// The ledger on the other side of a transfer.
fn other(transfer: &Transfer) -> Option<&str> {
    match transfer.kind {
        SEND => destination(&transfer.destination).map(|(ledger, _)| ledger),
        RECEIVE => transfer.source.as_ref().map(|source| source.ledger.as_str()),
        _ => None,
    }
}

/// Id of the transfer that ends a send.
pub(crate) fn settlement(send: &str) -> String {
    format!("~settle:{send}")
}

/// Id of the transfer that receives a send.
fn receipt(ledger: &str, send: &str) -> String {
    format!("~from:{ledger}:{send}")
}

impl Book {
    /// Clearing accounts that a batch opens, in the order in which its transfers name them first: those that
    /// its accepted transfers need.
    pub(crate) fn opens(&self, transfers: &[Transfer], verdicts: &[Verdict]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in transfers.iter().filter_map(other).map(clearing) {
            let moves = |(transfer, verdict): (&Transfer, &Verdict)| {
                matches!(verdict, Verdict::Moves(_))
                    && other(transfer).map(clearing).as_ref() == Some(&name)
            };
            let needed = transfers.iter().zip(verdicts).any(moves);
            if needed && !self.accounts.contains_key(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn open_clearing(&mut self, name: String, opened: Place) {
        let rules = vec![(opened, Bound::None)];
        let account =
            Account { opened, kind: ASSET, rules, statuses: Vec::new(), noted: Vec::new() };
        self.accounts.insert(name, account);
    }

    /// As if the account that it needs were there.
    pub(super) fn with_clearing(&mut self, transfer: &Transfer) {
        if let Some(name) = other(transfer).map(clearing)
            && !self.accounts.contains_key(&name)
        {
            self.open_clearing(name, Place::default());
        }
    }

    pub(super) fn sends(&self, past: &Book, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        let (ledger, _) = destination(&transfer.destination).ok_or(0u32)?;
        let leg = Transfer { credit: clearing(ledger), ..transfer.clone() };
        let debit = self.accounts.get(&leg.debit).ok_or(206u32)?;
        past.may_seal([&leg.metadata], None)?;
        self.all_open([debit, &self.accounts[&leg.credit]])?;
        in_time(transfer.deadline, now)?;
        self.open_at(transfer.effective_at)?;
        let (scale, _) = self.assets.get(&leg.asset).ok_or(208u32)?;
        let moved = self.takes(&leg, minor_units(&leg.amount, *scale)?)?;
        Ok(Moved { remaining: moved.amount, ..moved })
    }

    pub(super) fn receives(&self, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        let source = transfer.source.as_ref().ok_or(0u32)?;
        let credit = self.accounts.get(&transfer.credit).ok_or(207u32)?;
        self.all_open([&self.accounts[&transfer.debit], credit])?;
        in_time(transfer.deadline, now)?;
        let (scale, _) = self.assets.get(&transfer.asset).ok_or(208u32)?;
        if *scale != source.scale {
            return Err(247);
        }
        self.takes(transfer, minor_units(&transfer.amount, *scale)?)
    }
}

fn in_time(deadline: Option<i64>, now: i64) -> Result<(), u32> {
    if deadline.is_some_and(|at| at <= now) { Err(246) } else { Ok(()) }
}

/// Every send has come to an end, and what was captured here, and only that, was received there (SG-1, SG-2).
pub(crate) fn all_settled(models: &[&Model]) -> Result<BTreeMap<&'static str, u64>, String> {
    let books = || models.iter().flat_map(|model| &model.books);
    let mut counts = BTreeMap::new();
    for (ledger, book) in books() {
        for (id, send) in &book.transfers {
            let Some(moved) = send.moved.as_ref().filter(|_| send.asked.kind == SEND) else {
                continue;
            };
            let Some(end) = book.transfers.get(&settlement(id)) else {
                return Err(format!("send {id} of {ledger} has no end: {send:?}"));
            };
            let (to, _) = destination(&send.asked.destination).unwrap_or_default();
            let there = books().find(|(name, _)| *name == to).map(|(_, book)| book);
            let received = there.and_then(|book| book.transfers.get(&receipt(ledger, id)));
            let received = received.and_then(|receipt| receipt.moved.as_ref());
            let done = end.moved.is_some() && end.asked.kind == CAPTURE;
            if received.map(|it| it.amount) != done.then_some(moved.amount) {
                return Err(format!("send {id} of {ledger}: {end:?}, received {received:?}"));
            }
            *counts.entry(if done { "saga.done" } else { "saga.compensated" }).or_default() += 1;
        }
        // Nothing else was received.
        for (id, receipt) in &book.transfers {
            let (Some(Source { ledger: from, send, .. }), true) =
                (&receipt.asked.source, receipt.moved.is_some())
            else {
                continue;
            };
            let sent = books().find(|(name, _)| *name == from).map(|(_, book)| book);
            let sent = sent.and_then(|book| book.transfers.get(&canonical_id(send)));
            if sent.is_none_or(|sent| sent.moved.is_none() || sent.asked.kind != SEND) {
                return Err(format!("{ledger} has received {id}, which nobody sent"));
            }
        }
    }
    Ok(counts)
}
