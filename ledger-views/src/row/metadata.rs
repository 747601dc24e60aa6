//! Updates of metadata, and the index by which accounts are found.

use ledger_domain::{CustomerName, Metadata, MetadataChange, MetadataKey, MetadataValue};

use super::Row;
use super::customer::{put_sealed, sealed};
use crate::code::{Source, put_number, put_text};

/// Of [`crate::Table::Metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRow {
    /// What the update changed, by key.
    pub changes: Vec<MetadataChange>,
    /// All that is there after it.
    pub metadata: Metadata,
}

impl MetadataRow {
    /// Of what is created with this metadata; none where that is empty.
    pub(crate) fn created(metadata: &Metadata) -> Option<Self> {
        let change = |(key, value): (&MetadataKey, &MetadataValue)| MetadataChange {
            key: key.clone(),
            before: None,
            after: Some(value.clone()),
        };
        let changes: Vec<_> = metadata.iter().map(change).collect();
        (!changes.is_empty()).then(|| MetadataRow { changes, metadata: metadata.clone() })
    }
}

/// Of [`crate::Table::MetadataIndex`]: whether the account has the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataIndexRow(pub bool);

const ABSENT: u8 = 0;
const PLAIN: u8 = 1;
const SEALED: u8 = 2;

fn put_value(out: &mut Vec<u8>, value: Option<&MetadataValue>) {
    match value {
        None => out.push(ABSENT),
        Some(MetadataValue::Plain(text)) => {
            out.push(PLAIN);
            put_text(out, text);
        }
        Some(MetadataValue::Sealed { customer, sealed }) => {
            out.push(SEALED);
            put_text(out, customer.as_str());
            put_sealed(out, sealed);
        }
    }
}

#[expect(clippy::option_option, reason = "what cannot be read is not what is absent")]
fn value(source: &mut Source<'_>) -> Option<Option<MetadataValue>> {
    match source.byte()? {
        ABSENT => Some(None),
        PLAIN => Some(Some(MetadataValue::Plain(source.text()?.into()))),
        SEALED => {
            let customer = CustomerName::from_log(source.text()?);
            Some(Some(MetadataValue::Sealed { customer, sealed: sealed(source)? }))
        }
        _ => None,
    }
}

/// How many entries, and each.
pub(super) fn put_metadata(out: &mut Vec<u8>, metadata: &Metadata) {
    put_number(out, metadata.len() as u64);
    for (key, value) in metadata.iter() {
        put_text(out, key.as_str());
        put_value(out, Some(value));
    }
}

pub(super) fn metadata(source: &mut Source<'_>) -> Option<Metadata> {
    let count = source.u32()?;
    let entry = |_| Some((MetadataKey::from_log(source.text()?), value(source)??));
    let metadata: Metadata = (0..count).map(entry).collect::<Option<_>>()?;
    (u32::try_from(metadata.len()) == Ok(count)).then_some(metadata)
}

impl Row for MetadataRow {
    /// All that is there, and of each change the key and what was there before: what is there after it is told
    /// already.
    fn encode(&self, out: &mut Vec<u8>) {
        let MetadataRow { changes, metadata } = self;
        put_metadata(out, metadata);
        put_number(out, changes.len() as u64);
        for MetadataChange { key, before, after: _ } in changes {
            put_text(out, key.as_str());
            put_value(out, before.as_ref());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let metadata = metadata(&mut source)?;
        let count = source.u32()?;
        let change = |_| {
            let key = MetadataKey::from_log(source.text()?);
            let (before, after) = (value(&mut source)?, metadata.get(&key).cloned());
            (before != after).then_some(MetadataChange { key, before, after })
        };
        let changes = (0..count).map(change).collect::<Option<_>>()?;
        source.end(MetadataRow { changes, metadata })
    }
}

impl Row for MetadataIndexRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.0));
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(MetadataIndexRow(false)),
            [1] => Some(MetadataIndexRow(true)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_domain::Sealed;

    use super::*;

    fn entry(key: &str, value: &str) -> (MetadataKey, MetadataValue) {
        (MetadataKey::from_log(key), MetadataValue::Plain(value.into()))
    }

    #[test]
    fn an_update_reads_back() {
        let metadata: Metadata = [entry("b", "2"), entry("tier", "gold")].into_iter().collect();
        let change = |key: &str, before: Option<&str>| {
            let key = MetadataKey::from_log(key);
            let before = before.map(|text| MetadataValue::Plain(text.into()));
            let after = metadata.get(&key).cloned();
            MetadataChange { key, before, after }
        };
        let changes = vec![change("a", Some("1")), change("b", None), change("tier", Some("x"))];
        let mut bytes = Vec::new();
        let row = MetadataRow { changes, metadata: metadata.clone() };
        row.encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = "0201620101320474696572010467\
                      6f6c64030161010131016200047469657201017\
                      8";
        assert_eq!(hex, golden.replace([' ', '\n'], ""));
        assert_eq!(MetadataRow::decode(&bytes), Some(row));
        for length in 0..bytes.len() {
            assert_eq!(MetadataRow::decode(&bytes[..length]), None, "{length} bytes");
        }
        bytes.push(0);
        assert_eq!(MetadataRow::decode(&bytes), None, "goes on");
        let twice = "0201610101310161010131".to_owned() + "00";
        let twice: Vec<u8> = (0..twice.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&twice[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(MetadataRow::decode(&twice), None, "a key twice");
    }

    #[test]
    fn what_is_sealed_reads_back() {
        let (customer, sealed) = (CustomerName::from_log("c-1"), Sealed::from_bytes(&[0, 255]));
        let sealed = (MetadataKey::from_log("k"), MetadataValue::Sealed { customer, sealed });
        let row = MetadataRow::created(&[sealed].into_iter().collect()).unwrap();
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01016b0203632d310200ff01016b00");
        assert_eq!(MetadataRow::decode(&bytes), Some(row));
        for length in 0..bytes.len() {
            assert_eq!(MetadataRow::decode(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_row_of_the_index_reads_back() {
        for row in [MetadataIndexRow(true), MetadataIndexRow(false)] {
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert_eq!(MetadataIndexRow::decode(&bytes), Some(row));
        }
        assert_eq!(MetadataIndexRow::decode(&[2]), None);
        assert_eq!(MetadataIndexRow::decode(&[]), None);
    }
}
