//! How far a balance may pass zero, and other rules for an account that has balances.

use super::*;

#[test]
fn a_balance_passes_zero_as_far_as_its_limit() {
    check(
        "
        create bank                            => ok
        asset bank USD 2                       => ok
        asset bank EUR 0                       => ok
        open bank a liability USD=10.00        => ok
        open bank b liability                  => ok
        open bank till asset EUR=3             => ok
        post bank a b USD 10.01                => INSUFFICIENT_FUNDS: a
        post bank a b EUR 1                    => INSUFFICIENT_FUNDS: a
        post bank a b USD 4                    => ok
        post bank a b USD 6.01                 => INSUFFICIENT_FUNDS: a
        upto bank a b USD 7                    => ok
        upto bank a b USD 7                    => INSUFFICIENT_FUNDS: a
        balance bank a USD                     => 1000 0
        post bank b till EUR 1                 => INSUFFICIENT_FUNDS: b
        open bank world equity negative        => ok
        post bank world till EUR 3             => ok
        post bank world till EUR 1             => INSUFFICIENT_FUNDS: till
        balance bank till EUR                  => 0 3
        ",
    );
}

#[test]
fn what_is_held_takes_of_the_limit() {
    check(
        "
        create bank                            => ok
        asset bank USD 0                       => ok
        open bank a liability USD=10           => ok
        open bank b liability                  => ok
        hold bank h a b USD 8                  => ok
        post bank a b USD 3                    => INSUFFICIENT_FUNDS: a
        upto bank a b USD 3                    => ok
        capture bank h                         => ok
        balance bank a USD                     => 10 0
        ",
    );
}

/// Room and rule are exact where balance and limit together pass 2^128.
#[test]
fn a_limit_is_exact_at_the_end_of_128_bits() {
    check(
        "
        create bank                            => ok
        asset bank X 0                         => ok
        open bank a liability X=340282366920938463463374607431768211455 => ok
        open bank b liability                  => ok
        open bank world equity negative        => ok
        post bank world a X 5                  => ok
        upto bank a b X 340282366920938463463374607431768211455 => ok
        balance bank a X => 340282366920938463463374607431768211455 5
        post bank a world X 1                  => OVERFLOW: a
        rules bank a X=340282366920938463463374607431768211449 => BALANCE_PASSES_RULES: X
        rules bank a X=340282366920938463463374607431768211450 => ok
        ",
    );
}

#[test]
fn rules_are_refused_in_the_documented_precedence() {
    check(
        "
        rules bank a                           => UNKNOWN_LEDGER: bank
        create bank                            => ok
        rules bank a EUR=1                     => UNKNOWN_ACCOUNT: a
        asset bank USD 2                       => ok
        asset bank CHF 2                       => ok
        open bank a liability CHF=0.001 EUR=1  => UNKNOWN_ASSET: EUR
        open bank a liability CHF=0.001        => TOO_MANY_DECIMALS: CHF
        open bank a liability CHF=9999999999999999999999999999999999999 => OVERFLOW: CHF
        open bank a liability                  => ok
        open bank a liability EUR=1            => ACCOUNT_EXISTS: a
        rules bank a CHF=0.001 EUR=1           => UNKNOWN_ASSET: EUR
        rules bank a CHF=0.001                 => TOO_MANY_DECIMALS: CHF
        rules bank a CHF=9999999999999999999999999999999999999 => OVERFLOW: CHF
        close bank a                           => ok
        rules bank a EUR=1                     => ACCOUNT_CLOSED: a
        ",
    );
}

#[test]
fn new_rules_hold_what_the_account_has() {
    check(
        "
        create bank                            => ok
        asset bank USD 0                       => ok
        asset bank EUR 0                       => ok
        open bank a liability                  => ok
        open bank b liability                  => ok
        post bank a b USD 1                    => INSUFFICIENT_FUNDS: a
        rules bank a USD=5                     => ok
        post bank a b USD 5                    => ok
        rules bank a                           => BALANCE_PASSES_RULES: USD
        rules bank a EUR=5 USD=4               => BALANCE_PASSES_RULES: USD
        rules bank a EUR=5 USD=5               => ok
        hold bank h a b EUR 2                  => ok
        rules bank a EUR=1 USD=5               => BALANCE_PASSES_RULES: EUR
        freeze bank a                          => ok
        rules bank a EUR=2 USD=5               => ok
        void bank h                            => ok
        rules bank a USD=5                     => ok
        rules bank a negative                  => ok
        unfreeze bank a                        => ok
        post bank a b EUR 100                  => ok
        ",
    );
}
