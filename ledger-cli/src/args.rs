//! What may be typed: the flags that all commands share, and the readers of their values.

mod condition;
pub(crate) mod metadata;

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser};
use ledger_domain::Position;
use ledger_proto::v1;
use prost_types::Timestamp;

use crate::commands::Command;
pub(crate) use condition::ConditionArgs;
pub(crate) use metadata::MetadataArgs;

/// An event-sourced ledger server and its client.
#[derive(Debug, Parser)]
#[command(name = "ledger", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Address of the server
    #[arg(
        long,
        global = true,
        env = "LEDGER_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:7070"
    )]
    pub(crate) server: String,
    /// Print canonical protobuf JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long one call, or a command of a topic, may take; an audit may take as long as its log is
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) timeout_seconds: u32,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// How long one call may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }
}

/// A place in a ledger's past: a position, or an instant of recorded time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum When {
    Position(Position),
    Instant(Timestamp),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return text.parse().map(When::Position).map_err(|e| format!("{e}"));
        }
        let instant = text.parse().map_err(|_| {
            "neither a position such as 0@1042.17 nor an RFC 3339 instant such as \
             2026-01-31T12:00:00Z"
        })?;
        Ok(When::Instant(instant))
    }
}

/// Reads an RFC 3339 instant, or a date, which is its midnight in UTC.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "not an RFC 3339 instant such as 2026-01-31T12:00:00Z, nor a date such as 2026-01-31"
            .to_owned()
    })
}

/// Which state a read shows.
#[derive(Debug, Default, Args)]
pub(crate) struct ConsistencyArgs {
    /// Show the state as of a position (0@1042 or 0@1042.17) or an RFC 3339 instant
    #[arg(long, value_name = "POSITION|INSTANT", conflicts_with = "at_least")]
    pub(crate) as_of: Option<When>,
    /// Wait until the view holds this position: read your own write
    #[arg(long, value_name = "POSITION")]
    pub(crate) at_least: Option<Position>,
}

impl ConsistencyArgs {
    /// As the wire has it; `None` is the latest.
    pub(crate) fn to_wire(&self) -> Option<v1::Consistency> {
        use v1::consistency::Level;
        let level = match (&self.as_of, self.at_least) {
            (Some(when), _) => Level::AsOf(v1::AsOf { when: Some(when.into()) }),
            (None, Some(position)) => Level::AtLeast(position.to_string()),
            (None, None) => return None,
        };
        Some(v1::Consistency { level: Some(level) })
    }
}

impl From<&When> for v1::as_of::When {
    fn from(when: &When) -> Self {
        match when {
            When::Position(position) => Self::Position(position.to_string()),
            When::Instant(instant) => Self::Timestamp(*instant),
        }
    }
}

impl From<&When> for v1::replay_request::Until {
    fn from(when: &When) -> Self {
        match when {
            When::Position(position) => Self::Position(position.to_string()),
            When::Instant(instant) => Self::Timestamp(*instant),
        }
    }
}

/// Type of an account, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AccountKind {
    Asset,
    Liability,
    Equity,
    Income,
    Expense,
}

impl AccountKind {
    /// As the wire has it.
    pub(crate) fn to_wire(self) -> v1::AccountType {
        match self {
            AccountKind::Asset => v1::AccountType::Asset,
            AccountKind::Liability => v1::AccountType::Liability,
            AccountKind::Equity => v1::AccountType::Equity,
            AccountKind::Income => v1::AccountType::Income,
            AccountKind::Expense => v1::AccountType::Expense,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_place_in_the_past_is_a_position_or_an_instant() {
        let position = |text: &str| When::Position(text.parse().unwrap());
        let instant = |seconds, nanos| When::Instant(Timestamp { seconds, nanos });
        assert_eq!("0@1042.17".parse(), Ok(position("0@1042.17")));
        assert_eq!("3@7".parse(), Ok(position("3@7")));
        assert_eq!("1970-01-02T00:00:00Z".parse(), Ok(instant(86_400, 0)));
        assert_eq!("1970-01-01T01:00:00+01:00".parse(), Ok(instant(0, 0)));
        assert_eq!("1970-01-01T00:00:00.000000001Z".parse(), Ok(instant(0, 1)));
        assert_eq!("1993-02-28".parse(), Ok(instant(730_857_600, 0)));
        for bad in ["", "yesterday", "1042", "1993-02-29", "2026-01-01T25:00:00Z", "0@", "0@1.2.3"]
        {
            assert!(bad.parse::<When>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn flags_are_consistent_and_every_command_and_flag_says_what_it_does() {
        let root = Cli::command();
        root.clone().debug_assert();
        let mut open = vec![root];
        let mut leaves = 0;
        while let Some(command) = open.pop() {
            assert!(command.get_about().is_some(), "{} has no about text", command.get_name());
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{} {id}: no help", command.get_name());
            }
            leaves += usize::from(!command.has_subcommands());
            open.extend(command.get_subcommands().cloned());
        }
        assert!(leaves >= 16, "{leaves} commands");
    }

    #[test]
    fn as_of_and_at_least_exclude_each_other() {
        let parse = |words: &str| Cli::try_parse_from(words.split(' ')).map_err(|e| e.kind());
        assert!(parse("ledger balance bank alice --as-of 0@1").is_ok());
        assert!(parse("ledger balance bank alice --at-least 0@1").is_ok());
        assert_eq!(
            parse("ledger balance bank alice --as-of 0@1 --at-least 0@1").unwrap_err(),
            clap::error::ErrorKind::ArgumentConflict
        );
    }
}
