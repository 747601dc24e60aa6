//! Writer, follower, id store and snapshots together, on the simulated log.

mod conditions;
mod doubts;
pub(crate) mod embedded;
pub(crate) mod flaky;
mod groups;
mod holds;
mod idempotency;
mod metadata;
mod ownership;
mod property;
mod recovery;
pub(crate) mod rig;
mod sagas;
mod schedules;
mod terms;
