//! Kafka as the log: its settings, and its place as it is typed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ledger_log::kafka::KafkaOptions;
use serde::{Deserialize, Serialize};

/// Section `[kafka]` of the configuration. Without bootstrap servers the log is in the data folder.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KafkaConfig {
    /// Brokers to begin with, "host:port,host:port".
    pub(crate) bootstrap: String,
    /// The topics begin with it.
    pub(crate) prefix: String,
    /// Replicas of a topic that is created.
    pub(crate) replication_factor: u16,
    /// Take a topic whose acknowledged records only one broker may have.
    pub(crate) allow_under_replicated: bool,
    /// How long a record may wait for its acknowledgement before its fate is called unknown.
    pub(crate) delivery_timeout_ms: u64,
    /// Publish what happens on "<prefix>.feed".
    pub(crate) feed: bool,
    /// Further settings of librdkafka.
    pub(crate) client: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        let options = KafkaOptions::default();
        KafkaConfig {
            bootstrap: String::new(),
            prefix: options.prefix,
            replication_factor: options.replication_factor,
            allow_under_replicated: options.allow_under_replicated,
            delivery_timeout_ms: u64::try_from(options.delivery_timeout.as_millis()).unwrap_or(0),
            feed: false,
            client: options.client,
        }
    }
}

impl KafkaConfig {
    /// For a log with this many partitions; `None` takes what is there.
    pub(crate) fn options(&self, partition_count: Option<u32>) -> KafkaOptions {
        KafkaOptions {
            bootstrap: self.bootstrap.clone(),
            prefix: self.prefix.clone(),
            partition_count,
            replication_factor: self.replication_factor,
            allow_under_replicated: self.allow_under_replicated,
            delivery_timeout: Duration::from_millis(self.delivery_timeout_ms),
            client: self.client.clone(),
            ..KafkaOptions::default()
        }
    }
}

/// Values of `client` are left out: some are secrets.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.options(None), f)
    }
}

/// Where a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogPlace {
    /// A data folder.
    Folder(PathBuf),
    /// A cluster: brokers, and the prefix of its topics.
    Kafka { bootstrap: String, prefix: String },
}

impl FromStr for LogPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("kafka://") else {
            return Ok(LogPlace::Folder(text.into()));
        };
        match rest.split_once('/') {
            Some((bootstrap, prefix)) if !bootstrap.is_empty() && !prefix.is_empty() => {
                Ok(LogPlace::Kafka { bootstrap: bootstrap.into(), prefix: prefix.into() })
            }
            _ => Err("not of the form kafka://HOST:PORT[,HOST:PORT]/PREFIX".into()),
        }
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogPlace::Folder(path) => path.display().fmt(f),
            LogPlace::Kafka { bootstrap, prefix } => write!(f, "kafka://{bootstrap}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_cluster() {
        assert_eq!("data".parse(), Ok(LogPlace::Folder("data".into())));
        let kafka = "kafka://a:9092,b:9092/ledger".parse::<LogPlace>().unwrap();
        let (bootstrap, prefix) = ("a:9092,b:9092".into(), "ledger".into());
        assert_eq!(kafka, LogPlace::Kafka { bootstrap, prefix });
        assert_eq!(kafka.to_string(), "kafka://a:9092,b:9092/ledger");
        for bad in ["kafka://", "kafka://a:9092", "kafka://a:9092/", "kafka:///ledger"] {
            assert!(bad.parse::<LogPlace>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_in_no_line() {
        let client = [("sasl.password".to_owned(), "hunter2".to_owned())].into();
        let text = format!("{:?}", KafkaConfig { client, ..KafkaConfig::default() });
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }
}
