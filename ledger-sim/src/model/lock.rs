//! Closed books.

use super::{Book, Place};

/// The code for books that are to be closed beyond now.
pub(super) fn too_late(before: Option<i64>, now: i64) -> Option<u32> {
    before.is_some_and(|before| before > now).then_some(226)
}

impl Book {
    /// Up to when it is closed, as of a place.
    pub(crate) fn lock(&self, at: Place) -> Option<(Place, Option<i64>)> {
        self.locks.iter().rfind(|(place, _)| *place <= at).copied()
    }

    /// The code for what takes effect where it is closed.
    pub(super) fn open_at(&self, effective_at: Option<i64>) -> Result<(), u32> {
        match (self.locks.last(), effective_at) {
            (Some((_, Some(before))), Some(at)) if at < *before => Err(227),
            _ => Ok(()),
        }
    }
}
