//! Balance alerts, as clients ask for them.

use ledger_domain::{Command, Rejection};
use ledger_proto::{request, v1};

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
    pub(super) fn read_alert(
        &self,
        alert: &Alert,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        let Alert { account, id, asset, figure, comparison, amount } = alert.clone();
        request::set_balance_alert(&v1::SetBalanceAlertRequest {
            parent: format!("ledgers/{}/accounts/{account}", self.ledger),
            alert_id: id,
            when: Some(v1::BalanceCondition { asset, figure, comparison, amount }),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }

    pub(super) fn read_removal(
        &self,
        account: &str,
        id: &str,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        request::remove_balance_alert(&v1::RemoveBalanceAlertRequest {
            name: format!("ledgers/{}/accounts/{account}/alerts/{id}", self.ledger),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }
}
