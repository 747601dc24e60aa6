//! Holds: captured in parts, voided, expired where nothing else happens, read as they were, and kept
//! through kills.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger_proto::v1::transfer_result::Outcome;
use ledger_proto::{answer, v1};
use prost_types::Timestamp;
use serde_json::Value;
use tonic::Code;

use crate::client::Scratch;
use crate::server::{Client, Server, runtime};

const PATIENCE: Duration = Duration::from_secs(60);
const MOVES: [&str; 3] = ["--debit=alice", "--credit=shop", "--asset=USD"];

/// A bank with 10.00 in alice's account, by the transfer "fund".
pub(crate) fn bank(server: &Server) {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    server.json(&["account", "open", "bank", "cash", "--type=asset"]);
    server.json(&["account", "open", "bank", "alice", "--type=liability"]);
    server.json(&["account", "open", "bank", "shop", "--type=liability"]);
    let [debit, credit] = ["--debit=cash", "--credit=alice"];
    let funds = ["--id=fund", "--asset=USD", "--amount=10", debit, credit];
    server.json(&[&["transfer", "post", "bank"], &funds[..]].concat());
}

/// Words of a post or a hold of alice's.
fn leg<'a>(verb: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    ["transfer", verb, "bank"].iter().chain(&MOVES).chain(flags).copied().collect()
}

/// Words about a hold.
fn about<'a>(verb: &'a str, hold: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    ["transfer", verb, "bank", hold].iter().chain(flags).copied().collect()
}

