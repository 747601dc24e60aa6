//! Balance alerts, mostly sound, around what balances come to, so that they often cross.

use fastrand::Rng;

use super::{ACCOUNTS, AMOUNTS, ASSETS, MALFORMED_AMOUNTS, Workload};
use crate::request::{Alert, Ask};

impl Workload {
    pub(super) fn alert(&self, rng: &mut Rng) -> Ask {
        let amount = match rng.u32(0..24) {
            0 => MALFORMED_AMOUNTS[rng.usize(0..MALFORMED_AMOUNTS.len())].to_owned(),
            1..3 => AMOUNTS[rng.usize(0..AMOUNTS.len())].to_owned(),
            3..6 => "0".to_owned(),
            _ => rng.u32(1..200).to_string(),
        };
        let sign = if rng.u32(0..4) == 0 { "-" } else { "" };
        Ask::SetAlert(Alert {
            account: account(rng),
            id: id(rng),
            asset: match rng.u32(0..24) {
                0 => "NONE".into(),
                1 => "no asset".into(),
                2..5 => ASSETS[rng.usize(0..ASSETS.len())].0.into(),
                _ => "USD".into(),
            },
            figure: if rng.u32(0..30) == 0 { 7 } else { rng.i32(1..7) },
            comparison: match rng.u32(0..30) {
                0 => 0,
                1..4 => 3,
                _ => rng.i32(1..3),
            },
            amount: format!("{sign}{amount}"),
        })
    }

    pub(super) fn remove_alert(&self, rng: &mut Rng) -> Ask {
        Ask::RemoveAlert { account: account(rng), id: id(rng) }
    }
}

fn account(rng: &mut Rng) -> String {
    let account = match rng.u32(0..30) {
        0 => "nobody",
        1 => "no body",
        2 => "~clearing:shop",
        // Few, so that they have several.
        3..16 => ["cash", "alice"][rng.usize(0..2)],
        _ => ACCOUNTS[rng.usize(0..ACCOUNTS.len())],
    };
    account.to_owned()
}

fn id(rng: &mut Rng) -> String {
    match rng.u32(0..20) {
        0 => "~low".to_owned(),
        1..5 => "0198C0DE-0000-7abc-8def-00000000000a".to_owned(),
        5 => "0198c0de-0000-7ABC-8def-00000000000A".to_owned(),
        6..9 => format!("a-{}", rng.u32(0..20)),
        _ => ["low", "high", "b"][rng.usize(0..3)].to_owned(),
    }
}
