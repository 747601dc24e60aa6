//! Schedules that ran when they were due, and such that no state could have let run.

use ledger_domain::{AccountName, AssetCode, Code, Decimal, Leg, Plan, When};

use super::*;

fn plan(start: i64) -> Plan {
    let leg = Leg {
        debit_account: AccountName::parse("cash").unwrap(),
        credit_account: AccountName::parse("alice").unwrap(),
        asset: AssetCode::parse("USD").unwrap(),
        amount: Decimal::parse("1").unwrap(),
        up_to: false,
    };
    let (reference, until, count) = ("".into(), None, Some(2));
    let metadata = Default::default();
    Plan { leg, reference, metadata, when: When::Every(5), start, until, count }
}

fn made(start: i64) -> Event {
    let (ledger, schedule) = (LedgerHandle(0), Id::parse("s").unwrap());
    Event::ScheduleCreated { ledger, schedule, plan: Box::new(plan(start)), next_due: start }
}

fn ran(number: u32, due_at: i64, next_due: Option<i64>) -> Event {
    let (ledger, schedule) = (LedgerHandle(0), Id::parse("s").unwrap());
    Event::ScheduleRan { ledger, schedule, number, due_at, next_due, refused: None }
}

/// The transfer of that time.
fn posted(number: u32) -> Event {
    let Event::TransferBatch(mut batch) = moved("t", 0, 1, 1) else { panic!("a batch") };
    batch.accepted[0].id = Id::scheduled(&Id::parse("s").unwrap(), number);
    Event::TransferBatch(batch)
}

fn cancelled() -> Event {
    Event::ScheduleCancelled { ledger: LedgerHandle(0), schedule: Id::parse("s").unwrap() }
}

#[test]
fn a_schedule_that_ran_in_time_is_clean() {
    let mut author = Author::bank();
    let start = author.now as i64 + 15;
    author.forge(vec![made(start)]);
    author.forge(vec![posted(1), ran(1, start, Some(start + 5))]);
    author.forge(vec![cancelled()]);
    assert_eq!(found(&author.log), []);
}

#[test]
fn a_schedule_that_no_state_could_have_let_run_stops_the_replay() {
    let now = Author::bank().now as i64 + 10;
    let start = now + 1;
    let mut other = made(start);
    if let Event::ScheduleCreated { next_due, .. } = &mut other {
        *next_due += 1;
    }
    for (events, position) in [
        (vec![ran(1, start, None)], "0@11.0"),
        (vec![cancelled()], "0@11.0"),
        (vec![made(now)], "0@11.0"),
        (vec![other], "0@11.0"),
        (vec![made(start), made(start)], "0@11.1"),
        (vec![made(start), posted(1), ran(1, start, Some(start + 5))], "0@11.2"),
        (vec![made(start), cancelled(), cancelled()], "0@11.2"),
    ] {
        stops_at(&events, position);
    }
    for wrong in [
        ran(2, start, Some(start + 5)),
        ran(1, start + 1, Some(start + 6)),
        ran(1, start, None),
        ran(1, start, Some(start + 6)),
    ] {
        let mut author = Author::bank();
        author.forge(vec![made(start)]);
        author.forge(vec![posted(1), wrong.clone()]);
        let found = found(&author.log);
        assert!(!found.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_time_and_its_transfer_stand_side_by_side() {
    let start = Author::bank().now as i64 + 15;
    let first = || ran(1, start, Some(start + 5));
    let refused = Event::ScheduleRan {
        ledger: LedgerHandle(0),
        schedule: Id::parse("s").unwrap(),
        number: 1,
        due_at: start,
        next_due: Some(start + 5),
        refused: Some(Code::AccountFrozen),
    };
    for (events, position) in [
        (vec![first()], "0@12.0"),
        (vec![posted(1)], "0@12.0"),
        (vec![posted(2), first()], "0@12.0"),
        (vec![moved("t-9", 0, 1, 1), first()], "0@12.1"),
        (vec![posted(1), moved("t-9", 0, 1, 1), first()], "0@12.0"),
        (vec![posted(1), refused], "0@12.1"),
    ] {
        let mut author = Author::bank();
        author.forge(vec![made(start)]);
        author.forge(events.clone());
        let found = found(&author.log);
        assert!(found.contains(&("LD-9", position.to_owned())), "{events:?}: {found:?}");
    }
}
