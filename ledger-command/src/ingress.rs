//! Commands over Kafka: records of the commands topic are decided, and their results published.
//!
//! ```text
//!   group thread: record ─► command ─► this partition's? ─► Handle::submit_all ─► writer ─► ReplySink ─┐
//!                    │                        └ no ─► Router ─► its owner, wherever ──────────────────┤
//!                    └ no command ────────────────────────────────────────────────────────────────────┤
//!   answerer thread: first outcomes read back, result ─► Publisher ─► results topic, same partition ◄─┘
//!   group thread: delivered ─► Tracker ─► offsets to commit
//! ```
//!
//! Delivery is at least once: an offset is committed once everything before it is answered *and* its result
//! is on the results topic. What is read again has the same ids, so it is decided once. What nobody could
//! decide now (no owner, no room, an outcome that nobody knows) is not answered but asked again, in the
//! order of the partition; there is no overload here, only waiting.

mod answerer;
mod codec;
mod flight;
mod tracker;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledger_domain::Command;
use ledger_log::LogError;
use ledger_log::kafka::records::KafkaRecord;
use ledger_log::kafka::{Cluster, Topic};
use ledger_proto::command::{identify, prepare, request_id};
use ledger_proto::v1;
use ledger_runtime::spawn;
use tokio::sync::Semaphore;

use crate::result::{self, Answering, failure, reason};
use crate::router::{Arrival, Router, TRACEPARENT, traceparent};
use crate::run::{Asked, Handle, ReplySink, Submission};
use answerer::Answerer;
use codec::{Codec, Unreadable};
use flight::{Envelope, Flight, Said, Shared, Stage};
use tracker::Tracker;

/// Records that are being decided or answered, of all partitions of this server, and their bytes.
const FLIGHTS_MAX: usize = 49_152;
const FLIGHT_BYTES_MAX: usize = 64 << 20;
/// What a record takes beside its value, roughly.
const FLIGHT_BYTES: usize = 512;
/// Commands of other partitions that are sent on at a time.
const ROUTED_MAX: usize = 64;
/// What was sent on is waited for so long before its partition is given back, which is served meanwhile; the
/// rest is sent on again by the next owner, and what was answered behind it is answered again.
const ROUTED_WAIT: Duration = Duration::from_secs(2);
/// How long one of them looks for its owner; then it is asked again, and others have their turn.
const ROUTED_AT_MOST: Duration = Duration::from_secs(2);
/// What could not be decided is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// One look while results are waited for.
const LOOK: Duration = Duration::from_millis(1);

/// Decides the records of this server's partitions. It is the group's: one call at a time.
pub struct Ingress {
    handle: Handle,
    router: Router,
    runtime: tokio::runtime::Handle,
    codec: Codec,
    topic: String,
    shared: Arc<Shared>,
    sink: Arc<dyn ReplySink>,
    routed: Arc<Semaphore>,
    answerer: Option<JoinHandle<()>>,
    lanes: BTreeMap<u32, Lane>,
    /// Places of partitions that were given back, to be committed.
    left: Vec<(u32, u64)>,
    next_tag: u64,
    flights: usize,
    bytes: usize,
}

/// One partition.
struct Lane {
    tracker: Tracker,
    /// Not in the writer's mailbox yet, for want of room there.
    waiting: VecDeque<Asked>,
    /// To be asked again before anything else, by offset.
    again: BTreeMap<u64, u64>,
    again_at: Instant,
    /// It was said that something has to be asked again, or it is expected while the partition is given back.
    said_so: bool,
    reported: Option<u64>,
}

/// What a record is, and what is to be done with it.
struct Read {
    envelope: Envelope,
    step: Step,
}

enum Step {
    Ask(Box<Sealed>, Submission),
    /// It cannot be asked now, for this reason.
    Later(String),
    Route(Box<v1::Command>, Arrival),
    Say(Box<v1::CommandResult>),
}

/// What the writer takes, and what its answer needs.
struct Sealed {
    command: Command,
    answering: Answering,
}

