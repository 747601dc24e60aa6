//! `ledger metadata update | history`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use ledger_proto::resource::{account_resource, ledger_resource};
use ledger_proto::v1;
use ledger_proto::v1::metadata_entry::Value;

use super::{Context, PAGE_SIZE, fresh_id};
use crate::args::metadata::{Entry, entries};
use crate::args::{ConditionArgs, ConsistencyArgs};
use crate::output::{acknowledged, left, read_at, table, time};

/// Commands on metadata.
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Set and remove values of a ledger or an account, key by key; others stay as they are
    Update {
        #[command(flatten)]
        of: OfArgs,
        /// Set a value, such as tier=gold; may be repeated
        #[arg(long, value_name = "KEY=VALUE", required_unless_present = "remove")]
        set: Vec<Entry>,
        /// Remove a key; may be repeated
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Show what became of the metadata of a ledger or an account, newest first
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
    /// Name of an account of it; left out: the ledger itself
    account: Option<String>,
}

impl OfArgs {
    fn resource(&self) -> String {
        match &self.account {
            Some(account) => account_resource(&self.ledger, account),
            None => ledger_resource(&self.ledger),
        }
    }
}

pub(super) async fn run(context: &Context, command: MetadataCommand) -> anyhow::Result<()> {
    match command {
        MetadataCommand::Update { of, set, remove, conditions } => {
            update(context, of, entries(set), remove, conditions.into_wire()).await
        }
        MetadataCommand::History { of, consistency } => {
            history(context, &of.resource(), &consistency).await
        }
    }
}

async fn update(
    context: &Context,
    of: OfArgs,
    set: BTreeMap<String, String>,
    remove: Vec<String>,
    conditions: Vec<v1::Condition>,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let (name, request_id, validate_only) = (of.resource(), fresh_id(), false);
    let said = |name: &str, acknowledgement: &Option<v1::Acknowledgement>| {
        format!("updated metadata of {name}: {}\n", acknowledged(acknowledgement.as_ref()))
    };
    if of.account.is_some() {
        let request = v1::UpdateAccountMetadataRequest {
            name,
            set,
            remove,
            request_id,
            validate_only,
            conditions,
        };
        let answer = client.commands().update_account_metadata(client.request(request)).await;
        let response = answer.map_err(|status| client.explain(status))?.into_inner();
        context.output.answer("UpdateAccountMetadataResponse", &response, |response| {
            said(&response.name, &response.acknowledgement)
        })
    } else {
        let request = v1::UpdateLedgerMetadataRequest {
            name,
            set,
            remove,
            request_id,
            validate_only,
            conditions,
        };
        let answer = client.commands().update_ledger_metadata(client.request(request)).await;
        let response = answer.map_err(|status| client.explain(status))?.into_inner();
        context.output.answer("UpdateLedgerMetadataResponse", &response, |response| {
            said(&response.name, &response.acknowledgement)
        })
    }
}

async fn history(
    context: &Context,
    parent: &str,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let mut all = v1::ListMetadataHistoryResponse::default();
    let mut page_token = String::new();
    loop {
        let request = v1::ListMetadataHistoryRequest {
            parent: parent.to_owned(),
            consistency: consistency.to_wire(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let answer = client.queries().list_metadata_history(client.request(request)).await;
        let page = answer.map_err(|status| client.explain(status))?.into_inner();
        all.updates.extend(page.updates);
        all.read_at = all.read_at.or(page.read_at);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
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
        None => "-".to_owned(),
    }
}

/// "kyc=2 tier=gold".
pub(super) fn texts(metadata: &BTreeMap<String, String>) -> String {
    let texts = metadata.iter().map(|(key, value)| format!("{key}={}", value.escape_debug()));
    texts.collect::<Vec<String>>().join(" ")
}
