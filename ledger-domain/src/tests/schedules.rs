//! Schedules: made, due, ended; each of their transfers decided as any other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::schedule::{Plan, When};

/// `START [every N] [until T] [count N]`.
pub(super) fn plan(leg: Leg, rule: &[&str]) -> Plan {
    let number = |word: &str| {
        let at = rule.iter().position(|it| *it == word);
        at.map(|at| rule[at + 1].parse::<i64>().unwrap())
    };
    Plan {
        leg,
        reference: "".into(),
        metadata: <_>::default(),
        when: number("every").map_or(When::Once, When::Every),
        start: rule[0].parse().unwrap(),
        until: number("until"),
        count: number("count").map(|count| u32::try_from(count).unwrap()),
    }
}

const BANK: &str = "
    create bank                         => ok
    asset bank USD 2                    => ok
    open bank cash asset                => ok
    open bank alice liability           => ok
    open bank shop liability            => ok
    post bank cash alice USD 10         => ok
    at 100                              => ok
";

fn check_bank(script: &str) {
    check(&format!("{BANK}{script}"));
}

#[test]
fn a_schedule_is_refused_for_what_would_never_be_right() {
    check_bank(
        "
        schedule shop r alice shop USD 1 200 => UNKNOWN_LEDGER: shop
        schedule bank r x y EUR 1.234 1      => UNKNOWN_DEBIT_ACCOUNT: x
        schedule bank r alice y EUR 1.234 1  => UNKNOWN_CREDIT_ACCOUNT: y
        schedule bank r alice shop EUR 1.234 100 => SCHEDULE_IN_PAST: start_time
        schedule bank r alice shop EUR 1.234 200 => UNKNOWN_ASSET: EUR
        schedule bank r alice shop USD 1.234 200 => TOO_MANY_DECIMALS: amount
        cancel bank r                        => UNKNOWN_SCHEDULE: r
        schedule bank r alice shop USD 1 101 => ok
        schedule bank r alice shop USD 1 200 => SCHEDULE_EXISTS: r
        cancel bank r                        => ok
        cancel bank r                        => SCHEDULE_ENDED: r
        schedule bank r alice shop USD 1 200 => SCHEDULE_EXISTS: r
        at 1000                              => ok
        due                                  =>
        ",
    );
}

#[test]
fn each_time_is_decided_upon_the_state_of_then() {
    check_bank(
        "
        schedule bank rent alice shop USD 4 110 every 10 count 4 => ok
        due                                 =>
        at 110                              => ok
        due                                 => rent 1 ok
        due                                 =>
        at 120                              => ok
        freeze bank shop                    => ok
        due                                 => rent 2 ACCOUNT_FROZEN
        unfreeze bank shop                  => ok
        at 200                              => ok
        due                                 => rent 3 ok
        due                                 => rent 4 INSUFFICIENT_FUNDS
        due                                 =>
        balance bank alice USD              => 800 1000
        cancel bank rent                    => SCHEDULE_ENDED: rent
        schedule bank late alice shop USD 1 300 until 305 => ok
        at 400                              => ok
        due                                 => late 1 ok
        due                                 =>
        ",
    );
}

#[test]
fn what_is_due_comes_in_order_and_holds_give_back_first() {
    check_bank(
        "
        hold bank h alice shop USD 9 until 120 => ok
        schedule bank b alice shop USD 6 110 => ok
        schedule bank c alice shop USD 6 120 => ok
        schedule bank a alice shop USD 6 121 every 10 => ok
        at 125                              => ok
        due                                 => b 1 INSUFFICIENT_FUNDS
        due                                 => h 900
        due                                 => c 1 ok
        due                                 => a 1 INSUFFICIENT_FUNDS
        due                                 =>
        ",
    );
}

#[test]
fn a_transfer_takes_effect_when_it_was_due_unless_the_books_are_closed() {
    let mut state = State::default();
    let script = format!("{BANK} schedule bank r alice shop USD 1 110 every 10 count 2 => ok");
    for line in script.lines().filter_map(|line| line.split_once("=>")) {
        let words: Vec<&str> = line.0.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok");
    }
    state.record(130);
    assert_eq!(run(&mut state, &["lock", "bank", "115"], 0), "ok");
    let mut seen = Vec::new();
    loop {
        let events = decide_due(&state, 130, 10);
        let [Event::TransferBatch(batch), ran] = &events[..] else { break };
        let posted = &batch.accepted[0];
        seen.push((posted.id.to_string(), posted.effective_at));
        apply(&mut state, &events[0], 130);
        apply(&mut state, ran, 130);
    }
    let (first, second) = ("~at:r:1".to_owned(), "~at:r:2".to_owned());
    assert_eq!(seen, [(first, None), (second, Some(120))]);
}

#[derive(Clone, Debug)]
enum Act {
    Make {
        id: usize,
        from_a: bool,
        units: i128,
        after: i64,
        every: Option<i64>,
        count: Option<u32>,
    },
    Cancel {
        id: usize,
    },
    Post {
        from_a: bool,
        units: i128,
    },
    Wait {
        ticks: i64,
    },
}

