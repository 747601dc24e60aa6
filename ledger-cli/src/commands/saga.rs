//! `ledger saga send | get | list`.

use std::time::Duration;

use anyhow::bail;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use ledger_proto::resource::{account_resource, ledger_resource};
use ledger_proto::v1;
use prost_types::Timestamp;
use tokio::time::{Instant, sleep};

use super::transfer::repeatable;
use super::{Context, fresh_id, pages};
use crate::args::{ConditionArgs, ConsistencyArgs, MetadataArgs, instant};
use crate::client::{self, Client};
use crate::output::{Column, acknowledged, left, read_at, right, table, time, word};

/// How often a saga is looked at while its end is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Commands on money between ledgers.
#[derive(Debug, Subcommand)]
pub(crate) enum SagaCommand {
    /// Send money to an account of another ledger
    Send(Box<SendArgs>),
    /// Show a send, and what the other ledger has made of it
    Get {
        /// Name of the ledger that sent it
        ledger: String,
        /// Id of the send
        id: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List the sends that are open: the other ledger has not answered for them yet
    List {
        /// Name of the ledger that sent them
        ledger: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// Flags of a send.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Name of the ledger that pays
    ledger: String,
    /// Account to debit
    #[arg(long, value_name = "ACCOUNT")]
    debit: String,
    /// Name of the other ledger
    #[arg(long, value_name = "LEDGER")]
    to_ledger: String,
    /// Account to credit there
    #[arg(long, value_name = "ACCOUNT")]
    to_account: String,
    /// Decimal amount, no more digits than the asset's scale
    #[arg(long, value_name = "12.34")]
    amount: String,
    /// Asset code; the other ledger must have it, with the same scale
    #[arg(long, value_name = "CODE")]
    asset: String,
    /// From when on the other ledger refuses it, as RFC 3339 or a date; never when left out
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    deadline: Option<Timestamp>,
    /// Free text, at most 256 bytes, recorded in both ledgers
    #[arg(long, value_name = "TEXT", default_value = "")]
    reference: String,
    /// Its id, unique in the ledger for ever; a fresh UUIDv7 when left out
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    /// Wait until it is done, which is success, or given back, which is failure
    #[arg(long, conflicts_with = "validate_only")]
    wait: bool,
    /// Answer what would happen and write nothing
    #[arg(long)]
    validate_only: bool,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    conditions: ConditionArgs,
}

pub(super) async fn run(context: &Context, command: SagaCommand) -> anyhow::Result<()> {
    match command {
        SagaCommand::Send(args) => send(context, *args).await,
        SagaCommand::Get { ledger, id, consistency } => {
            let client = context.connect().await?;
            let response = get(&client, &saga_name(&ledger, &id), consistency.to_wire()).await?;
            context.output.answer("GetSagaResponse", &response, describe)
        }
        SagaCommand::List { ledger, consistency } => list(context, &ledger, &consistency).await,
    }
}

async fn list(
    context: &Context,
    ledger: &str,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let (parent, consistency) = (ledger_resource(ledger), consistency.to_wire());
        let request = v1::ListSagasRequest { parent, consistency, page_size, page_token };
        client.queries().list_sagas(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListSagasResponse", &all, describe_all)
}

fn saga_name(ledger: &str, id: &str) -> String {
    format!("{}/sagas/{id}", ledger_resource(ledger))
}

async fn send(context: &Context, args: SendArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let id = args.id.unwrap_or_else(fresh_id);
    let (metadata, sealed_metadata) = args.metadata.into_wire();
    let request = v1::SendMoneyRequest {
        parent: ledger_resource(&args.ledger),
        send_id: id.clone(),
        debit_account: args.debit,
        destination: account_resource(&args.to_ledger, &args.to_account),
        asset: args.asset,
        amount: args.amount,
        deadline: args.deadline,
        reference: args.reference,
        // The send's own id makes a repeat safe.
        request_id: String::new(),
        validate_only: args.validate_only,
        metadata,
        sealed_metadata,
        conditions: args.conditions.into_wire(),
    };
    let answer = client.commands().send_money(client.request(request)).await;
    let response = answer.map_err(|status| repeatable(&client, status, &id))?.into_inner();
    if !args.wait {
        return context.output.answer("SendMoneyResponse", &response, |response| {
            let outcome = acknowledged(response.acknowledgement.as_ref());
            format!("sent {}: {outcome}\n", response.name)
        });
    }
    let position = response.acknowledgement.map(|of| of.position).unwrap_or_default();
    let ended = end_of(&client, &response.name, position, context.timeout).await?;
    context.output.answer("GetSagaResponse", &ended, describe)?;
    match ended.saga.as_ref().map(v1::Saga::state) {
        Some(v1::SagaState::Done) => Ok(()),
        _ => bail!("the money was given back"),
    }
}

/// The saga, once it has ended.
async fn end_of(
    client: &Client,
    name: &str,
    position: String,
    at_most: Duration,
) -> anyhow::Result<v1::GetSagaResponse> {
    let until = Instant::now() + at_most;
    let level = v1::consistency::Level::AtLeast(position);
    let mut consistency = Some(v1::Consistency { level: Some(level) });
    loop {
        let response = get(client, name, consistency.take()).await?;
        if response.saga.as_ref().is_some_and(|saga| saga.state() != v1::SagaState::Open) {
            return Ok(response);
        }
        if Instant::now() >= until {
            bail!("{name} is still open: ledger saga get says when it has ended");
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn get(
    client: &Client,
    name: &str,
    consistency: Option<v1::Consistency>,
) -> anyhow::Result<v1::GetSagaResponse> {
    let request = v1::GetSagaRequest { name: name.to_owned(), consistency };
    let answer = client.queries().get_saga(client.request(request)).await;
    Ok(answer.map_err(|status| client.explain(status))?.into_inner())
}

fn describe_all(response: &v1::ListSagasResponse) -> String {
    let columns = [
        left("SAGA"),
        left("DEBIT"),
        left("TO"),
        right("AMOUNT"),
        left("ASSET"),
        left("DEADLINE"),
        left("SENT AT"),
        left("RECORDED"),
    ];
    let row = |saga: &v1::Saga| {
        let send = saga.send.clone().unwrap_or_default();
        vec![
            send.transfer_id,
            send.debit_account,
            send.destination,
            send.amount,
            send.asset,
            time(send.deadline.as_ref()),
            saga.position.clone(),
            time(saga.started_at.as_ref()),
        ]
    };
    let rows: Vec<Vec<String>> = response.sagas.iter().map(row).collect();
    format!("{}{}", table(&columns, &rows), read_at(response.read_at.as_ref()))
}

fn describe(response: &v1::GetSagaResponse) -> String {
    let saga = response.saga.clone().unwrap_or_default();
    let state = word(saga.state().as_str_name(), "SAGA_STATE_");
    let send = saga.send.unwrap_or_default();
    let cells = [
        (left("SAGA"), Some(send.transfer_id)),
        (left("STATE"), Some(state)),
        (left("DEBIT"), Some(send.debit_account)),
        (left("TO"), Some(send.destination)),
        (right("AMOUNT"), Some(send.amount)),
        (left("ASSET"), Some(send.asset)),
        (left("DEADLINE"), send.deadline.map(|at| at.to_string())),
        (left("REFERENCE"), Some(send.reference)),
    ];
    let (columns, row): (Vec<Column>, Vec<String>) =
        cells.into_iter().filter_map(|(column, cell)| Some((column, cell?))).unzip();
    let started =
        format!("sent at {}, recorded {}\n", saga.position, time(saga.started_at.as_ref()));
    let settled = match saga.settled_position.as_str() {
        "" => String::new(),
        position => format!("settled at {position}, recorded {}\n", time(saga.settled_at.as_ref())),
    };
    let refused =
        saga.refusal.as_ref().map(|it| format!("refused there: {}\n", client::refused(it)));
    let refused = refused.unwrap_or_default();
    let read_at = read_at(response.read_at.as_ref());
    format!("{}{started}{settled}{refused}{read_at}", table(&columns, &[row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_says_how_it_ended() {
        let send = v1::Transfer {
            transfer_id: "s-1".to_owned(),
            debit_account: "alice".to_owned(),
            destination: "ledgers/market/accounts/bob".to_owned(),
            amount: "7.00".to_owned(),
            asset: "USD".to_owned(),
            ..Default::default()
        };
        let saga = v1::Saga {
            state: v1::SagaState::Compensated.into(),
            send: Some(send),
            position: "0@7.1".to_owned(),
            settled_position: "0@9".to_owned(),
            refusal: Some(v1::Refusal {
                reason: "ACCOUNT_FROZEN".to_owned(),
                message: "the account is frozen: bob".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let response = v1::GetSagaResponse { saga: Some(saga), ..Default::default() };
        let text = describe(&response);
        let expected = "\
SAGA  STATE        DEBIT  TO                           AMOUNT  ASSET  REFERENCE
s-1   compensated  alice  ledgers/market/accounts/bob    7.00  USD
sent at 0@7.1, recorded -
settled at 0@9, recorded -
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("refused there: ACCOUNT_FROZEN"), "{text}");
        let sagas = response.saga.into_iter().collect();
        let expected = "\
SAGA  DEBIT  TO                           AMOUNT  ASSET  DEADLINE  SENT AT  RECORDED
s-1   alice  ledgers/market/accounts/bob    7.00  USD    -         0@7.1    -
";
        assert_eq!(describe_all(&v1::ListSagasResponse { sagas, ..Default::default() }), expected);
    }
}
