//! Alerts cross when their condition becomes true or false, once each time, after every single movement.

use super::desk::Desk;
use super::*;
use crate::alert::{Cause, Crossing};
use crate::limits::BALANCE_ALERTS_MAX;

/// `ID raised VALUE` or `ID cleared VALUE`, in minor units, of an alert that crosses.
pub(super) fn say(event: &Event) -> Option<String> {
    let crossing = crossing(event)?;
    let to = if crossing.raised { "raised" } else { "cleared" };
    Some(format!("{} {to} {}", crossing.alert, crossing.value.format(0)))
}

fn crossing(event: &Event) -> Option<&Crossing> {
    if let Event::BalanceAlertCrossed { crossing, .. } = event { Some(crossing) } else { None }
}

/// Sets an alert with this condition, or removes it where none is said.
pub(super) fn body(account: &str, id: &str, condition: &[&str]) -> CommandBody {
    let (account, alert) = (AccountName::parse(account).unwrap(), Id::parse(id).unwrap());
    if condition.is_empty() {
        return CommandBody::RemoveBalanceAlert { account, alert };
    }
    let condition = Box::new(conditions::of_balance(condition));
    CommandBody::SetBalanceAlert { account, alert, condition }
}

const BANK: &str = "
    create bank                         => ok
    asset bank USD 2                    => ok
    asset bank JPY 0                    => ok
    open bank cash asset                => ok
    open bank alice liability           => ok
    open bank shop liability            => ok
    post bank cash alice USD 10         => ok
";

fn check_bank(script: &str) {
    check(&format!("{BANK}{script}"));
}

#[test]
fn an_alert_is_refused_in_the_documented_precedence() {
    check_bank(
        "
        alert shop eve low EUR posted <= 0.001     => UNKNOWN_LEDGER: shop
        alert bank eve low EUR posted <= 0.001     => UNKNOWN_ACCOUNT: eve
        alert bank alice low EUR posted <= 0.001   => UNKNOWN_ASSET: EUR
        alert bank alice low USD posted <= 0.001   => TOO_MANY_DECIMALS: when.amount
        alert bank alice low JPY posted <= 0.1     => TOO_MANY_DECIMALS: when.amount
        alert bank alice low USD posted <= 9999999999999999999999999999999999999 => OVERFLOW: when.amount
        unalert shop alice low                     => UNKNOWN_LEDGER: shop
        unalert bank eve low                       => UNKNOWN_ACCOUNT: eve
        unalert bank alice low                     => UNKNOWN_ALERT: low
        alert bank alice low USD posted <= 1       => ok
        unalert bank shop low                      => UNKNOWN_ALERT: low
        unalert bank alice low                     => ok
        unalert bank alice low                     => UNKNOWN_ALERT: low
        freeze bank shop                           => ok
        alert bank shop low USD posted <= -1       => ok
        unfreeze bank shop                         => ok
        close bank shop                            => ok
        alert bank shop low EUR posted <= 0.001    => ACCOUNT_CLOSED: shop
        unalert bank shop low                      => ok
        alert bank alice a USD posted >= 1 if alice version 1 => VERSION_MISMATCH: alice is 0
        ",
    );
}

#[test]
fn an_account_has_so_many_alerts() {
    let mut state = State::default();
    let mut runs = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        run(&mut state, &words, 0)
    };
    for line in ["create bank", "asset bank USD 2", "open bank a liability", "open bank b asset"] {
        assert_eq!(runs(line), "ok");
    }
    for number in 0..BALANCE_ALERTS_MAX {
        assert_eq!(runs(&format!("alert bank a n-{number} USD posted >= 5")), "ok");
    }
    assert_eq!(runs("alert bank a one-more EUR posted >= 5"), "TOO_MANY: alerts");
    assert_eq!(runs("alert bank a n-3 USD posted >= 6"), "ok", "it is replaced");
    assert_eq!(runs("alert bank b one-more USD posted >= 5"), "ok", "of another account");
    assert_eq!(runs("unalert bank a n-4"), "ok");
    assert_eq!(runs("alert bank a one-more USD posted >= 5"), "ok");
    assert_eq!(runs("alert bank a and-another USD posted >= 5"), "TOO_MANY: alerts");
}

#[test]
fn an_alert_crosses_exactly_at_its_amount_and_once() {
    check_bank(
        "
        alert bank alice low USD posted <= 4       => ok
        post bank alice shop USD 5.99              => ok
        post bank alice shop USD 0.01              => ok, low raised 400
        post bank alice shop USD 1                 => ok
        post bank shop alice USD 1                 => ok
        post bank shop alice USD 0.01              => ok, low cleared 401
        post bank alice shop USD 9                 => INSUFFICIENT_FUNDS: alice
        alert bank shop seven USD posted = 7       => ok
        post bank alice shop USD 1.01              => ok, low raised 300, seven raised 700
        post bank alice shop USD 0.01              => ok, seven cleared 701
        alert bank cash high USD posted >= 10.01   => ok
        post bank cash alice USD 0.01              => ok, high raised 1001
        alert bank alice other JPY posted >= 1     => ok
        post bank cash alice JPY 1                 => ok, other raised 1
        ",
    );
}

