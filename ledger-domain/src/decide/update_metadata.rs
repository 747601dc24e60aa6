//! Metadata is changed key by key: also that of an account that is frozen or closed, and of a transfer that was
//! reversed, for it moves no money.

use super::{Known, Seen, customers, named};
use crate::event::Event;
use crate::limits::METADATA_KEYS_MAX;
use crate::metadata::{Metadata, MetadataOf, MetadataTarget, MetadataUpdate};
use crate::name::LedgerName;
use crate::rejection::{Code, Rejection};
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    of: &MetadataOf,
    update: &MetadataUpdate,
    known: Known<'_>,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    let account = match of {
        MetadataOf::Account(name) => Some(named::account(state, book, name)?),
        MetadataOf::Ledger | MetadataOf::Transfer(_) => None,
    };
    customers::of_metadata(state, book, &update.set)?;
    let (target, metadata) = match (of, account) {
        (MetadataOf::Transfer(id), _) => match known {
            [Seen::Noted(metadata)] => (MetadataTarget::Transfer(id.clone()), metadata),
            _ => return Err(Rejection::new(Code::UnknownTransfer, &id.to_string())),
        },
        (_, Some((at, account))) => (MetadataTarget::Account(at), &account.metadata),
        (_, None) => (MetadataTarget::Ledger, &book.metadata),
    };
    let changes = metadata.changes(update);
    if metadata.len_after(&changes) > METADATA_KEYS_MAX {
        let name = match of {
            MetadataOf::Ledger => ledger.to_string(),
            MetadataOf::Account(name) => name.to_string(),
            MetadataOf::Transfer(id) => id.to_string(),
        };
        return Err(Rejection::new(Code::MetadataFull, &name));
    }
    let others = match target {
        MetadataTarget::Transfer(_) => metadata.without(&changes),
        MetadataTarget::Ledger | MetadataTarget::Account(_) => Metadata::default(),
    };
    Ok(Event::MetadataChanged { ledger: handle, target, changes, others })
}
