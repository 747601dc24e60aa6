//! What is asked of ledgers, assets and accounts.

use fastrand::Rng;

use super::{ACCOUNTS, AMOUNTS, ASSETS, MALFORMED_AMOUNTS, metadata};
use crate::request::{Ask, Change, Rules};

pub(super) fn set_up_ask(rng: &mut Rng) -> Ask {
    match rng.u32(0..10) {
        0..2 => Ask::CreateLedger { metadata: metadata::some(rng) },
        2..4 => {
            let (code, scale) = ASSETS[rng.usize(0..ASSETS.len())];
            match rng.u32(0..20) {
                0 => Ask::CreateAsset { code: "DEEPER".into(), scale: 31 },
                1 => Ask::CreateAsset { code: String::new(), scale: 2 },
                _ => Ask::CreateAsset { code: code.into(), scale },
            }
        }
        _ => open_account(ACCOUNTS[rng.usize(0..ACCOUNTS.len())], rng),
    }
}

/// Frozen accounts are mostly unfrozen again, or nothing would move in the end.
pub(super) fn change(rng: &mut Rng) -> Ask {
    let name = match rng.u32(0..40) {
        0 => "nobody",
        1 => "no body",
        _ => ACCOUNTS[rng.usize(0..ACCOUNTS.len())],
    };
    let change = match rng.u32(0..10) {
        0..3 => Change::Freeze,
        3..9 => Change::Unfreeze,
        _ => Change::Close,
    };
    Ask::Change { name: name.into(), change }
}

pub(super) fn open_account(name: &str, rng: &mut Rng) -> Ask {
    let kind = if rng.u32(0..60) == 0 { 0 } else { rng.i32(1..6) };
    let rules = match name {
        "world" | "cash" => Rules { may_go_negative: true, limits: Vec::new() },
        _ => rules(rng),
    };
    let metadata = metadata::some(rng);
    Ask::OpenAccount { name: name.into(), kind, rules, metadata }
}

/// The accounts that everything comes from mostly stay without bound, or nothing would move.
pub(super) fn set_rules(rng: &mut Rng) -> Ask {
    let name = match rng.u32(0..40) {
        0 => "nobody",
        1 => "no body",
        2 => ACCOUNTS[rng.usize(0..ACCOUNTS.len())],
        _ => ["alice", "bob", "fees", "till"][rng.usize(0..4)],
    };
    Ask::SetRules { name: name.into(), rules: rules(rng) }
}

/// Mostly some limits or none, rarely what cannot be.
fn rules(rng: &mut Rng) -> Rules {
    let count = match rng.u32(0..8) {
        0..4 => 0,
        4..6 => 1,
        _ => rng.usize(1..4),
    };
    let mut limits: Vec<(String, String)> = Vec::new();
    for _ in 0..count {
        let asset = match rng.u32(0..60) {
            0 => "NONE",
            1 => "no asset",
            2..30 => "USD",
            _ => ASSETS[rng.usize(0..ASSETS.len())].0,
        };
        let amount = match rng.u32(0..30) {
            0 => MALFORMED_AMOUNTS[rng.usize(0..MALFORMED_AMOUNTS.len())].to_owned(),
            1..6 => AMOUNTS[rng.usize(0..AMOUNTS.len())].to_owned(),
            _ => rng.u32(1..300).to_string(),
        };
        // One asset twice is refused; that must not be most of them.
        if rng.u32(0..20) == 0 || limits.iter().all(|(other, _)| other != asset) {
            limits.push((asset.to_owned(), amount));
        }
    }
    let none = limits.is_empty();
    Rules { may_go_negative: rng.u32(0..if none { 6 } else { 60 }) == 0, limits }
}
