//! What a command depends on is looked at once, when it is decided: whoever asks again hears what came of it.

use ledger_domain::{
    AccountName, AssetCode, BalanceCondition, BalanceFigure, Command, Comparison, Condition,
    Predicate, SignedDecimal, Transfer,
};
use ledger_log::simulated::Crash;

use super::rig::{Rig, batch, create_asset, line, open_account, transfer};

fn t(id: &str, amount: &str) -> Transfer {
    transfer(id, "world", "a", amount)
}

/// That the balance of `a` is this.
fn has(amount: &str) -> Condition {
    let that = Predicate::Balance(BalanceCondition {
        asset: AssetCode::parse("USD").unwrap(),
        figure: BalanceFigure::Posted,
        comparison: Comparison::Equal,
        amount: SignedDecimal::parse(amount).unwrap(),
    });
    Condition { account: AccountName::parse("a").unwrap(), that }
}

fn given(conditions: Vec<Condition>, command: Command) -> Command {
    Command { conditions, ..command }
}

/// Asks for all again after the whole id store was lost.
fn again(rig: &mut Rig, cases: Vec<(Command, &str)>) {
    rig.ids.lose();
    rig.crash(Crash::Drop);
    for (command, expected) in cases {
        assert_eq!(line(&rig.ask(command.clone())), expected, "{command:?}");
    }
    rig.assert_replay_is_live();
}

#[test]
fn a_retry_gets_its_first_outcome_whatever_has_become_of_its_conditions() {
    let mut rig = Rig::new().with_bank();
    let open = given(vec![has("0")], open_account(Some("r1"), "c", false));
    let post = given(vec![has("0")], batch(Some("r2"), vec![t("t1", "1"), t("t2", "2")]));
    let bare = given(vec![has("3.0")], batch(None, vec![t("t3", "4")]));
    assert_eq!(line(&rig.ask(open.clone())), "ok 0@7.0");
    assert_eq!(line(&rig.ask(post.clone())), "ok 0@8.0, ok 0@8.1");
    assert_eq!(line(&rig.ask(bare.clone())), "ok 0@9.0");
    let replayed = vec![
        (open, "ok 0@7.0 replayed"),
        (post, "ok 0@8.0 replayed, ok 0@8.1 replayed"),
        // Without a request id too: its transfer was decided, and nothing is left to depend on.
        (bare, "ok 0@9.0 replayed"),
    ];
    for (command, expected) in replayed.clone() {
        assert_eq!(line(&rig.ask(command)), expected);
    }
    again(&mut rig, replayed);
}

/// Of a group that failed only one id is known; nothing of it can be decided any more all the same.
#[test]
fn a_retry_of_a_failed_group_gets_its_first_outcomes_too() {
    let mut rig = Rig::new().with_bank();
    let linked = Transfer { link: ledger_domain::Link::Next, ..t("t1", "1") };
    let failing = || vec![linked.clone(), transfer("t2", "a", "b", "9"), t("t3", "2")];
    let with_id = given(vec![has("0")], batch(Some("r1"), failing()));
    let bare = given(vec![has("0")], batch(None, failing()[..2].to_vec()));
    let first = "LINKED_FAILED: t2, INSUFFICIENT_FUNDS: a 0@7.0, ok 0@7.1";
    let again_first = "LINKED_FAILED: t2, INSUFFICIENT_FUNDS: a 0@7.0 replayed, ok 0@7.1 replayed";
    let of_bare = "LINKED_FAILED: t2, INSUFFICIENT_FUNDS: a 0@7.0 replayed";
    assert_eq!(line(&rig.ask(with_id.clone())), first);
    assert_eq!(line(&rig.ask(with_id.clone())), again_first);
    assert_eq!(line(&rig.ask(bare.clone())), of_bare);
    again(&mut rig, vec![(with_id, again_first), (bare, of_bare)]);
    let other = given(vec![has("0")], batch(None, vec![linked, t("t4", "1")]));
    assert!(line(&rig.ask(other)).starts_with("CONDITION_FAILED"), "both are free, and decided");
}

