//! The real binary, driven from outside: `ledger up` on a folder of the test's own.

mod server;

mod crash;
mod refusals;
