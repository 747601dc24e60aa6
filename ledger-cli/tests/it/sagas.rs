//! Money between ledgers over a real server: done or given back, read as it was, once, through kills.

use std::time::{Duration, Instant, SystemTime};

use ledger_domain::partition::partition_of;
use ledger_proto::v1;
use prost_types::Timestamp;
use serde_json::Value;
use tonic::Code;

use crate::client::Scratch;
use crate::server::{Server, runtime};

const PATIENCE: Duration = Duration::from_secs(60);
/// Two ledgers on different partitions of eight.
const LEDGERS: [&str; 2] = ["bank", "market"];

/// Both ledgers, with 10.00 in alice's account of the bank.
fn two(server: &Server) {
    assert_ne!(partition_of(LEDGERS[0], 8), partition_of(LEDGERS[1], 8));
    for ledger in LEDGERS {
        server.json(&["ledger", "create", ledger]);
        server.json(&["asset", "create", ledger, "USD", "--scale=2"]);
        server.json(&["account", "open", ledger, "cash", "--type=asset"]);
        server.json(&["account", "open", ledger, "alice", "--type=liability"]);
        server.json(&["account", "open", ledger, "bob", "--type=liability"]);
    }
    let [debit, credit] = ["--debit=cash", "--credit=alice"];
    let funds = ["--id=fund", "--asset=USD", "--amount=10", debit, credit];
    server.json(&[&["transfer", "post", "bank"], &funds[..]].concat());
}

/// Words of a send of alice's to an account of the market.
fn send<'a>(id: &'a str, amount: &'a str, to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["saga", "send", "bank", "--debit=alice", "--asset=USD", "--to-ledger=market"];
    let named = ["--id", id, "--amount", amount, "--to-account", to];
    words.into_iter().chain(named).chain(more.iter().copied()).collect()
}

fn balance(server: &Server, ledger: &str, account: &str, flags: &[&str]) -> [String; 3] {
    let words = [&["balance", ledger, account], flags].concat();
    let read = server.json(&words);
    ["balance", "debitsPending", "creditsPending"]
        .map(|field| read["balances"][0][field].as_str().unwrap_or("none").to_owned())
}

