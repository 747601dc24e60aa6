//! A writer's reply as a `CommandResult`, and that as the answer of a unary call.

use std::time::Duration;

use ledger_domain::{Position, Rejection};
use ledger_proto::command::Prepared;
use ledger_proto::v1::command_result::Outcome;
use ledger_proto::v1::transfer_result::Outcome as ItemOutcome;
use ledger_proto::{answer, v1};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::reply::{Answer, Receipt, Reply};

/// Reasons of a `Failure`; stable.
pub mod reason {
    /// No room now.
    pub const OVERLOADED: &str = "OVERLOADED";
    /// Nothing was recorded, and nothing will be.
    pub const NOT_RECORDED: &str = "NOT_RECORDED";
    /// Another server writes the partition.
    pub const NOT_OWNER: &str = "NOT_OWNER";
    /// It may have been recorded.
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    /// It is no command that can be read.
    pub const MALFORMED_COMMAND: &str = "MALFORMED_COMMAND";
}

/// What the answer of a command needs of it, once the command is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    name: String,
    request_id: String,
    malformed: Vec<(usize, Rejection)>,
    is_batch: bool,
}

impl Answering {
    /// Of this command.
    #[must_use]
    pub fn of(prepared: &mut Prepared) -> Self {
        let id = prepared.command.request_id.as_ref();
        Answering {
            name: std::mem::take(&mut prepared.name),
            request_id: id.map(ToString::to_string).unwrap_or_default(),
            malformed: std::mem::take(&mut prepared.malformed),
            is_batch: prepared.is_batch,
        }
    }

    /// The result, from what the writer said.
    #[must_use]
    pub fn result(self, reply: Reply) -> v1::CommandResult {
        let outcome = match reply {
            Reply::Items(items) if self.is_batch => {
                Outcome::Transfers(merged(&items, &self.malformed))
            }
            Reply::Items(items) => match items.into_iter().next() {
                Some(answer) => single(answer),
                None => failure(reason::NOT_RECORDED, "a transfer has an answer"),
            },
            Reply::One(answer) => single(answer),
            Reply::NotRecorded { reason: why } => failure(reason::NOT_RECORDED, &why),
            Reply::NotOwner => failure(reason::NOT_OWNER, "another server writes this partition"),
            Reply::Unknown { reason: why } => failure(reason::OUTCOME_UNKNOWN, &why),
            Reply::Overloaded { retry_after_ms } => {
                let message = format!("the queue is full, try again in {retry_after_ms} ms");
                let reason = reason::OVERLOADED.to_owned();
                Outcome::Failure(v1::Failure { reason, message, retry_after_ms })
            }
        };
        self.with(outcome)
    }

    /// The result of what was not decided.
    #[must_use]
    pub fn failed(self, reason: &str, message: &str) -> v1::CommandResult {
        self.with(failure(reason, message))
    }

    fn with(self, outcome: Outcome) -> v1::CommandResult {
        let Answering { name, request_id, .. } = self;
        v1::CommandResult { request_id, name, outcome: Some(outcome) }
    }
}

/// The result of a command that is refused for its shape.
#[must_use]
pub fn malformed(request_id: &str, rejection: &Rejection) -> v1::CommandResult {
    let outcome = Outcome::Refusal(answer::refusal(rejection, None, false));
    let (request_id, name) = (request_id.to_owned(), String::new());
    v1::CommandResult { request_id, name, outcome: Some(outcome) }
}

/// A failure as an outcome.
#[must_use]
pub fn failure(reason: &str, message: &str) -> Outcome {
    let (reason, message) = (reason.to_owned(), message.to_owned());
    Outcome::Failure(v1::Failure { reason, message, retry_after_ms: 0 })
}

/// Whether it failed for this reason.
#[must_use]
pub fn failed_for(result: &v1::CommandResult, reason: &str) -> bool {
    matches!(&result.outcome, Some(Outcome::Failure(failure)) if failure.reason == reason)
}

