//! What everything derived from the log keeps of it: enough to go on, and to see that it is the same
//! log.

use crate::backend::{Backend, RawRecord};
use crate::log::LogError;
use crate::record::{Chain, LogId, Record};

/// How far a reader came in one partition. Snapshots, the id store and every view keep one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which log.
    pub log_id: LogId,
    /// Which partition.
    pub partition: u32,
    /// Offset of the next record to read.
    pub next: u64,
    /// Newest term; 0 before any, for record 0 is never a `TermStarted`.
    pub term: u64,
    /// Sequence of the last accepted commit; 0 before any.
    pub sequence: u64,
    /// When the last accepted commit was recorded; 0 before any.
    pub recorded_at: u64,
    /// The chain after the last counted record.
    pub chain: Chain,
    /// Offset of the last counted record.
    pub counted: u64,
    /// The chain before it.
    pub chain_before: Chain,
}

/// Bytes of an encoded cursor.
pub const CURSOR_BYTES: usize = 1 + 16 + 4 + 8 * 5 + 32 * 2;
const VERSION: u8 = 1;

impl Cursor {
    /// Before record 0.
    #[must_use]
    pub fn start(log_id: LogId, partition: u32) -> Self {
        Cursor {
            log_id,
            partition,
            next: 0,
            term: 0,
            sequence: 0,
            recorded_at: 0,
            chain: Chain::START,
            counted: 0,
            chain_before: Chain::START,
        }
    }

    /// Compares what was read before with the log as it is now.
    ///
    /// # Errors
    /// [`LogError::Diverged`], naming both positions, when the log is another one, shorter, or holds
    /// other bytes at the last counted record; [`LogError::Unavailable`] when the log does not give a record
    /// below its end now, which says nothing about what it holds.
    pub fn verify(&self, backend: &dyn Backend, log_id: LogId) -> Result<(), LogError> {
        let Cursor { partition, next, counted, .. } = *self;
        let diverged = |what: String| Err(LogError::Diverged { partition, what });
        if self.log_id != log_id {
            return diverged(format!("was read from log {}, this is log {log_id}", self.log_id));
        }
        let end = backend.end(partition)?;
        if end < next {
            return diverged(format!("was read up to offset {next}, the log ends at {end}"));
        }
        if next == 0 {
            return Ok(());
        }
        let first = match given(backend, partition, 0) {
            Err(LogError::Trimmed { first, .. }) => {
                return diverged(format!(
                    "was read from offset 0 up to offset {next}, the log begins at {first} now"
                ));
            }
            other => other?,
        };
        match Record::decode(&first.bytes) {
            Ok((of, _)) if of != self.log_id => {
                return diverged(format!(
                    "was read from log {} up to offset {next}, log {of} stands in its place",
                    self.log_id
                ));
            }
            _ => {}
        }
        if self.recompute(&given(backend, partition, counted)?.bytes) == self.chain {
            return Ok(());
        }
        diverged(format!(
            "offset {counted} holds another record than when it was read, with the log read up to offset {next}"
        ))
    }

    /// Fixed bytes: version, log id, then little-endian numbers and the two chains.
    #[must_use]
    pub fn encode(&self) -> [u8; CURSOR_BYTES] {
        let mut out = Vec::with_capacity(CURSOR_BYTES);
        out.push(VERSION);
        out.extend_from_slice(&self.log_id.0);
        out.extend_from_slice(&self.partition.to_le_bytes());
        for number in [self.next, self.term, self.sequence, self.recorded_at, self.counted] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.chain.0);
        out.extend_from_slice(&self.chain_before.0);
        let mut bytes = [0; CURSOR_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Reads what [`Cursor::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, mut rest) = bytes.split_first()?;
        if version != VERSION || bytes.len() != CURSOR_BYTES {
            return None;
        }
        let log_id = LogId(take(&mut rest)?);
        let partition = u32::from_le_bytes(take(&mut rest)?);
        let mut number = || take(&mut rest).map(u64::from_le_bytes);
        let (next, term, sequence, recorded_at, counted) =
            (number()?, number()?, number()?, number()?, number()?);
        let (chain, chain_before) = (Chain(take(&mut rest)?), Chain(take(&mut rest)?));
        Some(Cursor {
            log_id,
            partition,
            next,
            term,
            sequence,
            recorded_at,
            chain,
            counted,
            chain_before,
        })
    }
}

/// The record at an offset below the end. A storage that is slow or away may give none.
fn given(backend: &dyn Backend, partition: u32, offset: u64) -> Result<RawRecord, LogError> {
    let record = backend.read(partition, offset, 1)?.into_iter().next();
    let none = || LogError::Unavailable {
        what: format!("partition {partition} offset {offset}: below the end, but not given yet"),
    };
    record.ok_or_else(none)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests;
