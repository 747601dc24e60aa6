//! Rules that an account rightly got, and those that it did not.

use super::*;

fn limits(limits: &[(u32, u128)]) -> AccountRules {
    let credit_limits = limits.iter().map(|(asset, amount)| (AssetHandle(*asset), *amount));
    AccountRules { may_go_negative: false, credit_limits: credit_limits.collect() }
}

fn ruled(account: u64, rules: AccountRules) -> Event {
    let account = AccountHandle(account);
    Event::AccountRulesChanged { ledger: LedgerHandle(0), account, rules }
}

fn opened(rules: AccountRules) -> Event {
    Event::AccountOpened {
        ledger: LedgerHandle(0),
        account: AccountHandle(3),
        name: AccountName::parse("carol").unwrap(),
        account_type: AccountType::Liability,
        rules,
        metadata: Default::default(),
    }
}

/// Alice, account 1, has 350.
#[test]
fn rules_that_hold_are_clean() {
    let mut author = Author::bank();
    author.forge(vec![ruled(1, limits(&[(0, 100)])), moved("t-9", 1, 2, 450)]);
    author.forge(vec![status(1, AccountStatus::Frozen), ruled(1, limits(&[(0, 101)]))]);
    author.forge(vec![opened(limits(&[(0, 5)])), moved("t-10", 3, 2, 5)]);
    assert_eq!(found(&author.log), []);
}

#[test]
fn a_balance_past_its_limit_is_found_at_its_row() {
    let mut author = Author::bank();
    author.forge(vec![ruled(1, limits(&[(0, 100)])), moved("t-9", 1, 2, 451)]);
    // And over the whole state at the end.
    assert_eq!(found(&author.log), [("LD-2", "0@11.1".into()), ("LD-2", "0@11".into())]);
}

#[test]
fn rules_that_a_balance_passes_are_found_where_they_were_given() {
    let mut author = Author::bank();
    author.forge(vec![ruled(1, limits(&[(0, 100)])), moved("t-9", 1, 2, 450)]);
    author.forge(vec![ruled(1, limits(&[(0, 99)]))]);
    assert_eq!(found(&author.log), [("LD-2", "0@12.0".into()), ("LD-2", "0@12".into())]);
}

#[test]
fn rules_that_no_state_could_have_led_to_stop_the_replay() {
    let both = AccountRules { may_go_negative: true, ..limits(&[(0, 1)]) };
    let close = vec![moved("t-9", 1, 2, 350), status(1, AccountStatus::Closed)];
    let cases = [
        (vec![ruled(17, limits(&[]))], "0@11.0"),
        (vec![ruled(1, limits(&[(4, 1)]))], "0@11.0"),
        (vec![ruled(1, limits(&[(0, 0)]))], "0@11.0"),
        (vec![ruled(1, both.clone())], "0@11.0"),
        (vec![opened(limits(&[(4, 1)]))], "0@11.0"),
        (vec![opened(both)], "0@11.0"),
        ([close, vec![ruled(1, limits(&[]))]].concat(), "0@11.2"),
    ];
    for (events, position) in cases {
        stops_at(&events, position);
    }
}
