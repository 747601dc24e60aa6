//! Schedules: what they post, when they are due next, and what their times came to.

use ledger_domain::{Id, LedgerName};
use ledger_proto::{answer, resource, v1};
use ledger_views::{Place, ScheduleRun, ScheduleView};

use super::{Fixed, Query};
use crate::error::QueryError;
use crate::token::Paging;

/// Times of one schedule that an answer shows.
const OCCURRENCES_SHOWN_MAX: usize = 100;

impl Query {
    /// One schedule.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_schedule(
        &self,
        request: &v1::GetScheduleRequest,
    ) -> Result<v1::GetScheduleResponse, QueryError> {
        let (name, id) = resource::schedule("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let ledger = read.ledger(&name)?.handle;
        let view = read.view.schedule(read.place, ledger, &id, OCCURRENCES_SHOWN_MAX)?;
        let unknown = || read.not_found("UNKNOWN_SCHEDULE", "schedule", &id.to_string());
        let view = view.ok_or_else(unknown)?;
        let occurrences = view.runs.iter().map(|run| read.occurrence(&id, run)).collect();
        let schedule = Some(read.wire_schedule(&name, &id.to_string(), &view)?);
        Ok(v1::GetScheduleResponse { schedule, occurrences, read_at: Some(read.read_at) })
    }

    /// The schedules of a ledger, by id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_schedules(
        &self,
        request: &v1::ListSchedulesRequest,
    ) -> Result<v1::ListSchedulesResponse, QueryError> {
        let name = resource::ledger("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let paging =
            Paging::read(self.log_id, "ListSchedules", &[&request.parent], consistency, page)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let ledger = read.ledger(&name)?;
        let page = read.view.schedules(read.place, ledger.handle, paging.after()?, paging.limit)?;
        let next = page.after.as_ref().map(|id| paging.next(&[read.place], id.as_bytes()));
        let wire = |(id, view): &(Box<str>, ScheduleView)| read.wire_schedule(&name, id, view);
        Ok(v1::ListSchedulesResponse {
            schedules: page.items.iter().map(wire).collect::<Result<_, _>>()?,
            next_page_token: next.unwrap_or_default(),
            read_at: Some(read.read_at),
        })
    }
}

impl Fixed<'_> {
    fn occurrence(&self, id: &Id, (place, run): &(Place, ScheduleRun)) -> v1::Occurrence {
        let ScheduleRun { number, due_at, next_due: _, refused } = *run;
        answer::occurrence(id, number, due_at, refused, self.at(*place))
    }

    fn wire_schedule(
        &self,
        ledger: &LedgerName,
        text: &str,
        view: &ScheduleView,
    ) -> Result<v1::ScheduleState, QueryError> {
        let id = resource::schedule("name", &format!("ledgers/{ledger}/schedules/{text}"))?.1;
        let asset = view.row.plan.leg.asset.as_str();
        let scale = self.view.asset(self.place, view.ledger, asset)?.map(|asset| asset.scale);
        let next_due = view.next_due();
        let status = match next_due {
            Some(_) => v1::ScheduleStatus::Active,
            None if view.cancelled => v1::ScheduleStatus::Cancelled,
            None => v1::ScheduleStatus::Done,
        };
        Ok(v1::ScheduleState {
            name: resource::schedule_resource(ledger.as_str(), &id),
            schedule: Some(v1::Schedule {
                sealed_metadata: self.sealed_metadata(ledger, &view.row.plan.metadata)?,
                ..answer::schedule(text, &view.row.plan, scale)
            }),
            status: status.into(),
            next_time: next_due.map(answer::timestamp),
            times: view.runs.first().map_or(0, |(_, run)| run.number),
            last: view.runs.first().map(|run| self.occurrence(&id, run)),
            position: self.at(view.row.place),
        })
    }
}
