//! Customers as they were at every position: what is kept of them in plain while their key is there.

use std::sync::Arc;

use ledger_domain::{
    AccountName, AccountType, AskedAccount, AskedRules, CommandBody, CustomerName, LedgerName,
    MetadataKey, Profile,
};
use ledger_keys::{Keys, MemoryKeys, Subject};
use ledger_proto::v1;

use super::as_of;
use super::bank::Bank;

fn subject(name: &str) -> Subject {
    let (ledger, customer) = (LedgerName::parse("bank"), CustomerName::parse(name));
    Subject { ledger: ledger.unwrap(), customer: customer.unwrap() }
}

fn sealed(keys: &Keys, name: &str, values: &[(&str, &str)]) -> Profile {
    let sealer = keys.sealer(&subject(name), true).unwrap();
    let value = |(key, text): &(&str, &str)| {
        let key = MetadataKey::parse(key).unwrap();
        let sealed = sealer.seal(&key, text);
        (key, sealed)
    };
    values.iter().map(value).collect()
}

fn register(keys: &Keys, name: &str, accounts: &[&str]) -> CommandBody {
    let account = |name: &&str| AskedAccount {
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Liability,
        rules: AskedRules::default(),
        metadata: <_>::default(),
    };
    CommandBody::Register {
        customer: CustomerName::parse(name).unwrap(),
        accounts: accounts.iter().map(account).collect(),
        profile: sealed(keys, name, &[("email", "ann@example.org"), ("name", "Ann")]),
    }
}

#[test]
fn a_profile_is_opened_as_of_every_position_by_who_has_the_keys() {
    let mut bank = Bank::new(1);
    let keys = Keys::new(Arc::new(MemoryKeys::default()), || [7; 16]);
    let (query, blind) = (bank.query().with_keys(keys.clone()), bank.query());
    let opened = bank.open("bank");
    let registered = bank.commit("bank", vec![register(&keys, "c-1", &["c:wallet", "c:savings"])]);
    let customer = CustomerName::parse("c-1").unwrap();
    let set = sealed(&keys, "c-1", &[("email", "new@example.org")]);
    let remove = [MetadataKey::parse("name").unwrap()].into();
    let update = CommandBody::UpdateProfile { customer: customer.clone(), set, remove };
    let updated = bank.commit("bank", vec![update]);
    let erased = bank.commit("bank", vec![CommandBody::EraseCustomer { customer }]);

    let name = "ledgers/bank/customers/c-1".to_owned();
    let get = |at: &str, query: &crate::Query| {
        let request = v1::GetCustomerRequest { name: name.clone(), consistency: as_of(at) };
        query.get_customer(&request).map(|response| response.customer.unwrap())
    };
    let email = |customer: &v1::Customer| customer.profile.get("email").cloned();
    let error = get(&opened.to_string(), &query).unwrap_err();
    assert!(error.to_string().starts_with("no such customer"), "{error}");
    let read = get(&registered.to_string(), &query).unwrap();
    assert_eq!(read.accounts, ["c:wallet", "c:savings"]);
    assert_eq!((email(&read).as_deref(), read.profile.len()), (Some("ann@example.org"), 2));
    let read = get(&updated.to_string(), &query).unwrap();
    assert_eq!((email(&read).as_deref(), read.profile.len()), (Some("new@example.org"), 1));
    assert_eq!(read.profile_position, format!("{updated}.0"));
    let read = get(&erased.to_string(), &query).unwrap();
    assert!(read.erased && read.profile.is_empty() && read.unreadable.is_empty());

    // Whoever has no key reads that something was kept, and no more. So does everybody once it is destroyed.
    keys.erase(&subject("c-1")).unwrap();
    for query in [&query, &blind] {
        let read = get(&registered.to_string(), query).unwrap();
        assert_eq!((read.profile.len(), read.unreadable.join(" ")), (0, "email name".to_owned()));
    }
    let request = v1::GetAccountRequest {
        name: "ledgers/bank/accounts/c:savings".into(),
        ..Default::default()
    };
    assert_eq!(query.get_account(&request).unwrap().account.unwrap().customer, name);
}

#[test]
fn customers_and_changes_come_in_pages_that_other_lists_refuse() {
    let mut bank = Bank::new(1);
    let keys = Keys::new(Arc::new(MemoryKeys::default()), || [7; 16]);
    let query = bank.query().with_keys(keys.clone());
    bank.open("bank");
    let names = ["a", "b", "c"];
    let at = bank.commit("bank", names.map(|name| register(&keys, name, &[])).to_vec());
    for text in ["1", "2"] {
        let customer = CustomerName::parse("b").unwrap();
        let (set, remove) = (sealed(&keys, "b", &[("email", text)]), <_>::default());
        bank.commit("bank", vec![CommandBody::UpdateProfile { customer, set, remove }]);
    }
    let mut request = v1::ListCustomersRequest {
        parent: "ledgers/bank".into(),
        consistency: as_of(&at.to_string()),
        page_size: 2,
        page_token: String::new(),
    };
    let page = query.list_customers(&request).unwrap();
    let name = |customer: &v1::Customer| customer.name.clone();
    let first: Vec<_> = page.customers.iter().map(name).collect();
    assert_eq!(first, ["ledgers/bank/customers/a", "ledgers/bank/customers/b"]);
    request.page_token = page.next_page_token;
    let page = query.list_customers(&request).unwrap();
    assert_eq!((page.customers.len(), page.next_page_token.as_str()), (1, ""));

    let mut changes = v1::ListProfileChangesRequest {
        parent: "ledgers/bank/customers/b".into(),
        consistency: None,
        page_size: 2,
        page_token: request.page_token,
    };
    assert!(query.list_profile_changes(&changes).is_err(), "a token of another list");
    changes.page_token.clear();
    let page = query.list_profile_changes(&changes).unwrap();
    let emails: Vec<_> = page.changes.iter().map(|it| it.profile["email"].clone()).collect();
    assert_eq!(emails, ["2", "1"], "newest first");
    changes.page_token = page.next_page_token;
    let page = query.list_profile_changes(&changes).unwrap();
    assert_eq!(page.changes.len(), 1);
    assert_eq!(page.changes[0].position, format!("{at}.1"));
}
