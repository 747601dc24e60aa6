//! Random commands against a naive model that shares no code with the domain, and the invariants after
//! every event.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::event::Event;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "nobody"];
/// How each of the names was opened: debit-normal, may go negative.
const KINDS: [(&str, bool, bool); 4] = [
    ("liability", false, false),
    ("asset", true, false),
    ("equity", false, true),
    ("expense", true, true),
];

fn opened() -> State {
    let mut lines = vec!["create bank".to_owned(), "asset bank USD 2".to_owned()];
    for (name, (kind, _, negative)) in NAMES.iter().zip(KINDS) {
        let rule = if negative { "negative" } else { "" };
        lines.push(format!("open bank {name} {kind} {rule}"));
    }
    let mut state = State::default();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
    }
    state
}

/// Signed balances in cents; what a transfer comes to.
fn naive(balances: &mut BTreeMap<usize, i128>, debit: usize, credit: usize, cents: i128) -> bool {
    if debit >= KINDS.len() || credit >= KINDS.len() {
        return false;
    }
    let signed = |account: usize, cents: i128| if KINDS[account].1 { cents } else { -cents };
    let after_debit = balances[&debit] + signed(debit, cents);
    let after_credit = balances[&credit] - signed(credit, cents);
    let shrank_below = |account: usize, before: i128, after: i128| {
        after < before && after < 0 && !KINDS[account].2
    };
    if shrank_below(debit, balances[&debit], after_debit)
        || shrank_below(credit, balances[&credit], after_credit)
    {
        return false;
    }
    balances.insert(debit, after_debit);
    balances.insert(credit, after_credit);
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn decides_as_the_naive_model(
        moves in prop::collection::vec((0usize..5, 0usize..5, 1i128..2_000), 1..60),
        batch_size in 1usize..20,
    ) {
        let mut state = opened();
        let mut replayed = state.clone();
        let mut balances: BTreeMap<usize, i128> = (0..KINDS.len()).map(|at| (at, 0)).collect();
        let moves: Vec<_> = moves.into_iter().filter(|(debit, credit, _)| debit != credit).collect();
        for (number, chunk) in moves.chunks(batch_size).enumerate() {
            let transfers = chunk.iter().map(|(debit, credit, cents)| {
                let amount = format!("{}.{:02}", cents / 100, cents % 100);
                transfer(number, NAMES[*debit], NAMES[*credit], "USD", &amount)
            }).collect();
            let ledger = LedgerName::parse("bank").unwrap();
            let body = CommandBody::PostTransfers { transfers };
            let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
            let before = state.clone();
            let decision = decide(&state, &command, &[], 1);
            prop_assert_eq!(&before, &state, "decide changes nothing");

            let Outcome::Items(items) = &decision.outcome else { panic!("a batch has items") };
            for (item, (debit, credit, cents)) in items.iter().zip(chunk) {
                let posted = matches!(item, ItemOutcome::Accepted { .. });
                prop_assert_eq!(posted, naive(&mut balances, *debit, *credit, *cents));
            }
            for event in &decision.events {
                apply(&mut state, event, 1);
                apply(&mut replayed, event, 1);
            }
            prop_assert_eq!(invariants::check(&state), vec![]);
            let rows: u32 = decision.events.iter().map(Event::width).sum();
            prop_assert_eq!(usize::try_from(rows), Ok(chunk.len()));
        }
        for (at, (_, debit_normal, _)) in KINDS.iter().enumerate() {
            let found = balance(&state, "bank", NAMES[at], "USD");
            let (debits, credits) = found.split_once(' ').unwrap();
            let (debits, credits): (i128, i128) = (debits.parse().unwrap(), credits.parse().unwrap());
            let signed = if *debit_normal { debits - credits } else { credits - debits };
            prop_assert_eq!(signed, balances[&at]);
        }
        prop_assert_eq!(fed(&state), fed(&replayed), "LD-5");
    }
}

/// What the naive model knows of a hold: its accounts, what is left of it, and until when.
struct NaiveHold {
    debit: usize,
    credit: usize,
    left: i128,
    until: Option<i64>,
}

