//! A command that is done only if nothing has changed, or only if there is enough, over a real server.

use serde_json::Value;

use crate::client::Scratch;
use crate::server::Server;

const ALICE: &str = "users:alice";

/// A bank with 10.00 in alice's account; where that is recorded.
fn bank(server: &Server) -> String {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    server.json(&["account", "open", "bank", ALICE, "--type=liability"]);
    pay(server, &["--debit=cash", "--credit=users:alice"])
}

/// Moves 10.00; where that is recorded.
fn pay(server: &Server, flags: &[&str]) -> String {
    let words = ["transfer", "post", "bank", "--asset=USD", "--amount=10"];
    let words: Vec<&str> = words.iter().chain(flags).copied().collect();
    let paid = server.json(&words);
    paid["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

/// Version of alice's account by both reads of it.
fn version(server: &Server, flag: &str) -> String {
    let read = |words: &[&str]| -> Value { server.json(words) };
    let account = read(&["account", "get", "bank", ALICE, flag]);
    let balance = read(&["balance", "bank", ALICE, flag]);
    let version = account["account"]["version"].as_str().unwrap().to_owned();
    assert_eq!(balance["version"].as_str(), Some(version.as_str()));
    version
}

#[test]
fn a_command_is_done_only_if_nothing_has_changed() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let funded = bank(&server);
    let read = version(&server, &format!("--at-least={funded}"));
    let unchanged = format!("--if-version={ALICE}={read}");

    // It is of the version that was read: this is done, and the version is another then.
    let frozen = server.json(&["account", "freeze", "bank", ALICE, &unchanged]);
    let frozen = frozen["acknowledgement"]["position"].as_str().unwrap().to_owned();
    let now = version(&server, &format!("--at-least={frozen}"));
    assert_ne!(now, read);
    assert_eq!(version(&server, &format!("--as-of={funded}")), read, "as it was then");
    let stale = ["account", "unfreeze", "bank", ALICE, &unchanged];
    refused(&server, &stale, "VERSION_MISMATCH");
    refused(&server, &stale, &format!("{ALICE} is {now}"));

    // After a start from the log, too.
    server.stop();
    let server = Server::start(&scratch.data());
    assert_eq!(version(&server, &format!("--as-of={funded}")), read);
    refused(&server, &stale, "VERSION_MISMATCH");
    let unchanged = format!("--if-version={ALICE}={now}");
    server.json(&["account", "unfreeze", "bank", ALICE, &unchanged]);
}

#[test]
fn a_transfer_is_done_only_if_there_is_enough() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let spend = ["--debit=users:alice", "--credit=cash", "--id=t-1"];
    let only_if = |figure: &str| format!("--if-balance={ALICE} USD {figure}");
    let with = |flag: &str| {
        let words = ["transfer", "post", "bank", "--asset=USD", "--amount=10"];
        let words = words.iter().chain(&spend).copied();
        words.chain([flag]).map(str::to_owned).collect::<Vec<String>>()
    };
    for (figure, reason) in [
        ("available >= 10.01", "CONDITION_FAILED"),
        ("available <= 9.99", "CONDITION_FAILED"),
        ("credits_posted = 11", "CONDITION_FAILED"),
        ("posted >= 0.001", "TOO_MANY_DECIMALS"),
    ] {
        let words = with(&only_if(figure));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        refused(&server, &words, reason);
    }
    // Its id was burnt by none of them; once done, a repetition is that, though there is nothing left.
    let enough = only_if("available >= 10.00");
    let flags: Vec<&str> = spend.iter().copied().chain([enough.as_str()]).collect();
    let done = pay(&server, &flags);
    assert_eq!(pay(&server, &flags), done);
}

#[test]
fn an_account_is_opened_only_if_there_is_none() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let open = |name: &str, flag: &str| {
        ["account", "open", "bank", name, "--type=liability", flag].map(str::to_owned)
    };
    let first = open("bob", "--if-version=bob=0");
    server.json(&first.each_ref().map(String::as_str));
    refused(&server, &first.each_ref().map(String::as_str), "VERSION_MISMATCH");
    let other = open("carol", "--if-version=dave=7");
    refused(&server, &other.each_ref().map(String::as_str), "UNKNOWN_ACCOUNT");
}
