//! A member of a consumer group: the group deals the partitions of a topic out among its members, each of
//! which reads what is in its own.
//!
//! ```text
//!   group ──► rebalance ──► assigned(), revoked() ─┐
//!   topic ──► held, a bounded queue ──► records() ─┼─► Member, one call at a time
//!   group ◄── commits ◄── done() ──────────────────┘
//! ```
//!
//! Cooperative: while partitions change hands, the others go on. A member that leaves, or that gives a
//! partition to another, is asked first ([`Member::revoked`]) and commits what it is done with, so that the
//! next owner goes on exactly there. A member that the group has thrown out (it was stopped for longer than
//! the session, or cut off) hears of it when it is back, and commits nothing: others own its partitions.
//!
//! Who owns a partition here *should* work on it. That it alone does, nothing here promises.

mod seat;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use super::Cluster;
use super::records::KafkaRecord;
use crate::log::LogError;

use seat::Seat;

/// How long the thread waits for a record when nothing else is to be done.
const IDLE: Duration = Duration::from_millis(20);
/// As above while records wait for room.
const BUSY: Duration = Duration::from_millis(1);
/// Records that are taken from the library before the member gets some.
const FETCH_MAX: usize = 4_096;
/// Offsets are committed this often.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// The library is woken this often, see [`Sitting::wake`].
const WAKE_EVERY: Duration = Duration::from_millis(100);
/// For so long after partitions came or went the next ones may come soon.
const UNSETTLED: Duration = Duration::from_secs(3);
/// A question to the brokers that nobody needs the answer to.
const WAKE_WAIT: Duration = Duration::from_millis(100);

/// Who works on the partitions, one call at a time. What takes long holds up the records of all partitions,
/// but not the heartbeats.
pub trait Member: Send {
    /// These partitions are this member's now. Their records begin where the last owner was done.
    fn assigned(&mut self, partitions: &[u32]);

    /// These partitions are given back when this returns: finish what was begun in them, and have it in
    /// the next [`Member::done`]. With `lost` they are others' already: let go at once, and nothing of
    /// them is committed.
    fn revoked(&mut self, partitions: &[u32], lost: bool);

    /// Records of own partitions, each partition's in order; no more than there was room for.
    fn records(&mut self, records: Vec<KafkaRecord>);

    /// How many more records it can take now. With none they wait, and fetching pauses once many do; nobody
    /// leaves. It is asked many times a second, also when no records wait.
    fn room(&mut self) -> usize;

    /// For each partition whose place has changed, the offset before which all is done.
    fn done(&mut self) -> Vec<(u32, u64)>;
}

/// Which group, of which topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// Name of the group.
    pub group: String,
    /// The topic whose partitions are dealt out.
    pub topic: String,
    /// Whether the records of the topic are read. Without, only its partitions are dealt out.
    pub reads: bool,
    /// A member that is not heard of for this long is out. Brokers have a least one, 6 s by default.
    pub session_timeout: Duration,
}

impl GroupOptions {
    /// Reads, with a session of 6 s, the least that brokers take by default.
    #[must_use]
    pub fn new(group: impl Into<String>, topic: impl Into<String>) -> Self {
        let session_timeout = Duration::from_secs(6);
        GroupOptions { group: group.into(), topic: topic.into(), reads: true, session_timeout }
    }
}

