//! PR-2 of what is listed: the open holds and sends of a view, and its raised alerts, are those of the replayed
//! state.

use std::collections::BTreeSet;

use ledger_domain::{Id, LedgerHandle, State};
use ledger_views::{Place, SetKind, StoreError, ViewReader, raised_alert};

/// Members that are read at once.
const PAGE_MEMBERS: usize = 10_000;

/// What differs between the open holds of the view after the record at `offset` and those of the state, which
/// is that of after the same record; likewise of the open sends and the raised alerts.
pub(crate) fn differences(
    view: &ViewReader,
    offset: u64,
    state: &State,
) -> Result<Vec<String>, StoreError> {
    let holds = state.holds().map(|(ledger, id, _)| (ledger, id.clone())).collect();
    let sends = state.sends().map(|(ledger, id)| (ledger, id.clone())).collect();
    let mut differences = of_set(view, offset, state, SetKind::OpenHolds, holds)?;
    differences.extend(of_set(view, offset, state, SetKind::OpenSends, sends)?);
    let raised = state.alerts().filter(|(.., alert)| alert.raised);
    let raised = raised.filter_map(|(account, id, _)| {
        Some((state.account(account)?.ledger, raised_alert(account, id)))
    });
    differences.extend(of_set(view, offset, state, SetKind::RaisedAlerts, raised.collect())?);
    Ok(differences)
}

fn of_set(
    view: &ViewReader,
    offset: u64,
    state: &State,
    kind: SetKind,
    mut open: BTreeSet<(LedgerHandle, Id)>,
) -> Result<Vec<String>, StoreError> {
    let name = match kind {
        SetKind::OpenHolds => "open_holds: hold",
        SetKind::OpenSends => "open_sends: send",
        SetKind::RaisedAlerts => "raised_alerts: alert",
    };
    let mut differences = Vec::new();
    for (ledger, _) in (0..).map(LedgerHandle).zip(state.ledgers()) {
        let mut after = None;
        loop {
            let at = Place::end_of(offset);
            let page = view.members(at, ledger, kind, after.as_ref(), PAGE_MEMBERS)?;
            for id in page.members {
                let hold = (ledger, id);
                if !open.remove(&hold) {
                    let (_, id) = hold;
                    differences.push(format!("{name} {id} is listed and not open"));
                }
            }
            after = page.after;
            if after.is_none() {
                break;
            }
        }
    }
    let missing = open.iter().map(|(_, id)| format!("{name} {id} is not listed"));
    differences.extend(missing);
    Ok(differences)
}
