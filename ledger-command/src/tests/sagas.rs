//! Sends between ledgers: driven to their end by whoever writes the partition, once, whatever ends in
//! between.

use ledger_domain::{
    AccountName, Command, CommandBody, Destination, LedgerName, Movement, Transfer, invariants,
};
use ledger_log::simulated::Crash;

use super::rig::{Rig, batch, command, leg, line, moves, transfer};
use crate::reply::{Answer, Reply};
use crate::saga::{Answered, Sagas, Step, StepKind, refused};

fn in_shop(command: Command) -> Command {
    Command { ledger: LedgerName::parse("shop").unwrap(), ..command }
}

/// Ledgers "bank", whose account "a" has 100, and "shop", with the same accounts.
fn two() -> Rig {
    let mut rig = Rig::new().with_bank();
    for command in super::rig::bank() {
        let asked = in_shop(Command { request_id: None, ..command });
        assert!(line(&rig.ask(asked)).starts_with("ok"));
    }
    assert!(rig.post(transfer("fund", "world", "a", "100")).starts_with("ok"));
    rig
}

fn sends(id: &str, ledger: &str, account: &str, amount: &str) -> Transfer {
    let ledger = LedgerName::parse(ledger).unwrap();
    let mut leg = leg("a", "x", amount);
    leg.credit_account = AccountName::clearing(&ledger);
    let to = Destination { ledger, account: AccountName::parse(account).unwrap(), deadline: None };
    moves(id, Movement::Send { leg, to: Box::new(to) })
}

/// The only step that a driver asks for.
fn next(rig: &Rig, sagas: &mut Sagas) -> Step {
    let mut steps = sagas.step(rig.link.outbox(), rig.now);
    assert_eq!(steps.len(), 1, "{steps:?}");
    steps.remove(0)
}

fn asked(rig: &mut Rig, step: &Step) -> (String, Answered) {
    let reply = rig.ask(step.command.clone());
    let answered = match &reply {
        Reply::One(answer) => answer,
        Reply::Items(items) => &items[0],
        other => panic!("{other:?}"),
    };
    let answered = match answered {
        Answer::Accepted(_) => Answered::Accepted,
        Answer::Refused { rejection, receipt } => refused(rejection.clone(), receipt.is_some()),
    };
    (line(&reply), answered)
}

/// Takes the next step; what was said to it.
fn taken(rig: &mut Rig, sagas: &mut Sagas) -> String {
    let step = next(rig, sagas);
    let (said, answered) = asked(rig, &step);
    sagas.answered(&step.send, step.kind, answered, rig.now);
    said
}

/// Posted and held debits of "a", and posted credits of "b" of the shop.
fn balances(rig: &Rig) -> (u128, u128, u128) {
    let state = rig.follower.state();
    let find = |ledger: &str, name: &str| {
        let book = state.ledger_by_name(&LedgerName::parse(ledger).unwrap()).unwrap();
        let book = state.ledger(book).unwrap();
        let account = book.account_by_name(&AccountName::parse(name).unwrap()).unwrap();
        state.account(account).unwrap().balance(ledger_domain::AssetHandle(0))
    };
    let (a, b) = (find("bank", "a"), find("shop", "b"));
    (a.debits_posted, a.debits_pending, b.credits_posted)
}

fn is_settled(rig: &mut Rig) {
    rig.assert_replay_is_live();
    assert!(rig.link.outbox().is_empty());
    assert_eq!(invariants::check_clearing(&[rig.follower.state()]), []);
}

#[test]
fn a_send_is_received_and_then_captured() {
    let mut rig = two();
    let mut sagas = Sagas::default();
    assert_eq!(sagas.step(rig.link.outbox(), rig.now), []);
    // The clearing account comes first.
    assert_eq!(rig.post(sends("s", "shop", "b", "30")), "ok 0@13.1");
    assert_eq!(balances(&rig), (0, 3000, 0));
    assert_eq!(taken(&mut rig, &mut sagas), "ok 0@14.1");
    assert_eq!(balances(&rig), (0, 3000, 3000));
    assert_eq!(taken(&mut rig, &mut sagas), "ok 0@15.0");
    assert_eq!(balances(&rig), (3000, 0, 3000));
    is_settled(&mut rig);
    assert_eq!(sagas.step(rig.link.outbox(), rig.now + (1 << 40)), []);
    assert_eq!(rig.post(sends("s", "shop", "b", "30")), "ok 0@13.1 replayed");
}

