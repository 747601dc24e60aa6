//! Schedules and the queue of what is due move together.
#![expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]

use crate::command::Timestamp;
use crate::name::Id;
use crate::schedule::{Due, Schedule};
use crate::state::{LedgerHandle, State};

pub(super) fn create(state: &mut State, ledger: LedgerHandle, id: &Id, made: Schedule) {
    assert_eq!(made.plan.first_due(), made.next_due, "a schedule begins with its first instant");
    if let Some(at) = made.next_due {
        state.due.insert((at, Due::Schedule(ledger, id.clone())));
    }
    let before = state.schedules.insert((ledger, id.clone()), made);
    assert_eq!(before, None, "a schedule has an id of its own");
}

pub(super) fn cancel(state: &mut State, ledger: LedgerHandle, id: &Id) {
    let schedule = state.schedules.get_mut(&(ledger, id.clone())).expect("the schedule was made");
    let at = schedule.next_due.take().expect("the schedule has not ended");
    schedule.cancelled = true;
    state.due.remove(&(at, Due::Schedule(ledger, id.clone())));
}

pub(super) fn ran(
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
