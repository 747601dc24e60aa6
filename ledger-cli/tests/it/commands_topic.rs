//! Commands on the commands topic, results on the results topic, on a real broker: what is sent, in what
//! form, to which partition, and what becomes of it when servers are killed, come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ledger_domain::partition::partition_of;
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::records::{KafkaRecord, ReadFrom, Records};
use ledger_log::kafka::{Cluster, KafkaOptions, Topic};
use ledger_proto::v1;
use ledger_proto::v1::command::Request;
use ledger_proto::v1::command_result::Outcome;
use prost::Message as _;
use serde_json::{Value, json};

use crate::client::Scratch;
use crate::on_kafka::Log;
use crate::server::{Server, runtime};

const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: u32 = 2;
pub(crate) const JSON: (&str, &[u8]) = ("content-type", b"application/json");

/// The topics of a server's, seen from outside.
pub(crate) struct Topics {
    cluster: Cluster,
    results: Records,
    publisher: Publisher,
    /// Results that came, in order.
    pub(crate) came: Vec<KafkaRecord>,
}

impl Topics {
    pub(crate) fn of(log: &Log) -> Topics {
        let options = KafkaOptions {
            bootstrap: log.bootstrap().to_owned(),
            prefix: log.prefix().to_owned(),
            ..KafkaOptions::default()
        };
        let (commands, results) = (options.topic(Topic::Commands), options.topic(Topic::Results));
        let cluster = Cluster::new(options).unwrap();
        let results = Records::open(&cluster, &results, &ReadFrom::Beginning).unwrap();
        let heard = Box::new(|_, delivered: Result<(), _>| delivered.unwrap());
        let publisher = Publisher::new(&cluster, PublishOptions::to(commands), heard).unwrap();
        Topics { cluster, results, publisher, came: Vec::new() }
    }

    fn send(&self, record: &Outgoing<'_>) {
        self.publisher.publish(0, record).unwrap();
    }

    /// Sends a value to a partition; its result is then known by this id.
    pub(crate) fn send_to(
        &self,
        partition: u32,
        id: &str,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) {
        let mut all = vec![("correlation-id", id.as_bytes())];
        all.extend(headers);
        let (partition, key) = (Some(partition), Some(b"key".as_slice()));
        self.send(&Outgoing { partition, key, value, headers: &all });
    }

    /// Until there are results that are as they shall be.
    pub(crate) fn wait(&mut self, what: &str, mut there: impl FnMut(&[KafkaRecord]) -> bool) {
        let started = std::time::Instant::now();
        while !there(&self.came) {
            assert!(started.elapsed() < PATIENCE, "{what}: {} results came", self.came.len());
            self.came.extend(self.results.poll(Duration::from_millis(100)).unwrap());
        }
    }

    /// The one result of an id.
    fn result(&mut self, id: &str) -> KafkaRecord {
        self.wait(id, |came| came.iter().any(|record| correlation(record) == id));
        self.came.iter().find(|record| correlation(record) == id).unwrap().clone()
    }

    pub(crate) fn json(&mut self, id: &str) -> Value {
        let record = self.result(id);
        assert_eq!(record.header("content-type"), Some(b"application/json".as_slice()), "{id}");
        serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
    }

    fn protobuf(&mut self, id: &str) -> v1::CommandResult {
        let record = self.result(id);
        let protobuf = b"application/x-protobuf".as_slice();
        assert_eq!(record.header("content-type"), Some(protobuf), "{id}");
        decode(&record)
    }
}

pub(crate) fn correlation(record: &KafkaRecord) -> String {
    String::from_utf8(record.header("correlation-id").unwrap().to_vec()).unwrap()
}

fn decode(record: &KafkaRecord) -> v1::CommandResult {
    v1::CommandResult::decode(record.value.as_deref().unwrap()).unwrap()
}

fn post(ledger: &str, id: &str) -> v1::Command {
    let transfer = v1::Transfer {
        transfer_id: id.into(),
        debit_account: "a".into(),
        credit_account: "b".into(),
        asset: "USD".into(),
        amount: "1.00".into(),
        ..v1::Transfer::default()
    };
    let request = v1::PostTransferRequest {
        parent: format!("ledgers/{ledger}"),
        transfer: Some(transfer),
        ..v1::PostTransferRequest::default()
    };
    v1::Command { request: Some(Request::PostTransfer(request)) }
}

pub(crate) fn post_json(ledger: &str, id: &str) -> Value {
    json!({ "postTransfer": { "parent": format!("ledgers/{ledger}"), "transfer": {
        "transferId": id, "debitAccount": "a", "creditAccount": "b", "asset": "USD", "amount": "1.00",
    } } })
}

pub(crate) fn bank() -> u32 {
    partition_of("bank", PARTITIONS)
}

