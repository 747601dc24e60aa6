//! Reads what is older than the tail: replays, and single records of the past.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::client::{Clients, Quiet, tells_of_loss};
use super::tail::{add, position};
use crate::backend::RawRecord;
use crate::log::LogError;

/// Consumers that wait for their next use.
const IDLE_MAX: usize = 4;
/// Partition of a consumer that reads none.
const NOWHERE: u32 = u32::MAX;
/// One wait for the next record.
const POLL: Duration = Duration::from_millis(100);

/// Consumers, each at some place of some partition.
pub(super) struct Fetchers {
    clients: Clients,
    /// The one used last is last.
    idle: Mutex<Vec<Fetcher>>,
}

struct Fetcher {
    consumer: BaseConsumer<Quiet>,
    partition: u32,
    /// Offset of what it gives next.
    next: u64,
    /// That record, when it came but did not fit.
    ahead: Option<Vec<u8>>,
}

impl Fetchers {
    pub(super) fn new(clients: Clients) -> Self {
        Fetchers { clients, idle: Mutex::default() }
    }

    /// Records from this offset on. A reader that goes on where it was gets what was fetched ahead.
    pub(super) fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        let (first, end) = self.clients.watermarks(partition)?;
        if from < first {
            return Err(LogError::Trimmed { partition, first });
        }
        if from >= end {
            return Ok(Vec::new());
        }
        let mut fetcher = self.take(partition, from)?;
        let records = fetcher.fetch(&self.clients, end, bytes_max)?;
        if fetcher.next >= end {
            fetcher.rest(&self.clients)?;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(fetcher);
        let surplus = idle.len().saturating_sub(IDLE_MAX);
        let surplus: Vec<Fetcher> = idle.drain(..surplus).collect();
        drop(idle);
        drop(surplus);
        Ok(records)
    }

    /// One that is there already, else the one that is idle longest, else a new one.
    fn take(&self, partition: u32, from: u64) -> Result<Fetcher, LogError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = idle.iter().position(|f| (f.partition, f.next) == (partition, from)) {
            return Ok(idle.remove(there));
        }
        let resting = idle.iter().position(|fetcher| fetcher.partition == NOWHERE);
        let reused = match resting {
            Some(resting) => Some(idle.remove(resting).consumer),
            None => (idle.len() >= IDLE_MAX).then(|| idle.remove(0).consumer),
        };
        drop(idle);
        let consumer = match reused {
            Some(consumer) => consumer,
            None => self.clients.fetcher(Quiet)?,
        };
        let mut assignment = TopicPartitionList::new();
        add(&mut assignment, &self.clients, partition, from)?;
        consumer.assign(&assignment).map_err(|error| self.clients.unavailable(&error))?;
        Ok(Fetcher { consumer, partition, next: from, ahead: None })
    }
}

impl Fetcher {
    /// At the end of what there was the tail goes on: it asks the brokers for nothing more.
    fn rest(&mut self, clients: &Clients) -> Result<(), LogError> {
        self.consumer.unassign().map_err(|error| clients.unavailable(&error))?;
        self.partition = NOWHERE;
        Ok(())
    }

    /// Records up to `end`, as many as fit, one at least; fewer when the brokers stop answering.
    #[expect(clippy::disallowed_methods, reason = "a door to the outside: waits for the network")]
    fn fetch(
        &mut self,
        clients: &Clients,
        end: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        let deadline = Instant::now() + clients.options().request_timeout;
        let (mut records, mut bytes) = (Vec::new(), 0usize);
        while self.next < end {
            let record =
                match self.ahead.take().map_or_else(|| self.poll(&mut records), Polled::Record) {
                    Polled::Record(record) => record,
                    Polled::Nothing if Instant::now() < deadline => continue,
                    Polled::Nothing => {
                        let within = clients.options().request_timeout;
                        let what = format!(
                            "topic {} partition {} offset {}: no broker gave it within {within:?}",
                            clients.topic(),
                            self.partition,
                            self.next
                        );
                        return some(records, LogError::Unavailable { what });
                    }
                    Polled::Failed(error) => return some(records, clients.unavailable(&error)),
                };
            let size = record.len().max(1);
            if !records.is_empty() && bytes.saturating_add(size) > bytes_max {
                self.ahead = Some(record);
                break;
            }
            bytes += size;
            records.push(RawRecord { offset: self.next, bytes: record });
            self.next += 1;
        }
        Ok(records)
    }

    /// The next record, or why there is none yet. Offsets before it that hold no record for anybody, the
    /// markers of a foreign transaction, are given as empty ones.
    fn poll(&mut self, records: &mut Vec<RawRecord>) -> Polled {
        let (to, polled) = match self.consumer.poll(POLL) {
            None => return Polled::Nothing,
            Some(Ok(message)) => {
                let record = message.payload().unwrap_or_default().to_vec();
                (u64::try_from(message.offset()).unwrap_or(0), Polled::Record(record))
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                (position(&self.consumer, self.partition).unwrap_or(0), Polled::Nothing)
            }
            Some(Err(error)) if tells_of_loss(&error) => return Polled::Failed(error),
            Some(Err(_)) => return Polled::Nothing,
        };
        let markers = self.next..to.max(self.next);
        self.next = markers.end;
        records.extend(markers.map(|offset| RawRecord { offset, bytes: Vec::new() }));
        polled
    }
}

/// What a consumer gave.
enum Polled {
    Record(Vec<u8>),
    Nothing,
    Failed(KafkaError),
}

/// What there is; the error where there is nothing.
fn some(records: Vec<RawRecord>, error: LogError) -> Result<Vec<RawRecord>, LogError> {
    if records.is_empty() { Err(error) } else { Ok(records) }
}
