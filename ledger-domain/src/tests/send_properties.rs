//! Sends in any order, with every step repeated and late, against a model that only counts.

use proptest::prelude::*;

use super::sends::{Two, sends};
use super::*;

#[derive(Clone, Debug)]
enum Act {
    Send { back: bool, from: usize, to: usize, cents: u32, lasts: Option<i64> },
    Receive(usize),
    Settle(usize),
    Freeze { shop: bool, account: usize },
    Unfreeze { shop: bool, account: usize },
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<bool>(), 0..3usize, 0..4usize, 1..400u32, prop::option::of(0..40i64)).prop_map(
            |(back, from, to, cents, lasts)| Act::Send { back, from, to, cents, lasts }
        ),
        5 => (0..12usize).prop_map(Act::Receive),
        5 => (0..12usize).prop_map(Act::Settle),
        1 => (any::<bool>(), 0..3usize).prop_map(|(shop, account)| Act::Freeze { shop, account }),
        1 => (any::<bool>(), 0..3usize).prop_map(|(shop, account)| Act::Unfreeze { shop, account }),
        1 => (1..30i64).prop_map(Act::Wait),
    ]
}

const NAMES: [&str; 4] = ["a", "b", "c", "nobody"];

/// What was sent, and how far it is.
struct Naive {
    back: bool,
    from: usize,
    to: usize,
    cents: i64,
    until: i64,
    received: Option<bool>,
    settled: bool,
}

#[derive(Default)]
struct Model {
    sends: Vec<Naive>,
    /// By ledger and account: frozen, and cents that are its own.
    frozen: [[bool; 3]; 2],
    cents: [[i64; 3]; 2],
    now: i64,
}

proptest! {
    #[test]
    fn sends_as_the_naive_model(acts in prop::collection::vec(act(), 1..80)) {
        let mut two = Two::open();
        let mut model = Model::default();
        for (ledger, side) in [("bank", &mut two.bank), ("shop", &mut two.shop)] {
            for name in &NAMES[..3] {
                let open = format!("open {ledger} {name} liability");
                let fund = format!("post {ledger} world {name} USD 10");
                for (number, line) in [open, fund].iter().enumerate() {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    // An id for each.
                    let number = name.len() * 1_000 + usize::from(name.as_bytes()[0]) * 10 + number;
                    prop_assert_eq!(run(&mut side.state, &words, number), "ok");
                }
            }
        }
        model.cents = [[1_000; 3]; 2];
        for act in acts {
            model.does(&mut two, &act);
            let states = [&two.bank.state, &two.shop.state];
            prop_assert_eq!(invariants::check_clearing(&states), []);
        }
        // Everything comes to an end: nothing is in transit, and the money is where the model says.
        for at in 0..model.sends.len() {
            model.does(&mut two, &Act::Receive(at));
            model.does(&mut two, &Act::Settle(at));
        }
        for (at, (ledger, side)) in [("bank", &two.bank), ("shop", &two.shop)].iter().enumerate() {
            prop_assert_eq!(side.state.sends().count(), 0);
            for (account, name) in NAMES[..3].iter().enumerate() {
                let book = side.state.ledger_by_name(&LedgerName::parse(ledger).unwrap()).unwrap();
                let book = side.state.ledger(book).unwrap();
                let handle = book.account_by_name(&AccountName::parse(name).unwrap()).unwrap();
                let Balance { debits_posted, credits_posted, debits_pending, credits_pending } =
                    side.state.account(handle).unwrap().balance(AssetHandle(0));
                let net = i64::try_from(credits_posted).unwrap() - i64::try_from(debits_posted).unwrap();
                prop_assert_eq!(net, model.cents[at][account], "{} {}", ledger, name);
                prop_assert_eq!((debits_pending, credits_pending), (0, 0));
            }
        }
    }
}

impl Model {
    fn does(&mut self, two: &mut Two, act: &Act) {
        match act {
            Act::Send { back, from, to, cents, lasts } => {
                let (source, other) = if *back { ("shop", "bank") } else { ("bank", "shop") };
                let until = lasts.map_or(i64::MAX, |lasts| self.now + lasts);
                let id = format!("s-{}", self.sends.len());
                let amount = Decimal::from_minor(u128::from(*cents), 2).to_string();
                let deadline = lasts.map(|_| until);
                let asked = sends(&id, NAMES[*from], (other, NAMES[*to]), "USD", &amount, deadline);
                let side = if *back { &mut two.shop } else { &mut two.bank };
                let found = side.take(source, asked).is_ok();
                let at = usize::from(*back);
                let cents = i64::from(*cents);
                let may = !self.frozen[at][*from] && until > self.now;
                assert_eq!(found, may && self.cents[at][*from] >= cents, "{act:?}");
                if found {
                    self.cents[at][*from] -= cents;
                }
                let (from, to, back, settled) = (*from, *to, *back, !found);
                self.sends.push(Naive { back, from, to, cents, until, received: None, settled });
            }
            Act::Receive(at) => {
                let Some(sent) = self.sends.get_mut(*at).filter(|sent| !sent.settled) else {
                    return;
                };
                let source = if sent.back { "shop" } else { "bank" };
                let found = two.receive(source, &format!("s-{at}")).is_ok();
                let there = usize::from(!sent.back);
                let (now, frozen) = (self.now, self.frozen);
                let due = sent
                    .received
                    .unwrap_or_else(|| sent.to < 3 && !frozen[there][sent.to] && now < sent.until);
                if due && sent.received.is_none() {
                    self.cents[there][sent.to] += sent.cents;
                }
                sent.received = Some(due);
                assert_eq!(found, due, "{act:?}");
            }
            Act::Settle(at) => {
                let Some(sent) = self.sends.get_mut(*at) else { return };
                let Some(received) = sent.received else { return };
                let source = if sent.back { "shop" } else { "bank" };
                two.settle(source, &format!("s-{at}")).expect("a settlement is never refused");
                if !received && !sent.settled {
                    self.cents[usize::from(sent.back)][sent.from] += sent.cents;
                }
                sent.settled = true;
            }
            Act::Freeze { shop, account } | Act::Unfreeze { shop, account } => {
                let freeze = matches!(act, Act::Freeze { .. });
                let (ledger, side) =
                    if *shop { ("shop", &mut two.shop) } else { ("bank", &mut two.bank) };
                let word = if freeze { "freeze" } else { "unfreeze" };
                run(&mut side.state, &[word, ledger, NAMES[*account]], 0);
                self.frozen[usize::from(*shop)][*account] = freeze;
            }
            Act::Wait(by) => {
                self.now += by;
                two.bank.state.record(self.now);
                two.shop.state.record(self.now);
            }
        }
    }
}
