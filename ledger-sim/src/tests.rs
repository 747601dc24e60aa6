//! The simulator itself: it finds nothing, exercises everything, and does the same again for a seed.

use ledger_domain::Code;

use crate::{Options, run, run_many};

/// What needs ten thousand assets to come about: a test of the domain.
const NOT_SIMULATED: [Code; 1] = [Code::TooMany];

/// What must come about, beside every refusal.
const COMES_ABOUT: &[&str] = &[
    "answer.accepted",
    "answer.replayed",
    "answer.dry",
    "answer.overloaded",
    "answer.not_recorded",
    "answer.not_owner",
    "answer.unknown",
    "answer.none",
    "read.latest",
    "read.at_least",
    "read.as_of_position",
    "read.as_of_instant",
    "read.own_write",
    "crash.drop",
    "crash.keep_prefix",
    "crash.in_flight",
    "fault.ids_lost",
    "fault.view_lost",
    "fault.snapshot_damaged",
    "fault.snapshot_lost",
    "fault.late_record",
    "fault.foreign_bytes",
    "fault.other_log",
    "fault.silent_writer",
    "fault.disk_full",
    "fault.stores_full",
    "rival.comes",
    "rival.goes",
    "group.assigned",
    "group.revoked",
    "group.lost",
    "clock.forward",
    "clock.back",
    "clock.far_back",
    "skipped.foreign",
    "skipped.zombie",
    "skipped.duplicate",
    "skipped.hole",
    "hold.made",
    "hold.made_to_expire",
    "hold.captured",
    "hold.captured_in_part",
    "hold.voided",
    "hold.expired",
    "due.alone",
    "schedule.posted",
    "schedule.refused",
    "schedule.late",
    "alert.raised",
    "alert.cleared",
    "alert.at_once",
    "alert.by_transfer",
    "alert.by_expiry",
    "alert.twice_in_a_batch",
    "send.made",
    "send.made_with_deadline",
    "send.received",
    "saga.done",
    "saga.compensated",
    "step.receive",
    "step.settle",
    "up_to.less",
    "limit.used",
    "metadata.opened_with",
    "metadata.changed",
    "metadata.same",
    "metadata.of_transfer",
    "metadata.of_schedule",
    "metadata.registered_with",
    "metadata.transfer_changed",
    "metadata.transfer_full",
    "sealed.opened_with",
    "sealed.account",
    "sealed.ledger",
    "sealed.transfer",
    "sealed.transfer_changed",
    "sealed.schedule",
    "sealed.registered_with",
    "sealed.for_another",
    "sealed.in_place_of_plain_or_back",
    "sealed.unknown_customer",
    "sealed.customer_erased",
    "schedule.posted_without_the_erased",
    "read.opened",
    "read.unreadable",
    "read.updated_transfer",
    "read.found",
    "read.found_by_two",
    "condition.version",
    "condition.balance",
    "audit.clean",
    "writer.current",
];

#[test]
fn two_hundred_seeds_find_nothing_and_exercise_everything() {
    let summary = match run_many(200, 1, &mut |_, _| {}) {
        Ok(summary) => summary,
        Err(failure) => panic!("{failure}"),
    };
    println!("{summary}");
    let refusals = Code::ALL.iter().filter(|code| !NOT_SIMULATED.contains(code));
    let refusals = refusals.map(|code| format!("refused.{}", code.name()));
    let missing: Vec<String> = COMES_ABOUT
        .iter()
        .map(|name| (*name).to_owned())
        .chain(refusals)
        .filter(|name| summary.count(name) == 0)
        .collect();
    assert_eq!(missing, [""; 0], "never happened");
}

#[test]
fn one_seed_makes_one_history() {
    let history = |seed| run(Options { seed, steps: 400 }).map(|summary| summary.history);
    let first = history(7).expect("nothing is found");
    assert_eq!(history(7), Ok(first));
    assert_ne!(history(8), Ok(first));
}
