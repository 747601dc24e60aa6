//! `ledger journal post | reverse | get`.

use anyhow::{Context as _, anyhow, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use ledger_proto::v1::transfer_result::Outcome;

use super::transfer::{PostingArgs, repeatable};
use super::{Context, fresh_id};
use crate::args::ConsistencyArgs;
use crate::client::{self, Client};
use crate::output::{acknowledged, left, read_at, right, table, time, word};

/// Commands on journal entries.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Post transfers as one entry: all are accepted, or none is
    Post {
        /// Name of the ledger
        ledger: String,
        /// One transfer: "DEBIT CREDIT AMOUNT ASSET"; once for each
        #[arg(long = "transfer", required = true, value_name = "TRANSFER", value_parser = leg)]
        transfers: Vec<v1::Transfer>,
        #[command(flatten)]
        common: EntryArgs,
    },
    /// Reverse all that is left of every transfer of an entry, by an entry
    Reverse {
        /// Name of the ledger
        ledger: String,
        /// Id of the entry to reverse
        reversed_id: String,
        #[command(flatten)]
        common: EntryArgs,
    },
    /// Show the transfers of an entry, and what became of them
    Get {
        /// Name of the ledger
        ledger: String,
        /// Id of the entry
        id: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// Flags of an entry that is recorded.
#[derive(Debug, Args)]
pub(crate) struct EntryArgs {
    /// Its id, unique in the ledger for ever, of which its transfers have theirs: ID.1, ID.2 and so on; a
    /// fresh UUIDv7 when left out
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    #[command(flatten)]
    posting: PostingArgs,
}

fn leg(text: &str) -> Result<v1::Transfer, String> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [debit, credit, amount, asset] => Ok(v1::Transfer {
            debit_account: debit.to_owned(),
            credit_account: credit.to_owned(),
            amount: amount.to_owned(),
            asset: asset.to_owned(),
            ..Default::default()
        }),
        _ => Err("not of the form \"DEBIT CREDIT AMOUNT ASSET\"".to_owned()),
    }
}

pub(super) async fn run(context: &Context, command: JournalCommand) -> anyhow::Result<()> {
    let client = context.connect().await?;
    match command {
        JournalCommand::Post { ledger, transfers, common } => {
            common.record(context, &client, &ledger, transfers).await
        }
        JournalCommand::Reverse { ledger, reversed_id, common } => {
            let entry = read(&client, &ledger, &reversed_id, &ConsistencyArgs::default()).await?;
            let reversals = reversals(entry)?;
            common.record(context, &client, &ledger, reversals).await
        }
        JournalCommand::Get { ledger, id, consistency } => {
            let entry = read(&client, &ledger, &id, &consistency).await?;
            context.output.answer("GetJournalEntryResponse", &entry, describe)
        }
    }
}

