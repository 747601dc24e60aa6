//! `ledger up --kafka` on a real broker: kills of the server under load, an owner that pauses, a log that
//! moves there and back.

use serde_json::Value;
use tokio::task::JoinSet;

use crate::bank::{import, slice};
use crate::client::{Scratch, ledger};
use crate::cluster::brokers;
use crate::load::{
    CLIENTS, Known, Load, a_while, accounts, acknowledged, check, more_than, post_until_it_fails,
};
use crate::on_kafka::{Log, state_hashes, with};
use crate::server::Server;

#[test]
fn acknowledged_transfers_survive_kills_of_the_server() {
    let scratch = Scratch::new();
    let known = Known::default();
    let mut random = fastrand::Rng::with_seed(20_261_124);
    with(Log::somewhere("kills"), async |log| {
        for round in 0..8 {
            let server = log.serve(&scratch.data());
            let client = server.client().await;
            if round == 0 {
                client.make_book("bank", "USD", 2, &accounts()).await;
            }
            let before = acknowledged(&known);
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                let seed = random.u64(..);
                clients.spawn(post_until_it_fails(client.clone(), seed, number, known.clone()));
            }
            more_than(before, &known).await;
            a_while(random.u64(1..300)).await;
            server.kill();
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        }
        log.holds(log.serve(&scratch.data()), &known, &scratch.path("anew")).await;
    });
}

/// Each deposes the other whenever it has something to write; one of them is stopped for a while with
/// commits in flight and goes on as if nothing had been.
#[test]
fn an_owner_that_pauses_within_its_session_does_no_harm() {
    let scratch = Scratch::new();
    let known = Known::default();
    with(Log::somewhere("both"), async |log| {
        let one = log.serve(&scratch.path("one"));
        let client = one.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let other = log.serve(&scratch.path("other"));
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
    let Some(log) = Log::somewhere("moved") else { return };
    let scratch = Scratch::new();
    let (data, back) = (scratch.data(), scratch.path("back"));
    let place = format!("kafka://{}/{}", log.bootstrap(), log.prefix());
    let copy = |from: &str, to: &str| {
        let ran = ledger(&["log", "copy", from, to, "--allow-under-replicated", "--json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let server = Server::start_with(&data, &["--partitions=2"]);
    import(&server, &slice(), &[]);
    for (name, email) in [("c-1", "--profile=email=a@example.org"), ("c-2", "--profile=email=b")] {
        server.json(&["customer", "register", "berka", name, email]);
    }
    server.json(&["customer", "erase", "berka", "c-2"]);
    let email = |server: &Server| {
        let read = server.json(&["customer", "get", "berka", "c-1"]);
        read["customer"]["profile"]["email"].as_str().unwrap_or_default().to_owned()
    };
    let open = ledger(&["log", "copy", data.to_str().unwrap(), &place]);
    assert!(open.stderr.contains("LOG_LOCKED"), "a running server's log: {}", open.stderr);
    let hashes = state_hashes(&server);
    server.stop();

    let copied = copy(data.to_str().unwrap(), &place);
    assert_eq!(copied["written"], copied["records"]);
    assert_eq!(copy(data.to_str().unwrap(), &place)["written"], 0, "done is done");
    let server = log.serve(&data);
    assert_eq!(state_hashes(&server), hashes);
    assert_eq!(email(&server), "a@example.org", "the keys came along");
    let again = import(&server, &slice(), &[]);
    assert_eq!((again["new"].as_u64(), again["replayed"].as_u64()), (Some(0), Some(1_970)));
    let account = ["account", "open", "berka", "customers:late", "--type", "liability"];
    server.json(&account);
    let hashes = state_hashes(&server);
    server.stop();

    copy(&place, back.to_str().unwrap());
    let server = Server::start_with(&back, &["--partitions=2"]);
    assert_eq!(state_hashes(&server), hashes);
    assert_eq!(email(&server), "a@example.org");
    server.stop();
    // The first folder's own log has stood still: it is the beginning of this one, and never its end.
    let behind = Server::try_start(&data, &["--partitions=2"]).err().unwrap();
    assert!(behind.contains("LOG_DIVERGED"), "{behind}");
}

#[test]
fn a_cluster_that_cannot_be_used_is_refused_by_name() {
    let Some((_cluster, address)) = brokers(1, "") else { return };
    let scratch = Scratch::new();
    let refused = |flags: &[&str]| Server::try_start(&scratch.data(), flags).err().unwrap();
    let said = refused(&["--kafka", &address]);
    assert!(said.contains("cannot have 3 replicas"), "{said}");
    let mine = ["--kafka", &address, "--kafka-prefix", "eight"];
    drop(Server::start_with(&scratch.data(), &[&mine[..], &["--allow-under-replicated"]].concat()));
    let said = refused(&mine);
    assert!(said.contains("endangers the log") && said.contains("1 replicas"), "{said}");
    let said = refused(&[&mine[..], &["--partitions", "3"]].concat());
    assert!(said.contains("has 8 partitions, 3 were asked for"), "{said}");
    let said = refused(&["--kafka", "127.0.0.1:9"]);
    assert!(said.contains("LOG_UNAVAILABLE") && said.contains("127.0.0.1:9"), "{said}");
    let none = format!("kafka://{address}/none");
    let ran = ledger(&["log", "copy", &none, scratch.path("to").to_str().unwrap()]);
    assert!(ran.stderr.contains("there is no topic none.events"), "{}", ran.stderr);
}
