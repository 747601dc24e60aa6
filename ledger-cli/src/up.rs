//! `ledger up`: all services in one process, over a log in the data folder or on a Kafka cluster.
//!
//! ```text
//!   config ─► log ─► command (writers, followers) ─► views (projectors) ─► query, audit ─► gRPC
//! ```
//!
//! It stops in the opposite order, so that everything acknowledged is in the log before the log closes.

mod config;
mod views;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use ledger_command::{Environment, Handle};
use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::kafka::Kafka;
use ledger_log::{Backend, LogError, LogId, LogInfo};
use ledger_proto::FILE_DESCRIPTOR_SET;
use ledger_proto::v1::audit_service_server::AuditServiceServer;
use ledger_query::{LedgerQuery, Query};
use ledger_runtime::{clock, health, random, shutdown, telemetry};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::{auditor, output};
use config::Config;
pub(crate) use config::config_of;
use views::Views;

/// Services whose health is told, beside the whole server's under the empty name.
const SERVICES: [&str; 3] =
    ["ledger.v1.LedgerCommandService", "ledger.v1.LedgerQueryService", "ledger.v1.AuditService"];

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
    /// Partitions of a log that is created; a log that has another count is refused
    #[arg(long, value_name = "N", value_parser = partitions())]
    pub(crate) partitions: Option<u32>,
    /// Keep the log on this Kafka cluster instead of in the data folder
    #[arg(long, value_name = "HOST:PORT,...")]
    pub(crate) kafka: Option<String>,
    /// The topics of the log begin with it
    #[arg(long, value_name = "PREFIX")]
    pub(crate) kafka_prefix: Option<String>,
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

    let (backend, log) = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || open_log(&config)).await??
    };
    tracing::info!(%log, data = %config.data.display(), "opened");
    let command = start_command(&config, backend.clone(), log).await?;
    let views = Views::open(&config, &backend, log)?;
    let query = Query::new(views.readers())?.with_clock(clock::now);
    let audited = views.readers().into_iter().map(Some).collect();
    let audit = auditor::over(backend, log, audited);

    let routes = Routes::new(ledger_command::service::server(command.clone()))
        .add_service(LedgerQuery::new(query).into_service())
        .add_service(AuditServiceServer::new(audit));
    let (routes, reporter) = health::with_health_and_reflection(routes, FILE_DESCRIPTOR_SET)?;
    for service in SERVICES {
        health::report(&reporter, service, true).await;
    }
    output::line(&format!("listening grpc={}", listener.local_addr()?))?;
    let stopped = async {
        stopping.asked().await;
        for service in SERVICES.into_iter().chain([""]) {
            health::report(&reporter, service, false).await;
        }
    };
    // With Nagle's algorithm an answer of more than one segment waits 40 ms for a delayed ACK.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await?;

    tokio::task::spawn_blocking(move || stop(&command, views)).await??;
    tracing::info!("stopped");
    Ok(())
}

fn open_log(config: &Config) -> anyhow::Result<(Arc<dyn Backend>, LogInfo)> {
    let backend: Arc<dyn Backend> = match config.kafka.bootstrap.as_str() {
        "" => open_embedded(config)?,
        _ => Kafka::open(config.kafka.options(Some(config.partitions)))?,
    };
    let log = ledger_log::log::open(&*backend, LogId(random::bytes_16()))?;
    Ok((backend, log))
}

fn open_embedded(config: &Config) -> Result<Arc<Embedded>, LogError> {
    let options = EmbeddedOptions {
        partition_count: config.partitions,
        reserve_bytes: config.log.disk_reserve_bytes,
        ..EmbeddedOptions::default()
    };
    Embedded::open(&config.data.join("log"), options)
}

/// Starts the write path and waits until every partition serves.
async fn start_command(
    config: &Config,
    backend: Arc<dyn Backend>,
    log: LogInfo,
) -> anyhow::Result<Handle> {
    let environment = Environment {
        backend,
        log,
        folder: config.data.clone(),
        clock: clock::now,
        entropy: random::bytes_16,
    };
    let command = ledger_command::run::start(&environment, config.command)?;
    command.ready().await?;
    Ok(command)
}

/// Answers what was taken, makes everything durable and closes it.
fn stop(command: &Handle, views: Views) -> anyhow::Result<()> {
    let written = command.stop();
    views.stop();
    Ok(written?)
}
