//! Answers from views: now, at least as new as a position, or as of any position or instant.
//!
//! ```text
//!  gRPC ──► LedgerQuery (waits) ──► Query (fixes a position) ──► ViewReader ──► one state
//!                 ▲                       │
//!                 └────── Behind ─────────┘
//! ```
//!
//! Every answer states the position that it reflects: it shows all up to there and nothing later
//! (QY-1). The core never waits; what is not there yet is `Behind`, and the service waits for it as
//! long as the request's deadline allows.

mod error;
mod filter;
mod level;
mod token;

pub mod query;

pub mod service;

pub use error::QueryError;
pub use level::Level;
pub use query::Query;
pub use service::LedgerQuery;

#[cfg(test)]
mod tests;
