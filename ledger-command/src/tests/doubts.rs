//! What a writer does where the log says little, refuses, cannot be read, or takes another's record.

use ledger_log::simulated::Fate;
use ledger_log::{Incarnation, record::Record};

use super::rig::{Rig, batch, line, open_account, transfer};
use crate::writer::{Status, WriterLimits};

fn fund(id: &str) -> ledger_domain::Command {
    batch(None, vec![transfer(id, "world", "a", "1")])
}

/// Offers transfers, each in a commit of its own where there is room.
fn send<const N: usize>(rig: &mut Rig, ids: [&str; N]) -> [u64; N] {
    ids.map(|id| {
        let token = rig.offer(fund(id));
        rig.step_writer();
        token
    })
}

#[test]
fn a_rivals_commit_in_the_place_of_a_claimed_one_is_no_difference() {
    let mut rig = Rig::new().with_bank();
    assert_eq!(rig.limits.compare_every_commits, 1, "every commit is claimed");
    let mut rival = rig.rival();
    let [token] = send(&mut rig, ["t1"]);
    rig.log.settle(0, Fate::Lost);
    // The rival takes the partition, and the sequence that was claimed.
    assert!(line(&rival.ask(open_account(None, "c", false))).starts_with("ok"));
    let claimed = rig.writer.fingerprint().sequence;
    rig.follow();
    assert_eq!(rig.follower.fingerprint().sequence, claimed);
    assert_ne!(rig.follower.fingerprint(), rig.writer.fingerprint());
    rig.pump();
    assert!(line(&rig.reply(token)).starts_with("not recorded"));
    rig.assert_replay_is_live();
}

#[test]
fn the_last_commit_is_looked_for_where_its_report_has_no_offset() {
    let mut rig = Rig::new().with_bank();
    let [token] = send(&mut rig, ["t1"]);
    rig.log.settle(0, Fate::WithoutOffset);
    rig.step_writer();
    assert!(rig.replies.is_empty());
    rig.pump();
    assert_eq!(line(&rig.reply(token)), "ok 0@7.0");
}

#[test]
fn reports_without_offset_and_no_room_for_a_commit_behind_them_end_the_term() {
    let limits = WriterLimits { commits_in_flight_max: 2, ..WriterLimits::default() };
    let mut rig = Rig::with(limits, 0).with_bank();
    let tokens = send(&mut rig, ["t1", "t2", "t3"]);
    assert_eq!(rig.log.pending(0), 2, "the third waits for room");
    while rig.log.settle(0, Fate::WithoutOffset) {}
    rig.pump();
    let said = tokens.map(|token| line(&rig.reply(token)));
    assert_eq!(said, ["ok 0@7.0", "ok 0@8.0", "ok 0@10.0"]);
}

/// The follower makes no room for ids: what it reads of this writer counts nowhere.
#[test]
fn reports_without_offset_and_no_room_for_ids_behind_them_end_the_term() {
    let limits = WriterLimits { recent_ids_max: 1, ..WriterLimits::default() };
    let mut rig = Rig::with(limits, 0).with_bank();
    let [first] = send(&mut rig, ["t1"]);
    rig.log.inject(0, Record::TermStarted(Incarnation([1; 16])).encode(rig.log_id));
    rig.log.settle(0, Fate::WithoutOffset);
    rig.follow();
    let [second] = send(&mut rig, ["t2"]);
    rig.pump();
    assert!(line(&rig.reply(first)).starts_with("not recorded"));
    assert_eq!(line(&rig.reply(second)), "ok 0@10.0");
}

#[test]
fn a_clock_set_back_does_not_keep_what_has_no_offset_waiting() {
    let mut rig = Rig::new().with_bank();
    let [token] = send(&mut rig, ["t1"]);
    rig.log.settle(0, Fate::WithoutOffset);
    rig.now -= 3_600_000_000_000;
    for _ in 0..10 {
        rig.now += 1_000_000;
        rig.step_writer();
        rig.log.flush(0);
        rig.follow();
    }
    assert!(matches!(rig.writer.status(), Status::ClockBehind { .. }));
    assert_eq!(line(&rig.reply(token)), "ok 0@7.0");
}

#[test]
fn a_clock_set_back_makes_no_pause_longer() {
    let mut rig = Rig::new();
    rig.log.set_full(true);
    let wake = rig.step_writer().expect("it tries again");
    assert!(wake > rig.now);
    rig.log.set_full(false);
    rig.now -= 3_600_000_000_000;
    let wake = rig.step_writer().expect("it tries again");
    assert!(wake - rig.now <= 1_024_000_000, "in {} ns", wake - rig.now);
    rig.now = wake;
    rig.step_writer();
    assert_eq!(rig.log.pending(0), 1, "its TermStarted");
}

