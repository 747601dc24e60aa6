//! The newest records of every partition, in memory: what followers and projectors that keep up read.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Clients, Quiet, native, tells_of_loss};
use crate::backend::{ConfirmedEnd, KnownEnd, RawRecord};
use crate::log::LogError;

/// How long the thread waits for a record before it looks whether it shall end.
const POLL: Duration = Duration::from_millis(100);
/// Pause after the log was not what it was, until the watch may have been told more.
const PAUSE: Duration = Duration::from_millis(100);

/// The tail and its thread.
pub(super) struct Tail {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread fills.
pub(super) struct Shared {
    partitions: Vec<Partition>,
    stop: AtomicBool,
    /// How often the consumer was told that the log is not what it was.
    alarms: AtomicU64,
}

#[derive(Default)]
struct Partition {
    window: Mutex<Window>,
    /// What the brokers said last of its end, and when they were asked.
    confirmed: Mutex<Option<ConfirmedEnd>>,
    came: Condvar,
    /// What the watch was answered last.
    bounds: Mutex<Option<Bounds>>,
}

/// Where a partition begins and ends, as a broker said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) first: u64,
    pub(super) end: u64,
    /// How many alarms there were when it was asked.
    pub(super) alarms: u64,
}

/// Records `[first, first + records.len())`.
#[derive(Debug, Default)]
struct Window {
    first: u64,
    /// What stands before is asked of the brokers: they may no longer keep it, or hold something else.
    given_from: u64,
    records: VecDeque<Vec<u8>>,
}

impl Window {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// `None` for what is older than the window.
    fn read(&self, from: u64, bytes_max: usize) -> Option<Vec<RawRecord>> {
        if from < self.given_from {
            return None;
        }
        let skipped = from.checked_sub(self.first)?;
        let mut bytes = 0usize;
        let fits = |record: &&Vec<u8>| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(record.len().max(1));
            first || bytes <= bytes_max
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(skipped).take_while(fits).cloned();
        Some(records.zip(from..).map(|(bytes, offset)| RawRecord { offset, bytes }).collect())
    }
}

impl Tail {
    /// Begins at the end of every partition.
    pub(super) fn start(clients: &Clients, partition_count: u32) -> Result<Tail, LogError> {
        let consumer = clients.consumer(Quiet)?;
        let mut partitions = Vec::new();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partition_count {
            let (_, end) = clients.watermarks(partition)?;
            let window = Mutex::new(Window { first: end, ..Window::default() });
            partitions.push(Partition { window, ..Partition::default() });
            add(&mut assignment, clients, partition, end)?;
        }
        consumer.assign(&assignment).map_err(|error| clients.unavailable(&error))?;
        let shared = Arc::new(Shared {
            partitions,
            stop: AtomicBool::new(false),
            alarms: AtomicU64::new(0),
        });
        let filling = Filling {
            bytes_max: clients.options().tail_bytes_max,
            clients: clients.clone(),
            consumer,
            shared: shared.clone(),
            kept: VecDeque::new(),
            bytes: 0,
            away: BTreeSet::new(),
        };
        let thread = spawn(filling)
            .map_err(|error| LogError::Unavailable { what: format!("a thread: {error}") })?;
        Ok(Tail { shared, thread: Some(thread) })
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Records from here on; none when `from` is not there yet, `None` when it is older than the tail.
    pub(super) fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Option<Vec<RawRecord>> {
        self.shared.window(partition).read(from, bytes_max)
    }

    /// What came, and what the brokers said last.
    pub(super) fn known_end(&self, partition: u32) -> KnownEnd {
        let confirmed = *self.shared.confirmed(partition);
        let end = self.shared.end(partition).max(confirmed.map_or(0, |confirmed| confirmed.end));
        KnownEnd { end, confirmed }
    }

    /// Blocks until the record at `from` is there, or for this long.
    pub(super) fn wait(&self, partition: u32, from: u64, at_most: Duration) {
        let Partition { window, came, .. } = &self.shared.partitions[partition as usize];
        let window = window.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            came.wait_timeout_while(window, at_most, |window| window.end() <= from)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the tail of the log panicked");
        }
    }
}

