//! Journal entries and reversals over a real server: all or nothing, read as they were, kept through a kill.

use serde_json::Value;

use crate::client::Scratch;
use crate::holds::bank;
use crate::server::Server;

/// Records an entry; where each of its transfers is.
fn entry(server: &Server, id: &str, transfers: &[&str]) -> Vec<String> {
    positions(&server.json(&words(id, transfers)))
}

fn words<'a>(id: &'a str, transfers: &[&'a str]) -> Vec<&'a str> {
    let flags = transfers.iter().flat_map(|transfer| ["--transfer", transfer]);
    ["journal", "post", "bank", "--id", id].into_iter().chain(flags).collect()
}

fn positions(answered: &Value) -> Vec<String> {
    let results = answered["results"].as_array().unwrap().iter();
    let positions = results.map(|it| it["acknowledgement"]["position"].as_str().unwrap());
    positions.map(ToOwned::to_owned).collect()
}

fn refused(server: &Server, words: &[&str], says: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(says), "{words:?}: {}", ran.stderr);
}

fn balance(server: &Server, account: &str, flag: &str) -> String {
    let read = server.json(&["balance", "bank", account, flag]);
    read["balances"][0]["balance"].as_str().unwrap_or("none").to_owned()
}

/// Each transfer of an entry: id, amount, and what of it was reversed.
fn shown(server: &Server, id: &str, flag: &str) -> Vec<[String; 3]> {
    let read = server.json(&["journal", "get", "bank", id, flag]);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let transfers = read["transfers"].as_array().unwrap().iter();
    let parts = transfers.map(|it| {
        let transfer = &it["transfer"];
        [&transfer["transferId"], &transfer["amount"], &it["reversal"]["reversed"]].map(text)
    });
    parts.collect()
}

#[test]
fn an_entry_is_recorded_as_a_whole_and_reversed_as_a_whole() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let lacking = ["alice shop 4 USD", "alice shop 7 USD", "cash shop 1 USD"];
    refused(&server, &words("e-0", &lacking), "transfer 2 of the entry: INSUFFICIENT_FUNDS");
    refused(&server, &words("e-0", &lacking), "transfer 2 of the entry: INSUFFICIENT_FUNDS");
    refused(&server, &["journal", "get", "bank", "e-0"], "UNKNOWN_JOURNAL_ENTRY");
    let malformed = ["alice shop 4 USD", "alice alice 1 USD"];
    refused(&server, &words("e-0", &malformed), "transfer 2 of the entry: SAME_ACCOUNT");

    let posted = entry(&server, "e-1", &["alice shop 4 USD", "shop cash 0.50 USD"]);
    assert_eq!(entry(&server, "e-1", &["alice shop 4 USD", "shop cash 0.50 USD"]), posted);
    refused(&server, &words("e-1", &["alice shop 5 USD"]), "ID_REUSED");
    let longer = ["alice shop 4 USD", "shop cash 0.50 USD", "alice shop 1 USD"];
    refused(&server, &words("e-1", &longer), "transfer 3 of the entry: ENTRY_EXISTS");

    server.json(&["transfer", "reverse", "bank", "e-1.2", "--amount=0.20", "--id=r"]);
    server.kill();
    let server = Server::start(&scratch.data());
    let reversed = positions(&server.json(&["journal", "reverse", "bank", "e-1", "--id=e-2"]));
    let last = reversed.last().unwrap();
    let now = shown(&server, "e-1", &format!("--at-least={last}"));
    assert_eq!(now, [["e-1.1", "4.00", "4.00"], ["e-1.2", "0.50", "0.50"]]);
    let then = shown(&server, "e-1", &format!("--as-of={}", posted[1]));
    assert_eq!(then, [["e-1.1", "4.00", "-"], ["e-1.2", "0.50", "-"]]);
    let back = shown(&server, "e-2", &format!("--as-of={last}"));
    assert_eq!(back, [["e-2.1", "0.30", "-"], ["e-2.2", "4.00", "-"]]);
    for (account, after, before) in [("alice", "10.00", "6.00"), ("shop", "0.00", "3.50")] {
        assert_eq!(balance(&server, account, &format!("--as-of={last}")), after);
        assert_eq!(balance(&server, account, &format!("--as-of={}", posted[1])), before);
    }
    refused(&server, &["journal", "reverse", "bank", "e-1"], "is reversed already");
    refused(&server, &["transfer", "reverse", "bank", "e-1.1"], "EXCEEDS_TRANSFER");
    refused(&server, &["transfer", "reverse", "bank", "r"], "NOT_REVERSIBLE");
    refused(&server, &["transfer", "reverse", "bank", "none"], "UNKNOWN_TRANSFER");

    let read = server.json(&["transfer", "get", "bank", "e-1.2"]);
    assert_eq!(read["reversal"]["reversalIds"], serde_json::json!(["e-2.1", "r"]));
    let read = server.json(&["transfer", "get", "bank", "e-2.1"]);
    assert_eq!(read["transfer"]["reversedId"], "e-1.2");
    assert_eq!(read["transfer"]["entryId"], "e-2");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn a_dry_run_of_an_entry_and_of_a_reversal_writes_nothing() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let post = words("e-1", &["alice shop 4 USD", "shop alice 1 USD"]);
    let dry = server.run(&[&post[..], &["--validate-only"]].concat());
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert!(dry.stdout.contains("nothing was recorded"), "{}", dry.stdout);
    let reverse = ["transfer", "reverse", "bank", "fund", "--validate-only"];
    assert!(server.run(&reverse).stdout.contains("nothing was recorded"));
    refused(&server, &["journal", "get", "bank", "e-1"], "UNKNOWN_JOURNAL_ENTRY");
    let empty = server.run(&["transfer", "reverse", "bank", "fund", "--amount", ""]);
    assert_eq!(empty.code, Some(2), "an empty variable of a script reverses nothing");
    let unset = server.run(&[&post[..3], &["--id", "", "--transfer", "alice shop 4 USD"]].concat());
    assert_eq!(unset.code, Some(2), "without an id they would be no entry");
    let wrong = server.run(&["journal", "post", "bank", "--transfer", "alice shop 4"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    let read = server.json(&["balance", "bank", "alice"]);
    assert_eq!(read["balances"][0]["balance"], "10.00");
}
