//! What a replay found.

use ledger_domain::Position;
use ledger_log::{Chain, LogError, Skip};

/// Findings that a report keeps; those behind it are only counted.
pub const FINDINGS_MAX: usize = 1_000;

/// What the replay of one partition found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which partition.
    pub partition: u32,
    /// Last record that was read, as a whole commit; `None` when there is none.
    pub position: Option<Position>,
    /// Records that were read.
    pub records: u64,
    /// Commits that count.
    pub commits: u64,
    /// Records that do not count.
    pub skips: Skips,
    /// Transfers that were posted.
    pub transfers: u64,
    /// Transfers and commands that were refused.
    pub refusals: u64,
    /// Accounts that were opened.
    pub accounts: u64,
    /// The chain after the last counted record.
    pub chain: Chain,
    /// BLAKE3 over the canonical form of the state.
    pub state_hash: [u8; 32],
    /// Last record that the view held and was compared up to; `None` without a view.
    pub view_position: Option<Position>,
    /// Rows of the view that were compared.
    pub rows_compared: u64,
    /// What is wrong; empty when all is well.
    pub findings: Vec<Finding>,
    /// Findings behind [`FINDINGS_MAX`].
    pub findings_left_out: u64,
    /// Whether nothing could be read past the last finding.
    pub stopped: bool,
}

impl Report {
    pub(crate) fn new(partition: u32) -> Self {
        Report {
            partition,
            position: None,
            records: 0,
            commits: 0,
            skips: Skips::default(),
            transfers: 0,
            refusals: 0,
            accounts: 0,
            chain: Chain::START,
            state_hash: [0; 32],
            view_position: None,
            rows_compared: 0,
            findings: Vec::new(),
            findings_left_out: 0,
            stopped: false,
        }
    }

    pub(crate) fn find(&mut self, invariant: &'static str, position: Position, what: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { invariant, position, what });
        } else {
            self.findings_left_out += 1;
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.findings_left_out == 0 && !self.stopped
    }
}

/// Records that do not count, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skips {
    /// Not a record, or of another log.
    pub foreign: u64,
    /// Of a writer that was deposed.
    pub zombie: u64,
    /// Their sequence was taken already.
    pub duplicate: u64,
    /// Their sequence is not the next one.
    pub hole: u64,
}

impl Skips {
    pub(crate) fn count(&mut self, skip: Skip) {
        match skip {
            Skip::Foreign => self.foreign += 1,
            Skip::Zombie => self.zombie += 1,
            Skip::Duplicate => self.duplicate += 1,
            Skip::Hole => self.hole += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.foreign + self.zombie + self.duplicate + self.hole
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the invariant that it breaks: "LD-1", "LG-4", "PR-2".
    pub invariant: &'static str,
    /// Where.
    pub position: Position,
    /// What was found there, for a person.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: {}", self.invariant, self.position, self.what)
    }
}

/// Why a replay could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be read; damage of it is a finding, not this.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The views cannot be read.
    #[error("VIEWS_UNAVAILABLE: {0}")]
    Views(String),
    /// Who asked does not listen any more.
    #[error("the replay was cancelled")]
    Cancelled,
    /// The position is of another partition, or there is no such partition.
    #[error("partition {partition} has no position {position}")]
    OtherPartition {
        /// Which partition was to be replayed.
        partition: u32,
        /// What was asked for.
        position: Position,
    },
    /// The log does not reach so far.
    #[error("{position} is in the future: the log ends before {partition}@{end}")]
    Future {
        /// What was asked for.
        position: Position,
        /// Which partition.
        partition: u32,
        /// Offset after the last record.
        end: u64,
    },
}
