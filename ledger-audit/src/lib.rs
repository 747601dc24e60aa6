//! Replays the log itself, to any point, and proves what is derived from it right.
//!
//! ```text
//!   log ──► Reader ──► decode ──► fit ──► apply ──► State ──► invariants, state hash
//!          LG-1..4                LD-1..4   │
//!                                           └──► project ──► rows == stored rows?   PR-2
//! ```
//!
//! It trusts nothing but the log's bytes and the code that made them: what does not fit is a
//! [`report::Finding`] with its position, never a panic.

pub mod replay;
pub mod report;
pub mod service;

mod compare;
mod fit;
mod holds;
mod ids;
mod metadata;

pub use replay::{Progress, Target, Until, replay};
pub use report::{AuditError, Finding, Report, Skips};
pub use service::AuditServer;

#[cfg(test)]
mod tests;
