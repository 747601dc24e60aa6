//! `ledger transfer post | hold | capture | void | reverse | get`.

use anyhow::anyhow;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use ledger_proto::answer::refusal_of;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use prost_types::Timestamp;
use tonic::Status;

use super::metadata::texts;
use super::{Context, fresh_id};
use crate::args::{ConditionArgs, ConsistencyArgs, MetadataArgs, instant};
use crate::client::{self, Client};
use crate::output::{Column, acknowledged, left, read_at, right, table, time, word};

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
        #[arg(long, value_name = "12.34", value_parser = NonEmptyStringValueParser::new())]
        amount: Option<String>,
    },
    /// Give back all that is left of a hold
    Void(HoldArgs),
    /// Post back what a post or a capture posted: a part of it, or all that is not reversed yet
    Reverse {
        /// Name of the ledger
        ledger: String,
        /// Id of the transfer to reverse
        reversed_id: String,
        /// How much of it; all that is left when left out
        #[arg(long, value_name = "12.34", value_parser = NonEmptyStringValueParser::new())]
        amount: Option<String>,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Show one transfer, accepted or refused, and what became of it
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
    /// Move less where the rules of the accounts allow no more, but not nothing; `transfer get` says what
    /// it came to
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
pub(crate) struct CommonArgs {
    /// Its id, unique in the ledger for ever; a fresh UUIDv7 when left out
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    #[command(flatten)]
    posting: PostingArgs,
}

/// Flags of whatever posts, whichever id it has.
#[derive(Debug, Args)]
pub(super) struct PostingArgs {
    /// Free text, at most 256 bytes
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reference: String,
    /// When it took effect, if that is not now: an RFC 3339 instant or a date
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) effective_time: Option<Timestamp>,
    /// Answer what would happen and write nothing
    #[arg(long)]
    pub(super) validate_only: bool,
    #[command(flatten)]
    pub(super) metadata: MetadataArgs,
    #[command(flatten)]
    pub(super) conditions: ConditionArgs,
}

