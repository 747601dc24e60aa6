//! What a test runs over the embedded log, and over a socket.

use std::path::Path;

use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::{LogId, log};
use tonic::transport::server::Router;

use crate::run::Environment;

/// A log of this many partitions, and everything else, in a folder.
pub(crate) fn environment(folder: &Path, partition_count: u32) -> Environment {
    let options = EmbeddedOptions { partition_count, ..EmbeddedOptions::default() };
    let backend = Embedded::open(&folder.join("log"), options).unwrap();
    Environment {
        log: log::open(&*backend, LogId([5; 16])).unwrap(),
        backend,
        folder: folder.to_owned(),
        clock: ledger_runtime::clock::now,
        entropy: ledger_runtime::random::bytes_16,
    }
}

/// Serves until the test ends; where.
#[expect(clippy::disallowed_methods, reason = "a server of a test")]
pub(crate) async fn serve(services: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(services.serve_with_incoming(incoming));
    address
}
