//! Metadata that is sealed for customers: opened by who has the keys, wherever it is shown, as of every position.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger_domain::{
    AccountName, AccountType, AskedAccount, AskedRules, CommandBody, CustomerName, Id, Metadata,
    MetadataKey, MetadataOf, MetadataUpdate, MetadataValue, Movement, Plan, Profile, Transfer,
    When,
};
use ledger_keys::{Kept, Key, KeyError, KeyStore, Keys, MemoryKeys, Subject};
use ledger_proto::v1;

use super::as_of;
use super::bank::Bank;
use super::metadata::history;
use super::transfers::hold;
use crate::Query;

fn subject(name: &str) -> Subject {
    let customer = CustomerName::parse(name).unwrap();
    Subject { ledger: ledger_domain::LedgerName::parse("bank").unwrap(), customer }
}

/// "tier=gold iban=c-1/DE02".
fn metadata(keys: &Keys, text: &str) -> Metadata {
    let entry = |word: &str| {
        let (key, value) = word.split_once('=').unwrap();
        let key = MetadataKey::parse(key).unwrap();
        let value = match value.split_once('/') {
            None => MetadataValue::plain(value).unwrap(),
            Some((name, text)) => {
                let of = subject(name);
                let sealed = keys.sealer(&of, true).unwrap().seal(&key, text);
                MetadataValue::Sealed { customer: of.customer, sealed }
            }
        };
        (key, value)
    };
    text.split_whitespace().map(entry).collect()
}

fn update(keys: &Keys, of: MetadataOf, text: &str) -> CommandBody {
    let (set, remove) = (metadata(keys, text), <_>::default());
    CommandBody::UpdateMetadata { of, update: MetadataUpdate { set, remove } }
}

fn say(plain: &BTreeMap<String, String>, sealed: &[v1::SealedMetadata]) -> String {
    let mut words: Vec<_> = plain.iter().map(|(key, text)| format!("{key}={text}")).collect();
    for v1::SealedMetadata { customer, values, unreadable } in sealed {
        words.extend(values.iter().map(|(key, text)| format!("{key}={customer}/{text}")));
        words.extend(unreadable.iter().map(|key| format!("{key}={customer}/?")));
    }
    words.join(" ")
}

/// All places that show metadata, each with what is there.
fn shown(query: &Query, at: &str) -> Vec<String> {
    let consistency = || as_of(at);
    let ledger = v1::GetLedgerRequest { name: "ledgers/bank".into(), consistency: consistency() };
    let ledger = query.get_ledger(&ledger).unwrap().ledger.unwrap();
    let account = |name: &str| {
        let name = format!("ledgers/bank/accounts/{name}");
        let request = v1::GetAccountRequest { name, consistency: consistency() };
        let account = query.get_account(&request).unwrap().account.unwrap();
        say(&account.metadata, &account.sealed_metadata)
    };
    let transfer = v1::GetTransferRequest {
        name: "ledgers/bank/transfers/h1".into(),
        consistency: consistency(),
    };
    let transfer = query.get_transfer(&transfer).unwrap().transfer.unwrap();
    let refused = v1::GetTransferRequest {
        name: "ledgers/bank/transfers/v1".into(),
        consistency: consistency(),
    };
    let refused = query.get_transfer(&refused).unwrap().transfer.unwrap();
    let entries = v1::ListEntriesRequest {
        parent: "ledgers/bank/accounts/wallet".into(),
        consistency: consistency(),
        ..Default::default()
    };
    let entry = query.list_entries(&entries).unwrap().entries.remove(0);
    let schedule = v1::GetScheduleRequest {
        name: "ledgers/bank/schedules/s".into(),
        consistency: consistency(),
    };
    let schedule = query.get_schedule(&schedule).unwrap().schedule.unwrap().schedule.unwrap();
    vec![
        say(&ledger.metadata, &ledger.sealed_metadata),
        account("wallet"),
        account("c:wallet"),
        say(&transfer.metadata, &transfer.sealed_metadata),
        say(&refused.metadata, &refused.sealed_metadata),
        say(&entry.metadata, &entry.sealed_metadata),
        say(&schedule.metadata, &schedule.sealed_metadata),
    ]
}

/// A ledger where all that can have metadata has a value of "c-1".
fn noting(bank: &mut Bank, keys: &Keys) -> ledger_domain::Position {
    bank.open("bank");
    let account = AskedAccount {
        name: AccountName::parse("c:wallet").unwrap(),
        account_type: AccountType::Liability,
        rules: AskedRules::default(),
        metadata: metadata(keys, "iban=c-1/DE02 tier=gold"),
    };
    let register = |name: &str, accounts| CommandBody::Register {
        customer: CustomerName::parse(name).unwrap(),
        accounts,
        profile: Profile::new(),
    };
    let registered = vec![register("c-1", vec![account]), register("c-2", Vec::new())];
    bank.commit("bank", registered);
    let hold =
        |id: &str, text: &str| Transfer { metadata: metadata(keys, text), ..hold(id, "5", None) };
    let void = Movement::Void { hold: Id::parse("nothing").unwrap(), refused: None };
    let refused = Transfer { movement: void, ..hold("v1", "who=c-1/Ann") };
    let held = hold("h1", "order=17 who=c-1/Ann");
    let Movement::Hold { leg, .. } = held.movement.clone() else { panic!("a hold") };
    bank.post("bank", vec![held, refused]);
    let (start, metadata) = (i64::MAX / 2, metadata(keys, "who=c-1/Ann"));
    let (reference, when) = ("".into(), When::Once);
    let plan = Plan { leg, reference, metadata, when, start, until: None, count: None };
    let schedule = Id::parse("s").unwrap();
    let wallet = MetadataOf::Account(AccountName::parse("wallet").unwrap());
    let bodies = vec![
        CommandBody::ScheduleTransfer { schedule, plan: Box::new(plan) },
        update(keys, MetadataOf::Ledger, "owner=c-2/Bo manager=c-1/Ann"),
        update(keys, wallet, "iban=c-1/DE03"),
    ];
    bank.commit("bank", bodies)
}