/// Does it; where it is recorded.
fn done(server: &Server, words: &[&str]) -> String {
    let answered = server.json(words);
    assert_eq!(answered["acknowledgement"].get("replayed"), None, "{words:?} was done before");
    answered["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

/// Does it once more; where it was recorded at first.
fn replayed(server: &Server, words: &[&str]) -> String {
    let answered = server.json(words);
    assert_eq!(answered["acknowledgement"]["replayed"], true, "{words:?}");
    answered["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

fn refused(server: &Server, words: &[&str], reason: &str, subject: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    let said = &ran.stderr;
    assert!(said.contains(reason) && said.contains(subject), "{words:?}: {said}");
}

/// Balance, pending debits and pending credits of an account.
fn balance(server: &Server, account: &str, flag: &str) -> [String; 3] {
    let read = server.json(&["balance", "bank", account, flag]);
    ["balance", "debitsPending", "creditsPending"]
        .map(|field| read["balances"][0][field].as_str().unwrap().to_owned())
}

/// Status, and what was captured, remains and was released of a hold.
fn state(read: &Value) -> [&str; 4] {
    let hold = &read["hold"];
    ["status", "captured", "remaining", "released"].map(|field| hold[field].as_str().unwrap())
}

fn hold_at(server: &Server, hold: &str, flag: &str) -> Value {
    server.json(&about("get", hold, &[flag]))
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// An instant so far ahead, as a flag.
fn expires_in(ahead: Duration) -> (Timestamp, String) {
    let at = Timestamp::from(SystemTime::now() + ahead);
    (at, format!("--expire-time={at}"))
}

#[test]
fn a_hold_is_captured_in_parts_and_its_past_stays_as_it_was() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let held = done(&server, &leg("hold", &["--id=h", "--amount=7", "--reference=hotel"]));
    refused(&server, &leg("post", &["--amount=3.01"]), "INSUFFICIENT_FUNDS", "alice");
    refused(&server, &leg("hold", &["--amount=3.01"]), "INSUFFICIENT_FUNDS", "alice");

    let part = about("capture", "h", &["--id=c-1", "--amount=2.50"]);
    let captured = done(&server, &part);
    refused(&server, &about("capture", "h", &["--amount=4.51"]), "EXCEEDS_HOLD", "amount");
    assert_eq!(replayed(&server, &part), captured);
    let rest = about("capture", "h", &["--id=c-2"]);
    let ended = done(&server, &rest);
    assert_eq!(replayed(&server, &rest), ended);
    // Also where the amount is what was left: that was not asked for.
    let other = [["--id=c-1", "--amount=2.51"], ["--id=c-2", "--amount=4.50"]];
    for flags in other {
        refused(&server, &about("capture", "h", &flags), "ID_REUSED", "amount");
    }
    refused(&server, &about("capture", "h", &["--id=c-1"]), "ID_REUSED", "amount");
    refused(&server, &about("void", "h", &["--id=c-2"]), "ID_REUSED", "kind");
    refused(&server, &about("void", "h", &[]), "HOLD_NOT_OPEN", "h");

    // As of each of its moments, also after a start.
    server.stop();
    let server = Server::start(&scratch.data());
    balance(&server, "alice", &format!("--at-least={ended}"));
    for (at, expected, alice, shop) in [
        (&held, ["HOLD_STATUS_OPEN", "0.00", "7.00", "0.00"], ["10.00", "7.00"], ["0.00", "7.00"]),
        (
            &captured,
            ["HOLD_STATUS_OPEN", "2.50", "4.50", "0.00"],
            ["7.50", "4.50"],
            ["2.50", "4.50"],
        ),
        (
            &ended,
            ["HOLD_STATUS_CAPTURED", "7.00", "0.00", "0.00"],
            ["3.00", "0.00"],
            ["7.00", "0.00"],
        ),
    ] {
        let flag = format!("--as-of={at}");
        let read = hold_at(&server, "h", &flag);
        assert_eq!(state(&read), expected, "at {at}");
        assert_eq!(&read["hold"]["position"], at);
        let [posted, debits, credits] = balance(&server, "alice", &flag);
        assert_eq!([posted.as_str(), &debits, &credits], [alice[0], alice[1], "0.00"], "at {at}");
        let [posted, debits, credits] = balance(&server, "shop", &flag);
        assert_eq!([posted.as_str(), &debits, &credits], [shop[0], "0.00", shop[1]], "at {at}");
    }
    assert_eq!(replayed(&server, &part), captured);
    for flags in other {
        refused(&server, &about("capture", "h", &flags), "ID_REUSED", "amount");
    }
    audit_is_clean(&server);
}

#[test]
fn a_void_gives_back_once_and_people_read_what_happened() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let ran = server.run(&leg("hold", &["--id=h", "--amount=7"]));
    assert!(ran.stdout.starts_with("held ledgers/bank/transfers/h: position "), "{}", ran.stdout);
    let ran = server.run(&about("capture", "h", &["--id=c", "--amount=2"]));
    assert!(ran.stdout.starts_with("captured ledgers/bank/transfers/c: "), "{}", ran.stdout);
    // What was promised is kept, whatever becomes of the account.
    server.json(&["account", "freeze", "bank", "alice"]);
    let ran = server.run(&about("void", "h", &["--id=v"]));
    assert!(ran.stdout.starts_with("voided ledgers/bank/transfers/v: "), "{}", ran.stdout);
    server.json(&["account", "unfreeze", "bank", "alice"]);
    refused(&server, &about("void", "h", &[]), "HOLD_NOT_OPEN", "h");
    // An empty variable of a script's is not all that is left.
    assert_eq!(server.run(&about("capture", "h", &["--amount", ""])).code, Some(2));

    // A hold that was refused is none.
    refused(&server, &leg("hold", &["--id=i", "--amount=8.01"]), "INSUFFICIENT_FUNDS", "alice");
    refused(&server, &about("capture", "i", &[]), "HOLD_NOT_OPEN", "i");
    refused(&server, &about("void", "i", &[]), "HOLD_NOT_OPEN", "i");
    let last = done(&server, &leg("post", &["--amount=8"]));

    let read = server.run(&about("get", "h", &["--at-least", &last])).stdout;
    assert!(read.contains("hold voided: captured 2.00, remaining 0.00, released 5.00"), "{read}");
    let read = server.run(&about("get", "v", &[])).stdout;
    assert!(read.contains("void") && read.contains("5.00") && read.contains("alice"), "{read}");
    let entries = server.json(&["statement", "bank", "alice"]);
    let entries = entries["entries"].as_array().unwrap();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    let newest_first = ["POST", "VOID", "CAPTURE", "HOLD", "POST"];
    assert_eq!(kinds, newest_first.map(|kind| format!("ENTRY_KIND_{kind}")));
    let statement = server.run(&["statement", "bank", "alice"]).stdout;
    assert!(statement.contains("KIND") && statement.contains("capture"), "{statement}");
    audit_is_clean(&server);
}

#[test]
fn a_dry_run_of_each_kind_writes_nothing() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    let held = done(&server, &leg("hold", &["--id=h", "--amount=7"]));
    for words in [
        leg("hold", &["--id=d-1", "--amount=3", "--validate-only"]),
        about("capture", "h", &["--id=d-2", "--amount=2", "--validate-only"]),
        about("capture", "h", &["--id=d-2", "--validate-only"]),
        about("void", "h", &["--id=d-2", "--validate-only"]),
    ] {
        let ran = server.run(&words);
        assert!(ran.stdout.contains("nothing was recorded"), "{words:?}: {}", ran.stdout);
    }
    let dry = about("capture", "h", &["--id=d-2", "--amount=7.01", "--validate-only"]);
    refused(&server, &dry, "EXCEEDS_HOLD", "amount");
    // The next commit stands right behind the hold's, and the ids are free.
    let next = done(&server, &about("capture", "h", &["--id=d-2", "--amount=1"]));
    let offset = |position: &str| {
        let (_, place) = position.split_once('@').unwrap();
        place.split('.').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(offset(&next), offset(&held) + 1);
}

#[test]
fn up_to_moves_what_there_is_and_tells_what_it_came_to() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    done(&server, &leg("hold", &["--id=h", "--amount=4", "--up-to"]));
    let words = leg("post", &["--id=p", "--amount=70", "--up-to"]);
    let posted = done(&server, &words);
    for (id, amount, asked) in [("h", "4.00", "4.00"), ("p", "6.00", "70.00")] {
        let read = server.json(&about("get", id, &["--at-least", &posted]));
        let transfer = &read["transfer"];
        assert_eq!(
            (&transfer["amount"], &transfer["askedAmount"]),
            (&amount.into(), &asked.into())
        );
    }
    assert_eq!(replayed(&server, &words), posted);
    refused(&server, &leg("post", &["--id=p", "--amount=70"]), "ID_REUSED", "up_to");
    let nothing = leg("hold", &["--amount=1", "--up-to"]);
    refused(&server, &nothing, "INSUFFICIENT_FUNDS", "alice");
    audit_is_clean(&server);
}

/// Reads a hold, and nothing else, until it has this status; returns the last read.
async fn until(client: &Client, hold: &str, status: v1::HoldStatus) -> v1::GetTransferResponse {
    let started = Instant::now();
    loop {
        let request = v1::GetTransferRequest {
            name: format!("ledgers/bank/transfers/{hold}"),
            consistency: None,
        };
        let found = client.queries.clone().get_transfer(request).await;
        // Right after a start the view may not be there yet.
        if let Ok(found) = found.map(tonic::Response::into_inner)
            && found.hold.as_ref().is_some_and(|hold| hold.status() == status)
        {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{hold} does not become {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn in_nanos(at: Timestamp) -> i128 {
    i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos)
}

#[test]
fn a_hold_expires_where_nobody_asks_for_anything() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    refused(&server, &leg("hold", &["--amount=1", "--expire-time=2020-01-01"]), "HOLD_EXPIRED", "");
    let (deadline, flag) = expires_in(Duration::from_secs(5));
    done(&server, &leg("hold", &["--id=h", "--amount=7", &flag]));
    done(&server, &about("capture", "h", &["--amount=2"]));
    let found = runtime().block_on(async {
        let client = server.client().await;
        until(&client, "h", v1::HoldStatus::Expired).await
    });
    assert!(in_nanos(now()) >= in_nanos(deadline), "not before its time");
    assert_eq!(found.transfer.unwrap().expire_time, Some(deadline));
    let hold = found.hold.unwrap();
    assert_eq!((hold.remaining.as_str(), hold.released.as_str()), ("0.00", "5.00"));

    let as_of = format!("--as-of={}", hold.position);
    assert_eq!(balance(&server, "alice", &as_of), ["8.00", "0.00", "0.00"]);
    let entries = server.json(&["statement", "bank", "alice", "--limit=1", &as_of]);
    let entry = &entries["entries"][0];
    assert_eq!(entry["kind"], "ENTRY_KIND_EXPIRY");
    assert_eq!(entry["transfer"], "ledgers/bank/transfers/h");
    let recorded: Timestamp = entry["recordedAt"].as_str().unwrap().parse().unwrap();
    assert!(in_nanos(recorded) >= in_nanos(deadline), "{recorded} is before {deadline}");
    refused(&server, &about("capture", "h", &[]), "HOLD_NOT_OPEN", "h");
    done(&server, &leg("post", &["--amount=8"]));
    audit_is_clean(&server);
}

/// Whether any partition of a data folder has a snapshot.
fn has_snapshot(data: &Path) -> bool {
    let partitions = fs::read_dir(data.join("snapshots")).unwrap();
    let mut files = partitions.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.any(|file| file.unwrap().path().extension().is_some_and(|end| end == "snapshot"))
}

#[test]
fn holds_survive_a_kill_and_those_whose_time_is_over_expire_after_the_start() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    done(&server, &leg("hold", &["--id=h", "--amount=5"]));
    server.stop();
    assert!(has_snapshot(&scratch.data()), "a clean stop leaves one");

    // From the snapshot, and then from the snapshot and what the log has behind it.
    let server = Server::start(&scratch.data());
    let part = about("capture", "h", &["--id=c", "--amount=2"]);
    let captured = done(&server, &part);
    let (deadline, flag) = expires_in(Duration::from_secs(5));
    done(&server, &leg("hold", &["--id=late", "--amount=1", &flag]));
    done(&server, &leg("hold", &["--id=later", "--amount=1", "--expire-time=2200-01-01"]));
    server.kill();
    let left = in_nanos(deadline) - in_nanos(now());
    thread::sleep(Duration::from_nanos(u64::try_from(left.max(0)).unwrap()));

    let server = Server::start(&scratch.data());
    runtime().block_on(async {
        let client = server.client().await;
        until(&client, "late", v1::HoldStatus::Expired).await;
        until(&client, "later", v1::HoldStatus::Open).await;
        let h = until(&client, "h", v1::HoldStatus::Open).await.hold.unwrap();
        assert_eq!((h.captured.as_str(), h.remaining.as_str()), ("2.00", "3.00"));
    });
    refused(&server, &about("void", "late", &[]), "HOLD_NOT_OPEN", "late");
    assert_eq!(replayed(&server, &part), captured);
    refused(&server, &about("capture", "h", &["--amount=3.01"]), "EXCEEDS_HOLD", "amount");
    let ended = done(&server, &about("capture", "h", &[]));
    let at_least = format!("--at-least={ended}");
    assert_eq!(balance(&server, "alice", &at_least), ["5.00", "1.00", "0.00"]);
    assert_eq!(balance(&server, "shop", &at_least), ["5.00", "0.00", "1.00"]);
    audit_is_clean(&server);
}

fn transfer(id: &str, kind: v1::TransferKind, hold: &str, amount: &str) -> v1::Transfer {
    let of_hold = !hold.is_empty();
    let named = |name: &str| if of_hold { String::new() } else { name.to_owned() };
    v1::Transfer {
        transfer_id: id.into(),
        debit_account: named("alice"),
        credit_account: named("shop"),
        asset: named("USD"),
        amount: amount.into(),
        kind: kind.into(),
        hold_id: hold.into(),
        ..Default::default()
    }
}

/// Posts one transfer by the unary call that is refused: its status code, reason and subject.
async fn refusal(client: &Client, transfer: v1::Transfer) -> (Code, String, String) {
    let (parent, transfer) = ("ledgers/bank".to_owned(), Some(transfer));
    let request = v1::PostTransferRequest { parent, transfer, ..Default::default() };
    let status = client.commands.clone().post_transfer(request).await.unwrap_err();
    let refusal = answer::refusal_of(&status).unwrap();
    (status.code(), refusal.reason, refusal.subject)
}

#[test]
fn a_batch_holds_captures_and_voids_and_every_refusal_has_its_status() {
    use v1::TransferKind::{Capture, Hold, Post, Void};
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    bank(&server);
    runtime().block_on(async {
        let client = server.client().await;
        let batch = vec![
            transfer("h", Hold, "", "7"),
            transfer("c-1", Capture, "h", "2"),
            transfer("c-1", Capture, "h", "3"),
            transfer("p", Post, "", "3.01"),
            transfer("v-1", Void, "h", ""),
            transfer("v-2", Void, "h", ""),
            transfer("v-1", Void, "h", ""),
        ];
        let results = client.post("bank", batch).await.unwrap();
        let outcomes = results.into_iter().map(|result| match result.outcome.unwrap() {
            Outcome::Acknowledgement(of) if of.replayed => "replayed".to_owned(),
            Outcome::Acknowledgement(_) => "done".to_owned(),
            Outcome::Refusal(refusal) => format!("{} {}", refusal.reason, refusal.subject),
        });
        let expected = [
            "done",
            "done",
            "ID_REUSED amount",
            "INSUFFICIENT_FUNDS alice",
            "done",
            "HOLD_NOT_OPEN h",
            "replayed",
        ];
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);

        let check = async |transfer, code, reason: &str, subject: &str| {
            let found = refusal(&client, transfer).await;
            assert_eq!((found.0, found.1.as_str()), (code, reason));
            assert!(found.2.contains(subject), "{found:?}");
        };
        let (unmet, wrong) = (Code::FailedPrecondition, Code::InvalidArgument);
        check(transfer("v-3", Void, "h", ""), unmet, "HOLD_NOT_OPEN", "h").await;
        check(transfer("c-2", Capture, "never", ""), unmet, "HOLD_NOT_OPEN", "never").await;
        check(transfer("c-1", Capture, "h", "3"), Code::AlreadyExists, "ID_REUSED", "amount").await;
        check(transfer("c-1", Capture, "h", ""), Code::AlreadyExists, "ID_REUSED", "amount").await;
        client.post("bank", vec![transfer("i", Hold, "", "7")]).await.unwrap();
        check(transfer("c-3", Capture, "i", "7.01"), unmet, "EXCEEDS_HOLD", "amount").await;
        let late = v1::Transfer { expire_time: Some(now()), ..transfer("j", Hold, "", "1") };
        check(late, unmet, "HOLD_EXPIRED", "expire_time").await;
        check(transfer("v-4", Void, "i", "1"), wrong, "MALFORMED", "amount").await;
        check(transfer("c-4", Capture, "", "1"), wrong, "MALFORMED", "debit_account").await;
        check(transfer("p-2", Post, "i", "1"), wrong, "MALFORMED", "hold_id").await;
        let late = v1::Transfer { expire_time: Some(now()), ..transfer("p-3", Post, "", "1") };
        check(late, wrong, "MALFORMED", "expire_time").await;
    });
    audit_is_clean(&server);
}
