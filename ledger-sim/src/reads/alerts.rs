//! Balance alerts, those that are raised, and their crossings, at every position.

use ledger_domain::Position;
use ledger_proto::v1::balance_alert_crossing::Cause as Wire;
use ledger_proto::{time, v1};

use super::{Level, Reads, decimal_string};
use crate::model::{Book, Cause, Crossed, Place, is_uuid, minor_units};
use crate::request::Alert;

impl Reads<'_> {
    /// One alert, and all pages of those of its account.
    pub(super) fn alert(
        &self,
        ledger: &str,
        book: &Book,
        (account, id): (&str, &str),
        level: Level,
    ) -> Result<String, String> {
        let watched = &book.alerts[&(account.to_owned(), id.to_owned())];
        let request = v1::GetBalanceAlertRequest {
            name: format!("ledgers/{ledger}/accounts/{account}/alerts/{id}"),
            consistency: Some(level.wire()),
        };
        let response = match self.query.get_balance_alert(&request) {
            Ok(response) => response,
            Err(ledger_query::QueryError::NotFound { at, .. }) => {
                let there = watched.at(at.bound());
                let none = format!("{account} has no {id} at {at}");
                return there.map_or(Ok(none), |it| Err(format!("at {at} it is {it:?}")));
            }
            Err(error) => return self.nothing(level, &error, book.accounts[account].opened),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let due = watched.at(bound).map(|it| self.wire_alert(ledger, book, (account, id), it));
        if response.alert != due {
            return Err(format!("alert {id}: due {due:?}, read {:?}", response.alert));
        }
        Ok(format!("alert {id} of {account} at {bound:?}"))
    }

    pub(super) fn alerts(
        &self,
        ledger: &str,
        book: &Book,
        account: &str,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let mut request = v1::ListBalanceAlertsRequest {
            parent: format!("ledgers/{ledger}/accounts/{account}"),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_balance_alerts(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, book.accounts[account].opened),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.alerts);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let mut due = self.all_alerts(ledger, book, bound);
        due.retain(|(of, ..)| *of == account);
        let due: Vec<_> = due.into_iter().map(|(.., alert)| alert).collect();
        if read != due {
            return Err(format!("alerts of {account}: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} alerts of {account} at {bound:?}", due.len()))
    }

    /// All pages of those that are raised, of all accounts.
    pub(super) fn raised(
        &self,
        ledger: &str,
        book: &Book,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let mut request = v1::ListRaisedAlertsRequest {
            parent: format!("ledgers/{ledger}"),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_raised_alerts(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, book.created),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.alerts);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let all = self.all_alerts(ledger, book, bound).into_iter();
        let mut due: Vec<_> = all.filter(|(.., alert)| alert.raised).collect();
        // By account in the order in which they were opened, and then by the text of the id.
        due.sort_by_key(|(account, id, _)| (book.accounts[*account].opened, (*id).to_owned()));
        let due: Vec<_> = due.into_iter().map(|(.., alert)| alert).collect();
        if read != due {
            return Err(format!("raised alerts: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} raised alerts of {ledger} at {bound:?}", due.len()))
    }

    /// All pages of the crossings of an account.
    pub(super) fn crossings(
        &self,
        ledger: &str,
        book: &Book,
        account: &str,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let mut request = v1::ListAlertCrossingsRequest {
            parent: format!("ledgers/{ledger}/accounts/{account}"),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_alert_crossings(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, book.accounts[account].opened),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            if response.crossings.len() > page_size.unsigned_abs() as usize {
                return Err(format!("a page of {page_size}: {:?}", response.crossings));
            }
            read.extend(response.crossings);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let mine = book.crossings.iter().filter(|it| it.account == account && it.place <= bound);
        let due: Vec<_> = mine.rev().map(|it| self.wire_crossing(book, it)).collect();
        if read != due {
            return Err(format!("crossings of {account}: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} crossings of {account} at {bound:?}", due.len()))
    }

    /// Those that are set at a place, by account and id: UUIDs come before other ids.
    fn all_alerts<'b>(
        &self,
        ledger: &str,
        book: &'b Book,
        bound: Place,
    ) -> Vec<(&'b str, &'b str, v1::BalanceAlert)> {
        let mut all = Vec::new();
        for ((account, id), watched) in &book.alerts {
            if let Some(it) = watched.at(bound) {
                let (account, id) = (account.as_str(), id.as_str());
                all.push((account, id, self.wire_alert(ledger, book, (account, id), it)));
            }
        }
        all.sort_by_key(|(account, id, _)| (*account, !is_uuid(id), *id));
        all
    }

    fn wire_alert(
        &self,
        ledger: &str,
        book: &Book,
        (account, id): (&str, &str),
        (place, asked, raised): (Place, &Alert, bool),
    ) -> v1::BalanceAlert {
        v1::BalanceAlert {
            name: format!("ledgers/{ledger}/accounts/{account}/alerts/{id}"),
            when: Some(self.watched(book, asked)),
            raised,
            position: self.placed(place),
            changed_at: self.instant(place).map(time::to_wire),
        }
    }

    fn wire_crossing(&self, book: &Book, it: &Crossed) -> v1::BalanceAlertCrossing {
        let (plus, minus) = it.value;
        let sign = if plus < minus { "-" } else { "" };
        let size = decimal_string(plus.abs_diff(minus), book.assets[&it.asked.asset].0);
        v1::BalanceAlertCrossing {
            account: it.account.clone(),
            alert_id: it.id.clone(),
            raised: it.raised,
            when: Some(self.watched(book, &it.asked)),
            value: format!("{sign}{size}"),
            cause: match &it.cause {
                Cause::Set => None,
                Cause::Transfer(id) => Some(Wire::TransferId(id.clone())),
                Cause::Expiry(hold) => Some(Wire::HoldId(hold.clone())),
            },
            position: self.placed(it.place),
            recorded_at: self.instant(it.place).map(time::to_wire),
        }
    }

    fn watched(&self, book: &Book, asked: &Alert) -> v1::BalanceCondition {
        let Alert { asset, figure, comparison, amount, .. } = asked.clone();
        let scale = book.assets[&asset].0;
        let digits = amount.strip_prefix('-').unwrap_or(&amount);
        let size = minor_units(digits, scale).unwrap_or(0);
        let sign = if digits.len() < amount.len() && size > 0 { "-" } else { "" };
        let amount = format!("{sign}{}", decimal_string(size, scale));
        v1::BalanceCondition { asset, figure, comparison, amount }
    }

    fn placed(&self, (offset, index): Place) -> String {
        Position::event(self.oracle.partition(), offset, index).to_string()
    }

    /// When what stands there was recorded.
    fn instant(&self, (offset, _): Place) -> Option<i64> {
        let recorded = self.oracle.commits.iter().find(|commit| commit.offset == offset);
        recorded.map(|commit| commit.recorded_at)
    }
}
