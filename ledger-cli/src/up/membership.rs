//! A server among others on one Kafka cluster: its seat in the group that deals the partitions out, and
//! what servers say of themselves on the topology topic.
//!
//! ```text
//!   group ──► CommandMember ──► writers take and give back partitions ─┐ every change, every second
//!   topology topic ──► Table ──► Known, Owners (forwarding)            ▼
//!         ▲──────────────────────────────────────────────────── what this server says
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ledger_command::ingress::Ingress;
use ledger_command::member::CommandMember;
use ledger_command::{Handle, Owners, Router};
use ledger_log::LogError;
use ledger_log::kafka::group::{Group, GroupOptions};
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::table::Table;
use ledger_log::kafka::{Cluster, Topic};
use ledger_proto::v1;
use ledger_runtime::{clock, spawn};
use prost::Message;

use super::topology::{Known, Myself};

/// A server says how it is at least this often.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// Of a server that has not said anything for this long nothing is kept: it has ended without a word.
const FORGET_AFTER_NS: i64 = 600_000_000_000;
/// How long the beginning of the topology topic is read at the start.
const TABLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last word may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What runs beside the services of a server among others.
pub(super) struct Membership {
    /// Partitions of the last server on this folder.
    inherited: Vec<u32>,
    seat: Arc<Mutex<Option<Group>>>,
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether to stop, and whether there is something new to say.
#[derive(Debug, Default)]
struct Stop {
    asked: AtomicBool,
    came: Condvar,
    nudged: Mutex<bool>,
}

impl Stop {
    fn nudge(&self) {
        *lock(&self.nudged) = true;
        self.came.notify_all();
    }

