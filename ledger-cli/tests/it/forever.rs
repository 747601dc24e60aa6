//! An id has its first outcome for ever: after many other transfers, several snapshots and two restarts, one
//! of them after a kill. `LEDGER_FOREVER_TRANSFERS=10000000` is many; 100,000 without it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ledger_proto::v1::command::Request;
use ledger_proto::v1::command_result::Outcome;
use ledger_proto::v1::{self, TransferKind as Kind, transfer_result};

use crate::client::Scratch;
use crate::server::{Client, Server, runtime};

const PARENT: &str = "ledgers/bank";
const BATCH: u64 = 8_190;

fn transfers_between() -> u64 {
    let set = std::env::var("LEDGER_FOREVER_TRANSFERS");
    set.map_or(100_000, |text| text.parse().unwrap())
}

fn post(id: &str, amount: &str) -> v1::Transfer {
    v1::Transfer {
        transfer_id: id.into(),
        debit_account: "alice".into(),
        credit_account: "shop".into(),
        asset: "USD".into(),
        amount: amount.into(),
        ..Default::default()
    }
}

fn about(id: &str, kind: Kind, of: &str, amount: &str) -> v1::Transfer {
    let (hold_id, reversed_id) = match kind {
        Kind::Reversal => (String::new(), of.to_owned()),
        _ => (of.to_owned(), String::new()),
    };
    let (transfer_id, amount, kind) = (id.into(), amount.into(), kind.into());
    v1::Transfer { transfer_id, kind, hold_id, reversed_id, amount, ..Default::default() }
}

fn batch(request_id: &str, transfers: Vec<v1::Transfer>) -> Request {
    let (parent, request_id) = (PARENT.to_owned(), request_id.to_owned());
    let request = v1::PostTransfersRequest { parent, transfers, request_id, ..Default::default() };
    Request::PostTransfers(request)
}

fn open(request_id: &str, account: &str) -> Request {
    Request::OpenAccount(v1::OpenAccountRequest {
        parent: PARENT.into(),
        account_id: account.into(),
        r#type: v1::AccountType::Liability.into(),
        request_id: request_id.into(),
        ..Default::default()
    })
}

fn asset(request_id: &str, scale: u32) -> Request {
    let (parent, request_id) = (PARENT.into(), request_id.into());
    let asset_id = "USD".into();
    let request =
        v1::CreateAssetRequest { parent, asset_id, scale, request_id, ..Default::default() };
    Request::CreateAsset(request)
}

/// What makes the bank; without request ids, so that it is asked once.
fn bank() -> Vec<Request> {
    let ledger_id = "bank".into();
    let cash = v1::OpenAccountRequest {
        parent: PARENT.into(),
        account_id: "cash".into(),
        r#type: v1::AccountType::Asset.into(),
        ..Default::default()
    };
    let fund = v1::Transfer {
        debit_account: "cash".into(),
        credit_account: "alice".into(),
        ..post("fund", "100")
    };
    vec![
        Request::CreateLedger(v1::CreateLedgerRequest { ledger_id, ..Default::default() }),
        asset("", 2),
        Request::OpenAccount(cash),
        open("", "alice"),
        batch("", vec![fund]),
    ]
}

/// Every kind of outcome that an id can have.
fn asked() -> Vec<Request> {
    let linked = |id: &str, amount: &str| v1::Transfer { linked: true, ..post(id, amount) };
    let of_entry =
        |id: &str, amount: &str| v1::Transfer { entry_id: "e-1".into(), ..post(id, amount) };
    let hold = v1::Transfer { kind: Kind::Hold.into(), ..post("h-1", "10") };
    let up_to = v1::Transfer { up_to: true, ..post("0198c0de-0000-7abc-8def-000000000001", "5") };
    vec![
        open("r-open", "shop"),
        open("r-again", "shop"),
        asset("r-asset", 2),
        batch("r-batch", vec![post("t-1", "1.50"), post("t-2", "1000"), hold, up_to]),
        batch(
            "",
            vec![linked("l-1", "1"), post("l-2", "1"), linked("l-3", "1"), post("l-4", "999")],
        ),
        batch("r-entry", vec![of_entry("e-1-1", "2"), of_entry("e-1-2", "3")]),
        batch(
            "",
            vec![about("c-1", Kind::Capture, "h-1", "4"), about("c-2", Kind::Capture, "h-1", "7")],
        ),
        batch("", vec![about("v-1", Kind::Void, "h-1", ""), about("v-2", Kind::Void, "h-1", "")]),
        batch(
            "",
            vec![
                about("x-1", Kind::Reversal, "t-1", "0.50"),
                about("x-2", Kind::Reversal, "t-1", "2"),
            ],
        ),
        batch(
            "",
            vec![
                about("x-3", Kind::Reversal, "e-1-2", ""),
                about("x-4", Kind::Reversal, "t-2", ""),
            ],
        ),
    ]
}

