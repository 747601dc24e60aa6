//! Two writers on one partition of a real Kafka topic, and no group that deals it out: both insist, for as
//! long as there are commands. Each takes the partition from the other again and again, mostly with commits
//! in flight.
//!
//! `KAFKA_BOOTSTRAP` names the broker; `scripts/test` starts one. Without it this is skipped.

#![expect(clippy::unwrap_used, reason = "the crate's lints know tests by their attribute only")]
#![expect(clippy::disallowed_methods, reason = "real servers on a real clock")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use ledger_command::run::start;
use ledger_command::{Answer, Config, Environment, Handle, Reply, Submission};
use ledger_domain::event::Row;
use ledger_domain::{
    AccountName, AccountType, AskedRules, AssetCode, Command, CommandBody, Decimal, Event, Id,
    LedgerName, Leg, Link, Movement, Position, Transfer,
};
use ledger_log::kafka::{Kafka, KafkaOptions};
use ledger_log::{Backend, Decision, LogId, Reader, log};
use ledger_proto::logged;

const LOG_ID: LogId = LogId([9; 16]);
const CLIENTS: usize = 4;
const WHILE: Duration = Duration::from_secs(5);

fn options() -> Option<KafkaOptions> {
    let bootstrap = std::env::var("KAFKA_BOOTSTRAP").ok().filter(|brokers| !brokers.is_empty());
    if bootstrap.is_none() {
        assert!(
            std::env::var_os("LEDGER_KAFKA_REQUIRED").is_none(),
            "LEDGER_KAFKA_REQUIRED is set, KAFKA_BOOTSTRAP is not"
        );
        eprintln!("SKIPPED: KAFKA_BOOTSTRAP names no broker (scripts/kafka up starts one)");
    }
    Some(KafkaOptions {
        bootstrap: bootstrap?,
        prefix: format!("insist-{}", std::process::id()),
        partition_count: Some(1),
        replication_factor: 1,
        allow_under_replicated: true,
        ..KafkaOptions::default()
    })
}

/// A server of its own that takes the partition.
fn insist(options: &KafkaOptions, folder: &Path) -> Handle {
    let backend = Kafka::open(options.clone()).unwrap();
    let environment = Environment {
        log: log::open(&*backend, LOG_ID).unwrap(),
        backend,
        folder: folder.to_owned(),
        clock: ledger_runtime::clock::now,
        entropy: ledger_runtime::random::bytes_16,
    };
    let handle = start(&environment, Config::default()).unwrap();
    handle.assign([0]);
    handle
}

fn command(body: CommandBody) -> Command {
    let ledger = LedgerName::parse("bank").unwrap();
    Command { ledger, request_id: None, conditions: Vec::new(), body }
}

fn account(name: &str, may_go_negative: bool) -> Command {
    let (name, rules) =
        (AccountName::parse(name).unwrap(), AskedRules::without_limits(may_go_negative));
    command(CommandBody::OpenAccount {
        name,
        account_type: AccountType::Liability,
        rules,
        metadata: Default::default(),
    })
}

