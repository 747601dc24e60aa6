//! Customers in the feed.

use super::*;

/// Of what is kept of a person the feed has the keys, and not a byte more.
#[test]
fn customers_have_names_and_no_secrets() {
    use ledger_domain::{
        CustomerHandle, CustomerName, Metadata, MetadataChange, MetadataKey, MetadataTarget,
        MetadataValue, NewAccount, Profile, Sealed,
    };
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let (ledger, customer) = (ledger_domain::LedgerHandle(0), CustomerHandle(0));
    let profile = |keys: &[&str]| -> Profile {
        let sealed = Sealed::from_bytes(b"hidden-bytes");
        keys.iter().map(|key| (MetadataKey::parse(key).unwrap(), sealed.clone())).collect()
    };
    let hidden = || MetadataValue::Sealed {
        customer: CustomerName::parse("c-1").unwrap(),
        sealed: Sealed::from_bytes(b"hidden-bytes"),
    };
    let noted = |key: &str| -> Metadata {
        [(MetadataKey::parse(key).unwrap(), hidden())].into_iter().collect()
    };
    let opened = |handle, name: &str| NewAccount {
        account: ledger_domain::AccountHandle(handle),
        name: ledger_domain::AccountName::parse(name).unwrap(),
        account_type: ledger_domain::AccountType::Liability,
        rules: ledger_domain::AccountRules::without_limits(false),
        metadata: noted("iban"),
    };
    log.commit(&[
        Event::CustomerRegistered {
            ledger,
            customer,
            name: CustomerName::parse("c-1").unwrap(),
            accounts: vec![opened(2, "c:wallet"), opened(3, "c:savings")],
            profile: profile(&["email", "name"]),
        },
        Event::ProfileUpdated { ledger, customer, profile: profile(&["name"]) },
        Event::MetadataChanged {
            ledger,
            target: MetadataTarget::Transfer(ledger_domain::Id::parse("t-1").unwrap()),
            changes: vec![MetadataChange {
                key: MetadataKey::parse("who").unwrap(),
                before: Some(MetadataValue::plain("Ann").unwrap()),
                after: Some(hidden()),
            }],
            others: noted("iban"),
        },
        Event::CustomerErased { ledger, customer },
    ]);
    let projector = crate::tests::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let records = topic.records.lock().unwrap().clone();
    for record in &records {
        let shown = format!("{record:?}");
        assert!(!shown.contains("hidden") && !shown.contains("104, 105, 100"), "{shown}");
    }
    iban_is_closed(&records);
    let said: Vec<_> =
        records.into_iter().skip(4).map(|record| line(record.event.event.unwrap())).collect();
    let due = [
        "c-1 registered with c:wallet c:savings, keeps email name",
        "c-1 keeps name",
        "noted \"\" t-1 [ who=Ann] to [ who=c-1/]",
        "c-1 erased",
    ];
    assert_eq!(said, due);
}

/// Of what an account was registered with the feed says whose it is.
fn iban_is_closed(records: &[FeedRecord]) {
    let registered = records.iter().find_map(|record| match &record.event.event {
        Some(Wire::CustomerRegistered(registered)) => registered.accounts.first(),
        _ => None,
    });
    let iban = &registered.unwrap().sealed_metadata[0];
    assert_eq!((iban.customer.as_str(), iban.unreadable.join(" ").as_str()), ("c-1", "iban"));
}
