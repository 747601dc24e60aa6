//! Holds: what is due is written by itself, in time and first; every kind has one outcome.

use ledger_domain::{Decimal, Event, Id, Leg, Movement, Transfer};
use ledger_log::simulated::Crash;
use ledger_log::{Backend, Decision, Reader};
use ledger_proto::logged;

use super::rig::{Rig, batch, leg, line, moves, transfer};
use crate::writer::WriterLimits;

const SECOND: i64 = 1_000_000_000;

fn hold(id: &str, amount: &str, expires_at: Option<i64>) -> Transfer {
    moves(id, Movement::Hold { leg: leg("a", "b", amount), expires_at })
}

fn capture(id: &str, hold: &str, amount: Option<&str>) -> Transfer {
    let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
    moves(id, Movement::Capture { hold: Id::parse(hold).unwrap(), amount })
}

fn void(id: &str, hold: &str) -> Transfer {
    moves(id, Movement::Void { hold: Id::parse(hold).unwrap(), refused: None })
}

/// A bank whose account "a" has 100.
fn rich(limits: WriterLimits) -> Rig {
    let mut rig = Rig::with(limits, 0).with_bank();
    assert_eq!(rig.post(transfer("fund", "world", "a", "100")), "ok 0@7.0");
    rig
}

/// What expired, commit by commit: with its index, and what else the commit holds.
fn expired(rig: &Rig) -> Vec<Vec<(u32, String)>> {
    let mut reader = Reader::new(rig.log_id, 0);
    let mut commits = Vec::new();
    for record in rig.log.read(0, 0, usize::MAX).unwrap() {
        let Decision::Accepted(commit) = reader.step(record.offset, &record.bytes).unwrap() else {
            continue;
        };
        let (mut index, mut found) = (0, Vec::new());
        for event in commit.commands.iter().flat_map(|bytes| logged::decode(bytes).unwrap().events)
        {
            if let Event::HoldExpired { hold, amount, .. } = &event {
                found.push((index, format!("{hold} {amount}")));
            }
            index += event.width();
        }
        if !found.is_empty() {
            commits.push(found);
        }
    }
    commits
}

#[test]
fn a_hold_expires_though_nobody_asks_for_anything() {
    let mut rig = rich(WriterLimits::default());
    let at = rig.now + SECOND;
    assert_eq!(rig.post(hold("h", "30", Some(at))), "ok 0@8.0");
    assert_eq!(rig.post(capture("c", "h", Some("10"))), "ok 0@9.0");
    assert_eq!(rig.step_writer(), Some(at), "it wants to be called then");
    rig.now = at - 2_000;
    assert_eq!(rig.step_writer(), Some(at));
    assert_eq!(rig.log.pending(0), 0, "not yet");
    rig.now = at - 1_000;
    assert_eq!(rig.step_writer(), None);
    assert_eq!(rig.log.pending(0), 1, "on the instant");
    rig.assert_replay_is_live();
    assert_eq!(expired(&rig), [vec![(0, "h 2000".to_owned())]]);
    assert_eq!(rig.writer.state().holds().count(), 0);
    assert_eq!(rig.post(capture("late", "h", None)), "HOLD_NOT_OPEN: h 0@11.0");
    assert_eq!(rig.post(transfer("all", "a", "b", "90")), "ok 0@12.0");
}

#[test]
fn what_is_due_comes_before_the_commands_of_its_commit() {
    let mut rig = rich(WriterLimits::default());
    let at = rig.now + SECOND;
    let holds = vec![hold("h", "60", Some(at)), hold("i", "40", Some(at + 1))];
    assert_eq!(line(&rig.ask(batch(None, holds))), "ok 0@8.0, ok 0@8.1");
    rig.now = at;
    let late = vec![capture("c", "h", None), transfer("all", "a", "b", "100"), void("v", "i")];
    let answer = line(&rig.ask(batch(None, late)));
    assert_eq!(answer, "HOLD_NOT_OPEN: h 0@9.2, ok 0@9.3, HOLD_NOT_OPEN: i 0@9.4");
    let due = vec![(0, "h 6000".to_owned()), (1, "i 4000".to_owned())];
    assert_eq!(expired(&rig), [due]);
    rig.assert_replay_is_live();
}

