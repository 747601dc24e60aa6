//! One server: its log, its writers, its views, and among others its seat in the group.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ledger_command::{Environment, Handle, Owners, Router, Status, erasures, saga};
use ledger_keys::{FolderKeys, KeyStore, Keys, TopicKeys};
use ledger_log::embedded::{Embedded, EmbeddedOptions};
use ledger_log::kafka::{Cluster, Kafka};
use ledger_log::{Backend, LogError, LogId, LogInfo};
use ledger_proto::v1::audit_service_server::AuditServiceServer;
use ledger_query::{LedgerQuery, Query};
use ledger_runtime::{clock, random};
use tokio::task::{AbortHandle, JoinSet};
use tonic::service::Routes;

use super::config::Config;
use super::feed::Feeds;
use super::membership::Membership;
use super::roles::Roles;
use super::seen::{self, Seen};
use super::topology::{Known, Myself, Topology};
use super::views::Views;
use crate::auditor::{self, Threads};
use crate::{commands, folder};

/// What a server runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    roles: Roles,
    /// Where a role needs it.
    log: Option<Log>,
    /// Where commands can be taken, or sent on.
    router: Option<Router>,
    /// Those of customers.
    keys: Keys,
    myself: Arc<Myself>,
    known: Known,
    /// Until they end.
    views: Mutex<Option<Views>>,
    membership: Mutex<Option<Membership>>,
    feeds: Mutex<Option<Feeds>>,
    /// Drive sends between ledgers, and destroy the keys of who is erased, where the log is followed.
    drivers: Vec<AbortHandle>,
}

/// A log that is open.
type Log = (Arc<dyn Backend>, LogInfo);

/// Services, whose health is told.
pub(super) const COMMANDS: &str = "ledger.v1.LedgerCommandService";
const QUERIES: &str = "ledger.v1.LedgerQueryService";
const AUDITS: &str = "ledger.v1.AuditService";
const TOPOLOGY: &str = "ledger.v1.TopologyService";

