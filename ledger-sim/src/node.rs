//! One process: a writer, a follower and a projector for each partition, on a disk that outlives it.

use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use ledger_command::ids::MemoryIds;
use ledger_command::saga::Sagas;
use ledger_command::snapshot::MemorySnapshots;
use ledger_command::{
    Follower, FollowerParts, Link, Replied, SnapshotPolicy, Status, Writer, WriterLimits,
    WriterParts,
};
use ledger_keys::Keys;
use ledger_log::simulated::Simulated;
use ledger_log::{LogInfo, Report, ReportSink};
use ledger_projector::Projector;
use ledger_query::Query;
use ledger_views::MemoryStore;

/// What a process keeps of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) ids: Arc<MemoryIds>,
    pub(crate) snapshots: MemorySnapshots,
    pub(crate) view: Arc<MemoryStore>,
}

impl Disk {
    /// Whether there is no room.
    pub(crate) fn set_full(&self, full: bool) {
        self.ids.set_full(full);
        self.view.set_full(full);
    }
}

/// One partition of a process.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) writer: Writer,
    pub(crate) follower: Follower,
    pub(crate) projector: Projector,
    pub(crate) sagas: Sagas,
    pub(crate) link: Arc<Link>,
    keys: Keys,
    reports: Arc<Mutex<Vec<Report>>>,
}

/// What a writer's step came to.
#[derive(Debug)]
pub(crate) struct Written {
    /// Replies by token.
    pub(crate) replies: Vec<(u64, Replied)>,
    /// When it wants to be called again.
    pub(crate) wake: Option<i64>,
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parts: Vec<Part>,
    pub(crate) query: Query,
}

/// Bounds small enough to be met.
fn limits(rng: &mut Rng) -> WriterLimits {
    WriterLimits {
        queue_commands_max: rng.usize(4..40),
        commit_commands_max: rng.usize(1..12),
        commit_transfers_max: rng.usize(1..80),
        commits_in_flight_max: rng.usize(1..5),
        recent_ids_max: rng.usize(20..200),
        compare_every_commits: 1,
        ..WriterLimits::default()
    }
}

impl Node {
    /// Starts on these disks, one for each partition.
    pub(crate) fn start(
        log: &Arc<Simulated>,
        info: LogInfo,
        disks: &[Disk],
        keys: &Keys,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        let start = |(partition, disk)| Part::start(log, info, partition, disk, keys, rng);
        let parts: Vec<Part> = (0..).zip(disks).map(start).collect::<Result<_, _>>()?;
        let views = parts.iter().map(|part| part.projector.view()).collect();
        let query = Query::new(views).map_err(|error| error.to_string())?;
        let query = query.with_keys(keys.clone());
        Ok(Node { parts, query })
    }
}

impl Part {
    fn start(
        log: &Arc<Simulated>,
        info: LogInfo,
        partition: u32,
        disk: &Disk,
        keys: &Keys,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        let link = Arc::new(Link::default());
        let follower = Follower::open(FollowerParts {
            backend: log.clone(),
            log_id: info.id,
            partition,
            ids: disk.ids.clone(),
            snapshots: Box::new(disk.snapshots.clone()),
            policy: SnapshotPolicy { every_commits: rng.u64(3..40), every_bytes: 1 << 20 },
            link: link.clone(),
        });
        let follower = follower.map_err(|error| format!("the follower does not open: {error}"))?;
        let projector = Projector::open(log.clone(), info, partition, disk.view.clone());
        let projector = projector.map_err(|error| format!("the view does not open: {error}"))?;
        let reports: Arc<Mutex<Vec<Report>>> = Arc::default();
        let sink = reports.clone();
        let mut entropy = rng.fork();
        let parts = WriterParts {
            backend: log.clone(),
            log_id: info.id,
            partition,
            ids: disk.ids.clone(),
            link: link.clone(),
            entropy: Box::new(move || entropy.u128(..).to_le_bytes()),
            sinks: Box::new(move || -> ReportSink {
                let sink = sink.clone();
                Box::new(move |report| {
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                })
            }),
        };
        let keys = keys.clone();
        let mut writer = Writer::new(parts, limits(rng));
        writer.assign();
        Ok(Part { writer, follower, projector, sagas: Sagas::default(), link, keys, reports })
    }

    /// Hands the reports over and lets the writer step.
    pub(crate) fn write(&mut self, now: i64) -> Result<Written, String> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *reports);
        drop(reports);
        taken.into_iter().for_each(|report| self.writer.report(report));
        let wake = self.writer.step(now);
        match self.writer.status() {
            Status::Stopped { reason } => Err(format!("the writer stopped: {reason}")),
            _ => Ok(Written { replies: self.writer.take_replies(), wake }),
        }
    }

    /// Lets the follower step; how many records it took. Without room it waits.
    pub(crate) fn follow(&mut self) -> Result<usize, String> {
        let taken = match self.follower.step() {
            Err(error) if error.is_transient() => 0,
            stepped => stepped.map_err(|error| format!("the follower stopped: {error}"))?,
        };
        let destroyed = self.link.erasures().destroy(&self.keys);
        destroyed.map_err(|error| format!("a key is not destroyed: {error}"))?;
        Ok(taken)
    }

    /// Lets the projector step; how many records it took. Without room it waits.
    pub(crate) fn project(&mut self, now: i64, bytes_max: usize) -> Result<usize, String> {
        match self.projector.step(now, bytes_max) {
            Err(error) if error.is_transient() => Ok(0),
            Err(error) => Err(format!("the projector stopped: {error}")),
            Ok(progress) => Ok(progress.records),
        }
    }

    /// Makes the view durable, if there is room.
    pub(crate) fn flush_view(&mut self) -> Result<(), String> {
        match self.projector.flush() {
            Err(error) if !error.is_transient() => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}
