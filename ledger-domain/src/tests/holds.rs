//! What is held can be captured, voided, or expires: once, and no more than was held.

use super::*;

const BANK: &str = "
    create bank                         => ok
    asset bank USD 2                    => ok
    asset bank JPY 0                    => ok
    open bank cash asset                => ok
    open bank equity equity             => ok
    open bank alice liability           => ok
    open bank shop liability            => ok
    post bank cash alice USD 10         => ok
";

fn check_bank(script: &str) {
    check(&format!("{BANK}{script}"));
}

#[test]
fn what_is_held_is_not_available_and_a_capture_posts_it() {
    check_bank(
        "
        hold bank h alice shop USD 7        => ok
        balance bank alice USD              => 0 1000 held 700 0
        balance bank shop USD               => 0 0 held 0 700
        post bank alice shop USD 3.01       => INSUFFICIENT_FUNDS: alice
        hold bank i alice shop USD 3.01     => INSUFFICIENT_FUNDS: alice
        post bank shop alice USD 1          => INSUFFICIENT_FUNDS: shop
        post bank alice shop USD 3          => ok
        capture bank h                      => ok
        balance bank alice USD              => 1000 1000
        balance bank shop USD               => 0 1000
        ",
    );
}

#[test]
fn a_hold_is_captured_in_parts_up_to_its_amount() {
    check_bank(
        "
        hold bank h alice shop USD 7        => ok
        capture bank h 2.50                 => ok
        balance bank alice USD              => 250 1000 held 450 0
        balance bank shop USD               => 0 250 held 0 450
        capture bank h 4.51                 => EXCEEDS_HOLD: amount
        capture bank h 0.001                => TOO_MANY_DECIMALS: amount
        capture bank h 99999999999999999999999999999999999999 => OVERFLOW: amount
        capture bank h 4                    => ok
        capture bank h                      => ok
        balance bank alice USD              => 700 1000
        capture bank h                      => HOLD_NOT_OPEN: h
        capture bank h 0.01                 => HOLD_NOT_OPEN: h
        void bank h                         => HOLD_NOT_OPEN: h
        ",
    );
}

#[test]
fn a_void_gives_back_what_was_not_captured() {
    check_bank(
        "
        hold bank h alice shop USD 7        => ok
        capture bank h 2                    => ok
        void bank h                         => ok
        balance bank alice USD              => 200 1000
        balance bank shop USD               => 0 200
        post bank alice shop USD 8          => ok
        ",
    );
}

/// In another ledger a retried void of a hold that was voided already gave the money back twice.
#[test]
fn a_double_release_gives_back_once() {
    check_bank(
        "
        hold bank h alice shop USD 7        => ok
        void bank h                         => ok
        void bank h                         => HOLD_NOT_OPEN: h
        capture bank h                      => HOLD_NOT_OPEN: h
        balance bank alice USD              => 0 1000
        hold bank i alice shop USD 10 until 5 => ok
        at 5                                => ok
        due                                 => i 1000
        void bank i                         => HOLD_NOT_OPEN: i
        due                                 =>
        balance bank alice USD              => 0 1000
        ",
    );
}

/// blnk#182: a hold that was refused for want of funds could be captured all the same.
#[test]
fn a_hold_that_was_refused_cannot_be_captured() {
    check_bank(
        "
        hold bank h alice shop USD 10.01    => INSUFFICIENT_FUNDS: alice
        capture bank h                      => HOLD_NOT_OPEN: h
        void bank h                         => HOLD_NOT_OPEN: h
        capture bank never                  => HOLD_NOT_OPEN: never
        balance bank alice USD              => 0 1000
        balance bank shop USD               => 0 0
        ",
    );
}

#[test]
fn a_transfer_that_is_no_hold_cannot_be_captured() {
    check_bank(
        "
        create other                        => ok
        hold bank h alice shop USD 7        => ok
        capture other h                     => HOLD_NOT_OPEN: h
        post bank alice shop USD 1          => ok
        capture bank line-11                => HOLD_NOT_OPEN: line-11
        ",
    );
}

#[test]
fn past_its_deadline_a_hold_is_held_until_its_event_and_cannot_be_captured() {
    check_bank(
        "
        at 10                               => ok
        hold bank late alice shop USD 1 until 10 => HOLD_EXPIRED: expire_time
        hold bank h alice shop USD 7 until 11 => ok
        hold bank i alice shop USD 1 until 20 => ok
        hold bank j alice shop USD 1        => ok
        due                                 =>
        capture bank h 2                    => ok
        at 11                               => ok
        capture bank h 1                    => HOLD_EXPIRED: h
        void bank h                         => HOLD_EXPIRED: h
        balance bank alice USD              => 200 1000 held 700 0
        due                                 => h 500
        balance bank alice USD              => 200 1000 held 200 0
        capture bank h 1                    => HOLD_NOT_OPEN: h
        at 1000000                          => ok
        due                                 => i 100
        capture bank j                      => ok
        balance bank alice USD              => 300 1000
        ",
    );
}

