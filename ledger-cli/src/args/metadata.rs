//! Metadata, as it is typed.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;
use ledger_proto::v1;

/// Flags of a command that creates something.
#[derive(Debug, Default, Args)]
pub(crate) struct MetadataArgs {
    /// What is noted of it, such as tier=gold; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<Entry>,
    /// What is noted of it and sealed under the key of a customer, such as c-1042/iban=DE02; may be repeated
    #[arg(long, value_name = "CUSTOMER/KEY=VALUE")]
    sealed: Vec<SealedEntry>,
}

impl MetadataArgs {
    /// As the wire has it: what everybody reads, of a key that is given twice the last value, and what is sealed.
    pub(crate) fn into_wire(self) -> (BTreeMap<String, String>, Vec<v1::SealedMetadata>) {
        (entries(self.metadata), sealed_entries(self.sealed))
    }
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry(String, String);

/// As the wire has it.
pub(crate) fn entries(entries: Vec<Entry>) -> BTreeMap<String, String> {
    entries.into_iter().map(|Entry(key, value)| (key, value)).collect()
}

/// A customer, and a key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedEntry(String, Entry);

/// As the wire has it.
pub(crate) fn sealed_entries(entries: Vec<SealedEntry>) -> Vec<v1::SealedMetadata> {
    let mut by_customer: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for SealedEntry(customer, Entry(key, value)) in entries {
        by_customer.entry(customer).or_default().insert(key, value);
    }
    let wire = |(customer, values)| v1::SealedMetadata { customer, values, unreadable: Vec::new() };
    by_customer.into_iter().map(wire).collect()
}

impl FromStr for SealedEntry {
    type Err = &'static str;

    /// The server says what is wrong with each part.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "not CUSTOMER/KEY=VALUE, such as c-1042/iban=DE02";
        let (customer, entry) = text.split_once('/').ok_or(rule)?;
        Ok(SealedEntry(customer.to_owned(), entry.parse().map_err(|_| rule)?))
    }
}

impl FromStr for Entry {
    type Err = &'static str;

    /// The server says what is wrong with either part.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("not KEY=VALUE, such as tier=gold")?;
        Ok(Entry(key.to_owned(), value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_split_at_its_first_equals_sign() {
        let entry = |key: &str, value: &str| Ok(Entry(key.to_owned(), value.to_owned()));
        assert_eq!("tier=gold".parse(), entry("tier", "gold"));
        assert_eq!("note=a = b".parse(), entry("note", "a = b"));
        assert!("tier".parse::<Entry>().is_err());
    }

    #[test]
    fn what_is_sealed_is_grouped_by_customer() {
        let parse = |text: &str| text.parse::<SealedEntry>().unwrap();
        let entries = ["c-1/iban=DE/02", "c-2/a=1", "c-1/b=2"].map(parse).to_vec();
        let sealed = sealed_entries(entries);
        let said = sealed.iter().map(|of| format!("{} {:?}", of.customer, of.values));
        let said: Vec<_> = said.collect();
        assert_eq!(said, [r#"c-1 {"b": "2", "iban": "DE/02"}"#, r#"c-2 {"a": "1"}"#]);
        assert!("iban=DE/02".parse::<SealedEntry>().is_err());
        assert!("c-1/iban".parse::<SealedEntry>().is_err());
    }
}
