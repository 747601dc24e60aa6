//! `<prefix>.feed` on a real broker, read as a consumer reads it that knows nothing of the log: with Kafka's
//! own console consumer.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger_domain::Position;
use ledger_proto::v1;
use serde_json::{Value, json};

use crate::client::Scratch;
use crate::cluster::Cluster;
use crate::load::{Fate, Known, Load, a_while, accounts, check};
use crate::on_kafka::{BANK, Log, reports, with};
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// One line of the console consumer.
#[derive(Clone, Debug)]
struct Line {
    key: String,
    headers: String,
    partition: u32,
    event: Value,
}

impl Line {
    /// "Partition:1\theaders\tkey\tvalue".
    fn read(line: &str) -> Line {
        let fields: Vec<&str> = line.split('\t').collect();
        let [partition, headers, key, value] = fields[..] else { panic!("{line}") };
        Line {
            key: key.to_owned(),
            headers: headers.to_owned(),
            partition: partition.trim_start_matches("Partition:").parse().unwrap(),
            event: serde_json::from_str(value).unwrap(),
        }
    }

    fn position(&self) -> Position {
        self.event["position"].as_str().unwrap().parse().unwrap()
    }
}

/// Everything in the feed, each partition in its order.
fn console(log: &Log) -> Vec<Line> {
    let tools = Cluster::new();
    let said = tools.run(&format!(
        "tool console-consumer --bootstrap-server {} --topic {}.feed --from-beginning --timeout-ms 5000 \
         --formatter-property print.partition=true --formatter-property print.headers=true \
         --formatter-property print.key=true",
        log.bootstrap(),
        log.prefix()
    ));
    said.lines().filter(|line| line.starts_with("Partition:")).map(Line::read).collect()
}

/// What is left when every position at or before the newest of its partition is skipped.
fn once(lines: &[Line]) -> Vec<Line> {
    let mut newest: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
    let mut kept = Vec::new();
    for line in lines {
        let position = line.position();
        assert_eq!(position.partition, line.partition, "{line:?}");
        if newest.get(&line.partition).is_none_or(|before| *before < position.bound()) {
            newest.insert(line.partition, position.bound());
            kept.push(line.clone());
        }
    }
    kept
}

/// Reads until the event at this position is there.
async fn read_up_to(log: &Log, position: &str) -> Vec<Line> {
    for _ in 0..PATIENCE.as_secs() {
        let lines = console(log);
        if lines.iter().any(|line| line.event["position"] == position) {
            return lines;
        }
        a_while(500).await;
    }
    panic!("{position} does not come into the feed")
}

/// Position of the newest commit of the book, as an event of it.
fn newest(server: &Server) -> String {
    let posted = server.json(&[
        "transfer",
        "post",
        "bank",
        "--debit",
        "users:0",
        "--credit",
        "users:1",
        "--amount",
        "1",
        "--asset",
        "USD",
        "--id",
        "last-of-all",
    ]);
    posted["acknowledgement"]["position"].as_str().unwrap().to_owned()
}

#[test]
fn the_feed_has_every_event_once_in_order_whoever_publishes_it() {
    let (scratch, known) = (Scratch::new(), Known::default());
    with(Log::somewhere("feed"), async |log| {
        let writer = log.serve_as("command", &scratch.path("writer"));
        let publish = ["--roles", "projector,query", "--kafka-feed"];
        let publisher = |name: &str| log.serve_with(&publish, &scratch.path(name));
        let (one, other) = (publisher("one"), publisher("other"));
        let client = writer.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let load = Load::start(&[client], &known);
        load.goes_on().await;
        // What does not count: somebody else's bytes.
        log.topic().stranger(None).write(BANK, &[b"{}", b"garbage"]);
        load.goes_on().await;
        // One of them publishes the partition of the load; after both kills each has been the other's heir.
        one.kill();
        load.goes_on().await;
        let one = publisher("one");
        load.goes_on().await;
        other.kill();
        load.goes_on().await;
        load.end().await;
        assert!(check(&one, &known).await > 8, "the load was real");

        let last = newest(&one);
        let lines = read_up_to(&log, &last).await;
        let kept = once(&lines);
        eprintln!("{} records in the feed, {} events", lines.len(), kept.len());
        let mut transfers: BTreeMap<String, String> = BTreeMap::new();
        for line in &kept {
            let (event, position) = (&line.event, line.event["position"].as_str().unwrap());
            assert_eq!((line.key.as_str(), &event["ledger"]), ("bank", &Value::from("bank")));
            let headers = format!("content-type:application/json,position:{position},log:");
            assert!(line.headers.starts_with(&headers), "{line:?}");
            if let Some(transfer) = event.get("transferAccepted") {
                assert_eq!(transfer["amount"], "1.00");
                let id = transfer["transferId"].as_str().unwrap().to_owned();
                assert_eq!(transfers.insert(id, position.to_owned()), None, "{line:?} twice");
            }
        }
        for (id, fate) in known.lock().unwrap().iter() {
            match (fate, transfers.get(id)) {
                (Fate::At(position), found) => assert_eq!(found, Some(position), "{id}"),
                (Fate::Never, found) => assert_eq!(found, None, "{id}"),
                (Fate::Unknown, _) => {}
            }
        }
        // What the log has of each kind, its audit counts.
        let posted = audited(&one, "transfers");
        assert_eq!(transfers.len(), posted);
        let ledger_and_asset = 2;
        let others = audited(&one, "accounts") + audited(&one, "refusals") + ledger_and_asset;
        assert_eq!(kept.len(), posted + others);
    });
}

