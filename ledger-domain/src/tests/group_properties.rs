//! Random groups, entries and reversals against a naive model that shares no code with the domain: it takes
//! a copy of everything before each group, and goes back to it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::desk::{Desk, parse};
use crate::state::AssetHandle;

const NAMES: [&str; 5] = ["cash", "a", "b", "c", "world"];

#[derive(Clone, Debug)]
enum Act {
    Post {
        debit: usize,
        credit: usize,
        cents: i128,
    },
    /// Of the transfer that was asked for so many places before.
    Reverse {
        back: usize,
        cents: Option<i128>,
    },
}

/// How a transfer is bound to the next: by nothing, linked, or by the entry of this number.
type Bond = Option<Option<u8>>;

#[derive(Clone, Debug)]
struct Posted {
    debit: usize,
    credit: usize,
    left: i128,
    is_reversal: bool,
}

#[derive(Clone, Debug, Default)]
struct Naive {
    /// On the normal side, in cents.
    balances: [i128; 5],
    posted: BTreeMap<usize, Posted>,
    entries: BTreeSet<u8>,
}

impl Naive {
    fn post(&mut self, number: usize, debit: usize, credit: usize, cents: i128) -> bool {
        let change = |account: usize, is_debit: bool| {
            if (account == 0) == is_debit { cents } else { -cents }
        };
        let mut after = self.balances;
        after[debit] += change(debit, true);
        after[credit] += change(credit, false);
        let lacks = |at: usize| at != 4 && after[at] < 0 && after[at] < self.balances[at];
        if lacks(debit) || lacks(credit) {
            return false;
        }
        self.balances = after;
        let is_reversal = false;
        self.posted.insert(number, Posted { debit, credit, left: cents, is_reversal });
        true
    }

    fn act(&mut self, number: usize, act: &Act) -> bool {
        match *act {
            Act::Post { debit, credit, cents } => self.post(number, debit, credit, cents),
            Act::Reverse { back, cents } => {
                let of = number
                    .checked_sub(back)
                    .and_then(|of| Some((of, self.posted.get(&of)?.clone())));
                let Some((of, it)) = of.filter(|(_, it)| !it.is_reversal) else { return false };
                let cents = cents.unwrap_or(it.left);
                if cents == 0 || cents > it.left || !self.post(number, it.credit, it.debit, cents) {
                    return false;
                }
                self.posted.insert(of, Posted { left: it.left - cents, ..it.clone() });
                self.posted.insert(number, Posted { is_reversal: true, ..it });
                true
            }
        }
    }
}

fn text(number: usize, act: &Act, bond: Bond) -> String {
    let money = |cents: i128| format!("{}.{:02}", cents / 100, cents % 100);
    let act = match act {
        Act::Post { debit, credit, cents } => {
            format!("post {} {} {}", NAMES[*debit], NAMES[*credit], money(*cents))
        }
        Act::Reverse { back, cents } => {
            let of = number.checked_sub(*back).map_or("none".to_owned(), |of| format!("t{of}"));
            format!("reverse {of} {}", cents.map(money).unwrap_or_default())
        }
    };
    let bond = match bond {
        None => String::new(),
        Some(None) => "+".to_owned(),
        Some(Some(entry)) => format!("in e{entry}"),
    };
    format!("t{number} {act} {bond}")
}

fn acts() -> impl Strategy<Value = (Act, Bond)> {
    let act = prop_oneof![
        3 => (0usize..5, 1usize..5, 1i128..2_000).prop_map(|(debit, step, cents)| Act::Post {
            debit,
            credit: (debit + step) % 5,
            cents
        }),
        2 => (0usize..9, prop::option::of(1i128..1_500))
            .prop_map(|(back, cents)| Act::Reverse { back, cents }),
    ];
    let bond = prop_oneof![4 => Just(None), 3 => Just(Some(None)), 2 => (0u8..9).prop_map(|e| Some(Some(e)))];
    (act, bond)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn groups_as_the_naive_model(
        all in prop::collection::vec(acts(), 1..80),
        batch_size in 1usize..12,
    ) {
        let mut desk = Desk::open();
        let mut naive = Naive::default();
        let numbered: Vec<_> = all.into_iter().enumerate().collect();
        for batch in numbered.chunks(batch_size) {
            let lines: Vec<String> = batch.iter().map(|(n, (act, bond))| text(*n, act, *bond)).collect();
            let found = desk.send(lines.iter().map(|line| parse(line)).collect());
            let mut expected = Vec::new();
            let known = naive.entries.clone();
            let mut rest = batch;
            while let Some((_, (_, first))) = rest.first() {
                // A linked one goes with whatever comes next; one of an entry with its like.
                let mut length = 1;
                while length < rest.len() {
                    let (before, next) = (rest[length - 1].1.1, rest[length].1.1);
                    let joined = before == Some(None) || (before.flatten().is_some() && before == next);
                    if !joined {
                        break;
                    }
                    length += 1;
                }
                let (group, behind) = rest.split_at(length);
                rest = behind;
                let is_group = first.is_some();
                let taken = |bond: &Bond| bond.flatten().is_some_and(|entry| known.contains(&entry));
                if group.iter().any(|(_, (_, bond))| taken(bond)) {
                    expected.extend(group.iter().map(|(_, (_, bond))| {
                        if taken(bond) { "ENTRY_EXISTS" } else { "LINKED_FAILED" }
                    }));
                    continue;
                }
                let before = naive.clone();
                let fine: Vec<bool> = group.iter().map_while({
                    let naive = &mut naive;
                    let mut failed = false;
                    move |(n, (act, _))| {
                        if failed {
                            return None;
                        }
                        let fine = naive.act(*n, act);
                        failed = !fine && is_group;
                        Some(fine)
                    }
                }).collect();
                match fine.iter().position(|fine| !fine) {
                    None => {
                        expected.extend(group.iter().map(|_| "ok"));
                        naive.entries.extend(group.iter().filter_map(|(_, (_, bond))| bond.flatten()));
                    }
                    Some(failed) => {
                        naive = before;
                        expected.extend((0..group.len()).map(|at| {
                            if at == failed { "refused" } else { "LINKED_FAILED" }
                        }));
                    }
                }
            }
            for ((line, found), expected) in lines.iter().zip(&found).zip(expected) {
                let kind = found.split(':').next().unwrap();
                let same = match expected {
                    "refused" => !matches!(kind, "ok" | "LINKED_FAILED" | "ENTRY_EXISTS"),
                    expected => kind == expected,
                };
                prop_assert!(same, "{}: {} where {} is due; {:?}", line, found, expected, lines);
            }
            prop_assert_eq!(super::invariants::check(&desk.state), vec![]);
        }
        for (at, name) in NAMES.iter().enumerate() {
            let account = desk.state.accounts().iter().find(|it| it.name.as_str() == *name).unwrap();
            let balance = account.balance(AssetHandle(0));
            let signed = balance.debits_posted.cast_signed() - balance.credits_posted.cast_signed();
            prop_assert_eq!(if at == 0 { signed } else { -signed }, naive.balances[at]);
        }
    }
}
