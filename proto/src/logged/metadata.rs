//! Metadata, and its changes.

use ledger_domain::{
    AccountHandle, Event, LedgerHandle, Metadata, MetadataChange, MetadataKey, MetadataTarget,
    MetadataValue,
};

use super::DecodeError;
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
    };
    Ok((MetadataKey::from_log(&entry.key), value))
}

pub(super) fn changed_to_wire(
    ledger: LedgerHandle,
    target: &MetadataTarget,
    changes: &[MetadataChange],
) -> wire::MetadataChanged {
    let target = match target {
        MetadataTarget::Ledger => Target::OfLedger(true),
        MetadataTarget::Account(account) => Target::Account(account.0),
    };
    let change = |MetadataChange { key, before, after }: &MetadataChange| {
        let entry = |value: &Option<_>| value.as_ref().map(|value| entry_to_wire(key, value));
        wire::MetadataChange { before: entry(before), after: entry(after) }
    };
    let changes = changes.iter().map(change).collect();
    wire::MetadataChanged { ledger: ledger.0, target: Some(target), changes }
}

pub(super) fn changed_from_wire(e: wire::MetadataChanged) -> Result<Event, DecodeError> {
    let unknown = || DecodeError::new("metadata of something unknown");
    let target = match e.target.ok_or_else(unknown)? {
        Target::OfLedger(_) => MetadataTarget::Ledger,
        Target::Account(account) => MetadataTarget::Account(AccountHandle(account)),
    };
    let changes = e.changes.into_iter().map(change_from_wire).collect::<Result<Vec<_>, _>>()?;
    if !changes.is_sorted_by(|before, after| before.key < after.key) {
        return Err(DecodeError::new("changes of metadata out of order"));
    }
    Ok(Event::MetadataChanged { ledger: LedgerHandle(e.ledger), target, changes })
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
