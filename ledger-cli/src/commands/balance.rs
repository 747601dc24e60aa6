//! `ledger balance`.

use clap::Args;
use ledger_proto::resource::account_resource;
use ledger_proto::v1;

use super::Context;
use crate::args::ConsistencyArgs;
use crate::output::{left, read_at, right, table};

/// Flags of `ledger balance`.
#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// Name of the ledger
    ledger: String,
    /// Name of the account
    account: String,
    #[command(flatten)]
    consistency: ConsistencyArgs,
}

pub(super) async fn run(context: &Context, args: BalanceArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::GetBalanceRequest {
        name: account_resource(&args.ledger, &args.account),
        consistency: args.consistency.to_wire(),
    };
    let answer = client.queries().get_balance(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("GetBalanceResponse", &response, describe)
}

fn describe(response: &v1::GetBalanceResponse) -> String {
    let columns = [
        left("ASSET"),
        right("BALANCE"),
        right("DEBITS"),
        right("CREDITS"),
        right("PENDING DEBITS"),
        right("PENDING CREDITS"),
        left("CHANGED AT"),
    ];
    let row = |balance: &v1::Balance| {
        let b = balance.clone();
        vec![
            b.asset,
            b.balance,
            b.debits_posted,
            b.credits_posted,
            b.debits_pending,
            b.credits_pending,
            b.position,
        ]
    };
    let rows: Vec<Vec<String>> = response.balances.iter().map(row).collect();
    let balances = if rows.is_empty() {
        "no asset was ever moved\n".to_owned()
    } else {
        table(&columns, &rows)
    };
    format!("{balances}version {}\n{}", response.version, read_at(response.read_at.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_stand_in_columns() {
        let balance = v1::Balance {
            asset: "CZK".to_owned(),
            debits_posted: "10.00".to_owned(),
            credits_posted: "8.50".to_owned(),
            debits_pending: "0.00".to_owned(),
            credits_pending: "0.00".to_owned(),
            balance: "-1.50".to_owned(),
            position: "0@7.1".to_owned(),
        };
        let read_at =
            v1::ReadAt { position: "0@9".to_owned(), r#final: true, ..Default::default() };
        let read_at = Some(read_at);
        let response = v1::GetBalanceResponse { balances: vec![balance], read_at, version: 17 };
        let expected = "\
ASSET  BALANCE  DEBITS  CREDITS  PENDING DEBITS  PENDING CREDITS  CHANGED AT
CZK      -1.50   10.00     8.50            0.00             0.00  0@7.1
version 17
read at 0@9, final
";
        assert_eq!(describe(&response), expected);
        let none = v1::GetBalanceResponse::default();
        assert_eq!(describe(&none), "no asset was ever moved\nversion 0\n");
    }
}
