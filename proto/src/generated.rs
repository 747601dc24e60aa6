//! Generated code. Its documentation is that of the `.proto` files.
#![expect(
    clippy::allow_attributes,
    clippy::large_enum_variant,
    clippy::too_many_lines,
    reason = "generated code"
)]

/// The API of the services.
pub mod v1 {
    tonic::include_proto!("ledger.v1");
}

/// What stands in the log.
pub mod log_v1 {
    tonic::include_proto!("ledger.log.v1");
}
