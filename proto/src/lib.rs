//! The wire: generated code, and the only conversions between it and the domain.
//!
//! ```text
//!   request  ─ request.rs ─►  Command            v1::*      ◄─ answer.rs ─  Rejection, Position
//!   v1::Command  ─ command.rs ─►  any of them, as one value
//!   Command's events  ◄─ logged.rs ─►  the bytes of one command in a commit
//! ```
//!
//! `v1` is the API of the services, `log_v1` what stands in the log. Nothing outside this crate turns
//! a wire message field by field into a domain value.

mod metadata;
pub mod resource;
pub mod time;

pub mod answer;
pub mod command;
pub mod request;

pub mod hash;
pub mod logged;

mod generated;

pub use generated::{log_v1, v1};
pub use metadata::{Open, Secret, SecretOf};

/// Encoded descriptors of all files, for reflection and for canonical JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
