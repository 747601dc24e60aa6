//! Batches from a desk that keeps the ids as the writer does: groups, journal entries and reversals as
//! tables.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::decide::{Original, Posted, Prior, Seen};
use crate::event::{Effect, Row};
use crate::metadata::{Metadata, MetadataTarget};
use crate::rejection::Code;
use crate::state::LedgerHandle;

/// A ledger "bank" and all that is known of its ids.
pub(super) struct Desk {
    pub(super) state: State,
    decided: BTreeMap<Id, (Transfer, Option<Code>)>,
    originals: BTreeMap<Id, Original>,
    entries: BTreeSet<Id>,
    noted: BTreeMap<Id, Metadata>,
}

impl Desk {
    /// Accounts `cash` (asset), `a`, `b` and `c` (liabilities), and `world` (equity that may go negative).
    pub(super) fn open() -> Self {
        let mut state = State::default();
        for line in [
            "create bank",
            "asset bank USD 2",
            "open bank cash asset",
            "open bank a liability",
            "open bank b liability",
            "open bank c liability",
            "open bank world equity negative",
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
        }
        let (decided, originals, entries, noted) = <_>::default();
        Desk { state, decided, originals, entries, noted }
    }

    /// Runs a script, a batch a line: transfers between `;`, then `=>` and an outcome for each. A transfer
    /// is `ID post|hold DEBIT CREDIT AMOUNT`, `ID capture HOLD [AMOUNT]`, `ID void HOLD` or `ID reverse OF
    /// [AMOUNT]`, with `+` behind it when it is linked with the next, or `in ENTRY`, or `with KEY=VALUE..`.
    /// `note ID KEY=VALUE..` and `noted ID` are about the metadata of a transfer. Outcomes are `ok`, a
    /// refusal (`first CODE` for a first one), `first ok`, `repeats N` or `differs in FIELD`. Other lines
    /// are those of `run`. Alerts that cross are said behind the outcomes, as there.
    pub(super) fn check(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (left, expected) = line.split_once("=>").expect("a line is `what => result`");
            let words: Vec<&str> = left.split_whitespace().collect();
            let is_other =
                ["balance", "freeze", "unfreeze", "close", "at", "alert"].contains(&words[0]);
            let found = match words[0] {
                "note" => self.note(words[1], &words[2..]),
                "noted" => metadata::show(&self.noted[&Id::parse(words[1]).unwrap()]),
                _ if is_other => run(&mut self.state, &words, 0),
                _ => self.send(left.split(';').map(parse).collect()).join("; "),
            };
            let expected: Vec<&str> = expected.split_whitespace().collect();
            assert_eq!(found, expected.join(" "), "{line}");
            assert_eq!(invariants::check(&self.state), [], "{line}");
        }
    }

    /// Decides a batch, applies it and remembers it.
    pub(super) fn send(&mut self, transfers: Vec<Transfer>) -> Vec<String> {
        let known = self.look_up(&transfers);
        let ledger = LedgerName::parse("bank").unwrap();
        let body = CommandBody::PostTransfers { transfers };
        let conditions = Vec::new();
        let command = Command { ledger, request_id: None, conditions, body };
        let decision = decide(&self.state, &command, &known, self.state.recorded_at());
        for event in &decision.events {
            self.remember(event);
            let now = self.state.recorded_at();
            apply(&mut self.state, event, now);
        }
        let Outcome::Items(items) = decision.outcome else { panic!("a batch has items") };
        let crossed = decision.events.iter().filter_map(alerts::say);
        items.iter().map(say).chain(crossed).collect()
    }

    fn note(&mut self, id: &str, words: &[&str]) -> String {
        let body = metadata::update(&format!("~{id}"), words);
        let noted = self.noted.get(&Id::parse(id).unwrap()).cloned();
        let known: Vec<Seen> = noted.map(Seen::Noted).into_iter().collect();
        let (ledger, conditions) = (LedgerName::parse("bank").unwrap(), Vec::new());
        let command = Command { ledger, request_id: None, conditions, body };
        let decision = decide(&self.state, &command, &known, self.state.recorded_at());
        let [event] = decision.events.as_slice() else { panic!("{:?}", decision.events) };
        let now = self.state.recorded_at();
        apply(&mut self.state, event, now);
        let Event::MetadataChanged { target, changes, others, .. } = event else {
            let Outcome::Refused(rejection) = decision.outcome else { panic!("{event:?}") };
            return rejection.to_string();
        };
        let id = Id::parse(id).unwrap();
        assert_eq!(*target, MetadataTarget::Transfer(id.clone()));
        // The event alone tells what is noted now.
        self.noted.insert(id, others.after(changes));
        "ok".into()
    }

    fn look_up(&self, transfers: &[Transfer]) -> Vec<Seen> {
        let seen = |(place, transfer): (usize, &Transfer)| {
            if let Some((first, refused)) = self.decided.get(&transfer.id) {
                let same_content = first == transfer;
                let refused = *refused;
                let (offset, index, recorded_at) = (0, 0, 0);
                return Seen::Before(Prior { offset, index, recorded_at, same_content, refused });
            }
            let above = transfers[..place].iter().position(|above| above.id == transfer.id);
            if let Some(item) = above {
                return Seen::Above { item, same_content: transfers[item] == *transfer };
            }
            if transfer.link.entry().is_some_and(|entry| self.entries.contains(entry)) {
                return Seen::EntryTaken;
            }
            match transfer.movement.reverses() {
                None => Seen::New,
                Some(of) => {
                    Seen::NewReversal(*self.originals.get(of).unwrap_or(&Original::Unknown))
                }
            }
        };
        transfers.iter().enumerate().map(seen).collect()
    }

    fn remember(&mut self, event: &Event) {
        let Event::TransferBatch(batch) = event else {
            return assert!(alerts::say(event).is_some(), "{event:?}");
        };
        assert_eq!(batch.ledger, LedgerHandle(0));
        for (_, row) in batch.iter() {
            match row {
                Row::Refused(refused) => {
                    let content = (refused.transfer.clone(), Some(refused.rejection.code));
                    let before = self.decided.insert(refused.transfer.id.clone(), content);
                    assert_eq!(before, None, "LD-4");
                }
                Row::Accepted(accepted) => {
                    let content = (as_asked(&self.state, accepted), None);
                    assert_eq!(self.decided.insert(accepted.id.clone(), content), None, "LD-4");
                    self.originals.insert(accepted.id.clone(), Original::of(accepted));
                    self.noted.insert(accepted.id.clone(), accepted.metadata.clone());
                    self.entries.extend(accepted.link.entry().cloned());
                    if let Effect::Reversal(reversal) = &accepted.effect {
                        let Some(Original::Posted(of)) = self.originals.get(&reversal.of) else {
                            panic!("{} reverses what it may not", accepted.id);
                        };
                        let of = Posted { left: of.left - accepted.amount, ..*of };
                        assert_eq!(of.left, reversal.remaining);
                        self.originals.insert(reversal.of.clone(), Original::Posted(of));
                    }
                }
            }
        }
    }
}

