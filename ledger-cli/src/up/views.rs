//! The views of all partitions: written by a projector on a thread of its own each, or by another process
//! and followed here.
//!
//! ```text
//!   roles               here                                     write-ahead log
//!   projector, query    projectors, and readers of their stores  off
//!   projector           projectors                               on
//!   query               mirrors of what another process writes
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::bail;
use ledger_log::{Backend, LogInfo};
use ledger_projector::Projector;
use ledger_runtime::{clock, spawn};
use ledger_views::{Mirror, Readers, RocksShared, ViewReader, open_view};

use super::config::Config;

/// How long a view that was made, but has no record yet, is waited for.
const FIRST_RECORD_WAITS: u32 = 600;
const FIRST_RECORD_WAIT: Duration = Duration::from_millis(100);

/// What keeps the views up to date, and the readers of them.
#[derive(Debug, Default)]
pub(crate) struct Views {
    readers: Vec<ViewReader>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Views {
    /// Opens the view of every partition, comparing it with the log, and starts following.
    pub(crate) fn write(
        config: &Config,
        backend: &Arc<dyn Backend>,
        log: LogInfo,
    ) -> anyhow::Result<Views> {
        let others = config.views.for_other_processes || !config.roles.query();
        let readers = if others { Readers::OtherProcesses } else { Readers::ThisProcess };
        let shared = shared(config);
        let mut projectors = Vec::new();
        for partition in 0..log.partition_count {
            let store = Arc::new(open_view(&folder(config, partition), &shared, readers)?);
            projectors.push(Projector::open(backend.clone(), log, partition, store)?);
        }
        let mut views = Views::default();
        for projector in projectors {
            views.readers.push(projector.view());
            let stop = views.stop.clone();
            let name = format!("projector-{}", projector.partition());
            views.threads.push(spawn::thread(&name, move || project(projector, &stop))?);
        }
        Ok(views)
    }

    /// Follows the views that another process writes into the data folder.
    pub(crate) fn follow(config: &Config) -> anyhow::Result<Views> {
        let shared = shared(config);
        let first = open_mirror(config, 0, &shared)?;
        let partition_count = first.reader().log().partition_count;
        let mut mirrors = vec![first];
        for partition in 1..partition_count {
            mirrors.push(open_mirror(config, partition, &shared)?);
        }
        let mut views = Views::default();
        for (partition, mirror) in mirrors.into_iter().enumerate() {
            views.readers.push(mirror.reader());
            let stop = views.stop.clone();
            let name = format!("mirror-{partition}");
            views.threads.push(spawn::thread(&name, move || follow(mirror, partition, &stop))?);
        }
        Ok(views)
    }

    /// A reader of each view, by partition.
    pub(crate) fn readers(&self) -> Vec<ViewReader> {
        self.readers.clone()
    }

    /// Stops following and makes durable what was applied.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("what keeps a view panicked");
            }
        }
    }
}

pub(super) fn shared(config: &Config) -> RocksShared {
    RocksShared::new(config.views.cache_bytes, config.views.write_buffer_bytes)
}

pub(super) fn folder(config: &Config, partition: u32) -> PathBuf {
    config.data.join("views").join(partition.to_string())
}

/// Follows the log. A view that was parked says so once more.
fn project(mut projector: Projector, stop: &AtomicBool) {
    if let Err(error) = projector.run(stop, clock::now) {
        tracing::warn!(%error, "a projector ended with an error");
    }
}

/// The view of a partition that another process writes. One that it has just made has a record soon.
fn open_mirror(config: &Config, partition: u32, shared: &RocksShared) -> anyhow::Result<Mirror> {
    let folder = folder(config, partition);
    if !folder.exists() {
        bail!(
            "VIEW_MISSING {}: no server with the role projector has made views there; is it the data \
             folder of one?",
            folder.display()
        );
    }
    let mut missing = format!("VIEW_MISSING {}: it has no record yet", folder.display());
    for _ in 0..FIRST_RECORD_WAITS {
        match Mirror::open(&folder, shared) {
            Ok(Some(mirror)) => return Ok(mirror),
            Ok(None) => {}
            // Its projector may be starting, too.
            Err(error) if error.is_transient() => missing = error.to_string(),
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(FIRST_RECORD_WAIT);
    }
    bail!(missing)
}

/// Follows what another process writes: while that cannot be followed, reads go on and say how stale they
/// are.
fn follow(mut mirror: Mirror, partition: usize, stop: &AtomicBool) {
    let mut failing = false;
    while !stop.load(Ordering::Acquire) {
        match mirror.follow() {
            Ok(()) if failing => {
                tracing::info!(partition, "the view is followed again");
                failing = false;
            }
            Err(error) if !failing => {
                tracing::warn!(partition, %error, "the view cannot be followed, trying again");
                failing = true;
            }
            Ok(()) | Err(_) => {}
        }
        mirror.pause();
    }
}
