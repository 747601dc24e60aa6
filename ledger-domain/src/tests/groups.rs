//! Groups and journal entries: all or nothing, and only what failed is burnt.

use super::desk::Desk;

#[test]
fn a_group_is_accepted_as_a_whole_or_not_at_all() {
    Desk::open().check(
        "
        t1 post cash a 10                                       => ok
        t2 post a b 4 +; t3 post b c 3                          => ok; ok
        t4 post a b 6 +; t5 post a c 1; t6 post b c 1           => LINKED_FAILED: t5; INSUFFICIENT_FUNDS: a; ok
        balance bank a USD                                      => 400 1000
        balance bank b USD                                      => 400 400
        t5 post a c 1                                           => first INSUFFICIENT_FUNDS
        t4 post a b 6                                           => ok
        ",
    );
}

#[test]
fn what_a_failed_group_did_is_taken_back() {
    Desk::open().check(
        "
        t1 post cash a 10                                              => ok
        h1 hold a b 4                                                  => ok
        t2 capture h1 1 +; t3 void h1 +; t4 capture h1                 => LINKED_FAILED: t4; LINKED_FAILED: t4; HOLD_NOT_OPEN: h1
        h2 hold a b 6 +; t5 post a c 1; t6 capture h2                  => LINKED_FAILED: t5; INSUFFICIENT_FUNDS: a; HOLD_NOT_OPEN: h2
        t7 post a c 2 +; t8 post c b 2 +; t9 post c b 1; u1 post c b 1 => LINKED_FAILED: t9; LINKED_FAILED: t9; INSUFFICIENT_FUNDS: c; INSUFFICIENT_FUNDS: c
        u2 capture h1                                                  => ok
        balance bank a USD                                             => 400 1000
        ",
    );
}

#[test]
fn a_journal_entry_is_a_group_with_an_id() {
    Desk::open().check(
        "
        t1 post cash a 10 in e1; t2 post a b 4 in e1; t3 post a c 1 in e2  => ok; ok; ok
        t4 post a c 1 in e3; t5 post a c 9 in e3; t6 post a c 1 in e4      => LINKED_FAILED: t5; INSUFFICIENT_FUNDS: a; ok
        t4 post a c 1 in e3; u5 post a c 2 in e3                           => ok; ok
        ",
    );
}

#[test]
fn a_journal_entry_is_recorded_once() {
    Desk::open().check(
        "
        t1 post cash a 10 in e1; t2 post a b 4 in e1                       => ok; ok
        t1 post cash a 10 in e1; t2 post a b 4 in e1                       => first ok; first ok
        t2 post a b 4 in e1                                                => first ok
        t3 post a b 1 in e1                                                => ENTRY_EXISTS: e1
        t2 post a b 4 in e1; t3 post a b 1 in e1; t4 post a b 1            => first ok; ENTRY_EXISTS: e1; ok
        t2 post a b 4                                                      => other content
        t3 post a b 1                                                      => ok
        ",
    );
}

#[test]
fn a_group_with_a_known_id_decides_nothing() {
    Desk::open().check(
        "
        t1 post cash a 10                                 => ok
        t2 post a b 4 +; t3 post a b 7                    => LINKED_FAILED: t3; INSUFFICIENT_FUNDS: a
        t2 post a b 4 +; t3 post a b 7                    => LINKED_FAILED: t3; first INSUFFICIENT_FUNDS
        t2 post a b 4 +; t4 post a b 1                    => ok; ok
        t2 post a b 4 +; t4 post a b 1                    => first ok; first ok
        t2 post a b 4 +; t5 post a b 1                    => first ok; LINKED_FAILED: t2
        t6 post a b 1 +; t6 post a b 1                    => LINKED_FAILED: t6; differs in linked
        t7 post a b 1; t8 post a b 1 +; t7 post a b 1     => ok; LINKED_FAILED: t7; repeats 0
        t5 post a b 1 in e1; t5 post a b 1 in e1          => LINKED_FAILED: t5; repeats 0
        balance bank a USD                                => 600 1000
        ",
    );
}

#[test]
fn a_group_ends_with_its_batch() {
    Desk::open().check(
        "
        t1 post cash a 10 +                               => ok
        t2 post a b 11 +                                  => INSUFFICIENT_FUNDS: a
        ",
    );
}
