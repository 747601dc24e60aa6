//! Terms: nothing leaves before it is durable, and what becomes of commits whose fate is unknown.

use ledger_domain::Movement;
use ledger_log::Backend;
use ledger_log::record::Record;
use ledger_log::simulated::Fate;

use super::rig::{Rig, batch, leg, line, moves, open_account, transfer};
use crate::writer::{Status, WriterLimits};

fn fund(id: &str) -> ledger_domain::Command {
    batch(None, vec![transfer(id, "world", "a", "1")])
}

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let mut rig = Rig::new().with_bank();
    let first = rig.offer(fund("t1"));
    rig.step_writer();
    let second = rig.offer(fund("t2"));
    rig.step_writer();
    let replay = rig.offer(fund("t1"));
    let dry = rig.offer_as(fund("t3"), true);
    rig.step_writer();
    assert_eq!(rig.log.pending(0), 2, "decided while the first is in flight");
    assert!(rig.replies.is_empty());
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    assert_eq!(line(&rig.reply(first)), "ok 0@7.0");
    assert!(rig.replies.is_empty(), "decided upon the second commit: {:?}", rig.replies);
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    assert_eq!(line(&rig.reply(second)), "ok 0@8.0");
    assert_eq!(line(&rig.reply(replay)), "ok 0@7.0 replayed");
    assert_eq!(line(&rig.reply(dry)), "ok nowhere");
}

#[test]
fn a_report_without_offset_counts_with_the_next() {
    let mut rig = Rig::new().with_bank();
    let tokens = ["t1", "t2"].map(|id| {
        let token = rig.offer(fund(id));
        rig.step_writer();
        token
    });
    rig.log.settle(0, Fate::WithoutOffset);
    rig.step_writer();
    assert!(rig.replies.is_empty());
    rig.pump();
    assert_eq!(tokens.map(|token| line(&rig.reply(token))), ["ok 0@7.0", "ok 0@8.0"]);
}

/// The fate of the first of two commits in flight, and what their clients hear.
fn after(fate: Fate) -> (Rig, [String; 2]) {
    let mut rig = Rig::new().with_bank();
    let tokens = ["t1", "t2"].map(|id| {
        let token = rig.offer(fund(id));
        rig.step_writer();
        token
    });
    rig.log.settle(0, fate);
    rig.step_writer();
    assert!(rig.replies.is_empty(), "unknown is not failed");
    assert!(matches!(rig.writer.status(), Status::Starting { .. }));
    rig.pump();
    let said = tokens.map(|token| line(&rig.reply(token)));
    (rig, said)
}

#[test]
fn an_unknown_commit_that_is_there_is_acknowledged() {
    let (mut rig, said) = after(Fate::AckLost);
    assert_eq!(said, ["ok 0@7.0", "ok 0@8.0"]);
    assert!(matches!(rig.writer.status(), Status::Serving { term: 9 }));
    assert_eq!(rig.post(transfer("t2", "world", "a", "1")), "ok 0@8.0 replayed");
    rig.assert_replay_is_live();
}

#[test]
fn an_unknown_commit_that_is_not_there_has_failed_with_those_behind_it() {
    for fate in [Fate::Lost, Fate::Failed] {
        let (mut rig, said) = after(fate);
        for said in said {
            assert!(said.starts_with("not recorded: "), "{fate:?}: {said}");
        }
        // The second stands in the log as a hole, and counts nowhere.
        assert_eq!(rig.post(transfer("t1", "world", "a", "1")), "ok 0@9.0");
        assert_eq!(rig.post(transfer("t2", "world", "a", "1")), "ok 0@10.0");
        rig.assert_replay_is_live();
    }
}

#[test]
fn a_late_commit_of_the_old_term_counts_nowhere() {
    let (mut rig, said) = after(Fate::Late);
    assert!(said[0].starts_with("not recorded: "), "{said:?}");
    rig.log.land(0).unwrap();
    rig.follow();
    assert_eq!(rig.post(transfer("t1", "world", "a", "3")), "ok 0@10.0");
    rig.pump();
    rig.assert_replay_is_live();
}

#[test]
fn a_record_written_twice_costs_a_term_and_no_more() {
    let (mut rig, said) = after(Fate::Doubled);
    assert_eq!(said, ["ok 0@7.0", "ok 0@9.0"]);
    rig.assert_replay_is_live();
}

#[test]
fn foreign_bytes_between_cost_a_term_and_no_more() {
    let mut rig = Rig::new().with_bank();
    rig.log.inject(0, b"not ours".to_vec());
    assert_eq!(rig.post(transfer("t1", "world", "a", "1")), "ok 0@8.0");
    rig.assert_replay_is_live();
}

