//! The doors to the outside: clock, threads, randomness, configuration, telemetry, shutdown, health.
//!
//! Everything that decides is handed these, so that a simulator can hand in others.

pub mod clock;
pub mod random;
pub mod spawn;

pub mod config;
pub mod deadline;
pub mod health;
pub mod shutdown;
pub mod telemetry;
