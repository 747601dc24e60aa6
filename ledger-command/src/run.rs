//! The real world around the step machines: two threads for each partition, and the handle by which
//! services ask.
//!
//! ```text
//!  Handle::submit ─► Mailbox ─► writer thread ─► log ─► follower thread
//!        ▲               ▲            │                     │
//!        └── oneshot ────┼────────────┘                     │
//!                        └── nudges, and the reason to stop ┘
//! ```

mod mailbox;
mod reply_to;
mod threads;

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ledger_domain::partition::partition_of;
use ledger_domain::{Command, LedgerName, Timestamp};
use ledger_log::{Backend, LogInfo};
use tokio::sync::{Notify, oneshot, watch};

use crate::config::Config;
use crate::erasures::Erasures;
use crate::follower::{FollowError, Follower, FollowerParts};
use crate::ids::{IdStore, IdStoreError, IdStores};
use crate::link::Link;
use crate::readback;
use crate::reply::{Replied, Reply, Request};
use crate::saga::Outbox;
use crate::snapshot::{FileSnapshots, SnapshotError};
use crate::writer::{RETRY_AFTER_MS, Status, Writer, WriterParts};
use mailbox::{Letter, Mailbox, Ownership, Refused};
use reply_to::ReplyTo;

pub use reply_to::ReplySink;

/// How often a follower that catches up is looked at.
const CAUGHT_UP_STEP: Duration = Duration::from_millis(10);

/// What the write path stands on.
#[derive(Clone)]
pub struct Environment {
    /// The log.
    pub backend: Arc<dyn Backend>,
    /// What [`ledger_log::log::open`] said of it.
    pub log: LogInfo,
    /// The process's data folder: `ids/` and `snapshots/` are made in it.
    pub folder: PathBuf,
    /// The wall clock, in nanoseconds since the Unix epoch.
    pub clock: fn() -> Timestamp,
    /// 16 fresh random bytes.
    pub entropy: fn() -> [u8; 16],
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("log", &self.log).finish_non_exhaustive()
    }
}

/// Why the write path did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A partition cannot be recovered.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// An id store cannot be opened.
    #[error(transparent)]
    Ids(#[from] IdStoreError),
    /// The folder of the snapshots cannot be opened.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// The operating system starts no more threads.
    #[error("THREAD: {0}")]
    Thread(#[from] std::io::Error),
    /// A partition stopped before it was asked to.
    #[error("partition {partition} stopped: {reason}")]
    Stopped {
        /// Which.
        partition: u32,
        /// Why.
        reason: String,
    },
}

/// One partition, as the handle sees it.
#[derive(Debug)]
struct Door {
    mailbox: Arc<Mailbox>,
    status: watch::Receiver<Status>,
    link: Arc<Link>,
}

/// Asks the writers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Arc<dyn Backend>,
    doors: Vec<Door>,
    tokens: AtomicU64,
    sends_changed: Arc<Notify>,
    erasures_came: Arc<Notify>,
    threads: Mutex<Vec<JoinHandle<Result<(), RunError>>>>,
}

/// Starts the followers of all partitions, and their writers on standby: [`Handle::assign`] says which
/// of them take their partition. It returns before they are recovered: see [`Handle::caught_up`].
///
/// # Errors
/// [`RunError`] of the first partition whose stores cannot be opened or are not of this log.
pub fn start(environment: &Environment, config: Config) -> Result<Handle, RunError> {
    let (sends_changed, erasures_came) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let id_stores = IdStores::new(&environment.folder.join("ids"));
    let mut partitions = Vec::new();
    for partition in 0..environment.log.partition_count {
        let ids: Arc<dyn IdStore> = Arc::new(id_stores.open(partition)?);
        let outbox = Outbox::telling(sends_changed.clone());
        let link = Arc::new(Link::with(outbox, Erasures::telling(erasures_came.clone())));
        partitions.push(open(environment, config, partition, ids, link)?);
    }
    let (mut doors, mut threads) = (Vec::new(), Vec::new());
    for (partition, door) in (0..).zip(partitions) {
        let (door, thread) = threads::start(environment, partition, door)?;
        doors.push(door);
        threads.push(thread);
    }
    let backend = environment.backend.clone();
    let (tokens, threads) = (AtomicU64::new(0), Mutex::new(threads));
    let inner = Inner { backend, doors, tokens, sends_changed, erasures_came, threads };
    Ok(Handle { inner: Arc::new(inner) })
}

