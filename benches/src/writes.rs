//! Durable transfers a second through gRPC, by `ledger load`.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;

use crate::server::Server;

/// A load: what it is called, and the flags of `ledger load`.
pub(crate) type Case = (&'static str, Vec<String>);

/// The loads, of so many transfers; fewer where clients send small requests.
pub(crate) fn cases(transfers: u64) -> Vec<Case> {
    let case = |what, flags: &str, count: u64| {
        let flags = format!("{flags} --transfers {count}");
        (what, flags.split(' ').map(str::to_owned).collect())
    };
    vec![
        case("batches of 8,190, ordered ids", "--batch 8190", transfers),
        case("batches of 8,190, random ids", "--batch 8190 --ids random", transfers),
        case("batches of 100, 8 clients", "--batch 100 --clients 8", transfers / 5),
        case("single transfers, 1 client", "--batch 1", transfers / 50),
        case("single transfers, 32 clients", "--batch 1 --clients 32", transfers / 5),
    ]
}

/// Each case on a server and a data folder of its own.
pub(crate) fn measure(ledger: &Path, scratch: &Path, transfers: u64) -> anyhow::Result<()> {
    for (number, (what, flags)) in cases(transfers).into_iter().enumerate() {
        let server = Server::start(ledger, &scratch.join(format!("writes-{number}")))?;
        let result = Loaded::by(&server, ledger, &flags)?;
        crate::report(&format!("| {what} | {result} |"));
    }
    Ok(())
}

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Loaded {
    pub(crate) fn by(server: &Server, ledger: &Path, flags: &[String]) -> anyhow::Result<Loaded> {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let result = server.load(ledger, &flags)?;
        let figure = |name: &str| {
            result[name].as_f64().with_context(|| format!("ledger load says no {name}"))
        };
        Ok(Loaded {
            per_second: figure("transfers_per_second")?,
            p50_us: figure("latency_p50_us")?,
            p99_us: figure("latency_p99_us")?,
        })
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loaded { per_second, p50_us, p99_us } = self;
        write!(f, "{per_second:.0}/s, a request p50 {p50_us:.0} us, p99 {p99_us:.0} us")
    }
}
