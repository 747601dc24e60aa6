//! Transfers of a batch that stand or fall together: a malformed one keeps the others of its group from
//! being decided.

use std::collections::HashMap;
use std::ops::Range;

use ledger_domain::limits::ENTRY_TRANSFERS_MAX;
use ledger_domain::{Code, Id, Link, Rejection, Transfer};

use crate::resource::{malformed, parse_id};
use crate::v1;

/// With which others a transfer stands or falls.
pub(super) fn link(wire: &v1::Transfer) -> Result<Link, Rejection> {
    match (wire.linked, wire.entry_id.is_empty()) {
        (false, true) => Ok(Link::Alone),
        (true, true) => Ok(Link::Next),
        (false, false) => Ok(Link::Entry(Box::new(parse_id("entry_id", &wire.entry_id)?))),
        (true, false) => Err(malformed("linked", "", "is said by the entry")),
    }
}

/// Refuses groups that are not whole, and what is in a group with a refused one.
pub(super) fn check(wire: &[v1::Transfer], parsed: &mut [Result<Transfer, Rejection>]) {
    if wire.iter().all(|transfer| !transfer.linked && transfer.entry_id.is_empty()) {
        return;
    }
    // A link that is malformed joins nothing, but may be joined.
    let links: Vec<Link> = wire.iter().map(|transfer| link(transfer).unwrap_or_default()).collect();
    let mut runs: HashMap<&Id, usize> = HashMap::new();
    for (place, link) in links.iter().enumerate() {
        let begins = place == 0 || links[place - 1] != *link;
        if let (true, Some(entry)) = (begins, link.entry()) {
            *runs.entry(entry).or_default() += 1;
        }
    }
    for group in groups(&links) {
        if let Err((place, rejection)) = whole(&links, &group, &runs) {
            refuse(&mut parsed[place], rejection);
        }
        let Some(failed) = group.clone().find(|place| parsed[*place].is_err()) else { continue };
        let subject = match wire[failed].transfer_id.as_str() {
            "" => format!("item {failed}"),
            id => id.chars().take(80).collect(),
        };
        for place in group {
            refuse(&mut parsed[place], Rejection::new(Code::LinkedFailed, &subject));
        }
    }
}

/// Its own refusal comes first.
fn refuse(parsed: &mut Result<Transfer, Rejection>, rejection: Rejection) {
    if parsed.is_ok() {
        *parsed = Err(rejection);
    }
}

/// Places of transfers that stand or fall together, in order.
fn groups(links: &[Link]) -> impl Iterator<Item = Range<usize>> {
    links.chunk_by(Link::joins).scan(0, |end, group| {
        let start = *end;
        *end += group.len();
        Some(start..*end)
    })
}

/// What makes a group none, and of which transfer.
fn whole(
    links: &[Link],
    group: &Range<usize>,
    runs: &HashMap<&Id, usize>,
) -> Result<(), (usize, Rejection)> {
    let (first, last) = (group.start, group.end - 1);
    if let Some(entry) = links[first].entry() {
        if runs.get(entry).is_some_and(|runs| *runs > 1) {
            let rule = "all transfers of an entry stand side by side";
            return Err((first, malformed("entry_id", &entry.to_string(), rule)));
        }
        if group.len() > ENTRY_TRANSFERS_MAX {
            let subject = format!("an entry has at most {ENTRY_TRANSFERS_MAX} transfers");
            return Err((first, Rejection::new(Code::BatchSize, &subject)));
        }
        return Ok(());
    }
    if links[last] == Link::Next {
        return Err((last, malformed("linked", "", "the last of a batch has no next")));
    }
    let mixed = group.clone().find(|place| links[*place].entry().is_some());
    match mixed {
        Some(place) => {
            let rule = "a transfer of an entry is linked with those of its entry";
            Err((place, malformed("linked", "", rule)))
        }
        None => Ok(()),
    }
}
