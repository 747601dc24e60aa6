//! An alert is set, in place of one with the same id, and removed.

use super::named;
use crate::alert::{AlertRule, SignedMinor};
use crate::command::AccountStatus;
use crate::condition::BalanceCondition;
use crate::event::Event;
use crate::limits::BALANCE_ALERTS_MAX;
use crate::name::{AccountName, Id, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::state::State;

/// Whether it is raised at once follows from the event, as all crossings do: see [`super::crossings()`].
pub(super) fn set(
    state: &State,
    ledger: &LedgerName,
    name: &AccountName,
    alert: &Id,
    condition: &BalanceCondition,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    let (at, account) = named::account(state, book, name)?;
    let before = state.alert(at, alert);
    if before.is_none() && usize::from(account.alerts) >= BALANCE_ALERTS_MAX {
        return Err(Rejection::new(Code::TooMany, "alerts"));
    }
    match account.status {
        AccountStatus::Closed => return Err(Rejection::new(Code::AccountClosed, name.as_str())),
        // What is held in a frozen account still moves.
        AccountStatus::Open | AccountStatus::Frozen => {}
    }
    let BalanceCondition { asset, figure, comparison, amount } = condition;
    let (asset, scale) = named::asset(book, asset)?;
    let size = named::to_minor("when.amount", amount.size(), scale)?;
    let amount = SignedMinor::new(amount.is_negative(), size);
    let rule = AlertRule { asset, figure: *figure, comparison: *comparison, amount };
    Ok(Event::BalanceAlertSet {
        ledger: handle,
        account: at,
        alert: alert.clone(),
        rule: Box::new(rule),
        raised: before.is_some_and(|before| before.raised),
    })
}

/// Of a closed account too: nothing moves there, and who sets things right should be able to.
pub(super) fn remove(
    state: &State,
    ledger: &LedgerName,
    name: &AccountName,
    alert: &Id,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    let (account, _) = named::account(state, book, name)?;
    if state.alert(account, alert).is_none() {
        return Err(Rejection::new(Code::UnknownAlert, &alert.to_string()));
    }
    Ok(Event::BalanceAlertRemoved { ledger: handle, account, alert: alert.clone() })
}
