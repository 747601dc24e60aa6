//! Balance alerts, and their crossings.

use std::ops::ControlFlow;

use ledger_domain::{AccountHandle, AlertRule, Id};

use super::{PAGE_ROWS_EXAMINED_MAX, ViewReader};
use crate::key::{self, Place};
use crate::row::{AlertRow, CrossingRow};
use crate::store::StoreError;
use crate::table::Table;

/// An alert as of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertView {
    /// Where it was set, or crossed since then.
    pub place: Place,
    /// What it watches for.
    pub rule: AlertRule,
    /// Whether it is raised.
    pub raised: bool,
}

/// Part of the alerts of an account, UUIDs first and then by text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertPage {
    /// Ids and alerts.
    pub alerts: Vec<(Id, AlertView)>,
    /// Set when more may follow: they come after this one, which need not be an alert any more.
    pub after: Option<Id>,
}

impl ViewReader {
    /// The alert of an account with this id; none where it was not set yet, or was removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn alert(
        &self,
        at: Place,
        account: AccountHandle,
        id: &Id,
    ) -> Result<Option<AlertView>, StoreError> {
        let (prefix, from) = (key::alert_prefix(account, id), key::alert(account, id, at));
        let newest: Option<(Place, AlertRow)> = self.newest(Table::Alerts, &prefix, &from)?;
        Ok(newest.and_then(|(place, row)| match row {
            AlertRow::Set { rule, raised } => Some(AlertView { place, rule, raised }),
            AlertRow::Removed => None,
        }))
    }

    /// At most `limit` alerts of an account, after this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn alerts(
        &self,
        at: Place,
        account: AccountHandle,
        after: Option<&Id>,
        limit: usize,
    ) -> Result<AlertPage, StoreError> {
        let mut page = AlertPage::default();
        let mut last = after.cloned();
        for _ in 0..PAGE_ROWS_EXAMINED_MAX {
            // One look for the next id, one for what it was at the place: an alert may have crossed often.
            let Some(id) = self.next_alert(account, last.as_ref())? else { return Ok(page) };
            if page.alerts.len() >= limit {
                page.after = last;
                return Ok(page);
            }
            if let Some(view) = self.alert(at, account, &id)? {
                page.alerts.push((id.clone(), view));
            }
            last = Some(id);
        }
        page.after = last;
        Ok(page)
    }

    /// The first id behind this one that an alert of the account ever had.
    fn next_alert(
        &self,
        account: AccountHandle,
        after: Option<&Id>,
    ) -> Result<Option<Id>, StoreError> {
        let prefix = account.0.to_be_bytes();
        let from = match after {
            Some(id) => key::behind_alert(account, id),
            None => prefix.to_vec(),
        };
        let mut found = None;
        self.each(Table::Alerts, &prefix, &from, |key, _: AlertRow| {
            found = Some(key::read_alert(key)?);
            Some(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// At most `limit` crossings of an account's alerts, newest first, each with its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn alert_crossings(
        &self,
        at: Place,
        account: AccountHandle,
        limit: usize,
    ) -> Result<Vec<(Place, CrossingRow)>, StoreError> {
        let (prefix, from) = (account.0.to_be_bytes(), key::account_change(account, at));
        self.newest_first(Table::AlertCrossings, &prefix, &from, limit)
    }
}
