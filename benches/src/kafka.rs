//! The log on a Kafka cluster: each load there and on an embedded log in turn, in one run; beside them what
//! bare clients of the same cluster do; and how soon a killed server is replaced.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::records::{ReadFrom, Records};
use ledger_log::kafka::{Cluster, KafkaOptions, Topic};
use ledger_proto::v1;
use ledger_proto::v1::ledger_command_service_client::LedgerCommandServiceClient as Commands;
use ledger_proto::v1::topology_service_client::TopologyServiceClient as Topologies;
use tonic::transport::Channel;

use crate::server::Server;
use crate::writes::{Loaded, cases};

/// Size of a bare record, and how many: about that of a single transfer's commit.
const BARE_BYTES: usize = 300;
const BARE_ONE_BY_ONE: u64 = 5_000;
const BARE_MANY: u64 = 500_000;
const PARTITIONS: u32 = 8;
/// How often a killed server's successor is asked.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Where is measured.
#[derive(Debug)]
pub(crate) struct On {
    pub(crate) ledger: PathBuf,
    pub(crate) bootstrap: String,
    pub(crate) scratch: PathBuf,
}

impl On {
    /// A server whose log is on the cluster, under a prefix of this run.
    fn serve(&self, prefix: &str, data: &str, flags: &[&str]) -> anyhow::Result<Server> {
        let prefix = self.prefix(prefix);
        let mut all = vec!["--kafka", &self.bootstrap, "--kafka-prefix", &prefix];
        all.push("--allow-under-replicated");
        all.extend(flags);
        Server::start_with(&self.ledger, &self.scratch.join(data), &all)
    }

    fn prefix(&self, name: &str) -> String {
        format!("bench-{}-{name}", std::process::id())
    }

    fn cluster(&self, name: &str) -> anyhow::Result<Cluster> {
        Ok(Cluster::new(KafkaOptions {
            bootstrap: self.bootstrap.clone(),
            prefix: self.prefix(name),
            allow_under_replicated: true,
            ..KafkaOptions::default()
        })?)
    }
}

pub(crate) async fn measure(on: &On, transfers: u64, accounts: u64) -> anyhow::Result<()> {
    bare(on)?;
    for (number, (what, flags)) in cases(transfers).into_iter().enumerate() {
        let kafka = on.serve(&format!("w{number}"), &format!("kafka-{number}"), &[])?;
        let there = Loaded::by(&kafka, &on.ledger, &flags)?;
        drop(kafka);
        let embedded = Server::start(&on.ledger, &on.scratch.join(format!("embedded-{number}")))?;
        let here = Loaded::by(&embedded, &on.ledger, &flags)?;
        let share = 100.0 * there.per_second / here.per_second;
        crate::report(&format!("| {what}, on Kafka | {there} |"));
        crate::report(&format!("| {what}, embedded | {here}; Kafka is {share:.0} % of it |"));
    }
    commands_topic(on, transfers)?;
    replay(on, transfers).await?;
    crash(on, accounts).await
}

/// What a bare idempotent producer of the same cluster does.
fn bare(on: &On) -> anyhow::Result<()> {
    let cluster = on.cluster("bare")?;
    cluster.ensure(Topic::Results, PARTITIONS)?;
    let topic = cluster.options().topic(Topic::Results);
    let (delivered, deliveries) = mpsc::channel();
    let sink = Box::new(move |tag, result: Result<(), _>| drop(delivered.send((tag, result))));
    let linger = Duration::ZERO;
    let publisher =
        Publisher::new(&cluster, PublishOptions { linger, ..PublishOptions::to(topic) }, sink)?;
    let value = [b'x'; BARE_BYTES];
    let record = Outgoing { partition: Some(0), value: Some(&value), ..Outgoing::default() };
    let mut latency = Histogram::<u64>::new(3)?;
    for tag in 0..BARE_ONE_BY_ONE {
        let sent = Instant::now();
        publisher.publish(tag, &record)?;
        deliveries.recv()?.1?;
        latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
    }
    let (p50, p99) = (latency.value_at_quantile(0.5), latency.value_at_quantile(0.99));
    crate::report(&format!("| bare produce, one at a time | p50 {p50} us, p99 {p99} us |"));
    let started = Instant::now();
    for tag in 0..BARE_MANY {
        publisher.publish(tag, &record)?;
    }
    for _ in 0..BARE_MANY {
        deliveries.recv()?.1?;
    }
    let rate = per_second(BARE_MANY, started.elapsed());
    crate::report(&format!("| bare produce, {BARE_BYTES} B | {rate:.0}/s |"));
    Ok(())
}

