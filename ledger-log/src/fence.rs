//! What counts, and what may be acknowledged: "The fence" in docs/formats.md.
//!
//! To take a partition a writer appends `TermStarted`; its term is that record's offset. From then on
//! every reader skips what an older writer still appends. [`Reader`] is that rule; it needs only
//! (term, sequence, chain), so that a reader that restarts decides as one that did not. [`Acks`] is
//! the rule by which a writer may tell its clients that a commit counts.

mod acks;
mod reader;

pub use acks::{AckStep, Acks, Retake};
pub use reader::{Decision, Reader, Skip, Stop};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
