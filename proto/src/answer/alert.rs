//! Balance alerts.

use ledger_domain::{AlertRule, Cause, Crossing};

use crate::v1;
use crate::v1::balance_alert_crossing::Cause as WireCause;

/// What an alert watches for, by the code and scale of its asset.
#[must_use]
pub fn alert_condition(rule: &AlertRule, asset: &str, scale: u8) -> v1::BalanceCondition {
    let AlertRule { asset: _, figure, comparison, amount } = rule;
    v1::BalanceCondition {
        asset: asset.to_owned(),
        figure: figure.number().into(),
        comparison: comparison.number().into(),
        amount: amount.format(scale),
    }
}

/// A crossing, by the name of its account and the code and scale of its asset. Where and when it was recorded
/// is left to the caller.
#[must_use]
pub fn crossing(
    crossing: &Crossing,
    account: &str,
    (asset, scale): (&str, u8),
) -> v1::BalanceAlertCrossing {
    let Crossing { account: _, alert, rule, raised, value, cause } = crossing;
    v1::BalanceAlertCrossing {
        account: account.to_owned(),
        alert_id: alert.to_string(),
        raised: *raised,
        when: Some(alert_condition(rule, asset, scale)),
        value: value.format(scale),
        cause: match cause {
            Cause::Set => None,
            Cause::Transfer(id) => Some(WireCause::TransferId(id.to_string())),
            Cause::Expiry(hold) => Some(WireCause::HoldId(hold.to_string())),
        },
        position: String::new(),
        recorded_at: None,
    }
}