#[test]
fn a_send_that_is_refused_is_given_back() {
    let mut rig = two();
    let mut sagas = Sagas::default();
    assert_eq!(rig.post(sends("s", "shop", "nobody", "30")), "ok 0@13.1");
    assert_eq!(taken(&mut rig, &mut sagas), "UNKNOWN_CREDIT_ACCOUNT: nobody 0@14.0");
    assert_eq!(taken(&mut rig, &mut sagas), "ok 0@15.0");
    assert_eq!(balances(&rig), (0, 0, 0));
    is_settled(&mut rig);
}

/// Whoever comes after a crash asks again, and gets the first outcome.
#[test]
fn every_step_is_taken_once_whoever_dies_when() {
    for steps_before in 0..3 {
        for lost in [false, true] {
            let mut rig = two();
            rig.post(sends("s", "shop", "b", "30"));
            let mut sagas = Sagas::default();
            for _ in 0..steps_before {
                taken(&mut rig, &mut sagas);
            }
            let ends = steps_before == 2;
            if !ends && lost {
                // It is recorded, and its driver never hears of it.
                let step = next(&rig, &mut sagas);
                asked(&mut rig, &step);
            }
            rig.crash(Crash::Drop);
            rig.pump();
            let mut sagas = Sagas::default();
            let mut said = Vec::new();
            while !rig.link.outbox().is_empty() {
                said.push(taken(&mut rig, &mut sagas));
            }
            let again = said.iter().filter(|said| said.ends_with("replayed")).count();
            let known = match (steps_before, lost) {
                (0, false) | (2, _) => 0,
                (1, true) => 0,
                _ => 1,
            };
            assert_eq!(again, known, "{steps_before} {lost}: {said:?}");
            assert_eq!(balances(&rig), (3000, 0, 3000), "{steps_before} {lost}");
            is_settled(&mut rig);
        }
    }
}

/// The ledger may come to be between two drivers: the first answer of its log stays.
#[test]
fn an_unknown_ledger_has_refused_for_ever() {
    let mut rig = two();
    rig.post(sends("s", "late", "b", "30"));
    let mut sagas = Sagas::default();
    let step = next(&rig, &mut sagas);
    assert_eq!(asked(&mut rig, &step).0, "UNKNOWN_LEDGER: late 0@14.0");
    let late = |body| Command { ledger: LedgerName::parse("late").unwrap(), ..command(None, body) };
    for command in super::rig::bank() {
        assert!(line(&rig.ask(late(command.body))).starts_with("ok"));
    }
    // Another driver, which knows nothing of it.
    let mut sagas = Sagas::default();
    assert_eq!(taken(&mut rig, &mut sagas), "UNKNOWN_LEDGER: late 0@14.0 replayed");
    assert_eq!(taken(&mut rig, &mut sagas), "ok 0@20.0");
    assert_eq!(balances(&rig), (0, 0, 0));
    is_settled(&mut rig);
}

/// Silence is no refusal, nor is what is not recorded.
#[test]
fn a_step_is_asked_for_until_its_log_has_answered() {
    let mut rig = two();
    rig.post(sends("s", "shop", "b", "30"));
    let mut sagas = Sagas::default();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let step = next(&rig, &mut sagas);
        assert_eq!(step.kind, StepKind::Receive);
        assert_eq!(sagas.wake(), None, "one at a time");
        let silence = Answered::Again { why: "unreachable".into() };
        sagas.answered(&step.send, step.kind, silence, rig.now);
        let wake = sagas.wake().unwrap();
        assert_eq!(sagas.step(rig.link.outbox(), wake - 1), []);
        pauses.push((wake - rig.now) / 1_000_000);
        rig.now = wake;
    }
    let doubled = [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000];
    assert_eq!(pauses, doubled);
    let overloaded = ledger_domain::Rejection::new(ledger_domain::Code::TooLong, "command");
    assert!(matches!(refused(overloaded, false), Answered::Again { .. }));
    taken(&mut rig, &mut sagas);
    taken(&mut rig, &mut sagas);
    assert_eq!(balances(&rig), (3000, 0, 3000));
    is_settled(&mut rig);
}

