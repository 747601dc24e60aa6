//! One id, one outcome (LD-4): by table, in one batch, across commits in flight, and after losses.

use ledger_domain::{Command, Decimal, Leg, Movement, Transfer};
use ledger_log::simulated::Crash;

use super::flaky::Flaky;
use super::rig::{
    Rig, batch, create_asset, leg, line, lock_books, open_account, set_rules, transfer,
};
use crate::readback;

fn t(id: &str, amount: &str) -> Transfer {
    transfer(id, "world", "a", amount)
}

/// Offset 0 created the log, 1 started the term, 2-6 made the bank.
const FIRST: u64 = 7;

#[test]
fn a_retried_transfer_gets_its_first_outcome() {
    let mut rig = Rig::new().with_bank();
    assert_eq!(rig.post(t("t1", "1.50")), format!("ok 0@{FIRST}.0"));
    // "1.5" is the same amount.
    assert_eq!(rig.post(t("t1", "1.5")), format!("ok 0@{FIRST}.0 replayed"));
    rig.assert_replay_is_live();
}

#[test]
fn other_content_under_an_id_names_the_field() {
    let mut rig = Rig::new().with_bank();
    let first = Transfer { reference: "r".into(), effective_at: Some(5), ..t("t1", "1") };
    assert_eq!(rig.post(first.clone()), format!("ok 0@{FIRST}.0"));
    let name = |name| ledger_domain::AccountName::parse(name).unwrap();
    let post = |leg| Transfer { movement: Movement::Post(leg), ..first.clone() };
    let leg = || leg("world", "a", "1");
    let amount = |amount| Decimal::parse(amount).unwrap();
    let others: [(&str, Transfer); 9] = [
        ("debit_account", post(Leg { debit_account: name("b"), ..leg() })),
        ("debit_account", post(Leg { debit_account: name("nobody"), ..leg() })),
        ("credit_account", post(Leg { credit_account: name("b"), ..leg() })),
        ("asset", post(Leg { asset: ledger_domain::AssetCode::parse("EUR").unwrap(), ..leg() })),
        ("amount", post(Leg { amount: amount("1.01"), ..leg() })),
        ("amount", post(Leg { amount: amount("1.0001"), ..leg() })),
        ("up_to", post(Leg { up_to: true, ..leg() })),
        ("reference", Transfer { reference: "s".into(), ..first.clone() }),
        ("effective_time", Transfer { effective_at: None, ..first.clone() }),
    ];
    for (field, other) in others {
        assert_eq!(rig.post(other), format!("ID_REUSED: {field}"));
    }
    assert_eq!(rig.post(first), format!("ok 0@{FIRST}.0 replayed"));
}

#[test]
fn a_refused_id_stays_refused_after_funds_arrive() {
    let mut rig = Rig::new().with_bank();
    let spend = transfer("spend", "a", "b", "5");
    let refused = rig.post(spend.clone());
    assert_eq!(refused, format!("INSUFFICIENT_FUNDS: a 0@{FIRST}.0"));
    rig.post(t("fund", "100"));
    assert_eq!(rig.post(spend.clone()), format!("{refused} replayed"));
    let other = Transfer { reference: "again".into(), ..spend };
    assert_eq!(rig.post(other), "ID_REUSED: reference");
    assert!(rig.post(transfer("spend-2", "a", "b", "5")).starts_with("ok"));
}

/// On a cluster an acknowledged record can be read a moment later: that is no damage.
#[test]
fn a_first_outcome_that_is_not_to_be_read_yet_is_waited_for() {
    let mut rig = Rig::new().with_bank();
    let spend = transfer("spend", "a", "b", "5");
    let refused = rig.post(spend.clone());
    let token = rig.offer(batch(None, vec![spend]));
    rig.pump();
    let replied = rig.replies.remove(&token).unwrap();
    assert_eq!(replied.lookups.len(), 1, "why it was refused stands in the log only");
    let late = Flaky::new(rig.log.clone());
    late.be_late();
    let reply = readback::complete(&*late, replied).unwrap();
    assert_eq!(line(&reply), format!("{refused} replayed"));
}

