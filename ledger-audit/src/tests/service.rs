//! The service: progress, then a report for each partition.

use std::sync::{Arc, Mutex};

use ledger_proto::v1::audit_service_server::AuditService;
use ledger_proto::v1::{self, replay_request, replay_response::Step};
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};

use super::views::{project, reader};
use super::{Author, LOG, Stored, moved};
use crate::AuditServer;
use crate::report::FINDINGS_MAX;
use crate::service::{REPLAYS_MAX, Spawn, Views};

fn server(log: Stored, spawn: Spawn) -> AuditServer {
    AuditServer::new(Arc::new(log), LOG, Arc::new(|_| None), spawn)
}

fn on_a_thread() -> Spawn {
    #[expect(clippy::disallowed_methods, reason = "what a server hands in")]
    Arc::new(|job| drop(std::thread::spawn(job)))
}

fn ask(until: Option<replay_request::Until>) -> Request<v1::ReplayRequest> {
    Request::new(v1::ReplayRequest { until })
}

fn at(position: &str) -> Option<replay_request::Until> {
    Some(replay_request::Until::Position(position.into()))
}

async fn collect(
    server: &AuditServer,
    until: Option<replay_request::Until>,
) -> Result<Vec<v1::ReplayResponse>, Status> {
    server.replay(ask(until)).await?.into_inner().collect().await
}

#[tokio::test]
async fn streams_progress_and_then_the_report() {
    let server = server(Author::bank().log, on_a_thread());
    let steps = collect(&server, None).await.unwrap();
    let (last, progress) = steps.split_last().unwrap();
    assert!(progress.len() > 2, "{progress:?}");
    assert!(progress.iter().all(|step| matches!(step.step, Some(Step::Progress(_)))));
    let Some(Step::Report(report)) = &last.step else { panic!("a report: {last:?}") };
    assert_eq!((report.position.as_str(), report.commits, report.transfers), ("0@10", 9, 4));
    assert_eq!((report.chain.len(), report.state_hash.len()), (64, 64));
    assert_eq!(report.findings, []);
    assert_eq!((report.stopped, report.view_position.as_str()), (false, ""), "without a view");

    let steps = collect(&server, at("0@7")).await.unwrap();
    let Some(Step::Report(report)) = &steps.last().unwrap().step else { panic!("a report") };
    assert_eq!(report.position, "0@7");
}

#[tokio::test]
async fn says_what_is_wrong_with_the_log_or_the_request() {
    let mut log = Author::bank().log;
    log.unreadable.push(8);
    let server = server(log, on_a_thread());
    let steps = collect(&server, None).await.unwrap();
    let Some(Step::Report(report)) = &steps.last().unwrap().step else { panic!("a report") };
    let finding = &report.findings[0];
    assert_eq!((finding.invariant.as_str(), finding.position.as_str()), ("LG-1", "0@8"));
    assert!(report.stopped);
    let code = async |until| collect(&server, until).await.unwrap_err().code();
    assert_eq!(code(at("nonsense")).await, Code::InvalidArgument);
    assert_eq!(code(at("0@11")).await, Code::OutOfRange);
    assert_eq!(code(at("9@1")).await, Code::InvalidArgument);
}

#[tokio::test]
async fn says_how_far_the_view_was_and_what_is_not_listed() {
    let mut author = Author::bank();
    let again = (FINDINGS_MAX + 5) as u64;
    author.forge((0..again).map(|_| moved("t-3", 0, 1, 1)).collect());
    let view = reader(&project(&author.log, 9));
    let views: Views = Arc::new(move |_| Some(view.clone()));
    let server = AuditServer::new(Arc::new(author.log), LOG, views, on_a_thread());
    let steps = collect(&server, None).await.unwrap();
    let Some(Step::Report(report)) = &steps.last().unwrap().step else { panic!("a report") };
    assert_eq!((report.position.as_str(), report.view_position.as_str()), ("0@11", "0@8"));
    assert_eq!((report.findings.len(), report.findings_left_out), (FINDINGS_MAX, 5));
    assert!(!report.stopped);
}

type Job = Box<dyn FnOnce() + Send>;

#[tokio::test]
async fn runs_a_few_at_a_time_and_ends_with_its_client() {
    let jobs: Arc<Mutex<Vec<Job>>> = Arc::default();
    let kept = Arc::clone(&jobs);
    let server = server(Author::bank().log, Arc::new(move |job| kept.lock().unwrap().push(job)));
    let mut streams = Vec::new();
    for _ in 0..REPLAYS_MAX {
        streams.push(server.replay(ask(None)).await.unwrap());
    }
    let refused = server.replay(ask(None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // The clients hang up: the jobs come to an end although nobody reads what they send.
    streams.clear();
    let jobs = std::mem::take(&mut *jobs.lock().unwrap());
    #[expect(clippy::disallowed_methods, reason = "a test of jobs that block")]
    let ran = tokio::task::spawn_blocking(move || jobs.into_iter().for_each(|job| job()));
    ran.await.unwrap();
    assert!(server.replay(ask(None)).await.is_ok());
}
