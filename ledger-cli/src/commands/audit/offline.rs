//! An audit of a data folder that no server has open.

use std::path::Path;

use ledger_proto::v1::{ReplayReport, replay_request};

use super::Bars;

/// Replays the log in `data` and compares it with the views there: a report for each partition.
///
/// # Errors
/// A folder that is no data folder, is open in a server, or cannot be read.
pub(super) async fn offline(
    data: &Path,
    _until: Option<replay_request::Until>,
    _bars: &mut Bars,
) -> anyhow::Result<Vec<ReplayReport>> {
    anyhow::bail!("{} cannot be audited offline in this build", data.display())
}
