//! All that there is: the log, two processes, their disks, the clock, clients and faults.

mod faults;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use ledger_command::{Reply, Request as Offer, Status, readback};
use ledger_domain::partition::partition_of;
use ledger_domain::{Command, CommandBody, Position};
use ledger_keys::{Keys, MemoryKeys};
use ledger_log::record::LogId;
use ledger_log::simulated::{Faults, Simulated};
use ledger_log::{Backend, LogInfo, log};

use crate::model;
use crate::node::{Disk, Node, Written};
use crate::oracle::{Attempt, Oracle, Told};
use crate::reads::{Level, Reads};
use crate::request::{Ask, Request, Transfer};
use crate::step::Asking;
use crate::summary::{Failure, Summary};
use crate::workload::Workload;

/// What is kept of what happened last.
const RECENT_MAX: usize = 40;
/// Characters of each that are kept.
const SHOWN_CHARACTERS_MAX: usize = 500;
/// When a simulation begins.
const START_NS: i64 = 1_700_000_000_000_000_000;
pub(crate) const PARTITIONS: u32 = 2;
/// Processes that may run side by side: one that serves, and one that comes and takes over.
const NODES: usize = 2;

/// How often each fault of the machine comes, in thousandths of the steps. Some seeds are calm and come
/// far, others are wild.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    crash: u32,
    rival: u32,
    clock: u32,
    disk: u32,
    handover: u32,
}

