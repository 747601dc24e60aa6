//! An account gets other rules, as long as what it has passes none of them.

use super::rules;
use crate::command::AccountStatus;
use crate::event::Event;
use crate::name::{AccountName, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::rules::AskedRules;
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    name: &AccountName,
    asked: &AskedRules,
) -> Result<Event, Rejection> {
    let unknown = || Rejection::new(Code::UnknownLedger, ledger.as_str());
    let handle = state.ledger_by_name(ledger).ok_or_else(unknown)?;
    let book = state.ledger(handle).ok_or_else(unknown)?;
    let refuse = |code| Rejection::new(code, name.as_str());
    let named = book.account_by_name(name);
    let found = named.and_then(|at| state.account(at).map(|account| (at, account)));
    let (at, account) = found.ok_or_else(|| refuse(Code::UnknownAccount))?;
    match account.status {
        AccountStatus::Closed => return Err(refuse(Code::AccountClosed)),
        // A limit is often lowered just because an account is frozen.
        AccountStatus::Open | AccountStatus::Frozen => {}
    }
    let rules = rules::of_ledger(book, asked)?;
    let passes = |(asset, balance): &&(_, _)| !account.allows_by(&rules, *asset, *balance);
    if let Some((asset, _)) = account.balances().iter().find(passes) {
        let code = book.asset(*asset).map_or("", |asset| asset.code.as_str());
        return Err(Rejection::new(Code::BalancePassesRules, code));
    }
    Ok(Event::AccountRulesChanged { ledger: handle, account: at, rules })
}
