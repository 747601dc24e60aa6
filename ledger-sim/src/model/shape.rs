//! What is refused without looking at state.

use std::collections::BTreeSet;

use super::amount::{decimal, fits};
use super::groups::shapes;
use super::{
    CAPTURE, HOLD, POST, REVERSAL, SEND, VOID, alert, condition, customer, destination, metadata,
    schedule,
};
use crate::request::{Ask, Request, Rules, Transfer};

/// The code of what is wrong with a request as a whole; else that of each transfer of a batch, `None`
/// for a well-formed one.
pub(crate) fn shape(request: &Request) -> Result<Vec<Option<u32>>, u32> {
    if !name(&request.ledger, 64, "_.-") {
        return Err(101);
    }
    if !request.request_id.is_empty() && !id(&request.request_id) {
        return Err(101);
    }
    match &request.ask {
        // There are no accounts yet.
        Ask::CreateLedger { .. } if !request.conditions.is_empty() => return Err(101),
        Ask::CreateAsset { code, .. } if !name(code, 16, "_.-") => return Err(101),
        Ask::OpenAccount { name: account, .. }
        | Ask::Change { name: account, .. }
        | Ask::SetRules { name: account, .. }
            if !name(account, 128, "_.:-") =>
        {
            return Err(101);
        }
        Ask::Note(note) if metadata::update_shape(note) == Some(101) => return Err(101),
        Ask::CreateLedger { metadata } | Ask::OpenAccount { metadata, .. }
            if metadata::shape(metadata) == Some(101) =>
        {
            return Err(101);
        }
        Ask::Cancel { schedule } if !id(schedule) => return Err(101),
        Ask::Customer(asked) if customer::shape(asked).0 => return Err(101),
        Ask::SetAlert(asked) if alert::shape(asked) == Some(101) => return Err(101),
        Ask::RemoveAlert { account, id: alert } if !name(account, 128, "_.:-") || !id(alert) => {
            return Err(101);
        }
        Ask::Schedule(asked) if schedule::shape(asked) == Some(101) => return Err(101),
        Ask::OpenAccount { kind, .. } if !(1..=5).contains(kind) => return Err(101),
        _ => {}
    }
    if let Some(code) = condition::shape(&request.conditions) {
        return Err(code);
    }
    match &request.ask {
        Ask::CreateAsset { scale, .. } if *scale > 30 => Err(108),
        Ask::OpenAccount { rules: asked, metadata, .. } => {
            let wrong = rules(asked).or(metadata::shape(metadata));
            wrong.map_or(Ok(Vec::new()), Err)
        }
        Ask::Customer(asked) if customer::shape(asked).1 => Err(107),
        Ask::Schedule(asked) => schedule::shape(asked).map_or(Ok(Vec::new()), Err),
        Ask::SetAlert(asked) => alert::shape(asked).map_or(Ok(Vec::new()), Err),
        Ask::SetRules { rules: asked, .. } => rules(asked).map_or(Ok(Vec::new()), Err),
        Ask::Note(note) => metadata::update_shape(note).map_or(Ok(Vec::new()), Err),
        Ask::CreateLedger { metadata } => metadata::shape(metadata).map_or(Ok(Vec::new()), Err),
        Ask::RemoveAlert { .. }
        | Ask::Lock { .. }
        | Ask::CreateAsset { .. }
        | Ask::Cancel { .. }
        | Ask::Customer(_)
        | Ask::Change { .. } => Ok(Vec::new()),
        Ask::Post { transfers } if transfers.is_empty() || transfers.len() > 8_190 => Err(106),
        Ask::Post { transfers } => Ok(shapes(&request.ledger, transfers)),
    }
}