/// Whatever is on the topic is answered, and the next command is decided.
#[test]
fn what_is_no_command_is_told_why_and_stops_nothing() {
    let Some(log) = Log::somewhere("commands-forms") else { return };
    let scratch = Scratch::new();
    let server = log.serve(&scratch.data());
    let mut topics = Topics::of(&log);
    let book = ["a".to_owned(), "b".to_owned()];
    runtime().block_on(async { server.client().await.make_book("bank", "USD", 2, &book).await });
    let unknown_field = br#"{"postTransfer":{"parent":"ledgers/bank","colour":"red"}}"#;
    let large = [b"{".as_slice(), &vec![b' '; 900_000]].concat();
    let plain: (&str, &[u8]) = ("content-type", b"text/plain");
    topics.send_to(bank(), "words", Some(b"hello"), &[]);
    topics.send_to(bank(), "tombstone", None, &[]);
    topics.send_to(bank(), "field", Some(unknown_field), &[]);
    topics.send_to(bank(), "type", Some(b"{}"), &[plain]);
    topics.send_to(bank(), "large", Some(&large), &[]);
    topics.send_to(bank(), "nothing", Some(b""), &[]);
    topics.send_to(bank(), "empty", Some(b"{}"), &[JSON]);
    for id in ["words", "tombstone", "field", "type", "large"] {
        let result = topics.json(id);
        assert_eq!(result["failure"]["reason"], "MALFORMED_COMMAND", "{id}: {result}");
    }
    assert!(topics.json("field")["failure"]["message"].to_string().contains("colour"));
    assert_eq!(topics.json("empty")["refusal"]["reason"], "MALFORMED");
    let Some(Outcome::Refusal(refusal)) = topics.protobuf("nothing").outcome else { panic!("it") };
    assert_eq!(refusal.reason, "MALFORMED");

    // Refused for its shape, for the state, and a batch with both beside what is posted.
    let mut amount = post_json("bank", "t-1");
    amount["postTransfer"]["transfer"]["amount"] = "1,5".into();
    topics.send_to(bank(), "amount", Some(amount.to_string().as_bytes()), &[]);
    let mut account = post_json("bank", "t-2");
    account["postTransfer"]["transfer"]["debitAccount"] = "nobody".into();
    topics.send_to(bank(), "account", Some(account.to_string().as_bytes()), &[]);
    let item = |value: &Value| value["postTransfer"]["transfer"].clone();
    let items = [item(&amount), item(&post_json("bank", "t-3")), item(&account)];
    let batch = json!({ "postTransfers": { "parent": "ledgers/bank", "transfers": items } });
    topics.send_to(bank(), "batch", Some(batch.to_string().as_bytes()), &[JSON]);
    assert_eq!(topics.json("amount")["refusal"]["reason"], "MALFORMED_AMOUNT");
    assert_eq!(topics.json("account")["refusal"]["reason"], "UNKNOWN_DEBIT_ACCOUNT");
    let results = topics.json("batch")["transfers"]["results"].clone();
    assert_eq!(results[0]["refusal"]["reason"], "MALFORMED_AMOUNT");
    assert!(results[1]["acknowledgement"]["position"].is_string(), "{results}");
    assert_eq!(results[2]["refusal"]["replayed"], true, "it was refused before");

    // Protobuf, and a partition that is not the ledger's: answered where it was sent to.
    let elsewhere = (bank() + 1) % PARTITIONS;
    topics.send_to(elsewhere, "elsewhere", Some(&post("bank", "t-4").encode_to_vec()), &[]);
    let result = topics.protobuf("elsewhere");
    assert_eq!(result.name, "ledgers/bank/transfers/t-4");
    let Some(Outcome::Acknowledgement(posted)) = result.outcome else { panic!("{result:?}") };
    assert!(posted.position.starts_with(&format!("{}@", bank())), "{}", posted.position);
    assert_eq!(topics.result("elsewhere").partition, elsewhere);

    // All is committed: a server that starts again answers nothing twice.
    let before = topics.came.len();
    server.stop();
    let _server = log.serve(&scratch.data());
    topics.send_to(bank(), "last", Some(&post("bank", "t-5").encode_to_vec()), &[]);
    topics.result("last");
    assert_eq!(topics.came.len(), before + 1);
}

const LEDGERS: [&str; 3] = ["north", "south", "bank"];

/// Posts of every ledger, each with an id of its own; the ids.
fn send_many(topics: &Topics, round: usize, count: usize) -> Vec<String> {
    let ids = (0..count).map(|number| {
        let (id, ledger) = (format!("r{round}-{number}"), LEDGERS[number % LEDGERS.len()]);
        let value = post(ledger, &id).encode_to_vec();
        // Without a partition: the key takes it there. Some go astray.
        let partition = (number % 50 == 0).then_some(number as u32 % PARTITIONS);
        let (key, value) = (Some(ledger.as_bytes()), Some(value.as_slice()));
        topics.send(&Outgoing { partition, key, value, headers: &[] });
        id
    });
    ids.collect()
}

