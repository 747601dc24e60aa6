//! Closed books: nothing takes effect in them, and they say up to when, now and as they were.

use serde_json::Value;

use crate::client::Scratch;
use crate::server::Server;

/// A post that takes effect at this instant.
fn post<'a>(server: &Server, effective: &'a [&'a str]) -> crate::client::Ran {
    let leg = ["--debit=cash", "--credit=alice", "--asset=USD", "--amount=1"];
    let words = ["transfer", "post", "bank"].into_iter().chain(leg);
    server.run(&words.chain(effective.iter().copied()).collect::<Vec<&str>>())
}

fn locked(server: &Server, flags: &[&str]) -> [Value; 2] {
    let words: Vec<&str> = ["ledger", "get", "bank"].iter().chain(flags).copied().collect();
    let ledger = server.json(&words)["ledger"].clone();
    ["lockedBefore", "lockedPosition"].map(|field| ledger[field].clone())
}

fn done(server: &Server, words: &[&str]) -> String {
    server.json(words)["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

#[test]
fn books_are_closed_opened_and_stay_as_they_were() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    let opened = done(&server, &["account", "open", "bank", "alice", "--type=liability"]);
    let late = ["--effective-time=2025-12-31T23:59:59Z"];
    assert_eq!(post(&server, &late).code, Some(0));
    let lock = done(&server, &["books", "lock", "bank", "--before=2026-01-01"]);
    let refused = post(&server, &late);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("BOOKS_LOCKED"), "{}", refused.stderr);
    assert!(refused.stderr.contains("effective_time"), "{}", refused.stderr);
    assert_eq!(post(&server, &["--effective-time=2026-01-01T00:00:00Z"]).code, Some(0));
    assert_eq!(post(&server, &[]).code, Some(0));
    let future = server.run(&["books", "lock", "bank", "--before=2200-01-01"]);
    assert!(
        future.code == Some(1) && future.stderr.contains("LOCK_IN_FUTURE"),
        "{}",
        future.stderr
    );

    // Also after a start from snapshot and log.
    server.stop();
    let server = Server::start(&scratch.data());
    assert_eq!(post(&server, &late).code, Some(1));
    let unlock = done(&server, &["books", "unlock", "bank"]);
    assert_eq!(post(&server, &late).code, Some(0));
    assert_eq!(locked(&server, &["--at-least", &unlock]), [Value::Null, unlock.clone().into()]);
    assert_eq!(
        locked(&server, &["--as-of", &lock]),
        ["2026-01-01T00:00:00Z", &lock].map(Value::from)
    );
    assert_eq!(locked(&server, &["--as-of", &opened]), [Value::Null, Value::Null]);
    let shown = server.run(&["ledger", "get", "bank", "--as-of", &lock]).stdout;
    assert!(shown.contains("LOCKED BEFORE") && shown.contains("2026-01-01T00:00:00Z"), "{shown}");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}
