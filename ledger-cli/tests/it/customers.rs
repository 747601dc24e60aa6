//! Customers: registered with their accounts, what is kept of the person in no file but the key's, and nothing
//! left of it once they are erased.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::table::Table;
use ledger_log::kafka::{self, KafkaOptions};
use serde_json::Value;

use crate::client::Scratch;
use crate::cluster::Cluster;
use crate::on_kafka::Log;
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(30);
const EMAIL: &str = "ann.smith@example.org";

fn get(server: &Server, flags: &[&str]) -> Value {
    server.json(&[&["customer", "get", "bank", "c-1"], flags].concat())["customer"].clone()
}

fn refused(server: &Server, words: &[&str], reason: &str) {
    let ran = server.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stdout);
    assert!(ran.stderr.contains(reason), "{words:?}: {}", ran.stderr);
}

/// A ledger, and Ann in it; where she was registered.
fn register(server: &Server) -> String {
    server.json(&["ledger", "create", "bank"]);
    server.json(&["asset", "create", "bank", "USD", "--scale=2"]);
    let email = format!("--profile=email={EMAIL}");
    let made = server.json(&[
        "customer",
        "register",
        "bank",
        "c-1",
        "--account=users:1:wallet=liability",
        "--account=users:1:savings=liability",
        "--profile=name=Ann",
        &email,
    ]);
    assert_eq!(made["name"], "ledgers/bank/customers/c-1");
    made["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

/// Reads what was kept at a position until it cannot be read any more.
fn until_gone(server: &Server, at: &str) -> Value {
    let started = Instant::now();
    loop {
        let read = get(server, &[at]);
        if read.get("profile").is_none() {
            return read;
        }
        assert!(started.elapsed() < PATIENCE, "the key is not destroyed: {read}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether any file below a folder has these bytes.
pub(crate) fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|part| part == bytes)
    })
}

fn audit_is_clean(server: &Server) {
    let audit = server.run(&["audit", "replay"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn what_is_kept_of_a_person_is_read_as_of_any_position_until_they_are_erased() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let registered = format!("--as-of={}", register(&server));
    refused(&server, &["customer", "register", "bank", "c-1"], "CUSTOMER_EXISTS");
    refused(&server, &["customer", "update", "bank", "c-2", "--set=a=1"], "UNKNOWN_CUSTOMER");
    refused(&server, &["customer", "get", "bank", "c-2"], "UNKNOWN_CUSTOMER");
    refused(
        &server,
        &["account", "open", "bank", "users:1:wallet", "--type=asset"],
        "ACCOUNT_EXISTS",
    );

    let read = get(&server, &[]);
    assert_eq!(read["profile"]["email"], EMAIL);
    assert_eq!(read["accounts"].as_array().unwrap().len(), 2);
    let account = server.json(&["account", "get", "bank", "users:1:savings"]);
    assert_eq!(account["account"]["customer"], "ledgers/bank/customers/c-1");
    server.json(&["account", "open", "bank", "world", "--type=equity", "--may-go-negative"]);
    let post = ["transfer", "post", "bank", "--debit=world", "--credit=users:1:wallet"];
    server.json(&[&post[..], &["--asset=USD", "--amount=5"]].concat());

    let update = ["customer", "update", "bank", "c-1", "--set=phone=555", "--remove=name"];
    let updated = server.json(&update);
    let updated = updated["acknowledgement"]["position"].as_str().unwrap().to_owned();
    let read = get(&server, &[]);
    assert_eq!((&read["profile"]["phone"], read["profile"].get("name")), (&"555".into(), None));
    assert_eq!(read["profilePosition"], updated.as_str());
    assert_eq!(get(&server, &[&registered])["profile"]["name"], "Ann");
    let history = server.json(&["customer", "history", "bank", "c-1"]);
    assert_eq!(history["changes"].as_array().unwrap().len(), 2);
    assert_eq!(history["changes"][1]["profile"]["name"], "Ann");

    server.json(&["customer", "erase", "bank", "c-1"]);
    let read = get(&server, &[]);
    assert_eq!((&read["erased"], read.get("profile")), (&true.into(), None));
    let past = until_gone(&server, &registered);
    assert_eq!(past["unreadable"], serde_json::json!(["email", "name"]));
    refused(&server, &["customer", "update", "bank", "c-1", "--set=a=1"], "CUSTOMER_ERASED");
    refused(&server, &["customer", "erase", "bank", "c-1"], "CUSTOMER_ERASED");
    refused(&server, &["customer", "register", "bank", "c-1"], "CUSTOMER_EXISTS");
    let shown = server.run(&["customer", "history", "bank", "c-1"]).stdout;
    assert!(shown.contains("erased") && shown.contains("cannot be read"), "{shown}");
    let listed = server.run(&["customer", "list", "bank"]).stdout;
    assert!(listed.contains("c-1") && listed.contains("erased"), "{listed}");
    // The money stays where it is.
    let balance = server.json(&["balance", "bank", "users:1:wallet"]);
    assert_eq!(balance["balances"][0]["balance"], "5.00");
    audit_is_clean(&server);
}

#[test]
fn no_file_has_a_word_of_it_and_an_erasure_ends_through_a_kill() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    let registered = format!("--as-of={}", register(&server));
    server.json(&["customer", "register", "bank", "c-2", "--profile=email=bob@example.org"]);
    server.stop();
    assert!(!holds(&scratch.data(), EMAIL.as_bytes()), "neither log, snapshot nor view");
    assert!(!holds(&scratch.data(), b"bob@example.org"));

    let server = Server::start(&scratch.data());
    assert_eq!(get(&server, &[])["profile"]["email"], EMAIL, "the key outlives the server");
    server.json(&["customer", "erase", "bank", "c-1"]);
    server.kill();
    // As if it had died before it destroyed the key: what the log says is done when it is read again.
    let server = Server::start(&scratch.data());
    until_gone(&server, &registered);
    // The key's own bytes are written over first.
    let started = Instant::now();
    while !holds(&scratch.data().join("keys"), b"v1 bank/c-1 erased\n") {
        assert!(started.elapsed() < PATIENCE, "no mark of the erasure");
        thread::sleep(Duration::from_millis(20));
    }
    let other = server.json(&["customer", "get", "bank", "c-2"]);
    assert_eq!(other["customer"]["profile"]["email"], "bob@example.org", "nobody else's");
    audit_is_clean(&server);
}

/// A key that is lost, and not destroyed by an erasure: what it sealed is unreadable and said to be so, what
/// comes later is not.
#[test]
fn without_its_key_a_profile_is_unreadable_and_goes_on() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.data());
    register(&server);
    server.stop();
    std::fs::remove_dir_all(scratch.data().join("keys")).unwrap();
    let server = Server::start(&scratch.data());
    let read = get(&server, &[]);
    assert_eq!(read["unreadable"], serde_json::json!(["email", "name"]));
    assert_eq!(read.get("erased"), None);
    server.json(&["customer", "update", "bank", "c-1", "--set=email=new@example.org"]);
    let read = get(&server, &[]);
    assert_eq!(read["profile"]["email"], "new@example.org");
    assert_eq!(read["unreadable"], serde_json::json!(["name"]));
    audit_is_clean(&server);
}