/// Every id was acknowledged, at one position however often it was answered; how many came again.
fn check_results(topics: &mut Topics, sent: &BTreeSet<String>) -> usize {
    topics.wait("all", |came| {
        came.len() >= sent.len()
            && came.iter().map(correlation).collect::<BTreeSet<_>>().is_superset(sent)
    });
    let mut positions = BTreeMap::new();
    for record in &topics.came {
        let id = correlation(record);
        let Some(Outcome::Acknowledgement(it)) = decode(record).outcome else { panic!("{id}") };
        let before = positions.insert(id.clone(), it.position.clone());
        assert!(before.is_none_or(|before| before == it.position), "{id} has two outcomes");
    }
    let distinct: BTreeSet<&String> = positions.values().collect();
    assert_eq!((positions.len(), distinct.len()), (sent.len(), sent.len()), "one event each");
    topics.came.len() - sent.len()
}

fn check_books(server: &Server, sent: usize) {
    let debits = LEDGERS.map(|ledger| {
        let balance = server.json(&["balance", ledger, "a"]);
        let debits = balance["balances"][0]["debitsPosted"].as_str().unwrap().to_owned();
        debits.strip_suffix(".00").unwrap().parse::<usize>().unwrap()
    });
    assert_eq!(debits.iter().sum::<usize>(), sent, "exactly once: {debits:?}");
    let audit = server.cli(&["audit", "replay"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}

fn make_books(server: &Server) {
    let book = ["a".to_owned(), "b".to_owned()];
    runtime().block_on(async {
        let client = server.client().await;
        for ledger in LEDGERS {
            client.make_book(ledger, "USD", 2, &book).await;
        }
    });
}

/// SIGKILL of the server with commands on their way, three times.
#[test]
fn commands_survive_kills_of_the_server() {
    let Some(log) = Log::somewhere("commands-killed") else { return };
    let scratch = Scratch::new();
    let mut server = log.serve(&scratch.data());
    make_books(&server);
    let mut topics = Topics::of(&log);
    let mut sent = BTreeSet::new();
    for round in 0..3 {
        sent.extend(send_many(&topics, round, 5_000));
        // Some are answered, many are not yet.
        let answered = topics.came.len();
        topics.wait("some", |came| came.len() > answered + 50);
        server.kill();
        server = log.serve(&scratch.data());
    }
    let again = check_results(&mut topics, &sent);
    eprintln!("{} commands, {again} results came again", sent.len());
    check_books(&server, sent.len());
}

/// Servers come and go in order: each gives its partitions back with everything answered.
#[test]
fn commands_go_on_while_servers_come_and_go() {
    let Some(log) = Log::somewhere("commands-shared") else { return };
    let scratch = Scratch::new();
    let one = log.serve(&scratch.path("one"));
    make_books(&one);
    let mut topics = Topics::of(&log);
    let mut sent = BTreeSet::new();
    sent.extend(send_many(&topics, 0, 3_000));
    let two = log.serve(&scratch.path("two"));
    sent.extend(send_many(&topics, 1, 3_000));
    check_results(&mut topics, &sent);
    sent.extend(send_many(&topics, 2, 3_000));
    one.stop();
    sent.extend(send_many(&topics, 3, 3_000));
    let again = check_results(&mut topics, &sent);
    eprintln!("{} commands, {again} results came again", sent.len());
    check_books(&two, sent.len());
    let topic = topics.cluster.options().topic(Topic::Commands);
    two.stop();
    let three = log.serve(&scratch.path("three"));
    topics.send_to(bank(), "last", Some(&post("bank", "last").encode_to_vec()), &[]);
    let before = topics.came.len();
    topics.result("last");
    assert_eq!(topics.came.len(), before + 1, "{topic}: nothing is answered twice");
    check_books(&three, sent.len() + 1);
}

/// Nobody decides what is sent: the load says so after its patience, and does not hang.
#[test]
fn a_load_that_nobody_answers_ends_and_says_so() {
    let Some(log) = Log::somewhere("commands-silent") else { return };
    let scratch = Scratch::new();
    let server = log.serve(&scratch.data());
    // Topics that no server reads, of the same form.
    let silent = format!("{}-silent", log.prefix());
    let make = async |name: &str| {
        crate::topics::Topic::named(log.bootstrap(), &format!("{silent}.{name}")).create(2).await;
    };
    runtime().block_on(async {
        make("commands").await;
        make("results").await;
    });
    let load = |server: &Server, flags: &[&str]| {
        let words = ["load", "--accounts=10", "--transfers=3000", "--timeout-seconds=3", "--json"];
        let via = ["--via=kafka", "--kafka", log.bootstrap(), "--kafka-prefix", &silent];
        let began = std::time::Instant::now();
        let ran = server.run(&[&words[..], &via, flags].concat());
        assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        ran
    };
    // All sent at once; a window that stays full; starts that are far apart.
    for (flags, requests) in [
        (&["--batch=1", "--window=10000"][..], 3_000),
        (&["--batch=1", "--window=10"], 3_000),
        (&["--batch=1000", "--rate=10"], 3),
    ] {
        let ran = load(&server, flags);
        let said =
            format!("the load stopped early: 0 of {requests} results came, and none for 3 s");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("{silent}.commands")), "{}", ran.stderr);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["acknowledged"], 0, "{report}");
    }

    // Without a server that decides anything, not even the accounts are opened.
    server.stop();
    let reads = log.serve_as("projector,query", &scratch.path("reads"));
    let ran = load(&reads, &["--batch=1"]);
    assert!(ran.stderr.contains("nobody writes partition"), "{}", ran.stderr);
}

