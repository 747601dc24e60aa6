//! Imports end to end over the wire, with faults.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::commands::Outcome;
use crate::testing::{Faults, Server};

const HEADER: &str = "id,date,account,direction,amount\n";
const SLICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/berka-slice.csv");

async fn import(server: &Server, file: &Path, flags: &[&str]) -> anyhow::Result<(Outcome, Value)> {
    let file = file.to_str().unwrap();
    let words = ["import", "csv", file, "--ledger", "bank", "--asset", "CZK"];
    server.ledger(&words.iter().chain(flags).copied().collect::<Vec<_>>()).await
}

fn counts(summary: &Value) -> [u64; 4] {
    ["new", "replayed", "refused", "bad"].map(|field| summary[field].as_u64().unwrap())
}

#[tokio::test]
async fn a_repeated_import_writes_nothing_and_answers_the_first_positions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let rows = "1,1993-01-01,5,credit,900.00\n2,1993-01-01,5,debit,0.50\n\
                3,1993-01-02,6,credit,1\n";
    fs::write(&file, format!("{HEADER}{rows}")).unwrap();
    let server = Server::start(Faults::default()).await;

    let first = import(&server, &file, &["--batch=2"]).await.unwrap();
    assert_eq!(first.0, Outcome::Clean);
    assert_eq!(counts(&first.1), [3, 0, 0, 0]);
    // 0-2 are ledger, asset and contra account, 3 the first batch's one account, 5 the second's.
    let dates = json!([
        { "date": "1993-01-01", "position": "0@4.1" },
        { "date": "1993-01-02", "position": "0@6.0" },
    ]);
    assert_eq!(first.1["dates"], dates);
    let commits = server.commits();

    let second = import(&server, &file, &["--batch=1000"]).await.unwrap();
    assert_eq!(counts(&second.1), [0, 3, 0, 0]);
    assert_eq!(second.1["dates"], dates);
    assert_eq!(server.commits(), commits, "a repeat writes nothing");
}

#[tokio::test]
async fn a_lost_answer_ends_the_import_and_the_next_run_goes_on() {
    let flags = ["--amount-column=amount_czk", "--may-go-negative", "--batch=100"];
    let faults = Faults { loses_answer_of_batch: Some(7), ..Default::default() };
    let server = Server::start(faults).await;
    let error = import(&server, Path::new(SLICE), &flags).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("700 new, 0 replayed") && text.contains("run the same"), "{text}");

    let (outcome, summary) = import(&server, Path::new(SLICE), &flags).await.unwrap();
    assert_eq!(outcome, Outcome::Clean);
    assert_eq!(counts(&summary), [1_170, 800, 0, 0]);
}

#[tokio::test]
async fn bad_and_refused_lines_are_told_and_the_rest_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let (file, bad) = (folder.path().join("rows.csv"), folder.path().join("bad.csv"));
    let rows = "1,1993-01-01,5,credit,10.00\n\
                2,1993-01-01,5,credit,1.005\n\
                3,1993-01-01,5,debit,11.00\n\
                \"4,1993-01-01,5,credit,1\n\
                1,1993-01-01,5,credit,10.00\n\
                5,1993-01-01,5,debit,10.00\n";
    fs::write(&file, format!("{HEADER}{rows}")).unwrap();
    let server = Server::start(Faults::default()).await;
    let flag = format!("--bad-lines={}", bad.display());
    let (outcome, summary) = import(&server, &file, &[&flag]).await.unwrap();
    assert_eq!(outcome, Outcome::Findings);
    let lines: Vec<u64> =
        summary["problems"].as_array().unwrap().iter().filter_map(|p| p["line"].as_u64()).collect();
    // Bad lines are told when they are read, refused ones when their batch is answered.
    assert_eq!(lines, [3, 5, 4]);
    assert_eq!(summary["refused"], 1);
    assert_eq!(summary["bad"], 2);
    assert_eq!(summary["new"].as_u64().unwrap() + summary["replayed"].as_u64().unwrap(), 3);
    let written = fs::read_to_string(bad).unwrap();
    assert_eq!(written.lines().count(), 4, "{written}");
    assert!(written.contains("INSUFFICIENT_FUNDS"), "{written}");
}

#[tokio::test]
async fn no_file_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let text = format!("{HEADER}1,1993-01-01,5,credit,10.00\n");
    fs::write(&file, &text).unwrap();
    let server = Server::start(Faults::default()).await;
    let roundabout = folder.path().join("..").join(folder.path().file_name().unwrap());
    let flags = [
        vec![format!("--bad-lines={}", file.display())],
        vec![format!("--positions={}", roundabout.join("rows.csv").display())],
        vec!["--bad-lines=new.csv".to_owned(), "--positions=new.csv".to_owned()],
    ];
    for flags in flags {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let error = import(&server, &file, &flags).await.unwrap_err();
        assert!(format!("{error:#}").contains("is named twice"), "{flags:?}: {error:#}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert!(!Path::new("new.csv").exists());
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again_and_a_lagging_view_believed_once_it_has_caught_up() {
    let faults =
        Faults { overloads: 2, account_overloads: 2, view_lags: true, ..Default::default() };
    let server = Server::start(faults).await;
    let flags = ["--amount-column=amount_czk", "--may-go-negative"];
    let (_, summary) = import(&server, Path::new(SLICE), &flags).await.unwrap();
    assert_eq!(counts(&summary), [1_970, 0, 0, 0]);
    // Nothing of it is in the view that is asked first: all is refused as existing, and looked up.
    let (_, summary) = import(&server, Path::new(SLICE), &flags).await.unwrap();
    assert_eq!(counts(&summary), [0, 1_970, 0, 0]);
}

#[tokio::test]
async fn what_stands_with_other_rules_stops_the_import_before_any_row() {
    let server = Server::start(Faults::default()).await;
    server.ledger(&["ledger", "create", "bank"]).await.unwrap();
    server.ledger(&["asset", "create", "bank", "EUR", "--scale=2"]).await.unwrap();
    server.ledger(&["asset", "create", "bank", "CZK", "--scale=3"]).await.unwrap();
    let flags = ["--amount-column=amount_czk"];
    let error = import(&server, Path::new(SLICE), &flags).await.unwrap_err().to_string();
    assert_eq!(error, "asset CZK of ledger bank has scale 3, --scale is 2");
    let flags = ["--amount-column=amount_czk", "--scale=3"];
    server.ledger(&["account", "open", "bank", "576", "--type=asset"]).await.unwrap();
    let error = import(&server, Path::new(SLICE), &flags).await.unwrap_err();
    assert!(format!("{error:#}").contains("account 576 is of type asset"), "{error:#}");
    assert!(format!("{error:#}").contains("0 new"), "{error:#}");
}

#[tokio::test]
async fn a_file_that_cannot_be_meant_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let server = Server::start(Faults::default()).await;
    for (text, part) in
        [("", "is empty"), ("a,b\n1,2\n", "no column \"account\""), ("\"a\n", "quote")]
    {
        fs::write(&file, text).unwrap();
        let error = import(&server, &file, &[]).await.unwrap_err();
        assert!(format!("{error:#}").contains(part), "{text:?}: {error:#}");
    }
    assert_eq!(server.commits(), 0);
    fs::write(&file, HEADER).unwrap();
    let (outcome, summary) = import(&server, &file, &[]).await.unwrap();
    assert_eq!((outcome, counts(&summary)), (Outcome::Clean, [0; 4]));
}
