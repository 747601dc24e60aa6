//! Every command in a file of its own; here is only who runs what.

mod account;
mod alert;
mod asset;
mod audit;
mod balance;
mod books;
mod customer;
mod hold;
mod import;
mod journal;
mod ledger;
mod load;
mod log;
mod metadata;
mod pages;
mod saga;
mod schedule;
mod statement;
mod topology;
mod transfer;

use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use uuid::Uuid;

use crate::args::Cli;
use crate::client::Client;
use crate::output::Output;
use crate::sim::{self, SimArgs};
use crate::up::{self, UpArgs};

/// What can be asked of `ledger`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: commands, views, queries and audits in one process
    Up(UpArgs),
    /// Create and read ledgers
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Close the books of a ledger up to an instant, and open them again
    #[command(subcommand)]
    Books(books::BooksCommand),
    /// Create and list the assets of a ledger
    #[command(subcommand)]
    Asset(asset::AssetCommand),
    /// Open and read accounts
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Register, update, erase and read customers: accounts with a person behind them
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Note what ledgers, accounts and transfers are, by key, and see what became of it
    #[command(subcommand)]
    Metadata(metadata::MetadataCommand),
    /// Post and read transfers
    #[command(subcommand)]
    Transfer(transfer::TransferCommand),
    /// List the holds of which something is left
    #[command(subcommand)]
    Hold(hold::HoldCommand),
    /// Make, end and read schedules: transfers that post themselves, once or again and again
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Set, remove and read balance alerts: rules that say when a balance crosses an amount
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    /// Record, reverse and read journal entries: transfers that are accepted together or not at all
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Send money from one ledger to another, and see what has become of it
    #[command(subcommand)]
    Saga(saga::SagaCommand),
    /// Show the balances of an account, now or as of any past position or instant
    Balance(balance::BalanceArgs),
    /// Show the entries of an account, newest first, each with the balance after it
    Statement(statement::StatementArgs),
    /// Import transfers from a file
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Replay the log and compare
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Move a log between a folder and a Kafka cluster
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Show which server writes which partition, and how far behind every server is
    Topology(topology::TopologyArgs),
    /// Measure: post many transfers and report rate and latency
    Load(load::LoadArgs),
    /// Simulate the services with crashes and restarts, from one seed
    Sim(SimArgs),
}

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Clean,
    /// It ran to its end and found what a person should look at.
    Findings,
}

/// What every client command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: String,
    pub(crate) timeout: Duration,
    pub(crate) output: Output,
}

impl Context {
    /// A connection of its own to the server.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(&self.server, self.timeout).await
    }
}

/// Runs what was typed; answers go to `sink`.
pub(crate) async fn run(cli: Cli, sink: Box<dyn Write>) -> anyhow::Result<Outcome> {
    let timeout = cli.timeout();
    let context = Context { server: cli.server, timeout, output: Output::new(cli.json, sink) };
    match cli.command {
        Command::Up(args) => Box::pin(up::run(args)).await?,
        Command::Sim(args) => {
            let summary = sim::run(&args)?;
            context.output.value(&serde_json::json!(summary.counts), || summary.to_string())?;
        }
        Command::Ledger(command) => ledger::run(&context, command).await?,
        Command::Books(command) => books::run(&context, command).await?,
        Command::Asset(command) => asset::run(&context, command).await?,
        Command::Account(command) => account::run(&context, command).await?,
        Command::Customer(command) => customer::run(&context, command).await?,
        Command::Metadata(command) => metadata::run(&context, command).await?,
        Command::Transfer(command) => transfer::run(&context, command).await?,
        Command::Hold(command) => hold::run(&context, command).await?,
        Command::Schedule(command) => schedule::run(&context, command).await?,
        Command::Alert(command) => alert::run(&context, command).await?,
        Command::Journal(command) => journal::run(&context, command).await?,
        Command::Saga(command) => saga::run(&context, command).await?,
        Command::Balance(args) => balance::run(&context, args).await?,
        Command::Statement(args) => statement::run(&context, args).await?,
        Command::Import(command) => return Box::pin(import::run(&context, command)).await,
        Command::Audit(command) => return Box::pin(audit::run(&context, command)).await,
        Command::Log(command) => log::run(&context, command).await?,
        Command::Topology(args) => topology::run(&context, args).await?,
        Command::Load(args) => Box::pin(load::run(&context, args)).await?,
    }
    Ok(Outcome::Clean)
}

/// A fresh time-ordered id (UUIDv7): for requests, and for transfers that were given none.
pub(crate) fn fresh_id() -> String {
    Uuid::now_v7().to_string()
}
