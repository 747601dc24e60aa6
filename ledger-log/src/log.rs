//! Opening a log, and what can be wrong with one.

use std::fmt;

use crate::backend::{Backend, RawRecord};
use crate::record::{FORMAT, HASH, LogId, Record};

/// What can be wrong with a log. The text is for the person who has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It does not begin as a log does, or not as this one.
    #[error("NOT_A_LOG partition {partition}: {what}")]
    NotALog {
        /// Partition.
        partition: u32,
        /// What stands there instead.
        what: String,
    },
    /// It is shorter than, or different from, what was read of it before.
    #[error("LOG_DIVERGED partition {partition}: {what}")]
    Diverged {
        /// Partition.
        partition: u32,
        /// Both positions.
        what: String,
    },
    /// Bytes of it were changed or lost.
    #[error("LOG_DAMAGED partition {partition} offset {offset}: {what}")]
    Damaged {
        /// Partition.
        partition: u32,
        /// Offset of the first record that cannot be read.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// A file of the log was changed or lost, so that the log as a whole cannot be opened.
    #[error("LOG_DAMAGED {what}")]
    DamagedStore {
        /// Which folder and file, and what was found.
        what: String,
    },
    /// Records below this offset are no longer kept.
    #[error("LOG_TRIMMED partition {partition}: begins at offset {first}")]
    Trimmed {
        /// Partition.
        partition: u32,
        /// First offset that is kept.
        first: u64,
    },
    /// It is kept with other settings than asked for.
    #[error("LOG_MISMATCH: {what}")]
    Mismatch {
        /// What differs.
        what: String,
    },
    /// Another process has it open.
    #[error("LOG_LOCKED: {what}")]
    Locked {
        /// Which folder.
        what: String,
    },
    /// There is no room to write.
    #[error("DISK_FULL: {what}")]
    Full {
        /// Which folder, and how much is free.
        what: String,
    },
    /// A record is larger than the log takes.
    #[error("RECORD_TOO_LARGE: {bytes} bytes, at most {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The storage failed.
    #[error("LOG_UNAVAILABLE: {what}")]
    Unavailable {
        /// What the storage said.
        what: String,
    },
}

impl LogError {
    /// Whether trying again cannot help: a person has to act first.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            LogError::NotALog { .. }
            | LogError::Diverged { .. }
            | LogError::Damaged { .. }
            | LogError::DamagedStore { .. }
            | LogError::Trimmed { .. }
            | LogError::Mismatch { .. } => true,
            LogError::Locked { .. }
            | LogError::Full { .. }
            | LogError::TooLarge { .. }
            | LogError::Unavailable { .. } => false,
        }
    }
}

/// A log that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Which log.
    pub id: LogId,
    /// How many partitions it has; pinned when it was created.
    pub partition_count: u32,
}

/// Opens the log that a backend keeps, creating it under `fresh_id` when it is empty.
///
/// A creation that was cut short is completed: then no partition has been served yet. Servers may create
/// the same log side by side: partition 0 comes first, and whoever is first in it names the log.
///
/// # Errors
/// [`LogError::NotALog`] when a partition begins with anything but the log's own record 0,
/// [`LogError::Mismatch`] when it has another partition count or format.
pub fn open(backend: &dyn Backend, fresh_id: LogId) -> Result<LogInfo, LogError> {
    let partition_count = backend.partition_count();
    let found = all_created(backend)?;
    if let Some(empty) = (0..).zip(&found).find_map(|(p, id)| id.is_none().then_some(p)) {
        for partition in 0..partition_count {
            if is_served(backend, partition)? {
                let what = format!("is empty, while partition {partition} has commits");
                return Err(LogError::NotALog { partition: empty, what });
            }
        }
    }
    let id =
        one_log(found, |partition, log_id| create(backend, partition, log_id.unwrap_or(fresh_id)))?;
    Ok(LogInfo { id: id.unwrap_or(fresh_id), partition_count })
}

