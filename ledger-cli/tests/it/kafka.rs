//! `ledger up --kafka` on a real broker, and what breaks servers and the broker under load. After each
//! fault: every acknowledged transfer exactly once, every other at most once, the audit clean.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::bank::{import, slice};
use crate::client::{Scratch, ledger};
use crate::cluster::{Cluster, bootstrap, kafka_is_there};
use crate::load::{CLIENTS, Known, accounts, check, post_until_it_fails, post_until_told};
use crate::server::{Client, Server, runtime};

/// One broker, and its address.
pub(crate) fn broker() -> Option<(Cluster, String)> {
    if !kafka_is_there() {
        return None;
    }
    let cluster = Cluster::new();
    let printed = cluster.run("up --brokers 1 --port 0");
    let address = bootstrap(&printed).to_owned();
    Some((cluster, address))
}

pub(crate) fn serve(data: &Path, address: &str, prefix: &str) -> Server {
    let on = ["--kafka", address, "--kafka-prefix", prefix, "--allow-under-replicated"];
    Server::start_with(data, &on)
}

/// Clients that post to any of the servers until this is dropped or ended.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(servers: &[Client], known: &Known) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (servers, known, stop) = (servers.to_vec(), known.clone(), stop.clone());
            clients.spawn(post_until_told(servers, number, number, known, stop));
        }
        Load { stop, clients }
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
    }
}

pub(crate) async fn a_while(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Hash of the state of every partition, replayed from the log by this server's audit.
fn state_hashes(server: &Server) -> Vec<Value> {
    let replay = server.json(&["audit", "replay"]);
    let reports = replay["reports"].as_array().unwrap();
    reports.iter().map(|report| report["stateHash"].clone()).collect()
}

#[test]
fn acknowledged_transfers_survive_kills_of_the_server() {
    let Some((_cluster, address)) = broker() else { return };
    let scratch = Scratch::new();
    let known = Known::default();
    let mut random = fastrand::Rng::with_seed(20_261_124);
    runtime().block_on(async {
        for round in 0..8 {
            let server = serve(&scratch.data(), &address, "kills");
            let client = server.client().await;
            if round == 0 {
                client.make_book("bank", "USD", 2, &accounts()).await;
            }
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                let seed = random.u64(..);
                clients.spawn(post_until_it_fails(client.clone(), seed, number, known.clone()));
            }
            a_while(random.u64(1..300)).await;
            server.kill();
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        }
        let server = serve(&scratch.data(), &address, "kills");
        assert!(check(&server, &known).await > 8, "the load was real");
        // Another folder: everything is made from the log alone.
        let hashes = state_hashes(&server);
        server.stop();
        let anew = serve(&scratch.path("anew"), &address, "kills");
        check(&anew, &known).await;
        assert_eq!(state_hashes(&anew), hashes);
    });
}

#[test]
fn acknowledged_transfers_survive_kills_of_the_only_broker() {
    let Some((cluster, address)) = broker() else { return };
    let scratch = Scratch::new();
    let known = Known::default();
    runtime().block_on(async {
        let server = serve(&scratch.data(), &address, "broker");
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let load = Load::start(&[client], &known);
        for _ in 0..2 {
            a_while(500).await;
            cluster.run("kill 1");
            a_while(500).await;
            cluster.run("start 1");
        }
        a_while(1_000).await;
        load.end().await;
        assert!(check(&server, &known).await > 8, "the load was real");
    });
}

/// Each deposes the other whenever it has something to write; one of them is stopped for a while with
/// commits in flight and goes on as if nothing had been.
#[test]
fn two_servers_that_both_insist_do_no_harm() {
    let Some((_cluster, address)) = broker() else { return };
    let scratch = Scratch::new();
    let known = Known::default();
    runtime().block_on(async {
        let one = serve(&scratch.path("one"), &address, "both");
        let client = one.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let other = serve(&scratch.path("other"), &address, "both");
        let load = Load::start(&[client, other.client().await], &known);
        a_while(2_000).await;
        for _ in 0..3 {
            one.signal("STOP");
            a_while(700).await;
            one.signal("CONT");
            a_while(700).await;
        }
        load.end().await;
        for server in [&one, &other] {
            assert!(check(server, &known).await > 8, "the load was real");
        }
        assert_eq!(state_hashes(&one), state_hashes(&other));
    });
}

#[test]
fn a_folder_moves_to_kafka_goes_on_there_and_comes_back() {
    let Some((_cluster, address)) = broker() else { return };
    let scratch = Scratch::new();
    let (data, back) = (scratch.data(), scratch.path("back"));
    let place = format!("kafka://{address}/moved");
    let copy = |from: &str, to: &str| {
        let ran = ledger(&["log", "copy", from, to, "--allow-under-replicated", "--json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let server = Server::start(&data);
    import(&server, &slice(), &[]);
    let open = ledger(&["log", "copy", data.to_str().unwrap(), &place]);
    assert!(open.stderr.contains("LOG_LOCKED"), "a running server's log: {}", open.stderr);
    let hashes = state_hashes(&server);
    server.stop();

    let copied = copy(data.to_str().unwrap(), &place);
    assert_eq!(copied["written"], copied["records"]);
    assert_eq!(copy(data.to_str().unwrap(), &place)["written"], 0, "done is done");
    let server = serve(&data, &address, "moved");
    assert_eq!(state_hashes(&server), hashes);
    let again = import(&server, &slice(), &[]);
    assert_eq!((again["new"].as_u64(), again["replayed"].as_u64()), (Some(0), Some(1_970)));
    let account = ["account", "open", "berka", "customers:late", "--type", "liability"];
    server.json(&account);
    let hashes = state_hashes(&server);
    server.stop();

    copy(&place, back.to_str().unwrap());
    let server = Server::start(&back);
    assert_eq!(state_hashes(&server), hashes);
    server.stop();
    // The first folder's own log has stood still: it is the beginning of this one, and never its end.
    let behind = Server::try_start(&data, &[]).err().unwrap();
    assert!(behind.contains("LOG_DIVERGED"), "{behind}");
}

#[test]
fn a_cluster_that_cannot_be_used_is_refused_by_name() {
    let Some((_cluster, address)) = broker() else { return };
    let scratch = Scratch::new();
    let refused = |flags: &[&str]| Server::try_start(&scratch.data(), flags).err().unwrap();
    let said = refused(&["--kafka", &address]);
    assert!(said.contains("cannot have 3 replicas"), "{said}");
    drop(serve(&scratch.data(), &address, "eight"));
    let said = refused(&["--kafka", &address, "--kafka-prefix", "eight"]);
    assert!(said.contains("endangers the log") && said.contains("1 replicas"), "{said}");
    let flags = ["--kafka", &address, "--kafka-prefix", "eight", "--partitions", "3"];
    let said = refused(&flags);
    assert!(said.contains("has 8 partitions, 3 were asked for"), "{said}");
    let said = refused(&["--kafka", "127.0.0.1:9"]);
    assert!(said.contains("LOG_UNAVAILABLE") && said.contains("127.0.0.1:9"), "{said}");
    let none = format!("kafka://{address}/none");
    let ran = ledger(&["log", "copy", &none, scratch.path("to").to_str().unwrap()]);
    assert!(ran.stderr.contains("there is no topic none.events"), "{}", ran.stderr);
}
