//! `ledger ledger create | get | list`.

use clap::Subcommand;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;

use super::metadata::texts;
use super::{Context, fresh_id, pages};
use crate::args::ConsistencyArgs;
use crate::args::metadata::{Entry, entries};
use crate::output::{acknowledged, left, read_at, table, time};

/// Commands on ledgers.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Create a ledger: a named book, totally ordered on one partition
    Create {
        /// Its name: 1-64 of [A-Za-z0-9_.-]
        name: String,
        /// What is noted of it, such as region=eu; may be repeated
        #[arg(long, value_name = "KEY=VALUE")]
        metadata: Vec<Entry>,
    },
    /// Show one ledger
    Get {
        /// Its name
        name: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List all ledgers
    List,
}

pub(super) async fn run(context: &Context, command: LedgerCommand) -> anyhow::Result<()> {
    match command {
        LedgerCommand::Create { name, metadata } => create(context, name, metadata).await,
        LedgerCommand::Get { name, consistency } => get(context, &name, &consistency).await,
        LedgerCommand::List => list(context).await,
    }
}

async fn create(context: &Context, name: String, metadata: Vec<Entry>) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::CreateLedgerRequest {
        ledger_id: name,
        request_id: fresh_id(),
        metadata: entries(metadata),
        ..Default::default()
    };
    let answer = client.commands().create_ledger(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("CreateLedgerResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("created {}: {outcome}\n", response.name)
    })
}

async fn get(context: &Context, name: &str, consistency: &ConsistencyArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request =
        v1::GetLedgerRequest { name: ledger_resource(name), consistency: consistency.to_wire() };
    let answer = client.queries().get_ledger(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("GetLedgerResponse", &response, |response| {
        format!("{}{}", ledgers(response.ledger.as_slice()), read_at(response.read_at.as_ref()))
    })
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let request = v1::ListLedgersRequest { page_size, page_token };
        client.queries().list_ledgers(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListLedgersResponse", &all, |all| {
        let read: String = all.read_at.iter().map(|at| read_at(Some(at))).collect();
        format!("{}{read}", ledgers(&all.ledgers))
    })
}

fn ledgers(ledgers: &[v1::Ledger]) -> String {
    let row = |ledger: &v1::Ledger| {
        let locked = ledger.locked_before.as_ref();
        let noted = texts(&ledger.metadata, &ledger.sealed_metadata);
        vec![ledger.name.clone(), time(locked), ledger.position.clone(), noted]
    };
    let rows: Vec<Vec<String>> = ledgers.iter().map(row).collect();
    table(&["LEDGER", "LOCKED BEFORE", "CREATED AT", "METADATA"].map(left), &rows)
}
