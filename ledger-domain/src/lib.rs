//! Every business rule of the ledger, pure: no clock, no randomness, no I/O.
//!
//! ```text
//!  Command ──► decide(&State, &Command, Known, now) ──► Decision { events, outcome }
//!                                                           │
//!  State   ◄── apply(&mut State, &Event, recorded_at) ◄─────┤
//!                                                           │
//!  the time ──► decide_due(&State, now, max) ───────────────┘
//! ```
//!
//! The writer, the follower, the audit and the simulator all run this same code, so what is replayed
//! is what happened. `decide` may refuse; `apply` cannot fail.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

pub mod amount;
pub mod limits;
pub mod metadata;
pub mod name;
pub mod partition;
pub mod position;

pub mod alert;
pub mod command;
pub mod condition;
pub mod customer;
pub mod event;
pub mod rejection;
pub mod rules;
pub mod schedule;
pub mod send;
pub mod state;

mod apply;
mod calendar;
mod decide;
mod feed;
mod index;
pub mod invariants;

pub use alert::{Alert, AlertRule, Cause, Crossing, SignedMinor};
pub use amount::{AmountError, Decimal};
pub use apply::apply;
pub use command::{
    AccountChange, AccountStatus, AccountType, Command, CommandBody, Leg, Link, Movement,
    Timestamp, Transfer, TransferKind,
};
pub use condition::{
    BalanceCondition, BalanceFigure, Comparison, Condition, Predicate, SignedDecimal,
};
pub use customer::{AskedAccount, Customer, CustomerHandle, NewAccount, Profile, Sealed};
pub use decide::{
    Decision, ItemOutcome, Known, Original, Outcome, Posted, Prior, Seen, crossings, decide,
    decide_due,
};
pub use event::{
    AcceptedTransfer, Capture, Effect, Event, RefusedTransfer, Reversal, TransferBatch,
};
pub use metadata::{
    Metadata, MetadataChange, MetadataOf, MetadataTarget, MetadataUpdate, MetadataValue,
};
pub use name::{AccountName, AssetCode, CustomerName, Id, LedgerName, MetadataKey, NameError};
pub use position::{Position, PositionError};
pub use rejection::{Code, Rejection};
pub use rules::{AccountRules, AskedRules};
pub use schedule::{Plan, Schedule, When};
pub use send::{Destination, Origin, Outgoing, Settlement};
pub use state::{
    Account, AccountHandle, Asset, AssetHandle, Balance, Hold, Ledger, LedgerHandle, Side, State,
    Step,
};

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that overflows or misses an index fails, as it should"
)]
mod tests;