#[test]
fn what_is_sealed_is_opened_as_of_every_position_by_who_has_the_keys() {
    let mut bank = Bank::new(1);
    let keys = Keys::new(Arc::new(MemoryKeys::default()), || [7; 16]);
    let (query, blind) = (bank.query().with_keys(keys.clone()), bank.query());
    let first = noting(&mut bank, &keys);
    let h1 = MetadataOf::Transfer(Id::parse("h1").unwrap());
    let updated = bank.commit("bank", vec![update(&keys, h1, "order=c-2/18 who=plain")]);
    let of_first = [
        "manager=c-1/Ann owner=c-2/Bo",
        "iban=c-1/DE03",
        "tier=gold iban=c-1/DE02",
        "order=17 who=c-1/Ann",
        "who=c-1/Ann",
        "order=17 who=c-1/Ann",
        "who=c-1/Ann",
    ];
    assert_eq!(shown(&query, &first.to_string()), of_first);
    let then = shown(&query, &updated.to_string());
    assert_eq!((then[3].as_str(), then[5].as_str()), ("who=plain order=c-2/18", then[3].as_str()));
    let unread = of_first.map(|text| {
        let hide = |word: &str| match word.split_once('/') {
            Some((before, _)) => format!("{before}/?"),
            None => word.to_owned(),
        };
        text.split(' ').map(hide).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(shown(&blind, &first.to_string()), unread);
    let told = |query: &Query| history(query, "ledgers/bank/transfers/h1", &updated.to_string(), 9);
    let who = "who=c-1/Ann > who=plain";
    assert!(told(&query)[0].ends_with(&format!("order=17 > order=c-2/18, {who}")));

    keys.erase(&subject("c-1")).unwrap();
    let after = shown(&query, &first.to_string());
    assert_eq!(after[0], "manager=c-1/? owner=c-2/Bo", "that of another one stays");
    assert_eq!(after[1..], unread[1..]);
    assert!(told(&query)[0].ends_with("order=17 > order=c-2/18, who=c-1/? > who=plain"));
}

/// Keys of which that of "c-1" cannot be read.
#[derive(Debug)]
struct Spoilt(MemoryKeys, KeyError);

impl KeyStore for Spoilt {
    fn find(&self, subject: &Subject) -> Result<Kept, KeyError> {
        if subject.customer.as_str() == "c-1" { Err(self.1.clone()) } else { self.0.find(subject) }
    }

    fn keep(&self, subject: &Subject, keys: &[Key]) -> Result<(), KeyError> {
        self.0.keep(subject, keys)
    }

    fn erase(&self, subject: &Subject) -> Result<bool, KeyError> {
        self.0.erase(subject)
    }

    fn each(
        &self,
        visit: &mut dyn FnMut(&Subject, Kept) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        self.0.each(visit)
    }
}

/// One key that is damaged for good must not keep a list from being read; that of the customer says so.
#[test]
fn a_damaged_key_makes_its_values_unreadable_and_nothing_else() {
    let mut bank = Bank::new(1);
    let keys = Keys::new(Arc::new(MemoryKeys::default()), || [7; 16]);
    noting(&mut bank, &keys);
    let spoilt = |error| {
        let store = Spoilt(MemoryKeys::default(), error);
        bank.query().with_keys(Keys::new(Arc::new(store), || [7; 16]))
    };
    let (parent, name) = ("ledgers/bank".to_owned(), "ledgers/bank/customers/c-1".to_owned());
    let list = v1::ListAccountsRequest { parent, ..Default::default() };
    let customer = v1::GetCustomerRequest { name, ..Default::default() };
    let said = |query: &Query| {
        let status = tonic::Status::from(query.get_customer(&customer).unwrap_err());
        assert!(!status.message().contains("/secret/path"), "{status}");
        status.code()
    };

    let damaged = spoilt(KeyError::Damaged { what: "/secret/path".into() });
    let accounts = damaged.list_accounts(&list).unwrap().accounts;
    let wallet = accounts.iter().find(|it| it.name.ends_with("/c:wallet")).unwrap();
    assert_eq!(say(&wallet.metadata, &wallet.sealed_metadata), "tier=gold iban=c-1/?");
    assert_eq!(said(&damaged), tonic::Code::DataLoss);

    // It passes, so that nobody is told that what is there is gone.
    let away = spoilt(KeyError::Unavailable { what: "/secret/path".into() });
    let status = tonic::Status::from(away.list_accounts(&list).unwrap_err());
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(said(&away), tonic::Code::Unavailable);
}

#[test]
fn accounts_are_not_found_by_what_is_sealed() {
    let mut bank = Bank::new(1);
    let keys = Keys::new(Arc::new(MemoryKeys::default()), || [7; 16]);
    let query = bank.query().with_keys(keys.clone());
    noting(&mut bank, &keys);
    let found = |filter: &str| {
        let (parent, filter) = ("ledgers/bank".to_owned(), filter.to_owned());
        let request = v1::ListAccountsRequest { parent, filter, ..Default::default() };
        query.list_accounts(&request).unwrap().accounts.len()
    };
    assert_eq!(found(r#"metadata.iban = "DE02""#), 0);
    assert_eq!(found(r#"metadata.tier = "gold""#), 1);
    assert_eq!(found(r#"metadata.tier = "gold" AND metadata.iban = "DE02""#), 0);
}
