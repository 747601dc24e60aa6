//! The records in RocksDB: key = partition and offset, both big-endian, so that order is offset order.

use std::path::{Path, PathBuf};

use rocksdb::statistics::{StatsLevel, Ticker};
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, DBRecoveryMode, ErrorKind,
    Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::backend::RawRecord;
use crate::embedded::{EmbeddedOptions, WRITE_BUFFERS_MAX};
use crate::log::LogError;

const KEY_BYTES: usize = 12;
/// Records from this size on live in blob files, which compaction does not rewrite.
const BLOB_BYTES_MIN: u64 = 1 << 10;
const BLOB_FILE_BYTES: u64 = 256 << 20;
const BLOCK_CACHE_BYTES: usize = 32 << 20;
/// RocksDB's own log files.
const INFO_LOG_BYTES_MAX: usize = 1 << 20;
/// What RocksDB says when its folder is open in another process, or in this one.
const LOCKED: [&str; 2] = ["While lock file", "lock hold by current process"];

fn key(partition: u32, offset: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..4].copy_from_slice(&partition.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn place(key: &[u8]) -> Option<(u32, u64)> {
    let (partition, offset) = key.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*partition), u64::from_be_bytes(offset.try_into().ok()?)))
}

pub(super) struct Store {
    db: DB,
    options: Options,
    dir: PathBuf,
    partition_count: u32,
}

impl Store {
    /// Opens it; `create` where there is none.
    pub(super) fn open(
        dir: &Path,
        options: &EmbeddedOptions,
        create: bool,
    ) -> Result<Store, LogError> {
        let partition_count = options.partition_count;
        let options = rocksdb_options(options, create);
        let db = DB::open(&options, dir).map_err(|error| match error.kind() {
            ErrorKind::IOError if LOCKED.iter().any(|said| error.as_ref().contains(said)) => {
                LogError::Locked { what: format!("{}: {error}", dir.display()) }
            }
            ErrorKind::IOError if error.as_ref().contains("No space left") => {
                LogError::Full { what: format!("{}: {error}", dir.display()) }
            }
            _ => LogError::DamagedStore { what: format!("{}: {error}", dir.display()) },
        })?;
        Ok(Store { db, options, dir: dir.to_owned(), partition_count })
    }

    /// Writes one group, atomically, and returns when it is synced.
    pub(super) fn append<'a>(
        &self,
        records: impl Iterator<Item = (u32, u64, &'a [u8])>,
    ) -> Result<(), String> {
        let mut batch = WriteBatch::default();
        records.for_each(|(partition, offset, bytes)| batch.put(key(partition, offset), bytes));
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let written = self.db.write_opt(batch, &options);
        written.map_err(|error| format!("{}: {error}", self.dir.display()))
    }

    /// Records of `[from, end)`, at least one where there is one, at most `bytes_max` otherwise.
    pub(super) fn read(
        &self,
        partition: u32,
        from: u64,
        end: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        let mut records = Vec::new();
        if from >= end {
            return Ok(records);
        }
        let mut iterator = self.iterator(key(partition, from), key(partition, end));
        iterator.seek_to_first();
        let mut bytes_total = 0;
        for offset in from..end {
            let bytes = match self.at(&iterator, partition, offset) {
                Ok(bytes) => bytes,
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(error),
            };
            bytes_total += bytes.len();
            if bytes_total > bytes_max && !records.is_empty() {
                break;
            }
            records.push(RawRecord { offset, bytes: bytes.to_vec() });
            if bytes_total >= bytes_max {
                break;
            }
            iterator.next();
        }
        Ok(records)
    }

    /// End of each partition, once it is certain that each has every record up to it and at least
    /// those that were acknowledged.
    pub(super) fn check(&self, acknowledged: &[u64]) -> Result<Vec<u64>, LogError> {
        let mut ends = Vec::new();
        for (partition, acknowledged) in (0..self.partition_count).zip(acknowledged) {
            let end = self.end(partition, *acknowledged)?;
            if end < *acknowledged {
                let what = format!(
                    "acknowledged records are missing: it ends here, HEAD says {acknowledged}"
                );
                return Err(LogError::Damaged { partition, offset: end, what });
            }
            ends.push(end);
        }
        self.check_nothing_beyond()?;
        if self.entries() != Some(ends.iter().sum()) {
            self.find_hole(&ends)?;
        }
        Ok(ends)
    }

    pub(super) fn syncs(&self) -> u64 {
        self.options.get_ticker_count(Ticker::WalFileSynced)
    }

    fn end(&self, partition: u32, acknowledged: u64) -> Result<u64, LogError> {
        let mut iterator = self.db.raw_iterator_opt(ReadOptions::default());
        iterator.seek_for_prev(key(partition, u64::MAX));
        if let Err(error) = iterator.status() {
            let offset = acknowledged.saturating_sub(1);
            let what = format!("the last record cannot be read: {error}");
            return Err(LogError::Damaged { partition, offset, what });
        }
        match iterator.key().map(place) {
            Some(Some((found, offset))) if found == partition => Ok(offset.saturating_add(1)),
            _ => Ok(0),
        }
    }

