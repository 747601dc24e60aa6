//! Alerts are set, removed and cross; the count of each account moves with them.
#![expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]

use super::account_mut;
use crate::alert::Alert;
use crate::event::Event;
use crate::state::State;

/// Applies an event of an alert; any other changes none.
#[expect(clippy::wildcard_enum_match_arm, reason = "`apply` knows which events are of alerts")]
pub(super) fn apply(state: &mut State, event: &Event) {
    match event {
        Event::BalanceAlertSet { ledger, account, alert, rule, raised } => {
            let set = Alert { rule: **rule, raised: *raised };
            let before = state.alerts.insert((*account, alert.clone()), set);
            let was_raised = before.as_ref().is_some_and(|before| before.raised);
            assert_eq!(was_raised, *raised, "an alert stands as it stood until it crosses");
            if before.is_none() {
                let watched = account_mut(state, *ledger, *account);
                watched.alerts = watched.alerts.checked_add(1).expect("no more than may be");
            }
        }
        Event::BalanceAlertRemoved { ledger, account, alert } => {
            let removed = state.alerts.remove(&(*account, alert.clone()));
            assert!(removed.is_some(), "what is removed was set");
            let watched = account_mut(state, *ledger, *account);
            watched.alerts = watched.alerts.checked_sub(1).expect("it was counted");
        }
        Event::BalanceAlertCrossed { ledger, crossing } => {
            // Only an account of this ledger.
            account_mut(state, *ledger, crossing.account);
            let key = (crossing.account, crossing.alert.clone());
            let alert = state.alerts.get_mut(&key).expect("the alert was set");
            assert_ne!(alert.raised, crossing.raised, "a crossing is from one side to the other");
            alert.raised = crossing.raised;
        }
        _ => {}
    }
}
