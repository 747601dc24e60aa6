//! Rows about the log: what each record is, when each commit was recorded, how far the view came.

use std::fmt;

use ledger_domain::Timestamp;

use super::Row;
use crate::code::{Source, put_number, put_signed, put_text};

/// What a record of the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Record 0.
    Created,
    /// A writer took the partition.
    TermStarted,
    /// A commit that counts, with this many indices.
    Commit {
        /// Events, each row of a batch counted.
        width: u32,
    },
    /// It does not count, for the reason of this name.
    Skipped(Box<str>),
}

/// Of [`crate::Table::Commits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRow {
    /// What it is.
    pub kind: RecordKind,
    /// Newest term up to and with it.
    pub term: u64,
    /// Sequence of the newest commit up to and with it; 0 before any.
    pub sequence: u64,
    /// When that commit was recorded; 0 before any.
    pub recorded_at: Timestamp,
}

/// Of [`crate::Table::Times`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRow {
    /// Offset of the commit.
    pub offset: u64,
}

/// How many handles were given out: the next ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Ledgers.
    pub ledgers: u32,
    /// Accounts.
    pub accounts: u64,
    /// Customers.
    pub customers: u64,
}

/// Of [`crate::Table::Meta`], under "applied".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedRow {
    /// Offset of the last record.
    pub offset: u64,
    /// When the newest commit up to there was recorded; 0 before any.
    pub recorded_at: Timestamp,
    /// Handles given out up to there.
    pub heads: Heads,
    /// The reader's cursor after it; the log's business.
    pub cursor: Vec<u8>,
}

/// Of [`crate::Table::Meta`], under "told": what readers in other processes are told beside "applied".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldRow {
    /// The view is known to have held everything that the log had at this instant.
    pub caught_up_at: Option<Timestamp>,
    /// Offset after the newest record of the log that was heard of.
    pub known_end: u64,
    /// While the view goes no further: the record that stopped it, and why.
    pub parked: Option<(u64, Box<str>)>,
}

/// Of [`crate::Table::Meta`], under "log": what the store is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewLog {
    /// Which log.
    pub log_id: [u8; 16],
    /// Which partition.
    pub partition: u32,
    /// Of how many.
    pub partition_count: u32,
}

impl fmt::Display for ViewLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of {} of log ", self.partition, self.partition_count)?;
        self.log_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Row for CommitRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(match &self.kind {
            RecordKind::Created => 0,
            RecordKind::TermStarted => 1,
            RecordKind::Commit { .. } => 2,
            RecordKind::Skipped(_) => 3,
        });
        put_number(out, self.term);
        put_number(out, self.sequence);
        put_signed(out, self.recorded_at);
        match &self.kind {
            RecordKind::Commit { width } => put_number(out, *width),
            RecordKind::Skipped(why) => put_text(out, why),
            RecordKind::Created | RecordKind::TermStarted => {}
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let kind = source.byte()?;
        let (term, sequence, recorded_at) = (source.u64()?, source.u64()?, source.signed()?);
        let kind = match kind {
            0 => RecordKind::Created,
            1 => RecordKind::TermStarted,
            2 => RecordKind::Commit { width: source.u32()? },
            3 => RecordKind::Skipped(source.text()?.into()),
            _ => return None,
        };
        source.end(CommitRow { kind, term, sequence, recorded_at })
    }
}

impl Row for TimeRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.offset);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let offset = source.u64()?;
        source.end(TimeRow { offset })
    }
}

impl Row for AppliedRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.offset);
        put_signed(out, self.recorded_at);
        put_number(out, self.heads.ledgers);
        put_number(out, self.heads.accounts);
        put_number(out, self.heads.customers);
        out.extend_from_slice(&self.cursor);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let (offset, recorded_at) = (source.u64()?, source.signed()?);
        let (ledgers, accounts, customers) = (source.u32()?, source.u64()?, source.u64()?);
        let heads = Heads { ledgers, accounts, customers };
        Some(AppliedRow { offset, recorded_at, heads, cursor: source.0.to_vec() })
    }
}

impl Row for ToldRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.caught_up_at.is_some()) | u8::from(self.parked.is_some()) << 1);
        put_number(out, self.known_end);
        if let Some(at) = self.caught_up_at {
            put_signed(out, at);
        }
        if let Some((offset, what)) = &self.parked {
            put_number(out, *offset);
            put_text(out, what);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let (which, known_end) = (source.byte()?, source.u64()?);
        let caught_up_at = if which & 1 == 0 { None } else { Some(source.signed()?) };
        let parked =
            if which & 2 == 0 { None } else { Some((source.u64()?, source.text()?.into())) };
        if which > 3 {
            return None;
        }
        source.end(ToldRow { caught_up_at, known_end, parked })
    }
}

impl Row for ViewLog {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.log_id);
        put_number(out, self.partition);
        put_number(out, self.partition_count);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let log_id = source.fixed()?;
        let row = ViewLog { log_id, partition: source.u32()?, partition_count: source.u32()? };
        source.end(row)
    }
}