#[test]
fn what_is_in_flight_when_the_disk_fills_is_answered() {
    let mut rig = Rig::new().with_bank();
    let [first] = send(&mut rig, ["t1"]);
    rig.log.set_full(true);
    let [second] = send(&mut rig, ["t2"]);
    let refused = line(&rig.reply(second));
    assert!(refused.starts_with("not recorded") && refused.contains("DISK_FULL"), "{refused}");
    assert!(rig.replies.is_empty(), "the first may count");
    let [third] = send(&mut rig, ["t3"]);
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    assert_eq!(line(&rig.reply(first)), "ok 0@7.0");
    let Status::Starting { last_error } = rig.writer.status() else { panic!("the term is over") };
    assert!(last_error.starts_with("DISK_FULL"), "{last_error}");
    rig.log.set_full(false);
    rig.pump();
    assert_eq!(line(&rig.reply(third)), "ok 0@9.0");
    assert_eq!(rig.post(transfer("t2", "world", "a", "1")), "ok 0@10.0");
    rig.assert_replay_is_live();
}

#[test]
fn what_is_in_flight_when_the_disk_fills_fails_as_it_does_elsewhere() {
    let mut rig = Rig::new().with_bank();
    let [first] = send(&mut rig, ["t1"]);
    rig.log.set_full(true);
    let [second] = send(&mut rig, ["t2"]);
    rig.log.settle(0, Fate::Lost);
    rig.step_writer();
    assert_eq!(rig.replies.keys().collect::<Vec<_>>(), [&second], "unknown is not failed");
    rig.log.set_full(false);
    rig.pump();
    assert!(line(&rig.reply(first)).starts_with("not recorded"));
    rig.assert_replay_is_live();
}

#[test]
fn a_log_that_cannot_be_read_while_a_term_is_settled_takes_no_answer_back() {
    let mut rig = Rig::new().with_bank();
    let tokens = send(&mut rig, ["t1", "t2"]);
    rig.log.settle(0, Fate::AckLost);
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    rig.flaky.fail_after(2);
    rig.pump();
    assert!(rig.flaky.has_failed(), "after both commits were read");
    assert_eq!(tokens.map(|token| line(&rig.reply(token))), ["ok 0@7.0", "ok 0@8.0"]);
    rig.assert_replay_is_live();
}

/// Steps until a record waits for its fate.
fn until_sent(rig: &mut Rig) {
    for _ in 0..10 {
        if rig.log.pending(0) > 0 {
            return;
        }
        if let Some(wake) = rig.step_writer() {
            rig.now = rig.now.max(wake);
        }
    }
    panic!("it does not try again: {:?}", rig.writer.status());
}

#[test]
fn a_new_term_below_what_counted_is_a_log_that_lost_records() {
    let mut rig = Rig::new().with_bank();
    let [token] = send(&mut rig, ["t1"]);
    rig.log.settle(0, Fate::Lost);
    rig.step_writer();
    until_sent(&mut rig);
    rig.log.truncate(0, 3);
    rig.log.settle(0, Fate::Durable);
    rig.step_writer();
    let Status::Stopped { reason } = rig.writer.status() else { panic!("it goes on") };
    assert!(
        reason.starts_with("LOG_DIVERGED partition 0: the log gave offset 3 where 7"),
        "{reason}"
    );
    assert!(line(&rig.reply(token)).starts_with("unknown"));
}

#[test]
fn nobody_waits_for_a_log_that_does_not_answer_a_new_term_either() {
    let limits = WriterLimits { commits_in_flight_max: 1, ..WriterLimits::default() };
    let mut rig = Rig::with(limits, 0).with_bank();
    let [sent, queued] = send(&mut rig, ["t1", "t2"]);
    rig.log.settle(0, Fate::AckLost);
    rig.step_writer();
    until_sent(&mut rig);
    assert!(rig.replies.is_empty(), "the new term will tell");
    rig.log.settle(0, Fate::Lost);
    until_sent(&mut rig);
    assert!(line(&rig.reply(sent)).starts_with("unknown: nobody knows"));
    let said = line(&rig.reply(queued));
    assert!(said.starts_with("not recorded: not recorded, safe to retry"), "{said}");
    let late = rig.offer(fund("t1"));
    rig.pump();
    assert!(line(&rig.reply(late)).ends_with("0@7.0 replayed"), "it was recorded");
    rig.assert_replay_is_live();
}

#[test]
fn replays_behind_a_commit_in_flight_are_bounded_too() {
    let limits = WriterLimits {
        queue_commands_max: 3,
        commit_commands_max: 2,
        commits_in_flight_max: 2,
        ..WriterLimits::default()
    };
    let mut rig = Rig::with(limits, 0).with_bank();
    assert_eq!(rig.post(transfer("t1", "world", "a", "1")), "ok 0@7.0");
    let [slow] = send(&mut rig, ["t2"]);
    let replays = send(&mut rig, ["t1"; 10]);
    // One commit and three replays wait for it, three more in the queue.
    let refused = rig.replies.len();
    assert_eq!(refused, 4, "{:?}", rig.replies);
    rig.pump();
    assert_eq!(line(&rig.reply(slow)), "ok 0@8.0");
    let said = replays.map(|token| line(&rig.reply(token)));
    assert_eq!(said.iter().filter(|said| *said == "ok 0@7.0 replayed").count(), 10 - refused);
    assert_eq!(said.iter().filter(|said| *said == "overloaded: 50").count(), refused);
}
