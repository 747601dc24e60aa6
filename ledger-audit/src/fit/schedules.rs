//! Schedules: made once, run when they are due and not before, each time once.

use ledger_domain::event::Row;
use ledger_domain::{Event, Id, LedgerHandle, Plan, Schedule, State, Timestamp, TransferBatch};

use super::{Misfit, book, metadata};

/// What an event says of a time that a schedule was due.
#[derive(Clone, Copy)]
pub(super) struct Ran {
    pub(super) number: u32,
    pub(super) due_at: Timestamp,
    pub(super) next_due: Option<Timestamp>,
}

pub(super) fn made(
    state: &State,
    ledger: LedgerHandle,
    id: &Id,
    plan: &Plan,
    (next_due, now): (Timestamp, Timestamp),
) -> Result<(), String> {
    let book = book(state, ledger)?;
    if state.schedule(ledger, id).is_some() {
        return Err(format!("schedule {id} exists"));
    }
    if plan.start <= now {
        return Err(format!("schedule {id} starts in the past"));
    }
    if plan.first_due() != Some(next_due) {
        return Err(format!("schedule {id} is not due first at {next_due}"));
    }
    for name in [&plan.leg.debit_account, &plan.leg.credit_account] {
        if book.account_by_name(name).is_none() {
            return Err(format!("account {name} was never opened"));
        }
    }
    metadata::fits(state, ledger, &plan.metadata)?;
    let asset = book.asset_by_code(&plan.leg.asset);
    asset.map(|_| ()).ok_or_else(|| format!("asset {} was never created", plan.leg.asset))
}

/// The schedule, which has not ended, and when it is due.
pub(super) fn active<'a>(
    state: &'a State,
    ledger: LedgerHandle,
    id: &Id,
) -> Result<(&'a Schedule, Timestamp), String> {
    book(state, ledger)?;
    let schedule = state.schedule(ledger, id);
    let schedule = schedule.ok_or_else(|| format!("schedule {id} was never made"))?;
    let due = schedule.next_due.ok_or_else(|| format!("schedule {id} has ended"))?;
    Ok((schedule, due))
}

pub(super) fn ran(
    state: &State,
    ledger: LedgerHandle,
    id: &Id,
    ran: Ran,
    now: Timestamp,
) -> Result<(), String> {
    let (schedule, due) = active(state, ledger, id)?;
    let Ran { number, due_at, next_due } = ran;
    if schedule.times.checked_add(1) != Some(number) {
        return Err(format!("schedule {id} runs for the {number}. time after {}", schedule.times));
    }
    if due_at != due || due_at > now {
        return Err(format!("schedule {id} runs at {due_at} and is due at {due}"));
    }
    if schedule.plan.due_after(number, due_at) != next_due {
        return Err(format!("schedule {id} is not due again at {next_due:?}"));
    }
    Ok(())
}

/// LD-9 of the event at a place of its command: a time of a schedule and its transfer stand side by side, and
/// say the same.
pub(crate) fn paired(events: &[Event], at: usize) -> Option<Misfit> {
    let misfit = |row, what| Some(Misfit { invariant: "LD-9", row, what });
    match events.get(at)? {
        Event::ScheduleRan { ledger, schedule, number, refused, .. } => {
            let before = at.checked_sub(1).and_then(|before| events.get(before));
            let Some(Event::TransferBatch(batch)) = before else {
                return misfit(0, format!("schedule {schedule} runs without a transfer"));
            };
            let mut rows = batch.iter().map(|(_, row)| row);
            let (id, code) = match rows.next()? {
                Row::Accepted(accepted) => (&accepted.id, None),
                Row::Refused(refused) => (&refused.transfer.id, Some(refused.rejection.code)),
            };
            let same = batch.ledger == *ledger
                && *id == Id::scheduled(schedule, *number)
                && code == *refused
                && rows.next().is_none();
            let what = || format!("schedule {schedule} runs with another transfer, {id}");
            if same { None } else { misfit(0, what()) }
        }
        Event::TransferBatch(batch) => {
            let (row, id) = scheduled(batch)?;
            let runs = matches!(events.get(at + 1), Some(Event::ScheduleRan { schedule, number, .. })
                if Id::scheduled(schedule, *number) == *id);
            let what = || format!("transfer {id} is of no schedule that ran");
            if runs { None } else { misfit(row, what()) }
        }
        _ => None,
    }
}

/// The first row whose id only a schedule gives.
fn scheduled(batch: &TransferBatch) -> Option<(u32, &Id)> {
    let mut ids = batch.iter().map(|(row, content)| match content {
        Row::Accepted(accepted) => (row, &accepted.id),
        Row::Refused(refused) => (row, &refused.transfer.id),
    });
    ids.find(|(_, id)| matches!(id, Id::Text(text) if text.starts_with("~at:")))
}