    fn check_nothing_beyond(&self) -> Result<(), LogError> {
        let mut iterator = self.db.raw_iterator_opt(ReadOptions::default());
        iterator.seek(key(self.partition_count, 0));
        let damaged = |what: String| {
            Err(LogError::DamagedStore { what: format!("{}: {what}", self.dir.display()) })
        };
        match (iterator.key(), iterator.status()) {
            (None, Ok(())) => Ok(()),
            (Some(key), _) => damaged(format!("a key of no partition: {key:02x?}")),
            (None, Err(error)) => damaged(error.to_string()),
        }
    }

    /// How many records there are, by the properties of every file: exact, for none is ever written
    /// twice or deleted.
    pub(super) fn entries(&self) -> Option<u64> {
        let tables = self.db.property_value("rocksdb.aggregated-table-properties").ok()??;
        let in_tables = tables.split(';').find_map(|p| p.trim().strip_prefix("# entries="))?;
        let mut entries = in_tables.trim().parse::<u64>().ok()?;
        for memory in ["rocksdb.num-entries-active-mem-table", "rocksdb.num-entries-imm-mem-tables"]
        {
            entries += self.db.property_int_value(memory).ok()??;
        }
        Some(entries)
    }

    /// Walks every key: slow, so only where the count says that something is amiss.
    fn find_hole(&self, ends: &[u64]) -> Result<(), LogError> {
        tracing::warn!(dir = %self.dir.display(), "the count of records is off, looking at each");
        for (partition, end) in (0..self.partition_count).zip(ends) {
            let mut iterator = self.iterator(key(partition, 0), key(partition, *end));
            iterator.seek_to_first();
            for offset in 0..*end {
                self.at(&iterator, partition, offset)?;
                iterator.next();
            }
        }
        Ok(())
    }

    fn iterator(&self, from: [u8; KEY_BYTES], to: [u8; KEY_BYTES]) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(&from[..]..&to[..]);
        self.db.raw_iterator_opt(options)
    }

    /// The bytes under the iterator, which must be those of this offset.
    fn at<'a>(
        &self,
        iterator: &'a DBRawIterator<'_>,
        partition: u32,
        offset: u64,
    ) -> Result<&'a [u8], LogError> {
        let damaged = |what: String| LogError::Damaged { partition, offset, what };
        match iterator.item() {
            Some((found, bytes)) if place(found) == Some((partition, offset)) => Ok(bytes),
            Some((found, _)) => {
                Err(damaged(format!("missing: the next record there is {:?}", place(found))))
            }
            None => Err(match iterator.status() {
                Ok(()) => damaged("missing, and so is all after it".into()),
                Err(error) => damaged(format!("{}: {error}", self.dir.display())),
            }),
        }
    }
}

fn rocksdb_options(options: &EmbeddedOptions, create: bool) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    // Version 6 covers a table's footer too, and finds blocks that changed places.
    tables.set_format_version(6);
    let mut rocksdb = Options::default();
    rocksdb.set_block_based_table_factory(&tables);
    rocksdb.create_if_missing(create);
    rocksdb.set_paranoid_checks(true);
    // The default mode ends the log at the first damaged record, silently.
    rocksdb.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    rocksdb.set_write_buffer_size(options.write_buffer_bytes);
    rocksdb.set_max_write_buffer_number(WRITE_BUFFERS_MAX.cast_signed());
    rocksdb.set_compression_type(DBCompressionType::Lz4);
    rocksdb.set_enable_blob_files(true);
    rocksdb.set_min_blob_size(BLOB_BYTES_MIN);
    rocksdb.set_blob_file_size(BLOB_FILE_BYTES);
    rocksdb.set_blob_compression_type(DBCompressionType::Lz4);
    // Smooths the flushes, so that they do not stand in the way of the syncs.
    rocksdb.set_bytes_per_sync(1 << 20);
    rocksdb.set_avoid_unnecessary_blocking_io(true);
    rocksdb.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    rocksdb.set_keep_log_file_num(2);
    rocksdb.set_stats_dump_period_sec(0);
    rocksdb.set_stats_persist_period_sec(0);
    if options.count_syncs {
        rocksdb.enable_statistics();
        rocksdb.set_statistics_level(StatsLevel::ExceptDetailedTimers);
    }
    rocksdb
}

#[cfg(test)]
impl Store {
    /// Moves what is in memory to tables and blob files.
    pub(super) fn flush(&self) {
        self.db.flush().unwrap();
    }

    /// Takes a record away, as no code outside of tests does.
    pub(super) fn delete(&self, partition: u32, offset: u64) {
        self.db.delete(key(partition, offset)).unwrap();
    }
}
