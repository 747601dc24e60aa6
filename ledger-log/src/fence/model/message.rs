//! What stands in the model's log: real bytes, and beside them what the model alone knows.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::record::{self, Chain, FORMAT, HASH, Incarnation, LogId, Record};

pub(super) const LOG: LogId = LogId([7; 16]);
pub(super) const PARTITION: u32 = 0;

/// One append.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Message {
    Created,
    Foreign,
    TermStarted(u8),
    Commit(Commit),
}

/// A commit of one request, and who made it upon what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Commit {
    /// Incarnation of its writer. Readers do not see it.
    pub(super) writer: u8,
    /// Tells two sends of the same commit apart, as their recorded times would.
    pub(super) attempt: u8,
    pub(super) request: u8,
    pub(super) term: u64,
    pub(super) sequence: u64,
    pub(super) prev_hash: [u8; 32],
    /// [`Past`] that it was decided upon. Readers do not see it.
    pub(super) decided_upon: Past,
}

impl Message {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Message::Created => {
                let hash = HASH.to_owned();
                Record::LogCreated {
                    format: FORMAT,
                    partition: PARTITION,
                    partition_count: 1,
                    hash,
                }
                .encode(LOG)
            }
            Message::Foreign => b"foreign".to_vec(),
            Message::TermStarted(writer) => {
                Record::TermStarted(Incarnation([*writer; 16])).encode(LOG)
            }
            Message::Commit(commit) => commit.bytes(),
        }
    }
}

impl Commit {
    pub(super) fn bytes(&self) -> Vec<u8> {
        Record::Commit(record::Commit {
            term: self.term,
            sequence: self.sequence,
            recorded_at: self.sequence,
            prev_hash: Chain(self.prev_hash),
            commands: vec![vec![self.request, self.writer, self.attempt]],
        })
        .encode(LOG)
    }
}

/// All that was accepted, in order: what a state made from the log would be. Apart from the chain, so
/// that it judges the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Past {
    hash: u64,
    /// One bit a request: the ids that a writer knows.
    requests: u8,
}

impl Past {
    pub(super) const NOTHING: Past = Past { hash: 0, requests: 0 };

    pub(super) fn after(self, commit: &Commit) -> Past {
        let mut hasher = DefaultHasher::new();
        (self.hash, commit).hash(&mut hasher);
        Past { hash: hasher.finish(), requests: self.requests | 1 << commit.request }
    }

    pub(super) fn has(self, request: u8) -> bool {
        self.requests & 1 << request != 0
    }
}
