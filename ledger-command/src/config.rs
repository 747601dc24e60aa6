//! Settings of the write path: plain data.

use serde::{Deserialize, Serialize};

use crate::follower::SnapshotPolicy;
use crate::writer::WriterLimits;

/// Settings of the write path; the same for every partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bounds of each writer.
    pub writer: WriterLimits,
    /// When snapshots are made.
    pub snapshots: SnapshotPolicy,
}
