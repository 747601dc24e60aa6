//! Groups, journal entries and reversals: one outcome over restarts and a lost id store, and what is
//! in flight counts.

use ledger_domain::{Decimal, Id, Link, Movement, Transfer};
use ledger_log::simulated::Crash;

use super::rig::{Rig, batch, line, moves, transfer};

fn linked(id: &str, debit: &str, credit: &str, amount: &str) -> Transfer {
    Transfer { link: Link::Next, ..transfer(id, debit, credit, amount) }
}

fn of_entry(entry: &str, transfer: Transfer) -> Transfer {
    Transfer { link: Link::Entry(Box::new(Id::parse(entry).unwrap())), ..transfer }
}

fn reversal(id: &str, of: &str, amount: Option<&str>) -> Transfer {
    let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
    moves(id, Movement::Reversal { of: Id::parse(of).unwrap(), amount })
}

/// A bank whose account "a" has 100.
fn rich() -> Rig {
    let mut rig = Rig::new().with_bank();
    assert_eq!(rig.post(transfer("fund", "world", "a", "100")), "ok 0@7.0");
    rig
}

/// Asks all of it, then again after each way to lose memory: each answer is its first one.
fn keeps_its_outcomes(mut rig: Rig, cases: &[(Option<&str>, Vec<Transfer>, &str, &str)]) {
    for (request_id, transfers, expected, _) in cases {
        let answer = line(&rig.ask(batch(*request_id, transfers.clone())));
        assert_eq!(answer, *expected, "{transfers:?}");
    }
    for lose in [false, true] {
        if lose {
            rig.ids.lose();
        }
        rig.crash(Crash::Drop);
        for (request_id, transfers, _, again) in cases {
            let answer = line(&rig.ask(batch(*request_id, transfers.clone())));
            assert_eq!(answer, *again, "lost the id store: {lose}; {transfers:?}");
        }
        rig.assert_replay_is_live();
    }
}

#[test]
fn a_failed_group_burns_one_id_and_fails_again_the_same() {
    let failing = || vec![linked("t1", "a", "b", "60"), transfer("t2", "a", "b", "41")];
    let known = || vec![linked("t1", "a", "b", "60"), transfer("t3", "a", "b", "30")];
    keeps_its_outcomes(
        rich(),
        &[
            (
                Some("r1"),
                failing(),
                "LINKED_FAILED: t2, INSUFFICIENT_FUNDS: a 0@8.0",
                // By then its first member was accepted in other company, which is its first outcome.
                "ok 0@9.0 replayed, INSUFFICIENT_FUNDS: a 0@8.0 replayed",
            ),
            (Some("r2"), known(), "ok 0@9.0, ok 0@9.1", "ok 0@9.0 replayed, ok 0@9.1 replayed"),
            (
                None,
                vec![linked("t1", "a", "b", "60"), transfer("t4", "a", "b", "1")],
                "ok 0@9.0 replayed, LINKED_FAILED: t1",
                "ok 0@9.0 replayed, LINKED_FAILED: t1",
            ),
            (None, vec![transfer("t1", "a", "b", "60")], "ID_REUSED: linked", "ID_REUSED: linked"),
        ],
    );
}

#[test]
fn a_journal_entry_is_recorded_once_whatever_was_lost() {
    let entry = |id: &str, amount: &str| of_entry("e1", transfer(id, "a", "b", amount));
    keeps_its_outcomes(
        rich(),
        &[
            (
                None,
                vec![entry("t1", "60"), entry("t2", "50")],
                "LINKED_FAILED: t2, INSUFFICIENT_FUNDS: a 0@8.0",
                "ok 0@9.0 replayed, INSUFFICIENT_FUNDS: a 0@8.0 replayed",
            ),
            (
                None,
                vec![entry("t1", "60"), entry("t3", "5")],
                "ok 0@9.0, ok 0@9.1",
                "ok 0@9.0 replayed, ok 0@9.1 replayed",
            ),
            (
                None,
                vec![entry("t4", "1"), transfer("t5", "a", "b", "1")],
                "ENTRY_EXISTS: e1, ok 0@10.0",
                "ENTRY_EXISTS: e1, ok 0@10.0 replayed",
            ),
            (
                None,
                vec![of_entry("e2", transfer("t1", "a", "b", "60"))],
                "ID_REUSED: entry_id",
                "ID_REUSED: entry_id",
            ),
        ],
    );
}

