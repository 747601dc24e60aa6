//! Servers whose log is on a real Kafka.

use std::path::Path;

use ledger_domain::partition::partition_of;
use serde_json::Value;

use crate::cluster::{Cluster, a_broker, brokers};
use crate::load::{Known, check};
use crate::server::{Server, runtime};
use crate::topics::Topic;

/// A log on a cluster, of two partitions: enough to have one that nobody writes to.
pub(crate) struct Log {
    /// The brokers, where they are the test's own.
    cluster: Option<Cluster>,
    bootstrap: String,
    prefix: String,
    more: Vec<String>,
}

impl Log {
    /// On a broker that the test leaves as it is.
    pub(crate) fn somewhere(name: &str) -> Option<Log> {
        let (cluster, bootstrap) = a_broker()?;
        Some(Log::new(cluster, bootstrap, name))
    }

    /// On brokers of the test's own; three of them keep three copies of everything.
    pub(crate) fn on(count: u32, more: &str, name: &str) -> Option<Log> {
        let (cluster, bootstrap) = brokers(count, more)?;
        Some(Log::new(Some(cluster), bootstrap, name))
    }

    fn new(cluster: Option<Cluster>, bootstrap: String, name: &str) -> Log {
        // The suite's broker may be one that stays.
        let prefix = format!("{name}-{}", std::process::id());
        let mut more = vec!["--partitions=2".to_owned()];
        if bootstrap.split(',').count() < 3 {
            more.push("--allow-under-replicated".to_owned());
        }
        Log { cluster, bootstrap, prefix, more }
    }

    /// With these settings of `[kafka]`, from a file.
    pub(crate) fn with_config(mut self, file: &str) -> Log {
        self.more.push(format!("--config={file}"));
        self
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    pub(crate) fn topic(&self) -> Topic {
        Topic::of_log(&self.bootstrap, &self.prefix)
    }

    pub(crate) fn serve(&self, data: &Path) -> Server {
        self.try_serve(data).unwrap_or_else(|said| panic!("no server: {said}"))
    }

    /// A server with some of the roles.
    pub(crate) fn serve_as(&self, roles: &str, data: &Path) -> Server {
        self.serve_with(&["--roles", roles], data)
    }

    /// A server with these flags beside the others.
    pub(crate) fn serve_with(&self, more: &[&str], data: &Path) -> Server {
        Server::start_with(data, &[&self.flags(), more].concat())
    }

    pub(crate) fn try_serve(&self, data: &Path) -> Result<Server, String> {
        Server::try_start(data, &self.flags())
    }

    fn flags(&self) -> Vec<&str> {
        let mut flags = vec!["--kafka", &self.bootstrap, "--kafka-prefix", &self.prefix];
        flags.extend(self.more.iter().map(String::as_str));
        flags
    }

    /// What holds after every fault: the server keeps what was acknowledged, and one that is made anew
    /// from the log alone is in the same state.
    pub(crate) async fn holds(&self, server: Server, known: &Known, anew: &Path) {
        assert!(check(&server, known).await > 8, "the load was real");
        let hashes = state_hashes(&server);
        server.stop();
        let server = self.serve(anew);
        check(&server, known).await;
        assert_eq!(state_hashes(&server), hashes);
    }
}

/// Partition of the book "bank", and so of everything that the load posts.
pub(crate) const BANK: i32 = 1;

/// A book in the other partition.
pub(crate) fn elsewhere() -> String {
    let names = (0..).map(|number| format!("shop-{number}"));
    names.into_iter().find(|name| partition_of(name, 2) != BANK.unsigned_abs()).unwrap()
}

#[test]
fn the_book_of_the_load_is_in_its_partition() {
    assert_eq!(partition_of("bank", 2), BANK.unsigned_abs());
}

/// Hash of the state of every partition, replayed from the log by this server's audit.
pub(crate) fn state_hashes(server: &Server) -> Vec<Value> {
    reports(server).iter().map(|report| report["stateHash"].clone()).collect()
}

/// What the audit says of each partition.
pub(crate) fn reports(server: &Server) -> Vec<Value> {
    let replay = server.json(&["audit", "replay"]);
    replay["reports"].as_array().unwrap().clone()
}

/// Runs a test with a log, where there is a Kafka.
pub(crate) fn with(log: Option<Log>, test: impl AsyncFnOnce(Log)) {
    if let Some(log) = log {
        runtime().block_on(test(log));
    }
}
