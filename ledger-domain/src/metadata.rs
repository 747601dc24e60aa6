//! Metadata: what a client notes of a ledger, an account or a transfer, by key. No rule looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::command::{transfer::write_id, write_field};
use crate::customer::Sealed;
use crate::feed::{feed_length, feed_text};
use crate::limits::METADATA_VALUE_BYTES_MAX;
use crate::name::{AccountName, CustomerName, Id, MetadataKey, NameError};
use crate::state::AccountHandle;

/// Number of the field of canonical bytes that metadata is.
pub(crate) const CONTENT_FIELD: u8 = 25;

/// What is noted under one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MetadataValue {
    /// A text that everybody reads: 1 to [`METADATA_VALUE_BYTES_MAX`] bytes.
    Plain(Box<str>),
    /// A text of a customer of the same ledger, which only that customer's key opens: once they are erased,
    /// nobody reads it.
    Sealed {
        /// Whose key it is.
        customer: CustomerName,
        /// What it opens.
        sealed: Sealed,
    },
}

impl MetadataValue {
    /// A plain value as a client may give it.
    ///
    /// # Errors
    /// [`NameError`] with the rule that it breaks.
    pub fn plain(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > METADATA_VALUE_BYTES_MAX {
            return Err(NameError("a value of metadata is 1-256 bytes"));
        }
        Ok(MetadataValue::Plain(text.into()))
    }

    /// Its text, where everybody reads it.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match self {
            MetadataValue::Plain(text) => Some(text),
            MetadataValue::Sealed { .. } => None,
        }
    }

    /// Whose key opens it; nobody's where everybody reads it.
    #[must_use]
    pub fn customer(&self) -> Option<&CustomerName> {
        match self {
            MetadataValue::Plain(_) => None,
            MetadataValue::Sealed { customer, .. } => Some(customer),
        }
    }

    /// As a field of canonical bytes, which tells the kinds of values apart.
    fn write_content(&self, out: &mut Vec<u8>) {
        match self {
            MetadataValue::Plain(text) => write_field(2, text.as_bytes(), out),
            MetadataValue::Sealed { customer, sealed } => {
                write_field(3, customer.as_str().as_bytes(), out);
                write_field(4, sealed.as_bytes(), out);
            }
        }
    }

    fn feed(&self, sink: &mut impl FnMut(&[u8])) {
        match self {
            MetadataValue::Plain(text) => {
                sink(&[1]);
                feed_text(text, sink);
            }
            MetadataValue::Sealed { customer, sealed } => {
                sink(&[2]);
                feed_text(customer.as_str(), sink);
                feed_length(sealed.as_bytes().len(), sink);
                sink(sealed.as_bytes());
            }
        }
    }
}

impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataValue::Plain(text) => f.write_str(text),
            MetadataValue::Sealed { customer, .. } => write!(f, "sealed for {customer}"),
        }
    }
}

/// Values by key, in the order of the keys. Nothing is allocated, and eight bytes are taken, where there is
/// none: most accounts and nearly all transfers have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata(
    /// Not there where there is none, so that equal metadata is equal as a value.
    #[expect(clippy::box_collection, reason = "a map takes three words where it is empty")]
    Option<Box<BTreeMap<MetadataKey, MetadataValue>>>,
);

/// What became of the value of one key. One of `before` and `after` is there, and they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataChange {
    /// The key.
    pub key: MetadataKey,
    /// Its value until then; `None` when it had none.
    pub before: Option<MetadataValue>,
    /// Its value from then on; `None` when it is removed.
    pub after: Option<MetadataValue>,
}

/// Whose metadata a command is about, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataOf {
    /// That of the command's ledger.
    Ledger,
    /// That of an account of it.
    Account(AccountName),
    /// That of a transfer of it that was accepted.
    Transfer(Id),
}

/// Whose metadata an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetadataTarget {
    /// That of the event's ledger.
    Ledger,
    /// That of an account of it.
    Account(AccountHandle),
    /// That of a transfer of it.
    Transfer(Id),
}

/// What is to become of metadata; what it does not name stays. Something is named, and no key twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataUpdate {
    /// Values to set, in place of what their keys have.
    pub set: Metadata,
    /// Keys to remove; those that are not there are none the less.
    pub remove: BTreeSet<MetadataKey>,
}