#[test]
fn a_newer_term_deposes_and_the_writer_takes_the_next() {
    let mut rig = Rig::new().with_bank();
    let token = rig.offer(fund("t1"));
    rig.step_writer();
    let newer = ledger_log::record::Record::TermStarted(ledger_log::Incarnation([1; 16]));
    let newer = rig.log.inject(0, newer.encode(rig.log_id));
    rig.pump();
    assert!(line(&rig.reply(token)).starts_with("not recorded: "));
    assert!(matches!(rig.writer.status(), Status::Serving { term } if term > newer));
    assert!(rig.post(transfer("t1", "world", "a", "1")).starts_with("ok"));
    rig.assert_replay_is_live();
}

/// What another writer has recorded with the numbers of its commits says nothing of those. (The simulation's seed
/// 201258: it decided a hold twice.)
#[test]
fn a_deposed_writer_that_does_not_know_it_remembers_what_it_has_decided() {
    let mut rig = Rig::new().with_bank();
    let mut rival = rig.rival();
    for id in ["r1", "r2", "r3"] {
        assert!(rival.post(transfer(id, "world", "a", "1")).starts_with("ok"));
    }
    let hold = || {
        let hold = Movement::Hold { leg: leg("world", "a", "1"), expires_at: None };
        batch(None, vec![moves("h", hold)])
    };
    let first = rig.offer(hold());
    rig.step_writer();
    rig.follow();
    let again = rig.offer(hold());
    rig.step_writer();
    assert_eq!((rig.log.pending(0), rig.replies.len()), (1, 0), "it is the same hold");
    rig.pump();
    for token in [first, again] {
        assert!(line(&rig.reply(token)).starts_with("not recorded: "));
    }
    assert!(line(&rig.ask(hold())).starts_with("ok"));
    rig.assert_replay_is_live();
}

#[test]
fn an_attempt_that_is_lost_is_made_again() {
    for fate in [Fate::Lost, Fate::Failed, Fate::Late, Fate::AckLost] {
        let mut rig = Rig::new();
        rig.step_writer();
        rig.log.settle(0, fate);
        rig.pump();
        let mut rig = rig.with_bank();
        if fate == Fate::Late {
            rig.log.land(0).unwrap();
        }
        let said = rig.post(transfer("t1", "world", "a", "1"));
        // A late TermStarted deposes: its commit failed, one retry is enough.
        let said = if said.starts_with("not recorded") {
            rig.post(transfer("t1", "world", "a", "1"))
        } else {
            said
        };
        assert!(said.starts_with("ok"), "{fate:?}: {said}");
        rig.assert_replay_is_live();
    }
}

/// With one used before, a writer would find its old `TermStarted`, serve upon less than the log, and
/// tell clients that a commit failed which counts: the model of the fence shows how.
#[test]
fn every_attempt_has_a_fresh_incarnation() {
    let mut rig = Rig::new();
    for fate in [Fate::AckLost, Fate::Doubled, Fate::Durable] {
        rig.step_writer();
        rig.log.settle(0, fate);
        rig.pump();
        rig.restart().unwrap();
    }
    rig.pump();
    let records = rig.log.read(0, 0, usize::MAX).unwrap();
    let mut incarnations: Vec<_> = records.iter().filter_map(|r| incarnation(&r.bytes)).collect();
    // One of them stands there twice.
    assert!(incarnations.len() > 4, "{incarnations:?}");
    incarnations.sort_unstable();
    let copies = incarnations.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(copies, 1, "{incarnations:?}");
}

fn incarnation(bytes: &[u8]) -> Option<[u8; 16]> {
    match Record::decode(bytes) {
        Ok((_, Record::TermStarted(incarnation))) => Some(incarnation.0),
        _ => None,
    }
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let mut rig = Rig::new().with_bank();
    rig.log.set_full(true);
    let token = rig.offer(fund("t1"));
    for _ in 0..20 {
        if let Some(wake) = rig.step_writer() {
            rig.now = rig.now.max(wake);
        }
    }
    let Status::Starting { last_error } = rig.writer.status() else { panic!("it cannot serve") };
    assert!(last_error.starts_with("DISK_FULL"), "{last_error}");
    rig.log.set_full(false);
    rig.pump();
    assert!(line(&rig.reply(token)).starts_with("not recorded"));
    assert!(rig.post(transfer("t1", "world", "a", "1")).starts_with("ok"));
}

