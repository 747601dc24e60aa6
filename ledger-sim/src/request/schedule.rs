//! Schedules, as clients ask for them.

use ledger_domain::{Command, Rejection};
use ledger_proto::v1::schedule::{Rule as Wire, Weekly, Yearly};
use ledger_proto::{request, time, v1};

use super::Request;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) id: String,
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) asset: String,
    pub(crate) amount: String,
    pub(crate) up_to: bool,
    pub(crate) reference: String,
    /// Nanoseconds since the Unix epoch, as below.
    pub(crate) start: Option<i64>,
    pub(crate) rule: Rule,
    pub(crate) until: Option<i64>,
    /// 0 is without bound.
    pub(crate) count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Once,
    /// Seconds.
    Every(u64),
    /// Numbers of the days: 1 is Monday.
    Weekly(Vec<i32>),
    Monthly(u32),
    /// Month and day.
    Yearly(u32, u32),
}

impl Schedule {
    pub(crate) fn to_wire(&self) -> v1::Schedule {
        v1::Schedule {
            schedule_id: self.id.clone(),
            debit_account: self.debit.clone(),
            credit_account: self.credit.clone(),
            asset: self.asset.clone(),
            amount: self.amount.clone(),
            up_to: self.up_to,
            reference: self.reference.clone(),
            start_time: self.start.map(time::to_wire),
            rule: match &self.rule {
                Rule::Once => None,
                Rule::Every(seconds) => Some(Wire::EverySeconds(*seconds)),
                Rule::Weekly(days) => Some(Wire::Weekly(Weekly { days: days.clone() })),
                Rule::Monthly(day) => Some(Wire::MonthlyDay(*day)),
                Rule::Yearly(month, day) => Some(Wire::Yearly(Yearly { month: *month, day: *day })),
            },
            until_time: self.until.map(time::to_wire),
            count: self.count,
        }
    }
}

impl Request {
    pub(super) fn read_schedule(
        &self,
        schedule: &Schedule,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        request::schedule_transfer(&v1::ScheduleTransferRequest {
            parent: format!("ledgers/{}", self.ledger),
            schedule: Some(schedule.to_wire()),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }

    pub(super) fn read_cancel(
        &self,
        name: String,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let wire = v1::CancelScheduleRequest { name, request_id, validate_only, conditions };
        request::cancel_schedule(&wire)
    }
}
