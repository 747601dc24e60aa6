//! `AuditService`: replays for clients, each on a thread of its own, a few at a time.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use ledger_domain::Position;
use ledger_log::{Backend, LogError, LogInfo};
use ledger_proto::v1::audit_service_server::AuditService;
use ledger_proto::{time, v1};
use ledger_views::ViewReader;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::replay::{Target, Until, replay};
use crate::report::{AuditError, Report};

/// Replays at a time: each holds the state of a partition in memory.
pub const REPLAYS_MAX: usize = 2;
/// Messages on their way to one client.
const MESSAGES_MAX: usize = 16;

/// Runs a job that blocks, on a thread of its own.
pub type Spawn = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;
/// The view of a partition, where one is kept.
pub type Views = Arc<dyn Fn(u32) -> Option<ViewReader> + Send + Sync>;

/// Answers `AuditService`.
#[derive(Clone)]
pub struct AuditServer {
    backend: Arc<dyn Backend>,
    log: LogInfo,
    views: Views,
    spawn: Spawn,
    running: Arc<Semaphore>,
}

impl fmt::Debug for AuditServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditServer").field("log", &self.log).finish_non_exhaustive()
    }
}

type Message = Result<v1::ReplayResponse, Status>;

impl AuditServer {
    /// Replays this log, on threads of `spawn`, and compares it with these views.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, log: LogInfo, views: Views, spawn: Spawn) -> Self {
        let running = Arc::new(Semaphore::new(REPLAYS_MAX));
        AuditServer { backend, log, views, spawn, running }
    }

    fn targets(&self, request: &v1::ReplayRequest) -> Result<Vec<Target>, Status> {
        let until = match &request.until {
            None => Until::End,
            Some(v1::replay_request::Until::Position(text)) => {
                let position: Position = text
                    .parse()
                    .map_err(|error| Status::invalid_argument(format!("until: {error}")))?;
                let partition = position.partition;
                return Ok(vec![Target { partition, until: Until::Position(position) }]);
            }
            Some(v1::replay_request::Until::Timestamp(at)) => {
                let at = time::from_wire(at)
                    .ok_or_else(|| Status::invalid_argument("until: not an instant"))?;
                Until::Timestamp(at)
            }
        };
        let partitions = 0..self.log.partition_count;
        Ok(partitions.map(|partition| Target { partition, until }).collect())
    }

    /// One after the other, until the client hangs up.
    fn run(&self, targets: Vec<Target>, messages: &mpsc::Sender<Message>) {
        for target in targets {
            let view = (self.views)(target.partition);
            let progress = &mut |records, records_total| {
                let partition = target.partition;
                let progress = v1::ReplayProgress { partition, records, records_total };
                let step = v1::replay_response::Step::Progress(progress);
                send(messages, Ok(v1::ReplayResponse { step: Some(step) }))
            };
            let replayed = replay(self.backend.as_ref(), self.log, target, view.as_ref(), progress);
            let message = match replayed {
                Ok(report) => {
                    let findings = report.findings.len();
                    tracing::info!(partition = target.partition, findings, "replayed");
                    let step = v1::replay_response::Step::Report(to_wire(&report));
                    Ok(v1::ReplayResponse { step: Some(step) })
                }
                Err(AuditError::Cancelled) => return,
                Err(error) => Err(status(&error)),
            };
            let failed = message.is_err();
            if send(messages, message).is_break() || failed {
                return;
            }
        }
    }
}

fn send(messages: &mpsc::Sender<Message>, message: Message) -> ControlFlow<()> {
    match messages.blocking_send(message) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

#[tonic::async_trait]
impl AuditService for AuditServer {
    type ReplayStream = ReceiverStream<Message>;

    async fn replay(
        &self,
        request: Request<v1::ReplayRequest>,
    ) -> Result<Response<Self::ReplayStream>, Status> {
        let targets = self.targets(request.get_ref())?;
        let permit = Arc::clone(&self.running).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{REPLAYS_MAX} replays are running, try later"))
        })?;
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        let server = self.clone();
        (self.spawn)(Box::new(move || {
            server.run(targets, &sender);
            drop(permit);
        }));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

fn status(error: &AuditError) -> Status {
    let message = error.to_string();
    match error {
        AuditError::OtherPartition { .. } => Status::invalid_argument(message),
        AuditError::Future { .. } => Status::out_of_range(message),
        AuditError::Views(_) | AuditError::Log(LogError::Unavailable { .. }) => {
            Status::unavailable(message)
        }
        AuditError::Cancelled => Status::cancelled(message),
        AuditError::Log(_) => Status::data_loss(message),
    }
}

fn to_wire(report: &Report) -> v1::ReplayReport {
    let hash: String = report.state_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let findings = report.findings.iter().map(|finding| v1::Finding {
        invariant: finding.invariant.to_owned(),
        position: finding.position.to_string(),
        what: finding.what.clone(),
    });
    v1::ReplayReport {
        partition: report.partition,
        position: report.position.map(|at| at.to_string()).unwrap_or_default(),
        commits: report.commits,
        skipped: report.skips.total(),
        transfers: report.transfers,
        refusals: report.refusals,
        accounts: report.accounts,
        chain: report.chain.to_string(),
        state_hash: hash,
        rows_compared: report.rows_compared,
        findings: findings.collect(),
        stopped: report.stopped,
        findings_left_out: report.findings_left_out,
        view_position: report.view_position.map(|at| at.to_string()).unwrap_or_default(),
    }
}