#[test]
fn duplicates_inside_a_batch_are_seen() {
    let mut rig = Rig::new().with_bank();
    let other = Transfer { reference: "x".into(), ..t("t1", "1") };
    let poor = transfer("p", "b", "a", "1");
    let transfers = vec![t("t1", "1"), t("t2", "2"), t("t1", "1"), other, poor.clone(), poor];
    let reply = rig.ask(batch(None, transfers));
    assert_eq!(
        line(&reply),
        "ok 0@7.0, ok 0@7.1, ok 0@7.0 replayed, ID_REUSED: reference, \
         INSUFFICIENT_FUNDS: b 0@7.2, INSUFFICIENT_FUNDS: b 0@7.2 replayed"
    );
    rig.assert_replay_is_live();
}

#[test]
fn ids_are_seen_in_the_same_group_and_in_commits_in_flight() {
    let mut rig = Rig::new().with_bank();
    // One group: both in one commit.
    let a = rig.offer(batch(Some("r1"), vec![t("t1", "1")]));
    let b = rig.offer(batch(None, vec![t("t1", "1"), t("t2", "1")]));
    rig.step_writer();
    assert_eq!(rig.log.pending(0), 1);
    // The next group is decided while that commit is in flight.
    let c = rig.offer(batch(None, vec![t("t2", "1"), t("t2", "9")]));
    let d = rig.offer(batch(Some("r1"), vec![t("t1", "1")]));
    let e = rig.offer(batch(Some("r1"), vec![t("t1", "2")]));
    rig.step_writer();
    assert_eq!(rig.log.pending(0), 1, "nothing new, nothing written");
    assert!(rig.replies.is_empty(), "nothing leaves before it is durable");
    rig.pump();
    let mut said = |token| line(&rig.reply(token));
    assert_eq!(said(a), "ok 0@7.0");
    assert_eq!(said(b), "ok 0@7.0 replayed, ok 0@7.1");
    assert_eq!(said(c), "ok 0@7.1 replayed, ID_REUSED: amount");
    assert_eq!(said(d), "ok 0@7.0 replayed");
    assert_eq!(said(e), "ID_REUSED: transfer");
}

