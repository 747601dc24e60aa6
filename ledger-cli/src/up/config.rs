//! Configuration of `ledger up`: defaults, then the file, then flags.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ledger_runtime::config::{ConfigError, load};
use ledger_runtime::telemetry::Format;
use serde::Deserialize;

use super::UpArgs;

/// Everything that can be set. `deploy/config/ledger.toml` is its commented reference.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of everything that is kept.
    pub(crate) data: PathBuf,
    /// Address of the gRPC services.
    pub(crate) listen: SocketAddr,
    /// Partitions of a log that is created; pinned then.
    pub(crate) partitions: u32,
    /// The log.
    pub(crate) log: Log,
    /// The write path.
    pub(crate) command: ledger_command::Config,
    /// The read path.
    pub(crate) views: ViewsConfig,
    /// What is said on standard error.
    pub(crate) log_lines: LogLines,
}

/// Settings of the embedded log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Commands are refused when the disk has less than this free.
    pub(crate) disk_reserve_bytes: u64,
}

/// Settings of the views.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ViewsConfig {
    /// Block cache of all views together, rows that are not flushed included.
    pub(crate) cache_bytes: usize,
    /// Rows that are not flushed, of all views together.
    pub(crate) write_buffer_bytes: usize,
}

/// Settings of the log lines.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
            partitions: 8,
            log: Log::default(),
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
        ViewsConfig { cache_bytes: 512 << 20, write_buffer_bytes: 256 << 20 }
    }
}

impl Default for LogLines {
    fn default() -> Self {
        LogLines { filter: "info".into(), format: Format::Text }
    }
}

impl Config {
    /// Defaults, the file that the flags name, then the flags themselves.
    pub(crate) fn resolve(args: UpArgs) -> Result<Config, ConfigError> {
        let mut config = match &args.config {
            Some(path) => load(path)?,
            None => Config::default(),
        };
        config.data = args.data.unwrap_or(config.data);
        config.listen = args.listen.unwrap_or(config.listen);
        config.partitions = args.partitions.unwrap_or(config.partitions);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference file names every key with its default: each of its commented-out settings, put
    /// in force, changes nothing.
    #[test]
    fn the_reference_file_shows_every_default() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/ledger.toml");
        let shipped: Config = load(path.as_ref()).unwrap();
        assert_eq!(shipped, Config::default());
        let text = std::fs::read_to_string(path).unwrap();
        let in_force: String = text
            .lines()
            .map(|line| line.strip_prefix("#:").unwrap_or(line).to_owned() + "\n")
            .collect();
        let all: Config = toml::from_str(&in_force).unwrap();
        assert_eq!(all, Config::default());
        for key in [
            "data",
            "listen",
            "partitions",
            "disk_reserve_bytes",
            "cache_bytes",
            "write_buffer_bytes",
            "filter",
            "format",
            "commits_in_flight_max",
        ] {
            assert!(in_force.lines().any(|line| line.starts_with(key)), "{key} is missing");
        }
    }
}