#[test]
fn figures_below_zero_have_their_sign() {
    check_bank(
        "
        rules bank shop USD=100                    => ok
        alert bank shop deep USD available <= -5   => ok
        alert bank shop none USD posted >= 0       => ok, none raised 0
        post bank shop alice USD 4.99              => ok, none cleared -499
        hold bank h shop alice USD 0.01            => ok, deep raised -500
        void bank h                                => ok, deep cleared -499
        post bank alice shop USD 4.99              => ok, none raised 0
        ",
    );
}

#[test]
fn an_alert_set_while_its_condition_is_true_is_raised_at_once() {
    check_bank(
        "
        alert bank alice low USD posted <= 10      => ok, low raised 1000
        alert bank alice low USD posted <= 10      => ok
        alert bank alice low USD posted <= 11      => ok
        alert bank alice low USD posted <= 5       => ok, low cleared 1000
        alert bank alice low USD posted <= 5       => ok
        alert bank alice low USD available >= 1    => ok, low raised 1000
        alert bank alice low JPY available >= 1    => ok, low cleared 0
        alert bank alice low JPY available <= 0    => ok, low raised 0
        unalert bank alice low                     => ok
        post bank alice shop USD 1                 => ok
        alert bank alice low JPY available <= 0    => ok, low raised 0
        ",
    );
}

#[test]
fn what_is_held_captured_voided_and_expires_crosses() {
    check_bank(
        "
        alert bank alice free USD available <= 3   => ok
        alert bank alice held USD debits_pending >= 7 => ok
        alert bank shop due USD credits_pending >= 7 => ok
        alert bank shop got USD posted >= 2        => ok
        hold bank h alice shop USD 7 until 50      => ok, free raised 300, held raised 700, due raised 700
        capture bank h 2                           => ok, held cleared 500, due cleared 500, got raised 200
        hold bank i alice shop USD 2 until 50      => ok, held raised 700, due raised 700
        hold bank j cash shop JPY 2 until 49       => ok
        void bank i                                => ok, held cleared 500, due cleared 500
        at 50                                      => ok
        due                                        => j 2
        due                                        => h 500, free cleared 800
        due                                        =>
        ",
    );
}

#[test]
fn a_hold_of_a_watched_account_expires_by_itself_and_others_together() {
    check_bank(
        "
        open bank bob liability                    => ok
        post bank cash bob USD 10                  => ok
        hold bank a bob shop USD 1 until 50        => ok
        hold bank b bob shop USD 1 until 50        => ok
        hold bank c alice shop USD 1 until 50      => ok
        hold bank d alice shop USD 1 until 50      => ok
        hold bank e bob shop USD 1 until 50        => ok
        alert bank alice all USD available >= 10   => ok
        alert bank alice most USD available >= 9   => ok
        at 50                                      => ok
        due                                        => a 100, b 100
        due                                        => c 100, most raised 900
        due                                        => d 100, all raised 1000
        due                                        => e 100
        ",
    );
}

#[test]
fn a_scheduled_transfer_crosses_behind_it() {
    check_bank(
        "
        alert bank alice low USD posted <= 4       => ok
        schedule bank rent alice shop USD 3 110 every 10 count 3 => ok
        at 200                                     => ok
        due                                        => rent 1 ok
        due                                        => rent 2 ok, low raised 400
        due                                        => rent 3 ok
        ",
    );
}

#[test]
fn a_batch_that_crosses_down_and_up_crosses_twice() {
    let mut desk = Desk::open();
    desk.check(
        "
        x post cash a 10                           => ok
        alert bank a low USD posted <= 4           => ok
        alert bank b any USD posted >= 0.01        => ok
        1 post a b 6 ; 2 post b a 6 ; 3 post a c 1 => ok; ok; ok; low raised 400; any raised 600; any cleared 0; low cleared 1000
        4 post a b 4 ; 5 post b a 4                => ok; ok; any raised 400; any cleared 0
        6 post c b 1 ; 7 post c b 1                => ok; INSUFFICIENT_FUNDS: c; any raised 100
        6 post c b 1                               => first ok
        ",
    );
}

#[test]
fn what_a_failed_group_did_crosses_nothing() {
    let mut desk = Desk::open();
    desk.check(
        "
        x post cash a 10                           => ok
        alert bank a low USD posted <= 4           => ok
        1 post a b 6 + ; 2 post c b 1              => LINKED_FAILED: 2; INSUFFICIENT_FUNDS: c
        3 post a b 6 + ; 4 post b c 1              => ok; ok; low raised 400
        5 post b a 1 + ; 6 post c a 99 ; 7 post c a 1 => LINKED_FAILED: 6; INSUFFICIENT_FUNDS: c; ok; low cleared 500
        8 post a b 1 in e ; 9 post b a 1 in e      => ok; ok; low raised 400; low cleared 500
        ",
    );
}

