//! Events with metadata, for their golden bytes, and bytes that are none.

use ledger_domain::{
    AcceptedTransfer, AccountName, AccountRules, AccountType, LedgerName, RefusedTransfer,
    Transfer, TransferBatch,
};

use super::*;
use crate::logged::batch;
use crate::logged::tests::{posted, refused, uuid};

pub(in crate::logged) fn created(ledger: LedgerHandle, metadata: Metadata) -> Event {
    Event::LedgerCreated { ledger, name: LedgerName::from_log("bank"), metadata }
}

pub(in crate::logged) fn opened(
    ledger: LedgerHandle,
    account: AccountHandle,
    rules: AccountRules,
    metadata: Metadata,
) -> Event {
    let (name, account_type) = (AccountName::from_log("users:alice"), AccountType::Liability);
    Event::AccountOpened { ledger, account, name, account_type, rules, metadata }
}

fn key(text: &str) -> MetadataKey {
    MetadataKey::from_log(text)
}

fn value(text: &str) -> MetadataValue {
    MetadataValue::Plain(text.into())
}

fn changed(target: MetadataTarget, changes: Vec<MetadataChange>) -> Event {
    let others = Metadata::default();
    Event::MetadataChanged { ledger: LedgerHandle(1), target, changes, others }
}

fn sealed(customer: &str, bytes: &[u8]) -> MetadataValue {
    let (customer, sealed) = (CustomerName::from_log(customer), Sealed::from_bytes(bytes));
    MetadataValue::Sealed { customer, sealed }
}

/// Of a transfer: a value that is sealed from now on, and others that stay, sealed and not.
fn changed_of_transfer() -> Event {
    let (ledger, target) = (LedgerHandle(1), MetadataTarget::Transfer(uuid(7)));
    let (before, after) = (Some(value("DE02")), Some(sealed("c-1042", &[0, 255, 7])));
    let changes = vec![MetadataChange { key: key("iban"), before, after }];
    let others = [(key("order"), value("17")), (key("who"), sealed("c-7", b"sealed"))];
    Event::MetadataChanged { ledger, target, changes, others: others.into_iter().collect() }
}

fn changes() -> Vec<MetadataChange> {
    let change = |name: &str, before: Option<&str>, after: Option<&str>| MetadataChange {
        key: key(name),
        before: before.map(value),
        after: after.map(value),
    };
    vec![
        change("a", Some("1"), None),
        change("b", None, Some("2")),
        change("tier", Some("silver"), Some("gold")),
    ]
}

fn some(entries: &[(&str, &str)]) -> Metadata {
    entries.iter().map(|(name, text)| (key(name), value(text))).collect()
}

/// Some rows with metadata, accepted and refused, and some without.
pub(in crate::logged) fn noted_batch() -> TransferBatch {
    let rows = [some(&[]), some(&[("order", "17")]), some(&[]), some(&[("b", "2"), ("a", "1")])];
    let accepted = (1u8..).zip(rows);
    let accepted = accepted
        .map(|(n, metadata)| AcceptedTransfer { metadata, ..posted(u64::from(n), uuid(n)) })
        .collect();
    let asked = |row| {
        let transfer = Transfer { metadata: some(&[("order", "18")]), ..refused(row).transfer };
        RefusedTransfer { transfer, ..refused(row) }
    };
    TransferBatch { ledger: LedgerHandle(2), accepted, refused: vec![asked(2), refused(5)] }
}

pub(in crate::logged) fn events() -> Vec<(&'static str, Event)> {
    let (ledger, account) = (LedgerHandle(1), AccountHandle(300));
    let noted = || {
        let entries = [("tier", "gold"), ("kyc.level", "2"), ("name", "\u{e9}\n")];
        entries.iter().map(|(name, text)| (key(name), value(text))).collect()
    };
    let rules = AccountRules::without_limits(true);
    vec![
        ("ledger_created_noted", created(ledger, noted())),
        ("account_opened_noted", opened(ledger, account, rules, noted())),
        ("transfer_batch_noted", Event::TransferBatch(noted_batch())),
        ("metadata_changed", changed(MetadataTarget::Account(account), changes())),
        ("metadata_changed_of_ledger", changed(MetadataTarget::Ledger, changes())),
        ("metadata_changed_in_nothing", changed(MetadataTarget::Ledger, Vec::new())),
        ("metadata_changed_of_transfer", changed_of_transfer()),
    ]
}

#[test]
fn what_fits_no_event_is_refused() {
    let (target, others) = (MetadataTarget::Transfer(uuid(7)), some(&[("order", "17")]));
    let good = || changed_to_wire(LedgerHandle(1), &target, &changes(), &others);
    assert!(changed_from_wire(good()).is_ok());
    let spoilt: [fn(&mut wire::MetadataChanged); 11] = [
        |wire| wire.target = Some(Target::Transfer(wire::Id::default())),
        |wire| wire.others[0].key = "tier".into(),
        |wire| wire.others.push(wire.others[0].clone()),
        |wire| wire.target = None,
        |wire| wire.changes.swap(0, 1),
        |wire| wire.changes[1] = wire.changes[0].clone(),
        |wire| wire.changes[0].before = None,
        |wire| wire.changes[2].after = wire.changes[2].before.clone(),
        |wire| wire.changes[2].after = wire.changes[1].after.clone(),
        |wire| wire.changes[0].before = Some(wire::MetadataEntry::default()),
        |wire| wire.changes[0].before.as_mut().unwrap().value = None,
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let mut wire = good();
        spoil(&mut wire);
        assert!(changed_from_wire(wire).is_err(), "{number}");
    }
    let entry = entry_to_wire(&key("a"), &value("1"));
    assert!(from_wire(vec![entry.clone()]).is_ok());
    assert!(from_wire(vec![entry.clone(), entry.clone()]).is_err(), "a key twice");
    let unknown = wire::MetadataEntry { value: None, ..entry };
    assert!(from_wire(vec![unknown]).is_err(), "a value of a kind that is not known");
}

#[test]
fn metadata_of_rows_that_does_not_fit_is_refused() {
    let good = || batch::to_wire(&noted_batch());
    assert_eq!(good().metadata_rows, [1, 3], "counted among the accepted");
    assert_eq!(batch::from_wire(good()), Ok(noted_batch()));
    let spoilt: [fn(&mut wire::TransferBatch); 6] = [
        |wire| drop(wire.metadata.pop()),
        |wire| wire.metadata_rows.truncate(1),
        |wire| wire.metadata_rows.reverse(),
        |wire| wire.metadata_rows[1] = 4,
        |wire| wire.metadata[0].entries.clear(),
        |wire| wire.refused[0].metadata[0].value = None,
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let mut wire = good();
        spoil(&mut wire);
        assert!(batch::from_wire(wire).is_err(), "{number}");
    }
}
