//! Schedules, mostly sound and soon due; none without an end, so that all comes to rest.

use fastrand::Rng;

use super::{ACCOUNTS, ASSETS, SECOND_NS, Workload, remember};
use crate::request::{Ask, Rule, Schedule, Text};

impl Workload {
    pub(super) fn schedule(&mut self, rng: &mut Rng, ledger: &str) -> Ask {
        let id = match rng.u32(0..12) {
            0 => "no schedule".to_owned(),
            1 => format!("s-{}", rng.u64(0..=self.made)),
            2..5 => format!("0198c0de-0000-7abc-8def-{:08X}5c3d", self.made),
            _ => format!("s-{}", self.made),
        };
        remember(&mut self.schedules, rng, ledger, &id);
        let sides = match rng.u32(0..10) {
            0 => ["nobody", "cash"],
            1 => ["cash", "nobody"],
            2 => ["cash", "cash"],
            3 => ["no body", "cash"],
            4..7 => ["world", "cash"],
            _ => [ACCOUNTS[rng.usize(0..ACCOUNTS.len())], ACCOUNTS[rng.usize(0..ACCOUNTS.len())]],
        };
        let count = rng.u32(1..5);
        // What is posted by the system can be reversed as any other.
        let of = rng.u32(1..=count);
        remember(&mut self.posts, rng, ledger, &format!("~at:{}:{of}", id.to_ascii_lowercase()));
        let start = self.now + rng.i64(-SECOND_NS..8 * SECOND_NS);
        let mut metadata = self.noted(rng, ledger);
        let people: Vec<&String> = self.people_of(ledger).collect();
        if !people.is_empty() && rng.u32(0..4) > 0 {
            // Some are erased before it is due.
            let of = Some(people[rng.usize(0..people.len())].clone());
            metadata.insert("for".into(), Text { of, text: format!("flat {}", rng.u32(0..9)) });
        }
        Ask::Schedule(Schedule {
            id,
            debit: sides[0].into(),
            credit: sides[1].into(),
            asset: match rng.u32(0..12) {
                0 => "NONE".into(),
                1..4 => ASSETS[rng.usize(0..ASSETS.len())].0.into(),
                _ => "USD".into(),
            },
            amount: match rng.u32(0..12) {
                0 => "0".into(),
                1 => "0.001".into(),
                2 => "2.50".into(),
                _ => rng.u32(1..30).to_string(),
            },
            up_to: rng.u32(0..5) == 0,
            reference: if rng.bool() { String::new() } else { "rent".into() },
            start: if rng.u32(0..30) == 0 { None } else { Some(start) },
            rule: rule(rng),
            until: match rng.u32(0..8) {
                0 => Some(start + rng.i64(-SECOND_NS..9 * SECOND_NS)),
                _ => None,
            },
            count,
            metadata,
        })
    }

    pub(super) fn cancel(&mut self, rng: &mut Rng, ledger: &str) -> Ask {
        let of_ledger = self.schedules.iter().filter(|(of, _)| of == ledger);
        let made: Vec<&String> = of_ledger.map(|(_, id)| id).collect();
        let schedule = match rng.u32(0..8) {
            0 => "nothing".to_owned(),
            1 => "~a".to_owned(),
            _ if made.is_empty() => "unknown".to_owned(),
            2 => made[rng.usize(0..made.len())].to_uppercase(),
            _ => made[rng.usize(0..made.len())].clone(),
        };
        Ask::Cancel { schedule }
    }
}

fn rule(rng: &mut Rng) -> Rule {
    match rng.u32(0..24) {
        0..8 => Rule::Once,
        8..18 => Rule::Every(rng.u64(1..4)),
        18 => Rule::Every(0),
        19 => Rule::Weekly((1..8).filter(|_| rng.bool()).collect()),
        20 => Rule::Weekly(vec![rng.i32(0..9), 3]),
        21 => Rule::Monthly(rng.u32(0..33)),
        22 => Rule::Yearly(rng.u32(1..14), rng.u32(1..32)),
        _ => Rule::Weekly(vec![7, 1, 2, 3, 6, 5, 4]),
    }
}
