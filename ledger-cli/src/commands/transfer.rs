//! `ledger transfer post | hold | capture | void | get`.

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
    Post(LegArgs),
    /// Hold an amount, until it is captured, voided or expires
    Hold {
        #[command(flatten)]
        leg: LegArgs,
        /// From when on it cannot be captured and is given back, as RFC 3339 or a date; never when left out
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        expire_time: Option<Timestamp>,
    },
    /// Post what a hold holds: a part of it, or all that is left
    Capture {
        #[command(flatten)]
        hold: HoldArgs,
        /// How much of it; all that is left when left out
        #[arg(long, value_name = "12.34", default_value = "")]
        amount: String,
    },
    /// Give back all that is left of a hold
    Void(HoldArgs),
    /// Show one transfer, accepted or refused, and what became of a hold
    Get {
        /// Name of the ledger
        ledger: String,
        /// Its id
        id: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// Flags of a transfer that names its accounts.
#[derive(Debug, Args)]
pub(crate) struct LegArgs {
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
    /// Move less where the rules of the accounts allow no more, but not nothing
    #[arg(long)]
    up_to: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Flags of a transfer that is about a hold.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Name of the ledger
    ledger: String,
    /// Id of the hold
    hold_id: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Flags of every transfer.
#[derive(Debug, Args)]
struct CommonArgs {
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
    use v1::TransferKind::{Capture, Hold, Post, Void};
    match command {
        TransferCommand::Post(leg) => leg.send(context, Post, None).await,
        TransferCommand::Hold { leg, expire_time } => leg.send(context, Hold, expire_time).await,
        TransferCommand::Capture { hold, amount } => hold.send(context, Capture, amount).await,
        TransferCommand::Void(hold) => hold.send(context, Void, String::new()).await,
        TransferCommand::Get { ledger, id, consistency } => {
            get(context, format!("{}/transfers/{id}", ledger_resource(&ledger)), &consistency).await
        }
    }
}

impl LegArgs {
    async fn send(
        self,
        context: &Context,
        kind: v1::TransferKind,
        expire_time: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let transfer = v1::Transfer {
            kind: kind.into(),
            debit_account: self.debit,
            credit_account: self.credit,
            asset: self.asset,
            amount: self.amount,
            up_to: self.up_to,
            expire_time,
            ..Default::default()
        };
        self.common.send(context, &self.ledger, transfer).await
    }
}

impl HoldArgs {
    async fn send(
        self,
        context: &Context,
        kind: v1::TransferKind,
        amount: String,
    ) -> anyhow::Result<()> {
        let (kind, hold_id) = (kind.into(), self.hold_id);
        let transfer = v1::Transfer { kind, hold_id, amount, ..Default::default() };
        self.common.send(context, &self.ledger, transfer).await
    }
}

impl CommonArgs {
    async fn send(
        self,
        context: &Context,
        ledger: &str,
        transfer: v1::Transfer,
    ) -> anyhow::Result<()> {
        let client = context.connect().await?;
        let id = self.id.unwrap_or_else(fresh_id);
        let transfer = v1::Transfer {
            transfer_id: id.clone(),
            reference: self.reference,
            effective_time: self.effective_time,
            ..transfer
        };
        let done = done(transfer.kind());
        // The transfer's own id makes a repeat safe; a request id would add nothing.
        let request = v1::PostTransferRequest {
            parent: ledger_resource(ledger),
            transfer: Some(transfer),
            request_id: String::new(),
            validate_only: self.validate_only,
        };
        let answer = client.commands().post_transfer(client.request(request)).await;
        let response = answer.map_err(|status| repeatable(&client, status, &id))?.into_inner();
        context.output.answer("PostTransferResponse", &response, |response| {
            let outcome = acknowledged(response.acknowledgement.as_ref());
            format!("{done} {}: {outcome}\n", response.name)
        })
    }
}

/// What was done by a transfer of this kind.
fn done(kind: v1::TransferKind) -> &'static str {
    match kind {
        v1::TransferKind::Unspecified | v1::TransferKind::Post => "posted",
        v1::TransferKind::Hold => "held",
        v1::TransferKind::Capture => "captured",
        v1::TransferKind::Void => "voided",
    }
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
    let done = done(transfer.kind());
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
        None => format!("{done} at {}, recorded {recorded}", response.position),
        Some(refusal) => format!("refused, recorded {recorded}: {}", client::refused(refusal)),
    };
    let hold = response.hold.as_ref().map(hold_state).unwrap_or_default();
    let table = table(&columns, &[row]);
    format!("{table}{outcome}\n{hold}{}", read_at(response.read_at.as_ref()))
}

fn hold_state(hold: &v1::HoldState) -> String {
    let status = match hold.status() {
        v1::HoldStatus::Unspecified => "unknown",
        v1::HoldStatus::Open => "open",
        v1::HoldStatus::Captured => "captured",
        v1::HoldStatus::Voided => "voided",
        v1::HoldStatus::Expired => "expired",
    };
    let v1::HoldState { captured, remaining, released, position, .. } = hold;
    format!(
        "hold {status} since {position}: {captured} captured, {remaining} held, {released} given back\n"
    )
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
        let hold = v1::HoldState {
            status: v1::HoldStatus::Open.into(),
            captured: "3.00".to_owned(),
            remaining: "7.00".to_owned(),
            released: "0.00".to_owned(),
            position: "0@8.0".to_owned(),
        };
        let kind = v1::TransferKind::Hold.into();
        let transfer = Some(v1::Transfer { kind, ..Default::default() });
        let held = describe(&v1::GetTransferResponse { transfer, hold: Some(hold), ..posted });
        assert!(held.contains("held at 0@7.1"), "{held}");
        let said = "hold open since 0@8.0: 3.00 captured, 7.00 held, 0.00 given back";
        assert!(held.contains(said), "{held}");
    }
}
