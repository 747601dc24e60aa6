//! A partition that is given to a writer, taken from it, and given back.

use ledger_log::Backend;
use ledger_log::simulated::Fate;

use super::rig::{Rig, batch, line, transfer};
use crate::Status;

fn fund(id: &str) -> ledger_domain::Command {
    batch(None, vec![transfer(id, "world", "a", "1")])
}

#[test]
fn on_standby_it_says_that_another_writes() {
    let mut rig = Rig::new().with_bank();
    rig.writer.revoke();
    rig.step_writer();
    assert_eq!(rig.writer.status(), Status::Standby);
    assert_eq!(rig.writer.state(), &ledger_domain::State::default(), "its memory is given back");
    let end = rig.log.end(0).unwrap();
    assert_eq!(line(&rig.ask(fund("t1"))), "not the owner");
    assert_eq!(rig.log.end(0).unwrap(), end, "it writes nothing");
    rig.writer.assign();
    assert_eq!(rig.post(transfer("t1", "world", "a", "1")), "ok 0@8.0");
    rig.assert_replay_is_live();
}

#[test]
fn what_is_in_flight_is_answered_before_the_partition_is_given_back() {
    let mut rig = Rig::new().with_bank();
    let sent = rig.offer(fund("t1"));
    rig.step_writer();
    let queued = rig.offer(fund("t2"));
    rig.writer.revoke();
    let late = rig.offer(fund("t3"));
    rig.step_writer();
    assert!(matches!(rig.writer.status(), Status::Serving { .. }), "it waits for its report");
    for token in [queued, late] {
        assert_eq!(line(&rig.reply(token)), "not the owner");
    }
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    assert_eq!(line(&rig.reply(sent)), "ok 0@7.0");
    assert_eq!(rig.writer.status(), Status::Standby);
}

#[test]
fn a_partition_that_comes_back_at_once_goes_on_in_its_term() {
    let mut rig = Rig::new().with_bank();
    let serving = rig.writer.status();
    let sent = rig.offer(fund("t1"));
    rig.step_writer();
    rig.writer.revoke();
    rig.writer.assign();
    rig.pump();
    assert_eq!(line(&rig.reply(sent)), "ok 0@7.0");
    assert_eq!(rig.writer.status(), serving);
}

/// The next owner's term settles it: with the same id one hears there how.
#[test]
fn what_is_in_doubt_is_unknown_here_and_known_to_the_next_owner() {
    for (fate, said) in [(Fate::AckLost, "ok 0@7.0 replayed"), (Fate::Lost, "ok 0@8.0")] {
        let mut rig = Rig::new().with_bank();
        let sent = rig.offer(fund("t1"));
        rig.step_writer();
        rig.log.settle(0, fate);
        rig.writer.revoke();
        rig.step_writer();
        assert!(line(&rig.reply(sent)).starts_with("unknown: "), "{fate:?}");
        assert_eq!(rig.writer.status(), Status::Standby);
        let mut next = rig.rival();
        next.pump();
        assert_eq!(next.post(transfer("t1", "world", "a", "1")), said, "{fate:?}");
        next.assert_replay_is_live();
    }
}

#[test]
fn an_abandoned_partition_waits_for_nothing() {
    let mut rig = Rig::new().with_bank();
    let sent = rig.offer(fund("t1"));
    rig.step_writer();
    rig.writer.abandon();
    rig.step_writer();
    assert!(line(&rig.reply(sent)).starts_with("unknown: "));
    assert_eq!(rig.writer.status(), Status::Standby);
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    assert_eq!(rig.writer.status(), Status::Standby, "a late report changes nothing");
    rig.writer.assign();
    assert_eq!(rig.post(transfer("t1", "world", "a", "1")), "ok 0@7.0 replayed");
    rig.assert_replay_is_live();
}
