//! Schedules, and what each of their times came to.

use ledger_domain::Position;
use ledger_proto::{time, v1};

use super::{Level, Reads, decimal_string};
use crate::model::{Book, Made, Place, Run, minor_units};

impl Reads<'_> {
    /// One schedule, and all pages of the list.
    pub(super) fn schedule(
        &self,
        ledger: &str,
        book: &Book,
        id: &str,
        level: Level,
    ) -> Result<String, String> {
        let made = &book.schedules[id];
        let request = v1::GetScheduleRequest {
            name: format!("ledgers/{ledger}/schedules/{id}"),
            consistency: Some(level.wire()),
        };
        let response = match self.query.get_schedule(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, made.place),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let due = self.wire_schedule(ledger, book, (id, made), bound);
        let runs = runs(made, bound).map(|(number, run)| self.occurrence(id, number, run));
        let occurrences: Vec<_> = runs.take(100).collect();
        if response.schedule.as_ref() != Some(&due) || response.occurrences != occurrences {
            return Err(format!("due {due:?} {occurrences:?}, read {response:?}"));
        }
        Ok(format!("schedule {id} at {bound:?}"))
    }

    pub(super) fn schedules(
        &self,
        ledger: &str,
        book: &Book,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let mut request = v1::ListSchedulesRequest {
            parent: format!("ledgers/{ledger}"),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_schedules(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, book.created),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.schedules);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let seen = book.schedules.iter().filter(|(_, made)| made.place <= bound);
        let due: Vec<_> =
            seen.map(|(id, made)| self.wire_schedule(ledger, book, (id, made), bound)).collect();
        if read != due {
            return Err(format!("schedules: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} schedules of {ledger} at {bound:?}", due.len()))
    }

    fn wire_schedule(
        &self,
        ledger: &str,
        book: &Book,
        (id, made): (&str, &Made),
        bound: Place,
    ) -> v1::ScheduleState {
        let mut schedule = made.asked.to_wire();
        id.clone_into(&mut schedule.schedule_id);
        schedule.sealed_metadata = self.sealed(ledger, &made.asked.metadata);
        let scale = book.assets[&made.asked.asset].0;
        schedule.amount =
            decimal_string(minor_units(&made.asked.amount, scale).unwrap_or(0), scale);
        if let Some(v1::schedule::Rule::Weekly(weekly)) = &mut schedule.rule {
            weekly.days.sort_unstable();
        }
        let cancelled = made.cancelled.is_some_and(|place| place <= bound);
        let last = runs(made, bound).next();
        let next = match last {
            _ if cancelled => None,
            Some((_, run)) => run.next,
            None => Some(made.first),
        };
        let status = match next {
            Some(_) => v1::ScheduleStatus::Active,
            None if cancelled => v1::ScheduleStatus::Cancelled,
            None => v1::ScheduleStatus::Done,
        };
        v1::ScheduleState {
            name: format!("ledgers/{ledger}/schedules/{id}"),
            schedule: Some(schedule),
            status: status.into(),
            next_time: next.map(time::to_wire),
            times: last.map_or(0, |(number, _)| number),
            last: last.map(|(number, run)| self.occurrence(id, number, run)),
            position: self.position(made.place),
        }
    }

    fn occurrence(&self, id: &str, number: u32, run: Run) -> v1::Occurrence {
        let refused = run.refused.and_then(ledger_domain::Code::from_number);
        v1::Occurrence {
            number,
            due_time: Some(time::to_wire(run.due)),
            transfer_id: format!("~at:{id}:{number}"),
            refused: refused.map(|code| code.name().to_owned()).unwrap_or_default(),
            position: self.position(run.place),
        }
    }

    pub(super) fn position(&self, (offset, index): Place) -> String {
        Position::event(self.oracle.partition(), offset, index).to_string()
    }
}

/// Those up to a place with their numbers, newest first.
fn runs(made: &Made, bound: Place) -> impl Iterator<Item = (u32, Run)> {
    let numbered: Vec<_> = (1..).zip(made.runs.iter().copied()).collect();
    numbered.into_iter().rev().filter(move |(_, run)| run.place <= bound)
}