/// A partition that is open but not running.
#[derive(Debug)]
struct Opened {
    writer: Writer,
    follower: Follower,
    link: Arc<Link>,
    mailbox: Arc<Mailbox>,
}

fn open(
    environment: &Environment,
    config: Config,
    partition: u32,
    ids: Arc<dyn IdStore>,
    link: Arc<Link>,
) -> Result<Opened, RunError> {
    let Environment { backend, log, folder, entropy, .. } = environment;
    let follower = Follower::open(FollowerParts {
        backend: backend.clone(),
        log_id: log.id,
        partition,
        ids: ids.clone(),
        snapshots: Box::new(FileSnapshots::open(&snapshots_folder(folder, partition))?),
        policy: config.snapshots,
        link: link.clone(),
    })?;
    let limits = config.writer;
    let mailbox = Arc::new(Mailbox::new(limits.queue_commands_max, limits.queue_transfers_max));
    let reports_to = mailbox.clone();
    let parts = WriterParts {
        backend: backend.clone(),
        log_id: log.id,
        partition,
        ids,
        link: link.clone(),
        entropy: Box::new(*entropy),
        sinks: Box::new(move || {
            let mailbox = reports_to.clone();
            Box::new(move |report| mailbox.report(report))
        }),
    };
    let writer = Writer::new(parts, limits);
    Ok(Opened { writer, follower, link, mailbox })
}

fn snapshots_folder(folder: &Path, partition: u32) -> PathBuf {
    folder.join("snapshots").join(partition.to_string())
}

impl Handle {
    /// How many partitions there are.
    #[must_use]
    pub fn partition_count(&self) -> u32 {
        u32::try_from(self.inner.doors.len()).unwrap_or(u32::MAX)
    }

    /// The partition that a ledger lives on.
    #[must_use]
    pub fn partition_of(&self, ledger: &LedgerName) -> u32 {
        partition_of(ledger.as_str(), self.partition_count())
    }

    /// Asks the writer of the command's ledger, and waits for its reply.
    pub async fn submit(&self, command: Command, how: Submission) -> Reply {
        let partition = self.partition_of(&command.ledger);
        let Some(door) = self.door(partition) else {
            return Reply::NotRecorded { reason: format!("no partition {partition}") };
        };
        let request = self.request(command, how);
        let (reply_to, reply) = oneshot::channel();
        match door.mailbox.send(Letter { request, reply_to: ReplyTo::Call(reply_to) }) {
            None => {}
            Some((_, Refused::Full)) => return overloaded(),
            Some((_, Refused::Closed)) => return Reply::NotRecorded { reason: door.why_closed() },
        }
        match reply.await {
            Ok(replied) => self.complete(replied).await,
            Err(_) => Reply::Unknown { reason: door.why_closed() },
        }
    }

    /// Asks the writer of a partition for many at once; their replies go to the sink, each by its tag.
    /// Takes from the front what there is room for. What must be read back of a reply is the sink's to
    /// read, by [`crate::readback::complete`], off the writer's thread.
    ///
    /// # Errors
    /// [`Reply`] for those that are left: [`Reply::Overloaded`], or [`Reply::NotRecorded`] when nothing
    /// more will be taken.
    pub fn submit_all(
        &self,
        partition: u32,
        waiting: &mut VecDeque<Asked>,
        sink: &Arc<dyn ReplySink>,
    ) -> Result<(), Reply> {
        let Some(door) = self.door(partition) else {
            return Err(Reply::NotRecorded { reason: format!("no partition {partition}") });
        };
        let letters = std::iter::from_fn(|| waiting.pop_front()).map(|asked| {
            let request = self.request(asked.command, asked.how);
            Letter { request, reply_to: ReplyTo::sink(sink.clone(), asked.tag) }
        });
        let Some((letter, why)) = door.mailbox.send_all(letters) else { return Ok(()) };
        if let Some((command, how, tag)) = letter.take_back() {
            waiting.push_front(Asked { tag, command, how });
        }
        Err(match why {
            Refused::Full => overloaded(),
            Refused::Closed => Reply::NotRecorded { reason: door.why_closed() },
        })
    }