impl Metadata {
    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |entries| entries.len())
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &MetadataKey) -> Option<&MetadataValue> {
        self.0.as_ref()?.get(key)
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&MetadataKey, &MetadataValue)> {
        self.0.iter().flat_map(|entries| entries.iter())
    }

    /// What an update changes, by key: what is as asked already is not changed.
    #[must_use]
    pub fn changes(&self, update: &MetadataUpdate) -> Vec<MetadataChange> {
        let MetadataUpdate { set, remove } = update;
        let set = set.iter().map(|(key, value)| (key, Some(value)));
        let removed = remove.iter().map(|key| (key, None));
        // A key that were in both would be set.
        let asked: BTreeMap<_, _> = removed.chain(set).collect();
        let changes = asked.into_iter().filter_map(|(key, after)| {
            let before = self.get(key);
            (before != after).then(|| MetadataChange {
                key: key.clone(),
                before: before.cloned(),
                after: after.cloned(),
            })
        });
        changes.collect()
    }

    /// How many keys it has after these changes of it.
    #[must_use]
    pub fn len_after(&self, changes: &[MetadataChange]) -> usize {
        let added = changes.iter().filter(|change| change.before.is_none()).count();
        let removed = changes.iter().filter(|change| change.after.is_none()).count();
        self.len().saturating_add(added).saturating_sub(removed)
    }

    /// What it is without the keys that are changed.
    #[must_use]
    pub fn without(&self, changes: &[MetadataChange]) -> Metadata {
        let is_changed = |key: &MetadataKey| changes.iter().any(|change| change.key == *key);
        let kept = self.iter().filter(|(key, _)| !is_changed(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What it is after these changes.
    #[must_use]
    pub fn after(&self, changes: &[MetadataChange]) -> Metadata {
        let mut metadata = self.clone();
        changes.iter().for_each(|change| metadata.apply(change));
        metadata
    }

    /// Adds what is noted under a key, in place of what was.
    pub fn insert(&mut self, key: MetadataKey, value: MetadataValue) {
        self.0.get_or_insert_default().insert(key, value);
    }

    /// What it is after a change.
    pub fn apply(&mut self, change: &MetadataChange) {
        let MetadataChange { key, before: _, after } = change;
        match after {
            Some(value) => self.insert(key.clone(), value.clone()),
            None => {
                if let Some(entries) = &mut self.0 {
                    entries.remove(key);
                }
                self.0.take_if(|entries| entries.is_empty());
            }
        }
    }

    /// As a field of canonical bytes; none where there is none.
    pub(crate) fn write_content(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        let mut entries = Vec::new();
        for (key, value) in self.iter() {
            write_field(1, key.as_str().as_bytes(), &mut entries);
            value.write_content(&mut entries);
        }
        write_field(CONTENT_FIELD, &entries, out);
    }

    /// Feeds it to a hash: equal metadata feeds equal bytes, and no other does.
    pub fn feed(&self, sink: &mut impl FnMut(&[u8])) {
        feed_length(self.len(), sink);
        for (key, value) in self.iter() {
            feed_text(key.as_str(), sink);
            value.feed(sink);
        }
    }
}

impl MetadataUpdate {
    /// As fields of a command's content: whose metadata, what is removed, and what is set.
    pub(crate) fn write_content(&self, of: &MetadataOf, out: &mut Vec<u8>) {
        let MetadataUpdate { set, remove } = self;
        match of {
            MetadataOf::Ledger => {}
            MetadataOf::Account(name) => write_field(3, name.as_str().as_bytes(), out),
            MetadataOf::Transfer(id) => write_id(5, id, out),
        }
        for key in remove {
            write_field(4, key.as_str().as_bytes(), out);
        }
        set.write_content(out);
    }
}

impl FromIterator<(MetadataKey, MetadataValue)> for Metadata {
    fn from_iter<T: IntoIterator<Item = (MetadataKey, MetadataValue)>>(entries: T) -> Self {
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        Metadata((!entries.is_empty()).then(|| Box::new(entries)))
    }
}
