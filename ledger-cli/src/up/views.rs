//! The views of all partitions, each with a projector on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use ledger_log::{Backend, LogInfo};
use ledger_projector::{Projector, ProjectorError};
use ledger_runtime::{clock, spawn};
use ledger_views::{RocksShared, ViewReader, open_view};

use super::config::Config;

/// Running projectors and the readers of their views.
#[derive(Debug)]
pub(crate) struct Views {
    readers: Vec<ViewReader>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), ProjectorError>>>,
}

impl Views {
    /// Opens the view of every partition, comparing it with the log, and starts following.
    pub(crate) fn open(
        config: &Config,
        backend: &Arc<dyn Backend>,
        log: LogInfo,
    ) -> anyhow::Result<Views> {
        let shared = RocksShared::new(config.views.cache_bytes, config.views.write_buffer_bytes);
        let mut projectors = Vec::new();
        for partition in 0..log.partition_count {
            let folder = config.data.join("views").join(partition.to_string());
            let store = Arc::new(open_view(&folder, &shared)?);
            projectors.push(Projector::open(backend.clone(), log, partition, store)?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let readers = projectors.iter().map(Projector::view).collect();
        let threads = projectors.into_iter().map(|mut projector| {
            let stop = stop.clone();
            let name = format!("projector-{}", projector.partition());
            spawn::thread(&name, move || projector.run(&stop, clock::now))
        });
        let threads = threads.collect::<Result<_, _>>()?;
        Ok(Views { readers, stop, threads })
    }

    /// A reader of each view, by partition.
    pub(crate) fn readers(&self) -> Vec<ViewReader> {
        self.readers.clone()
    }

    /// Stops following and makes durable what was applied. A view that was parked says so once more.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a projector ended with an error"),
                Err(_) => tracing::error!("a projector panicked"),
            }
        }
    }
}
