//! Schedules: written by the writer itself, in time, each time once, and reversed as any other transfer.

use ledger_domain::{CommandBody, Event, Id, Movement, Plan, When};
use ledger_log::simulated::Crash;
use ledger_log::{Backend, Decision, Reader};
use ledger_proto::logged;

use super::rig::{Rig, command, leg, line, moves, transfer};
use crate::writer::WriterLimits;

const SECOND: i64 = 1_000_000_000;

fn schedule(id: &str, amount: &str, start: i64, when: When, count: Option<u32>) -> CommandBody {
    let (leg, reference, until) = (leg("a", "b", amount), "rent".into(), None);
    let plan =
        Box::new(Plan { leg, reference, metadata: <_>::default(), when, start, until, count });
    CommandBody::ScheduleTransfer { schedule: Id::parse(id).unwrap(), plan }
}

/// A bank whose account "a" has 100.
fn rich(limits: WriterLimits) -> Rig {
    let mut rig = Rig::with(limits, 0).with_bank();
    assert_eq!(rig.post(transfer("fund", "world", "a", "100")), "ok 0@7.0");
    rig
}

/// Every time that a schedule ran, by its commit.
fn ran(rig: &Rig) -> Vec<(u64, String)> {
    let mut reader = Reader::new(rig.log_id, 0);
    let mut found = Vec::new();
    for record in rig.log.read(0, 0, usize::MAX).unwrap() {
        let step = reader.step(record.offset, &record.bytes).unwrap();
        let Decision::Accepted(commit) = step else { continue };
        for event in commit.commands.iter().flat_map(|bytes| logged::decode(bytes).unwrap().events)
        {
            if let Event::ScheduleRan { schedule, number, refused, .. } = event {
                let outcome = refused.map_or("ok", ledger_domain::Code::name);
                found.push((record.offset, format!("{schedule} {number} {outcome}")));
            }
        }
    }
    found
}

#[test]
fn a_schedule_runs_though_nobody_asks_for_anything_and_can_be_reversed() {
    let mut rig = rich(WriterLimits::default());
    let at = rig.now + SECOND;
    let body = schedule("rent", "60", at, When::Every(SECOND), Some(2));
    assert_eq!(line(&rig.ask(command(Some("r"), body.clone()))), "ok 0@8.0");
    assert_eq!(line(&rig.ask(command(Some("r"), body.clone()))), "ok 0@8.0 replayed");
    assert_eq!(line(&rig.ask(command(Some("s"), body))), "SCHEDULE_EXISTS: rent 0@9.0");
    let body = schedule("rent", "61", at, When::Every(SECOND), Some(2));
    assert_eq!(line(&rig.ask(command(Some("r"), body))), "ID_REUSED: schedule");
    assert_eq!(rig.step_writer(), Some(at), "it wants to be called then");
    rig.now = at;
    rig.step_writer();
    rig.assert_replay_is_live();
    assert_eq!(ran(&rig), [(10, "rent 1 ok".to_owned())]);
    // Also while the id store does not have it yet.
    let reversal = |id, of: &str| {
        moves(id, Movement::Reversal { of: Id::parse_read(of).unwrap(), amount: None })
    };
    assert_eq!(rig.post(reversal("back", "~at:rent:1")), "ok 0@11.0");
    assert_eq!(rig.post(transfer("all", "a", "b", "100")), "ok 0@12.0");
    rig.now = at + 5 * SECOND;
    rig.step_writer();
    rig.assert_replay_is_live();
    assert_eq!(ran(&rig).pop(), Some((13, "rent 2 INSUFFICIENT_FUNDS".to_owned())));
    assert_eq!(rig.post(reversal("no", "~at:rent:2")), "UNKNOWN_TRANSFER: ~at:rent:2 0@14.0");
    assert_eq!(rig.writer.state().next_due(), None);
}

#[test]
fn times_that_were_missed_are_made_up_for_each_once_whatever_crashes() {
    for (crash, with_snapshot) in [(Crash::KeepPrefix, false), (Crash::KeepPrefix, true)] {
        let limits = WriterLimits { commit_bytes_max: 700, ..WriterLimits::default() };
        let mut rig = rich(limits);
        rig.policy.every_commits = if with_snapshot { 1 } else { u64::MAX };
        rig.restart().unwrap();
        let at = rig.now + SECOND;
        let body = schedule("rent", "1", at, When::Every(SECOND), Some(9));
        assert!(line(&rig.ask(command(None, body))).starts_with("ok"));
        rig.pump();
        rig.crash(crash);
        rig.now = at + 3 * SECOND;
        rig.assert_replay_is_live();
        // With some of it on its way.
        rig.now = at + 6 * SECOND;
        rig.step_writer();
        rig.crash(crash);
        rig.now = at + 60 * SECOND;
        rig.assert_replay_is_live();
        let ran: Vec<String> = ran(&rig).into_iter().map(|(_, what)| what).collect();
        let each: Vec<String> = (1..=9).map(|number| format!("rent {number} ok")).collect();
        assert_eq!(ran, each);
    }
}

/// However much is due: commands lead every commit but those that it began.
#[test]
fn what_was_missed_does_not_keep_commands_waiting() {
    let limits = WriterLimits { commit_bytes_max: 2_000, ..WriterLimits::default() };
    let mut rig = rich(limits);
    let at = rig.now + SECOND;
    rig.ask(command(None, schedule("rent", "0.01", at, When::Every(SECOND), Some(500))));
    rig.now = at + 1_000 * SECOND;
    // More than is left of a commit that what is due has filled.
    let batch = (0..400).map(|n| transfer(&format!("t-{n}"), "world", "b", "1")).collect();
    let token = rig.offer(super::rig::batch(None, batch));
    rig.pump();
    let answered = line(&rig.reply(token));
    assert!(answered.starts_with("ok 0@10.0, ok 0@10.1"), "{answered}");
    assert_eq!(ran(&rig).len(), 500, "and all of it is made up for");
    rig.assert_replay_is_live();
}

/// Whoever gives the partition back leaves what is due to the next one.
#[test]
fn a_writer_that_closes_begins_nothing_that_is_due() {
    let mut rig = rich(WriterLimits::default());
    let at = rig.now + SECOND;
    rig.ask(command(None, schedule("rent", "0.01", at, When::Every(SECOND), Some(5))));
    rig.writer.close();
    rig.now = at + 10 * SECOND;
    rig.pump();
    assert!(rig.writer.is_idle());
    assert_eq!(ran(&rig), []);
}