impl Ingress {
    /// Begins to publish; records come by [`Ingress::take`].
    ///
    /// # Errors
    /// [`LogError`] when there can be no publisher, or no thread.
    pub fn start(
        handle: Handle,
        router: Router,
        cluster: &Cluster,
        runtime: tokio::runtime::Handle,
    ) -> Result<Ingress, LogError> {
        let what = "the descriptors of the commands are missing".to_owned();
        let codec = Codec::new().ok_or(LogError::Mismatch { what })?;
        let shared = Arc::new(Shared::default());
        let answerer = Answerer::new(&shared, handle.backend().clone(), codec.clone(), cluster)?;
        let answerer = spawn::thread("answerer", move || answerer.run())
            .map_err(|error| LogError::Unavailable { what: format!("a thread: {error}") })?;
        Ok(Ingress {
            handle,
            router,
            runtime,
            codec,
            topic: cluster.options().topic(Topic::Commands),
            sink: shared.clone(),
            shared,
            routed: Arc::new(Semaphore::new(ROUTED_MAX)),
            answerer: Some(answerer),
            lanes: BTreeMap::new(),
            left: Vec::new(),
            next_tag: 0,
            flights: 0,
            bytes: 0,
        })
    }

    /// These partitions are this server's.
    pub fn assigned(&mut self, partitions: &[u32]) {
        for partition in partitions {
            self.lanes.insert(*partition, Lane::new());
        }
    }

    /// Begins with records of own partitions.
    pub fn take(&mut self, records: Vec<KafkaRecord>) {
        let mut fresh = Vec::with_capacity(records.len());
        for record in records {
            let KafkaRecord { partition, offset, .. } = record;
            let Some(lane) = self.lanes.get_mut(&partition) else { continue };
            lane.tracker.begin(offset);
            let tag = self.next_tag;
            self.next_tag += 1;
            let read = self.read(record);
            self.flights += 1;
            self.bytes += read.envelope.weight();
            fresh.push((tag, Arc::new(read.envelope), read.step));
        }
        self.begin(fresh, false);
        self.submit();
    }

    /// Goes on with what is decided and delivered; how many more records there is room for.
    pub fn room(&mut self) -> usize {
        self.settle();
        self.ask_again();
        self.submit();
        // One that is stuck holds the offsets of all behind it, which are kept until then.
        let held = self.lanes.values().map(|lane| lane.tracker.held()).max().unwrap_or(0);
        if self.bytes >= FLIGHT_BYTES_MAX || held >= FLIGHTS_MAX {
            return 0;
        }
        FLIGHTS_MAX.saturating_sub(self.flights)
    }

    /// These partitions will be given back: what is not in a writer's hand is left to the next owner. What
    /// was sent on is waited for first, for its own partition may be about to be given back, too.
    pub fn close(&mut self, partitions: &[u32]) {
        self.wait_for(partitions, &[Stage::Routed, Stage::Again], ROUTED_WAIT);
        let mut flights = self.shared.flights();
        for partition in partitions {
            let Some(lane) = self.lanes.get_mut(partition) else { continue };
            lane.said_so = true;
            let waiting = lane.waiting.drain(..).map(|asked| asked.tag);
            let unasked: Vec<u64> =
                waiting.chain(std::mem::take(&mut lane.again).into_values()).collect();
            for tag in unasked {
                if let Some(flight) = flights.remove(&tag) {
                    self.flights -= 1;
                    self.bytes -= flight.envelope.weight();
                }
            }
        }
    }

