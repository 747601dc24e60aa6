//! Every wrong thing to ask has one specific sentence and an exit code.

use std::net::TcpListener;

use crate::client::{Scratch, ledger};
use crate::server::Server;

#[test]
fn refusals_name_the_reason_and_the_subject() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    server.json(&["account", "open", "bank", "alice", "--type=liability"]);
    let check = |words: &str, parts: &[&str]| {
        let ran = server.run(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, Some(1), "{words}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{words}: one sentence: {}", ran.stderr);
        for part in parts {
            assert!(ran.stderr.contains(part), "{words}: {part:?} is not in {}", ran.stderr);
        }
    };
    let post = "transfer post bank --asset USD --debit cash --credit alice --amount";
    check("ledger create bank", &["LEDGER_EXISTS", "bank"]);
    check("ledger create a/b", &["MALFORMED", "a/b"]);
    check("asset create bank USD --scale 3", &["ASSET_EXISTS", "USD"]);
    check("asset create nobank USD --scale 3", &["UNKNOWN_LEDGER", "nobank"]);
    check("account open bank alice --type equity", &["ACCOUNT_EXISTS", "alice"]);
    check(&format!("{post} 1.005"), &["TOO_MANY_DECIMALS", "amount"]);
    check(&format!("{post} 1,5"), &["MALFORMED_AMOUNT", "1,5"]);
    check(&format!("{post} 0"), &["ZERO_AMOUNT"]);
    check(&format!("{post} 340282366920938463463374607431768211456"), &["AMOUNT_TOO_LARGE"]);
    check(&format!("{post} 340282366920938463463374607431768211455"), &["OVERFLOW"]);
    check(
        "transfer post nobank --asset USD --debit cash --credit alice --amount 1",
        &["UNKNOWN_LEDGER", "nobank"],
    );
    check(
        "transfer post bank --asset EUR --debit cash --credit alice --amount 1",
        &["UNKNOWN_ASSET", "EUR"],
    );
    check(
        "transfer post bank --asset USD --debit nobody --credit alice --amount 1",
        &["UNKNOWN_DEBIT_ACCOUNT", "nobody"],
    );
    check(
        "transfer post bank --asset USD --debit cash --credit nobody --amount 1",
        &["UNKNOWN_CREDIT_ACCOUNT", "nobody"],
    );
    check(
        "transfer post bank --asset USD --debit alice --credit cash --amount 1",
        &["INSUFFICIENT_FUNDS", "alice", "recorded at "],
    );
    check("balance bank nobody", &["nobody"]);
    check("balance nobank alice", &["nobank"]);
    check("transfer get bank nothing", &["nothing"]);
    check("balance bank alice --as-of 0@999999999", &["999999999"]);
}

#[test]
fn wrong_flags_are_told_by_the_parser() {
    for words in [
        &["balance", "bank"][..],
        &["balance", "bank", "alice", "--as-of", "yesterday"],
        &["account", "open", "bank", "alice"],
        &["asset", "create", "bank", "USD", "--scale=31"],
        &["load", "--batch=8191"],
        &["fly"],
    ] {
        let ran = ledger(words);
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: "), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn an_absent_server_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let ran = ledger(&["ledger", "list", "--server", &url]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains(&url) && ran.stderr.contains("ledger up"), "{}", ran.stderr);
}

#[test]
fn a_server_may_be_named_by_host_and_port_alone() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let ran = ledger(&["ledger", "create", "bank", "--server", server.address()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("created ledgers/bank: position "), "{}", ran.stdout);
}

/// Over the embedded log; [`crate::kafka_lost`] has those on brokers.
#[test]
fn a_folder_whose_log_is_gone_gets_no_other_until_a_person_says_so() {
    let scratch = Scratch::new();
    let data = scratch.data();
    let server = Server::start(&data);
    server.json(&["ledger", "create", "bank"]);
    server.stop();
    let remove = |name: &str| std::fs::remove_dir_all(data.join(name)).unwrap();
    let refused = || Server::try_start(&data, &[]).expect_err("no other log takes its place");
    remove("log");
    for _ in 0..2 {
        let said = refused();
        assert!(said.contains("LOG_DIVERGED partition 0: was read from log "), "{said}");
        assert!(said.contains("NOT_A_LOG partition 0: is empty"), "{said}");
    }
    // The stores say the same without the file.
    std::fs::remove_file(data.join("SEEN")).unwrap();
    let said = refused();
    assert!(said.contains("LOG_DIVERGED partition 0: was read from log "), "{said}");
    assert!(said.contains("up to offset "), "{said}");
    for name in ["ids", "snapshots", "views"] {
        remove(name);
    }
    let server = Server::start(&data);
    server.json(&["ledger", "create", "bank"]);
    server.stop();
    Server::start(&data).stop();
}
