//! Writer, follower, id store and snapshots together, on the simulated log.

mod idempotency;
mod recovery;
mod rig;
mod terms;
