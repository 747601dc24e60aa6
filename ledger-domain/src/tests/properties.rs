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
            let command = Command { ledger, request_id: None, body };
            let before = state.clone();
            let decision = decide(&state, &command, &[], 1);
            prop_assert_eq!(&before, &state, "decide changes nothing");

            let Outcome::Items(items) = &decision.outcome else { panic!("a batch has items") };
            for (item, (debit, credit, cents)) in items.iter().zip(chunk) {
                let posted = matches!(item, ItemOutcome::Posted { .. });
                prop_assert_eq!(posted, naive(&mut balances, *debit, *credit, *cents));
            }
            for event in &decision.events {
                apply(&mut state, event);
                apply(&mut replayed, event);
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
