//! Closed books: what may still take effect, and when.

use super::*;

#[test]
fn nothing_takes_effect_in_books_that_are_closed() {
    check(
        "
        lock bank 5                                      => UNKNOWN_LEDGER: bank
        create bank                                      => ok
        create shop                                      => ok
        asset bank USD 2                                 => ok
        open bank a liability negative                   => ok
        open bank b liability                            => ok
        at 100                                           => ok
        lock bank 101                                    => LOCK_IN_FUTURE: locked_before
        post bank a b USD 1 effective 99                 => ok
        lock bank 100                                    => ok
        post bank a b USD 1 effective 99                 => BOOKS_LOCKED: effective_time
        post bank a b USD 1 effective -99                => BOOKS_LOCKED: effective_time
        post bank a b USD 1 effective 100                => ok
        post bank a b USD 1 effective 1000               => ok
        post bank a b USD 1                              => ok
        balance bank b USD                               => 0 400
        lock bank 50                                     => ok
        post bank a b USD 1 effective 50                 => ok
        post bank a b USD 1 effective 49                 => BOOKS_LOCKED: effective_time
        lock shop                                        => ok
        post bank a b USD 1 effective 49                 => BOOKS_LOCKED: effective_time
        lock bank                                        => ok
        post bank a b USD 1 effective -99                => ok
        lock bank -98                                    => ok
        post bank a b USD 1 effective -99                => BOOKS_LOCKED: effective_time
        ",
    );
}

/// What a transfer names comes first, its amount last.
#[test]
fn closed_books_have_one_place_in_the_precedence_of_every_kind() {
    check(
        "
        create bank                                      => ok
        asset bank USD 2                                 => ok
        open bank a liability negative                   => ok
        open bank b liability                            => ok
        open bank c liability                            => ok
        freeze bank c                                    => ok
        at 100                                           => ok
        hold bank h a b USD 5                            => ok
        hold bank late a b USD 5 until 101               => ok
        at 101                                           => ok
        lock bank 100                                    => ok
        post bank x b EUR 0.001 effective 1              => UNKNOWN_DEBIT_ACCOUNT: x
        post bank a c EUR 0.001 effective 1              => ACCOUNT_FROZEN: c
        post bank a b EUR 0.001 effective 1              => BOOKS_LOCKED: effective_time
        upto bank b a USD 1 effective 1                  => BOOKS_LOCKED: effective_time
        hold bank i a b EUR 1 until 101 effective 1      => HOLD_EXPIRED: expire_time
        hold bank i a b EUR 1 until 102 effective 1      => BOOKS_LOCKED: effective_time
        capture bank none effective 1                    => HOLD_NOT_OPEN: none
        capture bank late effective 1                    => HOLD_EXPIRED: late
        capture bank h 6 effective 1                     => BOOKS_LOCKED: effective_time
        void bank none effective 1                       => HOLD_NOT_OPEN: none
        void bank h effective 1                          => BOOKS_LOCKED: effective_time
        due                                              => late 500
        capture bank h 2                                 => ok
        void bank h effective 100                        => ok
        balance bank b USD                               => 0 200
        ",
    );
}

#[test]
fn a_lock_is_part_of_the_state() {
    let mut state = State::default();
    assert_eq!(run(&mut state, &["create", "bank"], 0), "ok");
    let open = fed(&state);
    assert_eq!(run(&mut state, &["lock", "bank", "0"], 0), "ok");
    assert_ne!(fed(&state), open);
    assert_eq!(run(&mut state, &["lock", "bank"], 0), "ok");
    assert_eq!(fed(&state), open);
}
