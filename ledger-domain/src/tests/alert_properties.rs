//! Random movements against a model of alerts that shares no code with the domain: which cross, in which
//! order, at which value.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["a", "b", "cash"];
const FIGURES: [&str; 6] =
    ["posted", "available", "debits_posted", "credits_posted", "debits_pending", "credits_pending"];
const COMPARISONS: [&str; 3] = [">=", "<=", "="];

#[derive(Clone, Debug)]
enum Move {
    Post { debit: usize, credit: usize, units: i64 },
    Hold { debit: usize, credit: usize, units: i64, lasts: i64 },
    Capture { hold: usize, units: i64 },
    Void { hold: usize },
}

#[derive(Clone, Debug)]
enum Act {
    Set {
        account: usize,
        alert: usize,
        figure: usize,
        comparison: usize,
        units: i64,
    },
    Remove {
        account: usize,
        alert: usize,
    },
    /// Each with whether it is linked with the next.
    Batch(Vec<(Move, bool)>),
    Wait(i64),
}

fn moves_of() -> impl Strategy<Value = Move> {
    let sides = || (0usize..3, 1usize..3);
    let other = |(debit, by): (usize, usize)| (debit, (debit + by) % 3);
    prop_oneof![
        (sides(), 1i64..9).prop_map(move |(at, units)| {
            let (debit, credit) = other(at);
            Move::Post { debit, credit, units }
        }),
        (sides(), 1i64..9, 1i64..9).prop_map(move |(at, units, lasts)| {
            let (debit, credit) = other(at);
            Move::Hold { debit, credit, units, lasts }
        }),
        (0usize..12, 1i64..9).prop_map(|(hold, units)| Move::Capture { hold, units }),
        (0usize..12).prop_map(|hold| Move::Void { hold }),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let set = (0usize..3, 0usize..3, 0usize..6, 0usize..3, -6i64..12);
    let batch = || prop::collection::vec((moves_of(), any::<bool>()), 1..9);
    prop_oneof![
        set.prop_map(|(account, alert, figure, comparison, units)| Act::Set {
            account,
            alert,
            figure,
            comparison,
            units
        }),
        (0usize..3, 0usize..3).prop_map(|(account, alert)| Act::Remove { account, alert }),
        batch().prop_map(Act::Batch),
        batch().prop_map(Act::Batch),
        (1i64..6).prop_map(Act::Wait),
    ]
}

/// Four counters: debited, credited, held for debits, held for credits.
type Counters = [i64; 4];

struct Watched {
    figure: usize,
    comparison: usize,
    units: i64,
    is_up: bool,
}

struct Held {
    debit: usize,
    credit: usize,
    left: i64,
    until: i64,
}

#[derive(Default)]
struct Model {
    now: i64,
    counters: [Counters; 3],
    /// By account and then name.
    alerts: BTreeMap<(usize, usize), Watched>,
    holds: Vec<Held>,
    said: Vec<String>,
}

impl Model {
    fn figure(&self, account: usize, figure: usize) -> i64 {
        let [debits, credits, debits_held, credits_held] = self.counters[account];
        // Cash is an asset, the others are liabilities.
        let is_asset = account == 2;
        match figure {
            0 if is_asset => debits - credits,
            0 => credits - debits,
            1 if is_asset => debits - credits - credits_held,
            1 => credits - debits - debits_held,
            2 => debits,
            3 => credits,
            4 => debits_held,
            _ => credits_held,
        }
    }

    fn look(&mut self, account: usize) {
        for name in 0..3 {
            let Some(watched) = self.alerts.get(&(account, name)) else { continue };
            let value = self.figure(account, watched.figure);
            let is_so = [value >= watched.units, value <= watched.units, value == watched.units];
            let is_up = is_so[watched.comparison];
            if is_up != watched.is_up {
                self.alerts.get_mut(&(account, name)).unwrap().is_up = is_up;
                let to = if is_up { "raised" } else { "cleared" };
                self.said.push(format!("n{name} {to} {value}"));
            }
        }
    }

    fn add(&mut self, (debit, credit): (usize, usize), posted: i64, held: i64) {
        self.counters[debit][0] += posted;
        self.counters[debit][2] += held;
        self.look(debit);
        self.counters[credit][1] += posted;
        self.counters[credit][3] += held;
        self.look(credit);
    }

    /// What the ledger has accepted.
    fn takes(&mut self, moved: &Move) {
        match *moved {
            Move::Post { debit, credit, units } => self.add((debit, credit), units, 0),
            Move::Hold { debit, credit, units, lasts } => {
                self.holds.push(Held { debit, credit, left: units, until: self.now + lasts });
                self.add((debit, credit), 0, units);
            }
            Move::Capture { hold, units } => {
                let held = &mut self.holds[hold];
                held.left -= units;
                let sides = (held.debit, held.credit);
                self.add(sides, units, -units);
            }
            Move::Void { hold } => {
                let held = &mut self.holds[hold];
                let (sides, left) = ((held.debit, held.credit), held.left);
                held.left = 0;
                self.add(sides, 0, -left);
            }
        }
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

fn opened() -> State {
    let mut state = State::default();
    for line in [
        "create bank",
        "asset bank X 0",
        "asset bank Y 0",
        "open bank a liability",
        "open bank b liability negative",
        "open bank cash asset negative",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
    }
    state
}

/// Holds are named after how many were accepted before them, so that they can be named in advance.
fn transfer_of(moved: &Move, id: &str, next_hold: usize, now: i64) -> Transfer {
    let amount = |units: i64| units.to_string();
    match moved {
        Move::Post { debit, credit, units } => {
            moves(id, Movement::Post(leg(NAMES[*debit], NAMES[*credit], "X", &amount(*units))))
        }
        Move::Hold { debit, credit, units, lasts } => {
            let leg = leg(NAMES[*debit], NAMES[*credit], "X", &amount(*units));
            let hold = Movement::Hold { leg, expires_at: Some(now + lasts) };
            moves(&format!("h-{next_hold}"), hold)
        }
        Move::Capture { hold, units } => {
            let hold = Id::parse(&format!("h-{hold}")).unwrap();
            let amount = Some(Decimal::parse(&amount(*units)).unwrap());
            moves(id, Movement::Capture { hold, amount })
        }
        Move::Void { hold } => {
            let hold = Id::parse(&format!("h-{hold}")).unwrap();
            moves(id, Movement::Void { hold, refused: None })
        }
    }
}

impl Model {
    fn batch(&mut self, state: &mut State, moved: &[(Move, bool)], number: usize) -> Vec<String> {
        // A hold whose number depends on whether one before it is accepted ends its batch.
        let end = moved.iter().position(|(it, _)| matches!(it, Move::Hold { .. }));
        let moved = &moved[..end.map_or(moved.len(), |end| end + 1)];
        let transfers = moved.iter().enumerate().map(|(at, (it, linked))| {
            let id = format!("t-{number}-{at}");
            let link = if *linked && at + 1 < moved.len() { Link::Next } else { Link::Alone };
            Transfer { link, ..transfer_of(it, &id, self.holds.len(), self.now) }
        });
        let body = CommandBody::PostTransfers { transfers: transfers.collect() };
        let ledger = LedgerName::parse("bank").unwrap();
        let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
        let decision = decide(state, &command, &[], self.now);
        decision.events.iter().for_each(|event| apply(state, event, self.now));
        let Outcome::Items(items) = &decision.outcome else { panic!("a batch has items") };
        for (item, (moved, _)) in items.iter().zip(moved) {
            if matches!(item, ItemOutcome::Accepted { .. }) {
                self.takes(moved);
            }
        }
        decision.events.iter().filter_map(alerts::say).collect()
    }

    fn wait(&mut self, state: &mut State, ticks: i64) -> Vec<String> {
        self.now += ticks;
        state.record(self.now);
        let mut found = Vec::new();
        loop {
            let events = decide_due(state, self.now, 3);
            if events.is_empty() {
                break;
            }
            for event in &events {
                apply(state, event, self.now);
                found.extend(alerts::say(event));
            }
            assert_eq!(invariants::check(state), []);
        }
        let due = |held: &Held| held.left > 0 && held.until <= self.now;
        let mut over: Vec<(i64, String, usize)> = Vec::new();
        for (at, held) in self.holds.iter().enumerate().filter(|(_, held)| due(held)) {
            over.push((held.until, format!("h-{at}"), at));
        }
        over.sort();
        for (.., at) in over {
            self.takes(&Move::Void { hold: at });
        }
        found
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn alerts_cross_as_in_the_naive_model(acts in prop::collection::vec(acts(), 1..60)) {
        let mut state = opened();
        let mut model = Model::default();
        for (number, act) in acts.iter().enumerate() {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let runs = |state: &mut State, line: &str| {
                let words = words(line);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                run(state, &words, number)
            };
            let found = match act {
                Act::Set { account, alert, figure, comparison, units } => {
                    let (of, how) = (FIGURES[*figure], COMPARISONS[*comparison]);
                    let line = format!("alert bank {} n{alert} X {of} {how} {units}", NAMES[*account]);
                    let was_up = model.alerts.get(&(*account, *alert)).is_some_and(|it| it.is_up);
                    let (figure, comparison, units) = (*figure, *comparison, *units);
                    let watched = Watched { figure, comparison, units, is_up: was_up };
                    // Others of the account stand where they stood.
                    model.alerts.insert((*account, *alert), watched);
                    model.look(*account);
                    let said = runs(&mut state, &line);
                    prop_assert!(said.starts_with("ok"), "{}", said);
                    said.split(", ").skip(1).map(str::to_owned).collect()
                }
                Act::Remove { account, alert } => {
                    let is_there = model.alerts.remove(&(*account, *alert)).is_some();
                    let said = runs(&mut state, &format!("unalert bank {} n{alert}", NAMES[*account]));
                    prop_assert_eq!(said == "ok", is_there);
                    Vec::new()
                }
                Act::Batch(moved) => model.batch(&mut state, moved, number),
                Act::Wait(ticks) => model.wait(&mut state, *ticks),
            };
            prop_assert_eq!(found, model.said(), "{:?}", act);
            prop_assert_eq!(invariants::check(&state), vec![]);
        }
        let raised = state.alerts().filter(|(.., alert)| alert.raised).count();
        prop_assert_eq!(raised, model.alerts.values().filter(|it| it.is_up).count());
    }
}
