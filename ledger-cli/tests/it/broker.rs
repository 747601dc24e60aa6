//! `scripts/kafka`: a real broker, killed and started again.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/kafka")
}

/// Whether Java and Kafka's jars are there, which `scripts/kafka setup` installs; without them the
/// test is loudly skipped, but not where `LEDGER_KAFKA_REQUIRED` is set, as the gate does.
fn kafka_is_there() -> bool {
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
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Cluster {
        Cluster { folder: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("kafka")
    }

    fn command(&self, arguments: &str) -> Command {
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
    fn run(&self, arguments: &str) -> String {
        succeeded(arguments, &self.command(arguments).output().unwrap())
    }

    /// Exit code and standard output of `status`.
    fn status(&self) -> (Option<i32>, String) {
        let output = self.command("status").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("down").output();
    }
}

fn succeeded(what: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{said}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Addresses in the last line of what `up` prints.
fn bootstrap(printed: &str) -> &str {
    printed.lines().last().unwrap().strip_prefix("bootstrap=").unwrap()
}

#[test]
fn a_killed_broker_comes_back_with_its_data() {
    if !kafka_is_there() {
        return;
    }
    let cluster = Cluster::new();
    let printed = cluster.run("up --brokers 1 --port 0");
    let address = bootstrap(&printed);
    let before = cluster.status();
    assert_eq!(before.0, Some(0), "{}", before.1);
    assert_eq!(cluster.run("up"), printed, "up again changes nothing");
    assert_eq!(cluster.status(), before);

    let server = format!("--bootstrap-server {address}");
    cluster.run(&format!("tool topics {server} --create --topic events"));
    let mut producer = cluster
        .command(&format!("tool console-producer {server} --topic events"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    producer.stdin.take().unwrap().write_all(b"first\nsecond\nthird\n").unwrap();
    assert!(producer.wait().unwrap().success());

    cluster.run("kill 1");
    let (code, said) = cluster.status();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("down"), "{said}");
    cluster.run("start 1");
    let kept = cluster.run(&format!(
        "tool console-consumer {server} --topic events --from-beginning --max-messages 3 \
         --timeout-ms 20000"
    ));
    assert_eq!(kept, "first\nsecond\nthird\n");

    let given = cluster.command("up").env("KAFKA_BOOTSTRAP", address).output().unwrap();
    assert_eq!(succeeded("up with KAFKA_BOOTSTRAP", &given), printed);
    let refused = cluster.command("kill 1").env("KAFKA_BOOTSTRAP", address).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));

    // Another program that has the broker's folder in its command line is none of ours to end.
    let properties = cluster.dir().join("node-1/server.properties");
    let mut reader =
        Command::new("tail").arg("-f").arg(properties).stdout(Stdio::null()).spawn().unwrap();
    cluster.run("down --wipe");
    assert!(reader.try_wait().unwrap().is_none(), "down has ended another program");
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert!(TcpStream::connect(address).is_err(), "{address} is still served");
    assert!(!cluster.dir().exists(), "wiped");
}
