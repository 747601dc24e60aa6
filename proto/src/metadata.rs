//! Metadata: as maps in requests and answers, and as entries in changes. What is to be sealed stands aside, in
//! plain: whoever has the keys seals it before the command is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ledger_domain::limits::{METADATA_KEYS_MAX, METADATA_VALUE_BYTES_MAX};
use ledger_domain::{
    Code, CustomerName, Metadata, MetadataChange, MetadataKey, MetadataUpdate, MetadataValue,
    Rejection, Sealed,
};

use crate::resource::{malformed, parse_customer};
use crate::v1;

/// A text to be sealed for a customer.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Whose key seals it.
    pub customer: CustomerName,
    /// Its name.
    pub key: MetadataKey,
    /// What is sealed.
    pub text: String,
    /// Where in the command it belongs.
    pub of: SecretOf,
}

/// The text is not shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Secret { customer, key, text: _, of } = self;
        write!(f, "Secret({customer} {key} {of:?})")
    }
}

/// Where in a command something sealed belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOf {
    /// The profile that it sets.
    Profile,
    /// The metadata of its account or transfer with this index; of others than registrations and batches, 0.
    Metadata(usize),
}

/// What a request notes: what everybody reads, and what is to be sealed.
pub(crate) struct Noted<'a> {
    /// Name of the field of what everybody reads.
    pub(crate) field: &'a str,
    pub(crate) plain: &'a BTreeMap<String, String>,
    /// Name of the field of what is to be sealed.
    pub(crate) sealed_field: &'a str,
    pub(crate) sealed: &'a [v1::SealedMetadata],
}

impl<'a> Noted<'a> {
    /// The metadata of something that is created with it.
    pub(crate) fn new(
        plain: &'a BTreeMap<String, String>,
        sealed: &'a [v1::SealedMetadata],
    ) -> Self {
        Noted { field: "metadata", plain, sealed_field: "sealed_metadata", sealed }
    }

    /// What everybody reads; and what is to be sealed, which becomes a part of the command's metadata with this
    /// index. After everything else of the request that is malformed what is too long of it.
    pub(crate) fn read(&self, index: usize) -> Result<(Metadata, Vec<Secret>), Rejection> {
        let Noted { field, plain, sealed_field, sealed: _ } = *self;
        let mut entries = Vec::with_capacity(plain.len());
        for (key, value) in plain {
            let key = read_key(field, key)?;
            if value.is_empty() {
                return Err(malformed(&format!("{field}.{key}"), "", "a value has 1-256 bytes"));
            }
            entries.push((key, value));
        }
        let secrets = self.secrets(index)?;
        if plain.len().saturating_add(secrets.len()) > METADATA_KEYS_MAX {
            return Err(too_many(field));
        }
        let too_long = |field: &str, key: &MetadataKey| {
            let subject = format!("{field}.{key} has more than {METADATA_VALUE_BYTES_MAX} bytes");
            Rejection::new(Code::TooLong, &subject)
        };
        let value = |(key, text): (MetadataKey, &String)| match MetadataValue::plain(text) {
            Ok(value) => Ok((key, value)),
            Err(_) => Err(too_long(field, &key)),
        };
        let metadata = entries.into_iter().map(value).collect::<Result<_, _>>()?;
        match secrets.iter().find(|secret| secret.text.len() > METADATA_VALUE_BYTES_MAX) {
            Some(Secret { key, .. }) => Err(too_long(sealed_field, key)),
            None => Ok((metadata, secrets)),
        }
    }

