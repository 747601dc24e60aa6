//! What is the same under one id.

use super::groups::shapes;
use super::{POST, decimal};
use crate::request::{Ask, Rules, Transfer};

/// Two requests with one id ask the same.
pub(super) fn same_ask(ledger: &str, a: &Ask, b: &Ask) -> bool {
    match (a, b) {
        // So are the steps of a send, which are in no client's words.
        (a, b) if a == b => true,
        (Ask::Post { transfers: a }, Ask::Post { transfers: b }) => {
            let well_formed = |transfers: &[Transfer]| -> Vec<Transfer> {
                let codes = shapes(ledger, transfers);
                let fine = transfers.iter().zip(codes).filter(|(_, code)| code.is_none());
                fine.map(|(transfer, _)| transfer.clone()).collect()
            };
            let (a, b) = (well_formed(a), well_formed(b));
            let same = |(a, b): (&Transfer, &Transfer)| {
                canonical_id(&a.id) == canonical_id(&b.id) && same_content(a, b)
            };
            a.len() == b.len() && a.iter().zip(&b).all(same)
        }
        (
            Ask::OpenAccount { name: a, kind: a_kind, rules: a_rules, metadata: a_noted },
            Ask::OpenAccount { name: b, kind: b_kind, rules: b_rules, metadata: b_noted },
        ) => a == b && a_kind == b_kind && same_rules(a_rules, b_rules) && a_noted == b_noted,
        (Ask::Note(a), Ask::Note(b)) => super::metadata::same(a, b),
        (Ask::SetRules { name: a, rules: a_rules }, Ask::SetRules { name: b, rules: b_rules }) => {
            a == b && same_rules(a_rules, b_rules)
        }
        (Ask::Customer(a), Ask::Customer(b)) => super::customer::same(a, b),
        (Ask::Schedule(a), Ask::Schedule(b)) => super::schedule::same(a, b),
        (Ask::SetAlert(a), Ask::SetAlert(b)) => super::alert::same(a, b),
        (Ask::RemoveAlert { account: a, id: a_id }, Ask::RemoveAlert { account: b, id: b_id }) => {
            a == b && canonical_id(a_id) == canonical_id(b_id)
        }
        (Ask::Cancel { schedule: a }, Ask::Cancel { schedule: b }) => {
            canonical_id(a) == canonical_id(b)
        }
        (a, b) => a == b,
    }
}

/// In any order, and written in any way.
fn same_rules(a: &Rules, b: &Rules) -> bool {
    let read = |rules: &Rules| {
        let limits = rules.limits.iter().map(|(asset, amount)| (asset.clone(), decimal(amount)));
        let mut limits: Vec<_> = limits.collect();
        limits.sort();
        limits
    };
    a.may_go_negative == b.may_go_negative && read(a) == read(b)
}

pub(super) fn same_content(a: &Transfer, b: &Transfer) -> bool {
    // A kind that is not named is a post.
    a.kind.max(POST) == b.kind.max(POST)
        && canonical_id(&a.hold) == canonical_id(&b.hold)
        && canonical_id(&a.reverses) == canonical_id(&b.reverses)
        && canonical_id(&a.entry) == canonical_id(&b.entry)
        && a.linked == b.linked
        && a.up_to == b.up_to
        && a.expires_at == b.expires_at
        && a.destination == b.destination
        && a.deadline == b.deadline
        && a.source == b.source
        && a.refused == b.refused
        && a.debit == b.debit
        && a.credit == b.credit
        && a.asset == b.asset
        && decimal(&a.amount) == decimal(&b.amount)
        && a.reference == b.reference
        && a.effective_at == b.effective_at
        && a.metadata == b.metadata
}

/// A UUID is one id in either case.
pub(crate) fn canonical_id(id: &str) -> String {
    if is_uuid(id) { id.to_ascii_lowercase() } else { id.to_owned() }
}

pub(crate) fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}