    /// Until none of these partitions' records is at these stages, or for this long; how many are.
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: how long to wait")]
    fn wait_for(&mut self, partitions: &[u32], stages: &[Stage], at_most: Duration) -> usize {
        let until = Instant::now() + at_most;
        loop {
            self.settle();
            if stages.contains(&Stage::Again) {
                self.ask_again();
                self.submit();
            }
            let left = self.shared.count(partitions, stages);
            if left == 0 || Instant::now() >= until {
                return left;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until what the writers had in hand is answered and its results are delivered, or for this
    /// long; then the partitions are given back. The writers have said all that they will.
    pub fn finish(&mut self, partitions: &[u32], at_most: Duration) {
        let open = self.wait_for(partitions, &[Stage::Open], at_most);
        if open > 0 {
            tracing::warn!(?partitions, open, "results are left to the next owner");
        }
        for partition in partitions {
            let place = self.lanes.get(partition).and_then(|lane| lane.tracker.place());
            self.left.extend(place.map(|place| (*partition, place)));
        }
        self.forget(partitions);
    }

    /// These partitions are others'.
    pub fn forget(&mut self, partitions: &[u32]) {
        self.lanes.retain(|partition, _| !partitions.contains(partition));
        let mut flights = self.shared.flights();
        flights.retain(|_, flight| !partitions.contains(&flight.envelope.record.partition));
        self.flights = flights.len();
        self.bytes = flights.values().map(|flight| flight.envelope.weight()).sum();
    }

    /// Before which offset everything is answered, of partitions where that has changed.
    pub fn done(&mut self) -> Vec<(u32, u64)> {
        self.settle();
        let mut done = std::mem::take(&mut self.left);
        for (partition, lane) in &mut self.lanes {
            let place = lane.tracker.place();
            if place != lane.reported {
                lane.reported = place;
                done.extend(place.map(|place| (*partition, place)));
            }
        }
        done
    }

    fn read(&self, record: KafkaRecord) -> Read {
        let decoded = self.codec.decode(&record);
        let correlation =
            codec::correlation(&self.topic, &record, decoded.as_ref().ok().map(|(it, _)| it));
        let (step, encoding) = match decoded {
            Ok((command, encoding)) => (self.step(command, &record), encoding),
            Err(Unreadable { encoding, why }) => {
                let outcome = Some(failure(reason::MALFORMED_COMMAND, &why));
                let result = v1::CommandResult { outcome, ..v1::CommandResult::default() };
                (Step::Say(Box::new(result)), encoding)
            }
        };
        Read { envelope: Envelope { record, encoding, correlation }, step }
    }

    fn step(&self, mut command: v1::Command, record: &KafkaRecord) -> Step {
        identify(&mut command, || codec::id_of_record(&self.topic, record));
        let mut prepared = match prepare(&command) {
            Ok(prepared) => prepared,
            Err(rejection) => {
                let result = result::malformed(request_id(&command), &rejection);
                return Step::Say(Box::new(result));
            }
        };
        if prepared.has_nothing_to_decide() {
            let answering = Answering::of(&mut prepared);
            return Step::Say(Box::new(answering.result(crate::Reply::Items(Vec::new()))));
        }
        let traceparent = record.header(TRACEPARENT).map(traceparent).unwrap_or_default();
        if self.router.partition_of(&prepared.command.ledger) != record.partition {
            let arrival = Arrival { traceparent, at_most: ROUTED_AT_MOST, ..Arrival::default() };
            return Step::Route(Box::new(command), arrival);
        }
        let (answering, validate_only) = (Answering::of(&mut prepared), prepared.validate_only);
        let how = Submission { validate_only, traceparent, ..Submission::default() };
        // The records behind it wait: they are decided in the order of the partition.
        match self.router.seal(prepared.command, !validate_only) {
            Ok(command) => Step::Ask(Box::new(Sealed { command, answering }), how),
            Err(error) => Step::Later(error.to_string()),
        }
    }

    /// Takes each of these on its way. What is asked `again` comes before what waits.
    fn begin(&mut self, fresh: Vec<(u64, Arc<Envelope>, Step)>, again: bool) {
        let mut said = Vec::new();
        let mut front: BTreeMap<u32, VecDeque<Asked>> = BTreeMap::new();
        let mut flights = self.shared.flights();
        for (tag, envelope, step) in fresh {
            let KafkaRecord { partition, offset, .. } = envelope.record;
            let (mut stage, mut answering) = (Stage::Open, None);
            match step {
                Step::Ask(sealed, how) => {
                    answering = Some(sealed.answering);
                    let asked = Asked { tag, command: sealed.command, how };
                    if again {
                        front.entry(partition).or_default().push_back(asked);
                    } else if let Some(lane) = self.lanes.get_mut(&partition) {
                        lane.waiting.push_back(asked);
                    }
                }
                Step::Later(why) => {
                    stage = Stage::Again;
                    if let Some(lane) = self.lanes.get_mut(&partition) {
                        lane.ask_again(partition, offset, tag, &why);
                    }
                }
                Step::Route(command, arrival) => {
                    stage = Stage::Routed;
                    self.route(tag, *command, arrival);
                }
                Step::Say(result) => said.push((tag, Said::Result(result))),
            }
            flights.insert(tag, Flight { envelope, answering, stage });
        }
        drop(flights);
        for (partition, mut first) in front {
            if let Some(lane) = self.lanes.get_mut(&partition) {
                first.append(&mut lane.waiting);
                lane.waiting = first;
            }
        }
        self.shared.say(said);
    }

    fn route(&self, tag: u64, command: v1::Command, arrival: Arrival) {
        let (router, shared, routed) =
            (self.router.clone(), self.shared.clone(), self.routed.clone());
        self.runtime.spawn(async move {
            // The semaphore is never closed.
            let _permit = routed.acquire().await;
            // Its partition was given back meanwhile: the next owner reads it again.
            if !shared.flights().contains_key(&tag) {
                return;
            }
            let result = router.execute(command, arrival).await;
            shared.say(vec![(tag, Said::Result(Box::new(result)))]);
        });
    }

    /// Into the writers' mailboxes, as far as there is room. What is to be asked again goes first.
    fn submit(&mut self) {
        for (partition, lane) in &mut self.lanes {
            if !lane.again.is_empty() || lane.waiting.is_empty() {
                continue;
            }
            // What is left waits for room, or until the partition is another server's.
            let _ = self.handle.submit_all(*partition, &mut lane.waiting, &self.sink);
        }
    }

    /// What was delivered is done; what could not be decided, or whose result got lost, is asked again.
    fn settle(&mut self) {
        let (delivered, again) = self.shared.take_settled();
        if delivered.is_empty() && again.is_empty() {
            return;
        }
        let mut flights = self.shared.flights();
        for tag in delivered {
            let Some(flight) = flights.remove(&tag) else { continue };
            self.flights -= 1;
            self.bytes -= flight.envelope.weight();
            let KafkaRecord { partition, offset, .. } = flight.envelope.record;
            if let Some(lane) = self.lanes.get_mut(&partition) {
                lane.tracker.done(offset);
                lane.said_so &= !lane.again.is_empty();
            }
        }
        for (tag, why) in again {
            let Some(flight) = flights.get_mut(&tag) else { continue };
            flight.stage = Stage::Again;
            let KafkaRecord { partition, offset, .. } = flight.envelope.record;
            let Some(lane) = self.lanes.get_mut(&partition) else { continue };
            lane.ask_again(partition, offset, tag, &why);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a door to the outside: how long to wait")]
    fn ask_again(&mut self) {
        let is_due = |lane: &&mut Lane| !lane.again.is_empty() && Instant::now() >= lane.again_at;
        let due = self.lanes.values_mut().filter(is_due);
        let tags: Vec<u64> =
            due.flat_map(|lane| std::mem::take(&mut lane.again).into_values()).collect();
        if tags.is_empty() {
            return;
        }
        let flights = self.shared.flights();
        let envelopes: Vec<_> = tags
            .into_iter()
            .filter_map(|tag| Some((tag, flights.get(&tag)?.envelope.clone())))
            .collect();
        drop(flights);
        let read = |(tag, envelope): (u64, Arc<Envelope>)| {
            let step = self.read(envelope.record.clone()).step;
            (tag, envelope, step)
        };
        let fresh = envelopes.into_iter().map(read).collect();
        self.begin(fresh, true);
    }
}

impl Lane {
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: how long to wait")]
    fn new() -> Self {
        Lane {
            tracker: Tracker::default(),
            waiting: VecDeque::new(),
            again: BTreeMap::new(),
            again_at: Instant::now(),
            said_so: false,
            reported: None,
        }
    }

    /// This record is asked again, after a pause; nothing behind it is asked before.
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: how long to wait")]
    fn ask_again(&mut self, partition: u32, offset: u64, tag: u64, why: &str) {
        if self.again.is_empty() {
            self.again_at = Instant::now() + ASK_AGAIN;
        }
        if !std::mem::replace(&mut self.said_so, true) {
            tracing::warn!(partition, offset, why, "commands of the topic wait");
        }
        self.again.insert(offset, tag);
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(answerer) = self.answerer.take()
            && answerer.join().is_err()
        {
            tracing::error!("the thread that answers commands of the topic panicked");
        }
    }
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress").field("flights", &self.flights).finish_non_exhaustive()
    }
}