/// By instant: where each partition ended when it was looked at then for the first time, and for the last;
/// more can be recorded while the clock stands.
pub(crate) type Ends = BTreeMap<i64, [(u64, u64); PARTITIONS as usize]>;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) log: Arc<Simulated>,
    pub(crate) info: LogInfo,
    /// Beside the log, as on a cluster: all processes have them.
    pub(crate) keys: Keys,
    pub(crate) kept_keys: Arc<MemoryKeys>,
    pub(crate) disks: Vec<Vec<Disk>>,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) oracles: Vec<Oracle>,
    workload: Workload,
    pub(crate) now: i64,
    /// How far the clock was set back; somebody sets it right some time.
    clock_behind: i64,
    rates: Rates,
    /// Whether id stores and views have no room.
    stores_full: bool,
    step: u32,
    attempts: u64,
    /// By attempt: on which process and partition it was asked.
    open: BTreeMap<u64, (usize, u32)>,
    /// By attempt: the drivers that wait for it.
    pub(crate) steps: BTreeMap<u64, Asking>,
    pub(crate) summary: Summary,
    /// Where each partition ended at the instants at which a view was held against the log.
    pub(crate) ends: Ends,
    history: blake3::Hasher,
    recent: VecDeque<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let log = Arc::new(Simulated::new(PARTITIONS, rng.u64(..)));
        let id = LogId(rng.u128(..).to_le_bytes());
        let oracles = (0..PARTITIONS).map(|partition| Oracle::new(id, partition)).collect();
        let kept_keys: Arc<MemoryKeys> = Arc::default();
        let disks = || (0..PARTITIONS).map(|_| Disk::default()).collect::<Vec<_>>();
        World {
            rng,
            log,
            info: LogInfo { id, partition_count: PARTITIONS },
            // Nobody here is to be kept from guessing them.
            keys: Keys::new(kept_keys.clone(), || [7; 16]),
            kept_keys,
            disks: (0..NODES).map(|_| disks()).collect(),
            nodes: (0..NODES).map(|_| None).collect(),
            oracles,
            workload: Workload::default(),
            now: START_NS,
            clock_behind: 0,
            rates: Rates::default(),
            stores_full: false,
            step: 0,
            attempts: 0,
            open: BTreeMap::new(),
            steps: BTreeMap::new(),
            summary: Summary { runs: 1, ..Summary::default() },
            ends: BTreeMap::new(),
            history: blake3::Hasher::new(),
            recent: VecDeque::new(),
        }
    }

    /// One step, at random.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        if self.step == 0 {
            self.begin()?;
        }
        self.step += 1;
        self.now += self.rng.i64(1..5_000_000);
        if self.clock_behind > 0 && self.rng.u32(0..15) == 0 {
            self.now += std::mem::take(&mut self.clock_behind);
        }
        let Rates { crash, rival, clock, disk, handover } = self.rates;
        let mut drawn = self.rng.u32(0..1000);
        for (rate, fault) in [
            (crash, Self::crash as fn(&mut Self) -> Result<(), String>),
            (rival, Self::rival),
            (clock, Self::jump),
            (disk, Self::fill_disk),
            (handover, Self::hand_over),
        ] {
            if drawn < rate {
                return fault(self);
            }
            drawn -= rate;
        }
        match self.rng.u32(0..100) {
            0..24 => self.ask(),
            24..48 => self.write(),
            48..66 => {
                self.log.tick();
                Ok(())
            }
            66..76 => self.follow(),
            76..86 => self.project(),
            86..88 => self.drive(),
            88..96 => self.read(),
            96 => self.land(),
            97 => self.inject(),
            _ => self.flush_view(),
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        let opened = log::open(&*self.log, self.info.id).map_err(|error| error.to_string())?;
        assert_eq!(opened, self.info, "the log is created with the id that is handed in");
        let mut chance = |most: u32| if self.rng.bool() { self.rng.u32(0..most) } else { 0 };
        let faults = Faults {
            without_offset: chance(300),
            ack_lost: chance(60),
            lost: chance(60),
            late: chance(60),
            doubled: chance(60),
            failed: chance(60),
            foreign: chance(60),
            lands: chance(200),
        };
        self.log.set_faults(faults);
        self.rates = Rates {
            crash: chance(6),
            rival: chance(8),
            clock: chance(12),
            disk: chance(10),
            handover: chance(30),
        };
        self.start(0)
    }

    /// Notes that something happened: for the counts, the history and whoever reads a failure.
    pub(crate) fn note(&mut self, name: &str, detail: &str) {
        self.summary.note(name);
        self.trace(&format!("{name} {detail}"));
    }

    pub(crate) fn trace(&mut self, what: &str) {
        self.history.update(what.as_bytes()).update(&[0]).update(&self.now.to_le_bytes());
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        let shown: String = what.chars().take(SHOWN_CHARACTERS_MAX).collect();
        self.recent.push_back(format!("step {}: {shown}", self.step));
    }

    pub(crate) fn start(&mut self, node: usize) -> Result<(), String> {
        let started =
            Node::start(&self.log, self.info, &self.disks[node], &self.keys, &mut self.rng)?;
        self.nodes[node] = Some(started);
        Ok(())
    }

    /// Which running process is next.
    pub(crate) fn some_node(&mut self) -> usize {
        let other = self.nodes[1].is_some() && self.rng.u32(0..3) == 0;
        usize::from(other)
    }

    fn ask(&mut self) -> Result<(), String> {
        let request = self.workload.next(&mut self.rng, self.now);
        let number = self.next_attempt();
        let parts = model::shape(&request);
        let (command, malformed) = match (request.read(&self.keys), &parts) {
            (Ok(read), Ok(_)) => read,
            (Err(rejection), Err(code)) if rejection.code.number() == *code => {
                let name = format!("refused.{}", rejection.code.name());
                self.note(&name, &format!("{number}"));
                return Ok(());
            }
            (read, due) => return Err(format!("{request:?} is read as {read:?}, due is {due:?}")),
        };
        let parts = parts.unwrap_or_default();
        let due: Vec<_> = (0..).zip(&parts).filter_map(|(at, code)| Some((at, (*code)?))).collect();
        let found: Vec<_> =
            malformed.iter().map(|(at, rejection)| (*at, rejection.code.number())).collect();
        if due != found {
            return Err(format!("{request:?}: malformed are {found:?}, due is {due:?}"));
        }
        for (_, rejection) in &malformed {
            self.summary.note(&format!("refused.{}", rejection.code.name()));
        }
        let request = request.once_sealed(&self.kept_keys);
        let transfers = well_formed(&request, &parts);
        if matches!(request.ask, Ask::Post { .. }) && transfers.is_empty() {
            return Ok(());
        }
        let node = self.some_node();
        self.offer_at(node, number, request, command, transfers)
    }

    pub(crate) fn next_attempt(&mut self) -> u64 {
        self.attempts += 1;
        self.attempts
    }

    fn drive(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.u32(0..PARTITIONS));
        self.drive_at(node, partition).map(drop)
    }

    pub(crate) fn offer_at(
        &mut self,
        node: usize,
        number: u64,
        request: Request,
        command: Command,
        transfers: Vec<Transfer>,
    ) -> Result<(), String> {
        if let CommandBody::PostTransfers { transfers: read } = &command.body {
            assert_eq!(read.len(), transfers.len(), "both read the same batch");
        }
        let partition = partition_of(&request.ledger, PARTITIONS);
        let validate_only = request.validate_only;
        self.trace(&format!("attempt {number} at {node} of partition {partition}: {request:?}"));
        let oracle = &mut self.oracles[partition as usize];
        oracle.walk(&self.log)?;
        let writer = self.nodes[node].as_ref().map(|node| &node.parts[partition as usize].writer);
        let current = writer.is_some_and(|w| w.status() == Status::Serving { term: oracle.term() });
        oracle.sent(number, Attempt { request, transfers, current, told: Told::Nothing });
        self.open.insert(number, (node, partition));
        if let Some(running) = &mut self.nodes[node] {
            running.parts[partition as usize].writer.offer(Offer {
                token: number,
                command,
                validate_only,
                actor: String::new(),
                traceparent: number.to_string(),
            });
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.u32(0..PARTITIONS));
        self.write_at(node, partition).map(drop)
    }

    /// Lets one writer step, and judges what it says; when it wants to be called again.
    pub(crate) fn write_at(&mut self, node: usize, partition: u32) -> Result<Option<i64>, String> {
        let Some(running) = &mut self.nodes[node] else { return Ok(None) };
        let oracle = &mut self.oracles[partition as usize];
        oracle.clock = oracle.clock.max(self.now);
        let part = &mut running.parts[partition as usize];
        let Written { replies, wake } = part.write(self.now)?;
        for (number, replied) in replies {
            let reply = readback::complete(&*self.log, replied).map_err(|e| e.to_string())?;
            self.answered((node, partition), number, &reply)?;
        }
        Ok(wake)
    }

    fn answered(
        &mut self,
        (node, partition): (usize, u32),
        number: u64,
        reply: &Reply,
    ) -> Result<(), String> {
        self.trace(&format!("attempt {number} is told {reply:?}"));
        if self.open.remove(&number) != Some((node, partition)) {
            return Err(format!("attempt {number} was not asked there, or is answered twice"));
        }
        let oracle = &mut self.oracles[partition as usize];
        oracle.walk(&self.log)?;
        oracle.answered(number, reply, &mut self.summary).map_err(|what| {
            format!("attempt {number}: {what}\n  {:?}", oracle.attempts[&number].request)
        })?;
        self.step_answered(number, reply);
        let position = match reply {
            Reply::One(answer) => answer.receipt().and_then(|receipt| receipt.position),
            Reply::Items(items) => items.iter().find_map(|answer| answer.receipt()?.position),
            Reply::NotRecorded { .. }
            | Reply::Overloaded { .. }
            | Reply::NotOwner
            | Reply::Unknown { .. } => None,
        };
        match position {
            Some(position) if self.rng.u32(0..6) == 0 => self.read_own_write(node, position),
            _ => Ok(()),
        }
    }

    /// What was acknowledged is shown once the view has its position.
    fn read_own_write(&mut self, node: usize, position: Position) -> Result<(), String> {
        let Some(running) = &mut self.nodes[node] else { return Ok(()) };
        let part = &mut running.parts[position.partition as usize];
        let has = |part: &crate::node::Part| {
            let applied = part.projector.view().state().applied;
            applied.is_some_and(|applied| applied.offset >= position.offset)
        };
        while !has(part) {
            note_ends(&mut self.ends, self.now, &self.log);
            if part.project(self.now, self.rng.usize(1..4_000))? == 0 {
                if self.stores_full {
                    return Ok(());
                }
                return Err(format!("{position} was acknowledged and is not in the log"));
            }
        }
        self.summary.note("read.own_write");
        self.read_at(node, position.partition, Level::AtLeast(position))
    }

    fn read(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.u32(0..PARTITIONS));
        let commits = &self.oracles[partition as usize].commits;
        let level = Level::random(&mut self.rng, partition, commits);
        self.read_at(node, partition, level)
    }

    pub(crate) fn read_at(
        &mut self,
        node: usize,
        partition: u32,
        level: Level,
    ) -> Result<(), String> {
        let oracle = &mut self.oracles[partition as usize];
        oracle.walk(&self.log)?;
        let Some(running) = &self.nodes[node] else { return Ok(()) };
        let applied = running.parts[partition as usize].projector.view().state().applied;
        let Some(applied) = applied.map(|applied| applied.offset) else { return Ok(()) };
        let (query, versions) = (&running.query, RefCell::default());
        let (ends, keys) = (&self.ends, &*self.kept_keys);
        let (transfers, seen) = (RefCell::default(), RefCell::default());
        let reads = Reads { query, oracle, ends, applied, versions, transfers, keys, seen };
        let what = reads.random(&mut self.rng, level, &mut self.summary)?;
        self.summary.note_all(&reads.seen.into_inner());
        for (ledger, account, version) in reads.versions.into_inner() {
            self.workload.has_read(&ledger, &account, version);
        }
        for (ledger, id) in reads.transfers.into_inner() {
            self.workload.has_read_transfer(&ledger, &id);
        }
        self.trace(&format!("read {what} of partition {partition} at {node}"));
        Ok(())
    }

    fn follow(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.usize(0..PARTITIONS as usize));
        let Some(running) = &mut self.nodes[node] else { return Ok(()) };
        running.parts[partition].follow().map(drop)
    }

    fn project(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.usize(0..PARTITIONS as usize));
        let Some(running) = &mut self.nodes[node] else { return Ok(()) };
        note_ends(&mut self.ends, self.now, &self.log);
        running.parts[partition].project(self.now, self.rng.usize(1..6_000)).map(drop)
    }

    fn flush_view(&mut self) -> Result<(), String> {
        let (node, partition) = (self.some_node(), self.rng.usize(0..PARTITIONS as usize));
        let Some(running) = &mut self.nodes[node] else { return Ok(()) };
        running.parts[partition].flush_view()
    }

    pub(crate) fn open_attempts(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn told(&self, told: Told) -> usize {
        let attempts = self.oracles.iter().flat_map(|oracle| oracle.attempts.values());
        attempts.filter(|attempt| attempt.told == told).count()
    }

    pub(crate) fn into_summary(mut self) -> Summary {
        let skipped: u64 = self.oracles.iter().map(|oracle| oracle.skipped).sum();
        let commits: usize = self.oracles.iter().map(|oracle| oracle.commits.len()).sum();
        self.oracles.iter().for_each(|oracle| self.summary.note_all(&oracle.seen));
        self.summary.counts.insert("log.skipped".into(), skipped);
        self.summary.counts.insert("log.commits".into(), commits as u64);
        self.summary.history = self.history.finalize().into();
        self.summary
    }

    pub(crate) fn into_failure(self, seed: u64, what: String) -> Failure {
        Failure { seed, step: self.step, what, recent: self.recent.into() }
    }
}

