//! A log in memory whose faults are chosen: by hand with [`Simulated::settle`] and its like, or drawn
//! from one seed by [`Simulated::tick`].
//!
//! ```text
//!   send() ──► pending ──settle / flush / tick──► durable ──► read(), end()
//!                 │  └── late: nobody waits for it any more, it lands when land() says so
//!              crash(): dropped, or a prefix of it kept, or late
//! ```
//!
//! It has no clock and no threads: nothing becomes durable and no report is given before the simulator
//! says so, on the simulator's own thread. The same seed and the same calls make the same log.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backend::{
    Backend, Outcome, Producer, RECORD_BYTES_MAX, RawRecord, Report, ReportSink, check_partition,
    check_size,
};
use crate::log::LogError;

/// What becomes of the oldest send that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Durable, reported with its offset.
    Durable,
    /// Durable, reported without its offset.
    WithoutOffset,
    /// Durable, but its acknowledgement was lost: reported unknown.
    AckLost,
    /// Lost, reported unknown.
    Lost,
    /// Reported unknown; it lands later, at [`Simulated::land`].
    Late,
    /// Durable twice, reported with the offset of the second.
    Doubled,
    /// Refused.
    Failed,
}

/// What a crash does to what is not durable. No report is given for any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// All is gone, as unsynced bytes are when power fails.
    Drop,
    /// A prefix of each partition, drawn from the seed, is durable all the same.
    KeepPrefix,
    /// It is still on its way: it lands later, at [`Simulated::land`], or never.
    InFlight,
}

/// How often [`Simulated::tick`] draws each fault, in thousandths of the sends that it settles. What is
/// left is durable and reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// [`Fate::WithoutOffset`].
    pub without_offset: u32,
    /// [`Fate::AckLost`].
    pub ack_lost: u32,
    /// [`Fate::Lost`].
    pub lost: u32,
    /// [`Fate::Late`].
    pub late: u32,
    /// [`Fate::Doubled`].
    pub doubled: u32,
    /// [`Fate::Failed`].
    pub failed: u32,
    /// Bytes of somebody else before the send.
    pub foreign: u32,
    /// A late record lands before the send.
    pub lands: u32,
}

/// A log in memory.
pub struct Simulated {
    state: Arc<Mutex<State>>,
    partition_count: u32,
}

struct State {
    partitions: Vec<Partition>,
    rng: fastrand::Rng,
    faults: Faults,
    full: bool,
    /// Producers of an earlier one are dead.
    generation: u64,
}

#[derive(Default)]
struct Partition {
    durable: Vec<Stored>,
    pending: VecDeque<Pending>,
    late: VecDeque<Vec<u8>>,
}

struct Stored {
    bytes: Vec<u8>,
    /// A bit of it was flipped: the storage's checksum says so.
    damaged: bool,
}

struct Pending {
    ticket: u64,
    bytes: Vec<u8>,
    sink: Arc<ReportSink>,
}

/// A report that is given once the state is unlocked, for its taker may send.
type Given = (Arc<ReportSink>, Report);

impl Simulated {
    /// An empty log without faults.
    ///
    /// # Panics
    /// For no partitions.
    #[must_use]
    pub fn new(partition_count: u32, seed: u64) -> Self {
        assert!(partition_count > 0, "a log has partitions");
        let partitions = (0..partition_count).map(|_| Partition::default()).collect();
        let rng = fastrand::Rng::with_seed(seed);
        let faults = Faults::default();
        let state = State { partitions, rng, faults, full: false, generation: 0 };
        Simulated { state: Arc::new(Mutex::new(state)), partition_count }
    }

    /// What [`Simulated::tick`] draws from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Whether sends are refused with [`LogError::Full`].
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// How many sends of a partition are not settled.
    #[must_use]
    pub fn pending(&self, partition: u32) -> usize {
        self.lock().partition(partition).pending.len()
    }

    /// How many records of a partition are still on their way, with nobody waiting.
    #[must_use]
    pub fn late(&self, partition: u32) -> usize {
        self.lock().partition(partition).late.len()
    }

