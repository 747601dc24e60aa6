//! Writer, follower, id store and snapshots together, on the simulated log.

mod idempotency;
mod property;
mod recovery;
pub(crate) mod rig;
mod terms;
