//! What is noted of ledgers and accounts: of few keys and values mostly, so that many have the same.

use fastrand::Rng;

use super::ACCOUNTS;
use crate::request::{Ask, Note, Texts};

/// Keys and values of which one begins with another.
pub(crate) const KEYS: [&str; 4] = ["tier", "tier.2", "kyc", "k"];
pub(crate) const VALUES: [&str; 4] = ["gold", "goldfish", "say \"\\\"", "\u{e9}"];

/// Mostly nothing.
pub(super) fn some(rng: &mut Rng) -> Texts {
    if rng.u32(0..3) > 0 { Texts::new() } else { texts(rng) }
}

fn texts(rng: &mut Rng) -> Texts {
    let mut texts: Texts = (0..rng.usize(0..4)).map(|_| entry(rng)).collect();
    match rng.u32(0..40) {
        // There is room for 32.
        0 => texts.extend((0..rng.u32(20..36)).map(|_| (number(rng), "1".into()))),
        1 => drop(texts.insert("no key".into(), "1".into())),
        2 => drop(texts.insert("empty".into(), String::new())),
        3 => drop(texts.insert("long".into(), "x".repeat(rng.usize(256..258)))),
        _ => {}
    }
    texts
}

fn entry(rng: &mut Rng) -> (String, String) {
    (KEYS[rng.usize(0..4)].into(), VALUES[rng.usize(0..4)].into())
}

fn number(rng: &mut Rng) -> String {
    format!("n{}", rng.u32(0..60))
}

pub(super) fn note(rng: &mut Rng) -> Ask {
    let of = match rng.u32(0..40) {
        0 => Some("nobody".to_owned()),
        1 => Some("no body".to_owned()),
        2 => Some("~clearing:bank".to_owned()),
        3..10 => None,
        _ => Some(ACCOUNTS[rng.usize(0..ACCOUNTS.len())].to_owned()),
    };
    let mut set = texts(rng);
    if rng.u32(0..6) == 0 {
        set.extend((0..rng.u32(10..24)).map(|_| (number(rng), "1".into())));
    }
    let mut remove: Vec<String> = Vec::new();
    for _ in 0..rng.u32(0..4) {
        let key = if rng.bool() { KEYS[rng.usize(0..4)].to_owned() } else { number(rng) };
        // What is in both, or twice, is refused; that must not be most of them.
        let fits = !set.contains_key(&key) && !remove.contains(&key);
        if fits || rng.u32(0..12) == 0 {
            remove.push(key);
        }
    }
    if rng.u32(0..60) == 0 {
        remove = (0..rng.u32(31..35)).map(|at| format!("r{at}")).collect();
    }
    Ask::Note(Note { of, set, remove })
}
