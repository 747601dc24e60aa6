//! The real binary, driven from outside: `ledger up` on a folder of the test's own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod cluster;
mod load;
mod on_kafka;
mod sagas;
mod server;
mod topics;
#[path = "../../examples/cut/wire.rs"]
mod wire;

mod bank;
mod books;
mod command_lines;
mod commands_topic;
mod conditions;
mod crash;
mod customers;
mod refusals;

mod accounts;
mod alerts;
mod audits;
mod broker;
mod demos;
mod errors;
mod feed;
mod forever;
mod full_disk;
mod groups;
mod grpcurl;
mod holds;
mod imports;
mod kafka_brokers;
mod kafka_lost;
mod kafka_owners;
mod kafka_parts;
mod kafka_sagas;
mod kafka_servers;
mod kafka_strangers;
mod kills;
mod metadata;
mod open_holds;
mod reads;
mod replicas;
mod schedules;
mod sealed;
