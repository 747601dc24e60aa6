//! Balance alerts.

use ledger_domain::{Command, CommandBody, Rejection};

use super::condition::{balance, balance_shape};
use super::{conditions, request_id};
use crate::resource::{self, malformed, parse_id};
use crate::v1;

/// An alert to set.
///
/// # Errors
/// What of its shape is refused.
pub fn set_balance_alert(request: &v1::SetBalanceAlertRequest) -> Result<Command, Rejection> {
    let (ledger, account) = resource::account("parent", &request.parent)?;
    let alert = parse_id("alert_id", &request.alert_id)?;
    let request_id = request_id(&request.request_id)?;
    let missing = || malformed("when", "", "is required");
    let when = request.when.as_ref().ok_or_else(missing)?;
    let field = |name: &str| format!("when.{name}");
    balance_shape(field, when)?;
    let conditions = conditions(&request.conditions)?;
    let condition = Box::new(balance(field, when)?);
    let body = CommandBody::SetBalanceAlert { account, alert, condition };
    Ok(Command { ledger, request_id, conditions, body })
}

/// An alert to remove.
///
/// # Errors
/// What of its shape is refused.
pub fn remove_balance_alert(request: &v1::RemoveBalanceAlertRequest) -> Result<Command, Rejection> {
    let (ledger, account, alert) = resource::balance_alert("name", &request.name)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    let body = CommandBody::RemoveBalanceAlert { account, alert };
    Ok(Command { ledger, request_id, conditions, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low() -> v1::SetBalanceAlertRequest {
        v1::SetBalanceAlertRequest {
            parent: "ledgers/bank/accounts/alice".into(),
            alert_id: "low".into(),
            when: Some(v1::BalanceCondition {
                asset: "USD".into(),
                figure: v1::BalanceFigure::Available.into(),
                comparison: v1::Comparison::AtMost.into(),
                amount: "-1.50".into(),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn an_alert_reads_back_as_it_was_asked_for() {
        let CommandBody::SetBalanceAlert { account, alert, condition } =
            set_balance_alert(&low()).unwrap().body
        else {
            panic!("an alert");
        };
        assert_eq!((account.as_str(), alert.to_string().as_str()), ("alice", "low"));
        let amount = condition.amount;
        let rule = ledger_domain::AlertRule {
            asset: ledger_domain::AssetHandle(0),
            figure: condition.figure,
            comparison: condition.comparison,
            amount: ledger_domain::SignedMinor::new(
                amount.is_negative(),
                amount.size().to_minor(2).unwrap(),
            ),
        };
        let shown = crate::answer::alert_condition(&rule, condition.asset.as_str(), 2);
        assert_eq!(Some(shown), low().when);
    }

    /// A change to an alert that makes it malformed.
    type Change = fn(&mut v1::SetBalanceAlertRequest, &mut v1::BalanceCondition);

    #[test]
    fn an_alert_of_another_shape_is_refused() {
        let changes: [(Change, &str); 10] = [
            (|it, _| it.parent = "ledgers/bank".into(), "MALFORMED: parent"),
            (
                |it, _| it.parent = "ledgers/bank/accounts/~clearing:shop".into(),
                "MALFORMED: parent",
            ),
            (|it, _| it.alert_id = "~low".into(), "MALFORMED: alert_id"),
            (|it, _| it.request_id = "a b".into(), "MALFORMED: request_id"),
            (|_, when| when.asset = "U S".into(), "MALFORMED: when.asset"),
            (|_, when| when.figure = 7, "MALFORMED: when.figure"),
            (|_, when| when.comparison = 0, "MALFORMED: when.comparison"),
            (|_, when| when.amount = "1.".into(), "MALFORMED_AMOUNT: when.amount"),
            (|_, when| when.amount = "9".repeat(40), "AMOUNT_TOO_LARGE: when.amount"),
            (
                |it, when| {
                    (when.amount, it.conditions) = ("x".into(), vec![v1::Condition::default()]);
                },
                "MALFORMED: conditions[0]",
            ),
        ];
        for (change, refused) in changes {
            let mut request = low();
            let mut when = low().when.unwrap();
            change(&mut request, &mut when);
            request.when = Some(when);
            let found = set_balance_alert(&request).unwrap_err().to_string();
            assert!(found.starts_with(refused), "{found} is not {refused}");
        }
        let nothing = v1::SetBalanceAlertRequest { when: None, ..low() };
        assert!(set_balance_alert(&nothing).unwrap_err().subject.starts_with("when"));
        let name = "ledgers/bank/accounts/alice".to_owned();
        let remove = v1::RemoveBalanceAlertRequest { name, ..Default::default() };
        assert!(remove_balance_alert(&remove).unwrap_err().subject.starts_with("name"));
    }
}
