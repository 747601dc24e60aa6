//! Customers: registered once with accounts that are opened once, and nothing is kept of who is erased.

use std::collections::BTreeSet;

use ledger_domain::limits::{CUSTOMER_ACCOUNTS_MAX, METADATA_KEYS_MAX, SEALED_BYTES_MAX};
use ledger_domain::{
    CustomerHandle, CustomerName, Event, LedgerHandle, NewAccount, Profile, State,
};

use super::{book, check_rules, metadata};

/// Of an event of a customer; any other fits.
pub(super) fn check(state: &State, event: &Event) -> Result<(), String> {
    match event {
        Event::CustomerRegistered { ledger, customer, name, accounts, profile } => {
            if customer.0 != state.customers().len() as u64 {
                return Err(format!("customer {} is not the next", customer.0));
            }
            if book(state, *ledger)?.customer_by_name(name).is_some() {
                return Err(format!("customer {name} exists"));
            }
            opened(state, *ledger, name, accounts)?;
            kept(profile)
        }
        Event::ProfileUpdated { ledger, customer, profile } => {
            known(state, *ledger, *customer)?;
            kept(profile)
        }
        Event::CustomerErased { ledger, customer } => known(state, *ledger, *customer),
        _ => Ok(()),
    }
}

fn opened(
    state: &State,
    ledger: LedgerHandle,
    customer: &CustomerName,
    accounts: &[NewAccount],
) -> Result<(), String> {
    if accounts.len() > CUSTOMER_ACCOUNTS_MAX {
        return Err(format!("opens {} accounts at once", accounts.len()));
    }
    let (book, mut names) = (book(state, ledger)?, BTreeSet::new());
    for (next, opened) in (state.accounts().len() as u64..).zip(accounts) {
        let NewAccount { account, name, account_type: _, rules, metadata } = opened;
        if account.0 != next {
            return Err(format!("account {} is not the next", account.0));
        }
        if book.account_by_name(name).is_some() || !names.insert(name) {
            return Err(format!("account {name} exists"));
        }
        metadata::fits_with(state, ledger, metadata, customer)?;
        check_rules(state, ledger, rules)?;
    }
    Ok(())
}

fn kept(profile: &Profile) -> Result<(), String> {
    let is_short = profile.values().all(|sealed| sealed.as_bytes().len() <= SEALED_BYTES_MAX);
    if profile.len() <= METADATA_KEYS_MAX && is_short {
        return Ok(());
    }
    Err("keeps more of a person than a profile holds".into())
}

fn known(state: &State, ledger: LedgerHandle, handle: CustomerHandle) -> Result<(), String> {
    book(state, ledger)?;
    match state.customer(handle) {
        None => Err(format!("customer {} was never registered", handle.0)),
        Some(customer) if customer.ledger != ledger => {
            let (of, is) = (ledger.0, customer.ledger.0);
            Err(format!("is of ledger {of}, its customer {} of ledger {is}", handle.0))
        }
        Some(customer) if customer.erased => Err(format!("customer {} is erased", customer.name)),
        Some(_) => Ok(()),
    }
}
