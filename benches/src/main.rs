//! Measures a real server of this build, on this machine, in one run: `ledger-bench --help`.
//!
//! Everything goes through gRPC over loopback to a `ledger up` of its own in a folder of its own, so
//! that a figure is what a client sees. Beside them stands what the disk does alone.

mod core;
mod disk;
mod kafka;
mod reads;
mod server;
mod writes;

use std::path::PathBuf;

use clap::Parser;

/// Measures a real server of this build, in one run.
#[derive(Debug, Parser)]
#[command(name = "ledger-bench", version)]
struct Args {
    /// Transfers in the views when reads are measured, ascending
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    reads_at: Vec<u64>,
    /// Transfers of each throughput measurement
    #[arg(long, default_value_t = 1_000_000)]
    transfers: u64,
    /// Measure only the pure steps of the write path: no server, no disk
    #[arg(long)]
    core: bool,
    /// Measure the log on this Kafka cluster, and an embedded one beside it, in turn
    #[arg(long, value_name = "HOST:PORT,...")]
    kafka: Option<String>,
    /// Accounts in the log of the server that is killed; only with --kafka
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// Folder to measure in, on the disk that matters (default: the system's temporary folder)
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The `ledger` binary (default: beside this one)
    #[arg(long)]
    ledger: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    anyhow::ensure!(args.reads_at.is_sorted(), "--reads-at {:?} does not ascend", args.reads_at);
    let ledger = match args.ledger {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("ledger"),
    };
    let scratch = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    report("| measured | result |");
    report("|---|---|");
    if let Some(bootstrap) = args.kafka {
        let on = kafka::On { ledger, bootstrap, scratch: scratch.path().to_owned() };
        return runtime.block_on(kafka::measure(&on, args.transfers, args.accounts));
    }
    core::measure()?;
    if args.core {
        return Ok(());
    }
    disk::measure(scratch.path())?;
    writes::measure(&ledger, scratch.path(), args.transfers)?;
    runtime.block_on(reads::measure(&ledger, scratch.path(), &args.reads_at))
}

/// One line of the result.
#[expect(clippy::print_stdout, reason = "the result of a benchmark goes to standard output")]
fn report(line: &str) {
    println!("{line}");
}
