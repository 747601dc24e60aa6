//! `ledger transfer post | get`.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use ledger_proto::answer::refusal_of;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use prost_types::Timestamp;
use tonic::Status;

use super::{Context, fresh_id};
use crate::args::{ConsistencyArgs, instant};
use crate::client::{self, Client};
use crate::output::{acknowledged, left, read_at, right, table, time};

/// Commands on transfers.
#[derive(Debug, Subcommand)]
pub(crate) enum TransferCommand {
    /// Post one transfer
    Post(PostArgs),
    /// Show one transfer, posted or refused
    Get {
        /// Name of the ledger
        ledger: String,
        /// Its id
        id: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// Flags of `ledger transfer post`.
#[derive(Debug, Args)]
pub(crate) struct PostArgs {
    /// Name of the ledger
    ledger: String,
    /// Account to debit
    #[arg(long, value_name = "ACCOUNT")]
    debit: String,
    /// Account to credit
    #[arg(long, value_name = "ACCOUNT")]
    credit: String,
    /// Decimal amount, no more digits than the asset's scale
    #[arg(long, value_name = "12.34")]
    amount: String,
    /// Asset code
    #[arg(long, value_name = "CODE")]
    asset: String,
    /// Its id, unique in the ledger for ever; a fresh UUIDv7 when left out
    #[arg(long)]
    id: Option<String>,
    /// Free text, at most 256 bytes
    #[arg(long, value_name = "TEXT", default_value = "")]
    reference: String,
    /// When it took effect, if that is not now: an RFC 3339 instant or a date
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    effective_time: Option<Timestamp>,
    /// Answer what would happen and write nothing
    #[arg(long)]
    validate_only: bool,
}

pub(super) async fn run(context: &Context, command: TransferCommand) -> anyhow::Result<()> {
    match command {
        TransferCommand::Post(args) => post(context, args).await,
        TransferCommand::Get { ledger, id, consistency } => {
            get(context, format!("{}/transfers/{id}", ledger_resource(&ledger)), &consistency).await
        }
    }
}

async fn post(context: &Context, args: PostArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let id = args.id.unwrap_or_else(fresh_id);
    let transfer = v1::Transfer {
        transfer_id: id.clone(),
        debit_account: args.debit,
        credit_account: args.credit,
        asset: args.asset,
        amount: args.amount,
        reference: args.reference,
        effective_time: args.effective_time,
    };
    // The transfer's own id makes a repeat safe; a request id would add nothing.
    let request = v1::PostTransferRequest {
        parent: ledger_resource(&args.ledger),
        transfer: Some(transfer),
        request_id: String::new(),
        validate_only: args.validate_only,
    };
    let answer = client.commands().post_transfer(client.request(request)).await;
    let response = answer.map_err(|status| repeatable(&client, status, &id))?.into_inner();
    context.output.answer("PostTransferResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("posted {}: {outcome}\n", response.name)
    })
}

/// What a failed post means. Where the server did not decide it, whoever repeats it needs its id: with a
/// fresh one it might be posted twice.
fn repeatable(client: &Client, status: Status, id: &str) -> anyhow::Error {
    let decided = refusal_of(&status).is_some();
    let error = client.explain(status);
    if decided { error } else { anyhow!("{error:#}; to repeat it safely, add --id {id}") }
}

async fn get(context: &Context, name: String, consistency: &ConsistencyArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::GetTransferRequest { name, consistency: consistency.to_wire() };
    let answer = client.queries().get_transfer(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("GetTransferResponse", &response, describe)
}

fn describe(response: &v1::GetTransferResponse) -> String {
    let transfer = response.transfer.clone().unwrap_or_default();
    let columns = [
        left("TRANSFER"),
        left("DEBIT"),
        left("CREDIT"),
        right("AMOUNT"),
        left("ASSET"),
        left("EFFECTIVE"),
        left("REFERENCE"),
    ];
    let effective = time(transfer.effective_time.as_ref());
    let row = vec![
        transfer.transfer_id,
        transfer.debit_account,
        transfer.credit_account,
        transfer.amount,
        transfer.asset,
        effective,
        transfer.reference,
    ];
    let recorded = time(response.recorded_at.as_ref());
    let outcome = match &response.refusal {
        None => format!("posted at {}, recorded {recorded}", response.position),
        Some(refusal) => format!("refused, recorded {recorded}: {}", client::refused(refusal)),
    };
    format!("{}{outcome}\n{}", table(&columns, &[row]), read_at(response.read_at.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_transfer_says_why() {
        let refusal = v1::Refusal {
            reason: "INSUFFICIENT_FUNDS".to_owned(),
            message: "the account may not go negative: alice".to_owned(),
            position: "0@7.1".to_owned(),
            ..Default::default()
        };
        let response = v1::GetTransferResponse {
            transfer: Some(v1::Transfer { transfer_id: "t-1".to_owned(), ..Default::default() }),
            position: "0@7.1".to_owned(),
            refusal: Some(refusal),
            ..Default::default()
        };
        let text = describe(&response);
        assert!(text.contains("refused, recorded -: INSUFFICIENT_FUNDS"), "{text}");
        let posted = v1::GetTransferResponse { refusal: None, ..response };
        assert!(describe(&posted).contains("posted at 0@7.1"));
    }
}