fn acts() -> impl Strategy<Value = Act> {
    let count = prop::option::of(1u32..5);
    prop_oneof![
        (0usize..6, any::<bool>(), 1i128..30, 0i64..9, prop::option::of(1i64..6), count).prop_map(
            |(id, from_a, units, after, every, count)| Act::Make {
                id,
                from_a,
                units,
                after,
                every,
                count
            }
        ),
        (0usize..6).prop_map(|id| Act::Cancel { id }),
        (any::<bool>(), 1i128..30).prop_map(|(from_a, units)| Act::Post { from_a, units }),
        (1i64..12).prop_map(|ticks| Act::Wait { ticks }),
        (1i64..12).prop_map(|ticks| Act::Wait { ticks }),
    ]
}

struct NaiveSchedule {
    from_a: bool,
    units: i128,
    /// All instants that it has left, written out up to the end of the test.
    dues: Vec<i64>,
    times: u32,
}

const WORLD_ENDS: i64 = 1_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn schedules_as_the_naive_model(acts in prop::collection::vec(acts(), 1..60)) {
        let mut state = State::default();
        for line in ["create bank", "asset bank X 0", "open bank w asset negative",
            "open bank a liability", "open bank b liability", "post bank w a X 40"] {
            let words: Vec<&str> = line.split_whitespace().collect();
            prop_assert_eq!(run(&mut state, &words, 999), "ok");
        }
        let (mut now, mut a, mut b) = (0i64, 40i128, 0i128);
        let mut made: BTreeMap<usize, NaiveSchedule> = BTreeMap::new();
        let take = |a: &mut i128, b: &mut i128, from_a: bool, units: i128| {
            let (from, to) = if from_a { (a, b) } else { (b, a) };
            let fine = *from >= units;
            if fine {
                *from -= units;
                *to += units;
            }
            fine
        };
        for (number, act) in acts.iter().enumerate() {
            let sides = |from_a: bool| if from_a { "a b" } else { "b a" };
            let (line, fine) = match *act {
                Act::Make { id, from_a, units, after, every, count } => {
                    let fine = after > 0 && !made.contains_key(&id);
                    let start = now + after;
                    if fine {
                        let most = usize::try_from(count.unwrap_or(u32::MAX)).unwrap();
                        let step = usize::try_from(every.unwrap_or(WORLD_ENDS)).unwrap();
                        let dues = (start..WORLD_ENDS).step_by(step).take(most).collect();
                        made.insert(id, NaiveSchedule { from_a, units, dues, times: 0 });
                    }
                    let every = every.map(|every| format!("every {every}")).unwrap_or_default();
                    let count = count.map(|count| format!("count {count}")).unwrap_or_default();
                    let sides = sides(from_a);
                    (format!("schedule bank s{id} {sides} X {units} {start} {every} {count}"), fine)
                }
                Act::Cancel { id } => {
                    let found = made.get_mut(&id).filter(|it| !it.dues.is_empty());
                    let fine = found.is_some();
                    found.into_iter().for_each(|it| it.dues.clear());
                    (format!("cancel bank s{id}"), fine)
                }
                Act::Post { from_a, units } => {
                    let fine = take(&mut a, &mut b, from_a, units);
                    (format!("post bank {} X {units}", sides(from_a)), fine)
                }
                Act::Wait { ticks } => {
                    now += ticks;
                    state.record(now);
                    loop {
                        let all = made.iter();
                        let due = all.filter_map(|(id, it)| Some((*it.dues.first()?, *id)));
                        let Some((_, id)) = due.filter(|(at, _)| *at <= now).min() else { break };
                        let Some(it) = made.get_mut(&id) else { break };
                        it.dues.remove(0);
                        it.times += 1;
                        let fine = take(&mut a, &mut b, it.from_a, it.units);
                        let came_to = if fine { "ok" } else { "INSUFFICIENT_FUNDS" };
                        let expected = format!("s{id} {} {came_to}", it.times);
                        prop_assert_eq!(due_once(&mut state), expected);
                    }
                    prop_assert_eq!(due_once(&mut state), "");
                    (format!("at {now}"), true)
                }
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let found = run(&mut state, &words, number);
            prop_assert_eq!(found == "ok", fine, "{}: {}", line, found);
            prop_assert_eq!(invariants::check(&state), vec![], "{}", line);
        }
        prop_assert_eq!(balance(&state, "bank", "a", "X").split(' ').count(), 2);
        let next = made.values().filter_map(|it| it.dues.first()).min();
        prop_assert_eq!(state.next_due(), next.copied());
        let mut stored = bincode::serde::encode_to_vec(&state, bincode::config::standard()).unwrap();
        let (read, _): (State, _) =
            bincode::serde::decode_from_slice(&stored, bincode::config::standard()).unwrap();
        stored.clear();
        prop_assert_eq!(&read, &state, "a snapshot has its queue again");
    }
}

fn due_once(state: &mut State) -> String {
    due(state, 1)
}