/// A driver that lost its partition may still ask, and has a late answer: it changes nothing.
#[test]
fn two_drivers_do_no_harm() {
    let mut rig = two();
    rig.post(sends("s", "shop", "b", "30"));
    let (mut one, mut other) = (Sagas::default(), Sagas::default());
    let step = next(&rig, &mut one);
    assert_eq!(taken(&mut rig, &mut other), "ok 0@14.1");
    assert_eq!(taken(&mut rig, &mut other), "ok 0@15.0");
    assert_eq!(asked(&mut rig, &step).0, "ok 0@14.1 replayed");
    one.answered(&step.send, step.kind, Answered::Accepted, rig.now);
    assert_eq!(one.step(rig.link.outbox(), rig.now), [], "it has ended");
    is_settled(&mut rig);
}

/// The clock of the ledger that sent it may be ahead.
#[test]
fn what_is_received_is_recorded_later_than_it_was_sent() {
    let mut rig = two();
    rig.post(sends("s", "shop", "b", "30"));
    let mut sagas = Sagas::default();
    let mut step = next(&rig, &mut sagas);
    let ahead = rig.now + 500_000_000;
    let CommandBody::PostTransfers { transfers } = &mut step.command.body else { panic!() };
    let Movement::Receive { from, .. } = &mut transfers[0].movement else { panic!() };
    from.sent_at = ahead;
    let Reply::Items(items) = rig.ask(step.command) else { panic!("a batch") };
    assert_eq!(items[0].receipt().unwrap().recorded_at, ahead + 1);
}

/// One that is wrong must not take this partition with it, nor end its writer.
#[test]
fn a_cause_far_ahead_is_not_followed_and_burns_nothing() {
    let mut rig = two();
    rig.post(sends("s", "shop", "b", "30"));
    let mut sagas = Sagas::default();
    let step = next(&rig, &mut sagas);
    for sent_at in [rig.now + 2_000_000_000, i64::MAX - 1, i64::MAX] {
        let mut command = step.command.clone();
        let CommandBody::PostTransfers { transfers } = &mut command.body else { panic!() };
        let Movement::Receive { from, .. } = &mut transfers[0].movement else { panic!() };
        from.sent_at = sent_at;
        assert!(matches!(rig.ask(command), Reply::NotRecorded { .. }), "{sent_at}");
    }
    assert_eq!(asked(&mut rig, &step).0, "ok 0@14.1");
}

/// Sends to a ledger that does not answer do not keep what is decided here waiting.
#[test]
fn a_settlement_does_not_wait_behind_what_others_decide() {
    let mut rig = two();
    let transfers = (0..300).map(|n| sends(&format!("s-{n}"), "shop", "b", "0.01"));
    rig.ask(batch(None, transfers.collect()));
    let mut sagas = Sagas::default();
    let steps = sagas.step(rig.link.outbox(), rig.now);
    assert_eq!(steps.len(), 256, "no more at once");
    assert_eq!(sagas.wake(), None);
    let first = &steps[0];
    sagas.answered(&first.send, first.kind, Answered::Accepted, rig.now);
    let next = sagas.step(rig.link.outbox(), rig.now);
    let kinds: Vec<StepKind> = next.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [StepKind::Settle, StepKind::Receive]);
}

#[test]
fn sends_of_a_batch_answer_at_their_rows() {
    let mut rig = two();
    let transfers = vec![
        transfer("t", "world", "b", "1"),
        sends("s", "shop", "b", "30"),
        sends("u", "nowhere", "b", "999"),
        sends("v", "other", "b", "10"),
    ];
    let said = "ok 0@13.2, ok 0@13.3, INSUFFICIENT_FUNDS: a 0@13.4, ok 0@13.5";
    let asked = batch(Some("r"), transfers);
    assert_eq!(line(&rig.ask(asked.clone())), said);
    let again = "ok 0@13.2 replayed, ok 0@13.3 replayed, INSUFFICIENT_FUNDS: a 0@13.4 replayed, \
                 ok 0@13.5 replayed";
    assert_eq!(line(&rig.ask(asked.clone())), again);
    rig.crash(Crash::Drop);
    rig.pump();
    assert_eq!(line(&rig.ask(asked.clone())), again);
    assert_eq!(rig.link.outbox().len(), 2);
    let fewer = batch(Some("r"), vec![transfer("t", "world", "b", "1")]);
    assert_eq!(line(&rig.ask(fewer)), "ID_REUSED: transfer");
}
