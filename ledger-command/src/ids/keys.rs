//! Keys of the id store. Request ids are of a ledger's name, for a refused command may name a
//! ledger that does not exist; the others are of a ledger's handle, which is shorter.

use ledger_domain::{Id, LedgerHandle, LedgerName};

/// Key of a request id: "r", the ledger's name, 0, the id.
pub fn request_key(ledger: &LedgerName, id: &Id, key: &mut Vec<u8>) {
    key.push(b'r');
    key.extend_from_slice(ledger.as_str().as_bytes());
    key.push(0);
    id.write_key(key);
}

/// Key of a transfer's id: "t", the ledger's handle, the id.
pub fn transfer_key(ledger: LedgerHandle, id: &Id, key: &mut Vec<u8>) {
    key.push(b't');
    key.extend_from_slice(&ledger.0.to_be_bytes());
    id.write_key(key);
}

/// Key of a journal entry's id: "e", the ledger's handle, the id.
pub fn entry_key(ledger: LedgerHandle, id: &Id, key: &mut Vec<u8>) {
    key.push(b'e');
    key.extend_from_slice(&ledger.0.to_be_bytes());
    id.write_key(key);
}

/// Key of what is left of a transfer that was reversed: "v", the ledger's handle, the transfer's id.
pub fn reversed_key(ledger: LedgerHandle, id: &Id, key: &mut Vec<u8>) {
    key.push(b'v');
    key.extend_from_slice(&ledger.0.to_be_bytes());
    id.write_key(key);
}

/// Key of the newest update of a transfer's metadata: "n", the ledger's handle, the transfer's id.
pub fn noted_key(ledger: LedgerHandle, id: &Id, key: &mut Vec<u8>) {
    key.push(b'n');
    key.extend_from_slice(&ledger.0.to_be_bytes());
    id.write_key(key);
}

/// Many keys in one buffer, ascending and distinct once [`Keys::sort`] was called.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Keys {
    /// Adds the key that `write` writes.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.spans.push((start, self.bytes.len()));
    }

    /// Brings them into ascending order and drops repeats.
    pub fn sort(&mut self) {
        let Keys { bytes, spans } = self;
        spans.sort_unstable_by(|a, b| bytes[a.0..a.1].cmp(&bytes[b.0..b.1]));
        spans.dedup_by(|a, b| bytes[a.0..a.1] == bytes[b.0..b.1]);
    }

    /// All keys in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|&(start, end)| &self.bytes[start..end])
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}
