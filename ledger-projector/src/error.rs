//! Why a projector does not go on.

use ledger_log::LogError;
use ledger_views::{ProjectError, StoreError, ViewError};

/// Why a projector does not go on. The text is for the person who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectorError {
    /// The log cannot be read, or is not the one that was read before.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The view cannot be read or written, or an event cannot be projected.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A commit that counts holds bytes that this version does not understand.
    #[error("POISON_EVENT partition {partition} offset {offset} command {command}: {what}")]
    Undecodable {
        /// Partition.
        partition: u32,
        /// Offset of the commit.
        offset: u64,
        /// Place of the command in it.
        command: usize,
        /// What the decoder said.
        what: String,
    },
}

impl ProjectorError {
    /// Whether trying again may help: the next step does.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            ProjectorError::View(ViewError::Project(ProjectError::Store(error))) => {
                error.is_transient()
            }
            _ => !self.parks(),
        }
    }

    /// Whether readers are told. A log that cannot be read for a while is worth waiting for.
    pub(crate) fn parks(&self) -> bool {
        !matches!(self, ProjectorError::Log(LogError::Unavailable { .. } | LogError::Full { .. }))
    }
}

impl From<StoreError> for ProjectorError {
    fn from(error: StoreError) -> Self {
        ProjectorError::View(ViewError::Project(ProjectError::Store(error)))
    }
}
