//! The bytes of one record: `ledger.log.v1.Record` of `proto/`, with each command left as bytes, for
//! what a command means is not the log's business.

use std::fmt;

use prost::Message;

/// "LGR1" read as little-endian ASCII.
pub const MAGIC: u32 = 0x3152_474c;
/// Format of the log that this version writes.
pub const FORMAT: u32 = 1;
/// Name of the chain's hash function in `LogCreated`.
pub const HASH: &str = "blake3";

/// Which log: made when it is created, the same in every partition and every record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub [u8; 16]);

/// Which attempt to take a partition: random, fresh for every attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incarnation(pub [u8; 16]);

/// Hash over all that counts up to a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// Before record 0.
    pub const START: Chain = Chain([0; 32]);

    /// After an accepted commit, or record 0. Its own offset stays out: a pipelining writer does not
    /// know it yet.
    #[must_use]
    pub fn after(self, bytes: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(bytes);
        Chain(hasher.finalize().into())
    }

    /// After a `TermStarted`, whose offset is its term.
    #[must_use]
    pub fn after_term(self, offset: u64, bytes: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(&offset.to_le_bytes()).update(bytes);
        Chain(hasher.finalize().into())
    }
}

macro_rules! hex {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}
hex!(LogId);
hex!(Incarnation);
hex!(Chain);

/// A record that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Record 0 of a partition.
    LogCreated {
        /// Format of the log.
        format: u32,
        /// This partition.
        partition: u32,
        /// How many there are; pinned.
        partition_count: u32,
        /// Name of the chain's hash function.
        hash: String,
    },
    /// A writer took the partition.
    TermStarted(Incarnation),
    /// Events of commands that were drained together.
    Commit(Commit),
    /// A kind that this version does not know.
    Unknown,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Term of its writer.
    pub term: u64,
    /// Gapless per partition, from 1.
    pub sequence: u64,
    /// Nanoseconds since the Unix epoch.
    pub recorded_at: u64,
    /// The chain before it.
    pub prev_hash: Chain,
    /// Encoded `ledger.log.v1.LoggedCommand`s.
    pub commands: Vec<Vec<u8>>,
}

/// Bytes that are not a record of any log of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl Record {
    /// The record's bytes.
    ///
    /// # Panics
    /// For [`Record::Unknown`], which is never written.
    #[must_use]
    pub fn encode(self, log_id: LogId) -> Vec<u8> {
        let (mut log_created, mut term_started, mut commit) = (None, None, None);
        match self {
            Record::LogCreated { format, partition, partition_count, hash } => {
                log_created = Some(wire::LogCreated { format, partition, partition_count, hash });
            }
            Record::TermStarted(incarnation) => {
                term_started = Some(wire::TermStarted { incarnation: incarnation.0.to_vec() });
            }
            Record::Commit(c) => {
                commit = Some(wire::Commit {
                    term: c.term,
                    sequence: c.sequence,
                    recorded_at: c.recorded_at,
                    prev_hash: c.prev_hash.0.to_vec(),
                    commands: c.commands,
                });
            }
            Record::Unknown => panic!("a record of an unknown kind is never written"),
        }
        let log_id = log_id.0.to_vec();
        wire::Record { magic: MAGIC, log_id, log_created, term_started, commit }.encode_to_vec()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Foreign`] when the bytes are not a record, or one of damaged shape.
    pub fn decode(bytes: &[u8]) -> Result<(LogId, Record), Foreign> {
        let wire = wire::Record::decode(bytes).map_err(|_| Foreign)?;
        if wire.magic != MAGIC {
            return Err(Foreign);
        }
        let log_id = LogId(wire.log_id.try_into().map_err(|_| Foreign)?);
        let record = match (wire.log_created, wire.term_started, wire.commit) {
            (Some(c), None, None) => Record::LogCreated {
                format: c.format,
                partition: c.partition,
                partition_count: c.partition_count,
                hash: c.hash,
            },
            (None, Some(t), None) => {
                Record::TermStarted(Incarnation(t.incarnation.try_into().map_err(|_| Foreign)?))
            }
            (None, None, Some(c)) => Record::Commit(Commit {
                term: c.term,
                sequence: c.sequence,
                recorded_at: c.recorded_at,
                prev_hash: Chain(c.prev_hash.try_into().map_err(|_| Foreign)?),
                commands: c.commands,
            }),
            (None, None, None) => Record::Unknown,
            _ => return Err(Foreign),
        };
        Ok((log_id, record))
    }
}

/// The same messages as `proto/ledger/log/v1/log.proto`; a test of `ledger-proto` holds them together.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Record {
        #[prost(fixed32, tag = "1")]
        pub(super) magic: u32,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) log_id: Vec<u8>,
        #[prost(message, optional, tag = "3")]
        pub(super) log_created: Option<LogCreated>,
        #[prost(message, optional, tag = "4")]
        pub(super) term_started: Option<TermStarted>,
        #[prost(message, optional, tag = "5")]
        pub(super) commit: Option<Commit>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct LogCreated {
        #[prost(uint32, tag = "1")]
        pub(super) format: u32,
        #[prost(uint32, tag = "2")]
        pub(super) partition: u32,
        #[prost(uint32, tag = "3")]
        pub(super) partition_count: u32,
        #[prost(string, tag = "4")]
        pub(super) hash: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TermStarted {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) incarnation: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Commit {
        #[prost(uint64, tag = "1")]
        pub(super) term: u64,
        #[prost(uint64, tag = "2")]
        pub(super) sequence: u64,
        #[prost(uint64, tag = "3")]
        pub(super) recorded_at: u64,
        #[prost(bytes = "vec", tag = "4")]
        pub(super) prev_hash: Vec<u8>,
        #[prost(bytes = "vec", repeated, tag = "5")]
        pub(super) commands: Vec<Vec<u8>>,
    }
}

#[cfg(test)]
mod tests;
