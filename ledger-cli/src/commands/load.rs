//! `ledger load`: posts many transfers and measures.
//!
//! Without `--rate` each client sends its next request when the last one was answered. With it the load
//! is an open loop: every request has an intended start, and its latency counts from there, so that a
//! stall of the server is seen by all that it delayed (no coordinated omission).
//!
//! With `--via kafka` the requests go to the commands topic and the answers are read from the results topic.

mod measure;
mod plan;
#[cfg(test)]
mod tests;
mod topic;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use ledger_log::kafka::KafkaOptions;
use ledger_proto::v1;
use serde_json::json;
use tokio::task::JoinSet;

use self::measure::{Load, Tally};
use self::plan::{ASSET, Plan, SCALE};
use self::topic::TopicLoad;
use super::{Context, fresh_id};
use crate::client::Client;
use crate::output::{Unit, progress};

/// Accounts that are being opened at a time by one client.
const OPENING_MAX: usize = 64;

/// Flags of `ledger load`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    /// Accounts of each ledger
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(2..))]
    accounts: u32,
    /// Transfers to post
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    transfers: u64,
    /// Transfers of one request; 1 uses the unary PostTransfer
    #[arg(long, value_name = "N", default_value_t = 8_190,
          value_parser = clap::value_parser!(u16).range(1..=8_190))]
    batch: u16,
    /// Clients, each with a connection of its own and one request in flight
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1_024))]
    clients: u16,
    /// Order of the transfers' ids
    #[arg(long, value_enum, default_value = "ordered")]
    ids: IdOrder,
    /// Seed of accounts, amounts and random ids
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Ledgers that the requests go to in turn
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    ledgers: u32,
    /// Transfers a second, as an open loop; as fast as answers come when left out
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Name of the ledgers, before their number; a fresh one when left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How requests go to the servers
    #[arg(long, value_enum, default_value = "grpc", requires_if("kafka", "kafka"))]
    via: Via,
    /// The cluster whose commands topic they go to, with --via kafka; accounts are opened by gRPC
    #[arg(long, value_name = "HOST:PORT,...")]
    kafka: Option<String>,
    /// The topics begin with it
    #[arg(long, value_name = "PREFIX", default_value = "ledger")]
    kafka_prefix: String,
    /// Commands on their way at a time, with --via kafka and without --rate
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// Write the commands as JSON, with --via kafka; protobuf when left out
    #[arg(long)]
    json_commands: bool,
    /// Post nothing: open the accounts, and write the commands to this file as JSON, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "via"])]
    payload_file: Option<PathBuf>,
}

/// The way of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Via {
    /// Calls of the gRPC service
    Grpc,
    /// Records of the commands topic
    Kafka,
}

/// How the ids of transfers are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IdOrder {
    /// As UUIDv7: each above the last
    Ordered,
    /// As UUIDv4: anywhere
    Random,
}

pub(super) async fn run(context: &Context, args: LoadArgs) -> anyhow::Result<()> {
    let mut clients = Vec::with_capacity(usize::from(args.clients));
    for _ in 0..args.clients {
        clients.push(context.connect().await?);
    }
    let name = args.name.clone().unwrap_or_else(|| format!("load-{}", fresh_id()));
    let plan = Arc::new(Plan::new(&args, &name));
    prepare(&plan, &clients).await?;

    if let Some(file) = &args.payload_file {
        topic::write_payload(&plan, file)?;
        let value = json!({ "name": name, "commands": plan.requests(), "file": file });
        return context.output.value(&value, || {
            format!("{} commands written to {}\n", plan.requests(), file.display())
        });
    }
    let bar = progress(args.transfers, Unit::Items);
    let (tally, repeated) = match args.via {
        Via::Grpc => {
            let load = Load::new(Arc::clone(&plan), args.rate, bar.clone());
            (load.run(clients).await?, 0)
        }
        Via::Kafka => over_the_topic(&args, plan, context.timeout, bar.clone()).await?,
    };
    bar.finish_and_clear();
    report(context, &args, &name, &tally, repeated)?;
    tally.stopped_by.map_or(Ok(()), |error| Err(error.context("the load stopped early")))
}