    /// Settles the oldest pending send of a partition and gives its report. False when there is none.
    pub fn settle(&self, partition: u32, fate: Fate) -> bool {
        let given = self.lock().partition(partition).settle(fate);
        give(given)
    }

    /// Makes every pending send of a partition durable, with its report.
    pub fn flush(&self, partition: u32) {
        while self.settle(partition, Fate::Durable) {}
    }

    /// [`Simulated::flush`] of every partition.
    pub fn flush_all(&self) {
        (0..self.partition_count).for_each(|partition| self.flush(partition));
    }

    /// Settles some of what is pending, with faults, all drawn from the seed. False when nothing was
    /// pending.
    pub fn tick(&self) -> bool {
        let mut any = false;
        for partition in 0..self.partition_count {
            let pending = self.pending(partition);
            any |= pending > 0;
            let settled = self.lock().rng.usize(0..=pending);
            for _ in 0..settled {
                let given = self.lock().draw(partition);
                give(given);
            }
        }
        any
    }

    /// The process dies: its producers are dead, and what is not durable meets this crash.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.lock();
        let State { partitions, rng, generation, .. } = &mut *state;
        *generation += 1;
        for partition in partitions {
            let pending = std::mem::take(&mut partition.pending);
            let kept = match crash {
                Crash::Drop => 0,
                Crash::KeepPrefix => rng.usize(0..=pending.len()),
                Crash::InFlight => {
                    partition.late.extend(pending.into_iter().map(|p| p.bytes));
                    continue;
                }
            };
            pending.into_iter().take(kept).for_each(|p| {
                partition.push(p.bytes);
            });
        }
    }

    /// The oldest late record of a partition becomes durable; `None` when there is none.
    pub fn land(&self, partition: u32) -> Option<u64> {
        let mut state = self.lock();
        let partition = state.partition(partition);
        partition.late.pop_front().map(|bytes| partition.push(bytes))
    }

    /// Somebody else's bytes become durable, at the offset that is returned.
    pub fn inject(&self, partition: u32, bytes: Vec<u8>) -> u64 {
        self.lock().partition(partition).push(bytes)
    }

    /// Flips one bit of a stored record. The storage notices: reading it is [`LogError::Damaged`].
    ///
    /// # Panics
    /// When there is no such record or bit.
    pub fn flip_bit(&self, partition: u32, offset: u64, bit: usize) {
        let mut state = self.lock();
        let stored = &mut state.partition(partition).durable[index(offset)];
        stored.bytes[bit / 8] ^= 1 << (bit % 8);
        stored.damaged = true;
    }

    /// Puts other bytes in a stored record's place, and nothing notices.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn rewrite(&self, partition: u32, offset: u64, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.partition(partition).durable[index(offset)] = Stored { bytes, damaged: false };
    }

    /// Loses every record from this offset on, acknowledged or not.
    pub fn truncate(&self, partition: u32, end: u64) {
        self.lock().partition(partition).durable.truncate(index(end));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn partition(&mut self, partition: u32) -> &mut Partition {
        &mut self.partitions[partition as usize]
    }

    /// Settles one send with a fate of the seed's.
    fn draw(&mut self, partition: u32) -> Option<Given> {
        let faults = self.faults;
        if self.rng.u32(0..1000) < faults.foreign {
            let length = self.rng.usize(0..40);
            let bytes = std::iter::repeat_with(|| self.rng.u8(..)).take(length).collect();
            self.partition(partition).push(bytes);
        }
        if self.rng.u32(0..1000) < faults.lands
            && let Some(bytes) = self.partition(partition).late.pop_front()
        {
            self.partition(partition).push(bytes);
        }
        let mut drawn = self.rng.u32(0..1000);
        let fates = [
            (faults.without_offset, Fate::WithoutOffset),
            (faults.ack_lost, Fate::AckLost),
            (faults.lost, Fate::Lost),
            (faults.late, Fate::Late),
            (faults.doubled, Fate::Doubled),
            (faults.failed, Fate::Failed),
        ];
        let mut fate = Fate::Durable;
        for (weight, candidate) in fates {
            if drawn < weight {
                fate = candidate;
                break;
            }
            drawn -= weight;
        }
        self.partition(partition).settle(fate)
    }
}

