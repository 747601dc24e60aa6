//! Balance alerts: those of an account, those of a ledger that are raised, and their crossings.

use ledger_domain::{AccountName, Id, LedgerHandle, LedgerName};
use ledger_proto::{answer, resource, v1};
use ledger_views::{AlertView, CrossingRow, Place, SetKind, StoreError, read_raised_alert};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;
use crate::token::{Paging, bad};

impl Query {
    /// One alert.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_balance_alert(
        &self,
        request: &v1::GetBalanceAlertRequest,
    ) -> Result<v1::GetBalanceAlertResponse, QueryError> {
        let (name, account, id) = resource::balance_alert("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let (ledger, row) = read.account(&name, &account)?;
        let view = read.view.alert(read.place, row.handle, &id)?;
        let unknown = || read.not_found("UNKNOWN_ALERT", "alert", &id.to_string());
        let view = view.ok_or_else(unknown)?;
        let alert = read.wire_alert(&name, (ledger.handle, &account), &id, &view)?;
        Ok(v1::GetBalanceAlertResponse { alert: Some(alert), read_at: Some(read.read_at) })
    }

    /// The alerts of an account, by id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_balance_alerts(
        &self,
        request: &v1::ListBalanceAlertsRequest,
    ) -> Result<v1::ListBalanceAlertsResponse, QueryError> {
        let (name, account) = resource::account_read("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str()];
        let paging = Paging::read(self.log_id, "ListBalanceAlerts", &parts, consistency, page)?;
        let after = after_id(&paging)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let (ledger, row) = read.account(&name, &account)?;
        let page = read.view.alerts(read.place, row.handle, after.as_ref(), paging.limit)?;
        let wire = |(id, view): &(Id, AlertView)| {
            read.wire_alert(&name, (ledger.handle, &account), id, view)
        };
        let alerts = page.alerts.iter().map(wire).collect::<Result<_, _>>()?;
        let next = page.after.map(|id| paging.next(&[read.place], id.to_string().as_bytes()));
        Ok(v1::ListBalanceAlertsResponse {
            alerts,
            next_page_token: next.unwrap_or_default(),
            read_at: Some(read.read_at),
        })
    }

    /// The alerts of a ledger that are raised.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_raised_alerts(
        &self,
        request: &v1::ListRaisedAlertsRequest,
    ) -> Result<v1::ListRaisedAlertsResponse, QueryError> {
        let name = resource::ledger("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str()];
        let paging = Paging::read(self.log_id, "ListRaisedAlerts", &parts, consistency, page)?;
        let after = after_id(&paging)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let ledger = read.ledger(&name)?.handle;
        let raised = SetKind::RaisedAlerts;
        let page = read.view.members(read.place, ledger, raised, after.as_ref(), paging.limit)?;
        let alerts = page.members.iter().map(|member| read.raised_alert(&name, ledger, member));
        let alerts = alerts.collect::<Result<_, QueryError>>()?;
        let next = page.after.map(|id| paging.next(&[read.place], id.to_string().as_bytes()));
        Ok(v1::ListRaisedAlertsResponse {
            alerts,
            next_page_token: next.unwrap_or_default(),
            read_at: Some(read.read_at),
        })
    }

    /// The crossings of an account's alerts, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_alert_crossings(
        &self,
        request: &v1::ListAlertCrossingsRequest,
    ) -> Result<v1::ListAlertCrossingsResponse, QueryError> {
        let (name, account) = resource::account_read("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str()];
        let paging = Paging::read(self.log_id, "ListAlertCrossings", &parts, consistency, page)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let (ledger, row) = read.account(&name, &account)?;
        let from = paging.begins_at(read.place)?;
        // One more than is shown: where the next page begins.
        let mut rows = read.view.alert_crossings(from, row.handle, paging.limit + 1)?;
        let next_page_token = paging.cut(read.place, &mut rows);
        let wire = |(place, row): &(Place, CrossingRow)| {
            read.wire_crossing((ledger.handle, &account), *place, row)
        };
        Ok(v1::ListAlertCrossingsResponse {
            crossings: rows.iter().map(wire).collect::<Result<_, _>>()?,
            next_page_token,
            read_at: Some(read.read_at),
        })
    }
}

/// The id after which a later page begins.
fn after_id(paging: &Paging) -> Result<Option<Id>, QueryError> {
    let after = paging.after()?.map(Id::parse_read).transpose();
    after.map_err(|_| bad("it is of another list"))
}

impl Fixed<'_> {
    fn wire_alert(
        &self,
        name: &LedgerName,
        (ledger, account): (LedgerHandle, &AccountName),
        id: &Id,
        view: &AlertView,
    ) -> Result<v1::BalanceAlert, QueryError> {
        let AlertView { place, rule, raised } = view;
        let asset = self.asset_code(ledger, rule.asset)?;
        let changed_at = commit_row(self.view, place.offset)?.recorded_at;
        Ok(v1::BalanceAlert {
            name: resource::balance_alert_resource(name.as_str(), account.as_str(), id),
            when: Some(answer::alert_condition(rule, asset.code.as_str(), asset.scale)),
            raised: *raised,
            position: self.at(*place),
            changed_at: Some(answer::timestamp(changed_at)),
        })
    }

    fn raised_alert(
        &self,
        name: &LedgerName,
        ledger: LedgerHandle,
        member: &Id,
    ) -> Result<v1::BalanceAlert, QueryError> {
        let missing =
            || StoreError::Damaged { what: format!("alerts: no row of raised alert {member}") };
        let (account, id) = read_raised_alert(member).ok_or_else(missing)?;
        let view = self.view.alert(self.place, account, &id)?.filter(|view| view.raised);
        let view = view.ok_or_else(missing)?;
        let account = self.account_name(account)?;
        self.wire_alert(name, (ledger, &account), &id, &view)
    }

    fn wire_crossing(
        &self,
        (ledger, account): (LedgerHandle, &AccountName),
        place: Place,
        CrossingRow(crossing): &CrossingRow,
    ) -> Result<v1::BalanceAlertCrossing, QueryError> {
        let asset = self.asset_code(ledger, crossing.rule.asset)?;
        let of_asset = (asset.code.as_str(), asset.scale);
        let recorded_at = commit_row(self.view, place.offset)?.recorded_at;
        Ok(v1::BalanceAlertCrossing {
            position: self.at(place),
            recorded_at: Some(answer::timestamp(recorded_at)),
            ..answer::crossing(crossing, account.as_str(), of_asset)
        })
    }
}