/// `ledger load --via kafka`, in every form, and Kafka's own load tool with a file of commands.
#[test]
fn loads_over_the_topic_hear_of_every_command() {
    let Some(log) = Log::somewhere("commands-load") else { return };
    let scratch = Scratch::new();
    let server = log.serve(&scratch.data());
    let via = ["--via=kafka", "--kafka", log.bootstrap(), "--kafka-prefix", log.prefix()];
    for flags in [
        &["--transfers=3000", "--batch=1", "--ledgers=3", "--window=500"][..],
        &["--transfers=2000", "--batch=1", "--rate=4000", "--json-commands"],
        &["--transfers=5000", "--batch=100", "--ledgers=2", "--json-commands"],
        &["--transfers=5001", "--batch=1000", "--rate=50000"],
    ] {
        let words = ["load", "--accounts=10"].iter().chain(&via).chain(flags);
        let report = server.json(&words.copied().collect::<Vec<_>>());
        assert_eq!(report["acknowledged"], report["transfers"], "{report}");
        assert_eq!((&report["replayed"], &report["refused"]), (&0.into(), &0.into()), "{report}");
        let us = |field: &str| report[field].as_u64().unwrap();
        assert!(us("latency_p50_us") > 0 && us("latency_p50_us") <= us("latency_max_us"));
    }

    let file = scratch.path("commands.txt");
    let file = file.to_str().unwrap();
    let words = ["load", "--accounts=10", "--transfers=200", "--batch=1", "--payload-file", file];
    assert_eq!(server.json(&words)["commands"], 200);
    let lines = std::fs::read_to_string(file).unwrap();
    assert_eq!(lines.lines().count(), 200);
    let mut topics = Topics::of(&log);
    topics.wait("what the loads left", |came| came.len() >= 5_056);
    let before = topics.came.len();
    let output = crate::cluster::Cluster::new()
        .command(&format!(
            "tool producer-perf --topic {}.commands --num-records 500 --throughput -1 \
             --payload-file {file} --producer-props bootstrap.servers={}",
            log.prefix(),
            log.bootstrap()
        ))
        .output()
        .unwrap();
    crate::cluster::succeeded("producer-perf", &output);
    // It draws lines by chance, and sends them without a key: to any partition, and some again.
    topics.wait("its results", |came| came.len() >= before + 500);
    for record in &topics.came[before..] {
        let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert!(value["acknowledgement"]["position"].is_string(), "{value}");
    }
}

/// What a client took back with its transaction was never asked for; what it committed was.
#[test]
fn commands_of_an_aborted_transaction_are_not_decided() {
    let Some(log) = Log::somewhere("commands-aborted") else { return };
    let scratch = Scratch::new();
    let server = log.serve(&scratch.data());
    let commands = crate::topics::Topic::commands(log.bootstrap(), log.prefix());
    let create = |ledger: &str| {
        let create = json!({ "createLedger": { "ledgerId": ledger, "requestId": ledger } });
        create.to_string().into_bytes()
    };
    let partition = bank() as i32;
    for (ledger, commit) in [("taken-back", false), ("meant", true)] {
        let id = format!("{}-{ledger}", log.prefix());
        let stranger = commands.stranger(Some(&id));
        stranger.write(partition, &[&create(ledger)]);
        stranger.end(commit);
    }
    // Behind both of them.
    let mut topics = Topics::of(&log);
    topics.send_to(bank(), "last", Some(&create("last")), &[JSON]);
    topics.json("last");
    topics.json("meant");
    // Their ledgers are of other partitions, so that either may be decided first.
    let known: BTreeSet<String> = topics.came.iter().map(correlation).collect();
    assert!(known.iter().eq(["last", "meant"]), "and nothing else: {known:?}");
    let status = runtime().block_on(async {
        server.client().await.balance_with("taken-back", "a", None).await.unwrap_err()
    });
    assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
}
