//! Metadata is changed key by key: also that of an account that is frozen or closed, for it moves no money.

use super::named;
use crate::event::Event;
use crate::limits::METADATA_KEYS_MAX;
use crate::metadata::{MetadataOf, MetadataTarget, MetadataUpdate};
use crate::name::LedgerName;
use crate::rejection::{Code, Rejection};
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    of: &MetadataOf,
    update: &MetadataUpdate,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    let (target, metadata, name) = match of {
        MetadataOf::Ledger => (MetadataTarget::Ledger, &book.metadata, ledger.as_str()),
        MetadataOf::Account(name) => {
            let (at, account) = named::account(state, book, name)?;
            (MetadataTarget::Account(at), &account.metadata, name.as_str())
        }
    };
    let changes = metadata.changes(update);
    if metadata.len_after(&changes) > METADATA_KEYS_MAX {
        return Err(Rejection::new(Code::MetadataFull, name));
    }
    Ok(Event::MetadataChanged { ledger: handle, target, changes })
}