#[test]
fn a_transfer_is_never_reversed_beyond_what_it_posted() {
    keeps_its_outcomes(
        rich(),
        &[
            (None, vec![transfer("t1", "a", "b", "50")], "ok 0@8.0", "ok 0@8.0 replayed"),
            (None, vec![reversal("r1", "t1", Some("20"))], "ok 0@9.0", "ok 0@9.0 replayed"),
            (
                None,
                vec![reversal("r2", "t1", Some("30.01")), reversal("r3", "t1", None)],
                "EXCEEDS_TRANSFER: amount 0@10.0, ok 0@10.1",
                "EXCEEDS_TRANSFER: amount 0@10.0 replayed, ok 0@10.1 replayed",
            ),
            (
                None,
                vec![reversal("r4", "t1", None)],
                "EXCEEDS_TRANSFER: amount 0@11.0",
                "EXCEEDS_TRANSFER: amount 0@11.0 replayed",
            ),
            (
                None,
                vec![reversal("r1", "t1", Some("21")), reversal("r3", "fund", None)],
                "ID_REUSED: amount, ID_REUSED: reversed_id",
                "ID_REUSED: amount, ID_REUSED: reversed_id",
            ),
            (
                None,
                vec![reversal("r5", "r1", None), reversal("r6", "none", None)],
                "NOT_REVERSIBLE: r1 0@12.0, UNKNOWN_TRANSFER: none 0@12.1",
                "NOT_REVERSIBLE: r1 0@12.0 replayed, UNKNOWN_TRANSFER: none 0@12.1 replayed",
            ),
        ],
    );
}

/// What was reversed is known of commits in flight, of those that the id store has, and after it was lost.
#[test]
fn what_is_left_is_known_wherever_it_stands() {
    let mut rig = rich();
    let post = rig.offer(batch(None, vec![transfer("t1", "a", "b", "50")]));
    let part = |id: &str| batch(None, vec![reversal(id, "t1", Some("20"))]);
    let first = rig.offer(part("r1"));
    rig.step_writer();
    let second = rig.offer(part("r2"));
    let third = rig.offer(part("r3"));
    rig.step_writer();
    rig.pump();
    assert_eq!(line(&rig.reply(post)), "ok 0@8.0");
    assert_eq!(line(&rig.reply(first)), "ok 0@8.1");
    assert_eq!(line(&rig.reply(second)), "ok 0@9.0");
    assert_eq!(line(&rig.reply(third)), "EXCEEDS_TRANSFER: amount 0@9.1");
    for (number, at, lose) in [(4, 11, false), (5, 13, true)] {
        if lose {
            rig.ids.lose();
        }
        rig.crash(Crash::Drop);
        assert_eq!(
            rig.post(reversal(&format!("r{number}"), "t1", Some("5"))),
            format!("ok 0@{at}.0")
        );
    }
    assert!(rig.post(reversal("r6", "t1", None)).starts_with("EXCEEDS_TRANSFER: amount"));
    assert!(rig.post(reversal("r7", "fund", Some("1"))).starts_with("ok"));
    rig.assert_replay_is_live();
}

#[test]
fn a_dry_run_of_a_group_burns_nothing() {
    let mut rig = rich();
    let entry = |id: &str, amount: &str| of_entry("e1", transfer(id, "a", "b", amount));
    let failing = batch(None, vec![entry("t1", "60"), entry("t2", "50")]);
    let dry = rig.offer_as(failing, true);
    rig.pump();
    let said = line(&rig.reply(dry));
    assert_eq!(said, "LINKED_FAILED: t2, INSUFFICIENT_FUNDS: a nowhere");
    let fine = batch(None, vec![entry("t2", "50"), reversal("r1", "fund", None)]);
    let dry = rig.offer_as(fine.clone(), true);
    rig.pump();
    assert_eq!(line(&rig.reply(dry)), "ok nowhere, INSUFFICIENT_FUNDS: a nowhere");
    assert_eq!(line(&rig.ask(fine)), "ok 0@8.0, INSUFFICIENT_FUNDS: a 0@8.1");
}
