//! A store in RocksDB: one database for each view of each partition, all sharing one block cache and
//! one write buffer.
//!
//! The write-ahead log is off, for the event log is that log: after a crash the store is at its last
//! flush, all families at the same write (`atomic_flush`), and the projector goes on from there.
//! It is on where other processes read the store, for they see what is written there at once, and what is
//! not only with the next flush.

use std::ops::ControlFlow;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompactionStyle,
    DBCompressionType, DataBlockIndexType, ErrorKind, LogLevel, Options, ReadOptions,
    SliceTransform, WriteBatch, WriteBufferManager, WriteOptions,
};

use super::{StoreError, ViewStore, Visit};
use crate::key::BALANCE_KEY_BYTES;
use crate::rows::Rows;
use crate::table::{Family, Table};

/// Bytes of a filter for each key: one false answer in a hundred.
const FILTER_BITS_PER_KEY: f64 = 10.0;
/// Files that one store keeps open.
const OPEN_FILES_MAX: i32 = 256;
/// Small, so that an idle partition's families stay small in memory.
const ARENA_BLOCK_BYTES: usize = 64 << 10;
const BLOCK_BYTES: usize = 8 << 10;
/// Bytes of a store's write-ahead log, where it has one, after which everything is flushed: more than the
/// projector leaves unflushed.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// What all stores of a process share.
#[derive(Clone)]
pub struct RocksShared {
    cache: Cache,
    write_buffer: WriteBufferManager,
}

impl std::fmt::Debug for RocksShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksShared").field("cache_used", &self.cache.get_usage()).finish()
    }
}

impl RocksShared {
    /// A block cache of `cache_bytes`, of which unflushed rows take at most `write_buffer_bytes`.
    #[must_use]
    pub fn new(cache_bytes: usize, write_buffer_bytes: usize) -> Self {
        let cache = Cache::new_lru_cache(cache_bytes);
        let write_buffer = WriteBufferManager::new_write_buffer_manager_with_cache(
            write_buffer_bytes,
            false,
            cache.clone(),
        );
        RocksShared { cache, write_buffer }
    }
}

/// Who reads a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The process that writes it.
    ThisProcess,
    /// Others too, by [`super::secondary::SecondaryStore`]: at the price of a write-ahead log.
    OtherProcesses,
}

/// One view of one partition.
pub struct RocksStore {
    db: DB,
    readers: Readers,
    write: WriteOptions,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RocksStore { db, readers, .. } = self;
        f.debug_struct("RocksStore")
            .field("db", db)
            .field("readers", readers)
            .finish_non_exhaustive()
    }
}

impl RocksStore {
    /// Opens the database in this folder, creating it when there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its files are, [`StoreError::Unavailable`] for anything else, such
    /// as another process that has it open.
    pub fn open(folder: &Path, shared: &RocksShared, readers: Readers) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_write_buffer_manager(&shared.write_buffer);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_keep_log_file_num(2);
        options.set_log_level(LogLevel::Warn);
        options.set_max_total_wal_size(LOG_BYTES_MAX);
        let db = DB::open_cf_descriptors(&options, folder, families(shared)).map_err(failed)?;
        let mut write = WriteOptions::default();
        write.disable_wal(readers == Readers::ThisProcess);
        Ok(RocksStore { db, readers, write })
    }
}

/// All families, each with its settings.
pub(super) fn families(shared: &RocksShared) -> Vec<ColumnFamilyDescriptor> {
    let mut families: Vec<_> = Family::ALL
        .iter()
        .map(|family| ColumnFamilyDescriptor::new(family.name(), tune(*family, shared)))
        .collect();
    // RocksDB insists on it; nothing is kept there.
    families.push(ColumnFamilyDescriptor::new("default", tune(Family::Directory, shared)));
    families
}

fn handle(db: &DB, family: Family) -> Result<&ColumnFamily, StoreError> {
    let missing = || StoreError::Damaged { what: format!("no family {}", family.name()) };
    db.cf_handle(family.name()).ok_or_else(missing)
}

/// [`ViewStore::get`] of a database.
pub(super) fn get(db: &DB, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let (family, tag) = table.home();
    let family = handle(db, family)?;
    match tag {
        None => db.get_cf(family, key),
        Some(tag) => db.get_cf(family, tagged(tag, key)),
    }
    .map_err(failed)
}

