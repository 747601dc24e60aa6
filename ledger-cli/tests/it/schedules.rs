//! Schedules: visible before and after, run where nothing else happens, and each time once, whatever is
//! killed.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use prost_types::Timestamp;
use serde_json::Value;

use crate::client::Scratch;
use crate::holds::bank;
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// Words that make a schedule of alice's for the shop.
fn make<'a>(id: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    let words = ["schedule", "create", "bank", "--id", id, "--debit=alice", "--credit=shop"];
    words.into_iter().chain(["--asset=USD"]).chain(flags.iter().copied()).collect()
}

/// An instant so far ahead, as a flag.
fn starts_in(ahead: Duration) -> (Timestamp, String) {
    let at = Timestamp::from(SystemTime::now() + ahead);
    (at, format!("--start={at}"))
}

fn get(server: &Server, id: &str, flags: &[&str]) -> Value {
    server.json(&[&["schedule", "get", "bank", id], flags].concat())
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

/// Reads a schedule, and nothing else, until it has this status.
fn until(server: &Server, id: &str, status: &str) -> Value {
    let started = Instant::now();
    loop {
        let read = get(server, id, &[]);
        if read["schedule"]["status"] == format!("SCHEDULE_STATUS_{status}") {
            return read;
        }
        assert!(started.elapsed() < PATIENCE, "{id} does not become {status}: {read}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn a_schedule_is_seen_before_and_after_it_runs_by_itself() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let (at, start) = starts_in(Duration::from_secs(3));
    let words = make("rent", &["--amount=4", "--every=1", "--count=3", "--reference=flat", &start]);
    let made = server.json(&words);
    assert_eq!(made["name"], "ledgers/bank/schedules/rent");
    let made = made["acknowledgement"]["position"].as_str().unwrap().to_owned();
    refused(&server, &words, "SCHEDULE_EXISTS");

    let before = format!("--as-of={made}");
    let listed = server.json(&["schedule", "list", "bank", &before]);
    let listed = &listed["schedules"][0];
    assert_eq!(listed["status"], "SCHEDULE_STATUS_ACTIVE");
    assert_eq!(listed["nextTime"], at.to_string());
    assert_eq!(listed["schedule"]["amount"], "4.00");

    // No traffic but reads: the third time alice has not enough.
    let read = until(&server, "rent", "DONE");
    assert_eq!(read["schedule"]["times"], 3);
    let outcomes: Vec<&str> = read["occurrences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.get("refused").and_then(Value::as_str).unwrap_or(""))
        .collect();
    assert_eq!(outcomes, ["INSUFFICIENT_FUNDS", "", ""], "newest first");
    let first = server.json(&["transfer", "get", "bank", "~at:rent:1"]);
    assert_eq!(first["transfer"]["amount"], "4.00");
    assert_eq!(first["transfer"]["reference"], "flat");
    assert_eq!(first["transfer"]["effectiveTime"], at.to_string());
    let third = server.json(&["transfer", "get", "bank", "~at:rent:3"]);
    assert_eq!(third["refusal"]["reason"], "INSUFFICIENT_FUNDS");
    let statement = server.json(&["statement", "bank", "shop"]);
    assert_eq!(statement["entries"].as_array().unwrap().len(), 2);
    assert_eq!(statement["entries"][0]["transfer"], "ledgers/bank/transfers/~at:rent:2");

    // What it posted is an ordinary transfer.
    server.json(&["transfer", "reverse", "bank", "~at:rent:1", "--id=back"]);
    refused(&server, &["transfer", "reverse", "bank", "~at:rent:3"], "UNKNOWN_TRANSFER");
    refused(&server, &["schedule", "cancel", "bank", "rent"], "SCHEDULE_ENDED");
    // And its past stays as it was.
    let then = get(&server, "rent", &[&before]);
    assert_eq!(then["schedule"]["status"], "SCHEDULE_STATUS_ACTIVE");
    assert_eq!(then.get("occurrences"), None);
    let shown = server.run(&["schedule", "get", "bank", "rent"]).stdout;
    assert!(shown.contains("~at:rent:3") && shown.contains("done"), "{shown}");
    audit_is_clean(&server);
}

#[test]
fn each_time_runs_once_through_kills_and_those_that_were_missed_are_made_up_for() {
    let scratch = Scratch::new();
    let mut server = Server::start(&scratch.data());
    bank(&server);
    let (_, start) = starts_in(Duration::from_secs(2));
    server.json(&make("rent", &["--amount=1", "--every=1", "--count=8", &start]));
    for pause in [2_500, 300, 1_700] {
        thread::sleep(Duration::from_millis(pause));
        server.kill();
        // Some times pass while nobody runs.
        thread::sleep(Duration::from_millis(1_200));
        server = Server::start(&scratch.data());
    }
    let read = until(&server, "rent", "DONE");
    let occurrences = read["occurrences"].as_array().unwrap();
    let ids: Vec<&str> =
        occurrences.iter().rev().map(|it| it["transferId"].as_str().unwrap()).collect();
    let all: Vec<String> = (1..=8).map(|number| format!("~at:rent:{number}")).collect();
    assert_eq!(ids, all);
    let balance = server.json(&["balance", "bank", "shop"]);
    assert_eq!(balance["balances"][0]["balance"], "8.00");
    let entries = server.json(&["statement", "bank", "shop"]);
    assert_eq!(entries["entries"].as_array().unwrap().len(), 8);
    audit_is_clean(&server);
}

#[test]
fn a_cancelled_schedule_never_runs_and_bad_ones_are_refused_by_name() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let (_, start) = starts_in(Duration::from_secs(3600));
    let start = start.as_str();
    server.json(&make("monthly", &["--amount=1", "--monthly=31", start]));
    server.json(&make("weekly", &["--amount=1", "--weekly=mon,fri", start]));
    server.json(&make("yearly", &["--amount=1", "--yearly=2-29", start]));
    let cancelled = server.json(&["schedule", "cancel", "bank", "weekly"]);
    let at = cancelled["acknowledgement"]["position"].as_str().unwrap();
    let listed = server.json(&["schedule", "list", "bank", "--at-least", at]);
    let statuses: Vec<&str> = listed["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["status"].as_str().unwrap().trim_start_matches("SCHEDULE_STATUS_"))
        .collect();
    assert_eq!(statuses, ["ACTIVE", "CANCELLED", "ACTIVE"]);
    refused(&server, &["schedule", "cancel", "bank", "nothing"], "UNKNOWN_SCHEDULE");
    refused(&server, &["schedule", "get", "bank", "nothing"], "UNKNOWN_SCHEDULE");
    for (flags, reason) in [
        (&["--amount=1", "--start=2020-01-01"][..], "SCHEDULE_IN_PAST"),
        (&["--amount=0", start], "ZERO_AMOUNT"),
        (&["--amount=0.001", start], "TOO_MANY_DECIMALS"),
        (&["--amount=1", "--every=0", start], "every_seconds"),
        (&["--amount=1", "--monthly=32", start], "monthly_day"),
        (&["--amount=1", "--yearly=13-1", start], "yearly.month"),
        (&["--amount=1", "--until=2021-01-01", start], "until_time"),
        (&["--amount=1", "--weekly=mon,mon", start], "weekly.days"),
    ] {
        refused(&server, &make("bad", flags), reason);
    }
    refused(&server, &make("~bad", &["--amount=1", start]), "schedule_id");
    assert_eq!(server.run(&make("bad", &["--amount=1", "--yearly=feb", start])).code, Some(2));
    let both = ["--amount=1", "--every=5", "--monthly=1", start];
    assert_eq!(server.run(&make("bad", &both)).code, Some(2));
    audit_is_clean(&server);
}
