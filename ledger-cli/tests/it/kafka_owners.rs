//! Servers that share the partitions of a log: the owner is killed, stopped for a while, ended as planned,
//! and joined by others, under load. After each: every acknowledged transfer exactly once, every other at
//! most once, the audit clean, and every server in the same state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::client::Scratch;
use crate::load::{Known, Load, Unanswered, a_while, accounts, check, transfer};
use crate::on_kafka::{BANK, Log, elsewhere, state_hashes, with};
use crate::server::{Client, Server};

/// Each command is a commit of its own, and five of them are in flight.
const FIVE_IN_FLIGHT: &str =
    "[command.writer]\ncommits_in_flight_max = 5\ncommit_commands_max = 1\n";

/// The server that writes a partition, as this one knows it.
fn owner(server: &Server, partition: i32) -> String {
    let topology = server.json(&["topology"]);
    let partition = &topology["partitions"][partition.unsigned_abs() as usize];
    partition["ownerAddress"].as_str().unwrap_or_default().to_owned()
}

/// Of two servers the owner, and then the other, once both are heard of.
fn owner_first(one: Server, other: Server) -> (Server, Server) {
    let begun = Instant::now();
    loop {
        let owner = owner(&one, BANK);
        if owner == one.address() {
            return (one, other);
        }
        if owner == other.address() {
            return (other, one);
        }
        assert!(begun.elapsed().as_secs() < 60, "{owner:?} is none of the two");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Two servers, the owner of the load's partition first, and the book that the load posts to.
async fn two(log: &Log, scratch: &Scratch) -> (Server, Server) {
    let one = log.serve(&scratch.path("one"));
    let other = log.serve(&scratch.path("other"));
    other.client().await.make_book("bank", "USD", 2, &accounts()).await;
    owner_first(one, other)
}

/// All servers have what was acknowledged, and the same state.
async fn all_hold(servers: &[&Server], known: &Known) {
    let mut hashes = Vec::new();
    for server in servers {
        assert!(check(server, known).await > 8, "the load was real");
        hashes.push(state_hashes(server));
    }
    assert!(hashes.iter().all(|all| *all == hashes[0]), "{hashes:?}");
}

/// Clients of the owner, and of the other.
async fn loads(owner: &Client, other: &Client, known: &Known) -> (Load, Load) {
    let loads = (
        Load::beside(0, std::slice::from_ref(owner), known, Unanswered::GoesOn),
        Load::beside(1, std::slice::from_ref(other), known, Unanswered::GoesOn),
    );
    loads.0.goes_on().await;
    loads.1.goes_on().await;
    loads
}

#[test]
fn an_owner_that_is_killed_is_replaced() {
    let scratch = Scratch::new();
    let known = Known::default();
    let config = scratch.write("ledger.toml", FIVE_IN_FLIGHT);
    let log = Log::somewhere("killed").map(|log| log.with_config(&config));
    with(log, async |log| {
        let (owner, other) = two(&log, &scratch).await;
        let (here, there) = loads(&owner.client().await, &other.client().await, &known).await;
        let killed = Instant::now();
        owner.kill();
        there.goes_on().await;
        eprintln!("another server acknowledges {} ms after the kill", killed.elapsed().as_millis());
        here.end().await;
        there.end().await;
        let third = log.serve(&scratch.path("third"));
        all_hold(&[&other, &third], &known).await;
    });
}

/// It goes on with five commits in flight, long after another server has taken its place: they count nowhere,
/// and its clients hear the truth.
#[test]
fn an_owner_that_was_stopped_for_longer_than_its_session_does_no_harm() {
    let scratch = Scratch::new();
    let known = Known::default();
    let config = scratch.write("ledger.toml", FIVE_IN_FLIGHT);
    let log = Log::somewhere("zombie").map(|log| log.with_config(&config));
    with(log, async |log| {
        let (zombie, other) = two(&log, &scratch).await;
        let (here, there) = loads(&zombie.client().await, &other.client().await, &known).await;
        let stopped = Instant::now();
        zombie.signal("STOP");
        there.goes_on().await;
        eprintln!(
            "another server acknowledges {} ms after the stop",
            stopped.elapsed().as_millis()
        );
        assert_eq!(owner(&other, BANK), other.address());
        zombie.signal("CONT");
        here.goes_on().await;
        there.goes_on().await;
        here.end().await;
        there.end().await;
        all_hold(&[&zombie, &other], &known).await;
    });
}

/// Posts to the book of the other partition, too; each is answered.
async fn post_elsewhere(client: Client, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let posted = client.post(&elsewhere(), vec![transfer(&format!("e-{number}"))]).await;
        posted.unwrap();
        a_while(20).await;
    }
}

/// Servers join and end as planned, owners among them: no request of a client of the one that stays fails.
#[test]
fn servers_come_and_go_without_one_failed_request() {
    let scratch = Scratch::new();
    let known = Known::default();
    with(Log::somewhere("planned"), async |log| {
        let (leaves, stays) = two(&log, &scratch).await;
        let client = stays.client().await;
        client.make_book(&elsewhere(), "USD", 2, &accounts()).await;
        let load = Load::beside(0, std::slice::from_ref(&client), &known, Unanswered::Fails);
        let stop = Arc::new(AtomicBool::new(false));
        let beside = tokio::spawn(post_elsewhere(client, stop.clone()));
        load.goes_on().await;
        let ended = Instant::now();
        leaves.stop();
        load.goes_on().await;
        eprintln!("the owner ended, and others write, within {} ms", ended.elapsed().as_millis());
        assert_eq!(owner(&stays, BANK), stays.address());
        for round in 0..2 {
            let joins = log.serve(&scratch.path(&format!("joins-{round}")));
            let owns = || (0..2).any(|partition| owner(&stays, partition) == joins.address());
            while !owns() {
                load.goes_on().await;
            }
            load.goes_on().await;
            joins.stop();
            load.goes_on().await;
        }
        let joins = log.serve(&scratch.path("joins"));
        load.goes_on().await;
        stop.store(true, Ordering::Relaxed);
        beside.await.unwrap();
        load.end().await;
        all_hold(&[&stays, &joins], &known).await;
    });
}