/// Remembers where the log ends now, before a view is held against it.
pub(crate) fn note_ends(ends: &mut Ends, now: i64, log: &Simulated) {
    let end = |partition: usize| log.end(partition as u32).unwrap_or(0);
    let noted = ends.entry(now).or_insert_with(|| std::array::from_fn(|at| (end(at), 0)));
    for (at, (_, last)) in noted.iter_mut().enumerate() {
        *last = end(at);
    }
}

/// The transfers of a batch whose shape is right.
fn well_formed(request: &Request, parts: &[Option<u32>]) -> Vec<Transfer> {
    match &request.ask {
        Ask::Post { transfers } => {
            let sound = transfers.iter().zip(parts).filter(|(_, code)| code.is_none());
            sound.map(|(transfer, _)| transfer.clone()).collect()
        }
        Ask::CreateLedger { .. }
        | Ask::Note(_)
        | Ask::CreateAsset { .. }
        | Ask::OpenAccount { .. }
        | Ask::Change { .. }
        | Ask::SetRules { .. }
        | Ask::Lock { .. }
        | Ask::Schedule(_)
        | Ask::Customer(_)
        | Ask::Cancel { .. }
        | Ask::SetAlert(_)
        | Ask::RemoveAlert { .. } => Vec::new(),
    }
}
