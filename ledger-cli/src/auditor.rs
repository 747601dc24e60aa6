//! The audit service over a log and its views: for a server, and for a folder at rest.

use std::sync::Arc;

use ledger_audit::AuditServer;
use ledger_log::{Backend, LogInfo};
use ledger_runtime::spawn;
use ledger_views::ViewReader;

/// Audits this log, and the view of each partition where there is one; a thread for each replay.
pub(crate) fn over(
    backend: Arc<dyn Backend>,
    log: LogInfo,
    views: Vec<Option<ViewReader>>,
) -> AuditServer {
    let view_of =
        move |partition: u32| views.get(usize::try_from(partition).ok()?).cloned().flatten();
    let spawner = |job: Box<dyn FnOnce() + Send>| {
        if let Err(error) = spawn::thread("audit", job) {
            tracing::error!(%error, "no thread for a replay");
        }
    };
    AuditServer::new(backend, log, Arc::new(view_of), Arc::new(spawner))
}
