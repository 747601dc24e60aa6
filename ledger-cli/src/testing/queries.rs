//! What the client reads.

use ledger_proto::v1;
use ledger_proto::v1::ledger_query_service_server::LedgerQueryService;
use ledger_proto::{answer, resource};
use tonic::{Request, Response, Status};

use super::Server;

#[tonic::async_trait]
impl LedgerQueryService for Server {
    async fn get_ledger(
        &self,
        request: Request<v1::GetLedgerRequest>,
    ) -> Result<Response<v1::GetLedgerResponse>, Status> {
        let v1::GetLedgerRequest { name, consistency } = request.into_inner();
        let ledger =
            resource::ledger("name", &name).map_err(|r| answer::status(&r, None, false))?;
        let partition = self.lock();
        let found = partition.shown(consistency.as_ref()).ledger_by_name(&ledger);
        found.ok_or_else(|| Status::not_found("no such ledger"))?;
        let ledger = Some(v1::Ledger { name, ..Default::default() });
        Ok(Response::new(v1::GetLedgerResponse { ledger, read_at: None }))
    }

    async fn list_ledgers(
        &self,
        _: Request<v1::ListLedgersRequest>,
    ) -> Result<Response<v1::ListLedgersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    /// One asset a page, so that the client has to turn them.
    async fn list_assets(
        &self,
        request: Request<v1::ListAssetsRequest>,
    ) -> Result<Response<v1::ListAssetsResponse>, Status> {
        let request = request.into_inner();
        let ledger = resource::ledger("parent", &request.parent)
            .map_err(|r| answer::status(&r, None, false))?;
        let partition = self.lock();
        let state = partition.shown(request.consistency.as_ref());
        let handle = state.ledger_by_name(&ledger);
        let book = handle.and_then(|handle| state.ledger(handle));
        let assets = &book.ok_or_else(|| Status::not_found("no such ledger"))?.assets;
        let place: usize = request.page_token.parse().unwrap_or(0);
        let asset = assets.get(place).map(|asset| v1::Asset {
            name: String::new(),
            code: asset.code.to_string(),
            scale: u32::from(asset.scale),
            position: String::new(),
        });
        let more = place + 1 < assets.len();
        Ok(Response::new(v1::ListAssetsResponse {
            assets: asset.into_iter().collect(),
            next_page_token: if more { (place + 1).to_string() } else { String::new() },
            read_at: None,
        }))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        let v1::GetAccountRequest { name, consistency } = request.into_inner();
        let (ledger, account) =
            resource::account("name", &name).map_err(|r| answer::status(&r, None, false))?;
        let partition = self.lock();
        let state = partition.shown(consistency.as_ref());
        let book = state.ledger_by_name(&ledger).and_then(|handle| state.ledger(handle));
        let handle = book.and_then(|book| book.account_by_name(&account));
        let found = handle.and_then(|handle| state.account(handle));
        let account = found.ok_or_else(|| Status::not_found("no such account"))?;
        let rules = answer::account_rules(&account.rules, |asset| {
            let asset = book.and_then(|book| book.asset(asset));
            let asset = asset.ok_or_else(|| Status::internal("a limit of no asset"))?;
            Ok::<_, Status>((asset.code.clone(), asset.scale))
        })?;
        let account = v1::Account {
            name,
            r#type: answer::account_type(account.account_type).into(),
            rules: Some(rules),
            status: answer::account_status(account.status).into(),
            ..Default::default()
        };
        Ok(Response::new(v1::GetAccountResponse { account: Some(account), read_at: None }))
    }

    async fn list_accounts(
        &self,
        _: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_metadata_history(
        &self,
        _: Request<v1::ListMetadataHistoryRequest>,
    ) -> Result<Response<v1::ListMetadataHistoryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_balance(
        &self,
        _: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_entries(
        &self,
        _: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_transfer(
        &self,
        _: Request<v1::GetTransferRequest>,
    ) -> Result<Response<v1::GetTransferResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_saga(
        &self,
        _: Request<v1::GetSagaRequest>,
    ) -> Result<Response<v1::GetSagaResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_sagas(
        &self,
        _: Request<v1::ListSagasRequest>,
    ) -> Result<Response<v1::ListSagasResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_journal_entry(
        &self,
        _: Request<v1::GetJournalEntryRequest>,
    ) -> Result<Response<v1::GetJournalEntryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_holds(
        &self,
        _: Request<v1::ListHoldsRequest>,
    ) -> Result<Response<v1::ListHoldsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_schedule(
        &self,
        _: Request<v1::GetScheduleRequest>,
    ) -> Result<Response<v1::GetScheduleResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_schedules(
        &self,
        _: Request<v1::ListSchedulesRequest>,
    ) -> Result<Response<v1::ListSchedulesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
