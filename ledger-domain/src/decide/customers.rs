//! A customer is registered once in its ledger, with its accounts; what is kept of the person may change until
//! it is erased.

use std::collections::BTreeSet;

use super::{named, rules};
use crate::apply::{next_account, next_customer};
use crate::customer::{AskedAccount, Customer, CustomerHandle, NewAccount, Profile};
use crate::event::Event;
use crate::limits::METADATA_KEYS_MAX;
use crate::metadata::{Metadata, MetadataValue};
use crate::name::{CustomerName, LedgerName, MetadataKey};
use crate::rejection::{Code, Rejection};
use crate::state::{AccountHandle, Ledger, State};

pub(super) fn register(
    state: &State,
    ledger: &LedgerName,
    name: &CustomerName,
    asked: &[AskedAccount],
    profile: &Profile,
) -> Result<Event, Rejection> {
    let (handle, book) = named::ledger(state, ledger)?;
    if book.customer_by_name(name).is_some() {
        return Err(Rejection::new(Code::CustomerExists, name.as_str()));
    }
    if let Some(taken) = asked.iter().find(|asked| book.account_by_name(&asked.name).is_some()) {
        return Err(Rejection::new(Code::AccountExists, taken.name.as_str()));
    }
    let too_many = |what| Rejection::new(Code::TooMany, what);
    let customer = next_customer(state).ok_or_else(|| too_many("customers"))?;
    let mut next = next_account(state).ok_or_else(|| too_many("accounts"))?;
    let mut accounts = Vec::with_capacity(asked.len());
    let noted = asked.iter().flat_map(|it| it.metadata.iter()).map(|(_, value)| value);
    each_known(state, book, noted.filter(|value| value.customer() != Some(name)))?;
    for AskedAccount { name, account_type, rules, metadata } in asked {
        let rules = rules::of_ledger(book, rules)?;
        let (name, account_type, metadata) = (name.clone(), *account_type, metadata.clone());
        accounts.push(NewAccount { account: next, name, account_type, rules, metadata });
        next = next.0.checked_add(1).map(AccountHandle).ok_or_else(|| too_many("accounts"))?;
    }
    let (name, profile) = (name.clone(), profile.clone());
    Ok(Event::CustomerRegistered { ledger: handle, customer, name, accounts, profile })
}

pub(super) fn update_profile(
    state: &State,
    ledger: &LedgerName,
    name: &CustomerName,
    set: &Profile,
    remove: &BTreeSet<MetadataKey>,
) -> Result<Event, Rejection> {
    let (ledger, book) = named::ledger(state, ledger)?;
    let (customer, kept) = known(state, book, name)?;
    let mut profile = kept.profile.clone();
    profile.retain(|key, _| !remove.contains(key));
    profile.extend(set.iter().map(|(key, sealed)| (key.clone(), sealed.clone())));
    if profile.len() > METADATA_KEYS_MAX {
        return Err(Rejection::new(Code::MetadataFull, name.as_str()));
    }
    Ok(Event::ProfileUpdated { ledger, customer, profile })
}

pub(super) fn erase(
    state: &State,
    ledger: &LedgerName,
    name: &CustomerName,
) -> Result<Event, Rejection> {
    let (ledger, book) = named::ledger(state, ledger)?;
    let (customer, _) = known(state, book, name)?;
    Ok(Event::CustomerErased { ledger, customer })
}

/// That metadata is sealed only for customers of whom something may be kept.
pub(super) fn of_metadata(
    state: &State,
    book: &Ledger,
    metadata: &Metadata,
) -> Result<(), Rejection> {
    each_known(state, book, metadata.iter().map(|(_, value)| value))
}

/// What of it is plain, or of customers of whom something may still be kept.
pub(super) fn of_metadata_kept(state: &State, book: &Ledger, metadata: &Metadata) -> Metadata {
    let is_kept = |value: &MetadataValue| {
        value.customer().is_none_or(|customer| known(state, book, customer).is_ok())
    };
    let kept = metadata.iter().filter(|(_, value)| is_kept(value));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Somebody unknown comes before somebody erased.
fn each_known<'a>(
    state: &State,
    book: &Ledger,
    values: impl Iterator<Item = &'a MetadataValue>,
) -> Result<(), Rejection> {
    let mut erased = None;
    for customer in values.filter_map(MetadataValue::customer) {
        match known(state, book, customer) {
            Err(refused) if refused.code == Code::CustomerErased => {
                erased.get_or_insert(refused);
            }
            refused => drop(refused?),
        }
    }
    erased.map_or(Ok(()), Err)
}

/// The customer with this name, of whom something may be kept.
fn known<'a>(
    state: &'a State,
    book: &Ledger,
    name: &CustomerName,
) -> Result<(CustomerHandle, &'a Customer), Rejection> {
    let refuse = |code| Rejection::new(code, name.as_str());
    let handle = book.customer_by_name(name).ok_or_else(|| refuse(Code::UnknownCustomer))?;
    let customer = state.customer(handle).ok_or_else(|| refuse(Code::UnknownCustomer))?;
    if customer.erased { Err(refuse(Code::CustomerErased)) } else { Ok((handle, customer)) }
}