#[test]
fn requests_replay_and_reuse_by_kind() {
    let mut rig = Rig::new().with_bank();
    let cases: Vec<(Command, &str)> = vec![
        (create_asset(Some("r1"), "EUR", 2), "ok 0@7.0"),
        (create_asset(Some("r1"), "EUR", 2), "ok 0@7.0 replayed"),
        (create_asset(Some("r1"), "EUR", 3), "ID_REUSED: scale"),
        (create_asset(Some("r1"), "GBP", 2), "ID_REUSED: asset_id"),
        (open_account(Some("r1"), "c", false), "ID_REUSED: request_id"),
        (create_asset(Some("r2"), "EUR", 2), "ASSET_EXISTS: EUR 0@8.0"),
        (create_asset(Some("r2"), "EUR", 2), "ASSET_EXISTS: EUR 0@8.0 replayed"),
        (create_asset(None, "EUR", 2), "ASSET_EXISTS: EUR 0@9.0"),
        (open_account(Some("r3"), "c", false), "ok 0@10.0"),
        (open_account(Some("r3"), "c", true), "ID_REUSED: rules.may_go_negative"),
        (open_account(Some("r3"), "d", false), "ID_REUSED: account_id"),
        (set_rules(Some("r5"), "c", &[("USD", "10")]), "ok 0@11.0"),
        (set_rules(Some("r5"), "c", &[("USD", "10.00")]), "ok 0@11.0 replayed"),
        (set_rules(Some("r5"), "c", &[]), "ID_REUSED: rules.credit_limits"),
        (set_rules(Some("r5"), "c", &[("USD", "11")]), "ID_REUSED: request_id"),
        (set_rules(Some("r6"), "c", &[("XAU", "1")]), "UNKNOWN_ASSET: XAU 0@12.0"),
        (set_rules(Some("r6"), "c", &[("XAU", "1")]), "UNKNOWN_ASSET: XAU 0@12.0 replayed"),
        (lock_books(Some("r7"), Some(5)), "ok 0@13.0"),
        (lock_books(Some("r7"), Some(5)), "ok 0@13.0 replayed"),
        (lock_books(Some("r7"), None), "ID_REUSED: locked_before"),
        (batch(Some("r4"), vec![t("t1", "1"), t("t2", "1")]), "ok 0@14.0, ok 0@14.1"),
        (
            batch(Some("r4"), vec![t("t1", "1"), t("t2", "1")]),
            "ok 0@14.0 replayed, ok 0@14.1 replayed",
        ),
        (batch(Some("r4"), vec![t("t1", "1"), t("t3", "1")]), "ID_REUSED: transfers"),
        (batch(None, vec![t("t3", "1")]), "ok 0@15.0"),
    ];
    for (command, expected) in cases.clone() {
        assert_eq!(line(&rig.ask(command.clone())), expected, "{command:?}");
    }
    // Again after a crash that lost the whole id store: each is its first outcome now.
    rig.ids.lose();
    rig.crash(Crash::Drop);
    for (command, expected) in cases {
        if command.request_id.is_some() {
            let replayed = line(&rig.ask(command));
            let again = match expected {
                _ if expected.contains("replayed") || expected.starts_with("ID_REUSED") => {
                    expected.to_owned()
                }
                _ => expected.replace(", ", " replayed, ") + " replayed",
            };
            assert_eq!(replayed, again);
        }
    }
    rig.assert_replay_is_live();
}

#[test]
fn a_batch_for_no_ledger_burns_its_request_only() {
    let mut rig = Rig::new();
    let command = batch(Some("r"), vec![t("t1", "1")]);
    assert_eq!(line(&rig.ask(command.clone())), "UNKNOWN_LEDGER: bank 0@2.0");
    let mut rig = rig.with_bank();
    assert_eq!(line(&rig.ask(command)), "UNKNOWN_LEDGER: bank 0@2.0 replayed");
    assert_eq!(rig.post(t("t1", "1")), "ok 0@8.0");
}

#[test]
fn ids_are_of_a_ledger() {
    let mut rig = Rig::new().with_bank();
    let mut there = super::rig::command(
        Some("usd"),
        ledger_domain::CommandBody::CreateLedger { metadata: Default::default() },
    );
    there.ledger = ledger_domain::LedgerName::parse("other").unwrap();
    assert_eq!(line(&rig.ask(there)), "ok 0@7.0");
}

#[test]
fn a_dry_run_says_what_would_happen_and_burns_nothing() {
    let mut rig = Rig::new().with_bank();
    let spend = batch(Some("r"), vec![transfer("t1", "a", "b", "1"), t("t2", "1")]);
    let dry = rig.offer_as(spend.clone(), true);
    rig.pump();
    let end = ledger_log::Backend::end(&*rig.log, 0).unwrap();
    assert_eq!(line(&rig.reply(dry)), "INSUFFICIENT_FUNDS: a nowhere, ok nowhere");
    assert_eq!(end, FIRST, "nothing was written");
    assert_eq!(line(&rig.ask(spend.clone())), "INSUFFICIENT_FUNDS: a 0@7.0, ok 0@7.1");
    let dry = rig.offer_as(spend, true);
    rig.pump();
    let replayed = "INSUFFICIENT_FUNDS: a 0@7.0 replayed, ok 0@7.1 replayed";
    assert_eq!(line(&rig.reply(dry)), replayed);
}
