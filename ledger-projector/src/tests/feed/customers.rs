//! Customers in the feed.

use super::*;

/// Of what is kept of a person the feed has the keys, and not a byte more.
#[test]
fn customers_have_names_and_no_secrets() {
    use ledger_domain::{CustomerHandle, CustomerName, MetadataKey, NewAccount, Profile, Sealed};
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let (ledger, customer) = (ledger_domain::LedgerHandle(0), CustomerHandle(0));
    let profile = |keys: &[&str]| -> Profile {
        let sealed = Sealed::from_bytes(b"sealed-bytes");
        keys.iter().map(|key| (MetadataKey::parse(key).unwrap(), sealed.clone())).collect()
    };
    let opened = |handle, name: &str| NewAccount {
        account: ledger_domain::AccountHandle(handle),
        name: ledger_domain::AccountName::parse(name).unwrap(),
        account_type: ledger_domain::AccountType::Liability,
        rules: ledger_domain::AccountRules::without_limits(false),
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
        Event::CustomerErased { ledger, customer },
    ]);
    let projector = crate::tests::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let records = topic.records.lock().unwrap().clone();
    for record in &records {
        let shown = format!("{record:?}");
        assert!(!shown.contains("sealed") && !shown.contains("115, 101, 97"), "{shown}");
    }
    let said: Vec<_> =
        records.into_iter().skip(4).map(|record| line(record.event.event.unwrap())).collect();
    let due = [
        "c-1 registered with c:wallet c:savings, keeps email name",
        "c-1 keeps name",
        "c-1 erased",
    ];
    assert_eq!(said, due);
}
