//! Holds over a real server: captured, voided, and expired with nobody asking.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Scratch;
use crate::server::Server;

/// Patience for what is due within two seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bank with 10.00 in alice's account.
fn bank(server: &Server) {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    server.json(&["account", "open", "bank", "alice", "--type=liability"]);
    server.json(&["account", "open", "bank", "shop", "--type=liability"]);
    move_as(server, "post", "fund", "10", &["--debit=cash", "--credit=alice"]);
}

/// Where it is recorded.
fn move_as(server: &Server, verb: &str, id: &str, amount: &str, flags: &[&str]) -> String {
    let (id, amount) = (format!("--id={id}"), format!("--amount={amount}"));
    let words = ["transfer", verb, "bank", "--asset=USD", &id, &amount];
    let words: Vec<&str> = words.iter().chain(flags).copied().collect();
    position(&server.json(&words))
}

fn hold(server: &Server, id: &str, amount: &str, flags: &[&str]) -> String {
    let sides = ["--debit=alice", "--credit=shop"];
    let flags: Vec<&str> = sides.iter().chain(flags).copied().collect();
    move_as(server, "hold", id, amount, &flags)
}

fn position(answer: &Value) -> String {
    answer["acknowledgement"]["position"].as_str().unwrap_or_default().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

/// Status, captured, remaining and given back.
fn state(server: &Server, id: &str, flags: &[&str]) -> String {
    let words: Vec<&str> = ["transfer", "get", "bank", id].iter().chain(flags).copied().collect();
    let answer = server.json(&words);
    let part = |name: &str| answer["hold"][name].as_str().unwrap_or_default().to_owned();
    let parts = ["status", "captured", "remaining", "released"].map(part);
    parts.join(" ").replace("HOLD_STATUS_", "")
}

/// Waits until a hold has expired, without asking for anything but that.
fn await_expiry(server: &Server, id: &str, expected: &str) {
    let begun = Instant::now();
    loop {
        let found = state(server, id, &[]);
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{id} is still {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn in_seconds(seconds: u64) -> String {
    let at = std::time::SystemTime::now() + Duration::from_secs(seconds);
    format!("--expire-time={}", prost_types::Timestamp::from(at))
}

#[test]
fn what_is_held_is_captured_in_parts_or_given_back_once() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let held = hold(&server, "h", "7", &[]);
    let post = ["transfer", "post", "bank", "--asset=USD", "--debit=alice", "--credit=shop"];
    let post = |amount| post.iter().copied().chain([amount]).collect::<Vec<_>>();
    refused(&server, &post("--amount=3.01"), "INSUFFICIENT_FUNDS");

    let dry = ["transfer", "capture", "bank", "h", "--amount=2.50", "--id=c", "--validate-only"];
    assert_eq!(position(&server.json(&dry)), "");
    let capture = ["transfer", "capture", "bank", "h", "--amount=2.50", "--id=c"];
    let captured = position(&server.json(&capture));
    let again = server.json(&capture);
    assert_eq!(
        (position(&again), &again["acknowledgement"]["replayed"]),
        (captured.clone(), &Value::Bool(true))
    );
    let other = ["transfer", "capture", "bank", "h", "--amount=2.51", "--id=c"];
    refused(&server, &other, "ID_REUSED");
    refused(&server, &other, "amount");
    refused(&server, &["transfer", "capture", "bank", "h", "--amount=4.51"], "EXCEEDS_HOLD");
    let voided = position(&server.json(&["transfer", "void", "bank", "h"]));
    refused(&server, &["transfer", "void", "bank", "h"], "HOLD_NOT_OPEN");
    refused(&server, &["transfer", "capture", "bank", "h"], "HOLD_NOT_OPEN");

    let too_much = ["--id=big", "--debit=alice", "--credit=shop", "--amount=100", "--asset=USD"];
    let too_much: Vec<&str> = ["transfer", "hold", "bank"].into_iter().chain(too_much).collect();
    refused(&server, &too_much, "INSUFFICIENT_FUNDS");
    refused(&server, &["transfer", "capture", "bank", "big"], "HOLD_NOT_OPEN");
    let drained =
        move_as(&server, "post", "rest", "500", &["--debit=alice", "--credit=shop", "--up-to"]);

    let check = |server: &Server| {
        let as_of = |at: &str| state(server, "h", &["--as-of", at]);
        assert_eq!(state(server, "h", &["--at-least", &drained]), "VOIDED 2.50 0.00 4.50");
        assert_eq!(as_of(&held), "OPEN 0.00 7.00 0.00");
        assert_eq!(as_of(&captured), "OPEN 2.50 4.50 0.00");
        assert_eq!(as_of(&voided), "VOIDED 2.50 0.00 4.50");
        let rest = server.json(&["transfer", "get", "bank", "rest"])["transfer"].clone();
        assert_eq!((&rest["amount"], &rest["askedAmount"]), (&"7.50".into(), &"500.00".into()));
        let audit = server.run(&["audit", "replay"]);
        assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
    };
    check(&server);
    let shown = server.run(&["transfer", "get", "bank", "h"]).stdout;
    assert!(shown.contains("hold voided since"), "{shown}");
    let statement = server.run(&["statement", "bank", "alice"]).stdout;
    for kind in ["post", "hold", "capture", "void"] {
        assert!(statement.contains(kind), "{kind}: {statement}");
    }
    server.stop();
    check(&Server::start(&scratch.data()));
}

#[test]
fn a_hold_expires_with_nobody_asking_and_after_a_kill() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    hold(&server, "soon", "4", &[&in_seconds(2)]);
    server.json(&["transfer", "capture", "bank", "soon", "--amount=1"]);
    await_expiry(&server, "soon", "EXPIRED 1.00 0.00 3.00");
    refused(&server, &["transfer", "capture", "bank", "soon"], "HOLD_NOT_OPEN");

    // Its time passes while nobody runs.
    hold(&server, "later", "5", &[&in_seconds(1)]);
    hold(&server, "kept", "2", &[]);
    server.kill();
    std::thread::sleep(Duration::from_secs(1));
    let server = Server::start(&scratch.data());
    await_expiry(&server, "later", "EXPIRED 0.00 0.00 5.00");
    assert_eq!(state(&server, "kept", &[]), "OPEN 0.00 2.00 0.00");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}