fn single(answer: Answer) -> Outcome {
    match answer {
        Answer::Accepted(receipt) => Outcome::Acknowledgement(acknowledgement(&receipt)),
        Answer::Refused { rejection, receipt } => {
            let (at, replayed) = place(receipt.as_ref());
            Outcome::Refusal(answer::refusal(&rejection, at, replayed))
        }
    }
}

/// A dry run has neither position nor time: it was not recorded.
fn acknowledgement(receipt: &Receipt) -> v1::Acknowledgement {
    match receipt.position {
        Some(at) => answer::acknowledgement(at, receipt.recorded_at, receipt.replayed),
        None => v1::Acknowledgement::default(),
    }
}

fn place(receipt: Option<&Receipt>) -> (Option<Position>, bool) {
    receipt.map_or((None, false), |receipt| (receipt.position, receipt.replayed))
}

/// The items in the request's order, with the malformed ones at their places.
fn merged(items: &[Answer], malformed: &[(usize, Rejection)]) -> v1::PostTransfersResponse {
    let (mut items, mut malformed) = (items.iter(), malformed.iter().peekable());
    let fresh = |answer: &&Answer| answer.receipt().is_some_and(|receipt| !receipt.replayed);
    let first = items.clone().find(fresh).and_then(|answer| answer.receipt()?.position);
    let mut results = Vec::with_capacity(items.len() + malformed.len());
    loop {
        let outcome = match malformed.next_if(|(place, _)| *place == results.len()) {
            Some((_, rejection)) => ItemOutcome::Refusal(answer::refusal(rejection, None, false)),
            None => match items.next() {
                Some(answer) => item(answer),
                None => break,
            },
        };
        results.push(v1::TransferResult { outcome: Some(outcome) });
    }
    let position = first.map(|at| at.to_string()).unwrap_or_default();
    v1::PostTransfersResponse { results, position }
}

fn item(answer: &Answer) -> ItemOutcome {
    match answer {
        Answer::Accepted(receipt) => ItemOutcome::Acknowledgement(acknowledgement(receipt)),
        Answer::Refused { rejection, receipt } => {
            let (at, replayed) = place(receipt.as_ref());
            ItemOutcome::Refusal(answer::refusal(rejection, at, replayed))
        }
    }
}

/// The answer of a unary call: name and acknowledgement.
///
/// # Errors
/// The status that a refusal or failure is.
pub fn acknowledged(result: v1::CommandResult) -> Result<(String, v1::Acknowledgement), Status> {
    match result.outcome {
        Some(Outcome::Acknowledgement(acknowledgement)) => Ok((result.name, acknowledgement)),
        other => Err(status(other)),
    }
}

/// The answer to a batch.
///
/// # Errors
/// As [`acknowledged`].
pub fn transfers(result: v1::CommandResult) -> Result<v1::PostTransfersResponse, Status> {
    match result.outcome {
        Some(Outcome::Transfers(transfers)) => Ok(transfers),
        other => Err(status(other)),
    }
}

fn status(outcome: Option<Outcome>) -> Status {
    match outcome {
        Some(Outcome::Refusal(refusal)) => answer::status_of(refusal),
        Some(Outcome::Failure(failure)) => failure_status(failure),
        Some(Outcome::Acknowledgement(_) | Outcome::Transfers(_)) | None => {
            Status::internal("the result is not of this command")
        }
    }
}

fn failure_status(failure: v1::Failure) -> Status {
    let v1::Failure { reason, message, retry_after_ms } = failure;
    match reason.as_str() {
        reason::OVERLOADED => {
            let after = Duration::from_millis(retry_after_ms);
            let details = ErrorDetails::with_retry_info(Some(after));
            Status::with_error_details(tonic::Code::ResourceExhausted, message, details)
        }
        reason::NOT_RECORDED | reason::NOT_OWNER => Status::unavailable(message),
        _ => Status::unknown(format!(
            "nobody knows whether it was recorded; ask again with the same ids: {message}"
        )),
    }
}
