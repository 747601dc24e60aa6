//! Events of customers.

use ledger_domain::{
    AccountHandle, AccountName, CustomerHandle, CustomerName, Event, LedgerHandle, MetadataKey,
    NewAccount, Profile, Sealed,
};

use super::{DecodeError, account_type_from_wire, metadata, rules_from_wire, rules_to_wire};
use crate::log_v1 as wire;
use crate::log_v1::event::Kind;

/// An event of a customer; any other is of no kind here.
pub(super) fn to_wire(event: &Event) -> wire::Event {
    let kind = match event {
        Event::CustomerRegistered { ledger, customer, name, accounts, profile } => {
            Some(Kind::CustomerRegistered(wire::CustomerRegistered {
                ledger: ledger.0,
                customer: customer.0,
                name: name.to_string(),
                accounts: accounts.iter().map(account_to_wire).collect(),
                profile: profile_to_wire(profile),
            }))
        }
        Event::ProfileUpdated { ledger, customer, profile } => {
            let (ledger, customer) = (ledger.0, customer.0);
            let profile = profile_to_wire(profile);
            Some(Kind::ProfileUpdated(wire::ProfileUpdated { ledger, customer, profile }))
        }
        Event::CustomerErased { ledger, customer } => {
            let (ledger, customer) = (ledger.0, customer.0);
            Some(Kind::CustomerErased(wire::CustomerErased { ledger, customer }))
        }
        _ => None,
    };
    wire::Event { kind }
}

fn account_to_wire(opened: &NewAccount) -> wire::AccountOpened {
    let NewAccount { account, name, account_type, rules, metadata } = opened;
    wire::AccountOpened {
        ledger: 0,
        account: account.0,
        name: name.to_string(),
        r#type: account_type.number().into(),
        rules: Some(rules_to_wire(rules)),
        metadata: metadata::to_wire(metadata),
    }
}

fn profile_to_wire(profile: &Profile) -> Vec<wire::SealedValue> {
    let value = |(key, sealed): (&MetadataKey, &Sealed)| {
        let (key, sealed) = (key.to_string(), sealed.as_bytes().to_vec());
        wire::SealedValue { key, sealed }
    };
    profile.iter().map(value).collect()
}

pub(super) fn registered_from_wire(e: wire::CustomerRegistered) -> Result<Event, DecodeError> {
    let account = |e: wire::AccountOpened| {
        Ok(NewAccount {
            account: AccountHandle(e.account),
            name: AccountName::from_log(&e.name),
            account_type: account_type_from_wire(e.r#type)?,
            rules: rules_from_wire(e.rules)?,
            metadata: metadata::from_wire(e.metadata)?,
        })
    };
    Ok(Event::CustomerRegistered {
        ledger: LedgerHandle(e.ledger),
        customer: CustomerHandle(e.customer),
        name: CustomerName::from_log(&e.name),
        accounts: e.accounts.into_iter().map(account).collect::<Result<_, _>>()?,
        profile: profile_from_wire(e.profile)?,
    })
}

pub(super) fn updated_from_wire(e: wire::ProfileUpdated) -> Result<Event, DecodeError> {
    Ok(Event::ProfileUpdated {
        ledger: LedgerHandle(e.ledger),
        customer: CustomerHandle(e.customer),
        profile: profile_from_wire(e.profile)?,
    })
}

pub(super) fn erased_from_wire(e: &wire::CustomerErased) -> Event {
    let (ledger, customer) = (LedgerHandle(e.ledger), CustomerHandle(e.customer));
    Event::CustomerErased { ledger, customer }
}

fn profile_from_wire(values: Vec<wire::SealedValue>) -> Result<Profile, DecodeError> {
    // Read again they are the same bytes.
    if !values.is_sorted_by(|before, after| before.key < after.key) {
        return Err(DecodeError::new("values of a profile out of order"));
    }
    let value = |value: wire::SealedValue| {
        (MetadataKey::from_log(&value.key), Sealed::from_bytes(&value.sealed))
    };
    Ok(values.into_iter().map(value).collect())
}
