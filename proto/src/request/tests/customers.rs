//! Customers: what of their shape is refused, and that no refusal tells a value.

use std::collections::BTreeMap;

use ledger_domain::{MetadataKey, Sealed};

use super::*;
use crate::command::prepare;
use crate::v1::command::Request;

pub(super) fn values(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn account(name: &str) -> v1::NewAccount {
    v1::NewAccount { account_id: name.into(), r#type: 2, ..Default::default() }
}

fn registering(change: impl FnOnce(&mut v1::RegisterRequest)) -> v1::RegisterRequest {
    let mut request = v1::RegisterRequest {
        parent: "ledgers/bank".into(),
        customer_id: "c-1".into(),
        accounts: vec![account("users:1:wallet"), account("users:1:savings")],
        profile: values(&[("email", "ann@example.org"), ("name", "Ann")]),
        ..Default::default()
    };
    change(&mut request);
    request
}

#[test]
fn what_is_kept_of_a_person_stands_aside_until_it_is_sealed() {
    let request = Some(Request::Register(registering(|_| {})));
    let prepared = prepare(&v1::Command { request }).unwrap();
    assert_eq!(prepared.name, "ledgers/bank/customers/c-1");
    let CommandBody::Register { accounts, profile, .. } = &prepared.command.body else {
        panic!("a customer to register");
    };
    assert_eq!((accounts.len(), profile.len()), (2, 0));
    assert!(prepared.command.has_secrets());
    assert!(!format!("{prepared:?}").contains("ann@example.org"), "shown");
    let sealed = prepared.command.seal(|ledger, customer| {
        assert_eq!(ledger.as_str(), "bank");
        let customer = customer.clone();
        Ok::<_, ()>(move |key: &MetadataKey, text: &str| {
            Sealed::from_bytes(format!("{customer} {key} {text}").as_bytes())
        })
    });
    let CommandBody::Register { profile, .. } = sealed.unwrap().body else {
        panic!("a customer to register");
    };
    let email = &profile[&MetadataKey::parse("email").unwrap()];
    assert_eq!(email.as_bytes(), b"c-1 email ann@example.org");
    assert_eq!(profile.len(), 2);
}

#[test]
fn a_customer_of_another_shape_is_refused() {
    let long = "y".repeat(257);
    let many: Vec<(String, String)> = (0..33).map(|n| (format!("k{n}"), "secret".into())).collect();
    let registered = |change: &dyn Fn(&mut v1::RegisterRequest)| {
        register(&registering(change)).unwrap_err().to_string()
    };
    for (found, due) in [
        (registered(&|r| r.parent = "bank".into()), "MALFORMED: parent"),
        (registered(&|r| r.customer_id = "Ann Smith".into()), "MALFORMED: customer_id"),
        (registered(&|r| r.customer_id = "~c".into()), "MALFORMED: customer_id"),
        (registered(&|r| r.accounts.push(account("~a"))), "MALFORMED: accounts.account_id"),
        (registered(&|r| r.accounts[0].r#type = 0), "MALFORMED: accounts.type"),
        (registered(&|r| r.accounts.push(account("users:1:wallet"))), "MALFORMED: accounts"),
        (registered(&|r| r.accounts = vec![account("a"); 17]), "MALFORMED: accounts"),
        (registered(&|r| r.profile = values(&[("e mail", "secret")])), "MALFORMED: profile"),
        (registered(&|r| r.profile = values(&[("secret@example.org", "email")])), "MALFORMED: p"),
        (registered(&|r| r.profile = values(&[("email", "")])), "MALFORMED: profile"),
        (registered(&|r| r.profile = many.iter().cloned().collect()), "TOO_LONG: profile"),
        (registered(&|r| r.profile = values(&[("email", &long)])), "TOO_LONG: profile"),
    ] {
        assert!(found.starts_with(due), "{found} is not {due}");
        assert!(!found.contains("secret") && !found.contains("yyy"), "{found} tells a value");
    }
    let fits = "y".repeat(256);
    assert!(register(&registering(|r| r.profile = values(&[("email", &fits)]))).is_ok());
}

#[test]
fn a_change_of_a_profile_sets_or_removes_something() {
    let updated = |set: &[(&str, &str)], remove: &[&str]| {
        let request = v1::UpdateProfileRequest {
            name: "ledgers/bank/customers/c-1".into(),
            set: values(set),
            remove: remove.iter().map(|key| (*key).to_owned()).collect(),
            ..Default::default()
        };
        update_profile(&request).map(|(command, _)| command.body)
    };
    let refused = |set, remove| updated(set, remove).unwrap_err().to_string();
    assert!(refused(&[], &[]).starts_with("MALFORMED: set"));
    assert!(refused(&[("a", "1")], &["b", "a"]).starts_with("MALFORMED: remove"));
    assert!(refused(&[], &["a b"]).starts_with("MALFORMED: remove"));
    let CommandBody::UpdateProfile { remove, .. } = updated(&[], &["b", "a", "b"]).unwrap() else {
        panic!("a profile to change");
    };
    assert_eq!(remove.len(), 2);
    let name = "ledgers/bank/accounts/c-1".to_owned();
    let erased = erase_customer(&v1::EraseCustomerRequest { name, ..Default::default() });
    assert!(erased.unwrap_err().to_string().contains("ledgers/…/customers/…"));
}