/// Every account's money as one number a side, and every hold ever made.
struct Naive {
    posted: [i128; 4],
    held_against: [i128; 4],
    holds: Vec<NaiveHold>,
    /// How far below zero each may go; none is without bound.
    limits: [Option<i128>; 4],
    now: i64,
}

impl Naive {
    fn opened() -> Self {
        let limits = KINDS.map(|(_, _, negative)| if negative { None } else { Some(0) });
        let (posted, held_against) = ([0; 4], [0; 4]);
        Naive { posted, held_against, holds: Vec::new(), limits, now: 0 }
    }

    /// Whether an account has no more against it than a limit allows.
    fn keeps(&self, account: usize, limit: Option<i128>) -> bool {
        let available = self.posted[account] - self.held_against[account];
        limit.is_none_or(|limit| available + limit >= 0)
    }

    /// What an entry adds to an account's balance: its type's own side adds.
    fn signed(account: usize, is_debit: bool, cents: i128) -> i128 {
        if KINDS[account].1 == is_debit { cents } else { -cents }
    }

    fn lacks(&self, account: usize, change: i128) -> bool {
        let available = self.posted[account] - self.held_against[account];
        change < 0 && self.limits[account].is_some_and(|limit| available + change + limit < 0)
    }

    fn lacks_for(&self, debit: usize, credit: usize, cents: i128) -> bool {
        self.lacks(debit, Self::signed(debit, true, cents))
            || self.lacks(credit, Self::signed(credit, false, cents))
    }

    fn posts(&mut self, debit: usize, credit: usize, cents: i128) {
        self.posted[debit] += Self::signed(debit, true, cents);
        self.posted[credit] += Self::signed(credit, false, cents);
    }

    fn holds(&mut self, debit: usize, credit: usize, cents: i128) {
        for (account, is_debit) in [(debit, true), (credit, false)] {
            if Self::signed(account, is_debit, 1) < 0 {
                self.held_against[account] += cents;
            }
        }
    }

    fn take(&mut self, hold: usize, cents: i128) -> (usize, usize) {
        self.holds[hold].left -= cents;
        let NaiveHold { debit, credit, .. } = self.holds[hold];
        self.holds(debit, credit, -cents);
        (debit, credit)
    }

    fn is_usable(&self, hold: usize) -> bool {
        let hold = self.holds.get(hold);
        hold.is_some_and(|hold| hold.left > 0 && hold.until.is_none_or(|until| until > self.now))
    }

    /// Gives back what is too late; how many holds that were.
    fn expire(&mut self) -> usize {
        let late = |hold: &NaiveHold| hold.left > 0 && hold.until.is_some_and(|at| at <= self.now);
        let late: Vec<usize> = (0..self.holds.len()).filter(|at| late(&self.holds[*at])).collect();
        for at in &late {
            self.take(*at, self.holds[*at].left);
        }
        late.len()
    }
}

#[derive(Clone, Debug)]
enum Act {
    Post { debit: usize, credit: usize, cents: i128 },
    Hold { debit: usize, credit: usize, cents: i128, lasts: Option<i64> },
    Capture { hold: usize, cents: Option<i128> },
    Void { hold: usize },
    Rules { account: usize, limit: Option<i128> },
    Wait { ticks: i64, look: bool },
}

