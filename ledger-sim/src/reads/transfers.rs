//! Transfers by their id, what has become of them, and journal entries.

use ledger_domain::Position;
use ledger_proto::{time, v1};

use super::{Level, Reads, decimal_string};
use crate::model::{
    Book, CAPTURE, Decided, Hold, HoldStatus, POST, Place, SEND, canonical_id, decimal, noted,
    settlement,
};
use crate::request::{Source, Transfer};

impl Reads<'_> {
    pub(super) fn transfer(&self, ledger: &str, id: &str, level: Level) -> Result<String, String> {
        let decided = &self.oracle.model.books[ledger].transfers[id];
        let request = v1::GetTransferRequest {
            name: format!("ledgers/{ledger}/transfers/{id}"),
            consistency: Some(level.wire()),
        };
        let response = match self.query.get_transfer(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, decided.first.place),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let (offset, index) = decided.first.place;
        let position = Position::event(self.oracle.partition(), offset, index).to_string();
        let refused = response.refusal.as_ref().map(|refusal| refusal.code);
        let book = &self.oracle.model.books[ledger];
        let found = response.transfer.unwrap_or_default();
        let updated = noted(&decided.updates, bound);
        let updated = updated.map(|(place, _)| self.position(*place)).unwrap_or_default();
        let hold = book.holds.get(id).and_then(|hold| self.hold_state(book, hold, bound));
        let same = decided.first.place <= bound
            && response.position == position
            && refused == decided.first.refused
            && response.hold == hold
            && response.metadata_position == updated
            && self.is_noted(ledger, (&found, decided), bound)
            && response.reversal == self.reversal_state(book, id, bound)
            && is_as_asked(&found, decided)
            && is_as_moved(&found, decided, book);
        if same {
            Ok(format!("transfer {id}"))
        } else {
            let read = (found, response.hold);
            Err(format!("{decided:?} {hold:?}, read {read:?} at {bound:?}"))
        }
    }

    /// What has become of a send.
    pub(super) fn saga(&self, ledger: &str, id: &str, level: Level) -> Result<String, String> {
        let book = &self.oracle.model.books[ledger];
        let sent = &book.transfers[id];
        let request = v1::GetSagaRequest {
            name: format!("ledgers/{ledger}/sagas/{id}"),
            consistency: Some(level.wire()),
        };
        let made = sent.first.place;
        let response = match self.query.get_saga(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, made),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let found = response.saga.unwrap_or_default();
        let at = |(offset, index)| Position::event(self.oracle.partition(), offset, index);
        let end = book.transfers.get(&settlement(id));
        let end = end.filter(|end| end.first.place <= bound);
        let state = match end.map(|end| end.asked.kind) {
            None => v1::SagaState::Open,
            Some(CAPTURE) => v1::SagaState::Done,
            Some(_) => v1::SagaState::Compensated,
        };
        let refusal = found.refusal.as_ref().map(|it| (it.code, it.subject.clone()));
        let settled = end.map(|end| at(end.first.place).to_string()).unwrap_or_default();
        let same = made <= bound
            && found.state() == state
            && found.position == at(made).to_string()
            && found.settled_position == settled
            && refusal == end.and_then(|end| end.asked.refused.clone())
            && found.send.as_ref().is_some_and(|send| {
                is_as_asked(send, sent)
                    && is_as_moved(send, sent, book)
                    && self.is_noted(ledger, (send, sent), bound)
            });
        if same {
            return Ok(format!("saga {id}"));
        }
        Err(format!("{sent:?}, {end:?}, read {found:?} at {bound:?}"))
    }

    /// Whether it began a saga.
    pub(super) fn is_saga(decided: &Decided) -> bool {
        decided.asked.kind == SEND && decided.moved.is_some()
    }

    /// What of a transfer was reversed at a place.
    fn reversal_state(&self, book: &Book, id: &str, bound: Place) -> Option<v1::ReversalState> {
        let moved = book.transfers[id].moved.as_ref()?;
        let parts = book.reversals.get(id)?.iter().rev().filter(|(place, ..)| *place <= bound);
        let parts: Vec<_> = parts.collect();
        let ((offset, index), ..) = parts.first()?;
        let scale = book.assets[&moved.asset].0;
        let reversed = parts.iter().map(|(_, _, part)| part).sum();
        Some(v1::ReversalState {
            reversed: decimal_string(reversed, scale),
            remaining: decimal_string(moved.amount - reversed, scale),
            reversal_ids: parts.iter().take(100).map(|(_, id, _)| id.clone()).collect(),
            position: Position::event(self.oracle.partition(), *offset, *index).to_string(),
        })
    }

    /// Each transfer of a journal entry, as it is read by itself.
    pub(super) fn journal_entry(
        &self,
        ledger: &str,
        id: &str,
        level: Level,
    ) -> Result<String, String> {
        let book = &self.oracle.model.books[ledger];
        let transfers = &book.entries[id];
        let request = v1::GetJournalEntryRequest {
            name: format!("ledgers/{ledger}/journalEntries/{id}"),
            consistency: Some(level.wire()),
        };
        let response = match self.query.get_journal_entry(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, transfers[0].0),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let shown: Vec<_> = transfers.iter().filter(|(place, _)| *place <= bound).collect();
        if shown.len() != response.transfers.len() {
            return Err(format!("{transfers:?}, read {response:?} at {bound:?}"));
        }
        for ((place, id), read) in shown.into_iter().zip(&response.transfers) {
            let decided = &book.transfers[id];
            let found = read.transfer.clone().unwrap_or_default();
            let hold = book.holds.get(id).and_then(|hold| self.hold_state(book, hold, bound));
            let (offset, index) = *place;
            let same = read.hold == hold
                && read.reversal == self.reversal_state(book, id, bound)
                && read.position
                    == Position::event(self.oracle.partition(), offset, index).to_string()
                && is_as_asked(&found, decided)
                && self.is_noted(ledger, (&found, decided), bound)
                && is_as_moved(&found, decided, book);
            if !same {
                return Err(format!("{decided:?}, read {read:?} at {bound:?}"));
            }
        }
        Ok(format!("journal entry {id}"))
    }

    /// What is of a hold at a place.
    fn hold_state(&self, book: &Book, hold: &Hold, bound: Place) -> Option<v1::HoldState> {
        let version = hold.versions.iter().rfind(|version| version.place <= bound)?;
        let scale = book.assets[&hold.asset].0;
        let status = match version.status {
            HoldStatus::Open => v1::HoldStatus::Open,
            HoldStatus::Captured => v1::HoldStatus::Captured,
            HoldStatus::Voided => v1::HoldStatus::Voided,
            HoldStatus::Expired => v1::HoldStatus::Expired,
        };
        let (offset, index) = version.place;
        Some(v1::HoldState {
            status: status.into(),
            captured: decimal_string(version.captured, scale),
            remaining: decimal_string(version.remaining, scale),
            released: decimal_string(version.released, scale),
            position: Position::event(self.oracle.partition(), offset, index).to_string(),
        })
    }
}

