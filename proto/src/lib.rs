//! The wire: generated code, and the only conversions between it and the domain.
//!
//! `v1` is the API of the services, `log::v1` what stands in the log. Nothing outside this crate reads
//! a wire message field by field into a domain value or back.

/// Generated: the API. Its documentation is that of the `.proto` files.
#[expect(unreachable_pub, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("ledger.v1");
}

/// Generated: the log's format.
pub mod log_v1 {
    tonic::include_proto!("ledger.log.v1");
}

/// Encoded descriptors of all files, for reflection and for canonical JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