pub(super) async fn run(context: &Context, command: TransferCommand) -> anyhow::Result<()> {
    use v1::TransferKind::{Capture, Hold, Post, Reversal, Void};
    match command {
        TransferCommand::Post(leg) => leg.send(context, Post, None).await,
        TransferCommand::Hold { leg, expire_time } => leg.send(context, Hold, expire_time).await,
        TransferCommand::Capture { hold, amount } => {
            hold.send(context, Capture, amount.unwrap_or_default()).await
        }
        TransferCommand::Void(hold) => hold.send(context, Void, String::new()).await,
        TransferCommand::Reverse { ledger, reversed_id, amount, common } => {
            let amount = amount.unwrap_or_default();
            let transfer =
                v1::Transfer { kind: Reversal.into(), reversed_id, amount, ..Default::default() };
            common.send(context, &ledger, transfer).await
        }
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
        let PostingArgs { reference, effective_time, validate_only, metadata, conditions } =
            self.posting;
        let (transfer_id, (metadata, sealed_metadata)) = (id.clone(), metadata.into_wire());
        let transfer = v1::Transfer {
            transfer_id,
            reference,
            effective_time,
            metadata,
            sealed_metadata,
            ..transfer
        };
        let done = done(transfer.kind());
        // The transfer's own id makes a repeat safe; a request id would add nothing.
        let request = v1::PostTransferRequest {
            parent: ledger_resource(ledger),
            transfer: Some(transfer),
            request_id: String::new(),
            validate_only,
            conditions: conditions.into_wire(),
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
        v1::TransferKind::Reversal => "reversed",
        v1::TransferKind::Send => "sent",
        v1::TransferKind::Receive => "received",
    }
}

/// What a failed post means. Where the server did not decide it, whoever repeats it needs its id: with a
/// fresh one it might be posted twice.
pub(super) fn repeatable(client: &Client, status: Status, id: &str) -> anyhow::Error {
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
    let kind = transfer.kind();
    let up_to = match transfer.asked_amount {
        // A refused one came to nothing.
        asked if asked.is_empty() => transfer.amount.clone(),
        asked => asked,
    };
    let cells = [
        (left("TRANSFER"), Some(transfer.transfer_id)),
        (left("KIND"), Some(word(kind.as_str_name(), "TRANSFER_KIND_"))),
        (left("HOLD"), Some(transfer.hold_id).filter(|hold| !hold.is_empty())),
        (left("REVERSES"), Some(transfer.reversed_id).filter(|of| !of.is_empty())),
        (left("ENTRY"), Some(transfer.entry_id).filter(|entry| !entry.is_empty())),
        (left("FROM"), Some(transfer.source).filter(|source| !source.is_empty())),
        (left("TO"), Some(transfer.destination).filter(|to| !to.is_empty())),
        (left("DEBIT"), Some(transfer.debit_account)),
        (left("CREDIT"), Some(transfer.credit_account)),
        (right("AMOUNT"), Some(transfer.amount)),
        (right("UP TO"), transfer.up_to.then_some(up_to)),
        (left("ASSET"), Some(transfer.asset)),
        (left("EXPIRES"), transfer.expire_time.map(|at| at.to_string())),
        (left("DEADLINE"), transfer.deadline.map(|at| at.to_string())),
        (left("EFFECTIVE"), Some(time(transfer.effective_time.as_ref()))),
        (left("REFERENCE"), Some(transfer.reference)),
        (
            left("METADATA"),
            Some(texts(&transfer.metadata, &transfer.sealed_metadata))
                .filter(|texts| !texts.is_empty()),
        ),
    ];
    let (columns, row): (Vec<Column>, Vec<String>) =
        cells.into_iter().filter_map(|(column, cell)| Some((column, cell?))).unzip();
    let recorded = time(response.recorded_at.as_ref());
    let outcome = match &response.refusal {
        None => format!("{} at {}, recorded {recorded}\n", done(kind), response.position),
        Some(refusal) => format!("refused, recorded {recorded}: {}\n", client::refused(refusal)),
    };
    let hold = response.hold.as_ref().map(hold_state).unwrap_or_default();
    let reversal = response.reversal.as_ref().map(reversal_state).unwrap_or_default();
    let read_at = read_at(response.read_at.as_ref());
    format!("{}{outcome}{hold}{reversal}{read_at}", table(&columns, &[row]))
}

/// The line about what became of a hold.
fn hold_state(hold: &v1::HoldState) -> String {
    let status = word(hold.status().as_str_name(), "HOLD_STATUS_");
    let v1::HoldState { captured, remaining, released, position, .. } = hold;
    format!(
        "hold {status}: captured {captured}, remaining {remaining}, released {released}; changed last at \
         {position}\n"
    )
}

/// The line about how much was posted back.
fn reversal_state(reversal: &v1::ReversalState) -> String {
    let v1::ReversalState { reversed, remaining, reversal_ids, position } = reversal;
    let by = reversal_ids.join(", ");
    format!("reversed {reversed}, remaining {remaining}; by {by}, changed last at {position}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_transfer_says_why() {
        let refusal = v1::Refusal {
            reason: "INSUFFICIENT_FUNDS".to_owned(),
            message: "the account may not go so low: alice".to_owned(),
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

    #[test]
    fn a_hold_says_what_became_of_it() {
        let transfer = v1::Transfer {
            transfer_id: "h-1".to_owned(),
            debit_account: "alice".to_owned(),
            credit_account: "shop".to_owned(),
            asset: "USD".to_owned(),
            amount: "7.00".to_owned(),
            kind: v1::TransferKind::Hold.into(),
            expire_time: Some(Timestamp { seconds: 86_400, nanos: 0 }),
            up_to: true,
            asked_amount: "9.00".to_owned(),
            ..Default::default()
        };
        let hold = v1::HoldState {
            status: v1::HoldStatus::Open.into(),
            captured: "2.50".to_owned(),
            remaining: "4.50".to_owned(),
            released: "0.00".to_owned(),
            position: "0@9".to_owned(),
        };
        let response = v1::GetTransferResponse {
            transfer: Some(transfer),
            position: "0@7.1".to_owned(),
            hold: Some(hold),
            ..Default::default()
        };
        let expected = "\
TRANSFER  KIND  DEBIT  CREDIT  AMOUNT  UP TO  ASSET  EXPIRES               EFFECTIVE  REFERENCE
h-1       hold  alice  shop      7.00   9.00  USD    1970-01-02T00:00:00Z  -
held at 0@7.1, recorded -
hold open: captured 2.50, remaining 4.50, released 0.00; changed last at 0@9
";
        assert_eq!(describe(&response), expected);
        let capture = v1::Transfer {
            transfer_id: "c-1".to_owned(),
            kind: v1::TransferKind::Capture.into(),
            hold_id: "h-1".to_owned(),
            amount: "2.50".to_owned(),
            ..Default::default()
        };
        let response = v1::GetTransferResponse { transfer: Some(capture), hold: None, ..response };
        let text = describe(&response);
        assert!(text.contains("captured at 0@7.1") && text.contains("h-1"), "{text}");
    }

    #[test]
    fn a_reversal_and_what_it_reverses_name_each_other() {
        let state = v1::ReversalState {
            reversed: "3.00".to_owned(),
            remaining: "1.00".to_owned(),
            reversal_ids: vec!["r-2".to_owned(), "r-1".to_owned()],
            position: "0@9".to_owned(),
        };
        let transfer = v1::Transfer { transfer_id: "t-1".to_owned(), ..Default::default() };
        let response = v1::GetTransferResponse {
            transfer: Some(transfer.clone()),
            reversal: Some(state),
            ..Default::default()
        };
        let text = describe(&response);
        let line = "reversed 3.00, remaining 1.00; by r-2, r-1, changed last at 0@9\n";
        assert!(text.contains(line), "{text}");
        let reversal = v1::Transfer {
            kind: v1::TransferKind::Reversal.into(),
            reversed_id: "t-9".to_owned(),
            entry_id: "e-1".to_owned(),
            ..transfer
        };
        let response = v1::GetTransferResponse { transfer: Some(reversal), ..Default::default() };
        let text = describe(&response);
        assert!(text.contains("REVERSES  ENTRY") && text.contains("t-9       e-1"), "{text}");
    }
}
