//! The gRPC service: it waits for positions and keeps long reads off the runtime's threads; all else
//! is the core's.

use std::sync::Arc;
use std::time::Duration;

use ledger_domain::Position;
use ledger_proto::v1;
use ledger_proto::v1::ledger_query_service_server::{LedgerQueryService, LedgerQueryServiceServer};
use ledger_runtime::deadline::wait_at_most;
use ledger_views::ViewState;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use crate::error::QueryError;
use crate::query::Query;

/// How long a read without a deadline waits for a position.
const WAIT_DEFAULT: Duration = Duration::from_secs(5);

/// `ledger.v1.LedgerQueryService` over the views of all partitions.
#[derive(Clone, Debug)]
pub struct LedgerQuery {
    query: Arc<Query>,
}

type Read<Q, A> = fn(&Query, &Q) -> Result<A, QueryError>;

impl LedgerQuery {
    /// Answers from this core.
    #[must_use]
    pub fn new(query: Query) -> Self {
        LedgerQuery { query: Arc::new(query) }
    }

    /// As a service of a tonic server.
    #[must_use]
    pub fn into_service(self) -> LedgerQueryServiceServer<Self> {
        LedgerQueryServiceServer::new(self)
    }

    /// A read of a few rows: microseconds, so on the runtime's own thread.
    async fn point<Q, A>(&self, request: Request<Q>, read: Read<Q, A>) -> Answer<A> {
        let until = Instant::now() + wait_at_most(request.metadata(), WAIT_DEFAULT);
        loop {
            match read(&self.query, request.get_ref()) {
                Err(QueryError::Behind { asked, .. }) => self.wait(asked, until).await?,
                answer => return answer.map(Response::new).map_err(refused),
            }
        }
    }

    /// A read of many rows, on a thread that may block.
    async fn scan<Q, A>(&self, request: Request<Q>, read: Read<Q, A>) -> Answer<A>
    where
        Q: Send + Sync + 'static,
        A: Send + 'static,
    {
        let until = Instant::now() + wait_at_most(request.metadata(), WAIT_DEFAULT);
        let request = Arc::new(request.into_inner());
        loop {
            let (query, request) = (Arc::clone(&self.query), Arc::clone(&request));
            let answer = tokio::task::spawn_blocking(move || read(&query, &request)).await;
            match answer.map_err(|error| Status::internal(format!("a read ended: {error}")))? {
                Err(QueryError::Behind { asked, .. }) => self.wait(asked, until).await?,
                answer => return answer.map(Response::new).map_err(refused),
            }
        }
    }

    /// Waits until the view has this position. What it lacks when the time is over is the answer.
    async fn wait(&self, asked: Position, until: Instant) -> Result<(), Status> {
        let view = usize::try_from(asked.partition).ok().and_then(|at| self.query.views().get(at));
        let view = view.ok_or_else(|| Status::internal(format!("no partition of {asked}")))?;
        let reached =
            |state: &ViewState| state.applied.is_some_and(|applied| applied.offset >= asked.offset);
        let mut watch = view.watch();
        let news = watch.wait_for(|state| reached(state) || state.parked.is_some());
        let ended = timeout_at(until, news).await.map(|news| news.is_ok());
        let state = view.state();
        if reached(&state) {
            return Ok(());
        }
        let position = |offset| Position::commit(asked.partition, offset);
        let applied = state.applied.map(|applied| position(applied.offset));
        Err(refused(match (state.parked, ended) {
            (Some(parked), _) => {
                QueryError::Parked { asked, stopped_at: position(parked.offset), what: parked.what }
            }
            (None, Ok(false)) => QueryError::Closed { applied },
            (None, Ok(true) | Err(_)) => QueryError::Behind { asked, applied },
        }))
    }
}

type Answer<A> = Result<Response<A>, Status>;

fn refused(error: QueryError) -> Status {
    match &error {
        QueryError::Store(error) => tracing::error!(%error, "a view cannot be read"),
        QueryError::Keys(error) => tracing::error!(%error, "keys cannot be read"),
        _ => {}
    }
    error.into()
}

#[tonic::async_trait]
impl LedgerQueryService for LedgerQuery {
    async fn get_ledger(
        &self,
        request: Request<v1::GetLedgerRequest>,
    ) -> Answer<v1::GetLedgerResponse> {
        self.point(request, Query::get_ledger).await
    }

