//! A ledger is created once.

use crate::apply::next_ledger;
use crate::event::Event;
use crate::limits::LEDGERS_MAX;
use crate::metadata::Metadata;
use crate::name::LedgerName;
use crate::rejection::{Code, Rejection};
use crate::state::State;

pub(super) fn decide(
    state: &State,
    name: &LedgerName,
    metadata: &Metadata,
) -> Result<Event, Rejection> {
    if state.ledger_by_name(name).is_some() {
        return Err(Rejection::new(Code::LedgerExists, name.as_str()));
    }
    let ledger = next_ledger(state)
        .filter(|next| next.0 < LEDGERS_MAX)
        .ok_or_else(|| Rejection::new(Code::TooMany, "ledgers of the partition"))?;
    Ok(Event::LedgerCreated { ledger, name: name.clone(), metadata: metadata.clone() })
}
