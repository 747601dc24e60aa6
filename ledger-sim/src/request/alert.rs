//! Balance alerts, as clients ask for them.

use ledger_proto::v1;
use ledger_proto::v1::command::Request as Wire;

use super::Request;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) asset: String,
    /// Numbers of the figure and of the comparison.
    pub(crate) figure: i32,
    pub(crate) comparison: i32,
    pub(crate) amount: String,
}

impl Request {
    pub(super) fn alert_to_wire(&self, alert: &Alert, conditions: Vec<v1::Condition>) -> Wire {
        let Alert { account, id, asset, figure, comparison, amount } = alert.clone();
        Wire::SetBalanceAlert(v1::SetBalanceAlertRequest {
            parent: format!("ledgers/{}/accounts/{account}", self.ledger),
            alert_id: id,
            when: Some(v1::BalanceCondition { asset, figure, comparison, amount }),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }

    pub(super) fn removal_to_wire(
        &self,
        account: &str,
        id: &str,
        conditions: Vec<v1::Condition>,
    ) -> Wire {
        Wire::RemoveBalanceAlert(v1::RemoveBalanceAlertRequest {
            name: format!("ledgers/{}/accounts/{account}/alerts/{id}", self.ledger),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }
}
