//! What a data folder has seen of its log. No other log is made, or taken, in the place of that one: it is
//! `LOG_DIVERGED`, whatever stands there instead.
//!
//! The file `SEEN` names the log, durably from the first start on. How far it was read, the stores say.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use ledger_command::remembered;
use ledger_log::{Cursor, LogError, LogId, LogInfo};
use ledger_views::Mirror;

use super::config::Config;
use super::views;

const FILE: &str = "SEEN";

/// What a folder remembers.
#[derive(Debug)]
pub(super) struct Seen {
    /// The log that its file names.
    named: Option<String>,
    positions: Vec<Position>,
}

/// How far one of its stores came.
#[derive(Clone, Copy, Debug)]
struct Position {
    log: LogId,
    partition: u32,
    next: u64,
}

impl Seen {
    /// `None` for a folder that is new, or whose stores were removed.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) fn of(config: &Config) -> anyhow::Result<Option<Seen>> {
        let file = config.data.join(FILE);
        let named = match fs::read_to_string(&file) {
            Ok(text) => Some(text.trim().to_owned()).filter(|log| !log.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        };
        // The stores of a folder that has no file yet are all that it has.
        let positions = if named.is_none() { positions(config)? } else { Vec::new() };
        let is_new = named.is_none() && positions.is_empty();
        Ok((!is_new).then_some(Seen { named, positions }))
    }

    /// What opening the log said, as it is for this folder: what was lost there was read here.
    pub(super) fn told(mut self, error: LogError, config: &Config) -> LogError {
        let (LogError::NotALog { partition, .. } | LogError::Trimmed { partition, .. }) = error
        else {
            return error;
        };
        self.look(config);
        let read = self.read_of(partition);
        LogError::Diverged { partition, what: format!("{read}, and now: {error}") }
    }

    /// The log that was opened is the one that its file names; where there is no file yet, it is made.
    ///
    /// # Errors
    /// [`LogError::Diverged`], or when the file cannot be written.
    pub(super) fn check(mut self, log: LogInfo, config: &Config) -> anyhow::Result<()> {
        match &self.named {
            Some(named) if *named == log.id.to_string() => Ok(()),
            Some(_) => {
                self.look(config);
                let what = format!("{}, this is log {}", self.read_of(0), log.id);
                Err(LogError::Diverged { partition: 0, what }.into())
            }
            // What is of another log says so itself, once it is opened.
            None if self.positions.iter().any(|position| position.log != log.id) => Ok(()),
            None => remember(log, &config.data),
        }
    }

    /// A store that cannot be read now says nothing: it is the log that cannot be used.
    fn look(&mut self, config: &Config) {
        if self.positions.is_empty() {
            self.positions = positions(config).unwrap_or_default();
        }
    }

    fn read_of(&self, partition: u32) -> impl fmt::Display {
        let of = self.positions.iter().filter(|position| position.partition == partition);
        let newest = of.max_by_key(|position| position.next);
        let first = self.positions.first().map(|position| position.log.to_string());
        let log = self.named.clone().or(first).unwrap_or_default();
        match newest {
            Some(Position { next, .. }) => {
                format!("was read from log {log} up to offset {next} into this folder")
            }
            None => format!("was read from log {log} into this folder"),
        }
    }
}

/// Remembers a log, durably, before anything of it is served.
pub(super) fn remember(log: LogInfo, data: &Path) -> anyhow::Result<()> {
    let file = data.join(FILE);
    write(&file, data, log).with_context(|| file.display().to_string())
}

/// The file, then its name. Another process may do the same.
fn write(file: &Path, data: &Path, log: LogInfo) -> io::Result<()> {
    fs::create_dir_all(data)?;
    let aside = file.with_extension(std::process::id().to_string());
    let mut written = File::create(&aside)?;
    writeln!(written, "{}", log.id)?;
    written.sync_all()?;
    fs::rename(&aside, file)?;
    File::open(data)?.sync_all()
}

/// How far the stores came. Another process may have some of them: then the others say enough.
fn positions(config: &Config) -> anyhow::Result<Vec<Position>> {
    match (of_command(config), of_views(config)) {
        (Ok(mut all), Ok(views)) => {
            all.extend(views);
            Ok(all)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn of_command(config: &Config) -> anyhow::Result<Vec<Position>> {
    let cursors = remembered(&config.data)?.into_iter();
    let positions = cursors.map(|cursor| {
        let Cursor { log_id: log, partition, next, .. } = cursor;
        Position { log, partition, next }
    });
    Ok(positions.collect())
}

fn of_views(config: &Config) -> anyhow::Result<Vec<Position>> {
    let (shared, mut positions) = (views::shared(config), Vec::new());
    for partition in 0.. {
        let folder = views::folder(config, partition);
        if !folder.exists() {
            break;
        }
        let Some(mirror) = Mirror::open(&folder, &shared)? else { continue };
        let reader = mirror.reader();
        let (log, applied) = (LogId(reader.log().log_id), reader.state().applied);
        positions.extend(applied.map(|applied| {
            let next = applied.offset + 1;
            Position { log, partition, next }
        }));
    }
    Ok(positions)
}
