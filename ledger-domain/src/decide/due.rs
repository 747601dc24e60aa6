//! What comes due without a command.

use crate::command::Timestamp;
use crate::event::Event;
use crate::state::State;

/// The first `max` holds whose time is over at `now`, in the order in which it was.
///
/// Whoever writes a partition asks before every commit and when [`State::next_due`] says so; so a hold
/// expires where nothing else happens, too.
///
/// # Panics
/// When the queue of what is due holds what is not open. Whoever went on would ask for it for ever.
#[must_use]
pub fn decide_due(state: &State, now: Timestamp, max: usize) -> Vec<Event> {
    let due = state.due.iter().take_while(|(at, _, _)| *at <= now).take(max);
    let expired = due.map(|(_, ledger, id)| {
        let Some(hold) = state.hold(*ledger, id) else {
            panic!("what is due is open: hold {id} of ledger {}", ledger.0);
        };
        Event::HoldExpired {
            ledger: *ledger,
            hold: id.clone(),
            debit_account: hold.debit_account,
            credit_account: hold.credit_account,
            asset: hold.asset,
            amount: hold.amount,
        }
    });
    expired.collect()
}
