//! The embedded log and the life of processes: one at a time, killed under load, ended by a failed
//! write. Each test runs this binary again as a child with a part to play.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; a part speaks to the test that started it"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};

use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::{Backend, LogError, Outcome, Report};

const PART: &str = "LEDGER_LOG_TEST_PART";
const FOLDER: &str = "LEDGER_LOG_TEST_FOLDER";
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

fn options() -> EmbeddedOptions {
    EmbeddedOptions { partition_count: 1, ..EmbeddedOptions::default() }
}

fn record(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + number as usize % 60)
}

/// What a child does; in the parent it is no test of anything.
#[test]
fn child() {
    let (Ok(part), Ok(folder)) = (std::env::var(PART), std::env::var(FOLDER)) else { return };
    let mut options = options();
    if part == "outlive" {
        options.on_write_failure = Arc::new(|_| println!("\nFAILED"));
    }
    let log = Embedded::open(Path::new(&folder), options).unwrap();
    println!("\nOPEN");
    let (told, reports) = mpsc::channel();
    let mut producer = log.producer(0, Box::new(move |report| told.send(report).unwrap())).unwrap();
    let first = log.end(0).unwrap();
    for ticket in first.. {
        if let Err(error) = producer.send(ticket, record(ticket)) {
            println!("\nREFUSED {error}");
            break;
        }
        // Some are always in flight.
        while ticket - first > 20
            && let Ok(report) = reports.try_recv()
        {
            say(report);
        }
        if ticket % 50 == 49 {
            reports.recv().into_iter().for_each(say);
        }
    }
    drop(producer);
    reports.iter().for_each(say);
    println!("\nDONE");
}

fn say(report: Report) {
    match report.outcome {
        Outcome::Durable(Some(offset)) => println!("\nACK {} {offset}", report.ticket),
        other => println!("\nNO {} {other:?}", report.ticket),
    }
}

/// A child whose files may grow to this many blocks of the shell's.
fn start(part: &str, folder: &Path, file_blocks_max: Option<u32>) -> Child {
    let limit = file_blocks_max.map_or("unlimited".to_owned(), |blocks| blocks.to_string());
    Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -c 0; ulimit -f $0; exec \"$@\"", &limit])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .envs([(PART, part.as_ref()), (FOLDER, folder.as_os_str())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

/// The number that a line says was acknowledged.
fn acknowledged(line: &str) -> Option<u64> {
    let (ticket, offset) = line.strip_prefix("ACK ")?.split_once(' ')?;
    assert_eq!(ticket, offset, "the only producer's records stand where it put them");
    offset.parse().ok()
}

/// Everything is there up to at least what was acknowledged, and as it was sent.
fn check(folder: &Path, acknowledged_end: u64) -> u64 {
    let log = Embedded::open(folder, options()).unwrap();
    let end = log.end(0).unwrap();
    assert!(end >= acknowledged_end, "{end} records of {acknowledged_end} acknowledged");
    let mut next = 0;
    while next < end {
        for found in log.read(0, next, 1 << 20).unwrap() {
            assert_eq!((found.offset, found.bytes), (next, record(next)));
            next += 1;
        }
    }
    end
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start("write", dir.path(), None);
    assert!(lines(&mut child).any(|line| line == "OPEN"));
    let refused = Embedded::open(dir.path(), options()).unwrap_err();
    assert!(matches!(refused, LogError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains(&dir.path().display().to_string()), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(Embedded::open(dir.path(), options()).unwrap());
}

#[test]
fn a_killed_process_leaves_all_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    let mut end = 0;
    for round in 0..10 {
        let mut child = start("write", dir.path(), None);
        let acks = rng.usize(1..400);
        let last = lines(&mut child).filter_map(|line| acknowledged(&line)).take(acks).last();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL));
        let last = last.unwrap();
        assert!(last >= end, "round {round} went on where the last one ended");
        end = check(dir.path(), last + 1);
    }
}

#[test]
fn a_failed_write_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start("write", dir.path(), Some(600));
    let said: Vec<String> = lines(&mut child).collect();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGABRT), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("NO ")), "nothing is said after it");
    let last = said.iter().rev().find_map(|line| acknowledged(line)).unwrap();
    check(dir.path(), last + 1);
}

#[test]
fn nothing_is_acknowledged_after_a_failed_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start("outlive", dir.path(), Some(600));
    let said: Vec<String> = lines(&mut child).collect();
    assert!(child.wait().unwrap().success(), "{said:?}");
    let failed = said.iter().position(|line| line == "FAILED").unwrap();
    let unknown = said.iter().filter(|line| line.starts_with("NO ")).collect::<Vec<_>>();
    assert!(!unknown.is_empty() && unknown.iter().all(|line| line.ends_with(" Unknown")));
    let is_no = |line: &String| line.starts_with("NO ");
    let first_no = said.iter().position(is_no).unwrap();
    assert!(failed < first_no, "the process is ended before anybody hears of it");
    assert!(said[first_no..].iter().all(|line| acknowledged(line).is_none()), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("REFUSED LOG_UNAVAILABLE")), "{said:?}");
    assert!(said.contains(&"DONE".to_owned()), "every send is answered");
    let last = said.iter().rev().find_map(|line| acknowledged(line)).unwrap();
    check(dir.path(), last + 1);
}
