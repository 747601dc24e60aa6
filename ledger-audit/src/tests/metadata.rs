//! Metadata that was rightly changed, and such that no state could have led to.

use std::ops::ControlFlow;
use std::sync::Arc;

use ledger_domain::{
    CustomerHandle, CustomerName, Metadata, MetadataChange, MetadataKey, MetadataTarget,
    MetadataValue, NewAccount, Profile, Sealed,
};
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
    let others = Metadata::default();
    Event::MetadataChanged { ledger: LedgerHandle(0), target, changes, others }
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

fn key(text: &str) -> MetadataKey {
    MetadataKey::parse(text).unwrap()
}

/// Of transfer "t", with what it has beside that.
fn of_transfer(id: &str, changes: &[(&str, &str, &str)], others: &[(&str, &str)]) -> Event {
    let target = MetadataTarget::Transfer(Id::parse(id).unwrap());
    let Event::MetadataChanged { ledger, target, changes, .. } = noted(target, changes) else {
        panic!("a change");
    };
    let others = others.iter().map(|(name, text)| (key(name), value(text).unwrap())).collect();
    Event::MetadataChanged { ledger, target, changes, others }
}

/// A transfer that has "order" from its making on.
fn made(id: &str) -> Event {
    let Event::TransferBatch(mut batch) = moved(id, 0, 1, 1) else { panic!("a batch") };
    batch.accepted[0].metadata = [(key("order"), value("17").unwrap())].into_iter().collect();
    Event::TransferBatch(batch)
}

#[test]
fn metadata_of_transfers_changes_from_what_it_is() {
    let mut author = Author::bank();
    for events in [
        vec![made("t"), moved("bare", 0, 1, 1)],
        vec![of_transfer("t", &[("case", "", "1")], &[("order", "17")])],
        vec![of_transfer("t", &[("case", "1", ""), ("order", "17", "18")], &[])],
        vec![of_transfer("t", &[("order", "18", "")], &[])],
        vec![of_transfer("t", &[], &[]), of_transfer("t", &[("a", "", "1")], &[])],
        vec![of_transfer("bare", &[("a", "", "1")], &[])],
    ] {
        author.forge(events);
    }
    assert_eq!(found(&author.log), []);
    for wrong in [
        of_transfer("t", &[("order", "18", "19")], &[]),
        of_transfer("t", &[("a", "", "1")], &[]),
        of_transfer("t", &[], &[("order", "18")]),
        of_transfer("bare", &[("a", "1", "")], &[]),
        of_transfer("nobody", &[("a", "", "1")], &[]),
    ] {
        let mut author = Author::bank();
        author.forge(vec![made("t"), moved("bare", 0, 1, 1)]);
        author.forge(vec![wrong.clone()]);
        assert_eq!(found(&author.log), [("LD-11", "0@12.0".to_owned())], "{wrong:?}");
    }
}

#[test]
fn metadata_is_sealed_for_customers_who_can_be_asked_for_it() {
    let sealed = |customer: &str| MetadataValue::Sealed {
        customer: CustomerName::parse(customer).unwrap(),
        sealed: Sealed::from_bytes(&[7]),
    };
    let account = |handle: u64, name: &str, customer: &str| NewAccount {
        account: AccountHandle(handle),
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Liability,
        rules: AccountRules::default(),
        metadata: [(key("iban"), sealed(customer))].into_iter().collect(),
    };
    let registered = |number: u64, name: &str, accounts| Event::CustomerRegistered {
        ledger: LedgerHandle(0),
        customer: CustomerHandle(number),
        name: CustomerName::parse(name).unwrap(),
        accounts,
        profile: Profile::new(),
    };
    let set = |customer: &str| {
        let changes =
            vec![MetadataChange { key: key("k"), before: None, after: Some(sealed(customer)) }];
        let (ledger, target) = (LedgerHandle(0), MetadataTarget::Ledger);
        Event::MetadataChanged { ledger, target, changes, others: Metadata::default() }
    };
    let erased = Event::CustomerErased { ledger: LedgerHandle(0), customer: CustomerHandle(0) };
    let ann = || registered(0, "ann", vec![account(3, "w", "ann")]);
    let mut author = Author::bank();
    author.forge(vec![ann(), set("ann"), erased.clone()]);
    assert_eq!(found(&author.log), []);
    let posted = |sealed_for: &str| {
        let Event::TransferBatch(mut batch) = moved("t", 0, 1, 1) else { panic!("a batch") };
        batch.accepted[0].metadata = [(key("who"), sealed(sealed_for))].into_iter().collect();
        Event::TransferBatch(batch)
    };
    for wrong in [
        vec![set("ann")],
        vec![ann(), posted("ann"), posted("bob")],
        vec![registered(0, "ann", vec![account(3, "w", "bob")])],
        vec![ann(), erased.clone(), set("ann")],
        vec![ann(), erased, registered(1, "bob", vec![account(4, "v", "ann")])],
    ] {
        let last = wrong.len() - 1;
        stops_at(&wrong, &format!("0@11.{last}"));
    }
}
