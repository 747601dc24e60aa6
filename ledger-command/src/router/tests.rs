//! Several servers over one log, each with its own stores and socket; a test is the group that hands
//! partitions out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger_proto::v1::command::Request;
use ledger_proto::v1::ledger_command_service_client::LedgerCommandServiceClient;
use ledger_proto::v1::ledger_command_service_server::{
    LedgerCommandService, LedgerCommandServiceServer,
};
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

use super::*;
use crate::config::Config;
use crate::owners::Owner;
use crate::run::{self, Environment};
use crate::service::{self, FORWARDED};
use crate::tests::embedded::{environment, serve};
use crate::writer::Status;

const PARTITIONS: u32 = 2;

fn fresh_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("fresh-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

struct Server {
    name: &'static str,
    address: String,
    handle: Handle,
    router: Router,
    owners: Owners,
    _folder: tempfile::TempDir,
}

/// A log and the servers over it.
struct Cluster {
    servers: Vec<Server>,
    folder: tempfile::TempDir,
}

fn token_of(name: &str) -> String {
    format!("token of {name}").replace(' ', "-")
}

async fn server(name: &'static str, environment: &Environment) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment { folder: folder.path().to_owned(), ..environment.clone() };
    let handle = run::start(&environment, Config::default()).unwrap();
    handle.caught_up().await.unwrap();
    let owners = Owners::new(PARTITIONS);
    let router = Router::shared(
        Some(handle.clone()),
        PARTITIONS,
        name,
        owners.clone(),
        fresh_id,
        &token_of(name),
    );
    let mut services = tonic::transport::Server::builder();
    let address = serve(services.add_service(service::server(router.clone()))).await;
    Server { name, address, handle, router, owners, _folder: folder }
}

impl Cluster {
    async fn of(names: &[&'static str]) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let environment = environment(folder.path(), PARTITIONS);
        let mut servers = Vec::new();
        for name in names {
            servers.push(server(name, &environment).await);
        }
        Cluster { servers, folder }
    }

    /// All partitions go to this server, and everybody hears of it.
    async fn give_to(&self, at: usize) {
        let owner = &self.servers[at];
        owner.handle.assign(0..PARTITIONS);
        owner.handle.ready().await.unwrap();
        for mut status in owner.handle.watch() {
            status.wait_for(|status| matches!(status, Status::Serving { .. })).await.unwrap();
        }
        self.tell(Some(&Owner {
            server: owner.name.into(),
            address: owner.address.clone(),
            term: 0,
            token: token_of(owner.name),
        }));
    }

    fn tell(&self, owner: Option<&Owner>) {
        for server in &self.servers {
            server.owners.set(vec![owner.cloned(); PARTITIONS as usize]);
        }
    }

    async fn stop(self) {
        let Cluster { servers, folder } = self;
        for Server { handle, .. } in servers {
            run_blocking(move || handle.stop().unwrap()).await;
        }
        drop(folder);
    }
}

#[expect(clippy::disallowed_methods, reason = "a stop blocks")]
async fn run_blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap();
}

fn create_ledger() -> v1::Command {
    let ledger_id = "bank".to_owned();
    let request = v1::CreateLedgerRequest { ledger_id, ..Default::default() };
    v1::Command { request: Some(Request::CreateLedger(request)) }
}

fn bank() -> Vec<v1::Command> {
    let parent = || "ledgers/bank".to_owned();
    let asset = v1::CreateAssetRequest {
        parent: parent(),
        asset_id: "USD".into(),
        scale: 2,
        ..Default::default()
    };
    let open = |account: &str| v1::OpenAccountRequest {
        parent: parent(),
        account_id: account.into(),
        r#type: v1::AccountType::Liability.into(),
        rules: Some(v1::AccountRules::without_limits(true)),
        ..Default::default()
    };
    [
        Request::CreateAsset(asset),
        Request::OpenAccount(open("world")),
        Request::OpenAccount(open("a")),
    ]
    .map(|request| v1::Command { request: Some(request) })
    .into()
}

fn post(id: &str) -> v1::Command {
    let transfer = v1::Transfer {
        transfer_id: id.into(),
        debit_account: "world".into(),
        credit_account: "a".into(),
        asset: "USD".into(),
        amount: "1".into(),
        ..Default::default()
    };
    let (parent, transfer) = ("ledgers/bank".to_owned(), Some(transfer));
    let request = v1::PostTransferRequest { parent, transfer, ..Default::default() };
    v1::Command { request: Some(Request::PostTransfer(request)) }
}

fn position(result: &v1::CommandResult) -> String {
    match &result.outcome {
        Some(Outcome::Acknowledgement(acknowledged)) => acknowledged.position.clone(),
        other => panic!("{}: {other:?}", result.name),
    }
}

fn reason(result: &v1::CommandResult) -> &str {
    match &result.outcome {
        Some(Outcome::Failure(failure)) => &failure.reason,
        other => panic!("{}: {other:?}", result.name),
    }
}

async fn ask(server: &Server, command: v1::Command) -> v1::CommandResult {
    server.router.execute(command, Arrival::default()).await
}

#[test]
fn a_traceparent_is_kept_where_it_is_text_of_a_length_that_is_known() {
    let longest = "0".repeat(TRACEPARENT_BYTES_MAX);
    assert_eq!(traceparent(longest.as_bytes()), longest);
    assert_eq!(traceparent(format!("{longest}0").as_bytes()), "");
    assert_eq!(traceparent(&[0xff, 0xfe]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_server_takes_a_command_and_the_owner_decides_it() {
    let cluster = Cluster::of(&["one", "two"]).await;
    cluster.give_to(1).await;
    let created = ask(&cluster.servers[0], create_ledger()).await;
    assert_eq!(created.name, "ledgers/bank");
    assert!(created.request_id.starts_with("fresh-"), "so that it can be sent again");
    let again = ask(&cluster.servers[1], create_ledger()).await;
    let Some(Outcome::Refusal(refusal)) = again.outcome else { panic!("{again:?}") };
    assert_eq!(refusal.reason, "LEDGER_EXISTS");
    for command in bank() {
        position(&ask(&cluster.servers[0], command).await);
    }
    let first = position(&ask(&cluster.servers[0], post("t-1")).await);
    assert_eq!(position(&ask(&cluster.servers[1], post("t-1")).await), first);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_on_is_not_sent_on_again() {
    let cluster = Cluster::of(&["one", "two"]).await;
    cluster.give_to(1).await;
    let forwarded = Arrival { origin: Origin::Server, ..Arrival::default() };
    let result = cluster.servers[0].router.execute(create_ledger(), forwarded).await;
    assert_eq!(reason(&result), reason::NOT_OWNER);
    cluster.stop().await;
}

/// A step of a send, as one server takes it where another one writes.
fn step() -> v1::Command {
    let step = v1::SettleStep { source: "ledgers/bank/transfers/s-1".into(), refusal: None };
    let step = v1::SagaStep { step: Some(v1::saga_step::Step::Settle(step)) };
    v1::Command { request: Some(Request::SagaStep(step)) }
}

/// A header is no proof: only a server that was told the token takes a step.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_send_is_taken_from_a_server_and_from_nobody_else() {
    let cluster = Cluster::of(&["one", "two"]).await;
    cluster.give_to(1).await;
    position(&ask(&cluster.servers[0], create_ledger()).await);
    let channel = Endpoint::from_shared(format!("http://{}", cluster.servers[1].address)).unwrap();
    let mut client = LedgerCommandServiceClient::new(channel.connect().await.unwrap());
    for header in [None, Some("1"), Some("token-of-one"), Some("token-of-tw"), Some("")] {
        let mut request = tonic::Request::new(step());
        if let Some(header) = header {
            request.metadata_mut().insert(FORWARDED, header.parse().unwrap());
        }
        let result = client.execute(request).await.unwrap().into_inner();
        let Some(Outcome::Refusal(refusal)) = result.outcome else { panic!("{header:?}") };
        assert_eq!((refusal.reason.as_str(), refusal.position.as_str()), ("MALFORMED", ""));
    }
    // Of this server's own driver, over the other one's service.
    let driver = Arrival { origin: Origin::Driver, ..Arrival::default() };
    let result = cluster.servers[0].router.execute(step(), driver).await;
    let Some(Outcome::Refusal(refusal)) = result.outcome else { panic!("decided there") };
    assert_eq!(refusal.reason, "HOLD_NOT_OPEN");
    assert!(!refusal.position.is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_owner_nothing_is_recorded_and_says_so_in_time() {
    let cluster = Cluster::of(&["one"]).await;
    let briefly = Arrival { at_most: Duration::from_millis(80), ..Arrival::default() };
    let result = cluster.servers[0].router.execute(create_ledger(), briefly).await;
    assert_eq!(reason(&result), reason::NOT_RECORDED);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a client beside the test")]
async fn a_command_waits_for_the_owner_that_comes_after_one_that_is_gone() {
    let cluster = Cluster::of(&["one", "two"]).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    cluster.tell(Some(&Owner {
        server: "gone".into(),
        address: gone.to_string(),
        term: 0,
        token: String::new(),
    }));
    let router = cluster.servers[0].router.clone();
    let asked =
        tokio::spawn(async move { router.execute(create_ledger(), Arrival::default()).await });
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert!(!asked.is_finished(), "it is not answered that nobody is there");
    cluster.give_to(1).await;
    assert_eq!(asked.await.unwrap().name, "ledgers/bank");
    cluster.stop().await;
}

/// Nobody knows what became of it where it went first: that it was not recorded the second time says little.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a server that breaks off, beside the test")]
async fn what_was_sent_and_then_not_recorded_elsewhere_is_in_doubt() {
    let cluster = Cluster::of(&["one", "two"]).await;
    let breaking = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = breaking.local_addr().unwrap().to_string();
    let (came, mut comes) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = breaking.accept().await {
            let mut greeting = [0; 24];
            let _ = tokio::io::AsyncReadExt::read(&mut client, &mut greeting).await;
            let _ = came.send(()).await;
        }
    });
    cluster.give_to(1).await;
    let two = cluster.servers[1].handle.clone();
    run_blocking(move || two.stop().unwrap()).await;
    cluster.tell(Some(&Owner { server: "breaks".into(), address, term: 0, token: String::new() }));
    let router = cluster.servers[0].router.clone();
    let asked =
        tokio::spawn(async move { router.execute(create_ledger(), Arrival::default()).await });
    comes.recv().await.unwrap();
    let Server { name, address, .. } = &cluster.servers[1];
    let closed =
        Owner { server: (*name).into(), address: address.clone(), term: 0, token: String::new() };
    cluster.tell(Some(&closed));
    let direct = cluster.servers[1].router.execute(create_ledger(), Arrival::default()).await;
    assert_eq!(reason(&direct), reason::NOT_RECORDED, "by itself: {direct:?}");
    let result = asked.await.unwrap();
    assert_eq!(reason(&result), reason::OUTCOME_UNKNOWN);
    let Some(Outcome::Failure(failure)) = &result.outcome else { panic!("{result:?}") };
    assert!(!failure.message.contains("not recorded"), "it may be: {}", failure.message);
    cluster.stop().await;
}

/// Back and forth under load of clients at both servers: no request fails, and each is recorded once.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "clients beside the test")]
async fn a_planned_handover_fails_no_request() {
    let cluster = Cluster::of(&["one", "two"]).await;
    cluster.give_to(0).await;
    position(&ask(&cluster.servers[0], create_ledger()).await);
    for command in bank() {
        position(&ask(&cluster.servers[1], command).await);
    }
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (router, stop) = (cluster.servers[client % 2].router.clone(), stop.clone());
        clients.spawn(async move {
            let mut positions = Vec::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let command = post(&format!("c{client}-{number}"));
                positions.push(position(&router.execute(command, Arrival::default()).await));
            }
            positions
        });
    }
    for round in 1..=20 {
        let from = &cluster.servers[(round + 1) % 2];
        let all: Vec<u32> = (0..PARTITIONS).collect();
        from.handle.revoke(&all).await;
        cluster.give_to(round % 2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let all: Vec<String> = clients.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert!(all.len() > 40, "the load was real: {}", all.len());
    assert_eq!(distinct.len(), all.len(), "each is recorded once, at its own place");
    cluster.stop().await;
}

/// A server that is losing its partition with the command in flight.
struct Doubtful;

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

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a client beside the test")]
async fn what_is_in_doubt_at_one_owner_is_asked_of_the_next() {
    let cluster = Cluster::of(&["one", "two"]).await;
    let mut services = tonic::transport::Server::builder();
    let address = serve(services.add_service(LedgerCommandServiceServer::new(Doubtful))).await;
    cluster.tell(Some(&Owner {
        server: "doubtful".into(),
        address,
        term: 0,
        token: String::new(),
    }));
    let router = cluster.servers[0].router.clone();
    let asked =
        tokio::spawn(async move { router.execute(create_ledger(), Arrival::default()).await });
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert!(!asked.is_finished(), "that nobody knows is not the last word");
    cluster.give_to(1).await;
    position(&asked.await.unwrap());
    cluster.stop().await;
}
