//! `ledger statement`: the entries of an account, page after page of one state.

use clap::Args;
use ledger_proto::resource::account_resource;
use ledger_proto::v1;

use super::{Context, pages};
use crate::args::ConsistencyArgs;
use crate::output::{left, read_at, right, table, time, word};

/// Flags of `ledger statement`.
#[derive(Debug, Args)]
pub(crate) struct StatementArgs {
    /// Name of the ledger
    ledger: String,
    /// Name of the account
    account: String,
    /// Asset code; may be left out where the account moved only one
    #[arg(long, value_name = "CODE", default_value = "")]
    asset: String,
    /// At most so many entries, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    consistency: ConsistencyArgs,
}

pub(super) async fn run(context: &Context, args: StatementArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let limit = args.limit.map_or(usize::MAX, |limit| limit as usize);
    let all = pages::up_to(limit, async |page_size, page_token| {
        let request = v1::ListEntriesRequest {
            parent: account_resource(&args.ledger, &args.account),
            asset: args.asset.clone(),
            consistency: args.consistency.to_wire(),
            page_size,
            page_token,
        };
        client.queries().list_entries(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListEntriesResponse", &all, describe)
}

fn describe(response: &v1::ListEntriesResponse) -> String {
    let columns = [
        left("POSITION"),
        left("RECORDED"),
        left("EFFECTIVE"),
        left("KIND"),
        left("SIDE"),
        right("AMOUNT"),
        right("BALANCE"),
        left("ASSET"),
        left("COUNTERPARTY"),
        left("TRANSFER"),
        left("REFERENCE"),
    ];
    let row = |entry: &v1::Entry| {
        let balance = entry.balance.clone().unwrap_or_default();
        let side = match entry.side() {
            v1::Side::Unspecified => "",
            v1::Side::Debit => "debit",
            v1::Side::Credit => "credit",
        };
        vec![
            entry.position.clone(),
            time(entry.recorded_at.as_ref()),
            time(entry.effective_time.as_ref()),
            word(entry.kind().as_str_name(), "ENTRY_KIND_"),
            side.to_owned(),
            entry.amount.clone(),
            balance.balance,
            balance.asset,
            entry.counterparty.clone(),
            entry.transfer.rsplit('/').next().unwrap_or_default().to_owned(),
            entry.reference.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = response.entries.iter().map(row).collect();
    format!("{}{}", table(&columns, &rows), read_at(response.read_at.as_ref()))
}
