//! The write path of a ledger: commands in, commits out, replies once they are durable.
//!
//! ```text
//!  gRPC ─► service ─► Router ─► run::Handle ─► Writer ──► log ──► Follower ─► IdStore, snapshots, state hash
//!                       │         ▲    ▲          │  ▲              │
//!                       ▼         │    └ replies ─┘  └─── Link ─────┘
//!           another server's      └── readback: first outcomes, read from the log off the writer's thread
//! ```
//!
//! [`Writer`] and [`Follower`] are step machines: time, randomness and storage are handed in, so
//! that the simulator runs what a server runs. `run` gives each its thread.

pub mod reply;

pub mod writer;

pub mod follower;
pub mod link;

pub mod ids;
pub mod snapshot;

pub mod readback;

pub mod config;
pub mod erasures;
pub mod run;

pub mod ingress;
pub mod member;
pub mod owners;
mod remembered;
pub mod result;
pub mod router;
pub mod saga;
pub mod service;

pub use config::Config;
pub use follower::{FollowError, Follower, FollowerParts, SnapshotPolicy};
pub use link::Link;
pub use owners::{Owner, Owners};
pub use remembered::remembered;
pub use reply::{Answer, Receipt, Replied, Reply, Request};
pub use router::{Arrival, Router};
pub use run::{Asked, Environment, Handle, ReplySink, RunError, Submission};
pub use writer::{Status, Writer, WriterLimits, WriterParts};

#[cfg(test)]
mod tests;
