//! One server: its log, its writers, its views, and among others its seat in the group.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ledger_command::{Environment, Handle, Owners, Router, Status};
use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::kafka::{Cluster, Kafka};
use ledger_log::{Backend, LogError, LogId, LogInfo};
use ledger_proto::v1::audit_service_server::AuditServiceServer;
use ledger_query::{LedgerQuery, Query};
use ledger_runtime::{clock, random};
use tokio::task::JoinSet;
use tonic::service::Routes;

use super::config::Config;
use super::membership::Membership;
use super::topology::{Known, Myself, Topology};
use super::views::Views;
use crate::{auditor, commands, folder};

/// What a server runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Arc<dyn Backend>,
    log: LogInfo,
    router: Router,
    myself: Arc<Myself>,
    known: Known,
    /// Until they end.
    views: Mutex<Option<Views>>,
    membership: Mutex<Option<Membership>>,
}

impl Node {
    /// Opens the log, recovers, and serves what is its own; among others, once the group has said what
    /// that is.
    pub(super) async fn start(config: &Config, address: SocketAddr) -> anyhow::Result<Node> {
        let (backend, cluster, log) = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || open_log(&config)).await??
        };
        tracing::info!(%log, data = %config.data.display(), "opened");
        let environment = Environment {
            backend: backend.clone(),
            log,
            folder: config.data.clone(),
            clock: clock::now,
            entropy: random::bytes_16,
        };
        let command = ledger_command::run::start(&environment, config.command)?;
        command.caught_up().await?;
        let views = Views::open(config, &backend, log)?;
        let myself = Arc::new(Myself {
            id: commands::fresh_id(),
            address: match config.advertise.as_str() {
                "" => address.to_string(),
                advertised => advertised.to_owned(),
            },
            folder_id: folder::id(&config.data)?,
            roles: ["command", "projector", "query"].map(str::to_owned).into(),
            partition_count: log.partition_count,
            command: Some(command.clone()),
            views: views.readers(),
        });
        let known = Known::default();
        let (router, membership) = match cluster {
            None => {
                command.assign(0..log.partition_count);
                command.ready().await?;
                (Router::alone(command), None)
            }
            Some(cluster) => {
                let owners = Owners::new(log.partition_count);
                let (router, membership) =
                    join(cluster, myself.clone(), known.clone(), owners, command).await?;
                (router, Some(membership))
            }
        };
        let (views, membership) = (Mutex::new(Some(views)), Mutex::new(membership));
        let inner = Inner { backend, log, router, myself, known, views, membership };
        Ok(Node { inner: Arc::new(inner) })
    }

    /// The services of its roles.
    pub(super) fn routes(&self) -> anyhow::Result<Routes> {
        let Inner { backend, log, router, myself, known, .. } = &*self.inner;
        let query = Query::new(myself.views.clone())?.with_clock(clock::now);
        let audited = myself.views.iter().cloned().map(Some).collect();
        let audit = auditor::over(backend.clone(), *log, audited);
        let topology = Topology::service(myself.clone(), known.clone(), backend.clone(), *log);
        Ok(Routes::new(ledger_command::service::server(router.clone()))
            .add_service(LedgerQuery::new(query).into_service())
            .add_service(AuditServiceServer::new(audit))
            .add_service(topology))
    }

    /// Returns once a partition of this server cannot be written until a person acts.
    pub(super) async fn unfit(&self) {
        let command = self.inner.myself.command.as_ref();
        let mut statuses = JoinSet::new();
        for mut status in command.map(Handle::watch).unwrap_or_default() {
            statuses.spawn(async move {
                let stopped = |status: &Status| matches!(status, Status::Stopped { .. });
                status.wait_for(stopped).await.is_ok()
            });
        }
        while let Some(ended) = statuses.join_next().await {
            if ended.unwrap_or(false) {
                return;
            }
        }
        std::future::pending().await
    }

    /// Gives its partitions to others; what its clients still ask for is sent on to them.
    pub(super) async fn leave(&self) {
        self.inner.router.close();
        let node = self.clone();
        let left = tokio::task::spawn_blocking(move || {
            if let Some(membership) = &*lock(&node.inner.membership) {
                membership.leave();
            }
        });
        if let Err(error) = left.await {
            tracing::error!(%error, "the partitions were not given back");
        }
    }

    /// Answers what was taken, makes everything durable and closes it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        tokio::task::spawn_blocking(move || {
            let membership = lock(&self.inner.membership).take();
            let written = self.inner.myself.command.as_ref().map_or(Ok(()), Handle::stop);
            if let Some(membership) = membership {
                membership.end();
            }
            let views = lock(&self.inner.views).take();
            if let Some(views) = views {
                views.stop();
            }
            Ok(written?)
        })
        .await?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type OpenedLog = (Arc<dyn Backend>, Option<Cluster>, LogInfo);

fn open_log(config: &Config) -> anyhow::Result<OpenedLog> {
    let (backend, cluster): (Arc<dyn Backend>, _) = match config.kafka.bootstrap.as_str() {
        "" => (open_embedded(config)?, None),
        _ => {
            let kafka = Kafka::open(config.kafka.options(Some(config.partitions)))?;
            let cluster = kafka.cluster();
            (kafka, Some(cluster))
        }
    };
    let log = ledger_log::log::open(&*backend, LogId(random::bytes_16()))?;
    Ok((backend, cluster, log))
}

fn open_embedded(config: &Config) -> Result<Arc<Embedded>, LogError> {
    let options = EmbeddedOptions {
        partition_count: config.partitions,
        reserve_bytes: config.log.disk_reserve_bytes,
        ..EmbeddedOptions::default()
    };
    Embedded::open(&config.data.join("log"), options)
}

/// Among others: says how it is, and takes a seat in the group.
async fn join(
    cluster: Cluster,
    myself: Arc<Myself>,
    known: Known,
    owners: Owners,
    command: Handle,
) -> anyhow::Result<(Router, Membership)> {
    let count = myself.partition_count;
    let me = myself.id.clone();
    let runtime = tokio::runtime::Handle::current();
    let (handle, said) = (command.clone(), owners.clone());
    let router = Router::shared(Some(command), count, &me, owners, commands::fresh_id);
    let routes = router.clone();
    let membership = tokio::task::spawn_blocking(move || {
        let membership = Membership::begin(&cluster, myself, known, said)?;
        membership.join(&cluster, &handle, routes, &runtime)?;
        anyhow::Ok(membership)
    });
    Ok((router, membership.await??))
}