    async fn list_ledgers(
        &self,
        request: Request<v1::ListLedgersRequest>,
    ) -> Answer<v1::ListLedgersResponse> {
        self.scan(request, Query::list_ledgers).await
    }

    async fn list_assets(
        &self,
        request: Request<v1::ListAssetsRequest>,
    ) -> Answer<v1::ListAssetsResponse> {
        self.scan(request, Query::list_assets).await
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Answer<v1::GetAccountResponse> {
        self.point(request, Query::get_account).await
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Answer<v1::ListAccountsResponse> {
        self.scan(request, Query::list_accounts).await
    }

    async fn list_metadata_history(
        &self,
        request: Request<v1::ListMetadataHistoryRequest>,
    ) -> Answer<v1::ListMetadataHistoryResponse> {
        self.scan(request, Query::list_metadata_history).await
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Answer<v1::GetBalanceResponse> {
        self.point(request, Query::get_balance).await
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Answer<v1::ListEntriesResponse> {
        self.scan(request, Query::list_entries).await
    }

    async fn get_transfer(
        &self,
        request: Request<v1::GetTransferRequest>,
    ) -> Answer<v1::GetTransferResponse> {
        self.point(request, Query::get_transfer).await
    }

    async fn get_saga(&self, request: Request<v1::GetSagaRequest>) -> Answer<v1::GetSagaResponse> {
        self.point(request, Query::get_saga).await
    }

    async fn list_sagas(
        &self,
        request: Request<v1::ListSagasRequest>,
    ) -> Answer<v1::ListSagasResponse> {
        self.scan(request, Query::list_sagas).await
    }

    async fn get_journal_entry(
        &self,
        request: Request<v1::GetJournalEntryRequest>,
    ) -> Answer<v1::GetJournalEntryResponse> {
        self.scan(request, Query::get_journal_entry).await
    }

    async fn list_holds(
        &self,
        request: Request<v1::ListHoldsRequest>,
    ) -> Answer<v1::ListHoldsResponse> {
        self.scan(request, Query::list_holds).await
    }

    async fn get_schedule(
        &self,
        request: Request<v1::GetScheduleRequest>,
    ) -> Answer<v1::GetScheduleResponse> {
        self.point(request, Query::get_schedule).await
    }

    async fn list_schedules(
        &self,
        request: Request<v1::ListSchedulesRequest>,
    ) -> Answer<v1::ListSchedulesResponse> {
        self.scan(request, Query::list_schedules).await
    }

    async fn get_customer(
        &self,
        request: Request<v1::GetCustomerRequest>,
    ) -> Answer<v1::GetCustomerResponse> {
        // Its key is read from a disk.
        self.scan(request, Query::get_customer).await
    }

    async fn list_customers(
        &self,
        request: Request<v1::ListCustomersRequest>,
    ) -> Answer<v1::ListCustomersResponse> {
        self.scan(request, Query::list_customers).await
    }

    async fn list_profile_changes(
        &self,
        request: Request<v1::ListProfileChangesRequest>,
    ) -> Answer<v1::ListProfileChangesResponse> {
        self.scan(request, Query::list_profile_changes).await
    }

    async fn get_balance_alert(
        &self,
        request: Request<v1::GetBalanceAlertRequest>,
    ) -> Answer<v1::GetBalanceAlertResponse> {
        self.point(request, Query::get_balance_alert).await
    }

    async fn list_balance_alerts(
        &self,
        request: Request<v1::ListBalanceAlertsRequest>,
    ) -> Answer<v1::ListBalanceAlertsResponse> {
        self.scan(request, Query::list_balance_alerts).await
    }

    async fn list_raised_alerts(
        &self,
        request: Request<v1::ListRaisedAlertsRequest>,
    ) -> Answer<v1::ListRaisedAlertsResponse> {
        self.scan(request, Query::list_raised_alerts).await
    }

    async fn list_alert_crossings(
        &self,
        request: Request<v1::ListAlertCrossingsRequest>,
    ) -> Answer<v1::ListAlertCrossingsResponse> {
        self.scan(request, Query::list_alert_crossings).await
    }
}
