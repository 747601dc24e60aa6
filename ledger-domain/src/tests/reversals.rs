//! Reversals: back what was posted, in parts, never more.

use super::desk::Desk;

#[test]
fn a_reversal_posts_back_what_a_transfer_posted() {
    Desk::open().check(
        "
        t1 post cash a 10                => ok
        t2 post a b 4                    => ok
        r2 reverse t2                    => ok
        balance bank a USD               => 400 1400
        balance bank b USD               => 400 400
        r3 reverse t2                    => EXCEEDS_TRANSFER: amount
        r2 reverse t2                    => first ok
        r2 reverse t2 4                  => other content
        ",
    );
}

#[test]
fn parts_come_to_no_more_than_the_whole() {
    Desk::open().check(
        "
        t1 post cash a 10                => ok
        r1 reverse t1 3.5                => ok
        r2 reverse t1 6.51               => EXCEEDS_TRANSFER: amount
        r3 reverse t1 6.5                => ok
        r4 reverse t1                    => EXCEEDS_TRANSFER: amount
        r5 reverse t1 0.001              => TOO_MANY_DECIMALS: amount
        r6 reverse t1 99999999999999999999999999999999999999 => EXCEEDS_TRANSFER: amount
        balance bank cash USD            => 1000 1000
        ",
    );
}

#[test]
fn only_what_posted_money_can_be_reversed() {
    Desk::open().check(
        "
        t1 post cash a 10                => ok
        h1 hold a b 4                    => ok
        r1 reverse h1                    => NOT_REVERSIBLE: h1
        t2 capture h1 3                  => ok
        r2 reverse t2 2                  => ok
        r3 reverse r2                    => NOT_REVERSIBLE: r2
        t3 void h1                       => ok
        r4 reverse t3                    => NOT_REVERSIBLE: t3
        r5 reverse nobody                => UNKNOWN_TRANSFER: nobody
        t4 post a b 99                   => INSUFFICIENT_FUNDS: a
        r6 reverse t4                    => UNKNOWN_TRANSFER: t4
        r7 reverse t2                    => ok
        balance bank b USD               => 300 300
        ",
    );
}

#[test]
fn a_reversal_is_a_posting_like_any_other() {
    Desk::open().check(
        "
        t1 post cash a 10                => ok
        t2 post a b 4                    => ok
        t3 post b c 3                    => ok
        r1 reverse t2                    => INSUFFICIENT_FUNDS: b
        freeze bank b                    => ok
        r2 reverse t2 1                  => ACCOUNT_FROZEN: b
        unfreeze bank b                  => ok
        r3 reverse t2 1                  => ok
        close bank b                     => ok
        r4 reverse t2 1                  => ACCOUNT_CLOSED: b
        ",
    );
}

#[test]
fn a_batch_reverses_what_stands_above() {
    Desk::open().check(
        "
        t1 post cash a 10; r1 reverse t1 4; r2 reverse t1 7; r3 reverse t1; r4 reverse r3; h1 hold cash a 1; r5 reverse h1 => ok; ok; EXCEEDS_TRANSFER: amount; ok; NOT_REVERSIBLE: r3; ok; NOT_REVERSIBLE: h1
        r6 reverse t2; t2 post cash a 1                  => UNKNOWN_TRANSFER: t2; ok
        ",
    );
}

#[test]
fn a_failed_group_reverses_nothing() {
    Desk::open().check(
        "
        t1 post cash a 10                                => ok
        r1 reverse t1 4 +; t2 post a b 7; r2 reverse t1  => LINKED_FAILED: t2; INSUFFICIENT_FUNDS: a; ok
        t3 post cash a 5 +; t4 post a b 9; r3 reverse t3 => LINKED_FAILED: t4; INSUFFICIENT_FUNDS: a; UNKNOWN_TRANSFER: t3
        ",
    );
}

#[test]
fn an_entry_is_reversed_by_an_entry() {
    Desk::open().check(
        "
        t1 post cash a 10 in e1; t2 post a b 4 in e1     => ok; ok
        r2 reverse t2 in e2; r1 reverse t1 in e2         => ok; ok
        balance bank cash USD                            => 1000 1000
        balance bank b USD                               => 400 400
        ",
    );
}