/// A membership, with its thread, until it is dropped.
pub struct Group {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Group {
    /// Joins, as soon as a broker answers.
    ///
    /// # Errors
    /// [`LogError::Mismatch`] for settings that librdkafka does not take; [`LogError::Unavailable`] when the
    /// system starts no more threads.
    pub fn join(
        cluster: &Cluster,
        options: GroupOptions,
        member: Box<dyn Member>,
    ) -> Result<Group, LogError> {
        let clients = cluster.clients().clone();
        let consumer = clients.member(&options, Seat::new(&options, member))?;
        consumer
            .subscribe(&[&options.topic])
            .map_err(|error| clients.unavailable_at(&options.topic, &error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let sitting = Sitting { options, consumer: Arc::new(consumer), stop: stop.clone() };
        let thread = spawn("kafka-group", move || sitting.run())?;
        Ok(Group { stop, thread: Some(thread) })
    }

    /// Gives every partition back, commits, and leaves, so that others have them at once. Blocks until it
    /// is done; dropping does the same.
    pub fn leave(self) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a member of a group panicked");
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

/// The thread of a membership.
struct Sitting {
    options: GroupOptions,
    consumer: Arc<BaseConsumer<Seat>>,
    stop: Arc<AtomicBool>,
}

impl Sitting {
    /// What is in hand is given up before the consumer is closed: closed while partitions change hands it
    /// leaves first, and then nothing is committed any more.
    fn run(self) {
        let (consumer, stop) = (self.consumer.clone(), self.stop.clone());
        match spawn("kafka-commits", move || commit_until(&stop, &consumer)) {
            Ok(commits) => {
                self.sit();
                commits.thread().unpark();
                if commits.join().is_err() {
                    tracing::error!("the commits of a group panicked");
                }
            }
            Err(error) => tracing::error!(%error, "leaves the group"),
        }
        self.consumer.context().give_all_up(&self.consumer);
    }

    #[expect(clippy::disallowed_methods, reason = "a door to the outside: paces the questions")]
    fn sit(&self) {
        let seat = self.consumer.context();
        let mut woken_at = Instant::now();
        let (mut changes, mut changed_at) = (0, Instant::now());
        let mut last_error = String::new();
        while !self.stop.load(Ordering::Acquire) {
            let wait = if seat.holds_some() { BUSY } else { IDLE };
            self.fetch(wait, &mut last_error);
            seat.hand_over();
            self.pace();
            let now = Instant::now();
            if std::mem::replace(&mut changes, seat.changes()) != changes {
                changed_at = now;
            }
            if now - woken_at >= WAKE_EVERY {
                woken_at = now;
                self.wake(now - changed_at < UNSETTLED || seat.owns_none());
            }
        }
    }

    /// Librdkafka's own thread looks at the heartbeat only when it is woken, by itself every half a second;
    /// any question wakes it. And it joins again at most once a second, which would leave partitions without
    /// an owner for that long when a handover needs a second round; any metadata ends that pause.
    fn wake(&self, unsettled: bool) {
        if unsettled {
            let _ = self.consumer.fetch_metadata(Some(&self.options.topic), WAKE_WAIT);
        } else {
            let _ = self.consumer.assignment();
        }
    }

    /// Takes what came. The group's own events are served by the same calls, as calls of the seat.
    fn fetch(&self, mut wait: Duration, last_error: &mut String) {
        let seat = self.consumer.context();
        for _ in 0..FETCH_MAX {
            match self.consumer.poll(wait) {
                None => return,
                Some(Ok(message)) => {
                    last_error.clear();
                    seat.hold(KafkaRecord::of(&message));
                }
                Some(Err(error)) => return self.complain(&error, last_error),
            }
            wait = Duration::ZERO;
        }
    }

    /// Once for each new trouble: most mend themselves, and the library tries again.
    fn complain(&self, error: &KafkaError, last_error: &mut String) {
        let said = error.to_string();
        if said != *last_error {
            let (group, topic) = (&self.options.group, &self.options.topic);
            tracing::warn!(group, topic, error = said, "the group's consumer waits");
            *last_error = said;
        }
    }

    /// Pauses and resumes fetching by what waits for room.
    fn pace(&self) {
        let Some(pause) = self.consumer.context().pace() else { return };
        let changed = self.consumer.assignment().and_then(|assigned| {
            if pause { self.consumer.pause(&assigned) } else { self.consumer.resume(&assigned) }
        });
        if let Err(error) = changed {
            tracing::debug!(topic = self.options.topic, pause, %error, "fetching goes on as it was");
        }
    }
}

/// Beside the thread that polls, for while the group's coordinator is away a commit waits for it, and records
/// need not.
fn commit_until(stop: &AtomicBool, consumer: &BaseConsumer<Seat>) {
    while !stop.load(Ordering::Acquire) {
        std::thread::park_timeout(COMMIT_EVERY);
        consumer.context().commit(consumer);
    }
}

#[expect(clippy::disallowed_methods, reason = "a door to the outside: the two threads of a member")]
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|error| LogError::Unavailable { what: format!("a thread: {error}") })
}
