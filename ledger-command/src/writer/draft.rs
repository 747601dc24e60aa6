//! One commit while it is filled.

use ledger_domain::Timestamp;
use ledger_log::record::{Chain, Commit, LogId, Record};

/// Bytes of a record beside its commands: magic, log id, numbers, hash, lengths. An upper bound.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 160;
/// Bytes of a command beside its own: tag and length.
const COMMAND_OVERHEAD_BYTES: usize = 6;

/// Commands decided upon each other, to be one record.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) sequence: u64,
    /// The instant that its commands are decided at.
    pub(super) now: Timestamp,
    commands: Vec<Vec<u8>>,
    bytes: usize,
    width: u32,
}

impl Draft {
    pub(super) fn new(sequence: u64, now: Timestamp) -> Self {
        Draft { sequence, now, commands: Vec::new(), bytes: RECORD_OVERHEAD_BYTES, width: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Bytes of the record if this command is added to it. An upper bound.
    pub(super) fn bytes_with(&self, command: &[u8]) -> usize {
        self.bytes + COMMAND_OVERHEAD_BYTES + command.len()
    }

    /// Index of the next event.
    pub(super) fn next_index(&self) -> u32 {
        self.width
    }

    pub(super) fn push(&mut self, command: Vec<u8>, width: u32) {
        self.bytes = self.bytes_with(&command);
        self.commands.push(command);
        self.width += width;
    }

    /// The record's bytes.
    pub(super) fn seal(self, log_id: LogId, term: u64, prev_hash: Chain) -> Vec<u8> {
        assert!(!self.is_empty(), "a commit has commands");
        let bytes_max = self.bytes;
        let recorded_at = u64::try_from(self.now).unwrap_or(0);
        let Draft { sequence, commands, .. } = self;
        let commit = Commit { term, sequence, recorded_at, prev_hash, commands };
        let bytes = Record::Commit(commit).encode(log_id);
        assert!(bytes.len() <= bytes_max, "the bound on a record's bytes holds");
        bytes
    }
}
