//! `ledger.v1.LedgerCommandService`: a request of any kind to the writer of its partition, and what came
//! of it as an answer.

use ledger_proto::v1;
use ledger_proto::v1::command::Request as Asked;
use ledger_proto::v1::ledger_command_service_server::{
    LedgerCommandService, LedgerCommandServiceServer,
};
use ledger_runtime::deadline;
use tonic::{Request, Response, Status};

use crate::result;
use crate::router::{Arrival, FIND_OWNER_DEFAULT, Origin, Router, TRACEPARENT, traceparent};

/// A full batch with the longest names, ids and references fits twice.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Metadata of a command that another server has sent on: the token of the server that it is sent to.
pub(crate) const FORWARDED: &str = "ledger-forwarded";

/// The service.
#[derive(Clone, Debug)]
pub struct CommandService {
    router: Router,
}

/// The tonic service, with its message limits.
#[must_use]
pub fn server(router: Router) -> LedgerCommandServiceServer<CommandService> {
    LedgerCommandServiceServer::new(CommandService { router })
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
        let (name, acknowledgement) = self.acknowledged(call, Asked::CreateLedger).await?;
        Ok(Response::new(v1::CreateLedgerResponse { name, acknowledgement }))
    }

    async fn create_asset(
        &self,
        call: Request<v1::CreateAssetRequest>,
    ) -> Served<v1::CreateAssetResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::CreateAsset).await?;
        Ok(Response::new(v1::CreateAssetResponse { name, acknowledgement }))
    }

    async fn open_account(
        &self,
        call: Request<v1::OpenAccountRequest>,
    ) -> Served<v1::OpenAccountResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::OpenAccount).await?;
        Ok(Response::new(v1::OpenAccountResponse { name, acknowledgement }))
    }

    async fn freeze_account(
        &self,
        call: Request<v1::FreezeAccountRequest>,
    ) -> Served<v1::FreezeAccountResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::FreezeAccount).await?;
        Ok(Response::new(v1::FreezeAccountResponse { name, acknowledgement }))
    }

    async fn unfreeze_account(
        &self,
        call: Request<v1::UnfreezeAccountRequest>,
    ) -> Served<v1::UnfreezeAccountResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::UnfreezeAccount).await?;
        Ok(Response::new(v1::UnfreezeAccountResponse { name, acknowledgement }))
    }

    async fn close_account(
        &self,
        call: Request<v1::CloseAccountRequest>,
    ) -> Served<v1::CloseAccountResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::CloseAccount).await?;
        Ok(Response::new(v1::CloseAccountResponse { name, acknowledgement }))
    }

    async fn set_account_rules(
        &self,
        call: Request<v1::SetAccountRulesRequest>,
    ) -> Served<v1::SetAccountRulesResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::SetAccountRules).await?;
        Ok(Response::new(v1::SetAccountRulesResponse { name, acknowledgement }))
    }

    async fn update_account_metadata(
        &self,
        call: Request<v1::UpdateAccountMetadataRequest>,
    ) -> Served<v1::UpdateAccountMetadataResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::UpdateAccountMetadata).await?;
        Ok(Response::new(v1::UpdateAccountMetadataResponse { name, acknowledgement }))
    }

    async fn update_ledger_metadata(
        &self,
        call: Request<v1::UpdateLedgerMetadataRequest>,
    ) -> Served<v1::UpdateLedgerMetadataResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::UpdateLedgerMetadata).await?;
        Ok(Response::new(v1::UpdateLedgerMetadataResponse { name, acknowledgement }))
    }

    async fn update_transfer_metadata(
        &self,
        call: Request<v1::UpdateTransferMetadataRequest>,
    ) -> Served<v1::UpdateTransferMetadataResponse> {
        let (name, acknowledgement) =
            self.acknowledged(call, Asked::UpdateTransferMetadata).await?;
        Ok(Response::new(v1::UpdateTransferMetadataResponse { name, acknowledgement }))
    }

    async fn lock_books(
        &self,
        call: Request<v1::LockBooksRequest>,
    ) -> Served<v1::LockBooksResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::LockBooks).await?;
        Ok(Response::new(v1::LockBooksResponse { name, acknowledgement }))
    }

    async fn schedule_transfer(
        &self,
        call: Request<v1::ScheduleTransferRequest>,
    ) -> Served<v1::ScheduleTransferResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::ScheduleTransfer).await?;
        Ok(Response::new(v1::ScheduleTransferResponse { name, acknowledgement }))
    }

    async fn set_balance_alert(
        &self,
        call: Request<v1::SetBalanceAlertRequest>,
    ) -> Served<v1::SetBalanceAlertResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::SetBalanceAlert).await?;
        Ok(Response::new(v1::SetBalanceAlertResponse { name, acknowledgement }))
    }

    async fn remove_balance_alert(
        &self,
        call: Request<v1::RemoveBalanceAlertRequest>,
    ) -> Served<v1::RemoveBalanceAlertResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::RemoveBalanceAlert).await?;
        Ok(Response::new(v1::RemoveBalanceAlertResponse { name, acknowledgement }))
    }

    async fn cancel_schedule(
        &self,
        call: Request<v1::CancelScheduleRequest>,
    ) -> Served<v1::CancelScheduleResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::CancelSchedule).await?;
        Ok(Response::new(v1::CancelScheduleResponse { name, acknowledgement }))
    }

    async fn register(&self, call: Request<v1::RegisterRequest>) -> Served<v1::RegisterResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::Register).await?;
        Ok(Response::new(v1::RegisterResponse { name, acknowledgement }))
    }

    async fn update_profile(
        &self,
        call: Request<v1::UpdateProfileRequest>,
    ) -> Served<v1::UpdateProfileResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::UpdateProfile).await?;
        Ok(Response::new(v1::UpdateProfileResponse { name, acknowledgement }))
    }

    async fn erase_customer(
        &self,
        call: Request<v1::EraseCustomerRequest>,
    ) -> Served<v1::EraseCustomerResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::EraseCustomer).await?;
        Ok(Response::new(v1::EraseCustomerResponse { name, acknowledgement }))
    }

    async fn post_transfer(
        &self,
        call: Request<v1::PostTransferRequest>,
    ) -> Served<v1::PostTransferResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::PostTransfer).await?;
        Ok(Response::new(v1::PostTransferResponse { name, acknowledgement }))
    }

    async fn post_transfers(
        &self,
        call: Request<v1::PostTransfersRequest>,
    ) -> Served<v1::PostTransfersResponse> {
        let result = self.execute_as(call, Asked::PostTransfers).await;
        Ok(Response::new(result::transfers(result)?))
    }

    async fn send_money(
        &self,
        call: Request<v1::SendMoneyRequest>,
    ) -> Served<v1::SendMoneyResponse> {
        let (name, acknowledgement) = self.acknowledged(call, Asked::SendMoney).await?;
        Ok(Response::new(v1::SendMoneyResponse { name, acknowledgement }))
    }

    async fn execute(&self, call: Request<v1::Command>) -> Served<v1::CommandResult> {
        let arrival = self.arrival(&call);
        Ok(Response::new(self.router.execute(call.into_inner(), arrival).await))
    }
}

