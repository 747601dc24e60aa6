//! A server for tests that the client's faults can be provoked with: the real wire, conversions and
//! rules over one partition in memory, and answers that get lost, come late or are refused for load.

mod queries;

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Parser as _;
use ledger_domain::{
    Command, CommandBody, Decision, Id, ItemOutcome, Outcome, Position, Prior, Rejection, Seen,
    State, Transfer, apply, decide,
};
use ledger_proto::v1::ledger_command_service_server::{
    LedgerCommandService, LedgerCommandServiceServer,
};
use ledger_proto::v1::ledger_query_service_server::LedgerQueryServiceServer;
use ledger_proto::v1::{self, transfer_result};
use ledger_proto::{answer, hash, request, resource};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport};

use crate::args::Cli;
use crate::commands;

/// What goes wrong, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// So many batches are refused for load before one is taken.
    pub(crate) overloads: u32,
    /// So many openings of accounts are refused for load before one is taken.
    pub(crate) account_overloads: u32,
    /// This batch, counted from 0, is recorded, and its answer lost.
    pub(crate) loses_answer_of_batch: Option<u32>,
    /// Reads show the state of the start unless they ask for a position.
    pub(crate) view_lags: bool,
}

#[derive(Debug, Default)]
struct Partition {
    state: State,
    view: State,
    offset: u64,
    batches: u32,
    seen: HashMap<Id, (Prior, [u8; 16], Option<Rejection>)>,
    faults: Faults,
}

/// A running server; it ends with the test's runtime.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    partition: Arc<Mutex<Partition>>,
}

impl Server {
    pub(crate) async fn start(faults: Faults) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let partition = Arc::new(Mutex::new(Partition { faults, ..Default::default() }));
        let server = Server { url, partition };
        let serving = transport::Server::builder()
            .add_service(LedgerCommandServiceServer::new(server.clone()))
            .add_service(LedgerQueryServiceServer::new(server.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        server
    }

    /// Runs `ledger WORDS --json`: how it ended, and what it printed.
    pub(crate) async fn ledger(
        &self,
        words: &[&str],
    ) -> anyhow::Result<(commands::Outcome, Value)> {
        let flags = ["--json", "--server", &self.url];
        let cli = Cli::try_parse_from(["ledger"].iter().chain(words).chain(&flags))?;
        let printed = Printed::default();
        let outcome = Box::pin(commands::run(cli, Box::new(printed.clone()))).await?;
        let bytes = printed.0.lock().unwrap().clone();
        Ok((outcome, serde_json::from_slice(&bytes)?))
    }

    /// Commits so far.
    pub(crate) fn commits(&self) -> u64 {
        self.lock().offset
    }

    fn lock(&self) -> MutexGuard<'_, Partition> {
        self.partition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, command: Result<Command, Rejection>) -> Result<v1::Acknowledgement, Status> {
        let command = command.map_err(|rejection| answer::status(&rejection, None, false))?;
        let mut partition = self.lock();
        let (decision, at) = partition.commit(&command, &[]);
        match decision.outcome {
            Outcome::Accepted => Ok(answer::acknowledgement(at, 0, false)),
            Outcome::Refused(rejection) => Err(answer::status(&rejection, Some(at), false)),
            Outcome::Items(_) => Err(Status::internal("not a batch")),
        }
    }
}

impl Partition {
    /// Decides, records and applies; the position is that of the first event.
    fn commit(&mut self, command: &Command, known: &[Seen]) -> (Decision, Position) {
        let decision = decide(&self.state, command, known, 0);
        let at = Position::event(0, self.offset, 0);
        if !decision.events.is_empty() {
            self.offset += 1;
        }
        decision.events.iter().for_each(|event| apply(&mut self.state, event, 0));
        if !self.faults.view_lags {
            self.view = self.state.clone();
        }
        (decision, at)
    }

