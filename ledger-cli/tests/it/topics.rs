//! What somebody else does to a topic of the log: looks at it, deletes it or its records, writes into it.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long a cluster may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A topic, of few partitions.
pub(crate) struct Topic {
    bootstrap: String,
    name: String,
}

impl Topic {
    /// The topic that holds the log with this prefix.
    pub(crate) fn of_log(bootstrap: &str, prefix: &str) -> Topic {
        Topic::named(bootstrap, &format!("{prefix}.events"))
    }

    pub(crate) fn named(bootstrap: &str, name: &str) -> Topic {
        Topic { bootstrap: bootstrap.to_owned(), name: name.to_owned() }
    }

    /// The topic of its commands.
    pub(crate) fn commands(bootstrap: &str, prefix: &str) -> Topic {
        Topic { bootstrap: bootstrap.to_owned(), name: format!("{prefix}.commands") }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn client<C: FromClientConfig>(&self, settings: &[(&str, &str)]) -> C {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config.create().unwrap()
    }

    fn consumer(&self) -> BaseConsumer {
        self.client(&[("group.id", "a-test"), ("isolation.level", "read_uncommitted")])
    }

    /// The broker that leads a partition, once all of these replicas are in sync.
    pub(crate) fn leader(&self, partition: i32, in_sync: usize) -> i32 {
        let (consumer, begun) = (self.consumer(), Instant::now());
        loop {
            let metadata = consumer.fetch_metadata(Some(&self.name), PATIENCE).unwrap();
            let found = metadata.topics().iter().flat_map(|topic| topic.partitions());
            if let Some(found) = found.into_iter().find(|found| found.id() == partition)
                && found.isr().len() == in_sync
                && found.leader() > 0
            {
                return found.leader();
            }
            assert!(begun.elapsed() < PATIENCE, "{in_sync} replicas in sync");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Records that a partition has, or `None` where there is no such topic.
    pub(crate) fn records(&self, partition: i32) -> Option<i64> {
        let consumer = self.consumer();
        let metadata = consumer.fetch_metadata(Some(&self.name), PATIENCE).unwrap();
        let there = metadata.topics().iter().any(|topic| !topic.partitions().is_empty());
        there.then(|| consumer.fetch_watermarks(&self.name, partition, PATIENCE).unwrap().1)
    }

    /// Deletes it; returns once it is gone.
    pub(crate) async fn delete(&self) {
        let admin: AdminClient<DefaultClientContext> = self.client(&[]);
        for deleted in admin.delete_topics(&[&self.name], &AdminOptions::new()).await.unwrap() {
            deleted.unwrap();
        }
        let begun = Instant::now();
        while self.records(0).is_some() {
            assert!(begun.elapsed() < PATIENCE, "{} is still there", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Makes it anew, with nothing in it.
    pub(crate) async fn create(&self, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client(&[]);
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        for made in admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap() {
            made.unwrap();
        }
    }

    /// Deletes the records of a partition before this offset.
    pub(crate) async fn delete_records(&self, partition: i32, before: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client(&[]);
        let mut offsets = TopicPartitionList::new();
        let before = Offset::Offset(before);
        offsets.add_partition_offset(&self.name, partition, before).unwrap();
        admin.delete_records(&offsets, &AdminOptions::new()).await.unwrap();
    }

    /// Records of a partition from its beginning, this many.
    pub(crate) fn read(&self, partition: i32, count: usize) -> Vec<Vec<u8>> {
        let consumer = self.consumer();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&self.name, partition, Offset::Beginning).unwrap();
        consumer.assign(&from).unwrap();
        let polled = std::iter::from_fn(|| consumer.poll(PATIENCE));
        let payloads = polled.map(|record| record.unwrap().payload().unwrap_or_default().to_vec());
        payloads.take(count).collect()
    }

    /// Somebody who writes into it; in a transaction, or without.
    pub(crate) fn stranger(&self, transaction: Option<&str>) -> Stranger {
        let transactional = transaction.map(|id| ("transactional.id", id));
        let producer: BaseProducer = self.client(transactional.as_slice());
        if transaction.is_some() {
            producer.init_transactions(PATIENCE).unwrap();
            producer.begin_transaction().unwrap();
        }
        Stranger { producer, topic: self.name.clone() }
    }
}

/// Somebody whose records are no business of the ledger.
pub(crate) struct Stranger {
    producer: BaseProducer,
    topic: String,
}

impl Stranger {
    /// Writes records; returns once the broker has them.
    pub(crate) fn write(&self, partition: i32, records: &[&[u8]]) {
        for payload in records {
            let record = BaseRecord::<(), _>::to(&self.topic).partition(partition);
            self.producer.send(record.payload(*payload)).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Ends its transaction: each leaves a marker in the partitions that it wrote to.
    pub(crate) fn end(self, commit: bool) {
        let ended = match commit {
            true => self.producer.commit_transaction(PATIENCE),
            false => self.producer.abort_transaction(PATIENCE),
        };
        ended.unwrap();
    }
}