async fn over_the_topic(
    args: &LoadArgs,
    plan: Arc<Plan>,
    patience: Duration,
    bar: ProgressBar,
) -> anyhow::Result<(Tally, u64)> {
    let options = KafkaOptions {
        bootstrap: args.kafka.clone().context("--via kafka needs --kafka")?,
        prefix: args.kafka_prefix.clone(),
        ..KafkaOptions::default()
    };
    let (rate, window, as_json) = (args.rate, args.window, args.json_commands);
    let load = TopicLoad { plan, rate, window, as_json, patience, bar };
    tokio::task::spawn_blocking(move || load.run(options)).await?
}

/// Makes the ledgers, their asset and their accounts; what exists is left as it is.
async fn prepare(plan: &Arc<Plan>, clients: &[Client]) -> anyhow::Result<()> {
    let client = clients.first().context("at least one client")?;
    for ledger in plan.ledgers() {
        let request = v1::CreateLedgerRequest {
            ledger_id: ledger.clone(),
            request_id: fresh_id(),
            validate_only: false,
            metadata: Default::default(),
            conditions: Vec::new(),
        };
        let created = client.commands().create_ledger(client.request(request)).await;
        unless_exists(client, created.map(drop))?;
        let request = v1::CreateAssetRequest {
            parent: ledger_proto::resource::ledger_resource(ledger),
            asset_id: ASSET.to_owned(),
            scale: SCALE,
            request_id: fresh_id(),
            validate_only: false,
            conditions: Vec::new(),
        };
        let created = client.commands().create_asset(client.request(request)).await;
        unless_exists(client, created.map(drop))?;
    }
    let bar = progress(plan.accounts_total(), Unit::Items).with_message("opening accounts");
    let mut tasks = JoinSet::new();
    for (request, client) in plan.account_requests().zip(clients.iter().cycle()) {
        if tasks.len() == OPENING_MAX * clients.len() {
            tasks.join_next().await.context("an account is in flight")???;
        }
        let (client, bar) = (client.clone(), bar.clone());
        tasks.spawn(async move {
            let opened = client.open_account(&request).await;
            bar.inc(1);
            unless_exists(&client, opened.map(drop))
        });
    }
    while let Some(opened) = tasks.join_next().await {
        opened??;
    }
    bar.finish_and_clear();
    Ok(())
}

fn unless_exists(client: &Client, made: Result<(), tonic::Status>) -> anyhow::Result<()> {
    match made {
        Err(status) if status.code() != tonic::Code::AlreadyExists => Err(client.explain(status)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn report(
    context: &Context,
    args: &LoadArgs,
    name: &str,
    tally: &Tally,
    repeated: u64,
) -> anyhow::Result<()> {
    let [p50, p90, p99, p999] =
        [0.5, 0.9, 0.99, 0.999].map(|quantile| tally.latency_us.value_at_quantile(quantile));
    let max = tally.latency_us.max();
    let seconds = tally.elapsed.as_secs_f64();
    let per_second = tally.rate();
    let value = json!({
        "name": name,
        "via": format!("{:?}", args.via).to_ascii_lowercase(),
        "ledgers": args.ledgers,
        "accounts": args.accounts,
        "transfers": args.transfers,
        "batch": args.batch,
        "clients": args.clients,
        "ids": format!("{:?}", args.ids).to_ascii_lowercase(),
        "seed": args.seed,
        "rate": args.rate,
        "seconds": seconds,
        "acknowledged": tally.acknowledged,
        "replayed": tally.replayed,
        "refused": tally.refused,
        "results_repeated": repeated,
        "transfers_per_second": per_second,
        "requests": tally.latency_us.len(),
        "latency_p50_us": p50,
        "latency_p90_us": p90,
        "latency_p99_us": p99,
        "latency_p999_us": p999,
        "latency_max_us": max,
    });
    context.output.value(&value, || {
        let from = if args.rate.is_some() { "intended start" } else { "send" };
        format!(
            "{} transfers acknowledged in {seconds:.3} s: {per_second} transfers/s \
             ({} replayed, {} refused)\n\
             latency of {} requests of {} from {from}, in ms: \
             p50 {}  p90 {}  p99 {}  p99.9 {}  max {}\n\
             ledgers {name}-0 to {name}-{}\n",
            tally.acknowledged,
            tally.replayed,
            tally.refused,
            tally.latency_us.len(),
            args.batch,
            milliseconds(p50),
            milliseconds(p90),
            milliseconds(p99),
            milliseconds(p999),
            milliseconds(max),
            args.ledgers - 1,
        )
    })
}

/// "1.234" of 1,234 microseconds.
fn milliseconds(microseconds: u64) -> String {
    format!("{}.{:03}", microseconds / 1_000, microseconds % 1_000)
}