/// The transfer that was accepted, by names.
fn as_asked(state: &State, accepted: &crate::AcceptedTransfer) -> Transfer {
    let name = |handle| state.account(handle).unwrap().name.clone();
    let amount = Decimal::from_minor(accepted.asked(), 2);
    let leg = Leg {
        debit_account: name(accepted.debit_account),
        credit_account: name(accepted.credit_account),
        asset: AssetCode::parse("USD").unwrap(),
        amount,
        up_to: accepted.up_to.is_some(),
    };
    let part = (!accepted.effect.is_rest()).then_some(amount);
    let movement = match &accepted.effect {
        Effect::Post => Movement::Post(leg),
        Effect::Hold { expires_at } => Movement::Hold { leg, expires_at: *expires_at },
        Effect::Capture(capture) => Movement::Capture { hold: capture.hold.clone(), amount: part },
        Effect::Void { hold, refused } => {
            Movement::Void { hold: (**hold).clone(), refused: refused.clone() }
        }
        Effect::Send(_) | Effect::Receive(_) => panic!("a desk sends nothing"),
        Effect::Reversal(reversal) => Movement::Reversal { of: reversal.of.clone(), amount: part },
    };
    let crate::AcceptedTransfer { id, reference, effective_at, link, metadata, .. } =
        accepted.clone();
    Transfer { id, movement, reference, effective_at, link, metadata }
}

fn say(item: &ItemOutcome) -> String {
    match item {
        ItemOutcome::Accepted { .. } => "ok".into(),
        ItemOutcome::Refused { rejection, .. } => rejection.to_string(),
        ItemOutcome::NotRecorded { rejection } => rejection.to_string(),
        ItemOutcome::Before(Prior { same_content: false, .. }) => "other content".into(),
        ItemOutcome::Before(Prior { refused: None, .. }) => "first ok".into(),
        ItemOutcome::Before(Prior { refused: Some(code), .. }) => format!("first {code}"),
        ItemOutcome::Repeats { item } => format!("repeats {item}"),
        ItemOutcome::Reuses { field, .. } => format!("differs in {field}"),
    }
}

pub(super) fn parse(text: &str) -> Transfer {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (words, metadata) = metadata::split(&words);
    let (words, link) = match words {
        [words @ .., "+"] => (words, Link::Next),
        [words @ .., "in", entry] => (words, Link::Entry(Box::new(Id::parse(entry).unwrap()))),
        words => (words, Link::Alone),
    };
    let part = |amount: &[&str]| amount.first().map(|amount| Decimal::parse(amount).unwrap());
    let (id, movement) = match words {
        [id, "post", debit, credit, amount] => {
            (id, Movement::Post(leg(debit, credit, "USD", amount)))
        }
        [id, "hold", debit, credit, amount] => {
            let leg = leg(debit, credit, "USD", amount);
            (id, Movement::Hold { leg, expires_at: None })
        }
        [id, "capture", hold, amount @ ..] => {
            (id, Movement::Capture { hold: Id::parse(hold).unwrap(), amount: part(amount) })
        }
        [id, "void", hold] => {
            (id, Movement::Void { hold: Id::parse(hold).unwrap(), refused: None })
        }
        [id, "reverse", of, amount @ ..] => {
            (id, Movement::Reversal { of: Id::parse(of).unwrap(), amount: part(amount) })
        }
        _ => panic!("no such transfer: {text}"),
    };
    Transfer { link, metadata, ..moves(id, movement) }
}
