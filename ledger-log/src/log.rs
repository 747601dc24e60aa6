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
/// A creation that was cut short is completed: then no partition has more than its record 0.
///
/// # Errors
/// [`LogError::NotALog`] when a partition begins with anything but the log's own record 0,
/// [`LogError::Mismatch`] when it has another partition count or format.
pub fn open(backend: &dyn Backend, fresh_id: LogId) -> Result<LogInfo, LogError> {
    let partition_count = backend.partition_count();
    let mut found: Option<LogId> = None;
    let mut missing = Vec::new();
    let mut grown = false;
    for partition in 0..partition_count {
        match backend.read(partition, 0, 1)?.first() {
            None => missing.push(partition),
            Some(first) => {
                let id = check_created(partition, partition_count, first)?;
                let known = *found.get_or_insert(id);
                if known != id {
                    let what = format!("belongs to log {id}, those before it to {known}");
                    return Err(LogError::NotALog { partition, what });
                }
                grown |= backend.end(partition)? > 1;
            }
        }
    }
    if let (Some(&partition), true) = (missing.first(), grown) {
        let what = "is empty, while others have commits".into();
        return Err(LogError::NotALog { partition, what });
    }
    let id = found.unwrap_or(fresh_id);
    for partition in missing {
        let hash = HASH.to_owned();
        let created = Record::LogCreated { format: FORMAT, partition, partition_count, hash };
        backend.create(partition, created.encode(id))?;
    }
    Ok(LogInfo { id, partition_count })
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