    fn wait(&self, at_most: Duration) {
        let guard = lock(&self.nudged);
        let waited = self.came.wait_timeout_while(guard, at_most, |nudged| !*nudged);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Membership {
    /// Creates the topics beside the log, reads what others say, and begins to say how this one is.
    pub(super) fn begin(
        cluster: &Cluster,
        myself: &Arc<Myself>,
        known: &Known,
        owners: Owners,
    ) -> anyhow::Result<Membership> {
        for topic in [Topic::Commands, Topic::Results, Topic::Topology] {
            cluster.ensure(topic, myself.partition_count)?;
        }
        let topic = cluster.options().topic(Topic::Topology);
        let table = Table::follow(cluster, &topic, None)?;
        if !table.wait_complete(TABLE_TIMEOUT) {
            tracing::warn!(topic, "is not read to its end yet");
        }
        let stop = Arc::new(Stop::default());
        let listening = Listening {
            table,
            known: known.clone(),
            owners,
            partition_count: myself.partition_count,
            stop: stop.clone(),
        };
        listening.look();
        // Before this server is heard of, which says that the last one on its folder has left.
        let inherited = known.inherited(myself);
        let seat = Arc::default();
        let saying = Saying {
            myself: myself.clone(),
            publisher: publisher(cluster)?,
            cluster: cluster.clone(),
            known: known.clone(),
            seat: Arc::clone(&seat),
            stop: stop.clone(),
        };
        let threads = vec![
            spawn::thread("topology", move || listening.run())?,
            spawn::thread("announcer", move || saying.run())?,
        ];
        Ok(Membership { inherited, seat, stop, threads })
    }

    /// Takes a seat in the group: from now on partitions are assigned to these writers.
    pub(super) fn join(
        &self,
        cluster: &Cluster,
        command: &Handle,
        router: Router,
        runtime: &tokio::runtime::Handle,
    ) -> anyhow::Result<()> {
        for mut status in command.watch() {
            let stop = self.stop.clone();
            runtime.spawn(async move {
                while status.changed().await.is_ok() {
                    stop.nudge();
                }
            });
        }
        let options = cluster.options();
        let options = GroupOptions::new(options.command_group(), options.topic(Topic::Commands));
        let inherited = self.inherited.clone();
        let ingress = Ingress::start(command.clone(), router, cluster, runtime.clone())?;
        let member = CommandMember::new(command.clone(), runtime.clone(), ingress, inherited);
        *lock(&self.seat) = Some(Group::join(cluster, options, Box::new(member))?);
        Ok(())
    }

    /// Gives every partition back, drained, so that others take them at once. Blocks until it is done.
    pub(super) fn leave(&self) {
        leave(&self.seat);
        self.stop.nudge();
    }

    /// Says the last word and ends. Blocks.
    pub(super) fn end(mut self) {
        self.leave();
        self.stop.asked.store(true, Ordering::Release);
        self.stop.nudge();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the topology panicked");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leave(seat: &Mutex<Option<Group>>) {
    let group = lock(seat).take();
    if let Some(group) = group {
        group.leave();
    }
}

fn publisher(cluster: &Cluster) -> Result<Publisher, LogError> {
    let topic = cluster.options().topic(Topic::Topology);
    let told = |_, sent: Result<(), LogError>| {
        if let Err(error) = sent {
            tracing::warn!(%error, "what this server says of itself was not taken");
        }
    };
    Publisher::new(cluster, PublishOptions::to(topic), Box::new(told))
}

/// Follows what servers say.
struct Listening {
    table: Table,
    known: Known,
    owners: Owners,
    partition_count: u32,
    stop: Arc<Stop>,
}

impl Listening {
    fn run(self) {
        let mut seen = None;
        while !self.stop.asked.load(Ordering::Acquire) {
            let version = self.table.version();
            if seen != Some(version) {
                self.look();
                seen = Some(version);
            }
            self.table.wait(version, Duration::from_millis(200));
        }
    }

    fn look(&self) {
        self.known.set(servers(&self.table.all()));
        self.owners.set(self.known.owners(self.partition_count));
    }
}

fn servers(table: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<String, v1::ServerState> {
    let servers = table.values().filter_map(|value| v1::ServerState::decode(value.as_slice()).ok());
    servers.map(|server| (server.id.clone(), server)).collect()
}

/// Says how this server is, and forgets those that ended without a word.
struct Saying {
    cluster: Cluster,
    myself: Arc<Myself>,
    publisher: Publisher,
    known: Known,
    seat: Arc<Mutex<Option<Group>>>,
    stop: Arc<Stop>,
}

impl Saying {
    fn run(mut self) {
        for before in self.known.before(&self.myself) {
            self.say(&before, None);
        }
        while !self.stop.asked.load(Ordering::Acquire) {
            let state = self.myself.state();
            self.say(&state.id, Some(&state.encode_to_vec()));
            self.leave_if_unfit();
            for silent in self.known.silent_since(clock::now() - FORGET_AFTER_NS, &self.myself) {
                self.say(&silent, None);
            }
            self.stop.wait(SAY_EVERY);
        }
        let me = self.myself.id.clone();
        self.say(&me, None);
        if !self.publisher.flush(GOODBYE) {
            tracing::warn!("the brokers did not hear that this server has left");
        }
    }

    /// A server that cannot write a partition for a reason of its own has no business in the group: others
    /// take all of them.
    fn leave_if_unfit(&self) {
        let unfit = self.myself.command.as_ref().and_then(Handle::unfit);
        if let Some(reason) = unfit
            && lock(&self.seat).is_some()
        {
            tracing::error!(reason, "leaves the partitions to other servers");
            leave(&self.seat);
        }
    }

    fn say(&mut self, id: &str, value: Option<&[u8]>) {
        let key = Some(id.as_bytes());
        let record = Outgoing { partition: Some(0), key, value, ..Outgoing::default() };
        match self.publisher.try_publish(0, &record) {
            // With the brokers away it is said again in a second.
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "this server cannot say how it is, trying anew");
                // A client that has failed once takes nothing more.
                match publisher(&self.cluster) {
                    Ok(publisher) => self.publisher = publisher,
                    Err(error) => tracing::warn!(%error, "there is no other publisher"),
                }
            }
        }
    }
}