#[test]
fn what_is_due_fills_no_commit_beyond_its_size() {
    let limits = WriterLimits { commit_bytes_max: 700, ..WriterLimits::default() };
    let mut rig = rich(limits);
    let at = rig.now + SECOND;
    for number in 0..8 {
        // The later half expires first.
        let expires_at = Some(at + i64::from((number + 4) % 8));
        assert!(rig.post(hold(&format!("h{number}"), "1", expires_at)).starts_with("ok"));
    }
    rig.now = at + SECOND;
    rig.assert_replay_is_live();
    let ids: Vec<Vec<String>> = expired(&rig)
        .into_iter()
        .map(|commit| commit.into_iter().map(|(_, what)| what[..2].to_owned()).collect())
        .collect();
    assert_eq!(ids, [vec!["h4", "h5", "h6"], vec!["h7", "h0", "h1"], vec!["h2", "h3"]]);
}

#[test]
fn a_deadline_that_passes_while_nobody_runs_is_kept_at_the_start() {
    for with_snapshot in [false, true] {
        let mut rig = rich(WriterLimits::default());
        rig.policy.every_commits = if with_snapshot { 1 } else { u64::MAX };
        rig.restart().unwrap();
        let at = rig.now + SECOND;
        assert!(rig.post(hold("h", "30", Some(at))).starts_with("ok"));
        assert!(rig.post(hold("for-ever", "5", None)).starts_with("ok"));
        rig.pump();
        rig.crash(Crash::KeepPrefix);
        rig.now = at + 5 * SECOND;
        rig.assert_replay_is_live();
        assert_eq!(expired(&rig).concat(), [(0, "h 3000".to_owned())]);
        let left: Vec<String> =
            rig.writer.state().holds().map(|(_, id, _)| id.to_string()).collect();
        assert_eq!(left, ["for-ever"]);
    }
}

#[test]
fn every_kind_has_one_outcome_before_and_after_a_restart() {
    let mut rig = rich(WriterLimits::default());
    let at = Some(rig.now + 3_600 * SECOND);
    let up_to = Leg { up_to: true, ..leg("a", "b", "99.50") };
    let all = [
        hold("h", "30", at),
        hold("i", "7", None),
        capture("part", "h", Some("10.5")),
        capture("rest", "h", None),
        void("back", "i"),
        moves("drain", Movement::Hold { leg: up_to.clone(), expires_at: at }),
        moves("empty", Movement::Post(up_to)),
        capture("no", "h", Some("1")),
    ];
    let first: Vec<String> = all.iter().map(|transfer| rig.post(transfer.clone())).collect();
    assert!(first[..6].iter().all(|answer| answer.starts_with("ok")), "{first:?}");
    assert!(first[6].starts_with("INSUFFICIENT_FUNDS: a"), "{first:?}");
    assert!(first[7].starts_with("HOLD_NOT_OPEN: h"), "{first:?}");
    for round in 0..3 {
        for (transfer, answer) in all.iter().zip(&first) {
            assert_eq!(rig.post(transfer.clone()), format!("{answer} replayed"), "round {round}");
        }
        rig.assert_replay_is_live();
        if round == 1 {
            // What was asked is read from the log's events again, not from what clients sent.
            rig.ids.lose();
        }
        rig.crash(Crash::KeepPrefix);
    }
}

#[test]
fn other_content_under_an_id_of_any_kind_names_the_field() {
    let mut rig = rich(WriterLimits::default());
    let at = Some(rig.now + 3_600 * SECOND);
    let up_to = |amount| Leg { up_to: true, ..leg("a", "b", amount) };
    rig.post(hold("h", "30", at));
    rig.post(hold("i", "30", at));
    let others = [
        (hold("h", "30", at), hold("h", "30", None), "expire_time"),
        (hold("h", "30", at), hold("h", "31", at), "amount"),
        (hold("h", "30", at), moves("h", Movement::Post(leg("a", "b", "30"))), "kind"),
        (hold("h", "30", at), void("h", "h"), "kind"),
        (capture("c", "h", Some("5")), capture("c", "h", Some("5.01")), "amount"),
        (capture("c", "h", Some("5")), capture("c", "h", None), "amount"),
        (capture("c", "h", Some("5")), capture("c", "i", Some("5")), "hold_id"),
        (capture("d", "h", None), capture("d", "h", Some("25")), "amount"),
        (void("v", "i"), void("v", "h"), "hold_id"),
        (void("v", "i"), capture("v", "i", None), "kind"),
        (
            moves("u", Movement::Post(up_to("500"))),
            moves("u", Movement::Post(up_to("70"))),
            "amount",
        ),
        (
            moves("u", Movement::Post(up_to("500"))),
            moves("u", Movement::Post(leg("a", "b", "500"))),
            "up_to",
        ),
    ];
    for (first, other, field) in others {
        let said = rig.post(first.clone());
        assert!(said.starts_with("ok"), "{first:?}: {said}");
        assert_eq!(rig.post(other.clone()), format!("ID_REUSED: {field}"), "{other:?}");
    }
}
