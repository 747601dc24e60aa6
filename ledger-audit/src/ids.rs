//! LD-4: one id, one outcome.

use std::collections::HashSet;

use ledger_domain::Id;

/// What an id names; each kind has its own ids.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Request,
    Transfer,
}

/// The ids that were decided so far, each as 128 bits of its BLAKE3: 16 bytes for each, and two of
/// 10^12 ids share theirs with a probability of 10^-15.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    seen: HashSet<[u8; 16]>,
    key: Vec<u8>,
}

impl Ids {
    /// Notes an id of a ledger; false when it was noted before.
    pub(crate) fn first(&mut self, ledger: &str, kind: Kind, id: &Id) -> bool {
        self.key.clear();
        self.key.push(match kind {
            Kind::Request => 0,
            Kind::Transfer => 1,
        });
        // A ledger's name holds no "/", so that the parts cannot run into one another.
        self.key.extend_from_slice(ledger.as_bytes());
        self.key.push(b'/');
        id.write_key(&mut self.key);
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&self.key).as_bytes()[..16]);
        self.seen.insert(digest)
    }
}
