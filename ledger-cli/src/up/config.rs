//! Configuration of `ledger up`: defaults, then the file, then flags.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ledger_runtime::config::{ConfigError, load};
use ledger_runtime::telemetry::Format;
use serde::{Deserialize, Serialize};

use super::roles::Roles;
use super::{PARTITIONS_MAX, UpArgs};
use crate::kafka::KafkaConfig;

/// Everything that can be set. `deploy/config/ledger.toml` is its commented reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of everything that is kept.
    pub(crate) data: PathBuf,
    /// Address of the gRPC services.
    pub(crate) listen: SocketAddr,
    /// Where other servers reach this one; empty is where it listens.
    pub(crate) advertise: String,
    /// What this server does.
    pub(crate) roles: Roles,
    /// Partitions of a log that is created; pinned then.
    pub(crate) partitions: u32,
    /// The log in the data folder.
    pub(crate) log: Log,
    /// The log on a Kafka cluster instead.
    pub(crate) kafka: KafkaConfig,
    /// The write path.
    pub(crate) command: ledger_command::Config,
    /// The read path.
    pub(crate) views: ViewsConfig,
    /// What is said on standard error.
    pub(crate) log_lines: LogLines,
}

/// Settings of the embedded log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Commands are refused when the disk has less than this free beside what the log has yet to flush.
    pub(crate) disk_reserve_bytes: u64,
}

/// Settings of the views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ViewsConfig {
    /// Block cache of all views together, rows that are not flushed included.
    pub(crate) cache_bytes: usize,
    /// Rows that are not flushed, of all views together.
    pub(crate) write_buffer_bytes: usize,
    /// Write them so that servers with the role query alone, and the same data folder, can read them: with a
    /// write-ahead log. A server with the role projector and without query does so anyway.
    pub(crate) for_other_processes: bool,
}

/// Settings of the log lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogLines {
    /// Filter such as "info" or "ledger_command=debug"; the variable `LEDGER_LOG` wins.
    pub(crate) filter: String,
    /// "text" or "json".
    pub(crate) format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: PathBuf::from("ledger-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            advertise: String::new(),
            roles: Roles::default(),
            partitions: 8,
            log: Log::default(),
            kafka: KafkaConfig::default(),
            command: ledger_command::Config::default(),
            views: ViewsConfig::default(),
            log_lines: LogLines::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { disk_reserve_bytes: 64 << 20 }
    }
}

impl Default for ViewsConfig {
    fn default() -> Self {
        ViewsConfig {
            cache_bytes: 512 << 20,
            write_buffer_bytes: 256 << 20,
            for_other_processes: false,
        }
    }
}

impl Default for LogLines {
    fn default() -> Self {
        LogLines { filter: "info".into(), format: Format::Text }
    }
}

/// What a configuration file sets, or the defaults.
///
/// # Errors
/// [`ConfigError`] when the file cannot be used.
pub(crate) fn config_of(file: Option<&Path>) -> Result<Config, ConfigError> {
    file.map_or_else(|| Ok(Config::default()), load)
}

impl Config {
    /// Defaults, the file that the flags name, then the flags themselves.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be used, or has a value with which nothing can be served.
    pub(crate) fn resolve(args: UpArgs) -> Result<Config, ConfigError> {
        let mut config = config_of(args.config.as_deref())?;
        config.data = args.data.unwrap_or(config.data);
        config.listen = args.listen.unwrap_or(config.listen);
        config.advertise = args.advertise.unwrap_or(config.advertise);
        if !args.roles.is_empty() {
            config.roles = args.roles.into_iter().collect();
        }
        config.partitions = args.partitions.unwrap_or(config.partitions);
        config.kafka.bootstrap = args.kafka.unwrap_or(config.kafka.bootstrap);
        config.kafka.prefix = args.kafka_prefix.unwrap_or(config.kafka.prefix);
        config.kafka.allow_under_replicated |= args.allow_under_replicated;
        config.kafka.feed |= args.kafka_feed;
        let invalid = |what: String| ConfigError::Invalid {
            path: args.config.clone().unwrap_or_default(),
            what,
        };
        if let Some(what) = config.roles.refusal(!config.kafka.bootstrap.is_empty()) {
            return Err(invalid(what.to_owned()));
        }
        if !(1..=PARTITIONS_MAX).contains(&config.partitions) {
            let what = format!("partitions = {}: it is 1 to {PARTITIONS_MAX}", config.partitions);
            return Err(invalid(what));
        }
        if config.kafka.feed && (config.kafka.bootstrap.is_empty() || !config.roles.projector()) {
            let what = "kafka.feed: it needs kafka.bootstrap, and the role projector";
            return Err(invalid(what.to_owned()));
        }
        let shared = !config.kafka.bootstrap.is_empty();
        if shared && config.listen.ip().is_unspecified() && config.advertise.is_empty() {
            let what = format!(
                "listen = {}: other servers need an address to reach this one: set advertise",
                config.listen
            );
            return Err(invalid(what));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let config = Some(file.path().to_owned());
        Config::resolve(UpArgs { config, ..UpArgs::default() })
    }

    /// The reference file has every key there is, each commented out with its default.
    #[test]
    fn the_reference_file_shows_every_key_with_its_default() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/ledger.toml");
        let shipped: Config = load(path.as_ref()).unwrap();
        assert_eq!(shipped, Config::default());
        let text = std::fs::read_to_string(path).unwrap();
        let in_force: String = text
            .lines()
            .map(|line| line.strip_prefix("#:").unwrap_or(line).to_owned() + "\n")
            .collect();
        let shown: toml::Value = toml::from_str(&in_force).unwrap();
        let all = serde_json::to_value(Config::default()).unwrap();
        assert_eq!(serde_json::to_value(shown).unwrap(), all);
    }

    #[test]
    fn a_value_with_which_nothing_is_served_is_refused_by_name() {
        assert_eq!(resolve("partitions = 1024").unwrap().partitions, 1_024);
        for (text, part) in [
            ("partitions = 0", "partitions = 0"),
            ("partitions = 1025", "1 to 1024"),
            ("roles = []", "roles is empty"),
            ("[kafka]\nfeed = true", "needs kafka.bootstrap"),
            (
                "roles = [\"command\"]\n[kafka]\nbootstrap = \"a:1\"\nfeed = true",
                "the role projector",
            ),
            ("roles = [\"projector\"]", "set kafka.bootstrap"),
            ("roles = [\"writer\"]", "unknown variant `writer`"),
            ("[command.writer]\nqueue_commands_max = 0", "queue_commands_max = 0"),
            ("[command.writer]\ncommits_in_flight_max = 0", "commits_in_flight_max = 0"),
            ("[command.writer]\nrecent_ids_max = 0", "recent_ids_max = 0"),
        ] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.starts_with("CONFIG_INVALID") && error.contains(part), "{error}");
        }
    }
}