/// What a client says of a transfer is shown as it said it, accepted or refused.
fn is_as_asked(found: &v1::Transfer, decided: &Decided) -> bool {
    let asked = &decided.asked;
    found.kind == asked.kind.max(POST)
        && canonical_id(&asked.id) == found.transfer_id
        && canonical_id(&asked.hold) == found.hold_id
        && canonical_id(&asked.reverses) == found.reversed_id
        && canonical_id(&asked.entry) == found.entry_id
        && asked.linked == found.linked
        && found.reference == asked.reference
        && found.effective_time == asked.effective_at.map(time::to_wire)
        && found.expire_time == asked.expires_at.map(time::to_wire)
        && found.up_to == asked.up_to
        && found.destination == asked.destination
        && found.deadline == asked.deadline.map(time::to_wire)
        && found.source == source(asked)
        && found.refused.as_ref().map(|it| (it.code, it.subject.clone())) == asked.refused
}

fn source(asked: &Transfer) -> String {
    let of = |source: &Source| format!("ledgers/{}/transfers/{}", source.ledger, source.send);
    asked.source.as_ref().map(of).unwrap_or_default()
}

/// Accounts, asset and amounts are what it came to; of a refused one, what was asked for.
fn is_as_moved(found: &v1::Transfer, decided: &Decided, book: &Book) -> bool {
    let asked = &decided.asked;
    match &decided.moved {
        Some(moved) => {
            let scale = book.assets[&moved.asset].0;
            let up_to = moved.up_to.map(|up_to| decimal_string(up_to, scale));
            found.debit_account == moved.debit
                && found.credit_account == moved.credit
                && found.asset == moved.asset
                && found.amount == decimal_string(moved.amount, scale)
                && found.asked_amount == up_to.unwrap_or_default()
        }
        None => {
            found.debit_account == asked.debit
                && found.credit_account == asked.credit
                && found.asset == asked.asset
                && decimal(&found.amount) == decimal(&asked.amount)
                && found.asked_amount.is_empty()
        }
    }
}