/// The saga once it has ended.
fn ended(server: &Server, ledger: &str, id: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let read = server.json(&["saga", "get", ledger, id]);
        if read["saga"]["state"] != "SAGA_STATE_OPEN" {
            return read["saga"].clone();
        }
        assert!(Instant::now() < until, "{read}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn refused(server: &Server, words: &[&str], says: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(says), "{words:?}: {}", ran.stderr);
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn money_arrives_in_another_ledger_and_its_way_is_read_as_it_was() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    two(&server);
    let done = server.json(&send("s", "4", "bob", &["--wait", "--reference=rent"]));
    let saga = &done["saga"];
    assert_eq!(saga["state"], "SAGA_STATE_DONE");
    assert_eq!(saga["send"]["creditAccount"], "~clearing:market");
    let (sent, settled) = (saga["position"].as_str().unwrap(), saga["settledPosition"].as_str());
    assert_eq!(balance(&server, "bank", "alice", &[]), ["6.00", "0.00", "0.00"]);
    assert_eq!(balance(&server, "market", "bob", &[]), ["4.00", "0.00", "0.00"]);
    // What was on its way, and where it is kept now.
    let at_first = ["--as-of", sent];
    assert_eq!(balance(&server, "bank", "alice", &at_first), ["10.00", "4.00", "0.00"]);
    let then = server.json(&["saga", "get", "bank", "s", "--as-of", sent]);
    assert_eq!(then["saga"]["state"], "SAGA_STATE_OPEN");
    assert_eq!(balance(&server, "bank", "~clearing:market", &[]), ["-4.00", "0.00", "0.00"]);
    assert_eq!(balance(&server, "market", "~clearing:bank", &[]), ["4.00", "0.00", "0.00"]);
    let receipt = server.json(&["transfer", "get", "market", "~from:bank:s"]);
    let receipt = &receipt["transfer"];
    assert_eq!(receipt["source"], "ledgers/bank/transfers/s");
    assert_eq!(
        (&receipt["kind"], &receipt["reference"]),
        (&"TRANSFER_KIND_RECEIVE".into(), &"rent".into())
    );
    let hold = server.json(&["transfer", "get", "bank", "s"]);
    assert_eq!(hold["hold"]["status"], "HOLD_STATUS_CAPTURED");
    assert!(settled.is_some_and(|settled| !settled.is_empty()));
    // It is one thing, and nobody else's to end.
    let again = server.json(&send("s", "4", "bob", &["--reference=rent"]));
    assert_eq!(again["acknowledgement"]["replayed"], true);
    refused(&server, &send("s", "5", "bob", &["--reference=rent"]), "ID_REUSED");
    refused(&server, &send("s", "4", "alice", &["--reference=rent"]), "ID_REUSED");
    refused(&server, &["transfer", "reverse", "bank", "s"], "NOT_REVERSIBLE");
    refused(&server, &["transfer", "reverse", "bank", "~settle:s"], "NOT_REVERSIBLE");
    refused(&server, &["saga", "get", "bank", "fund"], "UNKNOWN_SAGA");
    audit_is_clean(&server);
}

#[test]
fn what_cannot_be_received_is_given_back_with_the_reason() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    two(&server);
    server.json(&["account", "freeze", "market", "bob"]);
    server.json(&["account", "open", "market", "gone", "--type=liability"]);
    server.json(&["account", "close", "market", "gone"]);
    let past = "--deadline=2026-01-01";
    refused(&server, &send("late", "1", "alice", &[past]), "DEADLINE_PASSED");
    let to = |id, ledger| {
        let words = send(id, "1", "bob", &[]).into_iter();
        let words = words.filter(|word| *word != "--to-ledger=market");
        words.chain([ledger]).collect::<Vec<_>>()
    };
    refused(&server, &to("own", "--to-ledger=bank"), "MALFORMED");
    refused(&server, &send("much", "11", "alice", &[]), "INSUFFICIENT_FUNDS");
    for (id, to, reason) in [
        ("frozen", "bob", "ACCOUNT_FROZEN"),
        ("closed", "gone", "ACCOUNT_CLOSED"),
        ("nobody", "nobody", "UNKNOWN_CREDIT_ACCOUNT"),
    ] {
        refused(&server, &send(id, "1", to, &["--wait"]), "given back");
        let saga = ended(&server, "bank", id);
        assert_eq!(saga["state"], "SAGA_STATE_COMPENSATED");
        assert_eq!(saga["refusal"]["reason"], reason);
    }
    let nowhere = [&to("nowhere", "--to-ledger=nowhere")[..], &["--wait"]].concat();
    refused(&server, &nowhere, "given back");
    assert_eq!(ended(&server, "bank", "nowhere")["refusal"]["reason"], "UNKNOWN_LEDGER");
    assert_eq!(balance(&server, "bank", "alice", &[]), ["10.00", "0.00", "0.00"]);
    audit_is_clean(&server);
}

