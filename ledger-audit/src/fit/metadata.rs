//! What no decision makes of metadata.

use ledger_domain::limits::METADATA_KEYS_MAX;
use ledger_domain::{LedgerHandle, Metadata, MetadataChange, MetadataTarget, State};

use super::{account, book};

/// It has no more keys than there is room for.
pub(super) fn fits(metadata: &Metadata) -> Result<(), String> {
    room_for(metadata.len())
}

fn room_for(keys: usize) -> Result<(), String> {
    if keys <= METADATA_KEYS_MAX { Ok(()) } else { Err(format!("has {keys} keys of metadata")) }
}

/// It changes from what it is, and there is room for what it becomes.
pub(super) fn changed(
    state: &State,
    ledger: LedgerHandle,
    target: &MetadataTarget,
    changes: &[MetadataChange],
) -> Result<(), String> {
    let metadata = match target {
        MetadataTarget::Ledger => &book(state, ledger)?.metadata,
        MetadataTarget::Account(handle) => &account(state, ledger, *handle)?.metadata,
    };
    for MetadataChange { key, before, after: _ } in changes {
        if metadata.get(key) != before.as_ref() {
            return Err(format!("metadata {key} changes from what it is not"));
        }
    }
    room_for(metadata.len_after(changes))
}
