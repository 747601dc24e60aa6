//! Books are closed up to an instant, and opened again: who may do that is not the ledger's to say.

use super::named;
use crate::command::Timestamp;
use crate::event::Event;
use crate::name::LedgerName;
use crate::rejection::{Code, Rejection};
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    locked_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<Event, Rejection> {
    let (ledger, _) = named::ledger(state, ledger)?;
    // Beyond now it would close what has yet to happen, and what is recorded without an effective time.
    if locked_before.is_some_and(|before| before > now) {
        return Err(Rejection::new(Code::LockInFuture, "locked_before"));
    }
    Ok(Event::BooksLocked { ledger, locked_before })
}
