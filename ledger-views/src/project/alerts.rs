//! Rows of balance alerts.

use ledger_domain::Event;

use super::{Balances, ProjectError, Projection, known_account, known_ledger};
use crate::key::{self, Place};
use crate::row::{AlertRow, CrossingRow, Row};
use crate::rows::Rows;
use crate::sets::{Change, SetKind};
use crate::table::Table;

/// Of an event of an alert; any other makes none here.
pub(super) fn project(
    projection: &mut Projection<impl Balances>,
    place: Place,
    event: &Event,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    // The row, and whether the alert is among the raised ones from here on, where that changes.
    let (ledger, account, alert, row, joins) = match event {
        Event::BalanceAlertSet { ledger, account, alert, rule, raised } => {
            let row = AlertRow::Set { rule: **rule, raised: *raised };
            (*ledger, *account, alert, row, None)
        }
        Event::BalanceAlertRemoved { ledger, account, alert } => {
            (*ledger, *account, alert, AlertRow::Removed, Some(false))
        }
        Event::BalanceAlertCrossed { ledger, crossing } => {
            let row = AlertRow::Set { rule: crossing.rule, raised: crossing.raised };
            (*ledger, crossing.account, &crossing.alert, row, Some(crossing.raised))
        }
        _ => return Ok(()),
    };
    known_ledger(projection.heads, ledger, place)?;
    known_account(projection.heads, account, place)?;
    let key = key::alert(account, alert, place);
    rows.put(Table::Alerts, &key, |out| row.encode(out));
    if let Event::BalanceAlertCrossed { crossing, .. } = event {
        let row = CrossingRow((**crossing).clone());
        let key = key::account_change(account, place);
        rows.put(Table::AlertCrossings, &key, |out| row.encode(out));
    }
    if let Some(joins) = joins {
        let member = &key::raised_alert(account, alert);
        let change = Change { ledger, kind: SetKind::RaisedAlerts, place, member, joins };
        projection.sets.change(&mut projection.balances, change, rows)?;
    }
    Ok(())
}
