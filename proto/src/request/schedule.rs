//! Schedules.

use ledger_domain::limits::{INTERVAL_NS_MAX, INTERVAL_NS_MIN, REFERENCE_BYTES_MAX};
use ledger_domain::{Code, Command, CommandBody, Metadata, Plan, Rejection, When};

use super::{conditions, instant, leg, malformed_first, request_id};
use crate::metadata::{Noted, Secret};
use crate::resource::{self, malformed, parse_id};
use crate::v1;
use crate::v1::schedule::{Rule, Weekly, Yearly};

/// A schedule to make.
///
/// # Errors
/// What of its shape is refused.
pub fn schedule_transfer(
    request: &v1::ScheduleTransferRequest,
) -> Result<(Command, Vec<Secret>), Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let request_id = request_id(&request.request_id)?;
    let missing = || malformed("schedule", "", "is required");
    let wire = request.schedule.as_ref().ok_or_else(missing)?;
    let schedule = parse_id("schedule_id", &wire.schedule_id)?;
    let noted = Noted::new(&wire.metadata, &wire.sealed_metadata).read(0);
    malformed_first(&noted)?;
    let plan = plan(wire);
    malformed_first(&plan)?;
    let conditions = conditions(&request.conditions)?;
    let (plan, (metadata, secrets)) = (plan?, noted?);
    let plan = Box::new(Plan { metadata, ..plan });
    let body = CommandBody::ScheduleTransfer { schedule, plan };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

/// A schedule to end.
///
/// # Errors
/// What of its shape is refused.
pub fn cancel_schedule(request: &v1::CancelScheduleRequest) -> Result<Command, Rejection> {
    let (ledger, schedule) = resource::schedule("name", &request.name)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    Ok(Command { ledger, request_id, conditions, body: CommandBody::CancelSchedule { schedule } })
}

/// A flat chain of checks in the order of `Code`, of all but its metadata.
fn plan(wire: &v1::Schedule) -> Result<Plan, Rejection> {
    let no_start = || malformed("start_time", "", "is required");
    let start = instant("start_time", wire.start_time.as_ref())?.ok_or_else(no_start)?;
    let when = when(wire.rule.as_ref())?;
    let until = instant("until_time", wire.until_time.as_ref())?;
    let first = when.first_from(start, start);
    if first.is_none_or(|first| until.is_some_and(|until| until < first)) {
        return Err(malformed("until_time", "", "is before the first time that it would be due"));
    }
    let leg = leg(&v1::Transfer {
        debit_account: wire.debit_account.clone(),
        credit_account: wire.credit_account.clone(),
        asset: wire.asset.clone(),
        amount: wire.amount.clone(),
        up_to: wire.up_to,
        ..Default::default()
    })?;
    if wire.reference.len() > REFERENCE_BYTES_MAX {
        let subject = format!("reference has more than {REFERENCE_BYTES_MAX} bytes");
        return Err(Rejection::new(Code::TooLong, &subject));
    }
    let count = (wire.count > 0).then_some(wire.count);
    let (reference, metadata) = (wire.reference.as_str().into(), Metadata::default());
    Ok(Plan { leg, reference, metadata, when, start, until, count })
}

fn when(rule: Option<&Rule>) -> Result<When, Rejection> {
    let day_of = |field, day: u32| {
        let day = u8::try_from(day).ok().filter(|day| (1..=31).contains(day));
        day.ok_or_else(|| malformed(field, "", "is a day of a month, 1 to 31"))
    };
    Ok(match rule {
        None => When::Once,
        Some(Rule::EverySeconds(seconds)) => {
            let interval = i64::try_from(*seconds).ok().and_then(|s| s.checked_mul(1_000_000_000));
            let sound = interval.filter(|ns| (INTERVAL_NS_MIN..=INTERVAL_NS_MAX).contains(ns));
            let rule = "is 1 to 3,153,600,000 seconds";
            When::Every(sound.ok_or_else(|| malformed("every_seconds", "", rule))?)
        }
        Some(Rule::Weekly(Weekly { days })) => {
            let mut bits = 0u8;
            for day in days {
                let bit = u8::try_from(*day).ok().filter(|day| (1..=7).contains(day));
                let bit = bit.map(|day| 1 << (day - 1)).filter(|bit| bits & bit == 0);
                let rule = "has each day of the week at most once";
                bits |= bit.ok_or_else(|| malformed("weekly.days", "", rule))?;
            }
            if bits == 0 {
                return Err(malformed("weekly.days", "", "has one day at least"));
            }
            When::Weekly(bits)
        }
        Some(Rule::MonthlyDay(day)) => When::Monthly(day_of("monthly_day", *day)?),
        Some(Rule::Yearly(Yearly { month, day })) => {
            let month = u8::try_from(*month).ok().filter(|month| (1..=12).contains(month));
            let no_month = || malformed("yearly.month", "", "is a month, 1 to 12");
            let month = month.ok_or_else(no_month)?;
            When::Yearly { month, day: day_of("yearly.day", *day)? }
        }
    })
}
