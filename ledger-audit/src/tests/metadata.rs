//! Metadata that was rightly changed, and such that no state could have led to.

use std::ops::ControlFlow;
use std::sync::Arc;

use ledger_domain::{Metadata, MetadataChange, MetadataKey, MetadataTarget, MetadataValue};
use ledger_views::{Place, Rows, Table, ViewStore};

use super::views::{project, reader};
use super::*;
use crate::metadata::differences;

fn value(text: &str) -> Option<MetadataValue> {
    (!text.is_empty()).then(|| MetadataValue::plain(text).unwrap())
}

/// Key, before and after; empty is none.
fn noted(target: MetadataTarget, changes: &[(&str, &str, &str)]) -> Event {
    let change = |(key, before, after): &(&str, &str, &str)| MetadataChange {
        key: MetadataKey::parse(key).unwrap(),
        before: value(before),
        after: value(after),
    };
    let changes = changes.iter().map(change).collect();
    Event::MetadataChanged { ledger: LedgerHandle(0), target, changes }
}

fn alice(changes: &[(&str, &str, &str)]) -> Event {
    noted(MetadataTarget::Account(AccountHandle(1)), changes)
}

fn many(count: usize) -> Metadata {
    let key = |at: usize| MetadataKey::parse(&format!("k{at}")).unwrap();
    (0..count).map(|at| (key(at), MetadataValue::plain("v").unwrap())).collect()
}

fn opened(metadata: Metadata) -> Event {
    Event::AccountOpened {
        ledger: LedgerHandle(0),
        account: AccountHandle(3),
        name: AccountName::parse("carol").unwrap(),
        account_type: AccountType::Liability,
        rules: AccountRules::default(),
        metadata,
    }
}

/// A log with metadata, and the state that it leads to but for its instants.
fn noting() -> (Author, State) {
    let mut author = Author::bank();
    let mut state = author.state.clone();
    for events in [
        vec![alice(&[("tier", "", "gold")]), opened(many(32))],
        vec![noted(MetadataTarget::Ledger, &[("region", "", "eu")]), alice(&[])],
        vec![alice(&[("kyc", "", "1"), ("tier", "gold", "silver")])],
        vec![alice(&[("kyc", "1", "")])],
    ] {
        events.iter().for_each(|event| apply(&mut state, event, 0));
        author.forge(events);
    }
    (author, state)
}

#[test]
fn metadata_that_changes_from_what_it_is_is_clean() {
    assert_eq!(found(&noting().0.log), []);
}

#[test]
fn metadata_that_no_state_could_have_led_to_stops_the_replay() {
    for (events, position) in [
        (vec![alice(&[("tier", "gold", "silver")])], "0@11.0"),
        (vec![alice(&[("tier", "gold", "")])], "0@11.0"),
        (vec![alice(&[("tier", "", "gold")]), alice(&[("tier", "", "silver")])], "0@11.1"),
        (vec![noted(MetadataTarget::Account(AccountHandle(9)), &[("a", "", "b")])], "0@11.0"),
        (vec![opened(many(33))], "0@11.0"),
        (
            vec![
                opened(many(32)),
                noted(MetadataTarget::Account(AccountHandle(3)), &[("x", "", "1")]),
            ],
            "0@11.1",
        ),
    ] {
        stops_at(&events, position);
    }
}

/// What differs between the view of a log, with these rows more, and the state.
fn differ((author, state): &(Author, State), more: &[(Table, Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let records = author.log.records.len() as u64;
    let store = project(&author.log, records);
    let mut rows = Rows::default();
    for (table, key, row) in more {
        rows.put(*table, key, |out| out.extend_from_slice(row));
    }
    store.write(&rows).unwrap();
    differences(&reader(&store), records - 1, state).unwrap()
}

/// A row of the view's, as it is found.
fn row((author, _): &(Author, State), table: Table, nth: usize) -> (Table, Vec<u8>, Vec<u8>) {
    let store = project(&author.log, author.log.records.len() as u64);
    let mut rows = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        rows.push((table, key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    Arc::clone(&store).scan(table, &[], &[], visit).unwrap();
    rows.swap_remove(nth)
}

#[test]
fn a_view_that_answers_other_metadata_than_the_state_has_is_found() {
    let noting = noting();
    assert_eq!(differ(&noting, &[]), [""; 0]);
    // What there was before, at a later place than what there is.
    let (table, mut key, older) = row(&noting, Table::Metadata, 2);
    let newest = Place { offset: noting.0.log.records.len() as u64 - 1, index: 9 };
    let end = key.len() - 12;
    key[end..end + 8].copy_from_slice(&(!newest.offset).to_be_bytes());
    key[end + 8..].copy_from_slice(&(!newest.index).to_be_bytes());
    let found = differ(&noting, &[(table, key, older)]);
    assert_eq!(found, ["metadata: that of Account(AccountHandle(1)) of ledger 0"]);
    // An account that is not found any more.
    let (table, key, _) = row(&noting, Table::MetadataIndex, 0);
    let found = differ(&noting, &[(table, key, vec![0])]);
    assert_eq!(found, ["metadata_index: accounts with k0 \"v\""]);
}
