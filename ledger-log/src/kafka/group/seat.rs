//! What a membership knows: its partitions, the records that wait for room, and what is done.
//!
//! Offsets are committed one commit after another, each waited for. The library's commits in the background
//! would not do: rust-rdkafka asks librdkafka to tell what came of them in a way that it does not (it calls
//! `offset_commit_cb` or answers a queue, and there is neither), so that a refused one is never heard of, and
//! one that is tried again could come after the last commit of a partition that was given away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::{GroupOptions, Member};
use crate::kafka::client::native;
use crate::kafka::records::KafkaRecord;

/// Records and bytes that wait for room; with more, fetching pauses until a quarter is left. Pausing throws
/// away what the library has fetched, so it has to be rare.
const HELD_RECORDS_MAX: usize = 65_536;
const HELD_BYTES_MAX: usize = 32 << 20;
/// The last commit of a partition is tried this often while the brokers take none, with this pause.
const LAST_COMMIT_TRIES: u32 = 50;
const LAST_COMMIT_PAUSE: Duration = Duration::from_millis(20);

/// The member's place in the group, as the library's callbacks see it. They come on the thread that polls.
pub(super) struct Seat {
    topic: String,
    inner: Mutex<Inner>,
    /// Held through a commit.
    committing: Mutex<()>,
}

struct Inner {
    member: Box<dyn Member>,
    owned: BTreeMap<u32, Owned>,
    held: VecDeque<KafkaRecord>,
    held_bytes: usize,
    reads: bool,
    paused: bool,
    /// How often partitions came or went.
    changes: u64,
}

/// A partition of this member's.
#[derive(Debug, Default)]
struct Owned {
    /// Offset that the next record has at least.
    next: u64,
    /// What the member is done with ends here, and what was committed; 0 for nothing.
    done: u64,
    committed: u64,
}

impl Seat {
    pub(super) fn new(options: &GroupOptions, member: Box<dyn Member>) -> Self {
        let (owned, held, reads) = (BTreeMap::new(), VecDeque::new(), options.reads);
        let inner = Inner { member, owned, held, held_bytes: 0, reads, paused: !reads, changes: 0 };
        let (inner, committing) = (Mutex::new(inner), Mutex::new(()));
        Seat { topic: options.topic.clone(), inner, committing }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn committing(&self) -> MutexGuard<'_, ()> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn holds_some(&self) -> bool {
        !self.inner().held.is_empty()
    }

    /// How often partitions came or went.
    pub(super) fn changes(&self) -> u64 {
        self.inner().changes
    }

    pub(super) fn owns_none(&self) -> bool {
        self.inner().owned.is_empty()
    }

    /// Takes a record in, to be handed over when there is room.
    pub(super) fn hold(&self, record: KafkaRecord) {
        self.inner().hold(record);
    }

    /// Gives the member as many records as it has room for.
    pub(super) fn hand_over(&self) {
        self.inner().hand_over();
    }

    /// Whether fetching shall be paused or resumed, when it shall change.
    pub(super) fn pace(&self) -> Option<bool> {
        self.inner().pace()
    }

    /// Commits what the member is done with. Waits for the brokers, at most about as long as a session.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Seat>) {
        let _alone = self.committing();
        let offsets = self.inner().uncommitted();
        let Some(list) = self.list(&offsets) else { return };
        match consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => self.inner().committed(&offsets),
            Err(error) => tracing::debug!(topic = self.topic, %error, "a commit waits"),
        }
    }

    /// As if the group asked for all that this member has.
    pub(super) fn give_all_up(&self, consumer: &BaseConsumer<Seat>) {
        let partitions: Vec<u32> = self.inner().owned.keys().copied().collect();
        self.give_up(consumer, &partitions);
    }

    fn list(&self, offsets: &[(u32, u64)]) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            let offset = Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX));
            if let Err(error) = list.add_partition_offset(&self.topic, native(*partition), offset) {
                tracing::error!(topic = self.topic, partition, %error, "is never committed");
            }
        }
        (list.count() > 0).then_some(list)
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<u32> {
        let elements = list.elements();
        let ours = elements.iter().filter(|element| element.topic() == self.topic);
        ours.filter_map(|element| u32::try_from(element.partition()).ok()).collect()
    }

    /// Before the library gives the partitions back.
    fn give_up(&self, consumer: &BaseConsumer<Seat>, partitions: &[u32]) {
        let lost = consumer.assignment_lost();
        tracing::info!(topic = self.topic, ?partitions, lost, "gives partitions up");
        let offsets = self.inner().revoked(partitions, lost);
        let Some(offsets) = self.list(&offsets) else { return };
        let _alone = self.committing();
        if let Err(error) = last_commit(consumer, &offsets) {
            // The next owner does again what was done since the last commit.
            tracing::warn!(topic = self.topic, %error, "what was done last is not committed");
        }
    }
}

