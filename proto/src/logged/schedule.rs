//! Events of schedules.

use ledger_domain::{
    AccountName, AssetCode, Code, Decimal, Event, Id, LedgerHandle, Leg, Plan, Timestamp, When,
};

use super::{DecodeError, id_to_wire, metadata};
use crate::log_v1 as wire;
use crate::log_v1::event::Kind;
use crate::log_v1::schedule_created::Rule;

/// An event of a schedule; any other is of no kind here.
pub(super) fn to_wire(event: &Event) -> wire::Event {
    let kind = match event {
        Event::ScheduleCreated { ledger, schedule, plan, next_due } => {
            Some(Kind::ScheduleCreated(created_to_wire(*ledger, schedule, plan, *next_due)))
        }
        Event::ScheduleCancelled { ledger, schedule } => {
            let (ledger, schedule) = (ledger.0, Some(id_to_wire(schedule)));
            Some(Kind::ScheduleCancelled(wire::ScheduleCancelled { ledger, schedule }))
        }
        Event::ScheduleRan { ledger, schedule, number, due_at, next_due, refused } => {
            Some(Kind::ScheduleRan(wire::ScheduleRan {
                ledger: ledger.0,
                schedule: Some(id_to_wire(schedule)),
                number: *number,
                due_at: *due_at,
                next_due: *next_due,
                refused: refused.map_or(0, Code::number),
            }))
        }
        _ => None,
    };
    wire::Event { kind }
}

pub(super) fn created_to_wire(
    ledger: LedgerHandle,
    schedule: &Id,
    plan: &Plan,
    next_due: Timestamp,
) -> wire::ScheduleCreated {
    let Plan { leg, reference, metadata, when, start, until, count } = plan;
    let Leg { debit_account, credit_account, asset, amount, up_to } = leg;
    wire::ScheduleCreated {
        ledger: ledger.0,
        schedule: Some(id_to_wire(schedule)),
        debit_account: debit_account.to_string(),
        credit_account: credit_account.to_string(),
        asset: asset.to_string(),
        amount: amount.to_string(),
        up_to: *up_to,
        reference: reference.to_string(),
        start: *start,
        rule: match when {
            When::Once => None,
            When::Every(interval) => Some(Rule::Every(interval.unsigned_abs())),
            When::Weekly(days) => Some(Rule::Weekly((*days).into())),
            When::Monthly(day) => Some(Rule::Monthly((*day).into())),
            When::Yearly { month, day } => {
                Some(Rule::Yearly(u32::from(*month) * 100 + u32::from(*day)))
            }
        },
        until: *until,
        count: count.unwrap_or(0),
        next_due,
        metadata: metadata::to_wire(metadata),
    }
}

pub(super) fn created_from_wire(e: wire::ScheduleCreated) -> Result<Event, DecodeError> {
    let no_amount = |_| DecodeError::new("amount of a schedule");
    let leg = Leg {
        debit_account: AccountName::from_log(&e.debit_account),
        credit_account: AccountName::from_log(&e.credit_account),
        asset: AssetCode::from_log(&e.asset),
        amount: Decimal::parse(&e.amount).map_err(no_amount)?,
        up_to: e.up_to,
    };
    let plan = Plan {
        leg,
        reference: e.reference.into(),
        metadata: metadata::from_wire(e.metadata)?,
        when: when(e.rule).ok_or_else(|| DecodeError::new("rule of a schedule"))?,
        start: e.start,
        until: e.until,
        count: (e.count > 0).then_some(e.count),
    };
    Ok(Event::ScheduleCreated {
        ledger: LedgerHandle(e.ledger),
        schedule: id_from_wire(e.schedule)?,
        plan: Box::new(plan),
        next_due: e.next_due,
    })
}

/// Whoever computes with it relies on its bounds.
fn when(rule: Option<Rule>) -> Option<When> {
    let small = |number: u32, most: u8| {
        u8::try_from(number).ok().filter(|number| (1..=most).contains(number))
    };
    Some(match rule {
        None => When::Once,
        Some(Rule::Every(interval)) => {
            When::Every(i64::try_from(interval).ok().filter(|interval| *interval > 0)?)
        }
        Some(Rule::Weekly(days)) => When::Weekly(small(days, 127)?),
        Some(Rule::Monthly(day)) => When::Monthly(small(day, 31)?),
        Some(Rule::Yearly(both)) => {
            When::Yearly { month: small(both / 100, 12)?, day: small(both % 100, 31)? }
        }
    })
}

pub(super) fn ran_from_wire(e: wire::ScheduleRan) -> Result<Event, DecodeError> {
    let refused = match e.refused {
        0 => None,
        number => Some(
            Code::from_number(number).ok_or_else(|| DecodeError::new("a code of no refusal"))?,
        ),
    };
    Ok(Event::ScheduleRan {
        ledger: LedgerHandle(e.ledger),
        schedule: id_from_wire(e.schedule)?,
        number: e.number,
        due_at: e.due_at,
        next_due: e.next_due,
        refused,
    })
}

pub(super) fn id_from_wire(id: Option<wire::Id>) -> Result<Id, DecodeError> {
    super::id_from_wire(id.ok_or_else(|| DecodeError::new("a schedule without an id"))?)
}