#[test]
fn a_batch_that_a_condition_refused_burns_its_request_and_no_transfer() {
    let mut rig = Rig::new().with_bank();
    let poor = given(vec![has("5")], batch(Some("r1"), vec![t("t1", "5"), t("t2", "1")]));
    let failed = "CONDITION_FAILED: a USD posted is 0.00 0@7.0";
    assert_eq!(line(&rig.ask(poor.clone())), failed);
    let anonymous = given(vec![has("5")], batch(None, vec![t("t1", "5")]));
    assert_eq!(line(&rig.ask(anonymous.clone())), failed.replace("@7", "@8"));
    // Its transfers were never decided.
    assert_eq!(rig.post(t("t1", "5")), "ok 0@9.0");
    // Now it would be met, but its request was refused, for ever.
    let replayed = vec![(poor, "CONDITION_FAILED: a USD posted is 0.00 0@7.0 replayed")];
    for (command, expected) in replayed.clone() {
        assert_eq!(line(&rig.ask(command)), expected);
    }
    assert_eq!(line(&rig.ask(anonymous)), "ok 0@9.0 replayed");
    again(&mut rig, replayed);
}

/// The transfers that are new depend on the condition, and so the command: it is refused as a whole, and
/// says nothing of those that were decided before.
#[test]
fn of_a_batch_in_part_decided_before_the_condition_decides_about_the_whole() {
    let mut rig = Rig::new().with_bank();
    assert_eq!(rig.post(t("t1", "1")), "ok 0@7.0");
    let mixed = |amount| given(vec![has(amount)], batch(None, vec![t("t1", "1"), t("t2", "2")]));
    let refused = "CONDITION_FAILED: a USD posted is 1.00 0@8.0";
    assert_eq!(line(&rig.ask(mixed("9"))), refused);
    assert_eq!(line(&rig.ask(mixed("1"))), "ok 0@7.0 replayed, ok 0@9.0");
    assert_eq!(line(&rig.ask(mixed("9"))), "ok 0@7.0 replayed, ok 0@9.0 replayed");
    rig.assert_replay_is_live();
}

#[test]
fn other_conditions_under_a_request_id_are_other_content() {
    let mut rig = Rig::new().with_bank();
    let with = |conditions| given(conditions, create_asset(Some("r1"), "EUR", 2));
    assert_eq!(line(&rig.ask(with(vec![has("0")]))), "ok 0@7.0");
    let plain = batch(Some("r2"), vec![t("t1", "1")]);
    assert_eq!(line(&rig.ask(plain.clone())), "ok 0@8.0");
    let cases = vec![
        (with(vec![has("0.00")]), "ok 0@7.0 replayed"),
        (with(vec![has("-0")]), "ok 0@7.0 replayed"),
        (with(vec![has("1")]), "ID_REUSED: conditions"),
        (with(vec![]), "ID_REUSED: conditions"),
        (with(vec![has("0"), has("0")]), "ID_REUSED: conditions"),
        (given(vec![has("0")], plain), "ID_REUSED: conditions"),
    ];
    for (command, expected) in cases.clone() {
        assert_eq!(line(&rig.ask(command.clone())), expected, "{command:?}");
    }
    again(&mut rig, cases);
}

/// A version is of a commit: whoever shares one with a change is later than it.
#[test]
fn commands_of_one_commit_see_the_versions_that_those_before_them_made() {
    let mut rig = Rig::new().with_bank();
    let account = AccountName::parse("a").unwrap();
    let version = rig.writer.state().accounts()[1].version();
    let that = Predicate::Version(version);
    let condition = || vec![Condition { account: account.clone(), that: that.clone() }];
    let first = rig.offer(given(condition(), batch(None, vec![t("t1", "1")])));
    let second = rig.offer(given(condition(), batch(None, vec![t("t2", "1")])));
    rig.pump();
    assert_eq!(line(&rig.reply(first)), "ok 0@7.0");
    let refused = line(&rig.reply(second));
    let present = rig.writer.state().accounts()[1].version();
    assert_eq!(refused, format!("VERSION_MISMATCH: a is {present} 0@7.1"));
    assert!(present > version);
    rig.assert_replay_is_live();
}

#[test]
fn a_dry_run_says_what_a_condition_would_do() {
    let mut rig = Rig::new().with_bank();
    for command in [
        create_asset(Some("r1"), "EUR", 2),
        open_account(Some("r2"), "c", false),
        batch(Some("r3"), vec![t("t1", "1")]),
    ] {
        let mut dry = |condition| {
            let token = rig.offer_as(given(vec![condition], command.clone()), true);
            rig.pump();
            line(&rig.reply(token))
        };
        assert_eq!(dry(has("1")), "CONDITION_FAILED: a USD posted is 0.00 nowhere");
        assert_eq!(dry(has("0")), "ok nowhere");
    }
    assert_eq!(ledger_log::Backend::end(&*rig.log, 0).unwrap(), 7, "nothing was written");
}
