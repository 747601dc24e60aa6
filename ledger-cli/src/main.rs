//! The binary `ledger`: the whole server in one process, and every client command.
//!
//! Exit codes: 0 done, 1 an error (one sentence on standard error), 2 wrong flags, 3 done but with
//! findings: bad or refused lines of an import, differences found by an audit.

mod args;
mod auditor;
mod client;
mod commands;
mod folder;
mod json;
mod kafka;
mod output;
mod sim;
#[cfg(test)]
mod testing;
mod up;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(commands::run(args::Cli::parse(), Box::new(io::stdout()))).await {
        Ok(commands::Outcome::Clean) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Findings) => ExitCode::from(3),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads our output (`head`, a pager) has had enough: that is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe)
    };
    error.chain().any(io_error)
}
