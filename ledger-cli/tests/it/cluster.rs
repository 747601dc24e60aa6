//! A real Kafka of the test's own, by `scripts/kafka`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/kafka")
}

/// Whether Java and Kafka's jars are there, which `scripts/kafka setup` installs; without them the
/// test is loudly skipped, but not where `LEDGER_KAFKA_REQUIRED` is set, as the gate does.
pub(crate) fn kafka_is_there() -> bool {
    let missing = Command::new(script()).args(["setup", "--check"]).output().unwrap();
    if missing.status.success() {
        return true;
    }
    let skipped = format!(
        "SKIPPED: no Kafka, `scripts/kafka setup` installs it; missing:\n{}",
        String::from_utf8_lossy(&missing.stdout)
    );
    assert!(std::env::var_os("LEDGER_KAFKA_REQUIRED").is_none(), "{skipped}");
    let _ = writeln!(std::io::stderr(), "{skipped}");
    false
}

/// A cluster in a folder of its own; ended with the test.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
}

/// Brokers that a test may kill, and their addresses; none without Kafka.
pub(crate) fn brokers(count: u32, more: &str) -> Option<(Cluster, String)> {
    if !kafka_is_there() {
        return None;
    }
    let cluster = Cluster::new();
    let printed = cluster.run(format!("up --brokers {count} --port 0 {more}").trim_end());
    let address = bootstrap(&printed).to_owned();
    Some((cluster, address))
}

/// A broker that a test leaves as it is: the one that the suite started, else one of its own.
pub(crate) fn a_broker() -> Option<(Option<Cluster>, String)> {
    match std::env::var("KAFKA_BOOTSTRAP") {
        Ok(address) if !address.is_empty() => Some((None, address)),
        _ => brokers(1, "").map(|(cluster, address)| (Some(cluster), address)),
    }
}

impl Cluster {
    pub(crate) fn new() -> Cluster {
        Cluster { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("kafka")
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(script());
        command.args(arguments.split(' ')).stdin(Stdio::null());
        for name in ["KAFKA_BOOTSTRAP", "KAFKA_COMMAND_CONFIG", "KAFKA_HEAP_OPTS"] {
            command.env_remove(name);
        }
        // Without the second compiler Java starts in half the time.
        command.env("KAFKA_OPTS", "-XX:TieredStopAtLevel=1");
        if !arguments.starts_with("tool ") {
            command.arg("--dir").arg(self.dir());
        }
        command
    }

    /// Standard output of a command that succeeds.
    pub(crate) fn run(&self, arguments: &str) -> String {
        succeeded(arguments, &self.command(arguments).output().unwrap())
    }

    /// Exit code and standard output of `status`.
    pub(crate) fn status(&self) -> (Option<i32>, String) {
        let output = self.command("status").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("down").output();
    }
}

pub(crate) fn succeeded(what: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{said}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Addresses in the last line of what `up` prints.
pub(crate) fn bootstrap(printed: &str) -> &str {
    printed.lines().last().unwrap().strip_prefix("bootstrap=").unwrap()
}
