//! `ledger metadata update | history`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use ledger_proto::resource::{account_resource, ledger_resource};
use ledger_proto::v1;
use ledger_proto::v1::metadata_entry::{SealedText, Value};

use super::{Context, fresh_id, pages};
use crate::args::metadata::{Entry, SealedEntry, entries, sealed_entries};
use crate::args::{ConditionArgs, ConsistencyArgs};
use crate::output::{acknowledged, left, read_at, table, time};

/// Commands on metadata.
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Set and remove values of a ledger, an account or a transfer, key by key; others stay as they are
    Update {
        #[command(flatten)]
        of: OfArgs,
        /// Set a value, such as tier=gold; may be repeated
        #[arg(long, value_name = "KEY=VALUE", required_unless_present_any = ["remove", "seal"])]
        set: Vec<Entry>,
        /// Set a value and seal it under the key of a customer, such as c-1042/iban=DE02; may be repeated
        #[arg(long, value_name = "CUSTOMER/KEY=VALUE")]
        seal: Vec<SealedEntry>,
        /// Remove a key; may be repeated
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Show what became of the metadata of a ledger, an account or a transfer, newest first
    History {
        #[command(flatten)]
        of: OfArgs,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// Whose metadata.
#[derive(Debug, Args)]
pub(crate) struct OfArgs {
    /// Name of the ledger
    ledger: String,
    /// Name of an account of it; left out, and without --transfer: the ledger itself
    account: Option<String>,
    /// Id of a transfer of it
    #[arg(long, value_name = "ID", conflicts_with = "account")]
    transfer: Option<String>,
}

impl OfArgs {
    fn resource(&self) -> String {
        let ledger = ledger_resource(&self.ledger);
        match (&self.account, &self.transfer) {
            (Some(account), _) => account_resource(&self.ledger, account),
            (None, Some(transfer)) => format!("{ledger}/transfers/{transfer}"),
            (None, None) => ledger,
        }
    }
}

pub(super) async fn run(context: &Context, command: MetadataCommand) -> anyhow::Result<()> {
    match command {
        MetadataCommand::Update { of, set, seal, remove, conditions } => {
            let (set, set_sealed) = (entries(set), sealed_entries(seal));
            let update = v1::UpdateLedgerMetadataRequest {
                name: of.resource(),
                set,
                remove,
                request_id: fresh_id(),
                validate_only: false,
                set_sealed,
                conditions: conditions.into_wire(),
            };
            update_of(context, &of, update).await
        }
        MetadataCommand::History { of, consistency } => {
            history(context, &of.resource(), &consistency).await
        }
    }
}

/// The three requests have the same fields.
async fn update_of(
    context: &Context,
    of: &OfArgs,
    update: v1::UpdateLedgerMetadataRequest,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let said = |name: &str, acknowledgement: &Option<v1::Acknowledgement>| {
        format!("updated metadata of {name}: {}\n", acknowledged(acknowledgement.as_ref()))
    };
    if of.account.is_some() {
        let request = of_account(update);
        let answer = client.commands().update_account_metadata(client.request(request)).await;
        let response = answer.map_err(|status| client.explain(status))?.into_inner();
        context.output.answer("UpdateAccountMetadataResponse", &response, |response| {
            said(&response.name, &response.acknowledgement)
        })
    } else if of.transfer.is_some() {
        let request = of_transfer(update);
        let answer = client.commands().update_transfer_metadata(client.request(request)).await;
        let response = answer.map_err(|status| client.explain(status))?.into_inner();
        context.output.answer("UpdateTransferMetadataResponse", &response, |response| {
            said(&response.name, &response.acknowledgement)
        })
    } else {
        let answer = client.commands().update_ledger_metadata(client.request(update)).await;
        let response = answer.map_err(|status| client.explain(status))?.into_inner();
        context.output.answer("UpdateLedgerMetadataResponse", &response, |response| {
            said(&response.name, &response.acknowledgement)
        })
    }
}

fn of_account(update: v1::UpdateLedgerMetadataRequest) -> v1::UpdateAccountMetadataRequest {
    let v1::UpdateLedgerMetadataRequest { name, set, remove, request_id, .. } = update;
    let v1::UpdateLedgerMetadataRequest { validate_only, set_sealed, conditions, .. } = update;
    v1::UpdateAccountMetadataRequest {
        name,
        set,
        remove,
        request_id,
        validate_only,
        set_sealed,
        conditions,
    }
}

fn of_transfer(update: v1::UpdateLedgerMetadataRequest) -> v1::UpdateTransferMetadataRequest {
    let v1::UpdateLedgerMetadataRequest { name, set, remove, request_id, .. } = update;
    let v1::UpdateLedgerMetadataRequest { validate_only, set_sealed, conditions, .. } = update;
    v1::UpdateTransferMetadataRequest {
        name,
        set,
        remove,
        request_id,
        validate_only,
        set_sealed,
        conditions,
    }
}

async fn history(
    context: &Context,
    parent: &str,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let (parent, consistency) = (parent.to_owned(), consistency.to_wire());
        let request = v1::ListMetadataHistoryRequest { parent, consistency, page_size, page_token };
        client.queries().list_metadata_history(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListMetadataHistoryResponse", &all, |all| {
        format!("{}{}", updates(&all.updates), read_at(all.read_at.as_ref()))
    })
}

/// A row for each change; for an update that changed nothing, one that says so.
fn updates(updates: &[v1::MetadataUpdate]) -> String {
    let mut rows = Vec::new();
    for v1::MetadataUpdate { position, recorded_at, changes } in updates {
        let of = |key: &str, before: &str, after: &str| {
            let at = [position.clone(), time(recorded_at.as_ref())];
            let rest = [key, before, after].map(str::to_owned);
            at.into_iter().chain(rest).collect::<Vec<String>>()
        };
        if changes.is_empty() {
            rows.push(of("-", "-", "-"));
        }
        for v1::MetadataChange { before, after } in changes {
            let key = before.as_ref().or(after.as_ref()).map(|entry| entry.key.as_str());
            let (before, after) = (shown(before.as_ref()), shown(after.as_ref()));
            rows.push(of(key.unwrap_or_default(), &before, &after));
        }
    }
    let head = ["POSITION", "RECORDED AT", "KEY", "BEFORE", "AFTER"];
    table(&head.map(left), &rows)
}

/// The value; "-" where there is none.
fn shown(entry: Option<&v1::MetadataEntry>) -> String {
    match entry.and_then(|entry| entry.value.as_ref()) {
        Some(Value::Plain(text)) => text.escape_debug().to_string(),
        Some(Value::Sealed(SealedText { customer, text: Some(text) })) => {
            format!("{} (sealed for {customer})", text.escape_debug())
        }
        Some(Value::Sealed(SealedText { customer, text: None })) => {
            format!("unreadable (sealed for {customer})")
        }
        None => "-".to_owned(),
    }
}

/// "kyc=2 tier=gold c-1042/iban=DE02"; "c-1042/iban (unreadable)".
pub(super) fn texts(metadata: &BTreeMap<String, String>, sealed: &[v1::SealedMetadata]) -> String {
    let value = |key: &String, value: &String| format!("{key}={}", value.escape_debug());
    let mut texts: Vec<String> = metadata.iter().map(|(key, text)| value(key, text)).collect();
    for v1::SealedMetadata { customer, values, unreadable } in sealed {
        let readable = values.iter().map(|(key, text)| format!("{customer}/{}", value(key, text)));
        texts.extend(readable);
        texts.extend(unreadable.iter().map(|key| format!("{customer}/{key} (unreadable)")));
    }
    texts.join(" ")
}
