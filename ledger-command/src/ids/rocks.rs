//! The id store in RocksDB: one database per partition folder, no write-ahead log, the applied
//! position in the same write batch. What a crash takes is read from the log again.

use std::fmt;
use std::path::{Path, PathBuf};

use ledger_log::Cursor;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Options, WriteBatch,
    WriteBufferManager, WriteOptions,
};

use super::{IdEntry, IdStore, IdStoreError, Keys};

/// Below every key of an id.
const APPLIED_KEY: &[u8] = b"!applied";
const COLUMN_FAMILY: &str = "default";
/// 1 % of the lookups of new ids read a block in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
const BLOCK_CACHE_BYTES: usize = 128 << 20;
/// Over all partitions; the fullest memtable is flushed when it is reached.
const WRITE_BUFFERS_BYTES: usize = 256 << 20;
const WRITE_BUFFER_BYTES: usize = 64 << 20;
const OPEN_FILES_MAX: i32 = 512;
const BACKGROUND_JOBS: i32 = 2;
/// RocksDB's own log files, two of them.
const INFO_LOG_BYTES_MAX: usize = 1 << 20;

/// Opens the id stores of a folder's partitions, which share one cache and one write-buffer budget.
pub struct IdStores {
    folder: PathBuf,
    cache: Cache,
    write_buffers: WriteBufferManager,
}

impl fmt::Debug for IdStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdStores").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl IdStores {
    /// Id stores in the sub-folders of `folder`, by partition number.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager(WRITE_BUFFERS_BYTES, false);
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        IdStores { folder: folder.to_owned(), cache, write_buffers }
    }

    /// Opens the id store of a partition, making it where there is none.
    ///
    /// # Errors
    /// [`IdStoreError`] with the folder.
    pub fn open(&self, partition: u32) -> Result<RocksIds, IdStoreError> {
        let folder = self.folder.join(partition.to_string());
        let in_folder = |what: String| IdStoreError::new(format!("{}: {what}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(|error| in_folder(error.to_string()))?;
        let options = self.options();
        let family = ColumnFamilyDescriptor::new(COLUMN_FAMILY, options.clone());
        let db = DB::open_cf_descriptors(&options, &folder, [family])
            .map_err(|error| in_folder(error.into_string()))?;
        Ok(RocksIds { db, folder })
    }

    fn options(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        blocks.set_optimize_filters_for_memory(true);
        blocks.set_block_cache(&self.cache);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        blocks.set_format_version(5);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_max_background_jobs(BACKGROUND_JOBS);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
        options.set_keep_log_file_num(2);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }
}

/// The id store of one partition.
pub struct RocksIds {
    db: DB,
    folder: PathBuf,
}

impl fmt::Debug for RocksIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksIds").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl RocksIds {
    fn failed(&self, what: impl fmt::Display) -> IdStoreError {
        IdStoreError::new(format!("{}: {what}", self.folder.display()))
    }
}

impl IdStore for RocksIds {
    fn lookup(&self, keys: &Keys) -> Result<Vec<Option<IdEntry>>, IdStoreError> {
        let no_family = || self.failed("has no default column family");
        let family = self.db.cf_handle(COLUMN_FAMILY).ok_or_else(no_family)?;
        let keys: Vec<&[u8]> = keys.iter().collect();
        let found = self.db.batched_multi_get_cf(family, &keys, true);
        let decoded = found.into_iter().map(|value| {
            let Some(value) = value.map_err(|error| self.failed(error))? else { return Ok(None) };
            let entry = IdEntry::decode(&value);
            entry.map(Some).ok_or_else(|| self.failed("an entry is of damaged shape"))
        });
        decoded.collect()
    }

    fn write(&self, entries: &[(Vec<u8>, IdEntry)], applied: &Cursor) -> Result<(), IdStoreError> {
        let mut batch = WriteBatch::default();
        for (key, entry) in entries {
            batch.put(key, entry.encode());
        }
        batch.put(APPLIED_KEY, applied.encode());
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(|error| self.failed(error))
    }

    fn applied(&self) -> Result<Option<Cursor>, IdStoreError> {
        let bytes = self.db.get(APPLIED_KEY).map_err(|error| self.failed(error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let cursor = Cursor::decode(&bytes);
        cursor.map(Some).ok_or_else(|| self.failed("its applied position is of damaged shape"))
    }

    fn flush(&self) -> Result<(), IdStoreError> {
        self.db.flush().map_err(|error| self.failed(error))
    }
}