    fn transfers(&mut self, command: &Command) -> Vec<v1::TransferResult> {
        let CommandBody::PostTransfers { transfers } = &command.body else { return Vec::new() };
        let known: Vec<Seen> = (0..transfers.len()).map(|n| self.known(transfers, n)).collect();
        let (decision, at) = self.commit(command, &known);
        let Outcome::Items(items) = decision.outcome else { return Vec::new() };
        let mut results: Vec<v1::TransferResult> = Vec::new();
        for (transfer, item) in transfers.iter().zip(items) {
            let (index, rejection) = match item {
                ItemOutcome::Accepted { row } => (row, None),
                ItemOutcome::Refused { row, rejection } => (row, Some(rejection)),
                ItemOutcome::NotRecorded { rejection } => {
                    let refusal = answer::refusal(&rejection, None, false);
                    let outcome = Some(v1::transfer_result::Outcome::Refusal(refusal));
                    results.push(v1::TransferResult { outcome });
                    continue;
                }
                ItemOutcome::Before(prior) => {
                    let refused = self.seen.get(&transfer.id).and_then(|seen| seen.2.clone());
                    let at = Position::event(0, prior.offset, prior.index);
                    results.push(result(at, refused.as_ref(), true));
                    continue;
                }
                ItemOutcome::Repeats { item } | ItemOutcome::Reuses { item, .. } => {
                    results.push(results[item].clone());
                    continue;
                }
            };
            let prior = Prior {
                offset: at.offset,
                index,
                recorded_at: 0,
                same_content: true,
                refused: rejection.as_ref().map(|rejection| rejection.code),
            };
            let at = Position::event(0, at.offset, index);
            results.push(result(at, rejection.as_ref(), false));
            let seen = (prior, hash::of_transfer(transfer), rejection);
            self.seen.insert(transfer.id.clone(), seen);
        }
        results
    }

    fn known(&self, transfers: &[Transfer], place: usize) -> Seen {
        let transfer = &transfers[place];
        if let Some((prior, content, _)) = self.seen.get(&transfer.id) {
            let same_content = *content == hash::of_transfer(transfer);
            return Seen::Before(Prior { same_content, ..prior.clone() });
        }
        let above = transfers[..place].iter().position(|other| other.id == transfer.id);
        let Some(item) = above else { return Seen::New };
        let same_content = hash::of_transfer(&transfers[item]) == hash::of_transfer(transfer);
        Seen::Above { item, same_content }
    }

    /// The state that a read shows.
    fn shown(&self, consistency: Option<&v1::Consistency>) -> &State {
        if consistency.is_some() { &self.state } else { &self.view }
    }
}

/// Refuses while there are overloads left.
fn make_room(overloads: &mut u32) -> Result<(), Status> {
    let Some(left) = overloads.checked_sub(1) else { return Ok(()) };
    *overloads = left;
    Err(Status::resource_exhausted("the queue is full"))
}

fn result(at: Position, rejection: Option<&Rejection>, replayed: bool) -> v1::TransferResult {
    use transfer_result::Outcome as Wire;
    let outcome = match rejection {
        None => Wire::Acknowledgement(answer::acknowledgement(at, 0, replayed)),
        Some(rejection) => Wire::Refusal(answer::refusal(rejection, Some(at), replayed)),
    };
    v1::TransferResult { outcome: Some(outcome) }
}

#[tonic::async_trait]
impl LedgerCommandService for Server {
    async fn create_ledger(
        &self,
        request: Request<v1::CreateLedgerRequest>,
    ) -> Result<Response<v1::CreateLedgerResponse>, Status> {
        let request = request.into_inner();
        let acknowledgement = Some(self.one(request::create_ledger(&request))?);
        let name = resource::ledger_resource(&request.ledger_id);
        Ok(Response::new(v1::CreateLedgerResponse { name, acknowledgement }))
    }

    async fn create_asset(
        &self,
        request: Request<v1::CreateAssetRequest>,
    ) -> Result<Response<v1::CreateAssetResponse>, Status> {
        let request = request.into_inner();
        let acknowledgement = Some(self.one(request::create_asset(&request))?);
        let name = format!("{}/assets/{}", request.parent, request.asset_id);
        Ok(Response::new(v1::CreateAssetResponse { name, acknowledgement }))
    }

    async fn open_account(
        &self,
        request: Request<v1::OpenAccountRequest>,
    ) -> Result<Response<v1::OpenAccountResponse>, Status> {
        let request = request.into_inner();
        make_room(&mut self.lock().faults.account_overloads)?;
        let acknowledgement =
            Some(self.one(request::open_account(&request).map(|(command, _)| command))?);
        let name = format!("{}/accounts/{}", request.parent, request.account_id);
        Ok(Response::new(v1::OpenAccountResponse { name, acknowledgement }))
    }

