//! What comes due without a command.

use super::{crossings, customers, post_transfers};
use crate::command::Timestamp;
use crate::event::Event;
use crate::name::Id;
use crate::schedule::Due;
use crate::state::{LedgerHandle, State};

/// What is due first at `now`, in the order in which it was: at most `max` holds whose time is over, or one
/// of an account with an alert and which of them it makes cross, or what one schedule comes to. The last two
/// depend on all before them: whoever asks applies what it is given and asks again.
///
/// Whoever writes a partition asks before every commit and when [`State::next_due`] says so; so a hold
/// expires and a schedule runs where nothing else happens, too.
///
/// # Panics
/// When the queue of what is due holds what is not open. Whoever went on would ask for it for ever.
#[must_use]
pub fn decide_due(state: &State, now: Timestamp, max: usize) -> Vec<Event> {
    let mut due = state.due.iter().take_while(|(at, _)| *at <= now).take(max).peekable();
    if let Some((at, Due::Schedule(ledger, id))) = due.peek() {
        return run(state, *ledger, id, *at, now);
    }
    let expired = due.map_while(|(_, due)| match due {
        Due::Hold(ledger, id) => Some(expire(state, *ledger, id)),
        Due::Schedule(..) => None,
    });
    let mut events = Vec::new();
    for (event, is_watched) in expired {
        if !is_watched {
            events.push(event);
            continue;
        }
        if events.is_empty() {
            let crossed = crossings::crossings(state, &event);
            events.push(event);
            events.extend(crossed);
        }
        break;
    }
    events
}

/// The event, and whether one of the accounts has an alert.
fn expire(state: &State, ledger: LedgerHandle, id: &Id) -> (Event, bool) {
    let Some(hold) = state.hold(ledger, id) else {
        panic!("what is due is open: hold {id} of ledger {}", ledger.0);
    };
    let is_watched = state.is_watched(hold.debit_account) || state.is_watched(hold.credit_account);
    let event = Event::HoldExpired {
        ledger,
        hold: id.clone(),
        debit_account: hold.debit_account,
        credit_account: hold.credit_account,
        asset: hold.asset,
        amount: hold.amount,
    };
    (event, is_watched)
}

/// Its transfer, accepted or refused as any other, that it ran, and which alerts cross.
fn run(
    state: &State,
    ledger: LedgerHandle,
    id: &Id,
    due_at: Timestamp,
    now: Timestamp,
) -> Vec<Event> {
    let (Some(schedule), Some(book)) = (state.schedule(ledger, id), state.ledger(ledger)) else {
        panic!("what is due was made: schedule {id} of ledger {}", ledger.0);
    };
    let Some(number) = schedule.times.checked_add(1) else {
        panic!("schedule {id} of ledger {} ran 2^32 times", ledger.0);
    };
    // It takes effect when it was due, however late that is; where the books are closed by then, when it is
    // recorded.
    let effective_at = (!book.is_locked(Some(due_at))).then_some(due_at);
    let mut transfer = schedule.plan.transfer(id, number, effective_at);
    // Nobody is there to ask for it otherwise, and a note is no reason to stop money.
    transfer.metadata = customers::of_metadata_kept(state, book, &transfer.metadata);
    let batch = post_transfers::decide_one(state, ledger, book, &transfer, now);
    let refused = batch.refused.first().map(|refused| refused.rejection.code);
    let ran = Event::ScheduleRan {
        ledger,
        schedule: id.clone(),
        number,
        due_at,
        next_due: schedule.plan.due_after(number, due_at),
        refused,
    };
    let crossed = crossings::of_batch(state, ledger, &batch.accepted);
    let mut events = vec![Event::TransferBatch(batch), ran];
    events.extend(crossed);
    events
}