/// Beside a fee that is posted only if the send is.
#[test]
fn a_send_is_a_transfer_of_a_batch_like_any_other() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    two(&server);
    runtime().block_on(async {
        let client = server.client().await;
        let sends = |id: &str, amount: &str| v1::Transfer {
            transfer_id: id.into(),
            kind: v1::TransferKind::Send.into(),
            debit_account: "alice".into(),
            destination: "ledgers/market/accounts/bob".into(),
            asset: "USD".into(),
            amount: amount.into(),
            linked: true,
            deadline: Some(Timestamp::from(SystemTime::now() + Duration::from_secs(600))),
            ..Default::default()
        };
        let fee = |id: &str| v1::Transfer {
            transfer_id: id.into(),
            debit_account: "alice".into(),
            credit_account: "cash".into(),
            asset: "USD".into(),
            amount: "0.50".into(),
            ..Default::default()
        };
        let capture = |id: &str| v1::Transfer {
            transfer_id: id.into(),
            kind: v1::TransferKind::Capture.into(),
            hold_id: "s-1".into(),
            ..Default::default()
        };
        let transfers =
            vec![sends("s-1", "3"), fee("f-1"), sends("s-2", "9"), fee("f-2"), capture("c")];
        let results = client.post("bank", transfers).await.unwrap();
        let said = results.into_iter().map(|result| match result.outcome.unwrap() {
            v1::transfer_result::Outcome::Acknowledgement(_) => "ok".to_owned(),
            v1::transfer_result::Outcome::Refusal(refusal) => refusal.reason,
        });
        let said: Vec<_> = said.collect();
        assert_eq!(said, ["ok", "ok", "INSUFFICIENT_FUNDS", "LINKED_FAILED", "HOLD_OF_SEND"]);
        // A step of a server's is not a client's to take.
        let step = v1::SettleStep { source: "ledgers/bank/transfers/s-1".into(), refusal: None };
        let step = v1::SagaStep { step: Some(v1::saga_step::Step::Settle(step)) };
        let request = Some(v1::command::Request::SagaStep(step));
        let result = client.commands.clone().execute(v1::Command { request }).await.unwrap();
        let Some(v1::command_result::Outcome::Refusal(refusal)) = result.into_inner().outcome
        else {
            panic!("a client's step is refused");
        };
        assert_eq!(refusal.reason, "MALFORMED");
        let unknown = v1::GetSagaRequest { name: "ledgers/bank/sagas/x".into(), consistency: None };
        let status = client.queries.clone().get_saga(unknown).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    });
    assert_eq!(ended(&server, "bank", "s-1")["state"], "SAGA_STATE_DONE");
    assert_eq!(balance(&server, "bank", "alice", &[]), ["6.50", "0.00", "0.00"]);
    audit_is_clean(&server);
}

/// The server is killed while money is on its way, again and again: all of it arrives, once.
#[test]
fn sends_come_to_their_end_through_kills() {
    let scratch = Scratch::new();
    let mut server = Server::start(&scratch.data());
    two(&server);
    for round in 0..8u64 {
        let sent = runtime().block_on(async {
            let client = server.client().await;
            let sends = (0..10).map(|n| v1::Transfer {
                transfer_id: format!("s-{round}-{n}"),
                kind: v1::TransferKind::Send.into(),
                debit_account: "alice".into(),
                destination: format!(
                    "ledgers/market/accounts/{}",
                    if n % 2 == 0 { "bob" } else { "nobody" }
                ),
                asset: "USD".into(),
                amount: "0.10".into(),
                ..Default::default()
            });
            client.post("bank", sends.collect()).await.unwrap()
        });
        assert_eq!(sent.len(), 10);
        // Somewhere on the way: each step is a sync or so.
        std::thread::sleep(Duration::from_micros(round * 700));
        server.kill();
        server = Server::start(&scratch.data());
    }
    for round in 0..8 {
        for n in 0..10 {
            let saga = ended(&server, "bank", &format!("s-{round}-{n}"));
            let due = if n % 2 == 0 { "SAGA_STATE_DONE" } else { "SAGA_STATE_COMPENSATED" };
            assert_eq!(saga["state"], due);
        }
    }
    assert_eq!(balance(&server, "bank", "alice", &[]), ["6.00", "0.00", "0.00"]);
    assert_eq!(balance(&server, "market", "bob", &[]), ["4.00", "0.00", "0.00"]);
    assert_eq!(balance(&server, "bank", "~clearing:market", &[]), ["-4.00", "0.00", "0.00"]);
    assert_eq!(balance(&server, "market", "~clearing:bank", &[]), ["4.00", "0.00", "0.00"]);
    audit_is_clean(&server);
}
