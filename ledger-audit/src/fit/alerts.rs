//! Balance alerts: set within bounds, and crossing whenever their condition becomes true or false (LD-10).

use std::collections::VecDeque;

use ledger_domain::limits::BALANCE_ALERTS_MAX;
use ledger_domain::{
    AccountHandle, AccountStatus, AlertRule, Crossing, Event, Id, LedgerHandle, State, crossings,
};

use super::{Misfit, account, book};

pub(super) fn set(
    state: &State,
    ledger: LedgerHandle,
    (handle, id): (AccountHandle, &Id),
    rule: &AlertRule,
    raised: bool,
) -> Result<(), String> {
    let account = account(state, ledger, handle)?;
    if account.status == AccountStatus::Closed {
        return Err(format!("alert {id} is of a closed account"));
    }
    if book(state, ledger)?.asset(rule.asset).is_none() {
        return Err(format!("asset {} was never created", rule.asset.0));
    }
    let before = state.alert(handle, id);
    if before.is_none() && state.alerts_of(handle).count() >= BALANCE_ALERTS_MAX {
        return Err(format!("account {} has as many alerts as it may", handle.0));
    }
    if before.is_some_and(|before| before.raised) != raised {
        return Err(format!("alert {id} stands otherwise before it is set"));
    }
    Ok(())
}

pub(super) fn removed(
    state: &State,
    ledger: LedgerHandle,
    handle: AccountHandle,
    id: &Id,
) -> Result<(), String> {
    account(state, ledger, handle)?;
    let alert = state.alert(handle, id);
    alert.map(|_| ()).ok_or_else(|| format!("alert {id} of account {} was never set", handle.0))
}

pub(super) fn crossed(
    state: &State,
    ledger: LedgerHandle,
    crossing: &Crossing,
) -> Result<(), String> {
    let Crossing { account: handle, alert: id, rule, raised, .. } = crossing;
    account(state, ledger, *handle)?;
    let alert = state.alert(*handle, id);
    let alert = alert.ok_or_else(|| format!("alert {id} was never set"))?;
    if alert.rule != *rule {
        return Err(format!("alert {id} watches for something else"));
    }
    if alert.raised == *raised {
        return Err(format!("alert {id} crosses to where it is"));
    }
    Ok(())
}

/// The alerts that are still to cross in a command.
#[derive(Debug, Default)]
pub(crate) struct ToCross {
    due: VecDeque<Event>,
}

impl ToCross {
    /// LD-10 of the next event, upon the state before it. Crossings come in order, right behind what made them;
    /// only that a schedule ran stands between.
    pub(crate) fn next(&mut self, state: &State, event: &Event) -> Option<Misfit> {
        let misfit = |what| Some(Misfit { invariant: "LD-10", row: 0, what });
        match event {
            Event::BalanceAlertCrossed { crossing, .. } => {
                if self.due.pop_front().as_ref() == Some(event) {
                    return None;
                }
                misfit(format!("alert {} crosses, which nothing made it do", crossing.alert))
            }
            Event::ScheduleRan { .. } => None,
            _ => {
                let missing = self.end();
                self.due.extend(crossings(state, event));
                missing
            }
        }
    }

    /// LD-10 at the end of a command.
    pub(crate) fn end(&mut self) -> Option<Misfit> {
        let first = self.due.pop_front();
        self.due.clear();
        let Some(Event::BalanceAlertCrossed { crossing, .. }) = first else { return None };
        let to = if crossing.raised { "raised" } else { "cleared" };
        let (id, account) = (&crossing.alert, crossing.account.0);
        let what = format!("alert {id} of account {account} should be {to} by what stands before");
        Some(Misfit { invariant: "LD-10", row: 0, what })
    }
}
