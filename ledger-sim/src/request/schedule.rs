//! Schedules, as clients ask for them.

use ledger_proto::v1::command::Request as Wire;
use ledger_proto::v1::schedule::{Rule as WireRule, Weekly, Yearly};
use ledger_proto::{time, v1};

use super::{Request, Texts, metadata};

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
    /// Of each of its transfers.
    pub(crate) metadata: Texts,
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
                Rule::Every(seconds) => Some(WireRule::EverySeconds(*seconds)),
                Rule::Weekly(days) => Some(WireRule::Weekly(Weekly { days: days.clone() })),
                Rule::Monthly(day) => Some(WireRule::MonthlyDay(*day)),
                Rule::Yearly(month, day) => {
                    Some(WireRule::Yearly(Yearly { month: *month, day: *day }))
                }
            },
            until_time: self.until.map(time::to_wire),
            count: self.count,
            metadata: metadata::plain(&self.metadata),
            sealed_metadata: metadata::sealed(&self.metadata),
        }
    }
}

impl Request {
    pub(super) fn schedule_to_wire(
        &self,
        schedule: &Schedule,
        conditions: Vec<v1::Condition>,
    ) -> Wire {
        Wire::ScheduleTransfer(v1::ScheduleTransferRequest {
            parent: format!("ledgers/{}", self.ledger),
            schedule: Some(schedule.to_wire()),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }

    pub(super) fn cancel_to_wire(&self, schedule: &str, conditions: Vec<v1::Condition>) -> Wire {
        Wire::CancelSchedule(v1::CancelScheduleRequest {
            name: format!("ledgers/{}/schedules/{schedule}", self.ledger),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        })
    }
}
