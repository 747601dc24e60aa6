//! An audit of a data folder that no server has open.

use std::path::Path;
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use ledger_audit::AuditServer;
use ledger_log::{Backend, LogInfo};
use ledger_proto::v1::audit_service_server::AuditService as _;
use ledger_proto::v1::{ReplayReport, ReplayRequest, replay_request, replay_response};
use ledger_views::{Readers, RocksShared, ViewLog, ViewReader, ViewWriter, open_view};
use tokio_stream::StreamExt as _;

use super::Bars;
use crate::auditor::{self, Threads};
use crate::folder;

/// Replays the log in `data` and compares it with the views there: a report for each partition.
///
/// # Errors
/// A folder that is no data folder, is open in a server, or cannot be read.
pub(super) async fn offline(
    data: &Path,
    until: Option<replay_request::Until>,
    bars: &mut Bars,
) -> anyhow::Result<Vec<ReplayReport>> {
    let backend: Arc<dyn Backend> = folder::open_log(data)?;
    let log = ledger_log::log::open_existing(&*backend)?;
    let views = (0..log.partition_count).map(|partition| open(data, log, partition));
    let views = views.collect::<anyhow::Result<Vec<_>>>()?;

    // The same service that a server has, asked without a network.
    let threads = Threads::default();
    let server = auditor::over(backend, log, views, threads.clone());
    let reports = replay(&server, until, bars).await;
    drop(server);
    // The last of them closes the stores.
    tokio::task::spawn_blocking(move || threads.join()).await?;
    reports
}

async fn replay(
    server: &AuditServer,
    until: Option<replay_request::Until>,
    bars: &mut Bars,
) -> anyhow::Result<Vec<ReplayReport>> {
    let said = |status: tonic::Status| anyhow!("{}", status.message());
    let answer = server.replay(tonic::Request::new(ReplayRequest { until })).await.map_err(said)?;
    let mut stream = answer.into_inner();
    let mut reports = Vec::new();
    while let Some(response) = stream.next().await {
        match response.map_err(said)?.step {
            Some(replay_response::Step::Progress(progress)) => bars.show(&progress),
            Some(replay_response::Step::Report(report)) => reports.push(report),
            None => {}
        }
    }
    ensure!(!reports.is_empty(), "the replay ended without a report");
    Ok(reports)
}

/// The view of one partition, where there is one.
fn open(data: &Path, log: LogInfo, partition: u32) -> anyhow::Result<Option<ViewReader>> {
    let folder = data.join("views").join(partition.to_string());
    if !folder.exists() {
        return Ok(None);
    }
    let store =
        Arc::new(open_view(&folder, &RocksShared::new(256 << 20, 64 << 20), Readers::ThisProcess)?);
    let LogInfo { id, partition_count } = log;
    let of = ViewLog { log_id: id.0, partition, partition_count };
    Ok(Some(ViewWriter::open(store, of)?.reader()))
}