impl Shared {
    fn window(&self, partition: u32) -> MutexGuard<'_, Window> {
        let window = &self.partitions[partition as usize].window;
        window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offset after the newest record of a partition that came.
    pub(super) fn end(&self, partition: u32) -> u64 {
        self.window(partition).end()
    }

    fn confirmed(&self, partition: u32) -> MutexGuard<'_, Option<ConfirmedEnd>> {
        let confirmed = &self.partitions[partition as usize].confirmed;
        confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The brokers answered a question of this instant with this end.
    ///
    /// It is the instant of the question that counts: what came into the log after it may be missing in
    /// the answer, what came before it may not.
    pub(super) fn confirm(&self, partition: u32, answered: ConfirmedEnd) {
        let mut confirmed = self.confirmed(partition);
        // An end before an earlier one is a log that lost records: nobody is up to date with it.
        if confirmed.is_none_or(|before| before.end <= answered.end) {
            *confirmed = Some(answered);
        }
    }

    /// The brokers keep nothing before this offset.
    pub(super) fn trim(&self, partition: u32, first: u64) {
        let mut window = self.window(partition);
        window.given_from = window.given_from.max(first);
    }

    /// What came so far may not be what the brokers have now: whoever compares asks them.
    pub(super) fn distrust(&self, partition: u32) {
        let mut window = self.window(partition);
        window.given_from = window.end();
    }

    /// The watch was answered: a tail that was told of a loss goes on by it.
    pub(super) fn saw(&self, partition: u32, bounds: Bounds) {
        *self.bounds(partition) = Some(bounds);
    }