async fn read(
    client: &Client,
    ledger: &str,
    id: &str,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<v1::GetJournalEntryResponse> {
    let name = format!("{}/journalEntries/{id}", ledger_resource(ledger));
    let request = v1::GetJournalEntryRequest { name, consistency: consistency.to_wire() };
    let answer = client.queries().get_journal_entry(client.request(request)).await;
    Ok(answer.map_err(|status| client.explain(status))?.into_inner())
}

/// The last that was posted is the first that is posted back, so that no balance lacks on the way.
fn reversals(entry: v1::GetJournalEntryResponse) -> anyhow::Result<Vec<v1::Transfer>> {
    let zero = |amount: &str| amount.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let is_left = |it: &v1::JournalTransfer| {
        it.reversal.as_ref().is_none_or(|reversal| !zero(&reversal.remaining))
    };
    let left: Vec<_> = entry.transfers.into_iter().rev().filter(is_left).collect();
    if left.is_empty() {
        bail!("every transfer of {} is reversed already", entry.name);
    }
    let reversal = |it: v1::JournalTransfer| v1::Transfer {
        kind: v1::TransferKind::Reversal.into(),
        reversed_id: it.transfer.unwrap_or_default().transfer_id,
        ..Default::default()
    };
    Ok(left.into_iter().map(reversal).collect())
}

impl EntryArgs {
    async fn record(
        self,
        context: &Context,
        client: &Client,
        ledger: &str,
        transfers: Vec<v1::Transfer>,
    ) -> anyhow::Result<()> {
        let id = self.id.unwrap_or_else(fresh_id);
        let PostingArgs { reference, effective_time, validate_only, metadata, conditions } =
            self.posting;
        let (metadata, sealed_metadata) = metadata.into_wire();
        let transfers = (1..).zip(transfers).map(|(number, transfer)| v1::Transfer {
            transfer_id: format!("{id}.{number}"),
            reference: reference.clone(),
            metadata: metadata.clone(),
            sealed_metadata: sealed_metadata.clone(),
            effective_time,
            entry_id: id.clone(),
            ..transfer
        });
        let request = v1::PostTransfersRequest {
            parent: ledger_resource(ledger),
            transfers: transfers.collect(),
            request_id: String::new(),
            validate_only,
            conditions: conditions.into_wire(),
        };
        let answer = client.commands().post_transfers(client.request(request)).await;
        let response = answer.map_err(|status| repeatable(client, status, &id))?.into_inner();
        refused(&response)?;
        context.output.answer("PostTransfersResponse", &response, |response| {
            let first = response.results.first().and_then(|result| result.outcome.as_ref());
            let outcome = match first {
                Some(Outcome::Acknowledgement(first)) => acknowledged(Some(first)),
                Some(Outcome::Refusal(_)) | None => acknowledged(None),
            };
            let count = response.results.len();
            format!("recorded journal entry {id} of {count} transfers: {outcome}\n")
        })
    }
}

/// The refusal that made the entry fail: not that of those which failed with it.
fn refused(response: &v1::PostTransfersResponse) -> anyhow::Result<()> {
    let refusals = response.results.iter().enumerate().filter_map(|(at, result)| {
        match result.outcome.as_ref()? {
            Outcome::Refusal(refusal) => Some((at + 1, refusal)),
            Outcome::Acknowledgement(_) => None,
        }
    });
    let refusals: Vec<_> = refusals.collect();
    let own = refusals.iter().find(|(_, refusal)| refusal.reason != "LINKED_FAILED");
    match own.or(refusals.first()) {
        None => Ok(()),
        Some((number, refusal)) => Err(anyhow!(client::refused(refusal)))
            .with_context(|| format!("transfer {number} of the entry")),
    }
}

fn describe(response: &v1::GetJournalEntryResponse) -> String {
    let columns = [
        left("TRANSFER"),
        left("KIND"),
        left("DEBIT"),
        left("CREDIT"),
        right("AMOUNT"),
        left("ASSET"),
        right("REVERSED"),
        left("REFERENCE"),
    ];
    let rows = response.transfers.iter().map(|it| {
        let transfer = it.transfer.clone().unwrap_or_default();
        let kind = word(transfer.kind().as_str_name(), "TRANSFER_KIND_");
        let reversed = it.reversal.as_ref().map_or("-", |reversal| &reversal.reversed);
        vec![
            transfer.transfer_id,
            kind,
            transfer.debit_account,
            transfer.credit_account,
            transfer.amount,
            transfer.asset,
            reversed.to_owned(),
            transfer.reference,
        ]
    });
    let rows: Vec<_> = rows.collect();
    let recorded = time(response.recorded_at.as_ref());
    format!(
        "{}recorded at {}, {recorded}\n{}",
        table(&columns, &rows),
        response.position,
        read_at(response.read_at.as_ref())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(id: &str, remaining: Option<&str>) -> v1::JournalTransfer {
        let reversal = remaining.map(|remaining| v1::ReversalState {
            reversed: "1.00".to_owned(),
            remaining: remaining.to_owned(),
            ..Default::default()
        });
        let transfer = v1::Transfer {
            transfer_id: id.to_owned(),
            debit_account: "cash".to_owned(),
            credit_account: "alice".to_owned(),
            amount: "3.00".to_owned(),
            asset: "USD".to_owned(),
            kind: v1::TransferKind::Post.into(),
            ..Default::default()
        };
        v1::JournalTransfer { transfer: Some(transfer), reversal, ..Default::default() }
    }

    fn entry(transfers: Vec<v1::JournalTransfer>) -> v1::GetJournalEntryResponse {
        let (name, position) = ("ledgers/bank/journalEntries/e".to_owned(), "0@7.1".to_owned());
        v1::GetJournalEntryResponse { name, transfers, position, ..Default::default() }
    }

    #[test]
    fn an_entry_is_reversed_from_its_end_as_far_as_anything_is_left() {
        let all =
            vec![transfer("a", None), transfer("b", Some("0.00")), transfer("c", Some("0.10"))];
        let reversals = reversals(entry(all)).unwrap();
        let of: Vec<_> = reversals.iter().map(|it| (it.kind(), it.reversed_id.as_str())).collect();
        let reversal = v1::TransferKind::Reversal;
        assert_eq!(of, [(reversal, "c"), (reversal, "a")]);
        let error = super::reversals(entry(vec![transfer("b", Some("0"))])).unwrap_err();
        assert!(error.to_string().contains("is reversed already"), "{error}");
    }

    #[test]
    fn an_entry_is_shown_as_a_table() {
        let text = describe(&entry(vec![transfer("a", None), transfer("b", Some("2.00"))]));
        let expected = "\
TRANSFER  KIND  DEBIT  CREDIT  AMOUNT  ASSET  REVERSED  REFERENCE
a         post  cash   alice     3.00  USD           -
b         post  cash   alice     3.00  USD        1.00
recorded at 0@7.1, -
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_transfer_has_four_words() {
        assert_eq!(leg("cash  alice 1.00 USD").unwrap().credit_account, "alice");
        for bad in ["", "cash alice 1.00", "cash alice 1.00 USD more"] {
            assert!(leg(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_refusal_of_an_entry_is_that_of_the_transfer_that_failed() {
        let refusal = |reason: &str| {
            let refusal = v1::Refusal { reason: reason.to_owned(), ..Default::default() };
            v1::TransferResult { outcome: Some(Outcome::Refusal(refusal)) }
        };
        let results = vec![refusal("LINKED_FAILED"), refusal("INSUFFICIENT_FUNDS")];
        let response = v1::PostTransfersResponse { results, ..Default::default() };
        let error = format!("{:#}", refused(&response).unwrap_err());
        assert!(error.starts_with("transfer 2 of the entry: INSUFFICIENT_FUNDS"), "{error}");
    }
}
