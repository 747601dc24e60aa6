//! Order and durability: what was appended, in which order, and what of it counts.
//!
//! ```text
//!   writer ──► Acks ──► Producer ─┐                          ┌──► Reader ──► commits that count
//!                ▲                ▼                          │
//!                └── Report ── Backend (embedded, kafka, simulated) ┘
//! ```
//!
//! A [`backend::Backend`] gives raw append, read and delivery reports. Above it stands one
//! [`fence`]: the accept rule that every reader applies, the chain, and the rule by which a writer
//! may acknowledge. So what is simulated is what runs.

pub mod record;

pub mod backend;
pub mod conformance;
pub mod embedded;
pub mod kafka;
pub mod simulated;

pub mod fence;

pub mod copy;
pub mod cursor;
pub mod log;

pub use backend::{
    Backend, ConfirmedEnd, KnownEnd, Outcome, Producer, RawRecord, Report, ReportSink,
};
pub use cursor::Cursor;
pub use fence::{AckStep, Acks, Decision, Reader, Skip};
pub use log::{LogError, LogInfo};
pub use record::{Chain, Incarnation, LogId};
