//! An account: what may be done with it, and how far below zero its balances may go.

use std::collections::BTreeMap;

use super::{ASSET, Book, EXPENSE, Moved, Noted, Place, minor_units};
use crate::request::Rules;

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) opened: Place,
    pub(crate) kind: i32,
    /// Ascending; the first is from where it was opened on.
    pub(crate) rules: Vec<(Place, Bound)>,
    /// Ascending; open before the first.
    pub(crate) statuses: Vec<(Place, Status)>,
    pub(crate) noted: Noted,
}

/// What may be done with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Frozen,
    Closed,
}

/// What an account allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Everything.
    None,
    /// So much of each asset, in minor units, and nothing of the others.
    Limits(BTreeMap<String, u128>),
}

impl Default for Bound {
    fn default() -> Self {
        Bound::Limits(BTreeMap::new())
    }
}

impl Bound {
    /// How far a balance of this asset may go; `None` is without bound.
    pub(super) fn of(&self, asset: &str) -> Option<u128> {
        match self {
            Bound::None => None,
            Bound::Limits(limits) => Some(limits.get(asset).copied().unwrap_or(0)),
        }
    }
}

/// What is left until a limit; `None` beyond it, and at most what 128 bits hold.
pub(super) fn left((plus, minus): (u128, u128), limit: u128) -> Option<u128> {
    // plus + limit needs 129 bits.
    let (sum, carried) = plus.overflowing_add(limit);
    let (left, borrowed) = sum.overflowing_sub(minus);
    match (carried, borrowed) {
        (true, false) => Some(u128::MAX),
        (false, true) => None,
        (true, true) | (false, false) => Some(left),
    }
}

impl Account {
    /// Its status as of a place.
    pub(crate) fn status(&self, at: Place) -> Option<(Place, Status)> {
        self.statuses.iter().rfind(|(place, _)| *place <= at).copied()
    }

    pub(super) fn is_debit_normal(&self) -> bool {
        matches!(self.kind, ASSET | EXPENSE)
    }

    pub(super) fn status_now(&self) -> Status {
        self.statuses.last().map_or(Status::Open, |(_, status)| *status)
    }

    /// Its rules as of a place.
    pub(crate) fn rules(&self, at: Place) -> Option<&(Place, Bound)> {
        self.rules.iter().rfind(|(place, _)| *place <= at)
    }

    pub(super) fn bound_now(&self) -> Bound {
        self.rules.last().map(|(_, bound)| bound.clone()).unwrap_or_default()
    }
}

impl Book {
    /// Rules as this book counts its assets.
    pub(super) fn bound(&self, rules: &Rules) -> Result<Bound, u32> {
        if rules.may_go_negative {
            return Ok(Bound::None);
        }
        if rules.limits.iter().any(|(asset, _)| !self.assets.contains_key(asset)) {
            return Err(208);
        }
        let mut asked = rules.limits.clone();
        asked.sort();
        let mut limits = BTreeMap::new();
        for (asset, amount) in asked {
            let amount = minor_units(&amount, self.assets[&asset].0)?;
            limits.insert(asset, amount);
        }
        Ok(Bound::Limits(limits))
    }

    /// Whether one of its accounts is below zero within a limit.
    pub(crate) fn uses_limit(&self, moved: &Moved) -> bool {
        [&moved.debit, &moved.credit].into_iter().any(|name| {
            let Some(account) = self.accounts.get(name) else { return false };
            let (plus, minus) = self.latest(name, &moved.asset).sides(account.kind);
            minus > plus && account.bound_now().of(&moved.asset).is_some()
        })
    }

    pub(super) fn set_rules(&self, name: &str, rules: &Rules) -> Result<(), u32> {
        let account = self.accounts.get(name).ok_or(212u32)?;
        if account.status_now() == Status::Closed {
            return Err(213);
        }
        let bound = self.bound(rules)?;
        let all = self.balances.keys().filter(|(of, _)| of == name);
        let passed = all.map(|(_, asset)| asset).any(|asset| {
            let sides = self.latest(name, asset).sides(account.kind);
            bound.of(asset).is_some_and(|limit| left(sides, limit).is_none())
        });
        if passed { Err(225) } else { Ok(()) }
    }
}
