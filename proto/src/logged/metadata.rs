//! Metadata, and its changes.

use ledger_domain::{
    AccountHandle, CustomerName, Event, LedgerHandle, Metadata, MetadataChange, MetadataKey,
    MetadataTarget, MetadataValue, Sealed,
};

use super::{DecodeError, id_from_wire, id_to_wire};
use crate::log_v1::metadata_changed::Target;
use crate::log_v1::{self as wire, metadata_entry::Value};

pub(super) fn to_wire(metadata: &Metadata) -> Vec<wire::MetadataEntry> {
    metadata.iter().map(|(key, value)| entry_to_wire(key, value)).collect()
}

pub(super) fn from_wire(entries: Vec<wire::MetadataEntry>) -> Result<Metadata, DecodeError> {
    let count = entries.len();
    let metadata = entries.into_iter().map(entry_from_wire).collect::<Result<Metadata, _>>()?;
    if metadata.len() == count {
        Ok(metadata)
    } else {
        Err(DecodeError::new("metadata has a key twice"))
    }
}

fn entry_to_wire(key: &MetadataKey, value: &MetadataValue) -> wire::MetadataEntry {
    let value = match value {
        MetadataValue::Plain(text) => Value::Plain(text.to_string()),
        MetadataValue::Sealed { customer, sealed } => {
            let (customer, sealed) = (customer.to_string(), sealed.as_bytes().to_vec());
            Value::Sealed(wire::SealedText { customer, sealed })
        }
    };
    wire::MetadataEntry { key: key.to_string(), value: Some(value) }
}

/// A value of a kind that this version does not know stops the reader: it cannot say what is noted.
fn entry_from_wire(
    entry: wire::MetadataEntry,
) -> Result<(MetadataKey, MetadataValue), DecodeError> {
    let unknown = || DecodeError::new("metadata of an unknown kind");
    let value = match entry.value.ok_or_else(unknown)? {
        Value::Plain(text) => MetadataValue::Plain(text.into()),
        Value::Sealed(wire::SealedText { customer, sealed }) => MetadataValue::Sealed {
            customer: CustomerName::from_log(&customer),
            sealed: Sealed::from_bytes(&sealed),
        },
    };
    Ok((MetadataKey::from_log(&entry.key), value))
}

pub(super) fn changed_to_wire(
    ledger: LedgerHandle,
    target: &MetadataTarget,
    changes: &[MetadataChange],
    others: &Metadata,
) -> wire::MetadataChanged {
    let target = match target {
        MetadataTarget::Ledger => Target::OfLedger(true),
        MetadataTarget::Account(account) => Target::Account(account.0),
        MetadataTarget::Transfer(id) => Target::Transfer(id_to_wire(id)),
    };
    let change = |MetadataChange { key, before, after }: &MetadataChange| {
        let entry = |value: &Option<_>| value.as_ref().map(|value| entry_to_wire(key, value));
        wire::MetadataChange { before: entry(before), after: entry(after) }
    };
    let changes = changes.iter().map(change).collect();
    let others = to_wire(others);
    wire::MetadataChanged { ledger: ledger.0, target: Some(target), changes, others }
}

pub(super) fn changed_from_wire(e: wire::MetadataChanged) -> Result<Event, DecodeError> {
    let unknown = || DecodeError::new("metadata of something unknown");
    let target = match e.target.ok_or_else(unknown)? {
        Target::OfLedger(_) => MetadataTarget::Ledger,
        Target::Account(account) => MetadataTarget::Account(AccountHandle(account)),
        Target::Transfer(id) => MetadataTarget::Transfer(id_from_wire(id)?),
    };
    let changes = e.changes.into_iter().map(change_from_wire).collect::<Result<Vec<_>, _>>()?;
    if !changes.is_sorted_by(|before, after| before.key < after.key) {
        return Err(DecodeError::new("changes of metadata out of order"));
    }
    let (ledger, others) = (LedgerHandle(e.ledger), from_wire(e.others)?);
    // What is noted then is both together.
    if changes.iter().any(|change| others.get(&change.key).is_some()) {
        return Err(DecodeError::new("metadata that is changed and stays"));
    }
    Ok(Event::MetadataChanged { ledger, target, changes, others })
}

fn change_from_wire(change: wire::MetadataChange) -> Result<MetadataChange, DecodeError> {
    let before = change.before.map(entry_from_wire).transpose()?;
    let after = change.after.map(entry_from_wire).transpose()?;
    let misfit = || DecodeError::new("a change of metadata that is none of one key");
    match (before, after) {
        (Some((key, before)), None) => {
            Ok(MetadataChange { key, before: Some(before), after: None })
        }
        (None, Some((key, after))) => Ok(MetadataChange { key, before: None, after: Some(after) }),
        (Some((key, before)), Some((same, after))) if key == same && before != after => {
            Ok(MetadataChange { key, before: Some(before), after: Some(after) })
        }
        (None, None) | (Some(_), Some(_)) => Err(misfit()),
    }
}

#[cfg(test)]
pub(super) mod tests;
