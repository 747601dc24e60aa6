//! Brokers that are killed, and a network that is cut, under load. After each fault: every acknowledged
//! transfer exactly once, every other at most once, the audit clean, and a server that is made anew from
//! the log alone in the same state.

use tonic::Code;

use crate::client::Scratch;
use crate::load::{Fate, Known, Load, a_while, accounts, transfer};
use crate::on_kafka::{BANK, Log, with};
use crate::server::Client;
use crate::wire::Wire;

/// A broker that is gone is known to be after 4 s instead of 9.
const SOON_GONE: &str =
    "--set broker.session.timeout.ms=4000 --set broker.heartbeat.interval.ms=500";

#[test]
fn acknowledged_transfers_survive_kills_of_the_only_broker() {
    let scratch = Scratch::new();
    let known = Known::default();
    with(Log::on(1, "", "broker"), async |log| {
        let server = log.serve(&scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let load = Load::start(&[client], &known);
        for _ in 0..2 {
            load.goes_on().await;
            log.cluster().run("kill 1");
            a_while(500).await;
            log.cluster().run("start 1");
        }
        load.goes_on().await;
        load.end().await;
        log.holds(server, &known, &scratch.path("anew")).await;
    });
}

/// A command while nothing can be acknowledged.
async fn is_not_acknowledged(client: &Client, id: &str, known: &Known) {
    let status = client.post("bank", vec![transfer(id)]).await.unwrap_err();
    let fate = match status.code() {
        Code::Unknown => {
            assert!(status.message().contains("ask again with the same ids"), "{status}");
            Fate::Unknown
        }
        // It was not sent to the log yet.
        _ => {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert!(status.message().contains("not recorded, safe to retry"), "{status}");
            Fate::Never
        }
    };
    known.lock().unwrap().insert(id.to_owned(), fate);
}

#[test]
fn acknowledged_transfers_survive_kills_among_three_brokers() {
    let scratch = Scratch::new();
    let known = Known::default();
    let config = scratch.write("ledger.toml", "[kafka]\ndelivery_timeout_ms = 2000\n");
    let log = Log::on(3, SOON_GONE, "three").map(|log| log.with_config(&config));
    with(log, async |log| {
        let server = log.serve(&scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let load = Load::start(std::slice::from_ref(&client), &known);
        // The leader of what the load writes, and then the one that took over.
        for _ in 0..2 {
            let leader = log.topic().leader(BANK, 3);
            load.goes_on().await;
            log.cluster().run(&format!("kill {leader}"));
            load.goes_on().await;
            log.cluster().run(&format!("start {leader}"));
        }
        // Two at once: what is left acknowledges nothing by itself.
        let leader = log.topic().leader(BANK, 3);
        let other = leader % 3 + 1;
        log.cluster().run(&format!("kill {leader}"));
        log.cluster().run(&format!("kill {other}"));
        is_not_acknowledged(&client, "alone", &known).await;
        log.cluster().run(&format!("start {other}"));
        log.cluster().run(&format!("start {leader}"));
        load.goes_on().await;
        load.end().await;
        log.holds(server, &known, &scratch.path("anew")).await;
    });
}

/// For longer than a record may wait for its acknowledgement, with commits in flight: those get through
/// once the wire is mended, or are lost with their connections.
#[test]
fn acknowledged_transfers_survive_a_cut_between_server_and_broker() {
    let scratch = Scratch::new();
    let known = Known::default();
    let config = scratch.write("ledger.toml", "[kafka]\ndelivery_timeout_ms = 1500\n");
    let wire = Wire::new().unwrap();
    let advertised = format!("--set advertised.listeners=PLAINTEXT://{}", wire.address());
    let log = Log::on(1, &advertised, "cut").map(|log| log.with_config(&config));
    with(log, async |log| {
        wire.lead_to(log.bootstrap().parse().unwrap());
        let server = log.serve(&scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let load = Load::start(std::slice::from_ref(&client), &known);
        for breaks in [false, true] {
            load.goes_on().await;
            wire.cut();
            is_not_acknowledged(&client, &format!("cut-{breaks}"), &known).await;
            if breaks {
                wire.break_connections();
            }
            wire.mend();
            load.goes_on().await;
        }
        load.end().await;
        log.holds(server, &known, &scratch.path("anew")).await;
    });
}