impl Partition {
    fn push(&mut self, bytes: Vec<u8>) -> u64 {
        self.durable.push(Stored { bytes, damaged: false });
        self.durable.len() as u64 - 1
    }

    fn settle(&mut self, fate: Fate) -> Option<Given> {
        let Pending { ticket, bytes, sink } = self.pending.pop_front()?;
        let outcome = match fate {
            Fate::Durable => Outcome::Durable(Some(self.push(bytes))),
            Fate::WithoutOffset => {
                self.push(bytes);
                Outcome::Durable(None)
            }
            Fate::AckLost => {
                self.push(bytes);
                Outcome::Unknown
            }
            Fate::Lost => Outcome::Unknown,
            Fate::Late => {
                self.late.push_back(bytes);
                Outcome::Unknown
            }
            Fate::Doubled => {
                self.push(bytes.clone());
                Outcome::Durable(Some(self.push(bytes)))
            }
            Fate::Failed => Outcome::Failed,
        };
        Some((sink, Report { ticket, outcome }))
    }
}

fn give(given: Option<Given>) -> bool {
    let Some((sink, report)) = given else { return false };
    sink(report);
    true
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Backend for Simulated {
    fn partition_count(&self) -> u32 {
        self.partition_count
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }

    fn create(&self, partition: u32, record: Vec<u8>) -> Result<(), LogError> {
        check_partition(partition, self.partition_count)?;
        check_size(record.len(), RECORD_BYTES_MAX)?;
        let mut state = self.lock();
        let stored = state.partition(partition);
        if !stored.durable.is_empty() {
            let what = format!("partition {partition} has records already");
            return Err(LogError::Mismatch { what });
        }
        stored.push(record);
        Ok(())
    }

    fn producer(&self, partition: u32, reports: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        check_partition(partition, self.partition_count)?;
        let generation = self.lock().generation;
        let (state, reports) = (Arc::clone(&self.state), Arc::new(reports));
        Ok(Box::new(SimulatedProducer { partition, generation, state, reports }))
    }

    fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        check_partition(partition, self.partition_count)?;
        let mut state = self.lock();
        let stored = state.partition(partition).durable.get(index(from)..).unwrap_or_default();
        let (mut records, mut bytes_total) = (Vec::new(), 0);
        for (stored, offset) in stored.iter().zip(from..) {
            if stored.damaged && !records.is_empty() {
                break;
            }
            if stored.damaged {
                let what = "a bit was flipped".into();
                return Err(LogError::Damaged { partition, offset, what });
            }
            bytes_total += stored.bytes.len();
            if bytes_total > bytes_max && !records.is_empty() {
                break;
            }
            records.push(RawRecord { offset, bytes: stored.bytes.clone() });
        }
        Ok(records)
    }

    fn end(&self, partition: u32) -> Result<u64, LogError> {
        check_partition(partition, self.partition_count)?;
        Ok(self.lock().partition(partition).durable.len() as u64)
    }

    /// Returns at once: the simulator steps who waits.
    fn wait(&self, _partition: u32, _from: u64, _at_most: Duration) {}
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let ends: Vec<_> =
            state.partitions.iter().map(|p| (p.durable.len(), p.pending.len())).collect();
        f.debug_struct("Simulated").field("durable_and_pending", &ends).finish_non_exhaustive()
    }
}

struct SimulatedProducer {
    partition: u32,
    generation: u64,
    state: Arc<Mutex<State>>,
    reports: Arc<ReportSink>,
}

impl Producer for SimulatedProducer {
    fn send(&mut self, ticket: u64, bytes: Vec<u8>) -> Result<(), LogError> {
        check_size(bytes.len(), RECORD_BYTES_MAX)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation != self.generation {
            return Err(LogError::Unavailable { what: "the producer's process crashed".into() });
        }
        if state.full {
            return Err(LogError::Full { what: "the simulated disk is full".into() });
        }
        let sink = Arc::clone(&self.reports);
        state.partition(self.partition).pending.push_back(Pending { ticket, bytes, sink });
        Ok(())
    }
}

impl fmt::Debug for SimulatedProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedProducer")
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
