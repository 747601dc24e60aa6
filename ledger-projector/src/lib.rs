//! Log -> views. One projector follows one partition by itself, in no consumer group.
//!
//! ```text
//!  Backend::read ──► Reader (accept rule) ──► decode ──► ViewWriter::stage ──► commit
//!       ▲                                                                        │
//!       └──────────────────── Cursor, in the same write as the rows ◄────────────┘
//! ```
//!
//! [`feed`] publishes what the view has applied for others to consume.
//!
//! It tells the readers of the view how stale it may be: since when it holds all that the log had, as the
//! log itself said last.
//!
//! It stops rather than guess: a log that is not the one it read before is `LOG_DIVERGED`, an event
//! that cannot be projected parks the view. Reads go on up to what was applied; nothing is rebuilt
//! without a person's command. A storage that fails, as a full disk does, parks the view as well, until
//! it works again.

pub mod feed;

mod error;
mod fresh;
mod projector;
mod run;

pub use error::ProjectorError;
pub use feed::{Feed, FeedError, FeedRecord, Publish, PublishError};
pub use projector::{Progress, Projector};
pub use run::Clock;

#[cfg(test)]
mod tests;
