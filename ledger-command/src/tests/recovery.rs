//! Recovery from every combination of snapshot and id store; what is not the same log stops.

use ledger_log::simulated::Crash;

use super::rig::{Rig, batch, line, transfer};
use crate::FollowError;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    None,
    Old,
    New,
    NewDamaged,
    AllDamaged,
}

/// Ten funded transfers, a snapshot after the third and after the seventh; ids flushed where told.
fn grown(snapshots: Kept, ids_flushed_at: Option<u32>) -> Rig {
    let mut rig = Rig::new().with_bank();
    for n in 0..10u32 {
        assert!(rig.post(transfer(&format!("t{n}"), "world", "a", "1")).starts_with("ok"));
        let snapshot = match snapshots {
            Kept::None => false,
            Kept::Old => n == 3,
            Kept::New | Kept::NewDamaged | Kept::AllDamaged => n == 3 || n == 7,
        };
        if snapshot {
            crate::snapshot::save(&mut rig.snapshots, rig.follower.cursor(), rig.follower.state())
                .unwrap();
        }
        if ids_flushed_at == Some(n) {
            crate::ids::IdStore::flush(&*rig.ids).unwrap();
        }
    }
    let mut kept = rig.snapshots.kept();
    let damaged = match snapshots {
        Kept::NewDamaged => 1,
        Kept::AllDamaged => 2,
        Kept::None | Kept::Old | Kept::New => 0,
    };
    for (n, bytes) in kept.values_mut().rev().take(damaged).enumerate() {
        // One bit flipped in the newer, the older cut short.
        if n == 0 {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        } else {
            bytes.truncate(bytes.len() / 2);
        }
    }
    drop(kept);
    rig
}

#[test]
fn every_combination_recovers_the_same_state() {
    use Kept::{AllDamaged, New, NewDamaged, None as NoneKept, Old};
    for snapshots in [NoneKept, Old, New, NewDamaged, AllDamaged] {
        for ids in [None, Some(1), Some(5), Some(9)] {
            let mut rig = grown(snapshots, ids);
            let before = rig.writer.state().clone();
            rig.crash(Crash::Drop);
            rig.pump();
            assert_eq!(*rig.writer.state(), before, "{snapshots:?} {ids:?}");
            for n in 0..10 {
                let again = rig.post(transfer(&format!("t{n}"), "world", "a", "1"));
                let expected = format!("ok 0@{}.0 replayed", 7 + n);
                assert_eq!(again, expected, "{snapshots:?} {ids:?}");
            }
            assert!(rig.post(transfer("new", "a", "b", "10")).starts_with("ok"));
            rig.assert_replay_is_live();
        }
    }
}

#[test]
fn an_id_store_without_room_is_waited_for_and_loses_no_id() {
    let mut rig = Rig::new().with_bank();
    rig.ids.set_full(true);
    let token = rig.offer(batch(None, vec![transfer("t1", "world", "a", "1")]));
    rig.step_writer();
    rig.log.flush(0);
    rig.step_writer();
    assert_eq!(line(&rig.reply(token)), "ok 0@7.0");
    let waits = |rig: &mut Rig| {
        let error = rig.follower.step().unwrap_err();
        assert!(error.is_transient() && error.to_string().starts_with("DISK_FULL"), "{error}");
    };
    waits(&mut rig);
    waits(&mut rig);
    // A term that begins meanwhile serves once the ids of all before it can be looked up.
    rig.restart().unwrap();
    for _ in 0..3 {
        rig.step_writer();
        rig.log.flush(0);
        waits(&mut rig);
        assert!(!rig.writer.is_serving());
    }
    rig.ids.set_full(false);
    rig.pump();
    assert!(rig.writer.is_serving());
    assert_eq!(rig.post(transfer("t1", "world", "a", "1")), "ok 0@7.0 replayed");
    rig.assert_replay_is_live();
}

#[test]
fn a_clean_stop_leaves_nothing_to_read_again() {
    let mut rig = grown(Kept::None, None);
    rig.follower.finish().unwrap();
    let end = rig.follower.cursor().next;
    rig.crash(Crash::Drop);
    assert_eq!(rig.follower.cursor().next, end);
    assert_eq!(rig.snapshots.kept().len(), 1);
}

#[test]
fn snapshots_are_made_by_policy_and_two_are_kept() {
    let mut rig = Rig::new();
    rig.policy.every_commits = 3;
    rig.restart().unwrap();
    let mut rig = rig.with_bank();
    for n in 0..10 {
        rig.post(transfer(&format!("t{n}"), "world", "a", "1"));
    }
    let kept: Vec<u64> = rig.snapshots.kept().keys().copied().collect();
    assert_eq!(kept.len(), 2);
    assert!(kept[1] - kept[0] >= 3, "{kept:?}");
    rig.crash(Crash::Drop);
    assert_eq!(rig.follower.cursor().next, kept[1]);
    rig.assert_replay_is_live();
}

fn diverged(rig: &mut Rig) -> String {
    match rig.restart() {
        Err(FollowError::Log(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_shorter_than_the_snapshot_or_the_id_store_is_refused() {
    for by_snapshot in [true, false] {
        let mut rig = grown(if by_snapshot { Kept::New } else { Kept::None }, Some(9));
        if by_snapshot {
            rig.ids.lose();
        }
        rig.log.truncate(0, 10);
        let error = diverged(&mut rig);
        assert!(error.starts_with("LOG_DIVERGED partition 0: was read up to offset"), "{error}");
    }
}

#[test]
fn a_log_with_another_past_is_refused() {
    let mut rig = grown(Kept::New, Some(9));
    let cursor = rig.follower.cursor().clone();
    rig.log.rewrite(0, cursor.counted, b"something else".to_vec());
    let error = diverged(&mut rig);
    assert!(error.starts_with("LOG_DIVERGED"), "{error}");
}

#[test]
fn commits_that_were_in_flight_count_or_not_by_what_the_log_kept() {
    for seed in 0..20 {
        let mut rig = Rig::with(crate::WriterLimits::default(), seed).with_bank();
        let mut ids = Vec::new();
        for n in 0..4 {
            let id = format!("t{n}");
            rig.offer(super::rig::batch(None, vec![transfer(&id, "world", "a", "1")]));
            rig.step_writer();
            ids.push(id);
        }
        rig.crash(Crash::KeepPrefix);
        let mut kept = true;
        for (n, id) in ids.iter().enumerate() {
            let said = rig.post(transfer(id, "world", "a", "1"));
            let replayed = said == format!("ok 0@{}.0 replayed", 7 + n);
            assert!(kept || !replayed, "what counts is a prefix: {said}");
            kept = replayed;
            assert!(said.starts_with("ok"), "{said}");
        }
        let a = rig.writer.state().accounts()[1].balances()[0].1;
        assert_eq!(a.credits_posted, 400, "each exactly once");
        rig.assert_replay_is_live();
    }
}

#[test]
fn a_difference_between_replay_and_live_state_is_an_alarm() {
    let mut rig = Rig::new().with_bank();
    rig.offer(super::rig::batch(None, vec![transfer("t1", "world", "a", "1")]));
    rig.step_writer();
    // The claim of a writer whose state has gone another way.
    rig.writer.claim_for_test([0; 32]);
    rig.log.flush(0);
    let error = rig.follower.step().unwrap_err();
    assert_eq!(error, FollowError::Differs { partition: 0, sequence: 6 });
}
