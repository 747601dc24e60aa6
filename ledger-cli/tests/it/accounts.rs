//! What may be done with an account: frozen, unfrozen, closed, with a credit limit; read now and as it was.

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

#[test]
fn a_credit_limit_is_given_used_and_taken_back() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    server.json(&["account", "open", "bank", "shop", "--type=liability"]);
    let pay = |amount: &'static str| {
        let leg = ["--asset=USD", amount, "--debit=users:alice", "--credit=shop"];
        ["transfer", "post", "bank"].into_iter().chain(leg).collect::<Vec<&str>>()
    };
    let rules = |flags: &[&'static str]| {
        let words = ["account", "set-rules", "bank", ALICE];
        words.into_iter().chain(flags.iter().copied()).collect::<Vec<&str>>()
    };
    let done = |words: &[&str]| {
        let position = server.json(words)["acknowledgement"]["position"].clone();
        position.as_str().unwrap().to_owned()
    };
    refused(&server, &pay("--amount=5.01"), "INSUFFICIENT_FUNDS");
    let given = done(&rules(&["--credit-limit=USD=10"]));
    refused(&server, &pay("--amount=15.01"), "INSUFFICIENT_FUNDS");
    let paid = done(&pay("--amount=15"));
    let ran = server.run(&rules(&["--credit-limit=USD=9.99"]));
    assert!(ran.code == Some(1) && ran.stderr.contains("BALANCE_PASSES_RULES"), "{}", ran.stderr);
    let wide = done(&rules(&["--may-go-negative"]));
    done(&pay("--amount=1000"));

    // As of each of its moments, also after a start from the log.
    server.stop();
    let server = Server::start(&scratch.data());
    let now = alice(&server, &["--at-least", &wide]);
    assert_eq!(
        (&now["rules"]["mayGoNegative"], &now["rulesPosition"]),
        (&true.into(), &wide.into())
    );
    let limited = serde_json::json!({ "creditLimits": [{ "asset": "USD", "amount": "10.00" }] });
    for at in [&given, &paid] {
        let then = alice(&server, &["--as-of", at]);
        assert_eq!((&then["rules"], &then["rulesPosition"]), (&limited, &given.clone().into()));
    }
    let opened = now["position"].as_str().unwrap();
    let then = alice(&server, &["--as-of", opened]);
    assert_eq!((&then["rules"], then.get("rulesPosition")), (&serde_json::json!({}), None));
    let shown = server.run(&["account", "get", "bank", ALICE, "--as-of", &paid]).stdout;
    assert!(shown.contains("USD=10.00"), "{shown}");
    let both = ["--may-go-negative", "--credit-limit=USD=1"];
    let words = ["account", "open", "bank", "x", "--type=asset"].into_iter().chain(both);
    assert_eq!(server.run(&words.collect::<Vec<_>>()).code, Some(2), "bound and no bound");
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}
