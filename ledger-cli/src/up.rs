//! `ledger up`: all services in one process.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Flags of `ledger up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Folder of the log, the stores and the snapshots; made when it is not there
    #[arg(long, value_name = "DIR", default_value = "ledger-data")]
    pub(crate) data: PathBuf,
    /// Address of the gRPC services
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let UpArgs { data, listen } = args;
    anyhow::bail!("`ledger up` cannot serve {} at {listen} in this build", data.display())
}
