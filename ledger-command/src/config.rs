//! Settings of the write path: plain data.

use serde::de::{Deserializer, Error};
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

/// Reads a bound that must let something pass: at 0 nothing would ever be answered.
pub(crate) fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        0 => Err(D::Error::custom("must be at least 1")),
        bound => Ok(bound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_lets_nothing_pass_is_refused() {
        let load = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            ledger_runtime::config::load::<Config>(file.path()).map_err(|error| error.to_string())
        };
        for bound in [
            "queue_commands_max",
            "queue_transfers_max",
            "commit_commands_max",
            "commit_transfers_max",
            "commit_bytes_max",
            "commits_in_flight_max",
            "recent_ids_max",
        ] {
            assert!(load(&format!("[writer]\n{bound} = 1")).is_ok(), "{bound}");
            let error = load(&format!("[writer]\n{bound} = 0")).unwrap_err();
            assert!(error.contains("line 2") && error.contains("at least 1"), "{bound}: {error}");
        }
        assert_eq!(
            load("[writer]\ncompare_every_commits = 0").unwrap().writer.recent_ids_max,
            1 << 20
        );
    }
}
