//! Events of balance alerts.

use ledger_domain::{
    AccountHandle, AlertRule, AssetHandle, BalanceFigure, Cause, Comparison, Crossing, Event, Id,
    LedgerHandle, SignedMinor,
};

use super::{DecodeError, batch, id_to_wire};
use crate::log_v1 as wire;
use crate::log_v1::balance_alert_crossed::Cause as WireCause;
use crate::log_v1::event::Kind;

/// An event of an alert; any other is of no kind here.
pub(super) fn to_wire(event: &Event) -> wire::Event {
    let kind = match event {
        Event::BalanceAlertSet { ledger, account, alert, rule, raised } => {
            Some(Kind::BalanceAlertSet(wire::BalanceAlertSet {
                ledger: ledger.0,
                account: account.0,
                alert: Some(id_to_wire(alert)),
                rule: Some(rule_to_wire(rule)),
                raised: *raised,
            }))
        }
        Event::BalanceAlertRemoved { ledger, account, alert } => {
            let (ledger, account, alert) = (ledger.0, account.0, Some(id_to_wire(alert)));
            Some(Kind::BalanceAlertRemoved(wire::BalanceAlertRemoved { ledger, account, alert }))
        }
        Event::BalanceAlertCrossed { ledger, crossing } => {
            Some(Kind::BalanceAlertCrossed(crossed_to_wire(*ledger, crossing)))
        }
        _ => None,
    };
    wire::Event { kind }
}

fn rule_to_wire(rule: &AlertRule) -> wire::AlertRule {
    let AlertRule { asset, figure, comparison, amount } = rule;
    let (amount_high, amount_low) = batch::split(amount.size());
    wire::AlertRule {
        asset: asset.0,
        figure: figure.number().into(),
        comparison: comparison.number().into(),
        negative: amount.is_negative(),
        amount_low,
        amount_high,
    }
}

fn crossed_to_wire(ledger: LedgerHandle, crossing: &Crossing) -> wire::BalanceAlertCrossed {
    let Crossing { account, alert, rule, raised, value, cause } = crossing;
    let (value_high, value_low) = batch::split(value.size());
    wire::BalanceAlertCrossed {
        ledger: ledger.0,
        account: account.0,
        alert: Some(id_to_wire(alert)),
        rule: Some(rule_to_wire(rule)),
        raised: *raised,
        negative: value.is_negative(),
        value_low,
        value_high,
        cause: match cause {
            Cause::Set => None,
            Cause::Transfer(id) => Some(WireCause::Transfer(id_to_wire(id))),
            Cause::Expiry(hold) => Some(WireCause::Hold(id_to_wire(hold))),
        },
    }
}

pub(super) fn set_from_wire(e: wire::BalanceAlertSet) -> Result<Event, DecodeError> {
    Ok(Event::BalanceAlertSet {
        ledger: LedgerHandle(e.ledger),
        account: AccountHandle(e.account),
        alert: id_from_wire(e.alert)?,
        rule: Box::new(rule_from_wire(e.rule)?),
        raised: e.raised,
    })
}

pub(super) fn removed_from_wire(e: wire::BalanceAlertRemoved) -> Result<Event, DecodeError> {
    let (ledger, account) = (LedgerHandle(e.ledger), AccountHandle(e.account));
    Ok(Event::BalanceAlertRemoved { ledger, account, alert: id_from_wire(e.alert)? })
}

pub(super) fn crossed_from_wire(e: wire::BalanceAlertCrossed) -> Result<Event, DecodeError> {
    let crossing = Crossing {
        account: AccountHandle(e.account),
        alert: id_from_wire(e.alert)?,
        rule: rule_from_wire(e.rule)?,
        raised: e.raised,
        value: SignedMinor::new(e.negative, batch::join(e.value_low, e.value_high)),
        cause: match e.cause {
            None => Cause::Set,
            Some(WireCause::Transfer(id)) => Cause::Transfer(super::id_from_wire(id)?),
            Some(WireCause::Hold(hold)) => Cause::Expiry(super::id_from_wire(hold)?),
        },
    };
    Ok(Event::BalanceAlertCrossed { ledger: LedgerHandle(e.ledger), crossing: Box::new(crossing) })
}

fn rule_from_wire(rule: Option<wire::AlertRule>) -> Result<AlertRule, DecodeError> {
    let rule = rule.ok_or_else(|| DecodeError::new("an alert without a rule"))?;
    let figure = u8::try_from(rule.figure).ok().and_then(BalanceFigure::from_number);
    let comparison = u8::try_from(rule.comparison).ok().and_then(Comparison::from_number);
    Ok(AlertRule {
        asset: AssetHandle(rule.asset),
        figure: figure.ok_or_else(|| DecodeError::new("figure of an alert"))?,
        comparison: comparison.ok_or_else(|| DecodeError::new("comparison of an alert"))?,
        amount: SignedMinor::new(rule.negative, batch::join(rule.amount_low, rule.amount_high)),
    })
}

fn id_from_wire(id: Option<wire::Id>) -> Result<Id, DecodeError> {
    super::id_from_wire(id.ok_or_else(|| DecodeError::new("an alert without an id"))?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::logged) fn events() -> Vec<(&'static str, Event)> {
        let (ledger, account) = (LedgerHandle(1), AccountHandle(300));
        let alert = Id::Text("low".into());
        let rule = |negative, minor| AlertRule {
            asset: AssetHandle(2),
            figure: BalanceFigure::Available,
            comparison: Comparison::AtMost,
            amount: SignedMinor::new(negative, minor),
        };
        let set = |alert: &Id, rule, raised| {
            let (rule, alert) = (Box::new(rule), alert.clone());
            Event::BalanceAlertSet { ledger, account, alert, rule, raised }
        };
        let crossed = |raised, value, cause| {
            let (alert, rule) = (alert.clone(), rule(false, 1_000));
            let crossing = Crossing { account, alert, rule, raised, value, cause };
            Event::BalanceAlertCrossed { ledger, crossing: Box::new(crossing) }
        };
        let (small, below) = (SignedMinor::new(false, 999), SignedMinor::new(true, (1 << 64) + 5));
        vec![
            ("balance_alert_set", set(&alert, rule(true, (1 << 64) + 5), false)),
            ("balance_alert_replaced", set(&Id::Uuid([7; 16]), rule(false, 0), true)),
            (
                "balance_alert_removed",
                Event::BalanceAlertRemoved { ledger, account, alert: alert.clone() },
            ),
            ("balance_alert_raised", crossed(true, small, Cause::Transfer(Id::Text("t-1".into())))),
            ("balance_alert_cleared", crossed(false, below, Cause::Expiry(Id::Uuid([8; 16])))),
            ("balance_alert_raised_at_once", crossed(true, below, Cause::Set)),
        ]
    }

    #[test]
    fn a_rule_that_is_none_is_refused() {
        let sound = wire::AlertRule { figure: 1, comparison: 3, ..Default::default() };
        assert!(rule_from_wire(Some(sound)).is_ok());
        for (figure, comparison) in [(0, 1), (7, 1), (1, 0), (1, 4), (257, 1)] {
            let rule = wire::AlertRule { figure, comparison, ..sound };
            assert!(rule_from_wire(Some(rule)).is_err(), "{figure} {comparison}");
        }
        assert!(rule_from_wire(None).is_err());
    }
}