#[test]
fn a_log_that_gives_an_offset_again_stops_the_writer() {
    let mut rig = Rig::new().with_bank();
    let token = rig.offer(fund("t1"));
    rig.step_writer();
    rig.log.truncate(0, 5);
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    let Status::Stopped { reason } = rig.writer.status() else { panic!("it stops") };
    assert!(reason.starts_with("LOG_DIVERGED"), "{reason}");
    assert!(line(&rig.reply(token)).starts_with("unknown: LOG_DIVERGED"));
    let refused = rig.offer(fund("t2"));
    rig.step_writer();
    assert!(line(&rig.reply(refused)).starts_with("not recorded: LOG_DIVERGED"));
}

#[test]
fn a_clock_behind_the_last_commit_refuses_until_it_catches_up() {
    let mut rig = Rig::new().with_bank();
    rig.now -= 3_000_000_000;
    rig.restart().unwrap();
    let token = rig.offer(fund("t1"));
    for _ in 0..5 {
        rig.step_writer();
        rig.log.flush(0);
        rig.follow();
    }
    assert!(matches!(rig.writer.status(), Status::ClockBehind { .. }));
    assert!(line(&rig.reply(token)).starts_with("not recorded: the clock is 2"));
    rig.now += 2_500_000_000;
    rig.step_writer();
    assert!(rig.post(transfer("t1", "world", "a", "1")).starts_with("ok"));
    let recorded = rig.writer.state().recorded_at();
    assert!(recorded > 0);
    rig.assert_replay_is_live();
}

#[test]
fn a_full_queue_refuses_with_a_hint() {
    let limits = WriterLimits { queue_commands_max: 2, ..WriterLimits::default() };
    let mut rig = Rig::with(limits, 0).with_bank();
    let tokens: Vec<u64> = (0..3).map(|n| rig.offer(fund(&format!("t{n}")))).collect();
    rig.pump();
    let said: Vec<String> = tokens.iter().map(|&token| line(&rig.reply(token))).collect();
    assert_eq!(said, ["ok 0@7.0", "ok 0@7.1", "overloaded: 50"]);
}

#[test]
fn a_group_is_split_at_command_borders() {
    let limits =
        WriterLimits { commit_bytes_max: 500, compare_every_commits: 1, ..WriterLimits::default() };
    let mut rig = Rig::with(limits, 0).with_bank();
    let tokens: Vec<u64> = (0..12).map(|n| rig.offer(fund(&format!("t{n}")))).collect();
    rig.pump();
    let offsets: Vec<String> = tokens.iter().map(|&token| line(&rig.reply(token))).collect();
    assert_eq!(offsets[0], "ok 0@7.0");
    assert_eq!(offsets[1], "ok 0@7.1");
    assert!(offsets[11].starts_with("ok 0@") && !offsets[11].starts_with("ok 0@7."));
    rig.assert_replay_is_live();
}

#[test]
fn limits_of_a_commit_hold_by_count() {
    let limits = WriterLimits {
        commit_commands_max: 2,
        commit_transfers_max: 3,
        compare_every_commits: 1,
        ..WriterLimits::default()
    };
    let mut rig = Rig::with(limits, 0).with_bank();
    let many = |n: u32| (0..n).map(move |i| transfer(&format!("m{n}-{i}"), "world", "a", "1"));
    let sizes = [1, 2, 4, 3];
    let tokens = sizes.map(|n| rig.offer(batch(None, many(n).collect())));
    let account = rig.offer(open_account(None, "c", false));
    rig.pump();
    let firsts = tokens.map(|token| {
        let said = line(&rig.reply(token));
        said.split(',').next().unwrap().to_owned()
    });
    assert_eq!(firsts, ["ok 0@7.0", "ok 0@7.1", "ok 0@8.0", "ok 0@9.0"]);
    assert_eq!(line(&rig.reply(account)), "ok 0@10.0");
    rig.assert_replay_is_live();
}

#[test]
fn a_lagging_follower_holds_the_writer() {
    let limits = WriterLimits { recent_ids_max: 2, ..WriterLimits::default() };
    let mut rig = Rig::with(limits, 0).with_bank();
    let tokens: Vec<u64> = (0..6)
        .map(|n| {
            let token = rig.offer(fund(&format!("t{n}")));
            rig.step_writer();
            rig.log.flush(0);
            rig.step_writer();
            token
        })
        .collect();
    assert_eq!(rig.replies.len(), 2, "the rest waits for the follower");
    rig.pump();
    for token in tokens {
        assert!(line(&rig.reply(token)).starts_with("ok"));
    }
    rig.assert_replay_is_live();
}
