//! PR-2 of what is listed: the open holds of a view are those of the replayed state.

use std::collections::BTreeSet;

use ledger_domain::{Id, LedgerHandle, State};
use ledger_views::{Place, SetKind, StoreError, ViewReader};

/// Members that are read at once.
const PAGE_MEMBERS: usize = 10_000;

/// What differs between the open holds of the view after the record at `offset` and those of the state, which
/// is that of after the same record.
pub(crate) fn differences(
    view: &ViewReader,
    offset: u64,
    state: &State,
) -> Result<Vec<String>, StoreError> {
    let mut differences = Vec::new();
    let mut open: BTreeSet<(LedgerHandle, Id)> =
        state.holds().map(|(ledger, id, _)| (ledger, id.clone())).collect();
    for (ledger, _) in (0..).map(LedgerHandle).zip(state.ledgers()) {
        let mut after = None;
        loop {
            let (at, kind) = (Place::end_of(offset), SetKind::OpenHolds);
            let page = view.members(at, ledger, kind, after.as_ref(), PAGE_MEMBERS)?;
            for id in page.members {
                let hold = (ledger, id);
                if !open.remove(&hold) {
                    let (_, id) = hold;
                    differences.push(format!("open_holds: hold {id} is listed and not open"));
                }
            }
            after = page.after;
            if after.is_none() {
                break;
            }
        }
    }
    let missing = open.iter().map(|(_, id)| format!("open_holds: hold {id} is not listed"));
    differences.extend(missing);
    Ok(differences)
}