/// Other content under known ids, each with the field that differs.
fn changed() -> Vec<(Request, &'static str)> {
    let one = |transfer: v1::Transfer| batch("", vec![transfer]);
    let reference = v1::Transfer { reference: "other".into(), ..post("t-1", "1.5") };
    let entry = v1::Transfer { entry_id: "e-2".into(), ..post("e-1-1", "2") };
    let no_hold = v1::Transfer { kind: Kind::Post.into(), ..post("h-1", "10") };
    vec![
        (one(post("t-1", "1.51")), "amount"),
        (one(post("t-2", "1000.01")), "amount"),
        (one(reference), "reference"),
        (one(entry), "entry_id"),
        (one(post("l-1", "1")), "linked"),
        (one(no_hold), "kind"),
        (one(about("c-1", Kind::Capture, "h-2", "4")), "hold_id"),
        (one(about("c-1", Kind::Capture, "h-1", "")), "amount"),
        (one(about("x-1", Kind::Reversal, "t-2", "0.50")), "reversed_id"),
        (open("r-open", "shop-2"), "account_id"),
        (asset("r-asset", 3), "request_id"),
        (batch("r-batch", vec![post("t-8", "1"), post("t-9", "1")]), "transfers"),
    ]
}

async fn ask(client: &Client, request: Request) -> v1::CommandResult {
    let command = v1::Command { request: Some(request) };
    client.commands.clone().execute(command).await.unwrap().into_inner()
}

/// The result as it must come again: with what was recorded marked as replayed.
fn replayed(mut result: v1::CommandResult) -> v1::CommandResult {
    let mark = |position: &str, replayed: &mut bool| *replayed = !position.is_empty();
    match result.outcome.as_mut().unwrap() {
        Outcome::Acknowledgement(it) => mark(&it.position, &mut it.replayed),
        Outcome::Refusal(it) => mark(&it.position, &mut it.replayed),
        Outcome::Failure(failure) => panic!("{failure:?}"),
        Outcome::Transfers(transfers) => {
            transfers.position.clear();
            for result in &mut transfers.results {
                match result.outcome.as_mut().unwrap() {
                    transfer_result::Outcome::Acknowledgement(it) => {
                        mark(&it.position, &mut it.replayed);
                    }
                    transfer_result::Outcome::Refusal(it) => mark(&it.position, &mut it.replayed),
                }
            }
        }
    }
    result
}

/// The refusal of a command, or of the one transfer of a batch.
fn refusal(result: v1::CommandResult) -> v1::Refusal {
    match result.outcome.unwrap() {
        Outcome::Refusal(refusal) => refusal,
        Outcome::Transfers(mut transfers) => match transfers.results.remove(0).outcome.unwrap() {
            transfer_result::Outcome::Refusal(refusal) => refusal,
            other @ transfer_result::Outcome::Acknowledgement(_) => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn load(server: &Server, transfers: u64, seed: &str) {
    let (transfers, seconds) = (transfers.to_string(), "--timeout-seconds=120");
    let words = ["load", "--transfers", &transfers, "--seed", seed, "--accounts=1000", seconds];
    let ran = server.cli(&words);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn snapshots(data: &Path) -> BTreeSet<String> {
    let partitions = fs::read_dir(data.join("snapshots")).unwrap();
    let files = partitions.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn an_id_has_its_first_outcome_after_everything_else() {
    let scratch = Scratch::new();
    let half = transfers_between() / 2;
    let every = (half / BATCH / 4).max(1);
    let config = format!("[command.snapshots]\nevery_commits = {every}\n");
    let config = scratch.write("ledger.toml", &config);
    let start = || Server::start_with(&scratch.data(), &["--partitions=1", "--config", &config]);
    let on = |server: &Server, requests: Vec<Request>| {
        runtime().block_on(async {
            let client = server.client().await;
            let mut results = Vec::new();
            for request in requests {
                results.push(ask(&client, request).await);
            }
            results
        })
    };

    let server = start();
    on(&server, bank());
    let first = on(&server, asked());
    let expected: Vec<_> = first.into_iter().map(replayed).collect();
    load(&server, half, "1");
    let mut seen = snapshots(&scratch.data());
    server.kill();
    let server = start();
    load(&server, half, "2");
    seen.extend(snapshots(&scratch.data()));
    server.stop();
    seen.extend(snapshots(&scratch.data()));
    assert!(seen.len() >= 3, "{seen:?}");

    let server = start();
    assert_eq!(on(&server, asked()), expected);
    let (requests, fields): (Vec<_>, Vec<_>) = changed().into_iter().unzip();
    for (result, field) in on(&server, requests).into_iter().zip(fields) {
        let refusal = refusal(result);
        assert_eq!((refusal.reason.as_str(), refusal.subject.as_str()), ("ID_REUSED", field));
        assert_eq!((refusal.position.as_str(), refusal.replayed), ("", false));
    }
    // What stayed free is decided now.
    let free = on(&server, vec![batch("", vec![post("l-5", "1"), post("v-9", "1")])]);
    let Some(Outcome::Transfers(free)) = &free[0].outcome else { panic!("{free:?}") };
    assert!(!free.position.is_empty());
}
