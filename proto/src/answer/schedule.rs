//! Schedules.

use ledger_domain::amount::format_minor;
use ledger_domain::{Code, Id, Leg, Plan, Timestamp, When};

use super::timestamp;
use crate::v1;
use crate::v1::schedule::{Rule, Weekly, Yearly};

/// A schedule as it was asked for. `scale` is that of its asset, where it is known.
#[must_use]
pub fn schedule(id: &str, plan: &Plan, scale: Option<u8>) -> v1::Schedule {
    let Plan { leg, reference, metadata, when, start, until, count } = plan;
    let Leg { debit_account, credit_account, asset, amount, up_to } = leg;
    let minor = |scale| amount.to_minor(scale).ok().map(|minor| format_minor(minor, scale));
    v1::Schedule {
        schedule_id: id.to_owned(),
        debit_account: debit_account.to_string(),
        credit_account: credit_account.to_string(),
        asset: asset.to_string(),
        amount: scale.and_then(minor).unwrap_or_else(|| amount.to_string()),
        up_to: *up_to,
        reference: reference.to_string(),
        start_time: Some(timestamp(*start)),
        rule: match when {
            When::Once => None,
            When::Every(interval) => {
                Some(Rule::EverySeconds(interval.unsigned_abs() / 1_000_000_000))
            }
            When::Weekly(bits) => {
                let days = (1..=7).filter(|day| (bits >> (day - 1)) & 1 == 1).collect();
                Some(Rule::Weekly(Weekly { days }))
            }
            When::Monthly(day) => Some(Rule::MonthlyDay((*day).into())),
            When::Yearly { month, day } => {
                let (month, day) = ((*month).into(), (*day).into());
                Some(Rule::Yearly(Yearly { month, day }))
            }
        },
        until_time: until.map(timestamp),
        count: count.unwrap_or(0),
        metadata: super::metadata(metadata),
        sealed_metadata: super::sealed_metadata(metadata, &mut super::closed),
    }
}

/// One time that a schedule was due; `position` is empty where it goes without saying.
#[must_use]
pub fn occurrence(
    schedule: &Id,
    number: u32,
    due_at: Timestamp,
    refused: Option<Code>,
    position: String,
) -> v1::Occurrence {
    v1::Occurrence {
        number,
        due_time: Some(timestamp(due_at)),
        transfer_id: Id::scheduled(schedule, number).to_string(),
        refused: refused.map(|code| code.name().to_owned()).unwrap_or_default(),
        position,
    }
}
