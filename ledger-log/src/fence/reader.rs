//! The accept rule of every reader.

use crate::cursor::Cursor;
use crate::log::LogError;
use crate::record::{Chain, Commit, Incarnation, LogId, Record};

/// What a record means to whoever reads the log in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Record 0.
    Created,
    /// A writer took the partition; the term is the record's offset.
    NewTerm(Incarnation),
    /// A commit that counts.
    Accepted(Commit),
    /// It does not count; nothing waits for it.
    Skipped(Skip),
}

/// Why a record does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Not a record, or of another log.
    Foreign,
    /// Of a writer that was deposed.
    Zombie,
    /// Its sequence was taken already.
    Duplicate,
    /// Its sequence is not the next one.
    Hole,
}

impl Skip {
    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Skip::Foreign => "foreign",
            Skip::Zombie => "zombie",
            Skip::Duplicate => "duplicate",
            Skip::Hole => "hole",
        }
    }
}

/// Why nothing can be read past a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A commit of a term that never started here: the log lost records.
    TermAhead,
    /// The next sequence, with another past: only loss or a defect makes that.
    WrongPast,
    /// A kind of record that this version does not know.
    UnknownKind,
    /// An offset was left out.
    Gap,
}

/// Reads one partition in order and decides on each record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    cursor: Cursor,
}

impl Reader {
    /// From the beginning of a partition.
    #[must_use]
    pub fn new(log_id: LogId, partition: u32) -> Self {
        Reader { cursor: Cursor::start(log_id, partition) }
    }

    /// From where another reader left off.
    #[must_use]
    pub fn resume(cursor: Cursor) -> Self {
        Reader { cursor }
    }

    /// Where it is.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Decides on the record at the next offset.
    ///
    /// # Errors
    /// [`LogError::Diverged`], or [`LogError::Mismatch`] for a kind that this version does not know; the
    /// reader stays before the record.
    pub fn step(&mut self, offset: u64, bytes: &[u8]) -> Result<Decision, LogError> {
        let decision = self.decide(offset, bytes).map_err(|stop| self.stopped(offset, stop))?;
        let cursor = &mut self.cursor;
        let after = match &decision {
            Decision::Created => Some(cursor.chain.after(bytes)),
            Decision::NewTerm(_) => {
                cursor.term = offset;
                Some(cursor.chain.after_term(offset, bytes))
            }
            Decision::Accepted(commit) => {
                cursor.sequence = commit.sequence;
                cursor.recorded_at = commit.recorded_at;
                Some(cursor.chain.after(bytes))
            }
            Decision::Skipped(_) => None,
        };
        if let Some(after) = after {
            cursor.chain_before = std::mem::replace(&mut cursor.chain, after);
            cursor.counted = offset;
        }
        cursor.next = offset + 1;
        Ok(decision)
    }

    fn decide(&self, offset: u64, bytes: &[u8]) -> Result<Decision, Stop> {
        let cursor = &self.cursor;
        if offset != cursor.next {
            return Err(Stop::Gap);
        }
        let record = match Record::decode(bytes) {
            Ok((log_id, record)) if log_id == cursor.log_id => record,
            _ => return Ok(Decision::Skipped(Skip::Foreign)),
        };
        match record {
            Record::LogCreated { .. } if offset == 0 => Ok(Decision::Created),
            Record::LogCreated { .. } => Ok(Decision::Skipped(Skip::Foreign)),
            Record::Unknown => Err(Stop::UnknownKind),
            Record::TermStarted(incarnation) => Ok(Decision::NewTerm(incarnation)),
            Record::Commit(commit) => cursor.accept(commit),
        }
    }

    fn stopped(&self, offset: u64, stop: Stop) -> LogError {
        let Cursor { partition, term, sequence, next, .. } = self.cursor;
        let diverged = |what: String| LogError::Diverged { partition, what };
        match stop {
            Stop::TermAhead => diverged(format!(
                "offset {offset} is of a later term than {term}, which never started here: records before it are lost"
            )),
            Stop::WrongPast => diverged(format!(
                "offset {offset} follows sequence {sequence}, but was written upon another past"
            )),
            Stop::Gap => {
                diverged(format!("offset {next} is missing, the next record is at {offset}"))
            }
            Stop::UnknownKind => LogError::Mismatch {
                what: format!(
                    "partition {partition} offset {offset} is of a kind that this version does not know"
                ),
            },
        }
    }
}

impl Cursor {
    /// The rule on commits, in its order.
    fn accept(&self, commit: Commit) -> Result<Decision, Stop> {
        if commit.term < self.term {
            return Ok(Decision::Skipped(Skip::Zombie));
        }
        if commit.term > self.term {
            return Err(Stop::TermAhead);
        }
        if commit.sequence <= self.sequence {
            return Ok(Decision::Skipped(Skip::Duplicate));
        }
        if commit.sequence > self.sequence + 1 {
            return Ok(Decision::Skipped(Skip::Hole));
        }
        if commit.prev_hash != self.chain {
            return Err(Stop::WrongPast);
        }
        Ok(Decision::Accepted(commit))
    }

    /// The chain after the record at `counted`, from its bytes: what [`Cursor::chain`] must be.
    #[must_use]
    pub fn recompute(&self, bytes: &[u8]) -> Chain {
        match Record::decode(bytes) {
            Ok((_, Record::TermStarted(_))) => self.chain_before.after_term(self.counted, bytes),
            _ => self.chain_before.after(bytes),
        }
    }
}
