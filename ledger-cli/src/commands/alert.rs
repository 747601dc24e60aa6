//! `ledger alert set | remove | get | list | raised | history`.

use clap::Subcommand;
use ledger_proto::resource::{account_resource, ledger_resource};
use ledger_proto::v1;
use ledger_proto::v1::balance_alert_crossing::Cause;

use super::{Context, fresh_id, pages};
use crate::args::{ConditionArgs, ConsistencyArgs, OfBalance};
use crate::output::{acknowledged, left, read_at, right, table, time, word};

/// Commands on balance alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Set an alert of an account, in place of one with the same id
    Set {
        /// Name of the ledger
        ledger: String,
        /// Name of the account
        account: String,
        /// Its id, unique in the account
        id: String,
        /// What it watches for: an asset, then available, posted, debits_posted, credits_posted, debits_pending
        /// or credits_pending, then >=, <= or =, then an amount
        #[arg(long, value_name = "USD available <= 10.00")]
        when: OfBalance,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Remove an alert of an account
    Remove {
        /// Name of the ledger
        ledger: String,
        /// Name of the account
        account: String,
        /// Id of the alert
        id: String,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Show an alert, and whether it is raised
    Get {
        /// Name of the ledger
        ledger: String,
        /// Name of the account
        account: String,
        /// Id of the alert
        id: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List the alerts of an account
    List {
        /// Name of the ledger
        ledger: String,
        /// Name of the account
        account: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List the alerts of a ledger that are raised, of all its accounts
    Raised {
        /// Name of the ledger
        ledger: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// Show when the alerts of an account were raised and cleared, newest first
    History {
        /// Name of the ledger
        ledger: String,
        /// Name of the account
        account: String,
        /// So many of the newest; all when left out
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

pub(super) async fn run(context: &Context, command: AlertCommand) -> anyhow::Result<()> {
    match command {
        AlertCommand::Set { ledger, account, id, when, conditions } => {
            let request = v1::SetBalanceAlertRequest {
                parent: account_resource(&ledger, &account),
                alert_id: id,
                when: Some(when.0),
                request_id: fresh_id(),
                validate_only: false,
                conditions: conditions.into_wire(),
            };
            let client = context.connect().await?;
            let answer = client.commands().set_balance_alert(client.request(request)).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("SetBalanceAlertResponse", &response, |response| {
                let outcome = acknowledged(response.acknowledgement.as_ref());
                format!("set {}: {outcome}\n", response.name)
            })
        }
        AlertCommand::Remove { ledger, account, id, conditions } => {
            let request = v1::RemoveBalanceAlertRequest {
                name: name(&ledger, &account, &id),
                request_id: fresh_id(),
                validate_only: false,
                conditions: conditions.into_wire(),
            };
            let client = context.connect().await?;
            let answer = client.commands().remove_balance_alert(client.request(request)).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("RemoveBalanceAlertResponse", &response, |response| {
                let outcome = acknowledged(response.acknowledgement.as_ref());
                format!("removed {}: {outcome}\n", response.name)
            })
        }
        AlertCommand::Get { ledger, account, id, consistency } => {
            let (name, consistency) = (name(&ledger, &account, &id), consistency.to_wire());
            let request = v1::GetBalanceAlertRequest { name, consistency };
            let client = context.connect().await?;
            let answer = client.queries().get_balance_alert(client.request(request)).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("GetBalanceAlertResponse", &response, |response| {
                let alerts: Vec<_> = response.alert.iter().cloned().collect();
                describe(&alerts, response.read_at.as_ref())
            })
        }
        AlertCommand::List { ledger, account, consistency } => {
            list(context, account_resource(&ledger, &account), &consistency).await
        }
        AlertCommand::Raised { ledger, consistency } => {
            raised(context, ledger_resource(&ledger), &consistency).await
        }
        AlertCommand::History { ledger, account, limit, consistency } => {
            history(context, account_resource(&ledger, &account), limit, &consistency).await
        }
    }
}

fn name(ledger: &str, account: &str, id: &str) -> String {
    format!("{}/alerts/{id}", account_resource(ledger, account))
}

async fn list(
    context: &Context,
    parent: String,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let (parent, consistency) = (parent.clone(), consistency.to_wire());
        let request = v1::ListBalanceAlertsRequest { parent, consistency, page_size, page_token };
        client.queries().list_balance_alerts(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListBalanceAlertsResponse", &all, |all| {
        describe(&all.alerts, all.read_at.as_ref())
    })
}

async fn raised(
    context: &Context,
    parent: String,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let (parent, consistency) = (parent.clone(), consistency.to_wire());
        let request = v1::ListRaisedAlertsRequest { parent, consistency, page_size, page_token };
        client.queries().list_raised_alerts(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context
        .output
        .answer("ListRaisedAlertsResponse", &all, |all| describe(&all.alerts, all.read_at.as_ref()))
}

async fn history(
    context: &Context,
    parent: String,
    limit: Option<u32>,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let all = pages::up_to(limit, async |page_size, page_token| {
        let (parent, consistency) = (parent.clone(), consistency.to_wire());
        let request = v1::ListAlertCrossingsRequest { parent, consistency, page_size, page_token };
        client.queries().list_alert_crossings(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListAlertCrossingsResponse", &all, crossings)
}

/// "USD available <= 10.00".
fn watched(when: Option<&v1::BalanceCondition>) -> String {
    let Some(when) = when else { return String::new() };
    let figure = word(when.figure().as_str_name(), "BALANCE_FIGURE_");
    let comparison = match when.comparison() {
        v1::Comparison::AtLeast => ">=",
        v1::Comparison::AtMost => "<=",
        v1::Comparison::Equal => "=",
        v1::Comparison::Unspecified => "?",
    };
    format!("{} {figure} {comparison} {}", when.asset, when.amount)
}

fn describe(alerts: &[v1::BalanceAlert], at: Option<&v1::ReadAt>) -> String {
    let columns = [
        left("ACCOUNT"),
        left("ALERT"),
        left("RAISED"),
        left("WHEN"),
        left("SINCE"),
        left("CHANGED"),
    ];
    let row = |alert: &v1::BalanceAlert| {
        let mut parts = alert.name.split('/').skip(3).step_by(2);
        vec![
            parts.next().unwrap_or_default().to_owned(),
            parts.next().unwrap_or_default().to_owned(),
            if alert.raised { "yes" } else { "no" }.to_owned(),
            watched(alert.when.as_ref()),
            alert.position.clone(),
            time(alert.changed_at.as_ref()),
        ]
    };
    let rows: Vec<Vec<String>> = alerts.iter().map(row).collect();
    format!("{}{}", table(&columns, &rows), read_at(at))
}

fn crossings(response: &v1::ListAlertCrossingsResponse) -> String {
    let columns = [
        left("POSITION"),
        left("RECORDED"),
        left("ALERT"),
        left("TO"),
        right("VALUE"),
        left("WHEN"),
        left("BY"),
    ];
    let row = |crossing: &v1::BalanceAlertCrossing| {
        let by = match &crossing.cause {
            Some(Cause::TransferId(id)) => id.clone(),
            Some(Cause::HoldId(hold)) => format!("expiry of {hold}"),
            None => "being set".to_owned(),
        };
        vec![
            crossing.position.clone(),
            time(crossing.recorded_at.as_ref()),
            crossing.alert_id.clone(),
            if crossing.raised { "raised" } else { "cleared" }.to_owned(),
            crossing.value.clone(),
            watched(crossing.when.as_ref()),
            by,
        ]
    };
    let rows: Vec<Vec<String>> = response.crossings.iter().map(row).collect();
    format!("{}{}", table(&columns, &rows), read_at(response.read_at.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low() -> Option<v1::BalanceCondition> {
        Some(v1::BalanceCondition {
            asset: "USD".to_owned(),
            figure: v1::BalanceFigure::CreditsPending.into(),
            comparison: v1::Comparison::AtMost.into(),
            amount: "10.00".to_owned(),
        })
    }

    #[test]
    fn alerts_and_their_crossings_are_tables() {
        let alert = v1::BalanceAlert {
            name: "ledgers/bank/accounts/users:alice/alerts/low".to_owned(),
            when: low(),
            raised: true,
            position: "0@7.1".to_owned(),
            changed_at: Some(prost_types::Timestamp { seconds: 86_400, nanos: 0 }),
        };
        let expected = "\
ACCOUNT      ALERT  RAISED  WHEN                          SINCE  CHANGED
users:alice  low    yes     USD credits_pending <= 10.00  0@7.1  1970-01-02T00:00:00Z
";
        assert_eq!(describe(&[alert], None), expected);
        let crossing = |raised, cause| v1::BalanceAlertCrossing {
            alert_id: "low".to_owned(),
            raised,
            when: low(),
            value: "9.50".to_owned(),
            cause,
            position: "0@7.1".to_owned(),
            ..Default::default()
        };
        let crossings_of = vec![
            crossing(true, Some(Cause::TransferId("t-1".to_owned()))),
            crossing(false, Some(Cause::HoldId("h".to_owned()))),
            crossing(true, None),
        ];
        let response =
            v1::ListAlertCrossingsResponse { crossings: crossings_of, ..Default::default() };
        let said = crossings(&response);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[1].ends_with("raised    9.50  USD credits_pending <= 10.00  t-1"), "{said}");
        assert!(lines[2].ends_with("  expiry of h") && lines[2].contains("cleared"), "{said}");
        assert!(lines[3].ends_with("  being set"), "{said}");
    }
}