#[test]
fn holds_expire_in_the_order_of_their_deadlines_a_few_at_a_time() {
    let mut state = State::default();
    for line in BANK.lines().filter_map(|line| line.split_once("=>")) {
        let words: Vec<&str> = line.0.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok");
    }
    for (id, until) in [("c", "7"), ("a", "9"), ("b", "5"), ("d", "7")] {
        let words = ["hold", "bank", id, "alice", "shop", "USD", "1", "until", until];
        assert_eq!(run(&mut state, &words, 0), "ok");
    }
    assert_eq!(state.next_due(), Some(5));
    state.record(8);
    assert_eq!(due(&mut state, 2), "b 100, c 100");
    assert_eq!(state.next_due(), Some(7));
    assert_eq!(due(&mut state, 2), "d 100");
    assert_eq!(state.next_due(), Some(9));
    assert_eq!(run(&mut state, &["void", "bank", "a"], 1), "ok");
    assert_eq!(state.next_due(), None, "what was given back is not due");
}

#[test]
fn a_capture_ignores_a_freeze_and_a_hold_keeps_an_account_open() {
    check_bank(
        "
        hold bank h alice shop USD 7        => ok
        freeze bank alice                   => ok
        hold bank i alice shop USD 1        => ACCOUNT_FROZEN: alice
        capture bank h 1                    => ok
        void bank h                         => ok
        unfreeze bank alice                 => ok
        open bank till asset                => ok
        open bank bob liability             => ok
        hold bank j till bob USD 2          => ok
        close bank till                     => ACCOUNT_NOT_EMPTY: till
        close bank bob                      => ACCOUNT_NOT_EMPTY: bob
        void bank j                         => ok
        close bank till                     => ok
        close bank bob                      => ok
        ",
    );
}

#[test]
fn a_hold_is_refused_as_a_post_is() {
    check_bank(
        "
        hold bank h x shop EUR 1.234        => UNKNOWN_DEBIT_ACCOUNT: x
        hold bank h alice x EUR 1.234       => UNKNOWN_CREDIT_ACCOUNT: x
        hold bank h alice shop EUR 1.234    => UNKNOWN_ASSET: EUR
        hold bank h alice shop USD 1.234    => TOO_MANY_DECIMALS: amount
        hold bank h equity cash USD 0.01    => INSUFFICIENT_FUNDS: equity
        hold bank h cash equity USD 5       => ok
        hold bank i equity cash USD 5       => INSUFFICIENT_FUNDS: equity
        ",
    );
}

/// What is posted and what is held stay below 2^128 together, or a capture would have to fail.
#[test]
fn what_is_held_can_always_be_captured() {
    check(
        "
        create bank                       => ok
        asset bank X 0                    => ok
        open bank a liability negative    => ok
        open bank b liability negative    => ok
        open bank c liability negative    => ok
        hold bank h a b X 340282366920938463463374607431768211455 => ok
        post bank a c X 1                 => OVERFLOW: a
        post bank c b X 1                 => OVERFLOW: b
        hold bank i c b X 1               => OVERFLOW: b
        capture bank h                    => ok
        balance bank a X                  => 340282366920938463463374607431768211455 0
        ",
    );
}

#[test]
fn up_to_moves_what_there_is_but_not_nothing() {
    check_bank(
        "
        upto bank alice shop USD 4          => ok
        balance bank alice USD              => 400 1000
        hold bank h alice shop USD 5        => ok
        upto bank alice shop USD 4          => ok
        balance bank alice USD              => 500 1000 held 500 0
        upto bank alice shop USD 4          => INSUFFICIENT_FUNDS: alice
        upto bank alice shop USD 4.001      => TOO_MANY_DECIMALS: amount
        open bank drawer asset              => ok
        upto bank alice drawer USD 1        => INSUFFICIENT_FUNDS: alice
        upto bank cash drawer USD 1         => INSUFFICIENT_FUNDS: drawer
        upto bank equity cash USD 1         => INSUFFICIENT_FUNDS: equity
        upto bank cash equity USD 1         => ok
        post bank cash shop USD 100         => ok
        post bank drawer shop USD 2         => ok
        upto bank shop drawer USD 50        => ok
        balance bank drawer USD             => 200 200
        ",
    );
}
