//! Holds that were rightly used, and those that were not.

use super::*;

/// Holds 100 from account 0 to account 1, from the instant that the next commit is recorded at on.
fn held(id: &str, expires_at: Option<i64>) -> Event {
    did(id, Effect::Hold { expires_at }, 0, 1, 100)
}

fn captured(id: &str, hold: &str, amount: u128, remaining: u128) -> Event {
    let hold = Id::parse(hold).unwrap();
    let capture = Capture { hold, rest: false, remaining };
    did(id, Effect::Capture(Box::new(capture)), 0, 1, amount)
}

fn voided(id: &str, hold: &str, amount: u128) -> Event {
    did(id, Effect::Void { hold: Box::new(Id::parse(hold).unwrap()), refused: None }, 0, 1, amount)
}

fn expired(hold: &str, amount: u128) -> Event {
    Event::HoldExpired {
        ledger: LedgerHandle(0),
        hold: Id::parse(hold).unwrap(),
        debit_account: AccountHandle(0),
        credit_account: AccountHandle(1),
        asset: AssetHandle(0),
        amount,
    }
}

#[test]
fn a_hold_that_no_state_could_have_led_to_stops_the_replay() {
    let into =
        |hold: &str| Effect::Void { hold: Box::new(Id::parse(hold).unwrap()), refused: None };
    let cases = [
        (vec![captured("t-9", "none", 1, 0)], "0@11.0"),
        (vec![captured("t-9", "t-1", 500, 0)], "0@11.0"),
        (vec![held("h", None), captured("t-9", "h", 101, 0)], "0@11.1"),
        (vec![held("h", None), held("h", None)], "0@11.1"),
        (vec![held("h", None), captured("t-9", "h", 40, 61)], "0@11.1"),
        (vec![held("h", None), captured("t-9", "h", 100, 0), voided("t-10", "h", 100)], "0@11.2"),
        (vec![held("h", None), voided("t-9", "h", 99)], "0@11.1"),
        (vec![held("h", None), voided("t-9", "h", 100), voided("t-10", "h", 100)], "0@11.2"),
        (vec![held("h", None), did("t-9", into("h"), 0, 2, 100)], "0@11.1"),
        (vec![held("h", Some(1_110)), expired("h", 100)], "0@11.1"),
        (vec![held("h", None), expired("h", 100)], "0@11.1"),
        (vec![held("h", Some(1_100))], "0@11.0"),
        (vec![held("h", None), held("i", None), status(0, AccountStatus::Closed)], "0@11.2"),
        (vec![status(0, AccountStatus::Frozen), held("h", None)], "0@11.1"),
    ];
    let now = Author::bank().now + 10;
    assert_eq!(now, 1_100, "the instant that is forged at");
    for (events, position) in cases {
        stops_at(&events, position);
    }
}

#[test]
fn holds_that_were_rightly_used_are_clean() {
    let mut author = Author::bank();
    author.forge(vec![held("h", Some(1_120)), held("i", None), held("j", Some(1_111))]);
    author.forge(vec![captured("t-8", "h", 30, 70), status(0, AccountStatus::Frozen)]);
    author.forge(vec![expired("j", 100), expired("h", 70), captured("t-9", "i", 100, 0)]);
    assert_eq!(found(&author.log), []);
}

#[test]
fn a_hold_that_is_used_past_its_deadline_is_found() {
    for late in [captured("t-9", "h", 100, 0), voided("t-9", "h", 100)] {
        let mut author = Author::bank();
        author.forge(vec![held("h", Some(1_110))]);
        author.forge(vec![late]);
        assert_eq!(found(&author.log)[..1], one("LD-3", "0@12.0"));
    }
}

#[test]
fn a_list_of_open_holds_that_is_not_the_states_is_found() {
    let mut author = Author::bank();
    author.forge(vec![held("h", None), held("i", None)]);
    author.forge(vec![captured("t-8", "h", 100, 0)]);
    let log = author.log;
    let records = log.end(0).unwrap();
    let view = views::reader(&views::project(&log, records));
    let last = records - 1;
    let replayed = |commits: &[&[Event]]| {
        let mut author = Author::bank();
        let mut state = author.state.clone();
        for events in commits {
            author.now += 10;
            events.iter().for_each(|event| apply(&mut state, event, author.now as i64));
        }
        crate::holds::differences(&view, last, &state).unwrap()
    };
    let opened = [held("h", None), held("i", None)];
    assert_eq!(replayed(&[&opened, &[captured("t-8", "h", 100, 0)]]), [""; 0]);
    let missing = ["open_holds: hold h is not listed"];
    assert_eq!(replayed(&[&opened]), missing);
    let listed = ["open_holds: hold i is listed and not open"];
    let ended = [captured("t-8", "h", 100, 0), voided("t-9", "i", 100)];
    assert_eq!(replayed(&[&opened, &ended]), listed);
}