/// Brokers take no commit at one moment of each rebalance, nor of the generation that it ends at another,
/// and none while a coordinator begins.
fn last_commit(consumer: &BaseConsumer<Seat>, offsets: &TopicPartitionList) -> KafkaResult<()> {
    use RDKafkaErrorCode as Code;
    let passes = |error: &KafkaError| {
        let code = error.rdkafka_error_code();
        let group = [Code::RebalanceInProgress, Code::IllegalGeneration];
        let coordinator =
            [Code::CoordinatorLoadInProgress, Code::CoordinatorNotAvailable, Code::NotCoordinator];
        code.is_some_and(|code| group.contains(&code) || coordinator.contains(&code))
    };
    for _ in 1..LAST_COMMIT_TRIES {
        match consumer.commit(offsets, CommitMode::Sync) {
            Err(error) if passes(&error) && !consumer.assignment_lost() => {
                std::thread::park_timeout(LAST_COMMIT_PAUSE);
            }
            done => return done,
        }
    }
    consumer.commit(offsets, CommitMode::Sync)
}

impl Inner {
    fn hold(&mut self, record: KafkaRecord) {
        let KafkaRecord { partition, offset, .. } = record;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        if offset < owned.next {
            // Records are gone and the library began again, or the topic is another of the same name:
            // what the member has begun is of no partition that there is.
            tracing::warn!(partition, from = owned.next, to = offset, "a partition went back");
            self.revoked(&[partition], true);
            self.assigned(&[partition]);
        }
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.next = offset + 1;
        }
        self.held_bytes += record.weight();
        self.held.push_back(record);
    }

    fn hand_over(&mut self) {
        // Asked also when nothing waits: the member may have something to do of its own.
        let count = self.member.room().min(self.held.len());
        if count > 0 {
            let records: Vec<KafkaRecord> = self.held.drain(..count).collect();
            self.held_bytes -= records.iter().map(KafkaRecord::weight).sum::<usize>();
            self.member.records(records);
        }
    }

    fn pace(&mut self) -> Option<bool> {
        if !self.reads {
            return None;
        }
        let is_full = self.held.len() >= HELD_RECORDS_MAX || self.held_bytes >= HELD_BYTES_MAX;
        let has_room =
            self.held.len() <= HELD_RECORDS_MAX / 4 && self.held_bytes <= HELD_BYTES_MAX / 4;
        let change = if self.paused { has_room } else { is_full };
        self.paused ^= change;
        change.then_some(self.paused)
    }

    fn assigned(&mut self, partitions: &[u32]) {
        self.changes += 1;
        for partition in partitions {
            self.owned.insert(*partition, Owned::default());
        }
        self.member.assigned(partitions);
    }

    /// What is to be committed of these partitions before they go. One that is gone already is left out.
    fn revoked(&mut self, partitions: &[u32], lost: bool) -> Vec<(u32, u64)> {
        let mut partitions = partitions.to_vec();
        partitions.retain(|partition| self.owned.contains_key(partition));
        if partitions.is_empty() {
            return Vec::new();
        }
        self.held.retain(|record| !partitions.contains(&record.partition));
        self.held_bytes = self.held.iter().map(KafkaRecord::weight).sum();
        self.changes += 1;
        self.member.revoked(&partitions, lost);
        self.hear_done();
        let (mut offsets, owned) = (Vec::new(), std::mem::take(&mut self.owned));
        for (partition, owned) in owned {
            if !partitions.contains(&partition) {
                self.owned.insert(partition, owned);
            } else if owned.done > 0 && !lost {
                // Also where it was committed: again costs nothing, and this is the last word.
                offsets.push((partition, owned.done));
            }
        }
        offsets
    }

    fn hear_done(&mut self) {
        for (partition, offset) in self.member.done() {
            if let Some(owned) = self.owned.get_mut(&partition) {
                owned.done = offset;
            }
        }
    }

    /// What is done and not committed yet.
    fn uncommitted(&mut self) -> Vec<(u32, u64)> {
        self.hear_done();
        let changed = self.owned.iter().filter(|(_, owned)| owned.done != owned.committed);
        changed.map(|(partition, owned)| (*partition, owned.done)).collect()
    }

    fn committed(&mut self, offsets: &[(u32, u64)]) {
        for (partition, offset) in offsets {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.committed = *offset;
            }
        }
    }
}

impl ClientContext for Seat {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(topic = self.topic, %error, reason, "kafka group");
    }
}

impl ConsumerContext for Seat {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => self.give_up(consumer, &self.partitions(list)),
            Rebalance::Assign(_) => {}
            Rebalance::Error(error) => {
                tracing::warn!(topic = self.topic, %error, "the group's rebalance failed");
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else { return };
        let partitions = self.partitions(list);
        tracing::info!(topic = self.topic, ?partitions, "is given partitions");
        let mut inner = self.inner();
        inner.assigned(&partitions);
        if inner.paused
            && let Err(error) = consumer.pause(list)
        {
            tracing::debug!(topic = self.topic, %error, "fetching is not paused");
        }
    }
}

#[cfg(test)]
mod tests;
