//! A batch: in order, each item by itself, known ids answered from their first outcome.

use super::*;
use crate::decide::{Prior, Seen};
use crate::event::Event;
use crate::rejection::Code;

fn bank() -> State {
    let mut state = State::default();
    for line in [
        "create bank",
        "asset bank USD 2",
        "open bank a liability",
        "open bank b liability",
        "open bank cash asset",
        "post bank cash a USD 10",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
    }
    state
}

fn batch(transfers: Vec<Transfer>) -> Command {
    let ledger = LedgerName::parse("bank").unwrap();
    let body = CommandBody::PostTransfers { transfers };
    Command { ledger, request_id: None, conditions: Vec::new(), body }
}

#[test]
fn each_item_sees_those_before_it() {
    let state = bank();
    let command = batch(vec![
        transfer(1, "a", "b", "USD", "10"),
        transfer(2, "a", "b", "USD", "0.01"),
        transfer(3, "b", "a", "USD", "4"),
        transfer(4, "a", "b", "USD", "4"),
    ]);
    let decision = decide(&state, &command, &[], 1);
    let Outcome::Items(items) = &decision.outcome else { panic!("a batch has items") };
    assert!(matches!(items[0], ItemOutcome::Accepted { row: 0 }));
    let ItemOutcome::Refused { row: 1, rejection } = &items[1] else { panic!("{:?}", items[1]) };
    assert_eq!(rejection.code, Code::InsufficientFunds);
    assert!(matches!(items[2], ItemOutcome::Accepted { row: 2 }));
    assert!(matches!(items[3], ItemOutcome::Accepted { row: 3 }));

    let [Event::TransferBatch(event)] = decision.events.as_slice() else { panic!("one event") };
    assert_eq!((event.rows(), event.accepted.len(), event.refused.len()), (4, 3, 1));
    let rows: Vec<_> = event.iter().map(|(row, _)| row).collect();
    assert_eq!(rows, [0, 1, 2, 3]);
    assert_eq!(decision.events[0].width(), 4);
}

#[test]
fn known_ids_record_nothing_and_take_no_row() {
    let state = bank();
    let prior = Prior { offset: 7, index: 3, recorded_at: 9, same_content: true, refused: None };
    let command = batch(vec![
        transfer(1, "a", "b", "USD", "1"),
        transfer(2, "a", "b", "USD", "2"),
        transfer(2, "a", "b", "USD", "2"),
        transfer(2, "b", "a", "USD", "2"),
    ]);
    let known = [
        Seen::Before(prior.clone()),
        Seen::New,
        Seen::Above { item: 1, same_content: true },
        Seen::Above { item: 1, same_content: false },
    ];
    let decision = decide(&state, &command, &known, 1);
    let expected = [
        ItemOutcome::Before(prior.clone()),
        ItemOutcome::Accepted { row: 0 },
        ItemOutcome::Repeats { item: 1 },
        ItemOutcome::Reuses { item: 1, field: "debit_account" },
    ];
    assert_eq!(decision.outcome, Outcome::Items(expected.to_vec()));
    assert_eq!(decision.events.iter().map(Event::width).sum::<u32>(), 1);

    let all_known = batch(vec![transfer(1, "a", "b", "USD", "1")]);
    let decision = decide(&state, &all_known, &[Seen::Before(prior)], 1);
    assert_eq!(decision.events, [], "nothing new, nothing recorded");
}
