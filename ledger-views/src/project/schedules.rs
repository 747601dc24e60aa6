//! Rows of schedules.

use ledger_domain::Event;

use super::{ProjectError, known_ledger};
use crate::key::{self, Place};
use crate::row::{Heads, Row, ScheduleChangeRow, ScheduleRow};
use crate::rows::Rows;
use crate::table::Table;

/// Of an event of a schedule; any other makes none here.
pub(super) fn project(
    heads: Heads,
    place: Place,
    event: &Event,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let (ledger, schedule, change) = match event {
        Event::ScheduleCreated { ledger, schedule, plan, next_due } => {
            known_ledger(heads, *ledger, place)?;
            let row = ScheduleRow { place, plan: (**plan).clone(), first_due: *next_due };
            let key = key::named(*ledger, &schedule.to_string());
            rows.put(Table::Schedules, &key, |out| row.encode(out));
            return Ok(());
        }
        Event::ScheduleCancelled { ledger, schedule } => {
            (ledger, schedule, ScheduleChangeRow::Cancelled)
        }
        Event::ScheduleRan { ledger, schedule, number, due_at, next_due, refused } => {
            let (number, due_at, next_due) = (*number, *due_at, *next_due);
            let ran = ScheduleChangeRow::Ran { number, due_at, next_due, refused: *refused };
            (ledger, schedule, ran)
        }
        _ => return Ok(()),
    };
    known_ledger(heads, *ledger, place)?;
    let key = key::change(*ledger, schedule, place);
    rows.put(Table::ScheduleChanges, &key, |out| change.encode(out));
    Ok(())
}
