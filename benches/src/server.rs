//! A server of the benchmark's own, ended with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

/// A running `ledger up`.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    /// "http://127.0.0.1:PORT".
    pub(crate) address: String,
}

impl Server {
    /// Starts one on a data folder and waits until it listens.
    pub(crate) fn start(ledger: &Path, data: &Path) -> anyhow::Result<Server> {
        Server::start_with(ledger, data, &[])
    }

    /// Starts one with further flags.
    pub(crate) fn start_with(ledger: &Path, data: &Path, flags: &[&str]) -> anyhow::Result<Server> {
        let mut process = Command::new(ledger)
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", ledger.display()))?;
        let lines = BufReader::new(process.stdout.take().context("standard output")?).lines();
        for line in lines {
            if let Some(address) = line?.trim().strip_prefix("listening grpc=") {
                let address = format!("http://{address}");
                return Ok(Server { process, address });
            }
        }
        bail!("the server ended before it listened")
    }

    /// Runs `ledger load` against it and returns its JSON.
    pub(crate) fn load(&self, ledger: &Path, flags: &[&str]) -> anyhow::Result<serde_json::Value> {
        let output = Command::new(ledger)
            .args(["load", "--json", "--server", &self.address])
            .args(flags)
            .output()?;
        if !output.status.success() {
            bail!("ledger load {flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL is what the log is made for; a clean stop would only take longer.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
