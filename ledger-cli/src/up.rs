//! `ledger up`: all services in one process, over a log in the data folder or on a Kafka cluster; or some
//! of them, by its roles.
//!
//! ```text
//!   config ─► log ─► command (writers, followers) ─► views (projectors) ─► query, audit ─► gRPC
//!                                    without projector: mirrors ──┘
//! ```
//!
//! It stops in the opposite order, so that everything acknowledged is in the log before the log closes. On
//! Kafka it first gives its partitions to the other servers, and sends on what its clients still ask for.

mod config;
mod feed;
mod node;
mod roles;

mod membership;
mod seen;
mod topology;
mod views;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use ledger_proto::FILE_DESCRIPTOR_SET;
use ledger_runtime::{health, shutdown, telemetry};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::output;
use config::Config;
pub(crate) use config::config_of;
use node::Node;
use roles::Role;

/// Each partition has three threads and stores of its own.
const PARTITIONS_MAX: u32 = 1_024;

/// What a client may send before it must wait: a batch of 8,190 transfers in one go, and several of them
/// over one connection.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Flags of `ledger up`. A flag wins over the configuration file.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct UpArgs {
    /// Configuration file; deploy/config/ledger.toml shows every key
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the log, the stores and the snapshots; made when it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address of the gRPC services
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where other servers reach this one [default: where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// What this server does, of command, projector and query; all of it when left out
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLE,...")]
    pub(crate) roles: Vec<Role>,
    /// Partitions of a log that is created; a log that has another count is refused
    #[arg(long, value_name = "N", value_parser = partitions())]
    pub(crate) partitions: Option<u32>,
    /// Keep the log on this Kafka cluster instead of in the data folder
    #[arg(long, value_name = "HOST:PORT,...")]
    pub(crate) kafka: Option<String>,
    /// The topics of the log begin with it
    #[arg(long, value_name = "PREFIX")]
    pub(crate) kafka_prefix: Option<String>,
    /// Publish what happens, with names, on the topic PREFIX.feed
    #[arg(long)]
    pub(crate) kafka_feed: bool,
    /// Take a cluster where only one broker may have what was acknowledged: losing it loses the log
    #[arg(long)]
    pub(crate) allow_under_replicated: bool,
}

fn partitions() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(PARTITIONS_MAX))
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let config = Config::resolve(args)?;
    telemetry::start(&config.log_lines.filter, config.log_lines.format)
        .map_err(|what| anyhow::anyhow!("CONFIG_INVALID log_lines.filter: {what}"))?;
    let (trigger, stopping) = shutdown::channel();
    shutdown::on_signals(trigger)?;
    // The port before the data: a port that is taken is found before anything is opened.
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("LISTEN_FAILED {}", config.listen))?;

    let address = listener.local_addr()?;
    let node = Node::start(&config, address).await?;
    let (routes, services) = node.routes()?;
    let (routes, reporter) = health::with_health_and_reflection(routes, FILE_DESCRIPTOR_SET)?;
    for service in &services {
        health::report(&reporter, service, true).await;
    }
    output::line(&format!("listening grpc={address}"))?;
    let (watched, told) = (node.clone(), reporter.clone());
    let watching = tokio::spawn(async move {
        watched.unfit().await;
        health::report(&told, node::COMMANDS, false).await;
    });
    let leaving = node.clone();
    let stopped = async move {
        stopping.asked().await;
        for service in services.into_iter().chain([""]) {
            health::report(&reporter, service, false).await;
        }
        leaving.leave().await;
    };
    // With Nagle's algorithm an answer of more than one segment waits 40 ms for a delayed ACK.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await?;
    watching.abort();
    node.stop().await?;
    tracing::info!("stopped");
    Ok(())
}
