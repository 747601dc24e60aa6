//! Alerts: their crossings stand behind what made them cross, and leave every id where it is.

use ledger_domain::{
    AccountName, AssetCode, BalanceCondition, BalanceFigure, CommandBody, Comparison, Event, Id,
    Movement, SignedDecimal,
};
use ledger_log::simulated::Crash;
use ledger_log::{Backend, Decision, Reader};
use ledger_proto::logged;

use super::rig::{Rig, batch, command, leg, line, moves, transfer};
use crate::writer::WriterLimits;

const SECOND: i64 = 1_000_000_000;

fn low(amount: &str, comparison: Comparison) -> CommandBody {
    let condition = BalanceCondition {
        asset: AssetCode::parse("USD").unwrap(),
        figure: BalanceFigure::Available,
        comparison,
        amount: SignedDecimal::parse(amount).unwrap(),
    };
    let (account, alert) = (AccountName::parse("a").unwrap(), Id::parse("low").unwrap());
    CommandBody::SetBalanceAlert { account, alert, condition: Box::new(condition) }
}

/// A bank whose account "a" has 100, and is watched for 40 or less.
fn watched(limits: WriterLimits) -> Rig {
    let mut rig = Rig::with(limits, 0).with_bank();
    assert_eq!(rig.post(transfer("fund", "world", "a", "100")), "ok 0@7.0");
    assert_eq!(line(&rig.ask(command(Some("r"), low("40", Comparison::AtMost)))), "ok 0@8.0");
    rig
}

/// Every crossing in the log: "8.1 raised 4000".
fn crossings(rig: &Rig) -> Vec<String> {
    let mut reader = Reader::new(rig.log_id, 0);
    let mut found = Vec::new();
    for record in rig.log.read(0, 0, usize::MAX).unwrap() {
        let step = reader.step(record.offset, &record.bytes).unwrap();
        let Decision::Accepted(commit) = step else { continue };
        let mut index = 0;
        for event in commit.commands.iter().flat_map(|bytes| logged::decode(bytes).unwrap().events)
        {
            if let Event::BalanceAlertCrossed { crossing, .. } = &event {
                let to = if crossing.raised { "raised" } else { "cleared" };
                found.push(format!("{}.{index} {to} {}", record.offset, crossing.value.size()));
            }
            index += event.width();
        }
    }
    found
}

#[test]
fn what_crosses_in_a_shared_commit_moves_no_other_position() {
    let mut rig = watched(WriterLimits::default());
    let down_and_up =
        || batch(None, vec![transfer("t-1", "a", "b", "60"), transfer("t-2", "b", "a", "1")]);
    let more = || command(Some("m"), low("39", Comparison::AtMost));
    let last =
        || batch(Some("l"), vec![transfer("t-3", "a", "b", "2"), transfer("t-1", "a", "b", "60")]);
    let tokens = [down_and_up(), more(), last()].map(|command| rig.offer(command));
    rig.pump();
    let said = tokens.map(|token| line(&rig.reply(token)));
    // Two rows and two crossings; the alert; one row and its crossing.
    assert_eq!(said, ["ok 0@9.0, ok 0@9.1", "ok 0@9.4", "ok 0@9.5, ok 0@9.0 replayed"]);
    let all = ["9.2 raised 4000", "9.3 cleared 4100", "9.6 raised 3900"];
    assert_eq!(crossings(&rig), all);
    rig.assert_replay_is_live();
    // First outcomes are where they were, from memory and from the store.
    for again in 0..2 {
        let said = [down_and_up(), more(), last()].map(|command| line(&rig.ask(command)));
        let replayed = [
            "ok 0@9.0 replayed, ok 0@9.1 replayed",
            "ok 0@9.4 replayed",
            "ok 0@9.5 replayed, ok 0@9.0 replayed",
        ];
        assert_eq!(said, replayed, "{again}");
        rig.restart().unwrap();
    }
    assert_eq!(crossings(&rig), all);
}

#[test]
fn a_reused_request_id_names_the_field_that_differs() {
    let mut rig = watched(WriterLimits::default());
    let ask = |rig: &mut Rig, body| line(&rig.ask(command(Some("r"), body)));
    assert_eq!(ask(&mut rig, low("40.00", Comparison::AtMost)), "ok 0@8.0 replayed");
    assert_eq!(ask(&mut rig, low("41", Comparison::AtMost)), "ID_REUSED: when");
    assert_eq!(ask(&mut rig, low("40", Comparison::AtLeast)), "ID_REUSED: when.comparison");
    let CommandBody::SetBalanceAlert { account, condition, .. } = low("40", Comparison::AtMost)
    else {
        panic!("an alert");
    };
    let other = Id::parse("other").unwrap();
    let body = CommandBody::SetBalanceAlert { account: account.clone(), alert: other, condition };
    assert_eq!(ask(&mut rig, body), "ID_REUSED: alert_id");
    let alert = Id::parse("low").unwrap();
    let remove = |account: &AccountName| CommandBody::RemoveBalanceAlert {
        account: account.clone(),
        alert: alert.clone(),
    };
    assert_eq!(line(&rig.ask(command(Some("x"), remove(&account)))), "ok 0@9.0");
    let b = AccountName::parse("b").unwrap();
    assert_eq!(line(&rig.ask(command(Some("x"), remove(&b)))), "ID_REUSED: name");
    assert_eq!(line(&rig.ask(command(None, remove(&account)))), "UNKNOWN_ALERT: low 0@10.0");
    rig.assert_replay_is_live();
}

#[test]
fn holds_that_expire_cross_each_by_itself_whatever_crashes() {
    for with_snapshot in [false, true] {
        // So small that what is due takes many commits.
        let limits = WriterLimits { commit_bytes_max: 700, ..WriterLimits::default() };
        let mut rig = watched(limits);
        rig.policy.every_commits = if with_snapshot { 1 } else { u64::MAX };
        rig.restart().unwrap();
        let at = rig.now + SECOND;
        for number in 0..9i64 {
            let leg = leg("a", "b", "10");
            let hold = Movement::Hold { leg, expires_at: Some(at + number) };
            assert!(rig.post(moves(&format!("h-{number}"), hold)).starts_with("ok"));
        }
        assert_eq!(crossings(&rig), ["15.1 raised 4000"]);
        rig.pump();
        rig.crash(Crash::KeepPrefix);
        rig.now = at + 4;
        rig.assert_replay_is_live();
        assert_eq!(crossings(&rig).len(), 2);
        rig.now = at + 60 * SECOND;
        rig.step_writer();
        rig.crash(Crash::KeepPrefix);
        rig.assert_replay_is_live();
        let crossed = crossings(&rig);
        assert!(crossed.len() == 2 && crossed[1].ends_with("cleared 5000"), "{crossed:?}");
        assert_eq!(rig.writer.state().next_due(), None);
    }
}
