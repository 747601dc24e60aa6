//! The data folder: its log at rest, and its id.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use ledger_log::embedded::{Embedded, EmbeddedOptions};

use crate::commands::fresh_id;

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

/// The id of a data folder, made with it; fresh for the copy of one. Which server has the folder, the stores
/// in it decide: they let only one open them.
///
/// # Errors
/// When its file can be neither read nor written.
pub(crate) fn id(data: &Path) -> anyhow::Result<String> {
    let path = data.join("FOLDER");
    let named = || path.display().to_string();
    let kept = match fs::read_to_string(&path) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::write(&path, "").with_context(named)?;
            String::new()
        }
        Err(error) => return Err(error).with_context(named),
    };
    // A copy of the file stands at another place of the disk than it says.
    let file = fs::metadata(&path).with_context(named)?;
    let place = format!("{}:{}", file.dev(), file.ino());
    match kept.trim().split_once(' ') {
        Some((id, at)) if at == place => Ok(id.to_owned()),
        _ => {
            let id = fresh_id();
            fs::write(&path, format!("{id} {place}\n")).with_context(named)?;
            Ok(id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id_and_a_copy_has_another() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = id(one.path()).unwrap();
        assert_eq!(id(one.path()).unwrap(), first);
        fs::copy(one.path().join("FOLDER"), two.path().join("FOLDER")).unwrap();
        let copied = id(two.path()).unwrap();
        assert_ne!(copied, first);
        assert_eq!(id(two.path()).unwrap(), copied);
        assert_eq!(id(one.path()).unwrap(), first);
    }
}