impl Node {
    /// Opens the log, recovers, and serves what is its own; among others, once the group has said what
    /// that is. Of all this, what its roles need.
    pub(super) async fn start(config: &Config, address: SocketAddr) -> anyhow::Result<Node> {
        let (log, cluster) = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || open_log(&config)).await??
        };
        let command = match &log {
            Some(log) if config.roles.command() => Some(start_command(config, log).await?),
            _ => None,
        };
        let keys = {
            let (config, cluster) = (config.clone(), cluster.clone());
            tokio::task::spawn_blocking(move || open_keys(&config, cluster)).await??
        };
        let views = open_views(config, log.as_ref()).await?;
        let myself = Arc::new(introduce(config, address, log.as_ref(), command.clone(), &views)?);
        let known = Known::default();
        let writes = command.clone();
        let (router, membership) = match (&cluster, command) {
            (None, None) => (None, None),
            (None, Some(command)) => (Some(own_all(command, keys.clone()).await?), None),
            (Some(cluster), command) => {
                let joined = join(cluster, &myself, &known, command, keys.clone()).await?;
                let (router, membership) = joined;
                (Some(router), Some(membership))
            }
        };
        let feeds = match (cluster.filter(|_| config.kafka.feed), &log) {
            (Some(cluster), Some((backend, _))) => {
                let (backend, readers) = (backend.clone(), views.readers());
                let start = move || Feeds::start(&cluster, backend, readers);
                Some(tokio::task::spawn_blocking(start).await??)
            }
            _ => None,
        };
        let (views, membership) = (Mutex::new(Some(views)), Mutex::new(membership));
        let (roles, feeds) = (config.roles.clone(), Mutex::new(feeds));
        let mut drivers = Vec::new();
        if let Some((handle, router)) = writes.zip(router.clone()) {
            let erasing = erasures::drive(handle.clone(), keys.clone());
            drivers.push(tokio::spawn(erasing).abort_handle());
            drivers.push(tokio::spawn(saga::drive(handle, router, clock::now)).abort_handle());
        }
        let inner =
            Inner { roles, log, router, keys, myself, known, views, membership, feeds, drivers };
        Ok(Node { inner: Arc::new(inner) })
    }

    /// The services of its roles, and their names.
    pub(super) fn routes(&self) -> anyhow::Result<(Routes, Vec<&'static str>)> {
        let Inner { roles, log, router, keys, myself, known, .. } = &*self.inner;
        let (mut routes, mut services) = (Routes::default(), Vec::new());
        if let Some(router) = router {
            routes = routes.add_service(ledger_command::service::server(router.clone()));
            services.push(COMMANDS);
        }
        if roles.query() {
            let query = Query::new(myself.views.clone())?;
            let query = query.with_clock(clock::now).with_keys(keys.clone());
            routes = routes.add_service(LedgerQuery::new(query).into_service());
            services.push(QUERIES);
        }
        if let Some((backend, log)) = log {
            let mut audited: Vec<_> = myself.views.iter().cloned().map(Some).collect();
            audited.resize(usize::try_from(log.partition_count)?, None);
            let audit = auditor::over(backend.clone(), *log, audited, Threads::default());
            let topology = Topology::service(myself.clone(), known.clone(), backend.clone(), *log);
            routes = routes.add_service(AuditServiceServer::new(audit)).add_service(topology);
            services.extend([AUDITS, TOPOLOGY]);
        }
        Ok((routes, services))
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
        // What it is about to ask for, the next one asks for.
        self.inner.drivers.iter().for_each(AbortHandle::abort);
        if let Some(router) = &self.inner.router {
            router.close();
        }
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
            drop(lock(&self.inner.feeds).take());
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

type OpenedLog = (Option<Log>, Option<Cluster>);

fn open_log(config: &Config) -> anyhow::Result<OpenedLog> {
    let on_kafka = !config.kafka.bootstrap.is_empty();
    if !config.roles.log() {
        let options = config.kafka.options(None);
        return Ok((None, on_kafka.then(|| Cluster::new(options)).transpose()?));
    }
    let seen = Seen::of(config)?;
    let opened = open_there(config, seen.is_some());
    let (log, cluster) = match (opened, seen) {
        (Ok((log, cluster)), None) => {
            seen::remember(log.1, &config.data)?;
            (log, cluster)
        }
        (Ok((log, cluster)), Some(seen)) => {
            seen.check(log.1, config)?;
            (log, cluster)
        }
        (Err(error), None) => return Err(error.into()),
        (Err(error), Some(seen)) => return Err(seen.told(error, config).into()),
    };
    tracing::info!(log = %log.1, data = %config.data.display(), "opened");
    Ok((Some(log), cluster))
}

/// The log where the configuration says; made there, unless it must be there.
fn open_there(config: &Config, must_be_there: bool) -> Result<(Log, Option<Cluster>), LogError> {
    let (backend, cluster): (Arc<dyn Backend>, _) = if config.kafka.bootstrap.is_empty() {
        (open_embedded(config)?, None)
    } else {
        let options = config.kafka.options(Some(config.partitions));
        let kafka =
            if must_be_there { Kafka::open_existing(options)? } else { Kafka::open(options)? };
        let cluster = kafka.cluster();
        (kafka, Some(cluster))
    };
    let log = if must_be_there {
        ledger_log::log::open_existing(&*backend)?
    } else {
        ledger_log::log::open(&*backend, LogId(random::bytes_16()))?
    };
    Ok(((backend, log), cluster))
}

/// The write path, once its followers have caught up.
async fn start_command(config: &Config, (backend, log): &Log) -> anyhow::Result<Handle> {
    let environment = Environment {
        backend: backend.clone(),
        log: *log,
        folder: config.data.clone(),
        clock: clock::now,
        entropy: random::bytes_16,
    };
    let command = ledger_command::run::start(&environment, config.command)?;
    command.caught_up().await?;
    Ok(command)
}

/// The keys of customers: beside the log, wherever that is.
fn open_keys(config: &Config, cluster: Option<Cluster>) -> anyhow::Result<Keys> {
    let store: Arc<dyn KeyStore> = if config.kafka.bootstrap.is_empty() {
        Arc::new(FolderKeys::new(config.data.join("keys")))
    } else {
        let options = || config.kafka.options(Some(config.partitions));
        let cluster = cluster.map_or_else(|| Cluster::new(options()), Ok)?;
        Arc::new(TopicKeys::open(&cluster)?)
    };
    Ok(Keys::new(store, random::bytes_16))
}

async fn open_views(config: &Config, log: Option<&Log>) -> anyhow::Result<Views> {
    match log {
        Some((backend, log)) if config.roles.projector() => Views::write(config, backend, *log),
        _ if config.roles.query() => {
            let config = config.clone();
            tokio::task::spawn_blocking(move || Views::follow(&config)).await?
        }
        _ => Ok(Views::default()),
    }
}

fn open_embedded(config: &Config) -> Result<Arc<Embedded>, LogError> {
    let options = EmbeddedOptions {
        partition_count: config.partitions,
        reserve_bytes: config.log.disk_reserve_bytes,
        ..EmbeddedOptions::default()
    };
    Embedded::open(&config.data.join("log"), options)
}

/// What this server says of itself to others.
fn introduce(
    config: &Config,
    address: SocketAddr,
    log: Option<&Log>,
    command: Option<Handle>,
    views: &Views,
) -> anyhow::Result<Myself> {
    let views = views.readers();
    let viewed = || u32::try_from(views.len()).unwrap_or(u32::MAX);
    Ok(Myself {
        id: commands::fresh_id(),
        token: random::bytes_16().map(|byte| format!("{byte:02x}")).concat(),
        address: match config.advertise.as_str() {
            "" => address.to_string(),
            advertised => advertised.to_owned(),
        },
        // Only one server has the folder's ids and snapshots; its views may be another's.
        folder_id: match command {
            Some(_) => folder::id(&config.data)?,
            None => commands::fresh_id(),
        },
        roles: config.roles.names(),
        partition_count: log.map_or_else(viewed, |(_, log)| log.partition_count),
        command,
        views,
    })
}

/// By itself: every partition is its own.
async fn own_all(command: Handle, keys: Keys) -> anyhow::Result<Router> {
    command.assign(0..command.partition_count());
    command.ready().await?;
    Ok(Router::alone(command, keys))
}

/// Among others: says how it is, and takes a seat in the group where it can write.
async fn join(
    cluster: &Cluster,
    myself: &Arc<Myself>,
    known: &Known,
    command: Option<Handle>,
    keys: Keys,
) -> anyhow::Result<(Router, Membership)> {
    let (cluster, myself, known) = (cluster.clone(), myself.clone(), known.clone());
    let count = myself.partition_count;
    let runtime = tokio::runtime::Handle::current();
    let (handle, owners) = (command.clone(), Owners::new(count));
    let router = Router::shared(
        command,
        count,
        keys,
        &myself.id,
        owners.clone(),
        commands::fresh_id,
        &myself.token,
    );
    let routes = router.clone();
    let membership = tokio::task::spawn_blocking(move || {
        let membership = Membership::begin(&cluster, &myself, &known, owners)?;
        if let Some(handle) = &handle {
            membership.join(&cluster, handle, routes, &runtime)?;
        }
        anyhow::Ok(membership)
    });
    Ok((router, membership.await??))
}
