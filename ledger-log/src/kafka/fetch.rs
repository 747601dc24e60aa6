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
    /// How often the log was found other than it was when its consumer was made.
    reconnects: u64,
    /// Its consumer gave what it was asked for, and said nothing else.
    sound: bool,
}

impl Fetchers {
    pub(super) fn new(clients: Clients) -> Self {
        Fetchers { clients, idle: Mutex::default() }
    }

    /// Records from this offset on. A reader that goes on where it was gets what was fetched ahead, unless
    /// the log was found other than it was meanwhile: `reconnects` is how often that was.
    pub(super) fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
        reconnects: u64,
    ) -> Result<Vec<RawRecord>, LogError> {
        let (first, end) = self.clients.watermarks(partition)?;
        if from < first {
            return Err(LogError::Trimmed { partition, first });
        }
        if from >= end {
            return Ok(Vec::new());
        }
        let mut fetcher = self.take(partition, from, reconnects)?;
        let records = fetcher.fetch(&self.clients, end, bytes_max)?;
        if fetcher.next >= end {
            fetcher.rest(&self.clients)?;
        }
        self.give_back(fetcher);
        Ok(records)
    }

    /// Keeps it for its next use. A consumer that lost its place is never assigned again: librdkafka 2.12
    /// may stop a partition twice then, which ends the process (confluentinc/librdkafka#5573).
    fn give_back(&self, fetcher: Fetcher) {
        if !fetcher.sound {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(fetcher);
        let surplus = idle.len().saturating_sub(IDLE_MAX);
        let surplus: Vec<Fetcher> = idle.drain(..surplus).collect();
        drop(idle);
        drop(surplus);
    }

    /// One that is there already, else the one that is idle longest, else a new one. Those from before the
    /// log was found other than it was may have lost their places, and go.
    fn take(&self, partition: u32, from: u64, reconnects: u64) -> Result<Fetcher, LogError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let before: Vec<Fetcher> =
            idle.extract_if(.., |fetcher| fetcher.reconnects < reconnects).collect();
        if let Some(there) = idle.iter().position(|f| (f.partition, f.next) == (partition, from)) {
            return Ok(idle.remove(there));
        }
        let resting = idle.iter().position(|fetcher| fetcher.partition == NOWHERE);
        let reused = match resting {
            Some(resting) => Some(idle.remove(resting).consumer),
            None => (idle.len() >= IDLE_MAX).then(|| idle.remove(0).consumer),
        };
        drop(idle);
        drop(before);
        let consumer = match reused {
            Some(consumer) => consumer,
            None => self.clients.fetcher(Quiet)?,
        };
        let mut assignment = TopicPartitionList::new();
        add(&mut assignment, &self.clients, partition, from)?;
        consumer.assign(&assignment).map_err(|error| self.clients.unavailable(&error))?;
        Ok(Fetcher { consumer, partition, next: from, ahead: None, reconnects, sound: true })
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
                        self.sound = false;
                        let within = clients.options().request_timeout;
                        let what = format!(
                            "topic {} partition {} offset {}: no broker gave it within {within:?}",
                            clients.topic(),
                            self.partition,
                            self.next
                        );
                        return some(records, LogError::Unavailable { what });
                    }
                    Polled::Failed(error) => {
                        self.sound = false;
                        return some(records, clients.unavailable(&error));
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::KafkaOptions;

    /// There is no broker.
    fn fetchers() -> Fetchers {
        let options = KafkaOptions { bootstrap: "127.0.0.1:9".into(), ..KafkaOptions::default() };
        Fetchers::new(Clients::new(options).unwrap())
    }

    fn idle(fetchers: &Fetchers) -> usize {
        fetchers.idle.lock().unwrap().len()
    }

    #[test]
    fn a_consumer_is_used_again() {
        let fetchers = fetchers();
        let mut fetcher = fetchers.take(0, 5, 1).unwrap();
        let native = fetcher.consumer.client().native_ptr();
        fetcher.rest(&fetchers.clients).unwrap();
        fetchers.give_back(fetcher);
        let fetcher = fetchers.take(1, 9, 1).unwrap();
        assert_eq!(fetcher.consumer.client().native_ptr(), native);
        assert_eq!((fetcher.partition, fetcher.next, idle(&fetchers)), (1, 9, 0));
    }

    #[test]
    fn a_consumer_that_may_have_lost_its_place_is_not_used_again() {
        let fetchers = fetchers();
        let mut fetcher = fetchers.take(0, 5, 1).unwrap();
        fetcher.sound = false;
        fetchers.give_back(fetcher);
        assert_eq!(idle(&fetchers), 0, "it said so itself");

        let mut resting = fetchers.take(0, 5, 1).unwrap();
        resting.rest(&fetchers.clients).unwrap();
        let there = fetchers.take(0, 7, 1).unwrap();
        fetchers.give_back(resting);
        fetchers.give_back(there);
        let fetcher = fetchers.take(0, 7, 2).unwrap();
        assert_eq!((fetcher.reconnects, idle(&fetchers)), (2, 0), "the log was found another");
    }

    /// What a consumer gives in time is given, but it is not asked again.
    #[test]
    fn a_consumer_that_nobody_answers_is_not_sound() {
        let options = KafkaOptions {
            bootstrap: "127.0.0.1:9".into(),
            request_timeout: Duration::from_millis(1),
            ..KafkaOptions::default()
        };
        let fetchers = Fetchers::new(Clients::new(options).unwrap());
        let mut fetcher = fetchers.take(0, 5, 0).unwrap();
        fetcher.ahead = Some(b"ahead".to_vec());
        let records = fetcher.fetch(&fetchers.clients, 9, 1_000).unwrap();
        assert_eq!(records, [RawRecord { offset: 5, bytes: b"ahead".to_vec() }]);
        fetchers.give_back(fetcher);
        assert_eq!(idle(&fetchers), 0);
    }
}
