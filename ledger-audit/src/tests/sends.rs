//! Sends that were rightly ended, and those that were not (SG-1).

use ledger_domain::{Destination, Origin};

use super::*;

/// The clearing account with "shop", behind those of the bank.
fn clearing(account: u64) -> Event {
    Event::AccountOpened {
        ledger: LedgerHandle(0),
        account: AccountHandle(account),
        name: AccountName::clearing(&shop()),
        account_type: AccountType::Asset,
        rules: AccountRules::without_limits(true),
        metadata: Default::default(),
    }
}

fn shop() -> LedgerName {
    LedgerName::parse("shop").unwrap()
}

/// Sends 100 from account 0, held against an account.
fn sent(id: &str, against: u64) -> Event {
    let (ledger, account) = (shop(), AccountName::parse("till").unwrap());
    let to = Destination { ledger, account, deadline: None };
    did(id, Effect::Send(Box::new(to)), 0, against, 100)
}

fn received(id: &str, from: u64, sent_at: i64, deadline: Option<i64>) -> Event {
    let (ledger, send) = (shop(), Id::parse("x").unwrap());
    let origin = Origin { ledger, send, scale: 2, deadline, sent_at };
    did(id, Effect::Receive(Box::new(origin)), from, 1, 100)
}

fn with_id(mut event: Event, id: Id) -> Event {
    if let Event::TransferBatch(batch) = &mut event {
        batch.accepted[0].id = id;
    }
    event
}

fn captured(id: &str, against: u64, amount: u128, remaining: u128) -> Event {
    let capture = Capture { hold: Id::parse("s").unwrap(), rest: true, remaining };
    did(id, Effect::Capture(Box::new(capture)), 0, against, amount)
}

fn settlement() -> Id {
    Id::settlement(&Id::parse("s").unwrap())
}

/// Accounts of the bank that all cases begin with.
fn opened() -> u64 {
    Author::bank().state.accounts().len() as u64
}

#[test]
fn a_send_that_no_state_could_have_led_to_stops_the_replay() {
    let at = opened();
    let settled = |amount, remaining| with_id(captured("x", at, amount, remaining), settlement());
    let cases = [
        (vec![sent("s", 1)], "0@11.0"),
        (vec![clearing(at), sent("s", at), captured("c", at, 100, 0)], "0@11.2"),
        (vec![clearing(at), sent("s", at), settled(40, 60)], "0@11.2"),
        (vec![clearing(at), sent("s", at), settled(100, 0), settled(100, 0)], "0@11.3"),
        (vec![received("r", 0, 1, None)], "0@11.0"),
        (vec![clearing(at), received("r", at, 1_100, None)], "0@11.1"),
        (vec![clearing(at), received("r", at, 1, Some(1_100))], "0@11.1"),
    ];
    for (events, position) in cases {
        stops_at(&events, position);
    }
}

#[test]
fn sends_that_were_rightly_ended_are_clean() {
    let at = opened();
    let mut author = Author::bank();
    author.forge(vec![clearing(at), sent("s", at)]);
    author.forge(vec![received("r", at, 1, Some(9_999))]);
    author.forge(vec![with_id(captured("x", at, 100, 0), settlement())]);
    assert_eq!(found(&author.log), []);
}