fn transfer(id: &str) -> Command {
    let transfer = Transfer {
        id: Id::parse(id).unwrap(),
        movement: Movement::Post(Leg {
            debit_account: AccountName::parse("world").unwrap(),
            credit_account: AccountName::parse("a").unwrap(),
            asset: AssetCode::parse("USD").unwrap(),
            amount: Decimal::parse("1").unwrap(),
            up_to: false,
        }),
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    command(CommandBody::PostTransfers { transfers: vec![transfer] })
}

/// Asks until it is recorded.
async fn ask(server: &Handle, command: &Command) -> Answer {
    let begun = Instant::now();
    loop {
        match server.submit(command.clone(), Submission::default()).await {
            Reply::One(answer) => return answer,
            Reply::Items(mut answers) => return answers.remove(0),
            Reply::NotRecorded { .. }
            | Reply::Overloaded { .. }
            | Reply::NotOwner
            | Reply::Unknown { .. } => {
                assert!(begun.elapsed() < Duration::from_secs(60), "nobody records {command:?}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

/// Where a transfer was recorded.
async fn place(server: &Handle, id: &str) -> Position {
    match ask(server, &transfer(id)).await {
        Answer::Accepted(receipt) => receipt.position.unwrap(),
        refused @ Answer::Refused { .. } => panic!("{id}: {refused:?}"),
    }
}

async fn make_book(server: &Handle) {
    let asset = CommandBody::CreateAsset { code: AssetCode::parse("USD").unwrap(), scale: 2 };
    let book = [
        command(CommandBody::CreateLedger { metadata: Default::default() }),
        command(asset),
        account("world", true),
        account("a", false),
    ];
    for command in book {
        // A try whose outcome nobody knew may have been the one that made it.
        ask(server, &command).await;
    }
}

/// Posts to one server for a while; what was recorded, and where.
async fn post(server: Handle, client: usize) -> Vec<(String, Position)> {
    let (begun, mut acknowledged) = (Instant::now(), Vec::new());
    while begun.elapsed() < WHILE {
        let id = format!("t{client}-{}", acknowledged.len());
        let at = place(&server, &id).await;
        acknowledged.push((id, at));
    }
    acknowledged
}

/// Half of the clients at each server.
async fn post_all(servers: &[Handle]) -> Vec<(String, Position)> {
    let clients = servers.iter().cycle().take(CLIENTS).cloned().enumerate();
    let posting: Vec<_> =
        clients.map(|(client, server)| tokio::spawn(post(server, client))).collect();
    let mut all = Vec::new();
    for client in posting {
        all.extend(client.await.unwrap());
    }
    all
}

/// An independent reading of the log: where each transfer counts, and how many terms there were.
fn read(options: &KafkaOptions) -> (BTreeMap<String, Vec<Position>>, usize) {
    let backend = Kafka::open(options.clone()).unwrap();
    let (end, mut next) = (backend.end(0).unwrap(), 0);
    let (mut reader, mut counted, mut terms) = (Reader::new(LOG_ID, 0), BTreeMap::new(), 0);
    while next < end {
        for record in backend.read(0, next, 1 << 20).unwrap() {
            next = record.offset + 1;
            match reader.step(record.offset, &record.bytes).unwrap() {
                Decision::Accepted(commit) => {
                    let events = |bytes: &Vec<u8>| logged::decode(bytes).unwrap().events;
                    count(record.offset, commit.commands.iter().flat_map(events), &mut counted);
                }
                Decision::NewTerm(_) => terms += 1,
                Decision::Created | Decision::Skipped(_) => {}
            }
        }
    }
    (counted, terms)
}

fn count(
    offset: u64,
    events: impl Iterator<Item = Event>,
    counted: &mut BTreeMap<String, Vec<Position>>,
) {
    let mut index = 0;
    for event in events {
        if let Event::TransferBatch(batch) = &event {
            for (row, content) in batch.iter() {
                let Row::Accepted(posted) = content else { panic!("nobody is poor: {content:?}") };
                let at = Position::event(0, offset, index + row);
                counted.entry(posted.id.to_string()).or_default().push(at);
            }
        }
        index += event.width();
    }
}

#[test]
fn two_writers_that_both_insist_do_no_harm() {
    let Some(options) = options() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let servers = [insist(&options, one.path()), insist(&options, other.path())];
    let acknowledged = runtime.block_on(async {
        make_book(&servers[0]).await;
        let all = post_all(&servers).await;
        // Both know every outcome, whoever recorded it.
        for server in &servers {
            for (id, at) in all.iter().step_by(10) {
                assert_eq!(place(server, id).await, *at, "{id}");
            }
        }
        all
    });
    for server in servers {
        server.stop().unwrap();
    }
    let (counted, terms) = read(&options);
    eprintln!("{} transfers in {terms} terms", acknowledged.len());
    assert!(terms > 8, "they took it from each other: {terms} terms");
    let expected: BTreeMap<String, Vec<Position>> =
        acknowledged.into_iter().map(|(id, at)| (id, vec![at])).collect();
    assert_eq!(counted, expected, "each transfer counts once, where it was acknowledged");
}