    fn request(&self, command: Command, how: Submission) -> Request {
        let Submission { validate_only, actor, traceparent } = how;
        let token = self.inner.tokens.fetch_add(1, Ordering::Relaxed);
        Request { token, command, validate_only, actor, traceparent }
    }

    fn door(&self, partition: u32) -> Option<&Door> {
        usize::try_from(partition).ok().and_then(|partition| self.inner.doors.get(partition))
    }

    /// These partitions are this server's: their writers take them.
    pub fn assign(&self, partitions: impl IntoIterator<Item = u32>) {
        self.set_ownership(partitions, Ownership::Assigned);
    }

    /// These partitions go to other servers: nothing more is taken in; returns once what is in flight was
    /// answered. A log that does not answer makes that take as long: then [`Handle::abandon`].
    pub async fn revoke(&self, partitions: &[u32]) {
        self.set_ownership(partitions.iter().copied(), Ownership::Revoked);
        for door in partitions.iter().filter_map(|partition| self.door(*partition)) {
            let done = |status: &Status| matches!(status, Status::Standby | Status::Stopped { .. });
            // A writer whose thread has ended has given everything back.
            let _ = door.status.clone().wait_for(done).await;
        }
    }

    /// These partitions are others' by now: what is in flight is unknown here.
    pub fn abandon(&self, partitions: impl IntoIterator<Item = u32>) {
        self.set_ownership(partitions, Ownership::Abandoned);
    }

    fn set_ownership(&self, partitions: impl IntoIterator<Item = u32>, ownership: Ownership) {
        for door in partitions.into_iter().filter_map(|partition| self.door(partition)) {
            door.mailbox.set_ownership(ownership);
        }
    }

    /// Whether a partition is this server's to write, also while it is being taken, or has stopped.
    #[must_use]
    pub fn owns(&self, partition: u32) -> bool {
        let door = self.door(partition);
        door.is_some_and(|door| door.mailbox.ownership() == Ownership::Assigned)
    }

    /// Whether this server writes a partition now.
    pub(crate) fn serves(&self, partition: u32) -> bool {
        let door = self.door(partition);
        door.is_some_and(|door| matches!(*door.status.borrow(), Status::Serving { .. }))
    }

    /// What the writer and the follower of a partition share.
    pub(crate) fn link(&self, partition: u32) -> Option<&Link> {
        self.door(partition).map(|door| &*door.link)
    }

    /// Told when a send was opened or ended, in any partition.
    pub(crate) fn sends_changed(&self) -> Arc<Notify> {
        self.inner.sends_changed.clone()
    }

    /// Told of every customer of any partition that is erased.
    pub(crate) fn erasures_came(&self) -> Arc<Notify> {
        self.inner.erasures_came.clone()
    }

    /// Why a partition has stopped for good here, where the log is not why: then another server can write
    /// it.
    #[must_use]
    pub fn unfit(&self) -> Option<String> {
        let of_the_log =
            |reason: &str| ["LOG_", "NOT_A_LOG"].iter().any(|log| reason.starts_with(log));
        self.statuses().into_iter().find_map(|status| match status {
            Status::Stopped { reason } if !of_the_log(&reason) => Some(reason),
            Status::Standby
            | Status::Starting { .. }
            | Status::Serving { .. }
            | Status::ClockBehind { .. }
            | Status::Stopped { .. } => None,
        })
    }

    /// Offset of the next record that each partition's follower reads.
    #[must_use]
    pub fn followed(&self) -> Vec<u64> {
        self.inner.doors.iter().map(|door| door.link.followed_offset()).collect()
    }