/// Several servers have the keys together: what one has sealed another one opens, and no more once a third
/// was asked to erase it.
#[test]
fn servers_on_a_cluster_share_the_keys() {
    let Some(log) = Log::somewhere("customers") else { return };
    let scratches = [Scratch::new(), Scratch::new()];
    let servers = scratches.each_ref().map(|scratch| log.serve(&scratch.data()));
    let registered = register(&servers[0]);
    let at_least = format!("--at-least={registered}");
    assert_eq!(get(&servers[1], &[&at_least])["profile"]["email"], EMAIL);
    let erased = servers[1].json(&["customer", "erase", "bank", "c-1"]);
    let erased = erased["acknowledgement"]["position"].as_str().unwrap();
    let as_of = format!("--as-of={registered}");
    for server in &servers {
        let read = get(server, &[&format!("--at-least={erased}")]);
        assert_eq!(read["erased"], true);
        until_gone(server, &as_of);
    }
    let topic = format!("{}.keys", log.prefix());
    let describe = format!("tool topics --bootstrap-server {} --describe", log.bootstrap());
    let described = Cluster::new().run(&format!("{describe} --topic {topic}"));
    assert!(described.contains("cleanup.policy=compact"), "{described}");

    // A key that came behind the mark, by a server that did not know of the erasure yet.
    let keys = keys_topic(&log);
    let stray = b"bank/c-1/00ff";
    let told = Box::new(|_, sent: Result<(), _>| sent.unwrap());
    let publisher = Publisher::new(&keys, PublishOptions::to(topic.clone()), told).unwrap();
    let (key, value) = (Some(stray.as_slice()), Some(b"a key".as_slice()));
    publisher
        .publish(0, &Outgoing { partition: Some(0), key, value, ..Outgoing::default() })
        .unwrap();
    let table = Table::follow(&keys, &topic, None).unwrap();
    assert!(table.wait_any(&[stray], PATIENCE));
    let [first, _second] = servers;
    first.stop();
    let _again = log.serve(&scratches[0].data());
    let started = Instant::now();
    while table.get(stray).is_some() {
        assert!(started.elapsed() < PATIENCE, "it stays");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(table.all().into_keys().collect::<Vec<_>>(), [b"bank/c-1/"]);
}

fn keys_topic(log: &Log) -> kafka::Cluster {
    let (bootstrap, prefix) = (log.bootstrap().to_owned(), log.prefix().to_owned());
    kafka::Cluster::new(KafkaOptions { bootstrap, prefix, ..KafkaOptions::default() }).unwrap()
}
