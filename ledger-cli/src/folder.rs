//! The log of a data folder at rest.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use ledger_log::embedded::{Embedded, EmbeddedOptions};

/// Opens the log that is in a data folder, with the partitions it has.
///
/// # Errors
/// A folder that is no data folder, is open in a server, or cannot be read.
pub(crate) fn open_log(data: &Path) -> anyhow::Result<Arc<Embedded>> {
    let folder = data.join("log");
    let partition_count = Embedded::partition_count_of(&folder)?
        .with_context(|| format!("{} is no data folder: it has no log", data.display()))?;
    let options = EmbeddedOptions { partition_count, ..EmbeddedOptions::default() };
    Ok(Embedded::open(&folder, options)?)
}