impl CommandService {
    async fn execute_as<T>(
        &self,
        call: Request<T>,
        asked: impl FnOnce(T) -> Asked,
    ) -> v1::CommandResult {
        let arrival = self.arrival(&call);
        let command = v1::Command { request: Some(asked(call.into_inner())) };
        self.router.execute(command, arrival).await
    }

    async fn acknowledged<T>(
        &self,
        call: Request<T>,
        asked: impl FnOnce(T) -> Asked,
    ) -> Result<(String, Option<v1::Acknowledgement>), Status> {
        let (name, acknowledgement) = result::acknowledged(self.execute_as(call, asked).await)?;
        Ok((name, Some(acknowledgement)))
    }

    fn arrival<T>(&self, call: &Request<T>) -> Arrival {
        let metadata = call.metadata();
        let token = metadata.get(FORWARDED).map(|token| token.as_bytes());
        let origin = token.map_or(Origin::Client, |token| self.router.forwarder(token));
        let told = metadata.get(TRACEPARENT).map(|value| traceparent(value.as_bytes()));
        Arrival {
            actor: String::new(),
            traceparent: told.unwrap_or_default(),
            origin,
            at_most: deadline::wait_at_most(metadata, FIND_OWNER_DEFAULT),
        }
    }
}

#[cfg(test)]
mod tests;