/// The code of what is wrong with a transfer.
pub(crate) fn transfer(ledger: &str, transfer: &Transfer) -> Option<u32> {
    let t = transfer;
    let account = |text: &str| name(text, 128, "_.:-");
    let sides = account(&t.debit) && account(&t.credit) && name(&t.asset, 16, "_.-");
    let no_sides = t.debit.is_empty() && t.credit.is_empty() && t.asset.is_empty();
    let (no_hold, no_past) = (t.hold.is_empty(), t.reverses.is_empty());
    let no_send = t.destination.is_empty() && t.deadline.is_none();
    let elsewhere = destination(&t.destination)
        .is_some_and(|(to, there)| name(to, 64, "_.-") && account(there) && to != ledger);
    let of_kind = match t.kind {
        SEND => {
            let sides = account(&t.debit) && t.credit.is_empty() && name(&t.asset, 16, "_.-");
            sides && elsewhere && no_hold && no_past && t.expires_at.is_none()
        }
        _ if !no_send => false,
        0 | POST => sides && no_hold && no_past && t.expires_at.is_none(),
        HOLD => sides && no_hold && no_past,
        CAPTURE => no_sides && no_past && id(&t.hold) && t.expires_at.is_none() && !t.up_to,
        VOID => {
            let no_amount = t.amount.is_empty() && !t.up_to;
            no_sides && no_past && no_amount && id(&t.hold) && t.expires_at.is_none()
        }
        REVERSAL => {
            no_sides && no_hold && id_read(&t.reverses) && t.expires_at.is_none() && !t.up_to
        }
        _ => false,
    };
    let noted = metadata::shape(&t.metadata);
    let bound = t.entry.is_empty() || (id(&t.entry) && !t.linked);
    if !id(&t.id) || !of_kind || !bound || !t.asked_amount.is_empty() || noted == Some(101) {
        return Some(101);
    }
    let of_another = matches!(t.kind, CAPTURE | VOID | REVERSAL);
    let all_the_rest = of_another && t.amount.is_empty();
    if !all_the_rest && let Some(code) = amount(&t.amount) {
        return Some(code);
    }
    if !of_another && t.kind != SEND && t.debit == t.credit {
        return Some(105);
    }
    (t.reference.len() > 256).then_some(107).or(noted)
}

/// The code of what is wrong with rules.
fn rules(rules: &Rules) -> Option<u32> {
    let Rules { may_go_negative, limits } = rules;
    let assets: BTreeSet<&String> = limits.iter().map(|(asset, _)| asset).collect();
    let one_each = assets.len() == limits.len();
    let named = assets.iter().all(|asset| name(asset, 16, "_.-"));
    if (*may_go_negative && !limits.is_empty()) || !one_each || !named {
        return Some(101);
    }
    let mut by_asset = limits.clone();
    by_asset.sort();
    let wrong = by_asset.iter().find_map(|(_, limit)| amount(limit));
    wrong.or((limits.len() > 100).then_some(107))
}

pub(super) fn amount(text: &str) -> Option<u32> {
    let Some((whole, fraction)) = decimal(text) else { return Some(102) };
    if too_large(&(whole.clone(), fraction.clone())) {
        return Some(103);
    }
    (whole == "0" && fraction.is_empty()).then_some(104)
}

/// Whether the parts of a decimal have more digits than any asset can hold.
pub(super) fn too_large((whole, fraction): &(String, String)) -> bool {
    fraction.len() > 255 || !fits(&(whole.clone() + fraction))
}

pub(super) fn name(text: &str, longest: usize, more: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    (1..=longest).contains(&text.len()) && text != "-" && text.chars().all(allowed)
}

pub(super) fn id(text: &str) -> bool {
    let allowed = |c: char| ('!'..='~').contains(&c) && c != '/';
    (1..=64).contains(&text.len()) && !text.starts_with('~') && text.chars().all(allowed)
}

/// Also one of the system's.
pub(super) fn id_read(text: &str) -> bool {
    match text.strip_prefix('~') {
        Some(rest) => {
            rest.chars().all(|c| ('!'..='~').contains(&c) && c != '/') && text.len() <= 160
        }
        None => id(text),
    }
}
