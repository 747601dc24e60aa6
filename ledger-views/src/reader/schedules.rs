//! Schedules, as they were made and what has become of them.

use std::ops::ControlFlow;

use ledger_domain::{Id, LedgerHandle};

use super::{Page, Placed, ViewReader};
use crate::key::{self, Place};
use crate::row::{ScheduleChangeRow, ScheduleRow, ScheduleRun, ScheduleView};
use crate::store::StoreError;
use crate::table::Table;

impl Placed for ScheduleRow {
    fn place(&self) -> Place {
        self.place
    }
}

impl ViewReader {
    /// The schedule with this id, and at most `runs` of the newest times that it was due.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn schedule(
        &self,
        at: Place,
        ledger: LedgerHandle,
        id: &Id,
        runs: usize,
    ) -> Result<Option<ScheduleView>, StoreError> {
        let key = key::named(ledger, &id.to_string());
        match self.placed(at, Table::Schedules, &key)? {
            Some(row) => self.schedule_as_of(at, ledger, id, row, runs).map(Some),
            None => Ok(None),
        }
    }

    /// At most `limit` schedules of a ledger by id, after this one, each with the newest time that it was
    /// due.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn schedules(
        &self,
        at: Place,
        ledger: LedgerHandle,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<ScheduleView>, StoreError> {
        let Page { items, after } =
            self.list::<ScheduleRow>(at, Table::Schedules, &ledger.0.to_be_bytes(), after, limit)?;
        let views = items.into_iter().map(|(name, row)| {
            let id = Id::parse_read(&name).map_err(|rule| StoreError::Damaged {
                what: format!("schedules: {name:?}: {rule}"),
            })?;
            Ok((name, self.schedule_as_of(at, ledger, &id, row, 1)?))
        });
        Ok(Page { items: views.collect::<Result<_, StoreError>>()?, after })
    }

    fn schedule_as_of(
        &self,
        at: Place,
        ledger: LedgerHandle,
        id: &Id,
        row: ScheduleRow,
        most: usize,
    ) -> Result<ScheduleView, StoreError> {
        let (mut cancelled, mut runs) = (false, Vec::new());
        let (prefix, from) = (key::changes_prefix(ledger, id), key::change(ledger, id, at));
        self.each(Table::ScheduleChanges, &prefix, &from, |key, row: ScheduleChangeRow| {
            match row {
                ScheduleChangeRow::Cancelled => cancelled = true,
                ScheduleChangeRow::Ran { number, due_at, next_due, refused } => {
                    let run = ScheduleRun { number, due_at, next_due, refused };
                    runs.push((key::read_place(key)?, run));
                }
            }
            let is_full = runs.len() >= most;
            Some(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(ScheduleView { ledger, row, cancelled, runs })
    }
}