    async fn freeze_account(
        &self,
        _: Request<v1::FreezeAccountRequest>,
    ) -> Result<Response<v1::FreezeAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn unfreeze_account(
        &self,
        _: Request<v1::UnfreezeAccountRequest>,
    ) -> Result<Response<v1::UnfreezeAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn close_account(
        &self,
        _: Request<v1::CloseAccountRequest>,
    ) -> Result<Response<v1::CloseAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn set_account_rules(
        &self,
        _: Request<v1::SetAccountRulesRequest>,
    ) -> Result<Response<v1::SetAccountRulesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_account_metadata(
        &self,
        _: Request<v1::UpdateAccountMetadataRequest>,
    ) -> Result<Response<v1::UpdateAccountMetadataResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_ledger_metadata(
        &self,
        _: Request<v1::UpdateLedgerMetadataRequest>,
    ) -> Result<Response<v1::UpdateLedgerMetadataResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_transfer_metadata(
        &self,
        _: Request<v1::UpdateTransferMetadataRequest>,
    ) -> Result<Response<v1::UpdateTransferMetadataResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn lock_books(
        &self,
        _: Request<v1::LockBooksRequest>,
    ) -> Result<Response<v1::LockBooksResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn schedule_transfer(
        &self,
        _: Request<v1::ScheduleTransferRequest>,
    ) -> Result<Response<v1::ScheduleTransferResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn cancel_schedule(
        &self,
        _: Request<v1::CancelScheduleRequest>,
    ) -> Result<Response<v1::CancelScheduleResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn register(
        &self,
        _: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_profile(
        &self,
        _: Request<v1::UpdateProfileRequest>,
    ) -> Result<Response<v1::UpdateProfileResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn erase_customer(
        &self,
        _: Request<v1::EraseCustomerRequest>,
    ) -> Result<Response<v1::EraseCustomerResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn set_balance_alert(
        &self,
        _: Request<v1::SetBalanceAlertRequest>,
    ) -> Result<Response<v1::SetBalanceAlertResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn remove_balance_alert(
        &self,
        _: Request<v1::RemoveBalanceAlertRequest>,
    ) -> Result<Response<v1::RemoveBalanceAlertResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn post_transfer(
        &self,
        request: Request<v1::PostTransferRequest>,
    ) -> Result<Response<v1::PostTransferResponse>, Status> {
        let (command, _) = request::post_transfer(&request.into_inner())
            .map_err(|rejection| answer::status(&rejection, None, false))?;
        let mut partition = self.lock();
        make_room(&mut partition.faults.overloads)?;
        let result = partition.transfers(&command).pop();
        match result.and_then(|result| result.outcome) {
            Some(transfer_result::Outcome::Acknowledgement(acknowledgement)) => {
                let acknowledgement = Some(acknowledgement);
                let name = "ledgers/test/transfers/test".to_owned();
                Ok(Response::new(v1::PostTransferResponse { name, acknowledgement }))
            }
            outcome => Err(Status::failed_precondition(format!("{outcome:?}"))),
        }
    }

    async fn post_transfers(
        &self,
        request: Request<v1::PostTransfersRequest>,
    ) -> Result<Response<v1::PostTransfersResponse>, Status> {
        let batch = request::post_transfers(&request.into_inner())
            .map_err(|rejection| answer::status(&rejection, None, false))?;
        assert_eq!(batch.malformed, [], "the client checks shape first");
        let mut partition = self.lock();
        make_room(&mut partition.faults.overloads)?;
        let results = partition.transfers(&batch.command);
        let number = partition.batches;
        partition.batches += 1;
        if partition.faults.loses_answer_of_batch == Some(number) {
            return Err(Status::unavailable("the connection was lost"));
        }
        Ok(Response::new(v1::PostTransfersResponse { results, position: String::new() }))
    }

    async fn send_money(
        &self,
        _: Request<v1::SendMoneyRequest>,
    ) -> Result<Response<v1::SendMoneyResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn execute(
        &self,
        _: Request<v1::Command>,
    ) -> Result<Response<v1::CommandResult>, Status> {
        Err(Status::unimplemented("the client uses the calls above"))
    }
}

/// What was printed.
#[derive(Clone, Debug, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
