//! Compiles the `.proto` files without protoc, and keeps their descriptors for reflection.

use std::path::PathBuf;
use std::{env, error, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = [
        "ledger/log/v1/log.proto",
        "ledger/log/v1/id.proto",
        "ledger/log/v1/metadata.proto",
        "ledger/v1/types.proto",
        "ledger/v1/condition.proto",
        "ledger/v1/metadata.proto",
        "ledger/v1/schedule.proto",
        "ledger/v1/customer.proto",
        "ledger/v1/command.proto",
        "ledger/v1/alert.proto",
        "ledger/v1/query.proto",
        "ledger/v1/audit.proto",
        "ledger/v1/topology.proto",
        "ledger/v1/feed.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // In an order, so that equal maps have equal bytes.
    tonic_prost_build::configure().btree_map(".").compile_fds(descriptors)?;
    Ok(())
}
