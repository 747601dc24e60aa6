//! `ledger.v1.LedgerCommandService`: shape checks, the partition's writer, and its reply as an
//! answer.

use std::time::Duration;

use ledger_domain::{CommandBody, Rejection, Transfer};
use ledger_proto::v1::ledger_command_service_server::{
    LedgerCommandService, LedgerCommandServiceServer,
};
use ledger_proto::v1::transfer_result::Outcome as WireOutcome;
use ledger_proto::{answer, request, resource, v1};
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::reply::{Answer, Receipt, Reply};
use crate::run::{Handle, Submission};

/// A full batch with the longest names, ids and references fits twice.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// A traceparent of version 00 has 55 characters; longer ones are of the future or of no use.
const TRACEPARENT_BYTES_MAX: usize = 128;

/// The service, by the writers.
#[derive(Clone, Debug)]
pub struct CommandService {
    handle: Handle,
}

/// The tonic service, with its message limits.
#[must_use]
pub fn server(handle: Handle) -> LedgerCommandServiceServer<CommandService> {
    LedgerCommandServiceServer::new(CommandService { handle })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

type Served<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl LedgerCommandService for CommandService {
    async fn create_ledger(
        &self,
        call: Request<v1::CreateLedgerRequest>,
    ) -> Served<v1::CreateLedgerResponse> {
        let how = submission(&call, call.get_ref().validate_only);
        let command =
            request::create_ledger(call.get_ref()).map_err(|rejection| malformed(&rejection))?;
        let name = resource::ledger_resource(command.ledger.as_str());
        let acknowledgement = Some(acknowledged(self.handle.submit(command, how).await)?);
        Ok(Response::new(v1::CreateLedgerResponse { name, acknowledgement }))
    }

    async fn create_asset(
        &self,
        call: Request<v1::CreateAssetRequest>,
    ) -> Served<v1::CreateAssetResponse> {
        let how = submission(&call, call.get_ref().validate_only);
        let command =
            request::create_asset(call.get_ref()).map_err(|rejection| malformed(&rejection))?;
        let name = resource::asset_resource(command.ledger.as_str(), &call.get_ref().asset_id);
        let acknowledgement = Some(acknowledged(self.handle.submit(command, how).await)?);
        Ok(Response::new(v1::CreateAssetResponse { name, acknowledgement }))
    }

    async fn open_account(
        &self,
        call: Request<v1::OpenAccountRequest>,
    ) -> Served<v1::OpenAccountResponse> {
        let how = submission(&call, call.get_ref().validate_only);
        let command =
            request::open_account(call.get_ref()).map_err(|rejection| malformed(&rejection))?;
        let name = resource::account_resource(command.ledger.as_str(), &call.get_ref().account_id);
        let acknowledgement = Some(acknowledged(self.handle.submit(command, how).await)?);
        Ok(Response::new(v1::OpenAccountResponse { name, acknowledgement }))
    }

    async fn post_transfer(
        &self,
        call: Request<v1::PostTransferRequest>,
    ) -> Served<v1::PostTransferResponse> {
        let how = submission(&call, call.get_ref().validate_only);
        let command =
            request::post_transfer(call.get_ref()).map_err(|rejection| malformed(&rejection))?;
        let CommandBody::PostTransfers { transfers } = &command.body else {
            return Err(Status::internal("a transfer is a batch of one"));
        };
        let [Transfer { id, .. }] = transfers.as_slice() else {
            return Err(Status::internal("a transfer is a batch of one"));
        };
        let name = resource::transfer_resource(command.ledger.as_str(), id);
        let acknowledgement = Some(acknowledged(self.handle.submit(command, how).await)?);
        Ok(Response::new(v1::PostTransferResponse { name, acknowledgement }))
    }

    async fn post_transfers(
        &self,
        call: Request<v1::PostTransfersRequest>,
    ) -> Served<v1::PostTransfersResponse> {
        let how = submission(&call, call.get_ref().validate_only);
        let batch =
            request::post_transfers(call.get_ref()).map_err(|rejection| malformed(&rejection))?;
        drop(call);
        let request::Batch { command, malformed } = batch;
        let none_well_formed = matches!(
            &command.body,
            CommandBody::PostTransfers { transfers } if transfers.is_empty()
        );
        let reply = if none_well_formed {
            Reply::Items(Vec::new())
        } else {
            self.handle.submit(command, how).await
        };
        match reply {
            Reply::Items(items) => Ok(Response::new(merged(&items, &malformed))),
            Reply::One(Answer::Accepted(_)) => Err(Status::internal("a batch has items")),
            other => Err(refused(other)),
        }
    }
}

fn submission<T>(call: &Request<T>, validate_only: bool) -> Submission {
    let traceparent = call.metadata().get("traceparent").and_then(|value| value.to_str().ok());
    let traceparent = traceparent.filter(|text| text.len() <= TRACEPARENT_BYTES_MAX);
    let traceparent = traceparent.unwrap_or_default().to_owned();
    Submission { validate_only, actor: String::new(), traceparent }
}

fn malformed(rejection: &Rejection) -> Status {
    answer::status(rejection, None, false)
}

/// The answer to a unary command: an acknowledgement, or a status.
fn acknowledged(reply: Reply) -> Result<v1::Acknowledgement, Status> {
    let answer = match reply {
        Reply::One(answer) => answer,
        Reply::Items(items) => match items.into_iter().next() {
            Some(answer) => answer,
            None => return Err(Status::internal("a transfer has an answer")),
        },
        other => return Err(refused(other)),
    };
    match answer {
        Answer::Accepted(receipt) => Ok(acknowledgement(&receipt)),
        refusal @ Answer::Refused { .. } => Err(refused(Reply::One(refusal))),
    }
}

/// A dry run has neither position nor time: it was not recorded.
fn acknowledgement(receipt: &Receipt) -> v1::Acknowledgement {
    match receipt.position {
        Some(at) => answer::acknowledgement(at, receipt.recorded_at, receipt.replayed),
        None => v1::Acknowledgement::default(),
    }
}

/// The items in the request's order, with the malformed ones at their places.
fn merged(items: &[Answer], malformed: &[(usize, Rejection)]) -> v1::PostTransfersResponse {
    let (mut items, mut malformed) = (items.iter(), malformed.iter().peekable());
    let fresh = |answer: &&Answer| answer.receipt().is_some_and(|receipt| !receipt.replayed);
    let first = items.clone().find(fresh).and_then(|answer| answer.receipt()?.position);
    let mut results = Vec::with_capacity(items.len() + malformed.len());
    loop {
        let outcome = match malformed.next_if(|(place, _)| *place == results.len()) {
            Some((_, rejection)) => WireOutcome::Refusal(answer::refusal(rejection, None, false)),
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

fn item(answer: &Answer) -> WireOutcome {
    match answer {
        Answer::Accepted(receipt) => WireOutcome::Acknowledgement(acknowledgement(receipt)),
        Answer::Refused { rejection, receipt } => {
            let (at, replayed) = place(receipt.as_ref());
            WireOutcome::Refusal(answer::refusal(rejection, at, replayed))
        }
    }
}

fn place(receipt: Option<&Receipt>) -> (Option<ledger_domain::Position>, bool) {
    receipt.map_or((None, false), |receipt| (receipt.position, receipt.replayed))
}

fn refused(reply: Reply) -> Status {
    match reply {
        Reply::One(Answer::Refused { rejection, receipt }) => {
            let (at, replayed) = place(receipt.as_ref());
            answer::status(&rejection, at, replayed)
        }
        Reply::NotRecorded { reason } => Status::unavailable(reason),
        Reply::Overloaded { retry_after_ms } => {
            let after = Duration::from_millis(retry_after_ms);
            let details = ErrorDetails::with_retry_info(Some(after));
            let message = format!("the queue is full, try again in {retry_after_ms} ms");
            Status::with_error_details(tonic::Code::ResourceExhausted, message, details)
        }
        Reply::Unknown { reason } => Status::unknown(format!(
            "nobody knows whether it was recorded; ask again with the same ids: {reason}"
        )),
        Reply::One(Answer::Accepted(_)) | Reply::Items(_) => {
            Status::internal("an accepted command is no refusal")
        }
    }
}

#[cfg(test)]
mod tests;
