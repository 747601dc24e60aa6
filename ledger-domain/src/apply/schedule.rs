//! Schedules and the queue of what is due move together.
#![expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]

use crate::command::Timestamp;
use crate::event::Event;
use crate::name::Id;
use crate::schedule::{Due, Schedule};
use crate::state::{LedgerHandle, State};

/// Applies an event of a schedule; any other changes none.
#[expect(clippy::wildcard_enum_match_arm, reason = "`apply` knows which events are of schedules")]
pub(super) fn apply(state: &mut State, event: &Event) {
    match event {
        Event::ScheduleCreated { ledger, schedule, plan, next_due } => {
            let plan = (**plan).clone();
            let (next_due, cancelled) = (Some(*next_due), false);
            create(state, *ledger, schedule, Schedule { plan, times: 0, next_due, cancelled });
        }
        Event::ScheduleCancelled { ledger, schedule } => cancel(state, *ledger, schedule),
        Event::ScheduleRan { ledger, schedule, number, due_at, next_due, refused: _ } => {
            ran(state, (*ledger, schedule), *number, *due_at, *next_due);
        }
        _ => {}
    }
}

fn create(state: &mut State, ledger: LedgerHandle, id: &Id, made: Schedule) {
    assert_eq!(made.plan.first_due(), made.next_due, "a schedule begins with its first instant");
    if let Some(at) = made.next_due {
        state.due.insert((at, Due::Schedule(ledger, id.clone())));
    }
    let before = state.schedules.insert((ledger, id.clone()), made);
    assert_eq!(before, None, "a schedule has an id of its own");
}

fn cancel(state: &mut State, ledger: LedgerHandle, id: &Id) {
    let schedule = state.schedules.get_mut(&(ledger, id.clone())).expect("the schedule was made");
    let at = schedule.next_due.take().expect("the schedule has not ended");
    schedule.cancelled = true;
    state.due.remove(&(at, Due::Schedule(ledger, id.clone())));
}

fn ran(
    state: &mut State,
    (ledger, id): (LedgerHandle, &Id),
    number: u32,
    due_at: Timestamp,
    next_due: Option<Timestamp>,
) {
    let schedule = state.schedules.get_mut(&(ledger, id.clone())).expect("the schedule was made");
    assert_eq!(schedule.times.checked_add(1), Some(number), "no time is left out");
    assert_eq!(schedule.next_due, Some(due_at), "a schedule runs when it is due");
    assert_eq!(schedule.plan.due_after(number, due_at), next_due, "what is next follows");
    schedule.times = number;
    schedule.next_due = next_due;
    state.due.remove(&(due_at, Due::Schedule(ledger, id.clone())));
    if let Some(at) = next_due {
        state.due.insert((at, Due::Schedule(ledger, id.clone())));
    }
}
