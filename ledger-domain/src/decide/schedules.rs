//! A schedule is made, and ended.

use super::{customers, named};
use crate::command::Timestamp;
use crate::event::Event;
use crate::name::{Id, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::schedule::Plan;
use crate::state::State;

/// What its transfers would be refused for in any case is refused here. The status of the accounts and
/// their balances are another matter: they are looked at when it is due.
pub(super) fn create(
    state: &State,
    ledger: &LedgerName,
    schedule: &Id,
    plan: &Plan,
    now: Timestamp,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    if state.schedule(handle, schedule).is_some() {
        return Err(Rejection::new(Code::ScheduleExists, &schedule.to_string()));
    }
    let sides = [
        (&plan.leg.debit_account, Code::UnknownDebitAccount),
        (&plan.leg.credit_account, Code::UnknownCreditAccount),
    ];
    for (name, code) in sides {
        if book.account_by_name(name).is_none() {
            return Err(Rejection::new(code, name.as_str()));
        }
    }
    customers::of_metadata(state, book, &plan.metadata)?;
    // One that began in the past would have much to catch up with at once.
    let next_due = plan.first_due().filter(|_| plan.start > now);
    let next_due = next_due.ok_or_else(|| Rejection::new(Code::ScheduleInPast, "start_time"))?;
    let (_, scale) = named::asset(book, &plan.leg.asset)?;
    named::to_minor("amount", plan.leg.amount, scale)?;
    let (schedule, plan) = (schedule.clone(), Box::new(plan.clone()));
    Ok(Event::ScheduleCreated { ledger: handle, schedule, plan, next_due })
}

pub(super) fn cancel(
    state: &State,
    ledger: &LedgerName,
    schedule: &Id,
) -> Result<Event, Rejection> {
    let (handle, _) = named::ledger(state, ledger)?;
    let refuse = |code| Rejection::new(code, &schedule.to_string());
    let found = state.schedule(handle, schedule).ok_or_else(|| refuse(Code::UnknownSchedule))?;
    if found.next_due.is_none() {
        return Err(refuse(Code::ScheduleEnded));
    }
    Ok(Event::ScheduleCancelled { ledger: handle, schedule: schedule.clone() })
}
