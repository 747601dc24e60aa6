//! Commands and reads by hand: what is written is read, now and as it was.

use serde_json::Value;

use crate::client::Scratch;
use crate::server::Server;

/// A bank with 10.00 and then 2.50 paid in, and 1.25 paid out; the acknowledgements of the three.
fn bank(server: &Server) -> [Value; 3] {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    server.json(&["account", "open", "bank", "users:alice", "--type=liability"]);
    [
        ["t-1", "cash", "users:alice", "10.00"],
        ["t-2", "cash", "users:alice", "2.5"],
        ["t-3", "users:alice", "cash", "1.25"],
    ]
    .map(|[id, debit, credit, amount]| {
        let words = ["transfer", "post", "bank", "--asset=USD", "--id", id, "--amount", amount];
        let accounts = ["--debit", debit, "--credit", credit];
        let words: Vec<&str> = words.iter().chain(&accounts).copied().collect();
        server.json(&words)["acknowledgement"].clone()
    })
}

fn position(acknowledgement: &Value) -> &str {
    acknowledgement["position"].as_str().unwrap()
}

fn alice(server: &Server, flags: &[&str]) -> Value {
    let words = ["balance", "bank", "users:alice"];
    server.json(&words.iter().chain(flags).copied().collect::<Vec<_>>())
}

#[test]
fn a_balance_is_read_now_and_as_of_every_position_and_instant() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let [first, second, third] = bank(&server);
    let now = alice(&server, &["--at-least", position(&third)]);
    assert_eq!(now["balances"][0]["balance"], "11.25");
    assert_eq!(now["balances"][0]["debitsPosted"], "1.25");
    assert_eq!(now["balances"][0]["position"], third["position"]);
    for (at, balance) in [(&first, "10.00"), (&second, "12.50"), (&third, "11.25")] {
        let read = alice(&server, &["--as-of", position(at)]);
        assert_eq!(read["balances"][0]["balance"], balance, "{read}");
        let read = alice(&server, &["--as-of", at["recordedAt"].as_str().unwrap()]);
        assert_eq!(read["balances"][0]["balance"], balance, "{read}");
    }
    let text = server.run(&["balance", "bank", "users:alice", "--as-of", position(&second)]).stdout;
    assert!(text.starts_with("ASSET  BALANCE"), "{text}");
    assert!(text.contains("USD      12.50") && text.contains("read at "), "{text}");
}

#[test]
fn a_statement_shows_every_entry_with_the_balance_after_it_newest_first() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let [_, second, third] = bank(&server);
    let words = ["statement", "bank", "users:alice", "--at-least", position(&third)];
    let statement = server.json(&words);
    let entries = statement["entries"].as_array().unwrap();
    let column = |field: &str| entries.iter().map(|e| e[field].clone()).collect::<Vec<_>>();
    assert_eq!(column("amount"), ["1.25", "2.50", "10.00"]);
    assert_eq!(column("side"), ["SIDE_DEBIT", "SIDE_CREDIT", "SIDE_CREDIT"]);
    let balances: Vec<&Value> = entries.iter().map(|entry| &entry["balance"]["balance"]).collect();
    assert_eq!(balances, ["11.25", "12.50", "10.00"]);
    let words = ["statement", "bank", "users:alice", "--limit=1", "--as-of", position(&second)];
    let entries = server.json(&words)["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 1);
    assert_eq!(entries[0]["amount"], "2.50");
}

#[test]
fn what_is_created_is_listed_and_found() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let [first, _, third] = bank(&server);
    let at_least = ["--at-least", position(&third)];
    let read =
        |words: &[&str]| server.json(&words.iter().chain(&at_least).copied().collect::<Vec<_>>());
    assert_eq!(read(&["ledger", "get", "bank"])["ledger"]["name"], "ledgers/bank");
    assert_eq!(server.json(&["ledger", "list"])["ledgers"][0]["name"], "ledgers/bank");
    assert_eq!(read(&["asset", "list", "bank"])["assets"][0]["scale"], 2);
    let account = read(&["account", "get", "bank", "users:alice"]);
    assert_eq!(account["account"]["type"], "ACCOUNT_TYPE_LIABILITY");
    let accounts = read(&["account", "list", "bank"])["accounts"].clone();
    assert_eq!(accounts.as_array().unwrap().len(), 2, "{accounts}");
    let transfer = read(&["transfer", "get", "bank", "t-1"]);
    assert_eq!(transfer["transfer"]["amount"], "10.00");
    assert_eq!(transfer["position"], first["position"]);
}

#[test]
fn a_repeated_transfer_answers_its_first_position() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let [first, ..] = bank(&server);
    let words =
        ["transfer", "post", "bank", "--asset=USD", "--id=t-1", "--amount=10", "--debit=cash"];
    let words: Vec<&str> = words.iter().chain(&["--credit=users:alice"]).copied().collect();
    let again = server.json(&words)["acknowledgement"].clone();
    assert_eq!(again["position"], first["position"]);
    assert_eq!(again["replayed"], true);
    let other: Vec<&str> = words.iter().chain(&["--reference=other"]).copied().collect();
    let ran = server.run(&other);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("ID_REUSED") && ran.stderr.contains("reference"), "{}", ran.stderr);
}
