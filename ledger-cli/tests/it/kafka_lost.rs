//! A log that lost what it had acknowledged, under a running server and before a start: said by name with
//! both positions, and nothing is made anew silently.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use tonic::Code;

use crate::client::Scratch;
use crate::load::{Known, Load, a_while, accounts, check, transfer};
use crate::on_kafka::{BANK, Log, elsewhere, with};
use crate::server::{Client, Server};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a command is refused with once the server knows that its log is another.
async fn refused(client: &Client) -> String {
    let begun = Instant::now();
    loop {
        let posted = client.post("bank", vec![transfer("late")]).await;
        match posted {
            // One that was on its way then is unknown; those behind it were not recorded.
            Err(status) if status.code() == Code::Unavailable => {
                if status.message().contains("LOG_DIVERGED") {
                    return status.message().to_owned();
                }
                eprintln!("not yet: {status}");
            }
            Err(status) => eprintln!("not yet: {status}"),
            Ok(_) => eprintln!("not yet: acknowledged before anybody looked"),
        }
        assert!(begun.elapsed() < PATIENCE, "the running server finds it");
        a_while(100).await;
    }
}

/// Commands are refused for good, what was read stays readable, and the end says why.
async fn stands(server: Server, client: &Client) {
    refused(client).await;
    let balance = client.balance_with("bank", "users:0", None).await.unwrap();
    assert_ne!(balance.debits_posted, "0.00", "what was applied is read");
    let (clean, said) = server.terminate();
    assert!(!clean && said.contains("LOG_DIVERGED"), "{said}");
}

/// A start on the folder of the log that was lost is refused, each time and in the same words; the words of
/// the log that is lost are in them.
fn refused_start(log: &Log, data: &Path) -> String {
    let start = || log.try_serve(data).expect_err("a start on another log is refused");
    let said = start();
    assert!(said.contains("LOG_DIVERGED partition ") && said.contains("was read "), "{said}");
    assert_eq!(error_of(&start()), error_of(&said), "nothing was made anew meanwhile");
    said
}

fn error_of(said: &str) -> Option<String> {
    said.lines().find_map(|line| line.split_once("error: ")).map(|(_, error)| error.to_owned())
}

/// The words of a start on a folder that has seen nothing.
fn fresh_start(log: &Log, data: &Path) -> String {
    let said = log.try_serve(data).expect_err("what is there is no log");
    assert!(!said.contains("LOG_DIVERGED"), "{said}");
    said
}

/// A server under load, and its clients.
async fn loaded(log: &Log, data: &Path) -> (Server, Client, Known, Load) {
    let server = log.serve(data);
    let client = server.client().await;
    client.make_book("bank", "USD", 2, &accounts()).await;
    // Both partitions are taken: nothing is in flight in the one that the load leaves alone.
    client.make_book(&elsewhere(), "USD", 2, &accounts()).await;
    let known = Known::default();
    let load = Load::start(std::slice::from_ref(&client), &known);
    load.goes_on().await;
    (server, client, known, load)
}

/// Its place is taken by another log, which goes on once the server of the first is gone.
#[test]
fn a_topic_deleted_and_made_anew_by_another_server_stops_a_running_one() {
    let scratch = Scratch::new();
    with(Log::somewhere("replaced"), async |log| {
        let (server, client, _, load) = loaded(&log, &scratch.data()).await;
        load.end().await;
        log.topic().delete().await;
        let other = log.serve(&scratch.path("other"));
        stands(server, &client).await;
        let client = other.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let known = Known::default();
        let load = Load::start(&[client], &known);
        load.goes_on().await;
        load.end().await;
        let said = refused_start(&log, &scratch.data());
        assert!(said.contains("LOG_DIVERGED") && said.contains("was read from log"), "{said}");
        check(&other, &known).await;
    });
}