/// As [`open`], but creates nothing: for who has seen the log, so that no other takes its place.
///
/// # Errors
/// As [`open`]; [`LogError::NotALog`] also when a partition is empty.
pub fn open_existing(backend: &dyn Backend) -> Result<LogInfo, LogError> {
    let empty = |partition| LogError::NotALog { partition, what: "is empty".into() };
    let id = one_log(all_created(backend)?, |partition, _| Err(empty(partition)))?;
    let partition_count = backend.partition_count();
    Ok(LogInfo { id: id.ok_or_else(|| empty(0))?, partition_count })
}

/// The log that all partitions belong to. An empty one is of what `create` says, which is told the log of
/// the others.
fn one_log(
    found: Vec<Option<LogId>>,
    create: impl Fn(u32, Option<LogId>) -> Result<LogId, LogError>,
) -> Result<Option<LogId>, LogError> {
    let mut log_id = found.iter().flatten().next().copied();
    for (partition, found) in (0..).zip(found) {
        let id = match found {
            Some(id) => id,
            None => create(partition, log_id)?,
        };
        let known = *log_id.get_or_insert(id);
        if known != id {
            let what = format!("belongs to log {id}, those before it to {known}");
            return Err(LogError::NotALog { partition, what });
        }
    }
    Ok(log_id)
}

fn all_created(backend: &dyn Backend) -> Result<Vec<Option<LogId>>, LogError> {
    (0..backend.partition_count()).map(|partition| created(backend, partition)).collect()
}

/// The log that a partition's record 0 belongs to; `None` while it is empty.
fn created(backend: &dyn Backend, partition: u32) -> Result<Option<LogId>, LogError> {
    let first = backend.read(partition, 0, 1)?;
    first
        .first()
        .map(|first| check_created(partition, backend.partition_count(), first))
        .transpose()
}

/// Whether a writer ever took a partition. Another server's record 0, late in the same creation, does not
/// make it so.
fn is_served(backend: &dyn Backend, partition: u32) -> Result<bool, LogError> {
    const BYTES_MAX: usize = 64 << 10;
    let records = backend.read(partition, 0, BYTES_MAX)?;
    Ok(records.iter().any(|record| {
        let decoded = Record::decode(&record.bytes);
        !matches!(decoded, Ok((_, Record::LogCreated { .. })))
    }))
}

/// Writes record 0, unless another server was quicker: then its record counts.
fn create(backend: &dyn Backend, partition: u32, id: LogId) -> Result<LogId, LogError> {
    let partition_count = backend.partition_count();
    let hash = HASH.to_owned();
    let record = Record::LogCreated { format: FORMAT, partition, partition_count, hash };
    let refused = match backend.create(partition, record.encode(id)) {
        Ok(()) => return Ok(id),
        Err(error) => error,
    };
    match backend.end(partition)? {
        0 => Err(refused),
        _ => created(backend, partition)?.ok_or(refused),
    }
}

fn check_created(partition: u32, count: u32, first: &RawRecord) -> Result<LogId, LogError> {
    let not_a_log = |what: String| LogError::NotALog { partition, what };
    if first.offset != 0 {
        return Err(not_a_log(format!("begins at offset {}", first.offset)));
    }
    let (id, record) = Record::decode(&first.bytes)
        .map_err(|_| not_a_log("does not begin with a record of a log".into()))?;
    match record {
        Record::LogCreated { format: FORMAT, partition: p, partition_count: n, hash } => {
            if hash != HASH {
                return Err(LogError::Mismatch { what: format!("hash {hash:?} is not {HASH:?}") });
            }
            if p != partition {
                return Err(not_a_log(format!("holds partition {p}")));
            }
            if n != count {
                let what = format!("the log has {n} partitions, {count} were asked for");
                return Err(LogError::Mismatch { what });
            }
            Ok(id)
        }
        Record::LogCreated { format, .. } => Err(LogError::Mismatch {
            what: format!("format {format}, this version knows {FORMAT}"),
        }),
        Record::TermStarted(_) | Record::Commit(_) | Record::Unknown => {
            Err(not_a_log("does not begin with LogCreated".into()))
        }
    }
}

impl fmt::Display for LogInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {} of {} partitions", self.id, self.partition_count)
    }
}
