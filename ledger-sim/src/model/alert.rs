//! Balance alerts: looked at anew after every single movement, by an arithmetic of their own.

use super::condition::{compares, figure};
use super::shape::{id, name, too_large};
use super::{Book, EXPIRY, Model, Place, Status, canonical_id, decimal, is_uuid, minor_units};
use crate::request::Alert;

const ALERTS_MAX: usize = 16;

/// An alert of an account, and all that it ever was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// What it watches for, if it is not removed.
    asked: Option<Alert>,
    raised: bool,
    /// What it is from each place on: what it watches for, and whether it is raised; nothing when it was
    /// removed. Ascending.
    pub(crate) versions: Vec<(Place, Option<(Alert, bool)>)>,
}

/// An alert crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crossed {
    pub(crate) place: Place,
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) asked: Alert,
    pub(crate) raised: bool,
    /// The figure, in minor units: what counts for it and against it.
    pub(crate) value: (u128, u128),
    pub(crate) cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Set,
    Transfer(String),
    Expiry(String),
}

/// The code of what is wrong with an alert: what is malformed of it first.
pub(super) fn shape(asked: &Alert) -> Option<u32> {
    let Alert { account, id: alert, asset, figure, comparison, amount } = asked;
    let known = (1..=6).contains(figure) && (1..=3).contains(comparison);
    if !name(account, 128, "_.:-") || !id(alert) || !name(asset, 16, "_.-") || !known {
        return Some(101);
    }
    match decimal(amount.strip_prefix('-').unwrap_or(amount)) {
        None => Some(102),
        Some(parts) => too_large(&parts).then_some(103),
    }
}

/// Two alerts ask the same, however they are written.
pub(super) fn same(a: &Alert, b: &Alert) -> bool {
    let plain = |alert: &Alert| {
        let digits = alert.amount.strip_prefix('-');
        let size = decimal(digits.unwrap_or(&alert.amount));
        let is_zero = size == Some(("0".into(), String::new()));
        let negative = digits.is_some() && !is_zero;
        let Alert { account, id, asset, figure, comparison, .. } = alert.clone();
        (account, canonical_id(&id), asset, figure, comparison, size, negative)
    };
    plain(a) == plain(b)
}

impl Watched {
    /// What it is as of a place.
    pub(crate) fn at(&self, bound: Place) -> Option<(Place, &Alert, bool)> {
        let (place, version) = self.versions.iter().rfind(|(place, _)| *place <= bound)?;
        version.as_ref().map(|(asked, raised)| (*place, asked, *raised))
    }
}

impl Book {
    /// What is wrong with setting an alert.
    pub(super) fn sets_alert(&self, asked: &Alert) -> Option<u32> {
        let Some(account) = self.accounts.get(&asked.account) else { return Some(212) };
        let key = (asked.account.clone(), canonical_id(&asked.id));
        let is_there = |watched: &&Watched| watched.asked.is_some();
        let others = self.alerts.iter().filter(|((of, _), _)| *of == asked.account);
        let others = others.filter(|(_, watched)| is_there(watched)).count();
        if self.alerts.get(&key).filter(is_there).is_none() && others >= ALERTS_MAX {
            return Some(205);
        }
        if account.status_now() == Status::Closed {
            return Some(213);
        }
        let Some((scale, _)) = self.assets.get(&asked.asset) else { return Some(208) };
        let digits = asked.amount.strip_prefix('-').unwrap_or(&asked.amount);
        minor_units(digits, *scale).err()
    }

    /// What is wrong with removing one.
    pub(super) fn removes_alert(&self, account: &str, id: &str) -> Option<u32> {
        if !self.accounts.contains_key(account) {
            return Some(212);
        }
        let watched = self.alerts.get(&(account.to_owned(), canonical_id(id)));
        watched.is_none_or(|watched| watched.asked.is_none()).then_some(230)
    }

    pub(super) fn set_alert(&mut self, asked: &Alert, place: Place) {
        let id = canonical_id(&asked.id);
        let watched = self.alerts.entry((asked.account.clone(), id.clone())).or_default();
        watched.asked = Some(asked.clone());
        watched.versions.push((place, Some((asked.clone(), watched.raised))));
        self.look_at(&asked.account, &id, &Cause::Set);
    }

    pub(super) fn remove_alert(&mut self, account: &str, id: &str, place: Place) {
        let key = (account.to_owned(), canonical_id(id));
        if let Some(watched) = self.alerts.get_mut(&key) {
            (watched.asked, watched.raised) = (None, false);
            watched.versions.push((place, None));
        }
    }

    /// A balance of an account has moved.
    pub(super) fn looks(&mut self, account: &str, asset: &str, (kind, by): (i32, &str)) {
        let of_it = |watched: &Watched| watched.asked.as_ref().is_some_and(|it| it.asset == asset);
        let mine = self.alerts.iter().filter(|((of, _), it)| of == account && of_it(it));
        let mut ids: Vec<_> = mine.map(|((_, id), _)| (!is_uuid(id), id.clone())).collect();
        ids.sort();
        let by = by.to_owned();
        let cause = if kind == EXPIRY { Cause::Expiry(by) } else { Cause::Transfer(by) };
        for (_, id) in ids {
            self.look_at(account, &id, &cause);
        }
    }

    fn look_at(&mut self, account: &str, id: &str, cause: &Cause) {
        let key = (account.to_owned(), id.to_owned());
        let Some(asked) = self.alerts.get(&key).and_then(|it| it.asked.clone()) else { return };
        let (Some(of), Some((scale, _))) =
            (self.accounts.get(account), self.assets.get(&asked.asset))
        else {
            return;
        };
        let counters = self.latest(account, &asked.asset);
        let parts = figure(asked.figure, of.is_debit_normal(), counters);
        let raised = compares(parts.clone(), asked.comparison, &asked.amount, *scale);
        let Some(watched) = self.alerts.get_mut(&key) else { return };
        if raised == Ok(watched.raised) {
            return;
        }
        watched.raised = !watched.raised;
        let (raised, cause, id) = (watched.raised, cause.clone(), id.to_owned());
        let total = |terms: &[u128]| terms.iter().sum();
        let value = (total(&parts.0), total(&parts.1));
        let (place, account) = (Place::default(), account.to_owned());
        self.crossing.push(Crossed { place, account, id, asked, raised, value, cause });
    }

    /// Records what has crossed since the last time, from a place on.
    fn record_crossed(&mut self, from: Place) -> Vec<Crossed> {
        let mut crossed = std::mem::take(&mut self.crossing);
        for (index, it) in (from.1..).zip(&mut crossed) {
            it.place = (from.0, index);
            if let Some(watched) = self.alerts.get_mut(&(it.account.clone(), it.id.clone())) {
                watched.versions.push((it.place, Some((it.asked.clone(), it.raised))));
            }
        }
        self.crossings.extend(crossed.iter().cloned());
        crossed
    }
}

impl Model {
    /// Records what the last command made cross, from a place on; in order.
    pub(crate) fn crossed(&mut self, ledger: &str, from: Place) -> Vec<Crossed> {
        let book = self.books.get_mut(ledger);
        book.map_or_else(Vec::new, |book| book.record_crossed(from))
    }

    /// Whether one of the accounts of a hold has an alert.
    pub(crate) fn watches(&self, ledger: &str, hold: &str) -> bool {
        let Some(book) = self.books.get(ledger) else { return false };
        let Some(hold) = book.holds.get(hold) else { return false };
        let mut alerts = book.alerts.iter();
        alerts.any(|((of, _), watched)| {
            watched.asked.is_some() && [&hold.debit, &hold.credit].contains(&of)
        })
    }
}
