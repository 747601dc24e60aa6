//! The alerts that a command makes cross, in the log against the model.

use ledger_domain::{Cause, Crossing, Event};
use ledger_proto::logged::LoggedCommand;

use crate::model::{Book, Cause as Due, Crossed, minor_units};

/// A command without the crossings at its end, and these.
pub(super) fn split(command: &LoggedCommand) -> (LoggedCommand, Vec<Crossing>) {
    let crosses = |event: &&Event| matches!(event, Event::BalanceAlertCrossed { .. });
    let count = command.events.iter().rev().take_while(crosses).count();
    let mut bare = command.clone();
    let tail = bare.events.split_off(command.events.len() - count);
    let crossings = tail.into_iter().filter_map(|event| match event {
        Event::BalanceAlertCrossed { crossing, .. } => Some(*crossing),
        _ => None,
    });
    let crossings = crossings.collect();
    (bare, crossings)
}

/// Whether the crossings of the log are those of the model.
pub(super) fn check(
    book: Option<&Book>,
    due: &[Crossed],
    found: &[Crossing],
) -> Result<(), String> {
    let same = |(due, found): (&Crossed, &Crossing)| {
        // That handles name the right account is seen by reading.
        let Crossing { account: _, alert, rule, raised, value, cause } = found;
        let cause_is = match (&due.cause, cause) {
            (Due::Set, Cause::Set) => true,
            (Due::Transfer(due), Cause::Transfer(id)) | (Due::Expiry(due), Cause::Expiry(id)) => {
                *due == id.to_string()
            }
            _ => false,
        };
        let Some((scale, _)) = book.and_then(|book| book.assets.get(&due.asked.asset)) else {
            return false;
        };
        let digits = due.asked.amount.strip_prefix('-').unwrap_or(&due.asked.amount);
        let size = minor_units(digits, *scale);
        let is_negative = digits.len() < due.asked.amount.len() && size != Ok(0);
        let (plus, minus) = due.value;
        cause_is
            && alert.to_string() == due.id
            && *raised == due.raised
            && (value.size(), value.is_negative()) == (plus.abs_diff(minus), plus < minus)
            && i32::from(rule.figure.number()) == due.asked.figure
            && i32::from(rule.comparison.number()) == due.asked.comparison
            && Ok(rule.amount.size()) == size
            && rule.amount.is_negative() == is_negative
    };
    if due.len() == found.len() && due.iter().zip(found).all(same) {
        return Ok(());
    }
    Err(format!("alerts: due {due:?}, the log has {found:?}"))
}
