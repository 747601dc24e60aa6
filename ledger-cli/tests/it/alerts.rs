//! Balance alerts: raised and cleared once each time, with no traffic at all too, read as they were, and kept
//! through kills.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger_proto::v1;
use ledger_proto::v1::balance_alert_crossing::Cause;
use prost_types::Timestamp;
use serde_json::Value;
use tonic::Code;

use crate::client::Scratch;
use crate::holds::bank;
use crate::server::{Client, Server, as_of, at_least_of, runtime};

const PATIENCE: Duration = Duration::from_secs(60);
const LOW: &str = "USD available <= 4.00";

fn position(answered: &Value) -> String {
    answered["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn set(server: &Server, account: &str, id: &str, when: &str) -> String {
    position(&server.json(&["alert", "set", "bank", account, id, "--when", when]))
}

fn moved(server: &Server, verb: &str, amount: &str, flags: &[&str]) -> String {
    let amount = format!("--amount={amount}");
    let words = ["transfer", verb, "bank", "--asset=USD", &amount];
    position(&server.json(&[&words, flags].concat()))
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

/// "low raised 4.00 pay" of each crossing of alice's, newest first.
fn history(server: &Server, flags: &[&str]) -> Vec<String> {
    let read = server.json(&[&["alert", "history", "bank", "alice"], flags].concat());
    let crossings = read["crossings"].as_array().cloned().unwrap_or_default();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap_or("-").to_owned();
    let row = |it: &Value| {
        let to = if it["raised"] == true { "raised" } else { "cleared" };
        let by = match (text(it, "transferId"), text(it, "holdId")) {
            (by, none) if none == "-" => by,
            (_, hold) => format!("expiry of {hold}"),
        };
        format!("{} {to} {} {by}", text(it, "alertId"), text(it, "value"))
    };
    crossings.iter().map(row).collect()
}

/// "alice/low" of each that is raised.
fn raised(server: &Server, flags: &[&str]) -> Vec<String> {
    let read = server.json(&[&["alert", "raised", "bank"], flags].concat());
    let alerts = read["alerts"].as_array().cloned().unwrap_or_default();
    let row = |alert: &Value| {
        assert_eq!(alert["raised"], true, "{alert}");
        let name = alert["name"].as_str().unwrap().strip_prefix("ledgers/bank/accounts/").unwrap();
        name.replace("/alerts/", "/")
    };
    alerts.iter().map(row).collect()
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn an_alert_is_raised_and_cleared_once_and_read_as_it_was_also_after_a_kill() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let to_shop = ["--debit=alice", "--credit=shop"];
    let made = set(&server, "alice", "low", LOW);
    set(&server, "cash", "deep", "USD posted >= 10");
    let pay = moved(&server, "post", "6", &[&to_shop[..], &["--id=pay"]].concat());
    moved(&server, "post", "1", &[&to_shop[..], &["--id=more"]].concat());
    let back = ["--debit=shop", "--credit=alice", "--id=back"];
    let cleared = moved(&server, "post", "2", &back);
    let reverse = ["transfer", "reverse", "bank", "back", "--id=again"];
    let again = position(&server.json(&reverse));
    set(&server, "alice", "low", "USD available <= 1");
    let removed = position(&server.json(&["alert", "remove", "bank", "alice", "low"]));

    let check = |server: &Server| {
        let at_least = format!("--at-least={removed}");
        let all = [
            "low cleared 3.00 -",
            "low raised 3.00 again",
            "low cleared 5.00 back",
            "low raised 4.00 pay",
        ];
        assert_eq!(history(server, &[&at_least]), all);
        assert_eq!(history(server, &[&at_least, "--limit=1"]), all[..1]);
        let as_of = |at: &str| format!("--as-of={}", at.split('.').next().unwrap());
        assert_eq!(history(server, &[&as_of(&pay)]), all[3..]);
        assert_eq!(raised(server, &[&as_of(&made)]), [""; 0]);
        assert_eq!(raised(server, &[&as_of(&pay)]), ["cash/deep", "alice/low"]);
        assert_eq!(raised(server, &[&as_of(&cleared)]), ["cash/deep"]);
        assert_eq!(raised(server, &[&as_of(&again)]), ["cash/deep", "alice/low"]);
        assert_eq!(raised(server, &[&at_least]), ["cash/deep"]);
        // As of the transfer alone, before its crossing.
        assert_eq!(raised(server, &[&format!("--as-of={pay}")]), ["cash/deep"]);
        let then = server.json(&["alert", "get", "bank", "alice", "low", &as_of(&pay)]);
        assert_eq!(then["alert"]["when"]["amount"], "4.00");
        assert_eq!(then["alert"]["raised"], true);
        assert_eq!(then["alert"]["position"], pay.replace(".0", ".1"));
        refused(server, &["alert", "get", "bank", "alice", "low"], "UNKNOWN_ALERT");
        let listed = server.json(&["alert", "list", "bank", "alice", &as_of(&again)]);
        assert_eq!(listed["alerts"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(server.json(&["alert", "list", "bank", "alice"]).get("alerts"), None);
    };
    check(&server);
    server.kill();
    let server = Server::start(&scratch.data());
    check(&server);
    // And it goes on from there: what was raised before the kill is cleared after it.
    let out = moved(&server, "post", "1", &["--debit=alice", "--credit=cash", "--id=out"]);
    assert_eq!(raised(&server, &[&format!("--at-least={out}")]), [""; 0]);
    let shown = server.run(&["alert", "history", "bank", "alice"]).stdout;
    assert!(shown.contains("USD available <= 4.00") && shown.contains("being set"), "{shown}");
    let shown = server.run(&["alert", "list", "bank", "cash"]).stdout;
    assert!(shown.contains("USD posted >= 10.00") && shown.contains("deep"), "{shown}");
    audit_is_clean(&server);
}

#[test]
fn an_alert_is_cleared_by_a_hold_that_expires_with_no_traffic_and_after_a_kill() {
    let scratch = Scratch::new();
    let mut server = Server::start(&scratch.data());
    bank(&server);
    set(&server, "alice", "low", LOW);
    let in_a_moment =
        |seconds| Timestamp::from(SystemTime::now() + Duration::from_secs(seconds)).to_string();
    let sides = ["--debit=alice", "--credit=shop"];
    for (id, kills) in [("h", false), ("i", true)] {
        let [name, until] = [format!("--id={id}"), format!("--expire-time={}", in_a_moment(2))];
        let held = moved(&server, "hold", "7", &[&sides[..], &[&name, &until]].concat());
        let at_least = format!("--at-least={held}");
        assert_eq!(history(&server, &[&at_least])[0], format!("low raised 3.00 {id}"));
        if kills {
            server.kill();
            thread::sleep(Duration::from_millis(2_500));
            server = Server::start(&scratch.data());
        }
        let started = Instant::now();
        let cleared = format!("low cleared 10.00 expiry of {id}");
        // Reads alone.
        while history(&server, &[]).first() != Some(&cleared) {
            assert!(started.elapsed() < PATIENCE, "{:?}", history(&server, &[]));
            thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(history(&server, &[]).len(), 4);
    audit_is_clean(&server);
}

#[test]
fn what_cannot_be_watched_is_refused_by_name() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let words = |account, id, when| ["alert", "set", "bank", account, id, "--when", when];
    for (account, id, when, reason) in [
        ("nobody", "low", LOW, "UNKNOWN_ACCOUNT"),
        ("alice", "low", "EUR available <= 4", "UNKNOWN_ASSET"),
        ("alice", "low", "USD available <= 4.001", "TOO_MANY_DECIMALS"),
        ("alice", "low", "USD available <= 1e3", "when.amount"),
        ("alice", "~low", LOW, "alert_id"),
        ("~clearing:shop", "low", LOW, "parent"),
    ] {
        refused(&server, &words(account, id, when), reason);
    }
    for when in ["USD left <= 4", "USD available < 4", "alice USD available <= 4", ""] {
        assert_eq!(server.run(&words("alice", "low", when)).code, Some(2), "{when:?}");
    }
    refused(&server, &["alert", "remove", "bank", "alice", "low"], "UNKNOWN_ALERT");
    refused(&server, &["alert", "list", "bank", "nobody"], "UNKNOWN_ACCOUNT");
    refused(&server, &["alert", "history", "nowhere", "alice"], "UNKNOWN_LEDGER");
    for number in 0..16 {
        set(&server, "alice", &format!("n-{number}"), LOW);
    }
    refused(&server, &words("alice", "one-more", LOW), "TOO_MANY");
    set(&server, "alice", "n-3", "USD posted >= 100");
    server.json(&["alert", "remove", "bank", "alice", "n-4"]);
    set(&server, "alice", "one-more", LOW);
    server.json(&["account", "close", "bank", "shop"]);
    refused(&server, &words("shop", "low", LOW), "ACCOUNT_CLOSED");
    let depends = ["--if-balance", "alice USD posted >= 11"];
    let words = [&words("alice", "n-3", LOW)[..], &depends].concat();
    refused(&server, &words, "CONDITION_FAILED");
    audit_is_clean(&server);
}

fn asked(request_id: &str, amount: &str) -> v1::SetBalanceAlertRequest {
    v1::SetBalanceAlertRequest {
        parent: "ledgers/bank/accounts/alice".to_owned(),
        alert_id: "low".to_owned(),
        when: Some(v1::BalanceCondition {
            asset: "USD".to_owned(),
            figure: v1::BalanceFigure::Available.into(),
            comparison: v1::Comparison::AtMost.into(),
            amount: amount.to_owned(),
        }),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

/// All crossings of alice's alerts, in pages of this size.
async fn crossings(
    client: &Client,
    consistency: Option<v1::Consistency>,
    page_size: i32,
) -> Vec<v1::BalanceAlertCrossing> {
    let mut request = v1::ListAlertCrossingsRequest {
        parent: "ledgers/bank/accounts/alice".to_owned(),
        consistency,
        page_size,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let answer = client.queries.clone().list_alert_crossings(request.clone()).await;
        let page = answer.unwrap().into_inner();
        assert!(page.crossings.len() <= page_size.unsigned_abs() as usize);
        all.extend(page.crossings);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

#[test]
fn a_retry_is_answered_the_same_and_a_batch_crosses_for_each_of_its_transfers() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    runtime().block_on(async {
        let client = server.client().await;
        let ask = async |request| client.commands.clone().set_balance_alert(request).await;
        let dry = v1::SetBalanceAlertRequest { validate_only: true, ..asked("dry", "4") };
        let dry = ask(dry).await.unwrap().into_inner();
        assert_eq!(dry.acknowledgement.unwrap().position, "", "nothing is recorded");
        let first = ask(asked("r-1", "4")).await.unwrap().into_inner();
        assert_eq!(first.name, "ledgers/bank/accounts/alice/alerts/low");
        let first = first.acknowledgement.unwrap();
        let again = ask(asked("r-1", "4.00")).await.unwrap().into_inner();
        let again = again.acknowledgement.unwrap();
        assert!(again.replayed && again.position == first.position, "{again:?}");
        let other = ask(asked("r-1", "5")).await.unwrap_err();
        assert_eq!(other.code(), Code::AlreadyExists);
        assert!(other.message().contains("when"), "{other}");

        // Down and up again, five hundred times in a batch.
        let transfer = |number: usize| {
            let sides = ["alice", "shop"];
            v1::Transfer {
                transfer_id: format!("t-{number}"),
                debit_account: sides[number % 2].to_owned(),
                credit_account: sides[1 - number % 2].to_owned(),
                asset: "USD".to_owned(),
                amount: "6.01".to_owned(),
                ..Default::default()
            }
        };
        let results = client.post("bank", (0..1_000).map(transfer).collect()).await.unwrap();
        let last = match results.last().unwrap().outcome.clone().unwrap() {
            v1::transfer_result::Outcome::Acknowledgement(done) => done.position,
            v1::transfer_result::Outcome::Refusal(refusal) => panic!("{refusal:?}"),
        };
        let all = crossings(&client, at_least_of(&last), 1_000).await;
        assert_eq!(all.len(), 1_000);
        for (number, crossing) in all.iter().rev().enumerate() {
            assert_eq!(crossing.raised, number % 2 == 0);
            assert_eq!(crossing.value, ["3.99", "10.00"][number % 2]);
            assert_eq!(crossing.cause, Some(Cause::TransferId(format!("t-{number}"))));
        }
        assert_eq!(crossings(&client, at_least_of(&last), 7).await, all);
        // They stand behind the batch, so that all of its rows come before the first.
        assert_eq!(crossings(&client, as_of(&last), 10).await, []);
        assert_eq!(crossings(&client, as_of(&all[500].position), 90).await, all[500..]);
    });
    audit_is_clean(&server);
}
