//! Alerts that crossed when they should, and such that no decision could have let cross.

use ledger_domain::{AlertRule, BalanceFigure, Cause, Comparison, Crossing, SignedMinor};

use super::*;

fn rule(minor: u128) -> AlertRule {
    AlertRule {
        asset: AssetHandle(0),
        figure: BalanceFigure::CreditsPosted,
        comparison: Comparison::AtLeast,
        amount: SignedMinor::new(false, minor),
    }
}

/// Of the account that the transfers of a test credit.
fn set(minor: u128, raised: bool) -> Event {
    let (ledger, account, alert) = (LedgerHandle(0), AccountHandle(1), Id::parse("a").unwrap());
    Event::BalanceAlertSet { ledger, account, alert, rule: Box::new(rule(minor)), raised }
}

fn removed() -> Event {
    let (ledger, account, alert) = (LedgerHandle(0), AccountHandle(1), Id::parse("a").unwrap());
    Event::BalanceAlertRemoved { ledger, account, alert }
}

fn crossed(raised: bool, minor: u128, value: u128, cause: Cause) -> Event {
    let crossing = Crossing {
        account: AccountHandle(1),
        alert: Id::parse("a").unwrap(),
        rule: rule(minor),
        raised,
        value: SignedMinor::new(false, value),
        cause,
    };
    Event::BalanceAlertCrossed { ledger: LedgerHandle(0), crossing: Box::new(crossing) }
}

fn by(id: &str) -> Cause {
    Cause::Transfer(Id::parse(id).unwrap())
}

/// What the second account was credited in the bank of the tests.
fn before() -> u128 {
    let bank = Author::bank();
    bank.state.accounts()[1].balance(AssetHandle(0)).credits_posted
}

#[test]
fn alerts_that_cross_in_time_are_clean() {
    let was = before();
    let mut author = Author::bank();
    author.forge(vec![set(was + 5, false)]);
    author.forge(vec![moved("x-1", 0, 1, 4)]);
    author.forge(vec![moved("x-2", 0, 1, 1), crossed(true, was + 5, was + 5, by("x-2"))]);
    author.forge(vec![set(was + 6, true), crossed(false, was + 6, was + 5, Cause::Set)]);
    author.forge(vec![set(was, false), crossed(true, was, was + 5, Cause::Set)]);
    author.forge(vec![removed(), moved("x-3", 0, 1, 1)]);
    assert_eq!(found(&author.log), []);
}

#[test]
fn a_crossing_that_is_missing_or_was_none_is_found() {
    let was = before();
    let crosses = || crossed(true, was + 5, was + 5, by("x-1"));
    for (events, position) in [
        (vec![moved("x-1", 0, 1, 5)], "0@12.0"),
        (vec![moved("x-1", 0, 1, 5), moved("x-2", 0, 1, 1), crosses()], "0@12.1"),
        (vec![moved("x-1", 0, 1, 4), crosses()], "0@12.1"),
        (vec![crosses()], "0@12.0"),
        (vec![moved("x-1", 0, 1, 5), crossed(true, was + 5, was + 6, by("x-1"))], "0@12.1"),
        (vec![moved("x-1", 0, 1, 5), crossed(true, was + 5, was + 5, by("x-9"))], "0@12.1"),
        (vec![moved("x-1", 0, 1, 5), crossed(true, was + 5, was + 5, Cause::Set)], "0@12.1"),
        (vec![set(was, false)], "0@12.0"),
    ] {
        let mut author = Author::bank();
        author.forge(vec![set(was + 5, false)]);
        author.forge(events.clone());
        let found = found(&author.log);
        assert!(found.contains(&("LD-10", position.to_owned())), "{events:?}: {found:?}");
    }
}

#[test]
fn an_alert_that_no_state_could_have_stops_the_replay() {
    let was = before();
    let of_account = |number| match set(was + 5, false) {
        Event::BalanceAlertSet { ledger, alert, rule, raised, .. } => {
            let account = AccountHandle(number);
            Event::BalanceAlertSet { ledger, account, alert, rule, raised }
        }
        other => panic!("{other:?}"),
    };
    let of_no_asset = match set(was + 5, false) {
        Event::BalanceAlertSet { ledger, account, alert, mut rule, raised } => {
            rule.asset = AssetHandle(9);
            Event::BalanceAlertSet { ledger, account, alert, rule, raised }
        }
        other => panic!("{other:?}"),
    };
    let opened = Event::AccountOpened {
        ledger: LedgerHandle(0),
        account: AccountHandle(3),
        name: AccountName::parse("eve").unwrap(),
        account_type: AccountType::Liability,
        rules: AccountRules::without_limits(false),
        metadata: ledger_domain::Metadata::default(),
    };
    for (events, position) in [
        (vec![removed()], "0@11.0"),
        (vec![of_account(99)], "0@11.0"),
        (vec![of_no_asset], "0@11.0"),
        (vec![set(was + 5, true)], "0@11.0"),
        (vec![crossed(true, was + 5, was + 5, by("x-1"))], "0@11.0"),
        (vec![set(was + 5, false), crossed(false, was + 5, was, Cause::Set)], "0@11.1"),
        (vec![set(was + 5, false), crossed(true, was + 4, was, Cause::Set)], "0@11.1"),
        (vec![set(was + 5, false), removed(), removed()], "0@11.2"),
        (vec![opened, status(3, AccountStatus::Closed), of_account(3)], "0@11.2"),
    ] {
        stops_at(&events, position);
    }
}

#[test]
fn a_list_of_raised_alerts_that_is_not_the_states_is_found() {
    let was = before();
    let mut author = Author::bank();
    author.forge(vec![set(was, false), crossed(true, was, was, Cause::Set)]);
    let log = author.log;
    let records = log.end(0).unwrap();
    let view = views::reader(&views::project(&log, records));
    let replayed = |events: &[Event]| {
        let mut author = Author::bank();
        author.now += 10;
        let (mut state, now) = (author.state.clone(), author.now as i64);
        events.iter().for_each(|event| apply(&mut state, event, now));
        crate::holds::differences(&view, records - 1, &state).unwrap()
    };
    let raised = [set(was, false), crossed(true, was, was, Cause::Set)];
    assert_eq!(replayed(&raised), [""; 0]);
    let listed = "raised_alerts: alert ~0000000000000001:a is listed and not open";
    assert_eq!(replayed(&raised[..1]), [listed]);
}
