//! Which transfers stand or fall together, and journal entries.

use std::ops::Range;

use super::same::canonical_id;
use super::shape;
use crate::request::Transfer;

/// How a transfer is bound to others: by nothing, to the next one, or by an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bond {
    Free,
    Next,
    Entry(String),
}

fn bond(transfer: &Transfer) -> Bond {
    match (transfer.linked, transfer.entry.as_str()) {
        (true, "") => Bond::Next,
        (false, entry) if shape::id(entry) => Bond::Entry(canonical_id(entry)),
        // Nothing is said, or what is said cannot be.
        _ => Bond::Free,
    }
}

/// The groups of a batch, in order: most are of one.
pub(super) fn groups(transfers: &[Transfer]) -> Vec<Range<usize>> {
    let bonds: Vec<Bond> = transfers.iter().map(bond).collect();
    let mut groups: Vec<Range<usize>> = Vec::new();
    for at in 0..transfers.len() {
        let bound = at > 0
            && match &bonds[at - 1] {
                Bond::Free => false,
                Bond::Next => true,
                Bond::Entry(entry) => bonds[at] == Bond::Entry(entry.clone()),
            };
        match groups.last_mut().filter(|_| bound) {
            Some(group) => group.end = at + 1,
            None => groups.push(at..at + 1),
        }
    }
    groups
}

/// The code of what is wrong with each transfer of a batch, by itself or by its group; `None` for a
/// well-formed one.
pub(crate) fn shapes(ledger: &str, transfers: &[Transfer]) -> Vec<Option<u32>> {
    let mut codes: Vec<Option<u32>> =
        transfers.iter().map(|it| shape::transfer(ledger, it)).collect();
    let bonds: Vec<Bond> = transfers.iter().map(bond).collect();
    for group in groups(transfers) {
        if let Some((at, code)) = broken(&bonds, &group) {
            codes[at] = codes[at].or(Some(code));
        }
        if codes[group.clone()].iter().any(Option::is_some) {
            for code in &mut codes[group] {
                *code = code.or(Some(401));
            }
        }
    }
    codes
}

/// Where a group is none, and why.
fn broken(bonds: &[Bond], group: &Range<usize>) -> Option<(usize, u32)> {
    let last = group.end - 1;
    match &bonds[group.start] {
        Bond::Entry(_) => {
            let same = |at: &usize| bonds[*at] == bonds[group.start];
            let mut outside = (0..group.start).chain(group.end..bonds.len());
            if outside.any(|at| same(&at)) {
                return Some((group.start, 101));
            }
            (group.len() > 1_000).then_some((group.start, 106))
        }
        Bond::Free => None,
        Bond::Next if bonds[last] == Bond::Next => Some((last, 101)),
        Bond::Next => {
            let of_entry = |at: &usize| matches!(bonds[*at], Bond::Entry(_));
            group.clone().find(of_entry).map(|at| (at, 101))
        }
    }
}
