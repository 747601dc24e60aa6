//! Metadata: as a map in requests and answers, and as entries where its values may be of several kinds.

use std::collections::{BTreeMap, BTreeSet};

use ledger_domain::limits::{METADATA_KEYS_MAX, METADATA_VALUE_BYTES_MAX};
use ledger_domain::{
    Code, Metadata, MetadataChange, MetadataKey, MetadataUpdate, MetadataValue, Rejection,
};

use crate::resource::malformed;
use crate::v1;

/// What a request notes under `field`, and after everything else of the request that is malformed what is too
/// long of it.
pub(crate) fn read(field: &str, wire: &BTreeMap<String, String>) -> Result<Metadata, Rejection> {
    let mut entries = Vec::with_capacity(wire.len());
    for (key, value) in wire {
        let key = read_key(field, key)?;
        if value.is_empty() {
            return Err(malformed(&format!("{field}.{key}"), "", "a value has 1-256 bytes"));
        }
        entries.push((key, value));
    }
    if wire.len() > METADATA_KEYS_MAX {
        return Err(too_many(field));
    }
    let value = |(key, text): (MetadataKey, &String)| match MetadataValue::plain(text) {
        Ok(value) => Ok((key, value)),
        Err(_) => {
            let subject = format!("{field}.{key} has more than {METADATA_VALUE_BYTES_MAX} bytes");
            Err(Rejection::new(Code::TooLong, &subject))
        }
    };
    entries.into_iter().map(value).collect()
}

/// What is to become of metadata; something is, and no key is named twice.
pub(crate) fn read_update(
    set: &BTreeMap<String, String>,
    remove: &[String],
) -> Result<MetadataUpdate, Rejection> {
    if set.is_empty() && remove.is_empty() {
        return Err(malformed("set", "", "nothing is set, and nothing is removed"));
    }
    let mut removed = BTreeSet::new();
    for text in remove {
        let key = read_key("remove", text)?;
        if set.contains_key(text) {
            return Err(malformed("remove", text, "is set by the same update"));
        }
        if !removed.insert(key) {
            return Err(malformed("remove", text, "is removed once"));
        }
    }
    let set = read("set", set)?;
    if removed.len() > METADATA_KEYS_MAX {
        return Err(too_many("remove"));
    }
    Ok(MetadataUpdate { set, remove: removed })
}

fn read_key(field: &str, text: &str) -> Result<MetadataKey, Rejection> {
    MetadataKey::parse(text).map_err(|rule| malformed(field, text, rule.0))
}

fn too_many(field: &str) -> Rejection {
    Rejection::new(Code::TooLong, &format!("{field} has more than {METADATA_KEYS_MAX} keys"))
}

/// What everybody reads of it, as a map.
pub(crate) fn plain(metadata: &Metadata) -> BTreeMap<String, String> {
    let text = |(key, value): (&MetadataKey, &MetadataValue)| {
        value.as_plain().map(|text| (key.to_string(), text.to_owned()))
    };
    metadata.iter().filter_map(text).collect()
}

/// All of it, by key.
pub(crate) fn entries(metadata: &Metadata) -> Vec<v1::MetadataEntry> {
    metadata.iter().map(|(key, value)| entry(key, value)).collect()
}

/// What became of one key.
pub(crate) fn change(change: &MetadataChange) -> v1::MetadataChange {
    let MetadataChange { key, before, after } = change;
    let entry = |value: &Option<MetadataValue>| value.as_ref().map(|value| entry(key, value));
    v1::MetadataChange { before: entry(before), after: entry(after) }
}

fn entry(key: &MetadataKey, value: &MetadataValue) -> v1::MetadataEntry {
    let value = match value {
        MetadataValue::Plain(text) => v1::metadata_entry::Value::Plain(text.to_string()),
    };
    v1::MetadataEntry { key: key.to_string(), value: Some(value) }
}