/// Single transfers through the commands topic, from send to result. A few before them: a server that has
/// just started waits for the group to give it its partitions.
fn commands_topic(on: &On, transfers: u64) -> anyhow::Result<()> {
    let server = on.serve("c", "commands", &[])?;
    let prefix = on.prefix("c");
    let load = |transfers: u64| {
        let count = transfers.to_string();
        let flags = ["--via", "kafka", "--kafka", &on.bootstrap, "--kafka-prefix", &prefix];
        let flags = flags.into_iter().chain(["--batch", "1", "--transfers", &count]);
        let flags: Vec<String> = flags.map(str::to_owned).collect();
        Loaded::by(&server, &on.ledger, &flags)
    };
    load(1_000)?;
    let loaded = load(transfers)?;
    crate::report(&format!("| single transfers through the commands topic | {loaded} |"));
    Ok(())
}

/// Fresh views over the log of the first load, and a bare consumer over the same records.
async fn replay(on: &On, transfers: u64) -> anyhow::Result<()> {
    let cluster = on.cluster("w0")?;
    let started = Instant::now();
    let topic = cluster.options().events_topic();
    let mut left = 0;
    for partition in 0..PARTITIONS {
        left += cluster.bounds(&topic, partition)?.1;
    }
    let mut records = Records::open(&cluster, &topic, &ReadFrom::Beginning)?;
    let mut bytes = 0;
    while left > 0 {
        for record in records.poll(Duration::from_millis(100))? {
            bytes += record.value.map_or(0, |value| value.len());
            left -= 1;
        }
    }
    let bare = started.elapsed();
    let rate = per_second(transfers, bare);
    let megabytes = per_second(u64::try_from(bytes)?, bare) / 1e6;
    crate::report(&format!(
        "| bare consumer of that log | {rate:.0} transfers/s, {megabytes:.0} MB/s |"
    ));

    let started = Instant::now();
    let server = on.serve("w0", "fresh", &["--roles", "projector,query"])?;
    let channel = Channel::from_shared(server.address.clone())?.connect().await?;
    let mut topologies = Topologies::new(channel);
    loop {
        let topology = topologies.get_topology(v1::GetTopologyRequest {}).await?.into_inner();
        let me = topology.servers.iter().find(|server| server.id == topology.answered_by);
        let me = me.context("a server knows itself")?;
        let views = me.partitions.iter().map(|partition| partition.viewed);
        if topology.partitions.iter().map(|partition| partition.end).eq(views) {
            break;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    let views = started.elapsed();
    let (rate, share) =
        (per_second(transfers, views), 100.0 * bare.as_secs_f64() / views.as_secs_f64());
    crate::report(&format!(
        "| fresh views over it, start included | {rate:.0} transfers/s, {share:.1} % of the bare consumer |"
    ));
    Ok(())
}

/// From the kill of the only owner to the first accepted write: at another server, and at one that starts on
/// the same folder.
async fn crash(on: &On, accounts: u64) -> anyhow::Result<()> {
    let owner = on.serve("k", "owner", &[])?;
    let (many, clients) = (accounts.to_string(), "16");
    let flags =
        ["--accounts", &many, "--transfers", "10000", "--clients", clients, "--name", "crash"];
    let flags: Vec<String> = flags.map(str::to_owned).into();
    Loaded::by(&owner, &on.ledger, &flags)?;
    let other = on.serve("k", "other", &[])?;
    let took = first_write(&other, || drop(owner), "kills-1").await?;
    crate::report(&format!(
        "| {accounts} accounts: kill to first accepted write, another server | {took:.2?} |"
    ));
    let killed = Instant::now();
    drop(other);
    let again = on.serve("k", "other", &[])?;
    let listening = killed.elapsed();
    first_write(&again, || (), "kills-2").await?;
    let took = killed.elapsed();
    crate::report(&format!(
        "| {accounts} accounts: kill to first accepted write, started again | {took:.2?}, listening after {listening:.2?} |"
    ));
    Ok(())
}

/// Asks this server to post one transfer of the load's ledger until it is accepted.
async fn first_write(server: &Server, kill: impl FnOnce(), id: &str) -> anyhow::Result<Duration> {
    let channel = Channel::from_shared(server.address.clone())?.connect().await?;
    let mut commands = Commands::new(channel);
    let started = Instant::now();
    kill();
    let transfer = v1::Transfer {
        transfer_id: id.to_owned(),
        debit_account: "a0".into(),
        credit_account: "a1".into(),
        asset: "USD".into(),
        amount: "1".into(),
        ..Default::default()
    };
    let (parent, transfer) = ("ledgers/crash-0".to_owned(), Some(transfer));
    let request = v1::PostTransferRequest { parent, transfer, ..Default::default() };
    while let Err(status) = commands.post_transfer(request.clone()).await {
        anyhow::ensure!(
            started.elapsed() < Duration::from_secs(60),
            "not within a minute: {status}"
        );
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(started.elapsed())
}

fn per_second(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}
