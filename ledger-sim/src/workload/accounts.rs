//! What is asked of ledgers, assets and accounts.

use fastrand::Rng;

use super::{ACCOUNTS, AMOUNTS, ASSETS, LEDGERS, MALFORMED_AMOUNTS, Workload, metadata};
use crate::request::{Ask, Change, Rules, Texts};

/// Customers that are registered at first.
const CUSTOMERS: usize = 2;
/// Alerts that are set at first.
const ALERTS: usize = 2;
/// How often each part of a ledger is asked for at first.
const SET_UP_ROUNDS: usize = 2;

impl Workload {
    /// The next of all ledgers, assets, accounts and customers, each a few times, for some answers are lost.
    pub(super) fn set_up(&mut self, rng: &mut Rng) -> Option<(&'static str, Ask)> {
        let each = 1 + ASSETS.len() + ACCOUNTS.len() + CUSTOMERS + ALERTS;
        let (assets, accounts) = (ASSETS.len(), ASSETS.len() + ACCOUNTS.len());
        let at = self.set_up / SET_UP_ROUNDS;
        self.set_up += 1;
        let ledger = LEDGERS.get(at / each)?;
        let ask = match at % each {
            0 => Ask::CreateLedger { metadata: metadata::plain(rng) },
            at if at <= assets => {
                let (code, mut scale) = ASSETS[at - 1];
                // Sends between ledgers whose assets differ are refused.
                if (*ledger, code) == ("club", "JPY") {
                    scale = 3;
                }
                Ask::CreateAsset { code: code.into(), scale }
            }
            at if at <= accounts => {
                open_account(ACCOUNTS[at - 1 - assets], metadata::plain(rng), rng)
            }
            at if at <= accounts + CUSTOMERS => {
                let name = format!("c-{}", at - 1 - accounts);
                Ask::Customer(self.register(rng, ledger, name))
            }
            _ => self.alert(rng),
        };
        Some((ledger, ask))
    }

    pub(super) fn set_up_ask(&self, rng: &mut Rng, ledger: &str) -> Ask {
        match rng.u32(0..10) {
            0..2 => Ask::CreateLedger { metadata: metadata::plain(rng) },
            2..4 => {
                let (code, scale) = ASSETS[rng.usize(0..ASSETS.len())];
                match rng.u32(0..20) {
                    0 => Ask::CreateAsset { code: "DEEPER".into(), scale: 31 },
                    1 => Ask::CreateAsset { code: String::new(), scale: 2 },
                    _ => Ask::CreateAsset { code: code.into(), scale },
                }
            }
            _ => {
                // Most of those above are there from the beginning.
                let name = match rng.u32(0..3) {
                    0 => format!("more:{}", rng.u32(0..8)),
                    _ => ACCOUNTS[rng.usize(0..ACCOUNTS.len())].to_owned(),
                };
                open_account(&name, self.noted(rng, ledger), rng)
            }
        }
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

pub(super) fn open_account(name: &str, metadata: Texts, rng: &mut Rng) -> Ask {
    let kind = if rng.u32(0..60) == 0 { 0 } else { rng.i32(1..6) };
    let rules = match name {
        "world" | "cash" => Rules { may_go_negative: true, limits: Vec::new() },
        _ => rules(rng),
    };
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
