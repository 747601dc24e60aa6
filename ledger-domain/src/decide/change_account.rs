//! An account is frozen, opened again, or closed for ever.

use super::named;
use crate::command::{AccountChange, AccountStatus};
use crate::event::Event;
use crate::name::{AccountName, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    name: &AccountName,
    change: AccountChange,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    let (at, account) = named::account(state, book, name)?;
    let refuse = |code| Rejection::new(code, name.as_str());
    match (account.status, change) {
        (AccountStatus::Closed, _) => return Err(refuse(Code::AccountClosed)),
        (AccountStatus::Frozen, AccountChange::Freeze | AccountChange::Close) => {
            return Err(refuse(Code::AccountFrozen));
        }
        (AccountStatus::Open, AccountChange::Unfreeze) => {
            return Err(refuse(Code::AccountNotFrozen));
        }
        (AccountStatus::Open, AccountChange::Close) if !account.is_empty() => {
            return Err(refuse(Code::AccountNotEmpty));
        }
        (AccountStatus::Open, AccountChange::Freeze | AccountChange::Close)
        | (AccountStatus::Frozen, AccountChange::Unfreeze) => {}
    }
    let status = change.leads_to();
    Ok(Event::AccountStatusChanged { ledger: handle, account: at, status })
}
