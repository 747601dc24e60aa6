//! An account is opened once in its ledger.

use super::{customers, named, rules};
use crate::apply::next_account;
use crate::command::AccountType;
use crate::event::Event;
use crate::metadata::Metadata;
use crate::name::{AccountName, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::rules::AskedRules;
use crate::state::State;

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    name: &AccountName,
    account_type: AccountType,
    rules: &AskedRules,
    metadata: &Metadata,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    if book.account_by_name(name).is_some() {
        return Err(Rejection::new(Code::AccountExists, name.as_str()));
    }
    let account = next_account(state).ok_or_else(|| Rejection::new(Code::TooMany, "accounts"))?;
    customers::of_metadata(state, book, metadata)?;
    let rules = rules::of_ledger(book, rules)?;
    Ok(Event::AccountOpened {
        ledger: handle,
        account,
        name: name.clone(),
        account_type,
        rules,
        metadata: metadata.clone(),
    })
}
