//! Metadata, as it is typed.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;

/// Flags of a command that creates something.
#[derive(Debug, Default, Args)]
pub(crate) struct MetadataArgs {
    /// What is noted of it, such as tier=gold; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<Entry>,
}

impl MetadataArgs {
    /// As the wire has it; of a key that is given twice the last value.
    pub(crate) fn into_wire(self) -> BTreeMap<String, String> {
        entries(self.metadata)
    }
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry(String, String);

/// As the wire has it.
pub(crate) fn entries(entries: Vec<Entry>) -> BTreeMap<String, String> {
    entries.into_iter().map(|Entry(key, value)| (key, value)).collect()
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
}
