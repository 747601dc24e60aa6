//! The audit service over a log and its views: for a server, and for a folder at rest.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ledger_audit::AuditServer;
use ledger_log::{Backend, LogInfo};
use ledger_runtime::spawn;
use ledger_views::ViewReader;

/// The threads of replays that were begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads {
    begun: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Threads {
    /// Those that run are waited for. A process that ends while one of them closes a store may be aborted by
    /// RocksDB, whose own threads are gone by then.
    pub(crate) fn join(&self) {
        let begun = std::mem::take(&mut *self.lock());
        for thread in begun {
            if thread.join().is_err() {
                tracing::error!("a replay panicked");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, job: Box<dyn FnOnce() + Send>) {
        let mut begun = self.lock();
        begun.retain(|thread| !thread.is_finished());
        match spawn::thread("audit", job) {
            Ok(thread) => begun.push(thread),
            Err(error) => tracing::error!(%error, "no thread for a replay"),
        }
    }
}

/// Audits this log, and the view of each partition where there is one; a thread for each replay.
pub(crate) fn over(
    backend: Arc<dyn Backend>,
    log: LogInfo,
    views: Vec<Option<ViewReader>>,
    threads: Threads,
) -> AuditServer {
    let view_of =
        move |partition: u32| views.get(usize::try_from(partition).ok()?).cloned().flatten();
    let spawner = move |job: Box<dyn FnOnce() + Send>| threads.begin(job);
    AuditServer::new(backend, log, Arc::new(view_of), Arc::new(spawner))
}