    fn bounds(&self, partition: u32) -> MutexGuard<'_, Option<Bounds>> {
        let bounds = &self.partitions[partition as usize].bounds;
        bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a broker said of a partition that was asked after the last alarm.
    fn bounds_now(&self, partition: u32) -> Option<Bounds> {
        let alarms = self.alarms();
        self.bounds(partition).filter(|bounds| bounds.alarms == alarms)
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn alarms(&self) -> u64 {
        self.alarms.load(Ordering::Acquire)
    }
}

/// The thread that fills the windows.
struct Filling {
    clients: Clients,
    consumer: BaseConsumer<Quiet>,
    shared: Arc<Shared>,
    /// Partition and size of every record in a window, oldest first: over all partitions the oldest
    /// leaves first.
    kept: VecDeque<(u32, usize)>,
    bytes: usize,
    bytes_max: usize,
    /// Partitions that are not tailed since the consumer was told of a loss, for no broker has said yet
    /// where they end.
    away: BTreeSet<u32>,
}

impl Filling {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            if !self.go_on() {
                continue;
            }
            let event = match self.consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => {
                    let partition = u32::try_from(message.partition()).unwrap_or(0);
                    let bytes = message.payload().unwrap_or_default().to_vec();
                    Ok((partition, u64::try_from(message.offset()).unwrap_or(0), bytes))
                }
                Some(Err(error)) => Err(error),
            };
            match event {
                Ok((partition, offset, bytes)) if offset >= self.shared.end(partition) => {
                    self.skip_to(partition, offset);
                    self.push(partition, bytes);
                }
                Ok(_) => {}
                Err(KafkaError::PartitionEOF(partition)) => {
                    let partition = u32::try_from(partition).unwrap_or(0);
                    if let Some(position) = position(&self.consumer, partition) {
                        self.skip_to(partition, position);
                    }
                }
                Err(error) if tells_of_loss(&error) => self.alarm(&error),
                Err(error) => tracing::debug!(%error, "the tail of the log waits"),
            }
        }
    }

    /// Offsets that hold no record for anybody: the markers of a foreign transaction.
    fn skip_to(&mut self, partition: u32, offset: u64) {
        let end = self.shared.end(partition);
        if offset > end {
            tracing::warn!(partition, from = end, to = offset, "offsets without a record");
        }
        (end..offset).for_each(|_| self.push(partition, Vec::new()));
    }

    fn push(&mut self, partition: u32, bytes: Vec<u8>) {
        let size = bytes.len() + size_of::<Vec<u8>>();
        self.shared.window(partition).records.push_back(bytes);
        self.shared.partitions[partition as usize].came.notify_all();
        self.kept.push_back((partition, size));
        self.bytes += size;
        while self.bytes > self.bytes_max
            && let Some((oldest, size)) = self.kept.pop_front()
        {
            let mut window = self.shared.window(oldest);
            window.records.pop_front();
            window.first += 1;
            self.bytes -= size;
        }
    }

    /// The log is not what it was. Whoever follows it compares; what is there now is tailed from its end.
    fn alarm(&mut self, error: &KafkaError) {
        tracing::error!(topic = self.clients.topic(), %error, "the log is not what it was");
        let all = (0..).take(self.shared.partitions.len());
        all.clone().for_each(|partition| self.shared.distrust(partition));
        // Before anything of the other log is given to anybody.
        self.shared.alarms.fetch_add(1, Ordering::AcqRel);
        self.away = all.collect();
    }

    /// Whether there is something to tail. A partition that is away comes back by itself once the watch was
    /// told where it ends: one that has no leader keeps no other from its readers.
    #[expect(clippy::disallowed_methods, reason = "a pause of a thread that does nothing else")]
    fn go_on(&mut self) -> bool {
        if self.away.is_empty() {
            return true;
        }
        let answered = |partition: &u32| self.shared.bounds_now(*partition).is_some();
        let away: BTreeSet<u32> = self.away.iter().copied().filter(|p| !answered(p)).collect();
        if away != self.away {
            match self.tailing_all_but(&away) {
                Ok(consumer) => {
                    self.consumer = consumer;
                    self.away = away;
                    return true;
                }
                Err(error) => tracing::warn!(%error, "the tail of the log waits"),
            }
        } else if away.len() < self.shared.partitions() {
            return true;
        }
        std::thread::sleep(PAUSE);
        false
    }

    /// Every partition from where the tail is, or from its end where that is before it. By another consumer:
    /// librdkafka 2.12 may stop a partition twice that is assigned again, which ends the process
    /// (confluentinc/librdkafka#5573).
    fn tailing_all_but(&mut self, away: &BTreeSet<u32>) -> Result<BaseConsumer<Quiet>, LogError> {
        let consumer = self.clients.consumer(Quiet)?;
        let mut assignment = TopicPartitionList::new();
        for partition in (0..).take(self.shared.partitions()) {
            if away.contains(&partition) {
                continue;
            }
            if self.away.contains(&partition)
                && let Some(Bounds { first, end, .. }) = self.shared.bounds_now(partition)
                && !(first..=end).contains(&self.shared.end(partition))
            {
                self.restart(partition, end);
            }
            add(&mut assignment, &self.clients, partition, self.shared.end(partition))?;
        }
        consumer.assign(&assignment).map_err(|error| self.clients.unavailable(&error))?;
        Ok(consumer)
    }

    fn restart(&mut self, partition: u32, first: u64) {
        let kept = std::mem::take(&mut self.kept);
        self.kept = kept.into_iter().filter(|(of, _)| *of != partition).collect();
        self.bytes = self.kept.iter().map(|(_, size)| size).sum();
        *self.shared.window(partition) = Window { first, ..Window::default() };
    }
}

/// Adds a partition to an assignment, to be read from an offset on.
pub(super) fn add(
    assignment: &mut TopicPartitionList,
    clients: &Clients,
    partition: u32,
    from: u64,
) -> Result<(), LogError> {
    let from = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
    assignment
        .add_partition_offset(clients.topic(), native(partition), from)
        .map_err(|error| clients.unavailable(&error))
}

/// Where a consumer is in a partition, markers included; `None` before it got anything.
pub(super) fn position(consumer: &BaseConsumer<Quiet>, partition: u32) -> Option<u64> {
    let positions = consumer.position().ok()?;
    let elements = positions.elements();
    let of = elements.iter().find(|element| element.partition() == native(partition))?;
    u64::try_from(of.offset().to_raw()?).ok()
}

