//! Metadata after its changes.

use super::{account_mut, ledger_mut};
use crate::command::Timestamp;
use crate::metadata::{MetadataChange, MetadataTarget};
use crate::state::{LedgerHandle, State};

/// # Panics
/// When a value before is not the one that is there: the event was not decided upon this state.
pub(super) fn apply(
    state: &mut State,
    ledger: LedgerHandle,
    target: &MetadataTarget,
    changes: &[MetadataChange],
    recorded_at: Timestamp,
) {
    let metadata = match target {
        MetadataTarget::Ledger => &mut ledger_mut(state, ledger).metadata,
        MetadataTarget::Account(account) => {
            let account = account_mut(state, ledger, *account);
            account.changed_at = recorded_at;
            &mut account.metadata
        }
        // Too many to keep: each event has all that is noted.
        MetadataTarget::Transfer(_) => return,
    };
    for change in changes {
        let before = metadata.get(&change.key);
        assert_eq!(before, change.before.as_ref(), "metadata changes from what it is");
        metadata.apply(change);
    }
}
