//! Ids of commits that are not in the id store yet: in flight, or durable but not followed.

use std::collections::{HashMap, VecDeque};

use ledger_domain::{Code, Metadata, Posted, Timestamp};

/// The first outcome of an id in a commit that the id store does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecentEntry {
    /// Sequence of the commit; its offset may not be known yet.
    pub(super) sequence: u64,
    pub(super) index: u32,
    pub(super) recorded_at: Timestamp,
    pub(super) content_hash: [u8; 16],
    pub(super) refused: Option<Code>,
    pub(super) posted: Option<Posted>,
    pub(super) metadata: Metadata,
}

/// Ascending by sequence; forgets commits once the id store has them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entries: HashMap<Box<[u8]>, RecentEntry>,
    /// Keys of each commit, in one buffer, with their lengths.
    commits: VecDeque<CommitKeys>,
}

#[derive(Debug)]
struct CommitKeys {
    sequence: u64,
    bytes: Vec<u8>,
    lengths: Vec<u8>,
}

impl Recent {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Recent::default();
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&RecentEntry> {
        // Most lookups fall into an empty map: nothing is hashed then.
        if self.entries.is_empty() { None } else { self.entries.get(key) }
    }

    /// # Panics
    /// When the id is there already: then it would have two outcomes (LD-4).
    pub(super) fn insert(&mut self, key: &[u8], entry: RecentEntry) {
        self.note(key, entry.sequence);
        let before = self.entries.insert(key.into(), entry);
        assert_eq!(before, None, "an id has one outcome");
    }

    /// For what has a newest outcome and not a first one.
    pub(super) fn replace(&mut self, key: &[u8], entry: RecentEntry) {
        self.note(key, entry.sequence);
        self.entries.insert(key.into(), entry);
    }

    /// Keeps the key until the id store has this commit.
    fn note(&mut self, key: &[u8], sequence: u64) {
        let last = self.commits.back().map(|commit| commit.sequence);
        if last != Some(sequence) {
            assert!(last.is_none_or(|last| last < sequence), "sequences ascend");
            self.commits.push_back(CommitKeys { sequence, bytes: Vec::new(), lengths: Vec::new() });
        }
        if let Some(commit) = self.commits.back_mut() {
            commit.bytes.extend_from_slice(key);
            // A ledger's name and an id are at most 64 bytes each.
            commit.lengths.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        }
    }

    /// Forgets the commits up to this sequence.
    pub(super) fn prune(&mut self, followed: u64) {
        while let Some(commit) = self.commits.pop_front_if(|commit| commit.sequence <= followed) {
            let mut rest = commit.bytes.as_slice();
            for &length in &commit.lengths {
                let (key, behind) = rest.split_at(usize::from(length));
                // What a later commit replaced is its.
                let ends_here = |entry: &RecentEntry| entry.sequence <= commit.sequence;
                if self.entries.get(key).is_some_and(ends_here) {
                    self.entries.remove(key);
                }
                rest = behind;
            }
        }
    }
}