fn acts() -> impl Strategy<Value = Act> {
    let pair = (0usize..4, 1usize..4).prop_map(|(debit, step)| (debit, (debit + step) % 4));
    prop_oneof![
        (pair.clone(), 1i128..2_000).prop_map(|((debit, credit), cents)| Act::Post {
            debit,
            credit,
            cents
        }),
        (pair, 1i128..2_000, prop::option::of(0i64..6))
            .prop_map(|((debit, credit), cents, lasts)| Act::Hold { debit, credit, cents, lasts }),
        (0usize..12, prop::option::of(1i128..2_000))
            .prop_map(|(hold, cents)| Act::Capture { hold, cents }),
        (0usize..12).prop_map(|hold| Act::Void { hold }),
        (0usize..4, prop::option::of(0i128..2_000))
            .prop_map(|(account, limit)| Act::Rules { account, limit }),
        (1i64..4, any::<bool>()).prop_map(|(ticks, look)| Act::Wait { ticks, look }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn holds_as_the_naive_model(acts in prop::collection::vec(acts(), 1..80)) {
        let mut state = opened();
        let mut naive = Naive::opened();
        for (number, act) in acts.iter().enumerate() {
            let cents = |cents: i128| format!("{}.{:02}", cents / 100, cents % 100);
            let (line, fine) = match *act {
                Act::Post { debit, credit, cents: c } => {
                    let fine = !naive.lacks_for(debit, credit, c);
                    if fine {
                        naive.posts(debit, credit, c);
                    }
                    (format!("post bank {} {} USD {}", NAMES[debit], NAMES[credit], cents(c)), fine)
                }
                Act::Hold { debit, credit, cents: c, lasts } => {
                    let until = lasts.map(|lasts| naive.now + lasts);
                    let fine = lasts != Some(0) && !naive.lacks_for(debit, credit, c);
                    if fine {
                        naive.holds(debit, credit, c);
                    }
                    let left = if fine { c } else { 0 };
                    naive.holds.push(NaiveHold { debit, credit, left, until });
                    let (id, until) = (naive.holds.len() - 1, until.map(|at| format!("until {at}")));
                    let (debit, credit, c) = (NAMES[debit], NAMES[credit], cents(c));
                    (format!("hold bank h{id} {debit} {credit} USD {c} {}", until.unwrap_or_default()), fine)
                }
                Act::Capture { hold, cents: asked } => {
                    let fine = naive.is_usable(hold) && asked.is_none_or(|c| c <= naive.holds[hold].left);
                    if fine {
                        let c = asked.unwrap_or(naive.holds[hold].left);
                        let (debit, credit) = naive.take(hold, c);
                        naive.posts(debit, credit, c);
                    }
                    (format!("capture bank h{hold} {}", asked.map(cents).unwrap_or_default()), fine)
                }
                Act::Void { hold } => {
                    let fine = naive.is_usable(hold);
                    if fine {
                        naive.take(hold, naive.holds[hold].left);
                    }
                    (format!("void bank h{hold}"), fine)
                }
                Act::Rules { account, limit } => {
                    let fine = naive.keeps(account, limit);
                    if fine {
                        naive.limits[account] = limit;
                    }
                    let rules = match limit {
                        None => "negative".to_owned(),
                        Some(0) => String::new(),
                        Some(c) => format!("USD={}", cents(c)),
                    };
                    (format!("rules bank {} {rules}", NAMES[account]), fine)
                }
                Act::Wait { ticks, look } => {
                    naive.now += ticks;
                    if look {
                        state.record(naive.now);
                        let expired = due(&mut state, usize::MAX);
                        let count = expired.split(", ").filter(|hold| !hold.is_empty()).count();
                        prop_assert_eq!(count, naive.expire());
                    }
                    (format!("at {}", naive.now), true)
                }
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let found = run(&mut state, &words, number);
            prop_assert_eq!(found == "ok", fine, "{}: {}", line, found);
            prop_assert_eq!(invariants::check(&state), vec![], "{}", line);
        }
        for (at, (_, debit_normal, _)) in KINDS.iter().enumerate() {
            let account = state.accounts()[at].balance(AssetHandle(0));
            let (debits, credits) = (account.debits_posted.cast_signed(), account.credits_posted.cast_signed());
            let (plus, minus, against) = if *debit_normal {
                (debits, credits, account.credits_pending)
            } else {
                (credits, debits, account.debits_pending)
            };
            prop_assert_eq!(plus - minus, naive.posted[at]);
            prop_assert_eq!(against.cast_signed(), naive.held_against[at]);
        }
        prop_assert_eq!(state.holds().count(), naive.holds.iter().filter(|hold| hold.left > 0).count());
    }
}