    /// Returns once every follower is where its log ended when this was called: from then on a partition
    /// is taken without a replay.
    ///
    /// # Errors
    /// [`RunError::Stopped`] for the first that stopped instead; [`RunError::Follow`] when the log does not
    /// say where it ends.
    #[expect(
        clippy::disallowed_methods,
        reason = "looks again and again, at the start of a server"
    )]
    pub async fn caught_up(&self) -> Result<(), RunError> {
        for (partition, door) in (0..).zip(&self.inner.doors) {
            let backend = self.inner.backend.clone();
            let end = tokio::task::spawn_blocking(move || backend.end(partition)).await;
            let end = end.map_err(std::io::Error::other)?.map_err(FollowError::from)?;
            while door.link.followed_offset() < end {
                if let Status::Stopped { reason } = &*door.status.borrow() {
                    return Err(RunError::Stopped { partition, reason: reason.clone() });
                }
                tokio::time::sleep(CAUGHT_UP_STEP).await;
            }
        }
        Ok(())
    }

    /// Tells of every change of a partition's writer; the first `changed` is at the next one.
    #[must_use]
    pub fn watch(&self) -> Vec<watch::Receiver<Status>> {
        self.inner.doors.iter().map(|door| door.status.clone()).collect()
    }

    /// Reads back from the log what is missing, on a thread that may block.
    #[expect(clippy::disallowed_methods, reason = "the log's reads block, off the writer's thread")]
    async fn complete(&self, replied: Replied) -> Reply {
        if replied.lookups.is_empty() {
            return replied.reply;
        }
        let backend = self.inner.backend.clone();
        let bare = replied.reply.clone();
        let completed =
            tokio::task::spawn_blocking(move || readback::complete(&*backend, replied)).await;
        match completed {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                tracing::error!(%error, "a first outcome cannot be read back");
                bare
            }
            Err(error) => {
                tracing::error!(%error, "a first outcome was not read back");
                bare
            }
        }
    }

    /// The log that the writers write.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.inner.backend
    }

    /// How each partition is.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.inner.doors.iter().map(|door| door.status.borrow().clone()).collect()
    }

    /// Returns once every partition that is this server's serves, or has said why it cannot yet: such a
    /// partition refuses commands and goes on trying.
    ///
    /// # Errors
    /// [`RunError::Stopped`] for the first that stopped instead.
    pub async fn ready(&self) -> Result<(), RunError> {
        for (partition, door) in (0..).zip(&self.inner.doors) {
            let mut status = door.status.clone();
            let settled = |status: &Status| match status {
                Status::Starting { last_error } => !last_error.is_empty(),
                Status::Standby
                | Status::Serving { .. }
                | Status::ClockBehind { .. }
                | Status::Stopped { .. } => true,
            };
            let stopped = match status.wait_for(settled).await {
                Ok(status) => match &*status {
                    Status::Stopped { reason } => Some(reason.clone()),
                    Status::Starting { last_error } => {
                        tracing::warn!(partition, why = %last_error, "cannot be written yet");
                        None
                    }
                    Status::Standby | Status::Serving { .. } | Status::ClockBehind { .. } => None,
                },
                Err(_) => Some(door.why_closed()),
            };
            if let Some(reason) = stopped {
                return Err(RunError::Stopped { partition, reason });
            }
        }
        Ok(())
    }

    /// Takes nothing more in, answers what was taken, makes snapshots and the id stores durable.
    /// Blocks until all threads have ended, every caller; only the first hears how.
    ///
    /// # Errors
    /// [`RunError`] of the first partition that had not stopped cleanly.
    pub fn stop(&self) -> Result<(), RunError> {
        for door in &self.inner.doors {
            door.mailbox.close();
        }
        let mut threads = self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let ended: Vec<_> = threads.drain(..).map(JoinHandle::join).collect();
        for (partition, ended) in (0..).zip(ended) {
            ended.unwrap_or_else(|_| {
                Err(RunError::Stopped { partition, reason: "its thread panicked".into() })
            })?;
        }
        Ok(())
    }
}

/// One of many commands that are submitted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By which its reply is told from the others.
    pub tag: u64,
    /// What is asked, checked in shape.
    pub command: Command,
    /// How.
    pub how: Submission,
}

fn overloaded() -> Reply {
    Reply::Overloaded { retry_after_ms: RETRY_AFTER_MS }
}

/// How a command is submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Answer what would happen and write nothing.
    pub validate_only: bool,
    /// The authenticated principal; empty without authentication.
    pub actor: String,
    /// W3C traceparent; empty when there was none.
    pub traceparent: String,
}

impl Door {
    fn why_closed(&self) -> String {
        match &*self.status.borrow() {
            Status::Stopped { reason } => reason.clone(),
            _ => "the server is stopping".into(),
        }
    }
}

#[cfg(test)]
mod tests;
