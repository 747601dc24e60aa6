//! What is noted of ledgers, accounts and transfers: of few keys and values mostly, so that many have the same. Some
//! of it is sealed, mostly for customers who are there, or were.

use fastrand::Rng;

use super::{ACCOUNTS, Workload};
use crate::request::{Ask, Note, NoteOf, Text, Texts};

/// Keys and values of which one begins with another.
pub(crate) const KEYS: [&str; 4] = ["tier", "tier.2", "kyc", "k"];
pub(crate) const VALUES: [&str; 4] = ["gold", "goldfish", "say \"\\\"", "\u{e9}"];
/// Keys for the many.
const NUMBERED: u32 = 60;

/// Mostly nothing, and nothing sealed.
pub(super) fn plain(rng: &mut Rng) -> Texts {
    if rng.u32(0..3) > 0 { Texts::new() } else { texts(rng) }
}

fn texts(rng: &mut Rng) -> Texts {
    let mut texts: Texts = (0..rng.usize(0..4)).map(|_| entry(rng)).collect();
    match rng.u32(0..40) {
        // There is room for 32.
        0 => texts.extend((0..rng.u32(20..36)).map(|_| numbered(rng))),
        1 => drop(texts.insert("no key".into(), Text::plain("1"))),
        2 => drop(texts.insert("empty".into(), Text::plain(""))),
        3 => drop(texts.insert("long".into(), Text::plain(&"x".repeat(rng.usize(256..258))))),
        _ => {}
    }
    texts
}

fn entry(rng: &mut Rng) -> (String, Text) {
    (KEYS[rng.usize(0..4)].into(), Text::plain(VALUES[rng.usize(0..4)]))
}

fn numbered(rng: &mut Rng) -> (String, Text) {
    (number(rng), Text::plain("1"))
}

fn number(rng: &mut Rng) -> String {
    format!("n{}", rng.u32(0..NUMBERED))
}

impl Workload {
    /// Mostly nothing.
    pub(super) fn noted(&self, rng: &mut Rng, ledger: &str) -> Texts {
        let mut texts = plain(rng);
        self.seal(rng, ledger, &mut texts);
        texts
    }

    /// Seals some values, mostly for customers of the ledger.
    pub(super) fn seal(&self, rng: &mut Rng, ledger: &str, texts: &mut Texts) {
        let people: Vec<&String> = self.people_of(ledger).collect();
        if rng.u32(0..if people.is_empty() { 16 } else { 2 }) > 0 {
            return;
        }
        for text in texts.values_mut() {
            if rng.u32(0..3) == 0 {
                continue;
            }
            text.of = Some(match rng.u32(0..60) {
                0 => "no one".to_owned(),
                1..4 => format!("c-{}", rng.u32(0..5)),
                _ if people.is_empty() => "c-0".to_owned(),
                _ => people[rng.usize(0..people.len())].clone(),
            });
        }
    }

    pub(super) fn note(&self, rng: &mut Rng, ledger: &str) -> Ask {
        let of = match rng.u32(0..40) {
            0 => NoteOf::Account("nobody".to_owned()),
            1 => NoteOf::Account("no body".to_owned()),
            2 => NoteOf::Account("~clearing:bank".to_owned()),
            3..8 => NoteOf::Ledger,
            8..26 => NoteOf::Transfer(self.some_transfer(rng, ledger)),
            _ => NoteOf::Account(ACCOUNTS[rng.usize(0..ACCOUNTS.len())].to_owned()),
        };
        let mut set = texts(rng);
        if rng.u32(0..3) == 0 {
            set.extend((0..rng.u32(18..34)).map(|_| numbered(rng)));
        }
        self.seal(rng, ledger, &mut set);
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

    /// Mostly the one that was read, or else one that was asked for.
    fn some_transfer(&self, rng: &mut Rng, ledger: &str) -> String {
        let of_ledger = |ids: &'_ [(String, String)]| -> Vec<String> {
            ids.iter().filter(|(of, _)| of == ledger).map(|(_, id)| id.clone()).collect()
        };
        let mut ids = of_ledger(&self.transfers);
        if ids.is_empty() || rng.u32(0..4) == 0 {
            ids = of_ledger(&self.posts);
        }
        match rng.u32(0..24) {
            0 => "no transfer".to_owned(),
            1 => format!("t-{}-0", rng.u64(0..=self.made)),
            _ if ids.is_empty() => "unknown".to_owned(),
            2 => ids[rng.usize(0..ids.len())].to_uppercase(),
            _ => ids[rng.usize(0..ids.len())].clone(),
        }
    }
}