#[test]
fn the_feed_has_the_crossings_of_alerts_with_names_and_values() {
    let scratch = Scratch::new();
    with(Log::somewhere("feed-alerts"), async |log| {
        let server = log.serve_with(&["--kafka-feed"], &scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let when = ["--when", "USD posted <= -5"];
        let set = ["alert", "set", "bank", "users:0", "low"];
        server.json(&[&set[..], &when].concat());
        let sides = ["users:0", "users:1"];
        let transfer = |number: usize| v1::Transfer {
            transfer_id: format!("t-{number}"),
            debit_account: sides[number % 2].to_owned(),
            credit_account: sides[1 - number % 2].to_owned(),
            asset: "USD".to_owned(),
            amount: "5".to_owned(),
            ..Default::default()
        };
        client.post("bank", (0..2).map(transfer).collect()).await.unwrap();
        server.json(&["alert", "remove", "bank", "users:0", "low"]);
        let last = newest(&server);
        let kept = once(&read_up_to(&log, &last).await);
        let of_alerts: Vec<Value> = kept
            .iter()
            .filter_map(|line| {
                let kinds = ["balanceAlertSet", "balanceAlertCrossed", "balanceAlertRemoved"];
                kinds.into_iter().find_map(|kind| line.event.get(kind)).cloned()
            })
            .collect();
        let watched = json!({ "asset": "USD", "figure": "BALANCE_FIGURE_POSTED",
            "comparison": "COMPARISON_AT_MOST", "amount": "-5.00" });
        let crossed = |raised: bool, value: &str, id: &str| {
            let mut crossed = json!({ "account": "users:0", "alertId": "low", "when": watched,
                "value": value, "transferId": id });
            if raised {
                crossed["raised"] = true.into();
            }
            crossed
        };
        let due = [
            json!({ "account": "users:0", "alertId": "low", "when": watched }),
            crossed(true, "-5.00", "t-0"),
            crossed(false, "0.00", "t-1"),
            json!({ "account": "users:0", "alertId": "low" }),
        ];
        assert_eq!(of_alerts, due);
    });
}

#[test]
fn the_feed_goes_on_when_the_brokers_are_back() {
    let scratch = Scratch::new();
    with(Log::on(1, "", "feed-away"), async |log| {
        let server = log.serve_with(&["--kafka-feed"], &scratch.data());
        let client = server.client().await;
        client.make_book("bank", "USD", 2, &accounts()).await;
        let known = Known::default();
        let load = Load::start(&[client], &known);
        load.goes_on().await;
        log.cluster().run("kill 1");
        a_while(1_000).await;
        log.cluster().run("start 1");
        load.goes_on().await;
        load.end().await;
        let last = newest(&server);
        let kept = once(&read_up_to(&log, &last).await);
        let posted = kept.iter().filter(|line| line.event.get("transferAccepted").is_some());
        assert_eq!(posted.count(), audited(&server, "transfers"));
    });
}

/// What the audit counts in all partitions.
fn audited(server: &Server, name: &str) -> usize {
    let count = |report: &Value| report[name].as_str().map_or(0, |count| count.parse().unwrap());
    reports(server).iter().map(count).sum()
}
