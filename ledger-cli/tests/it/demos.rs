//! `scripts/demo-*`, each with a small load: they end with their verdict, and leave nothing behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::Ran;
use crate::cluster::kafka_is_there;
use crate::server::LEDGER;

/// Runs one to its verdict.
fn demo(name: &str) {
    if !kafka_is_there() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
    let mut command = Command::new(script);
    // Cargo builds the wire of demo-cut beside the tests, as it does all examples.
    let wire = Path::new(LEDGER).parent().unwrap().join("examples/cut");
    command.args(["--transfers", "2000"]).env("TMPDIR", scratch.path()).stdin(Stdio::null());
    command.env("LEDGER_BINARY", LEDGER).env("LEDGER_CUT", wire);
    // Without the second compiler Java starts in half the time.
    command.env("KAFKA_OPTS", "-XX:TieredStopAtLevel=1");
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("==> PASSED: "), "{name}: {}", ran.stderr);
    let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{name} leaves {left:?}");
}

macro_rules! demos {
    ($($test:ident $name:literal),* $(,)?) => {
        const NAMES: &[&str] = &[$($name),*];
        $(#[test] fn $test() { demo($name); })*
    };
}

demos! {
    the_server_is_killed "demo-kill-server",
    the_server_is_paused "demo-pause-server",
    a_broker_is_killed "demo-kill-broker",
    the_network_is_cut "demo-cut",
    two_servers_share_a_log "demo-two-servers",
    somebody_else_writes "demo-foreign-records",
    the_log_is_lost "demo-lost-log",
    a_handover_is_planned "demo-handover",
    a_cluster_loses_a_server_and_a_broker "demo-cluster",
}

#[test]
fn every_demo_is_run() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let names = fs::read_dir(scripts).unwrap().map(|entry| entry.unwrap().file_name());
    let mut demos: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    demos.retain(|name| name.starts_with("demo-"));
    demos.sort();
    let mut run = NAMES.to_vec();
    run.sort_unstable();
    assert_eq!(demos, run);
}