#[expect(clippy::disallowed_methods, reason = "a door to the outside: the one thread that tails")]
fn spawn(filling: Filling) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("kafka-tail".into()).spawn(move || filling.run())
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;
    use crate::kafka::KafkaOptions;

    #[test]
    fn a_window_gives_what_it_has() {
        let records = (10..20u8).map(|number| vec![number; 100]).collect();
        let window = Window { first: 10, records, given_from: 0 };
        let read = |from, bytes_max| {
            let records = window.read(from, bytes_max)?;
            Some(records.iter().map(|record| record.offset).collect::<Vec<_>>())
        };
        assert_eq!(read(9, 1000), None, "older than the window");
        assert_eq!(read(10, 0), Some(vec![10]), "one at least");
        assert_eq!(read(12, 299), Some(vec![12, 13]));
        assert_eq!(read(18, 1000), Some(vec![18, 19]));
        assert_eq!(read(20, 1000), Some(vec![]), "not there yet");
        assert_eq!(read(u64::MAX, 1000), Some(vec![]));
        let trimmed = Window { given_from: 12, ..window };
        assert_eq!(trimmed.read(11, 1000), None, "no longer kept by the brokers");
        assert!(trimmed.read(12, 1000).is_some());
    }

    /// Two partitions, each tailed from record 3 on; there is no broker.
    fn filling() -> Filling {
        let options = KafkaOptions { bootstrap: "127.0.0.1:9".into(), ..KafkaOptions::default() };
        let clients = Clients::new(options).unwrap();
        let partition = || {
            let window = Mutex::new(Window { first: 3, ..Window::default() });
            Partition { window, ..Partition::default() }
        };
        let shared = Shared {
            partitions: vec![partition(), partition()],
            stop: AtomicBool::new(false),
            alarms: AtomicU64::new(0),
        };
        Filling {
            consumer: clients.consumer(Quiet).unwrap(),
            clients,
            shared: Arc::new(shared),
            kept: VecDeque::new(),
            bytes: 0,
            bytes_max: 1000,
            away: BTreeSet::new(),
        }
    }

    fn assigned(filling: &Filling) -> Vec<(i32, Offset)> {
        let assignment = filling.consumer.assignment().unwrap();
        let of = assignment.elements().into_iter().map(|e| (e.partition(), e.offset()));
        let mut of: Vec<_> = of.collect();
        of.sort_by_key(|(partition, _)| *partition);
        of
    }

    /// A partition without a leader is asked about in vain; the other is tailed meanwhile.
    #[test]
    fn after_an_alarm_each_partition_comes_back_by_itself() {
        let mut filling = filling();
        assert!(filling.go_on(), "nothing has happened");
        let shared = filling.shared.clone();
        let said = |first, end, alarms| Bounds { first, end, alarms };
        shared.saw(0, said(0, 3, 0));
        filling.alarm(&KafkaError::MessageConsumption(RDKafkaErrorCode::OffsetOutOfRange));
        assert!(!filling.go_on(), "what was said before the alarm says nothing");
        shared.saw(0, said(0, 2, 1));
        assert!(filling.go_on());
        assert_eq!(assigned(&filling), [(0, Offset::Offset(2))], "from its end, which is before");
        assert!(filling.go_on(), "while the other is away");
        shared.saw(1, said(0, 7, 1));
        assert!(filling.go_on());
        assert_eq!(assigned(&filling), [(0, Offset::Offset(2)), (1, Offset::Offset(3))]);
        assert!(filling.away.is_empty());
    }

    #[test]
    fn what_is_compared_is_asked_of_the_brokers() {
        let records = (0..5u8).map(|number| vec![number]).collect();
        let window = Mutex::new(Window { first: 0, records, given_from: 0 });
        let partitions = vec![Partition { window, ..Partition::default() }];
        let (stop, alarms) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Shared { partitions, stop, alarms };
        shared.distrust(0);
        assert_eq!(shared.window(0).read(3, 1000), None, "it may be something else there");
        shared.trim(0, 2);
        assert_eq!(shared.window(0).read(3, 1000), None);
        shared.window(0).records.push_back(vec![5]);
        assert_eq!(shared.window(0).read(5, 1000).map(|records| records.len()), Some(1));
    }
}
