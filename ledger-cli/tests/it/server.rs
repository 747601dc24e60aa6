//! A real server of the test's own, and clients of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use ledger_proto::v1::{
    self, ledger_command_service_client::LedgerCommandServiceClient as Commands,
    ledger_query_service_client::LedgerQueryServiceClient as Queries,
};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// The binary under test.
pub(crate) const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");

/// A running `ledger up`; ended with the test.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: String,
    /// What it says on standard error, once it has ended.
    said: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts one on a data folder and waits until it listens.
    pub(crate) fn start(data: &Path) -> Server {
        Server::start_with(data, &[])
    }

    /// Starts one with further flags.
    pub(crate) fn start_with(data: &Path, flags: &[&str]) -> Server {
        Server::try_start(data, flags).unwrap_or_else(|said| panic!("no server: {said}"))
    }

    /// Starts one, or tells what it said on standard error when it ended instead.
    pub(crate) fn try_start(data: &Path, flags: &[&str]) -> Result<Server, String> {
        let mut command = Command::new(LEDGER);
        command.args(["up", "--data"]).arg(data).args(flags);
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut process = command
            .env("LEDGER_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap());
        let said = std::thread::spawn(move || {
            let lines = said.lines().map_while(Result::ok);
            lines.inspect(|line| eprintln!("server: {line}")).collect::<Vec<_>>().join("\n")
        });
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(address) = line.trim().strip_prefix("listening grpc=") {
                let address = address.to_owned();
                return Ok(Server { process, address, said: Some(said) });
            }
        }
        let status = process.wait().unwrap();
        Err(format!("{status}: {}", said.join().unwrap()))
    }

    /// "127.0.0.1:PORT".
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal, such as "STOP".
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// SIGTERM, and waits for the clean end.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        assert!(self.process.wait().unwrap().success(), "a clean stop");
    }

    /// SIGTERM; whether it ended cleanly, and what it said.
    pub(crate) fn terminate(mut self) -> (bool, String) {
        self.signal("TERM");
        let ended = self.process.wait().unwrap();
        assert!(ended.code().is_some(), "it has crashed: {ended}");
        (ended.success(), self.said.take().unwrap().join().unwrap())
    }

    /// Runs a client command against it.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        self.cli_command(args).output().unwrap()
    }

    /// A client command against it, not run yet.
    pub(crate) fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(LEDGER);
        command.env("LEDGER_SERVER", format!("http://{}", self.address)).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// A client with a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        let channel = channel.connect().await.unwrap();
        let limit = 16 << 20;
        Client {
            commands: Commands::new(channel.clone()).max_decoding_message_size(limit),
            queries: Queries::new(channel),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A runtime for one test.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Calls of both services, in short.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) commands: Commands<Channel>,
    pub(crate) queries: Queries<Channel>,
}

impl Client {
    /// A ledger with one asset and accounts that may go negative.
    pub(crate) async fn make_book(
        &self,
        ledger: &str,
        asset: &str,
        scale: u32,
        accounts: &[String],
    ) {
        let mut commands = self.commands.clone();
        let request = v1::CreateLedgerRequest { ledger_id: ledger.into(), ..Default::default() };
        commands.create_ledger(request).await.unwrap();
        let parent = format!("ledgers/{ledger}");
        let request = v1::CreateAssetRequest {
            parent: parent.clone(),
            asset_id: asset.into(),
            scale,
            ..Default::default()
        };
        commands.create_asset(request).await.unwrap();
        for account in accounts {
            let request = v1::OpenAccountRequest {
                parent: parent.clone(),
                account_id: account.clone(),
                r#type: v1::AccountType::Liability.into(),
                rules: Some(v1::AccountRules::without_limits(true)),
                ..Default::default()
            };
            commands.open_account(request).await.unwrap();
        }
    }

    /// Posts a batch.
    pub(crate) async fn post(
        &self,
        ledger: &str,
        transfers: Vec<v1::Transfer>,
    ) -> Result<Vec<v1::TransferResult>, Status> {
        let parent = format!("ledgers/{ledger}");
        let request = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
        Ok(self.commands.clone().post_transfers(request).await?.into_inner().results)
    }

    /// A transfer, if it was posted; reads at least this position.
    pub(crate) async fn transfer(
        &self,
        ledger: &str,
        id: &str,
        at_least: &str,
    ) -> Option<v1::GetTransferResponse> {
        let name = format!("ledgers/{ledger}/transfers/{id}");
        let request = v1::GetTransferRequest { name, consistency: at_least_of(at_least) };
        match self.queries.clone().get_transfer(patient(request)).await {
            Ok(found) => Some(found.into_inner()),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("{id}: {status}"),
        }
    }

    /// The one balance of an account, at least as of a position.
    pub(crate) async fn balance(&self, ledger: &str, account: &str, at_least: &str) -> v1::Balance {
        self.balance_with(ledger, account, at_least_of(at_least)).await.unwrap()
    }

    /// The one balance of an account.
    pub(crate) async fn balance_with(
        &self,
        ledger: &str,
        account: &str,
        consistency: Option<v1::Consistency>,
    ) -> Result<v1::Balance, Status> {
        let name = format!("ledgers/{ledger}/accounts/{account}");
        let request = v1::GetBalanceRequest { name, consistency };
        let answer = self.queries.clone().get_balance(patient(request)).await?.into_inner();
        assert_eq!(answer.balances.len(), 1, "{account} has one asset");
        Ok(answer.balances.into_iter().next().unwrap())
    }
}

/// At least this position.
pub(crate) fn at_least_of(position: &str) -> Option<v1::Consistency> {
    let level = v1::consistency::Level::AtLeast(position.to_owned());
    Some(v1::Consistency { level: Some(level) })
}

/// As of this position.
pub(crate) fn as_of(position: &str) -> Option<v1::Consistency> {
    let when = Some(v1::as_of::When::Position(position.to_owned()));
    let level = v1::consistency::Level::AsOf(v1::AsOf { when });
    Some(v1::Consistency { level: Some(level) })
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(60));
    request
}
