//! `ledger hold list`: the open holds of a ledger, page after page of one state.

use clap::Subcommand;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;

use super::{Context, pages};
use crate::args::ConsistencyArgs;
use crate::output::{left, read_at, right, table, time};

/// Commands on holds.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// List the holds of which something is left, now or as of any past position or instant
    List {
        /// Name of the ledger
        ledger: String,
        /// Only those of this account, on either side
        #[arg(long, value_name = "ACCOUNT", default_value = "")]
        account: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

pub(super) async fn run(context: &Context, command: HoldCommand) -> anyhow::Result<()> {
    let HoldCommand::List { ledger, account, consistency } = command;
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let request = v1::ListHoldsRequest {
            parent: ledger_resource(&ledger),
            account: account.clone(),
            consistency: consistency.to_wire(),
            page_size,
            page_token,
        };
        client.queries().list_holds(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListHoldsResponse", &all, describe)
}

fn describe(response: &v1::ListHoldsResponse) -> String {
    let columns = [
        left("HOLD"),
        left("DEBIT"),
        left("CREDIT"),
        right("REMAINING"),
        right("OF"),
        left("ASSET"),
        left("EXPIRES"),
        left("OPENED AT"),
        left("RECORDED"),
        left("REFERENCE"),
    ];
    let row = |hold: &v1::Hold| {
        vec![
            hold.name.rsplit('/').next().unwrap_or_default().to_owned(),
            hold.debit_account.clone(),
            hold.credit_account.clone(),
            hold.remaining.clone(),
            hold.amount.clone(),
            hold.asset.clone(),
            time(hold.expire_time.as_ref()),
            hold.position.clone(),
            time(hold.recorded_at.as_ref()),
            hold.reference.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = response.holds.iter().map(row).collect();
    format!("{}{}", table(&columns, &rows), read_at(response.read_at.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_holds_are_a_table() {
        let hold = v1::Hold {
            name: "ledgers/bank/transfers/h-1".to_owned(),
            debit_account: "alice".to_owned(),
            credit_account: "shop".to_owned(),
            asset: "USD".to_owned(),
            amount: "7.00".to_owned(),
            remaining: "4.50".to_owned(),
            expire_time: Some(prost_types::Timestamp { seconds: 86_400, nanos: 0 }),
            reference: "hotel".to_owned(),
            position: "0@7.1".to_owned(),
            recorded_at: None,
        };
        let response = v1::ListHoldsResponse { holds: vec![hold], ..Default::default() };
        let expected = "\
HOLD  DEBIT  CREDIT  REMAINING    OF  ASSET  EXPIRES               OPENED AT  RECORDED  REFERENCE
h-1   alice  shop         4.50  7.00  USD    1970-01-02T00:00:00Z  0@7.1      -         hotel
";
        assert_eq!(describe(&response), expected);
    }
}
