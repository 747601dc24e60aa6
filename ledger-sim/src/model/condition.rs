//! What a command depends on, judged by an arithmetic of its own.

use super::shape::{name, too_large};
use super::{ASSET, Book, Counters, EXPENSE, Model, Place, decimal, groups, minor_units};
use crate::request::{Condition, That, Transfer};

/// The code of what is malformed in conditions: the least of all of them.
pub(super) fn shape(conditions: &[Condition]) -> Option<u32> {
    if conditions.len() > 16 {
        return Some(107);
    }
    conditions.iter().filter_map(malformed).min()
}

fn malformed(condition: &Condition) -> Option<u32> {
    if !name(&condition.account, 128, "_.:-") {
        return Some(101);
    }
    match &condition.that {
        That::Nothing => Some(101),
        That::Version(_) => None,
        That::Balance(asset, figure, comparison, amount) => {
            let known = (1..=6).contains(figure) && (1..=3).contains(comparison);
            if !name(asset, 16, "_.-") || !known {
                return Some(101);
            }
            match decimal(digits(amount)) {
                None => Some(102),
                Some(parts) => too_large(&parts).then_some(103),
            }
        }
    }
}

fn digits(amount: &str) -> &str {
    amount.strip_prefix('-').unwrap_or(amount)
}

/// Two lists of conditions ask the same.
pub(super) fn same(a: &[Condition], b: &[Condition]) -> bool {
    let that = |a: &That, b: &That| match (a, b) {
        (That::Balance(asset_a, f, c, amount_a), That::Balance(asset_b, g, d, amount_b)) => {
            let (size_a, size_b) = (decimal(digits(amount_a)), decimal(digits(amount_b)));
            let is_zero = size_a == Some(("0".into(), String::new()));
            let signs = is_zero || amount_a.starts_with('-') == amount_b.starts_with('-');
            (asset_a, f, c) == (asset_b, g, d) && size_a == size_b && signs
        }
        (a, b) => a == b,
    };
    let same = |(a, b): (&Condition, &Condition)| a.account == b.account && that(&a.that, &b.that);
    a.len() == b.len() && a.iter().zip(b).all(same)
}

impl Model {
    /// The code of the first condition that is not met.
    pub(super) fn depends(&self, book: &Book, conditions: &[Condition]) -> Option<u32> {
        conditions.iter().find_map(|condition| self.unmet(book, condition).err())
    }

    fn unmet(&self, book: &Book, condition: &Condition) -> Result<(), u32> {
        let account = book.accounts.get(&condition.account);
        match (&condition.that, account) {
            (That::Nothing | That::Version(0), None) => Ok(()),
            (_, None) => Err(212),
            (That::Nothing, Some(_)) => Ok(()),
            (That::Version(version), Some(_)) => {
                let present = self.version(book, &condition.account, (u64::MAX, u32::MAX));
                if present == *version { Ok(()) } else { Err(228) }
            }
            (That::Balance(asset, figure, comparison, amount), Some(account)) => {
                let (scale, _) = book.assets.get(asset).ok_or(208u32)?;
                let size = minor_units(digits(amount), *scale)?;
                let counters = book.latest(&condition.account, asset);
                let Counters { debits, credits, debits_pending, credits_pending } = counters;
                let sum = |terms: &[u128]| terms.iter().fold((0, 0), |sum, term| add(sum, *term));
                let debit_normal = matches!(account.kind, ASSET | EXPENSE);
                let (mut plus, mut minus) = match figure {
                    1 if debit_normal => (vec![debits], vec![credits]),
                    1 => (vec![credits], vec![debits]),
                    2 if debit_normal => (vec![debits], vec![credits, credits_pending]),
                    2 => (vec![credits], vec![debits, debits_pending]),
                    3 => (vec![debits], vec![]),
                    4 => (vec![credits], vec![]),
                    5 => (vec![debits_pending], vec![]),
                    _ => (vec![credits_pending], vec![]),
                };
                // figure ? -size is figure + size ? 0.
                if amount.starts_with('-') {
                    plus.push(size)
                } else {
                    minus.push(size)
                }
                let (left, right) = (sum(&plus), sum(&minus));
                let met = match comparison {
                    1 => left >= right,
                    2 => left <= right,
                    _ => left == right,
                };
                if met { Ok(()) } else { Err(229) }
            }
        }
    }

    /// When the last commit up to a place that changed an account was recorded.
    pub(crate) fn version(&self, book: &Book, name: &str, bound: Place) -> u64 {
        let account = &book.accounts[name];
        let status = account.status(bound).map(|(place, _)| place);
        let moved =
            book.balances.iter().filter(|((of, _), _)| of == name).filter_map(|(_, all)| {
                all.iter().rfind(|version| version.place <= bound).map(|version| version.place)
            });
        let ruled = account.rules.iter().rfind(|(place, _)| *place <= bound);
        let ruled = ruled.map(|(place, _)| *place);
        let noted = super::noted(&account.noted, bound).map(|(place, _)| *place);
        let changed = moved.chain(status).chain(ruled).chain(noted);
        let (offset, _) = changed.fold(account.opened, Place::max);
        self.instants.get(&offset).map_or(0, |at| *at as u64)
    }

    /// Whether every transfer, or one of its group, was decided before: nothing is left to depend on
    /// anything.
    pub(super) fn is_retry(book: &Book, transfers: &[Transfer]) -> bool {
        let known = |at: usize| book.known(transfers, at).is_some();
        !transfers.is_empty()
            && groups::groups(transfers).into_iter().all(|mut group| group.any(known))
    }
}

/// High and low digit of base 2^128.
fn add((high, low): (u128, u128), term: u128) -> (u128, u128) {
    match low.checked_add(term) {
        Some(low) => (high, low),
        None => (high + 1, low.wrapping_add(term)),
    }
}
