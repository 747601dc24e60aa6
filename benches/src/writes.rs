//! Durable transfers a second through gRPC, by `ledger load`.

use std::path::Path;

use crate::server::Server;

/// Each case on a server and a data folder of its own.
pub(crate) fn measure(ledger: &Path, scratch: &Path, transfers: u64) -> anyhow::Result<()> {
    let many = transfers.to_string();
    let some = (transfers / 5).to_string();
    let few = (transfers / 50).to_string();
    let cases: [(&str, &[&str]); 5] = [
        ("batches of 8,190, ordered ids", &["--batch", "8190", "--transfers", &many]),
        (
            "batches of 8,190, random ids",
            &["--batch", "8190", "--transfers", &many, "--ids", "random"],
        ),
        ("batches of 100, 8 clients", &["--batch", "100", "--clients", "8", "--transfers", &some]),
        ("single transfers, 1 client", &["--batch", "1", "--transfers", &few]),
        (
            "single transfers, 32 clients",
            &["--batch", "1", "--clients", "32", "--transfers", &some],
        ),
    ];
    for (number, (what, flags)) in cases.into_iter().enumerate() {
        let server = Server::start(ledger, &scratch.join(format!("writes-{number}")))?;
        let result = server.load(ledger, flags)?;
        let figure = |pointer: &str| result.pointer(pointer).map_or_else(String::new, text);
        crate::report(&format!(
            "| {what} | {}/s, a request p50 {} us, p99 {} us |",
            figure("/transfers_per_second"),
            figure("/latency_p50_us"),
            figure("/latency_p99_us")
        ));
    }
    Ok(())
}

fn text(value: &serde_json::Value) -> String {
    value.to_string()
}