    /// No refusal says what a value is, nor what stands where its key belongs.
    fn secrets(&self, index: usize) -> Result<Vec<Secret>, Rejection> {
        let Noted { plain, sealed_field: field, sealed, .. } = *self;
        if sealed.is_empty() {
            return Ok(Vec::new());
        }
        let mut secrets = Vec::new();
        let mut keys = BTreeSet::new();
        for v1::SealedMetadata { customer, values, unreadable } in sealed {
            let customer = parse_customer(&format!("{field}.customer"), customer)?;
            if !unreadable.is_empty() {
                return Err(malformed(&format!("{field}.unreadable"), "", "is of answers only"));
            }
            if values.is_empty() {
                return Err(malformed(&format!("{field}.values"), "", "is required"));
            }
            for (text, value) in values {
                let key = MetadataKey::parse(text);
                let key = key.map_err(|rule| malformed(&format!("{field}.values"), "", rule.0))?;
                let at = format!("{field}.{key}");
                if value.is_empty() {
                    return Err(malformed(&at, "", "a value has 1-256 bytes"));
                }
                if plain.contains_key(text) || !keys.insert(key.clone()) {
                    return Err(malformed(&at, "", "a key is named once"));
                }
                let (customer, of) = (customer.clone(), SecretOf::Metadata(index));
                secrets.push(Secret { customer, key, text: value.clone(), of });
            }
        }
        Ok(secrets)
    }
}

/// What is to become of metadata; something is, and no key is named twice.
pub(crate) fn read_update(
    set: &BTreeMap<String, String>,
    sealed: &[v1::SealedMetadata],
    remove: &[String],
) -> Result<(MetadataUpdate, Vec<Secret>), Rejection> {
    if set.is_empty() && sealed.is_empty() && remove.is_empty() {
        return Err(malformed("set", "", "nothing is set, and nothing is removed"));
    }
    let mut removed = BTreeSet::new();
    for text in remove {
        let key = read_key("remove", text)?;
        if set.contains_key(text) || sealed.iter().any(|it| it.values.contains_key(text)) {
            return Err(malformed("remove", text, "is set by the same update"));
        }
        if !removed.insert(key) {
            return Err(malformed("remove", text, "is removed once"));
        }
    }
    let noted = Noted { field: "set", plain: set, sealed_field: "set_sealed", sealed };
    let (set, secrets) = noted.read(0)?;
    if removed.len() > METADATA_KEYS_MAX {
        return Err(too_many("remove"));
    }
    Ok((MetadataUpdate { set, remove: removed }, secrets))
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

/// Gives the text of what is sealed for a customer under a name, if it can be opened.
pub type Open<'a> = &'a mut dyn FnMut(&CustomerName, &MetadataKey, &Sealed) -> Option<String>;

/// What of it is sealed, by customer, as far as it is opened.
pub(crate) fn sealed(metadata: &Metadata, open: Open<'_>) -> Vec<v1::SealedMetadata> {
    let mut by_customer: BTreeMap<&CustomerName, v1::SealedMetadata> = BTreeMap::new();
    for (key, value) in metadata.iter() {
        let MetadataValue::Sealed { customer, sealed } = value else { continue };
        let of = by_customer.entry(customer).or_default();
        match open(customer, key, sealed) {
            Some(text) => drop(of.values.insert(key.to_string(), text)),
            None => of.unreadable.push(key.to_string()),
        }
    }
    let named = |(customer, of): (&CustomerName, v1::SealedMetadata)| v1::SealedMetadata {
        customer: customer.to_string(),
        ..of
    };
    by_customer.into_iter().map(named).collect()
}

/// All of it, by key.
pub(crate) fn entries(metadata: &Metadata, open: Open<'_>) -> Vec<v1::MetadataEntry> {
    metadata.iter().map(|(key, value)| entry(key, value, open)).collect()
}

/// What became of one key.
pub(crate) fn change(change: &MetadataChange, open: Open<'_>) -> v1::MetadataChange {
    let MetadataChange { key, before, after } = change;
    let mut entry = |value: &Option<_>| value.as_ref().map(|value| entry(key, value, open));
    v1::MetadataChange { before: entry(before), after: entry(after) }
}

fn entry(key: &MetadataKey, value: &MetadataValue, open: Open<'_>) -> v1::MetadataEntry {
    use v1::metadata_entry::{SealedText, Value};
    let value = match value {
        MetadataValue::Plain(text) => Value::Plain(text.to_string()),
        MetadataValue::Sealed { customer, sealed } => {
            let text = open(customer, key, sealed);
            Value::Sealed(SealedText { customer: customer.to_string(), text })
        }
    };
    v1::MetadataEntry { key: key.to_string(), value: Some(value) }
}