#[test]
fn a_reversal_crosses_back() {
    let mut desk = Desk::open();
    desk.check(
        "
        x post cash a 10                           => ok
        alert bank a low USD posted <= 4           => ok
        alert bank a high USD posted >= 10         => ok, high raised 1000
        1 post a b 6                               => ok; high cleared 400; low raised 400
        2 reverse 1 1                              => ok; low cleared 500
        3 reverse 1                                => ok; high raised 1000
        ",
    );
}

#[test]
fn a_crossing_says_all_that_a_consumer_needs() {
    let mut state = State::default();
    for line in BANK.lines().filter_map(|line| line.split_once("=>")) {
        let words: Vec<&str> = line.0.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok");
    }
    let book = state.ledger_by_name(&LedgerName::parse("bank").unwrap()).unwrap();
    let alice = state.ledger(book).unwrap();
    let alice = alice.account_by_name(&AccountName::parse("alice").unwrap()).unwrap();
    let events = |state: &mut State, body| {
        let ledger = LedgerName::parse("bank").unwrap();
        let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
        let events = decide(state, &command, &[], 1).events;
        events.iter().for_each(|event| apply(state, event, 1));
        events
    };
    let set = body("alice", "low", &["USD", "available", "<=", "10"]);
    let set = events(&mut state, set);
    let [Event::BalanceAlertSet { rule, raised: false, .. }, at_once] = &set[..] else {
        panic!("{set:?}")
    };
    let expected = Crossing {
        account: alice,
        alert: Id::parse("low").unwrap(),
        rule: **rule,
        raised: true,
        value: crate::alert::SignedMinor::new(false, 1_000),
        cause: Cause::Set,
    };
    assert_eq!(crossing(at_once), Some(&expected));

    let topped = events(&mut state, posts(transfer(7, "cash", "alice", "USD", "0.01")));
    let [Event::TransferBatch(_), cleared] = &topped[..] else { panic!("{topped:?}") };
    let cleared = crossing(cleared).unwrap();
    assert_eq!(cleared.cause, Cause::Transfer(Id::parse("line-7").unwrap()));

    let leg = leg("alice", "shop", "USD", "0.01");
    events(&mut state, posts(moves("h", Movement::Hold { leg, expires_at: Some(9) })));
    state.record(9);
    let expired = decide_due(&state, 9, 10);
    let [Event::HoldExpired { .. }, cleared] = &expired[..] else { panic!("{expired:?}") };
    assert_eq!(crossing(cleared).unwrap().cause, Cause::Expiry(Id::parse("h").unwrap()));
    assert_eq!(crossing(cleared).unwrap().value.size(), 1_001);
}

/// What is sent is held here and posted there, each with its own alerts.
#[test]
fn a_send_its_receipt_and_its_end_cross() {
    let mut two = super::sends::Two::open();
    two.check(super::sends::OPEN);
    two.check(
        "
        alert bank alice low USD available <= 4    => ok
        alert bank alice less USD posted <= 4      => ok
        alert shop owner rich USD posted >= 6      => ok
        send bank s alice shop owner USD 6         => ok
        ",
    );
    let raised = |state: &State| {
        let raised = state.alerts().filter(|(.., alert)| alert.raised);
        raised.map(|(_, id, _)| id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((raised(&two.bank.state), raised(&two.shop.state)), ("low".into(), String::new()));
    two.check("receive bank s => ok");
    assert_eq!((raised(&two.bank.state), raised(&two.shop.state)), ("low".into(), "rich".into()));
    two.check("settle bank s => ok");
    assert_eq!(raised(&two.bank.state), "less low", "it is posted");
    two.check(
        "
        post bank world alice USD 1                => ok, less cleared 500, low cleared 500
        send bank t alice shop nobody USD 1        => ok
        ",
    );
    assert_eq!(raised(&two.bank.state), "low");
    two.check("receive bank t => UNKNOWN_CREDIT_ACCOUNT: nobody");
    two.check("settle bank t => ok");
    assert_eq!(raised(&two.bank.state), "", "it is given back");
}

#[test]
fn a_state_with_alerts_read_back_counts_them_again() {
    let mut state = State::default();
    for line in [
        "create bank",
        "asset bank USD 2",
        "open bank a liability",
        "open bank b asset",
        "alert bank a one USD posted >= 1",
        "alert bank a two USD posted >= -2",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(run(&mut state, &words, 0).starts_with("ok"), "{line}");
    }
    let bytes = bincode::serde::encode_to_vec(&state, bincode::config::standard()).unwrap();
    let (mut read, _): (State, usize) =
        bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
    assert_eq!(read, state);
    let words = ["post", "bank", "b", "a", "USD", "1"];
    assert_eq!(run(&mut read, &words, 1), "ok, one raised 100");
    assert_ne!(fed(&read), fed(&state));
    let before = fed(&read);
    for alert in read.alerts.values_mut() {
        alert.raised = false;
    }
    assert_ne!(fed(&read), before, "what is raised is part of the state");
    let broken = invariants::check(&read);
    assert_eq!(broken.iter().map(|it| it.invariant).collect::<Vec<_>>(), ["LD-10", "LD-10"]);
    read.alerts.clear();
    let broken = invariants::check(&read);
    assert_eq!(broken.iter().map(|it| it.invariant).collect::<Vec<_>>(), ["LD-10"], "miscounted");
}
