//! Writer, follower, id store and snapshots together, on the simulated log.

mod alerts;
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

use std::sync::Arc;

use ledger_keys::{Keys, MemoryKeys};

/// Keys that end with the test; they need not be secret.
pub(crate) fn memory_keys() -> Keys {
    Keys::new(Arc::new(MemoryKeys::default()), || [7; 16])
}
