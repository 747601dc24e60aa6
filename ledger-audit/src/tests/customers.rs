//! Customers that no decision could have made so.

use ledger_domain::{
    AccountHandle, AccountName, AccountRules, AccountType, CustomerHandle, CustomerName, Event,
    LedgerHandle, LedgerName, Metadata, MetadataKey, NewAccount, Profile, Sealed, State, apply,
};

use crate::fit;

fn account(handle: u64, name: &str) -> NewAccount {
    NewAccount {
        account: AccountHandle(handle),
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Liability,
        rules: AccountRules::without_limits(false),
        metadata: Metadata::default(),
    }
}

fn registered(customer: u64, name: &str, accounts: Vec<NewAccount>, profile: Profile) -> Event {
    let (ledger, customer) = (LedgerHandle(0), CustomerHandle(customer));
    let name = CustomerName::parse(name).unwrap();
    Event::CustomerRegistered { ledger, customer, name, accounts, profile }
}

fn kept(count: usize, bytes: usize) -> Profile {
    let sealed = Sealed::from_bytes(&vec![7; bytes]);
    let key = |n| MetadataKey::parse(&format!("k{n}")).unwrap();
    (0..count).map(|n| (key(n), sealed.clone())).collect()
}

#[test]
fn what_no_decision_makes_of_a_customer_stops_the_replay() {
    let (ledger, customer) = (LedgerHandle(0), CustomerHandle(0));
    let mut state = State::default();
    let created = Event::LedgerCreated {
        ledger,
        name: LedgerName::parse("bank").unwrap(),
        metadata: Metadata::default(),
    };
    for event in [created, registered(0, "c", vec![account(0, "a")], kept(1, 40))] {
        apply(&mut state, &event, 1);
    }
    let changed = |customer, profile| Event::ProfileUpdated { ledger, customer, profile };
    let erased = |customer| Event::CustomerErased { ledger, customer };
    let wrong = [
        (registered(2, "d", vec![], kept(0, 0)), "customer 2 is not the next"),
        (registered(1, "c", vec![], kept(0, 0)), "customer c exists"),
        (registered(1, "d", vec![account(2, "b")], kept(0, 0)), "account 2 is not the next"),
        (registered(1, "d", vec![account(1, "a")], kept(0, 0)), "account a exists"),
        (
            registered(1, "d", vec![account(1, "b"), account(2, "b")], kept(0, 0)),
            "account b exists",
        ),
        (registered(1, "d", vec![], kept(33, 40)), "keeps more of a person"),
        (registered(1, "d", vec![], kept(1, 400)), "keeps more of a person"),
        (changed(CustomerHandle(1), kept(1, 40)), "customer 1 was never registered"),
        (changed(customer, kept(33, 40)), "keeps more of a person"),
        (erased(CustomerHandle(7)), "customer 7 was never registered"),
    ];
    for (event, due) in wrong {
        let mut state = state.clone();
        let (misfits, stops) = fit::check_and_apply(&mut state, &event, 2).unwrap_err();
        assert!(stops && misfits[0].what.contains(due), "{misfits:?} is not {due}");
    }
    apply(&mut state, &erased(customer), 2);
    for event in [changed(customer, kept(1, 40)), erased(customer)] {
        let (misfits, _) = fit::check_and_apply(&mut state.clone(), &event, 3).unwrap_err();
        assert!(misfits[0].what.contains("customer c is erased"), "{misfits:?}");
    }
}