/// What was in flight comes first in the empty topic, and is acknowledged to nobody.
#[test]
fn a_topic_deleted_and_made_anew_under_load_stops_a_running_server() {
    let scratch = Scratch::new();
    with(Log::somewhere("deleted"), async |log| {
        let (server, client, known, load) = loaded(&log, &scratch.data()).await;
        let acknowledged = async || {
            // Until the load has nothing more to hear of the first topic.
            refused(&client).await;
            load.acknowledged()
        };
        log.topic().delete().await;
        log.topic().create(2).await;
        let before = acknowledged().await;
        a_while(500).await;
        assert_eq!(load.acknowledged(), before, "a log of nothing acknowledges nothing");
        load.end().await;
        drop(known);
        stands(server, &client).await;
        let said = refused_start(&log, &scratch.data());
        assert!(said.contains("up to offset ") && said.contains("NOT_A_LOG partition"), "{said}");
    });
}

/// Stopped first, as an operator should: an empty topic in its place, or none, is nobody's new log.
#[test]
fn a_folder_that_has_seen_a_log_makes_no_other_in_its_place() {
    let scratch = Scratch::new();
    with(Log::somewhere("emptied"), async |log| {
        let (server, _, _, load) = loaded(&log, &scratch.data()).await;
        load.end().await;
        server.stop();
        // One that was killed before its stores had anything on disk remembers it as well.
        let brief = scratch.path("brief");
        log.serve(&brief).kill();

        log.topic().delete().await;
        for data in [&scratch.data(), &brief] {
            let said = refused_start(&log, data);
            assert!(said.contains("NOT_A_LOG partition 0: there is no topic"), "{said}");
        }
        log.topic().create(2).await;
        for data in [&scratch.data(), &brief] {
            let said = refused_start(&log, data);
            assert!(said.contains("NOT_A_LOG partition 0: is empty"), "{said}");
        }
        // A folder that has seen nothing may make one there; it is not the log of the others.
        let other = log.serve(&scratch.path("other"));
        for data in [&scratch.data(), &brief] {
            let said = refused_start(&log, data);
            assert!(said.contains("was read from log ") && said.contains("this is log"), "{said}");
        }
        other.stop();
    });
}

#[test]
fn deleted_records_stop_a_running_server() {
    let scratch = Scratch::new();
    with(Log::somewhere("trimmed"), async |log| {
        let (server, client, _, load) = loaded(&log, &scratch.data()).await;
        log.topic().delete_records(BANK, 5).await;
        let said = refused(&client).await;
        assert!(said.contains("was read from offset 0 up to offset"), "{said}");
        assert!(said.contains("begins at 5 now"), "{said}");
        load.end().await;
        // The other partition is whole, and goes on.
        client.post(&elsewhere(), vec![transfer("late")]).await.unwrap();
        stands(server, &client).await;
        let said = refused_start(&log, &scratch.data());
        assert!(said.contains("LOG_DIVERGED partition 1: was read from log "), "{said}");
        assert!(said.contains("LOG_TRIMMED partition 1: begins at offset 5"), "{said}");
        let said = fresh_start(&log, &scratch.path("fresh"));
        assert!(said.contains("LOG_TRIMMED partition 1: begins at offset 5"), "{said}");
    });
}

/// Cuts the last batches of records off a partition of a broker that does not run.
fn cut_tail(log: &Log, partition: i32, batches: usize) {
    let folder = format!("node-1/data/{}-{partition}", log.topic().name());
    let segment = log.cluster().dir().join(folder).join("00000000000000000000.log");
    let bytes = fs::read(&segment).unwrap();
    // Base offset, 8 bytes; length of the rest, 4 bytes.
    let (mut starts, mut at) = (Vec::new(), 0);
    while let Some(length) = bytes.get(at + 8..at + 12) {
        starts.push(at as u64);
        at += 12 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
    }
    let end = starts[starts.len() - batches];
    File::options().write(true).open(segment).unwrap().set_len(end).unwrap();
}

#[test]
fn a_broker_that_lost_its_tail_stops_a_running_server() {
    let scratch = Scratch::new();
    with(Log::on(1, "", "tail"), async |log| {
        let (server, client, _, load) = loaded(&log, &scratch.data()).await;
        log.cluster().run("kill 1");
        cut_tail(&log, BANK, 20);
        log.cluster().run("start 1");
        let said = refused(&client).await;
        eprintln!("{said}");
        load.end().await;
        stands(server, &client).await;
        let said = refused_start(&log, &scratch.data());
        assert!(said.contains("LOG_DIVERGED partition 1: was read up to offset"), "{said}");
        assert!(said.contains("the log ends at"), "{said}");
    });
}
