//! Loads end to end over the wire.

use crate::testing::{Faults, Server};

#[tokio::test]
async fn every_transfer_of_every_client_is_acknowledged_once() {
    for flags in [
        &["--transfers=1005", "--batch=100", "--clients=3", "--ledgers=2"][..],
        &["--transfers=1005", "--batch=100", "--clients=2", "--ids=random", "--rate=100000"],
        &["--transfers=50", "--batch=1", "--clients=4"],
    ] {
        let faults = Faults { overloads: 3, account_overloads: 3, ..Default::default() };
        let server = Server::start(faults).await;
        let words: Vec<&str> = ["load", "--accounts=20"].iter().chain(flags).copied().collect();
        let (_, report) = server.ledger(&words).await.unwrap();
        assert_eq!(report["acknowledged"], report["transfers"], "{report}");
        assert_eq!((&report["replayed"], &report["refused"]), (&0.into(), &0.into()), "{report}");
        let transfers = report["transfers"].as_u64().unwrap();
        let batch = report["batch"].as_u64().unwrap();
        assert_eq!(report["requests"], transfers.div_ceil(batch), "{report}");
        let us = |field: &str| report[field].as_u64().unwrap();
        assert!(us("latency_p50_us") <= us("latency_p99_us"), "{report}");
        assert!(us("latency_p99_us") <= us("latency_max_us"), "{report}");
    }
}

#[tokio::test]
async fn a_repeat_with_the_same_name_and_random_ids_is_told_as_replayed() {
    let server = Server::start(Faults::default()).await;
    let words =
        ["load", "--accounts=5", "--transfers=300", "--batch=100", "--ids=random", "--name=x"];
    server.ledger(&words).await.unwrap();
    let (_, report) = server.ledger(&words).await.unwrap();
    assert_eq!(report["replayed"], 300, "{report}");
}

#[tokio::test]
async fn a_load_that_breaks_off_is_an_error() {
    let server =
        Server::start(Faults { loses_answer_of_batch: Some(2), ..Default::default() }).await;
    let words = ["load", "--accounts=5", "--transfers=1000", "--batch=100"];
    let error = server.ledger(&words).await.unwrap_err();
    assert!(format!("{error:#}").contains("the load stopped early"), "{error:#}");
}
