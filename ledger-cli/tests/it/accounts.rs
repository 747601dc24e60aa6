//! What may be done with an account: frozen, unfrozen, closed; read now and as it was.

use serde_json::Value;

use crate::client::Scratch;
use crate::server::Server;

const ALICE: &str = "users:alice";

/// A bank with 5.00 in alice's account.
fn bank(server: &Server) {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    server.json(&["account", "open", "bank", ALICE, "--type=liability"]);
    let [debit, credit] = ["--debit=cash", "--credit=users:alice"];
    server.json(&["transfer", "post", "bank", "--asset=USD", "--amount=5", debit, credit]);
}

/// Asks for a change; where it is recorded.
fn change(server: &Server, verb: &str) -> String {
    let changed = server.json(&["account", verb, "bank", ALICE]);
    changed["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason) && ran.stderr.contains(ALICE), "{words:?}: {}", ran.stderr);
}

fn alice(server: &Server, flags: &[&str]) -> Value {
    let words: Vec<&str> = ["account", "get", "bank", ALICE].iter().chain(flags).copied().collect();
    server.json(&words)["account"].clone()
}

#[test]
fn an_account_is_frozen_and_closed_and_its_past_stays_as_it_was() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let out = ["transfer", "post", "bank", "--asset=USD", "--amount=5", "--debit=users:alice"];
    let out: Vec<&str> = out.iter().copied().chain(["--credit=cash"]).collect();

    refused(&server, &["account", "unfreeze", "bank", ALICE], "ACCOUNT_NOT_FROZEN");
    let frozen = change(&server, "freeze");
    refused(&server, &out, "ACCOUNT_FROZEN");
    let now = alice(&server, &["--at-least", &frozen]);
    assert_eq!(now["status"], "ACCOUNT_STATUS_FROZEN");
    assert_eq!(now["statusPosition"], frozen);

    let unfrozen = change(&server, "unfreeze");
    refused(&server, &["account", "close", "bank", ALICE], "ACCOUNT_NOT_EMPTY");
    server.json(&out);
    let closed = change(&server, "close");
    refused(&server, &out, "ACCOUNT_CLOSED");
    refused(&server, &["account", "freeze", "bank", ALICE], "ACCOUNT_CLOSED");

    // As of each of its moments, also after a start from the log.
    server.stop();
    let server = Server::start(&scratch.data());
    let opened = alice(&server, &["--at-least", &closed])["position"].as_str().unwrap().to_owned();
    for (at, status) in [
        (&opened, "ACCOUNT_STATUS_OPEN"),
        (&frozen, "ACCOUNT_STATUS_FROZEN"),
        (&unfrozen, "ACCOUNT_STATUS_OPEN"),
        (&closed, "ACCOUNT_STATUS_CLOSED"),
    ] {
        assert_eq!(alice(&server, &["--as-of", at])["status"], status, "at {at}");
    }
    let listed = server.run(&["account", "list", "bank"]).stdout;
    assert!(listed.contains("STATUS") && listed.contains("closed"), "{listed}");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}
