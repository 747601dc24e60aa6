//! The cluster that the log is on, and the topics beside the log.

use std::fmt;
use std::time::Duration;

use super::KafkaOptions;
use super::client::Clients;
use super::topic::{self, Kind, Wanted};
use crate::log::LogError;

/// The cluster that a log is on: what is beside the log is made from it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    clients: Clients,
}

/// A topic beside the log; its name is that of the log's prefix and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `<prefix>.commands`: what clients ask for. As many partitions as the log.
    Commands,
    /// `<prefix>.results`: what came of it. As many partitions as the log.
    Results,
    /// `<prefix>.feed`: what counts in the log, for readers who do not know which records do. As many
    /// partitions as the log.
    Feed,
    /// `<prefix>.topology`: the newest word of each process about itself. One partition, compacted.
    Topology,
    /// `<prefix>.keys`: the keys of customers. One partition, compacted.
    Keys,
}

impl Topic {
    fn kind(self) -> Kind {
        match self {
            Topic::Commands | Topic::Results => Kind::Queue,
            Topic::Feed => Kind::Feed,
            Topic::Topology => Kind::Table,
            Topic::Keys => Kind::Keys,
        }
    }

    /// The part of its name behind the prefix.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Topic::Commands => "commands",
            Topic::Results => "results",
            Topic::Feed => "feed",
            Topic::Topology => "topology",
            Topic::Keys => "keys",
        }
    }
}

impl KafkaOptions {
    /// The name of a topic beside the log.
    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}.{}", self.prefix, topic.suffix())
    }

    /// The consumer group among whose members the partitions of the log are dealt out.
    #[must_use]
    pub fn command_group(&self) -> String {
        format!("{}.command-servers", self.prefix)
    }
}

impl Cluster {
    /// Connects when it is asked something, so it does not fail where no broker answers yet.
    ///
    /// # Errors
    /// [`LogError::Mismatch`] naming a setting that is not one of librdkafka's, or that is the log's own.
    pub fn new(options: KafkaOptions) -> Result<Cluster, LogError> {
        Ok(Cluster { clients: Clients::new(options)? })
    }

    pub(super) fn of(clients: Clients) -> Cluster {
        Cluster { clients }
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// How it is reached.
    #[must_use]
    pub fn options(&self) -> &KafkaOptions {
        self.clients.options()
    }

    /// Creates a topic where there is none, and refuses one with which what is sent through it may vanish.
    /// `partition_count` is the log's.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers; [`LogError::Mismatch`] naming each setting that
    /// must be another, or the partition count that the topic has.
    pub fn ensure(&self, topic: Topic, partition_count: u32) -> Result<(), LogError> {
        let name = self.options().topic(topic);
        let partitions = match topic {
            Topic::Commands | Topic::Results | Topic::Feed => partition_count,
            Topic::Topology | Topic::Keys => 1,
        };
        let wanted = Wanted { name: &name, kind: topic.kind(), partitions: Some(partitions) };
        topic::ensure(&self.clients, &wanted).map(drop)
    }

    /// How many partitions a topic has; `None` where there is no such topic.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers.
    pub fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let replicas = topic::replicas(&self.clients, topic)?;
        Ok(replicas.map(|of| u32::try_from(of.len()).unwrap_or(u32::MAX)))
    }

    /// The first offset that a partition keeps, and the offset after its last record.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers.
    pub fn bounds(&self, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        self.clients.watermarks_of(topic, partition)
    }

    /// As [`Cluster::bounds`], for somebody who does not wait that long.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers within this long.
    pub fn bounds_within(
        &self,
        topic: &str,
        partition: u32,
        at_most: Duration,
    ) -> Result<(u64, u64), LogError> {
        self.clients.watermarks_within(topic, partition, at_most)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("options", self.options()).finish_non_exhaustive()
    }
}
