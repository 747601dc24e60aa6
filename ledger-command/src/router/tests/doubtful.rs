//! A server that knows of nothing what became of it.

use ledger_proto::v1::ledger_command_service_server::LedgerCommandService;

use super::*;

type Served<T> = Result<tonic::Response<T>, tonic::Status>;

#[tonic::async_trait]
impl LedgerCommandService for Doubtful {
    async fn execute(&self, _: tonic::Request<v1::Command>) -> Served<v1::CommandResult> {
        let outcome = Some(result::failure(reason::OUTCOME_UNKNOWN, "it went to another server"));
        Ok(tonic::Response::new(v1::CommandResult { outcome, ..Default::default() }))
    }

    async fn send_money(
        &self,
        _: tonic::Request<v1::SendMoneyRequest>,
    ) -> Served<v1::SendMoneyResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn register(
        &self,
        _: tonic::Request<v1::RegisterRequest>,
    ) -> Served<v1::RegisterResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn update_profile(
        &self,
        _: tonic::Request<v1::UpdateProfileRequest>,
    ) -> Served<v1::UpdateProfileResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn erase_customer(
        &self,
        _: tonic::Request<v1::EraseCustomerRequest>,
    ) -> Served<v1::EraseCustomerResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn create_ledger(
        &self,
        _: tonic::Request<v1::CreateLedgerRequest>,
    ) -> Served<v1::CreateLedgerResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn create_asset(
        &self,
        _: tonic::Request<v1::CreateAssetRequest>,
    ) -> Served<v1::CreateAssetResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn open_account(
        &self,
        _: tonic::Request<v1::OpenAccountRequest>,
    ) -> Served<v1::OpenAccountResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn freeze_account(
        &self,
        _: tonic::Request<v1::FreezeAccountRequest>,
    ) -> Served<v1::FreezeAccountResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn unfreeze_account(
        &self,
        _: tonic::Request<v1::UnfreezeAccountRequest>,
    ) -> Served<v1::UnfreezeAccountResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn close_account(
        &self,
        _: tonic::Request<v1::CloseAccountRequest>,
    ) -> Served<v1::CloseAccountResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn set_account_rules(
        &self,
        _: tonic::Request<v1::SetAccountRulesRequest>,
    ) -> Served<v1::SetAccountRulesResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn update_account_metadata(
        &self,
        _: tonic::Request<v1::UpdateAccountMetadataRequest>,
    ) -> Served<v1::UpdateAccountMetadataResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn update_ledger_metadata(
        &self,
        _: tonic::Request<v1::UpdateLedgerMetadataRequest>,
    ) -> Served<v1::UpdateLedgerMetadataResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn update_transfer_metadata(
        &self,
        _: tonic::Request<v1::UpdateTransferMetadataRequest>,
    ) -> Served<v1::UpdateTransferMetadataResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn lock_books(
        &self,
        _: tonic::Request<v1::LockBooksRequest>,
    ) -> Served<v1::LockBooksResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn schedule_transfer(
        &self,
        _: tonic::Request<v1::ScheduleTransferRequest>,
    ) -> Served<v1::ScheduleTransferResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn cancel_schedule(
        &self,
        _: tonic::Request<v1::CancelScheduleRequest>,
    ) -> Served<v1::CancelScheduleResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn set_balance_alert(
        &self,
        _: tonic::Request<v1::SetBalanceAlertRequest>,
    ) -> Served<v1::SetBalanceAlertResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn remove_balance_alert(
        &self,
        _: tonic::Request<v1::RemoveBalanceAlertRequest>,
    ) -> Served<v1::RemoveBalanceAlertResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn post_transfer(
        &self,
        _: tonic::Request<v1::PostTransferRequest>,
    ) -> Served<v1::PostTransferResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }

    async fn post_transfers(
        &self,
        _: tonic::Request<v1::PostTransfersRequest>,
    ) -> Served<v1::PostTransfersResponse> {
        Err(tonic::Status::unimplemented("only what is sent on"))
    }
}
