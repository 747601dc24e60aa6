//! What no decision makes of metadata.

use ledger_domain::limits::{METADATA_KEYS_MAX, SEALED_BYTES_MAX};
use ledger_domain::{
    CustomerName, LedgerHandle, Metadata, MetadataChange, MetadataTarget, MetadataValue, State,
};

use super::{account, book};

/// It has no more keys than there is room for, and is sealed only for customers who can be asked for it.
pub(super) fn fits(state: &State, ledger: LedgerHandle, metadata: &Metadata) -> Result<(), String> {
    room_for(metadata.len())?;
    metadata.iter().try_for_each(|(_, value)| sealed_fits(state, ledger, value))
}

/// As [`fits`], of an account that is opened with this customer.
pub(super) fn fits_with(
    state: &State,
    ledger: LedgerHandle,
    metadata: &Metadata,
    customer: &CustomerName,
) -> Result<(), String> {
    room_for(metadata.len())?;
    let of_others = metadata.iter().filter(|(_, value)| value.customer() != Some(customer));
    of_others.map(|(_, value)| value).try_for_each(|value| sealed_fits(state, ledger, value))
}

fn sealed_fits(state: &State, ledger: LedgerHandle, value: &MetadataValue) -> Result<(), String> {
    let MetadataValue::Sealed { customer, sealed } = value else { return Ok(()) };
    if sealed.as_bytes().len() > SEALED_BYTES_MAX {
        return Err(format!("has sealed {} bytes", sealed.as_bytes().len()));
    }
    let found = book(state, ledger)?.customer_by_name(customer);
    match found.and_then(|handle| state.customer(handle)) {
        None => Err(format!("is sealed for customer {customer}, who is not registered")),
        Some(of) if of.erased => Err(format!("is sealed for customer {customer}, who is erased")),
        Some(_) => Ok(()),
    }
}

fn room_for(keys: usize) -> Result<(), String> {
    if keys <= METADATA_KEYS_MAX { Ok(()) } else { Err(format!("has {keys} keys of metadata")) }
}

/// It changes from what it is, and there is room for what it becomes.
pub(super) fn changed(
    state: &State,
    ledger: LedgerHandle,
    target: &MetadataTarget,
    (changes, others): (&[MetadataChange], &Metadata),
) -> Result<(), String> {
    let set = changes.iter().filter_map(|change| change.after.as_ref());
    set.clone().try_for_each(|value| sealed_fits(state, ledger, value))?;
    let metadata = match target {
        MetadataTarget::Ledger => &book(state, ledger)?.metadata,
        MetadataTarget::Account(handle) => &account(state, ledger, *handle)?.metadata,
        // What it was is known by its id: see `Ids`.
        MetadataTarget::Transfer(_) => {
            book(state, ledger)?;
            return room_for(others.len().saturating_add(set.count()));
        }
    };
    if !others.is_empty() {
        return Err("tells metadata that stays, though the state has it".into());
    }
    for MetadataChange { key, before, after: _ } in changes {
        if metadata.get(key) != before.as_ref() {
            return Err(format!("metadata {key} changes from what it is not"));
        }
    }
    room_for(metadata.len_after(changes))
}