/// [`ViewStore::scan`] of a database.
pub(super) fn scan(
    db: &DB,
    table: Table,
    prefix: &[u8],
    from: &[u8],
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let (family, tag) = table.home();
    let head = tag.map_or_else(Vec::new, |tag| vec![tag]);
    let bound = [head.as_slice(), prefix].concat();
    let mut options = ReadOptions::default();
    if let Some(end) = successor(&bound) {
        options.set_iterate_upper_bound(end);
    }
    // The filter by prefix can answer only for a whole balance.
    let within_balance = family == Family::History && prefix.len() >= BALANCE_KEY_BYTES;
    options.set_prefix_same_as_start(within_balance);
    options.set_total_order_seek(!within_balance);
    let mut rows = db.raw_iterator_cf_opt(handle(db, family)?, options);
    rows.seek([head.as_slice(), from.max(prefix)].concat());
    while let Some((key, value)) = rows.item() {
        let inside = key.starts_with(&bound);
        if !inside || visit(&key[head.len()..], value) == ControlFlow::Break(()) {
            return Ok(());
        }
        rows.next();
    }
    rows.status().map_err(failed)
}

fn tune(family: Family, shared: &RocksShared) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&shared.cache);
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_format_version(6);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    blocks.set_optimize_filters_for_memory(true);

    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_arena_block_size(ARENA_BLOCK_BYTES);
    match family {
        Family::History => {
            // Every read of it is a seek within one balance, so the filter is over its prefix alone.
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(BALANCE_KEY_BYTES));
            options.set_compaction_style(DBCompactionStyle::Universal);
            blocks.set_whole_key_filtering(false);
        }
        Family::Transfers => options.set_compaction_style(DBCompactionStyle::Universal),
        Family::Latest => {
            blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        }
        Family::Directory | Family::Commits => {}
    }
    options.set_block_based_table_factory(&blocks);
    options
}

impl ViewStore for RocksStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        get(&self.db, table, key)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let (family, tag) = table.home();
        if tag.is_some() {
            return keys.iter().map(|key| self.get(table, key)).collect();
        }
        debug_assert!(keys.is_sorted(), "the keys are sorted");
        let found = self.db.batched_multi_get_cf(handle(&self.db, family)?, keys, true);
        found
            .into_iter()
            .map(|row| row.map(|row| row.map(|r| r.to_vec())).map_err(failed))
            .collect()
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        scan(&self.db, table, prefix, from, visit)
    }

    fn has_other_readers(&self) -> bool {
        self.readers == Readers::OtherProcesses
    }

    fn write(&self, rows: &Rows) -> Result<(), StoreError> {
        let mut batch = WriteBatch::with_capacity_bytes(rows.bytes() + rows.len() * 8);
        for (table, key, value) in rows.iter() {
            let (family, tag) = table.home();
            let family = handle(&self.db, family)?;
            match tag {
                None => batch.put_cf(family, key, value),
                Some(tag) => batch.put_cf(family, tagged(tag, key), value),
            }
        }
        self.db.write_opt(batch, &self.write).map_err(failed)
    }

    fn flush(&self) -> Result<(), StoreError> {
        let families: Vec<_> =
            Family::ALL.iter().map(|family| handle(&self.db, *family)).collect::<Result<_, _>>()?;
        let mut options = rocksdb::FlushOptions::default();
        options.set_wait(true);
        self.db.flush_cfs_opt(&families, &options).map_err(failed)
    }
}

fn tagged(tag: u8, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + key.len());
    out.push(tag);
    out.extend_from_slice(key);
    out
}

/// The least key after all that begin with `prefix`; `None` where there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] += 1;
    Some(end)
}

// By value, as `map_err` hands it over.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over by value")]
pub(super) fn failed(error: rocksdb::Error) -> StoreError {
    let what = error.to_string();
    match error.kind() {
        ErrorKind::Corruption => StoreError::Damaged { what },
        ErrorKind::IOError if what.contains("No space left") => StoreError::Full { what },
        _ => StoreError::Unavailable { what },
    }
}
