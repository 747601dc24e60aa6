//! An account gets other rules, as long as what it has passes none of them.

use super::{named, rules};
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
    let (handle, book) = named::ledger(state, ledger)?;
    let (at, account) = named::account(state, book, name)?;
    let refuse = |code| Rejection::new(code, name.as_str());
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
