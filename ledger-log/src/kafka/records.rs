//! Records of a topic, and a reader of them that is in no group.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::Cluster;
use super::client::{Clients, Quiet, native, tells_of_loss};
use crate::log::LogError;

/// Records that one look gives at most.
const RECORDS_MAX: usize = 4_096;

/// One record of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// When it was made or appended, in milliseconds since the Unix epoch.
    pub timestamp_ms: Option<i64>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// What it says; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names and values, in the order of the producer. A header without a value has an empty one.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl KafkaRecord {
    /// The value of the last header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().rev().find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Bytes that it takes, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 48);
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        size_of::<KafkaRecord>() + bytes(&self.key) + bytes(&self.value) + headers.sum::<usize>()
    }

    pub(super) fn of(message: &BorrowedMessage<'_>) -> KafkaRecord {
        KafkaRecord {
            partition: u32::try_from(message.partition()).unwrap_or(0),
            offset: u64::try_from(message.offset()).unwrap_or(0),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers(message),
        }
    }
}

/// The library panics at a name that is no UTF-8: such headers are taken as if they were not there, for
/// nobody's record may end a thread here.
fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let owned = || {
        let pairs = headers.iter().map(|header| {
            (header.key.to_owned(), header.value.map(<[u8]>::to_vec).unwrap_or_default())
        });
        pairs.collect()
    };
    catch_unwind(AssertUnwindSafe(owned)).unwrap_or_default()
}

/// From where a topic is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// From the oldest record that is kept.
    Beginning,
    /// What comes after this reader was made.
    End,
    /// From these offsets on, one for each partition.
    Offsets(Vec<u64>),
    /// One partition only, from this offset on. The brokers of the others are asked nothing.
    Partition {
        /// Which.
        partition: u32,
        /// The first offset that is read.
        offset: u64,
    },
}

/// Reads a topic, in no group. Records come in the order of their partition.
pub struct Records {
    clients: Clients,
    topic: String,
    consumer: BaseConsumer<Quiet>,
}

impl Records {
    /// What is published after this has returned is not missed.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers; [`LogError::Mismatch`] when there is no such topic,
    /// or as many offsets were not given as it has partitions.
    pub fn open(cluster: &Cluster, topic: &str, from: &ReadFrom) -> Result<Records, LogError> {
        let clients = cluster.clients();
        let mut assignment = TopicPartitionList::new();
        for (partition, offset) in offsets(cluster, topic, from)? {
            assignment
                .add_partition_offset(topic, native(partition), offset)
                .map_err(|error| clients.unavailable_at(topic, &error))?;
        }
        let consumer = clients.consumer(Quiet)?;
        consumer.assign(&assignment).map_err(|error| clients.unavailable_at(topic, &error))?;
        Ok(Records { clients: clients.clone(), topic: topic.to_owned(), consumer })
    }

    /// What came, after waiting for the first for this long; none while the brokers are away.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when records before those that were read are gone, or the topic is.
    pub fn poll(&mut self, at_most: Duration) -> Result<Vec<KafkaRecord>, LogError> {
        let mut records = Vec::new();
        let mut wait = at_most;
        while records.len() < RECORDS_MAX {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    records.push(KafkaRecord::of(&message));
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if tells_of_loss(&error) => {
                    return Err(self.clients.unavailable_at(&self.topic, &error));
                }
                Some(Err(error)) => {
                    tracing::debug!(topic = self.topic, %error, "a reader waits");
                    break;
                }
            }
        }
        Ok(records)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Where each partition that is read begins.
fn offsets(
    cluster: &Cluster,
    topic: &str,
    from: &ReadFrom,
) -> Result<Vec<(u32, Offset)>, LogError> {
    let clients = cluster.clients();
    let mismatch = |what: String| LogError::Mismatch { what };
    let count = || {
        let bootstrap = &clients.options().bootstrap;
        let missing = || mismatch(format!("there is no topic {topic} at {bootstrap}"));
        cluster.partitions(topic)?.ok_or_else(missing)
    };
    match from {
        ReadFrom::Partition { partition, offset } => Ok(vec![(*partition, at(*offset))]),
        ReadFrom::Beginning => Ok((0..count()?).map(|at| (at, Offset::Beginning)).collect()),
        ReadFrom::End => (0..count()?)
            .map(|partition| Ok((partition, at(clients.watermarks_of(topic, partition)?.1))))
            .collect(),
        ReadFrom::Offsets(offsets) => {
            let (count, given) = (count()?, offsets.len());
            if given != count as usize {
                let what = format!("{topic} has {count} partitions, {given} offsets were given");
                return Err(mismatch(what));
            }
            Ok((0..).zip(offsets).map(|(partition, offset)| (partition, at(*offset))).collect())
        }
    }
}

fn at(offset: u64) -> Offset {
    Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_header_of_a_name_counts() {
        let headers = [("a", "1"), ("b", "2"), ("a", "3")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let record = KafkaRecord { headers: headers.into(), ..KafkaRecord::default() };
        assert_eq!(record.header("a"), Some(&b"3"[..]));
        assert_eq!(record.header("A"), None);
        assert!(record.weight() > 3 * 48);
    }
}
