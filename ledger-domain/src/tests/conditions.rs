//! A command is done only if its conditions are met, and changes nothing if they are not.

use proptest::prelude::*;

use super::*;
use crate::condition::{
    BalanceCondition, BalanceFigure, Comparison, Condition, Predicate, SignedDecimal,
};
use crate::decide::{Prior, Seen};
use crate::rejection::Code;

/// Words of a line before its first `if`, and its conditions: `if NAME version N`, `if NAME CODE FIGURE
/// COMPARISON AMOUNT`.
pub(super) fn split<'a>(words: &'a [&'a str]) -> (&'a [&'a str], Vec<Condition>) {
    let mut parts = words.split(|word| *word == "if");
    let command = parts.next().unwrap();
    let read = |part: &[&str]| {
        let (name, that) = match part {
            [name, "version", version] => (name, Predicate::Version(version.parse().unwrap())),
            [name, of @ ..] if of.len() == 4 => (name, Predicate::Balance(of_balance(of))),
            _ => panic!("no such condition: {part:?}"),
        };
        Condition { account: AccountName::parse(name).unwrap(), that }
    };
    (command, parts.map(read).collect())
}

/// `CODE FIGURE COMPARISON AMOUNT`.
pub(super) fn of_balance(words: &[&str]) -> BalanceCondition {
    let [asset, figure, comparison, amount] = words else { panic!("no such condition: {words:?}") };
    let mut figures = BalanceFigure::ALL.into_iter();
    BalanceCondition {
        asset: AssetCode::parse(asset).unwrap(),
        figure: figures.find(|it| it.name() == *figure).unwrap(),
        comparison: compares(comparison),
        amount: SignedDecimal::parse(amount).unwrap(),
    }
}

fn compares(word: &str) -> Comparison {
    match word {
        ">=" => Comparison::AtLeast,
        "<=" => Comparison::AtMost,
        "=" => Comparison::Equal,
        _ => panic!("no such comparison: {word}"),
    }
}

const BANK: &str = "
    at 10                               => ok
    create bank                         => ok
    asset bank USD 2                    => ok
    open bank cash asset                => ok
    open bank alice liability           => ok
    open bank shop liability            => ok
    at 20                               => ok
    post bank cash alice USD 10         => ok
";

fn check_bank(script: &str) {
    check(&format!("{BANK}{script}"));
}

#[test]
fn everything_that_changes_an_account_gives_it_a_version() {
    check_bank(
        "
        freeze bank shop if shop version 10     => ok
        unfreeze bank shop if shop version 10   => VERSION_MISMATCH: shop is 20
        at 30                                   => ok
        unfreeze bank shop if shop version 20 if alice version 20 if cash version 20 => ok
        at 40                                   => ok
        hold bank h alice shop USD 7 until 80 if shop version 30 if alice version 20 => ok
        post bank alice shop USD 1 if shop version 30  => VERSION_MISMATCH: shop is 40
        post bank alice shop USD 1 if alice version 30 => VERSION_MISMATCH: alice is 40
        at 50                                   => ok
        capture bank h 2 if alice version 40 if shop version 40 => ok
        at 60                                   => ok
        hold bank i alice shop USD 1 if alice version 50 if shop version 50 => ok
        at 70                                   => ok
        void bank i if alice version 60 if shop version 60 => ok
        at 80                                   => ok
        due                                     => h 500
        post bank alice shop USD 1 if alice version 70 => VERSION_MISMATCH: alice is 80
        post bank alice shop USD 1 if shop version 70  => VERSION_MISMATCH: shop is 80
        post bank alice shop USD 1 if cash version 20  => ok
        at 90                                   => ok
        post bank alice shop USD 100            => INSUFFICIENT_FUNDS: alice
        open bank till asset if alice version 80 => ok
        asset bank EUR 2 if till version 90     => ok
        at 100                                  => ok
        rules bank till USD=5 if till version 90 => ok
        rules bank till if till version 90      => VERSION_MISMATCH: till is 100
        at 110                                  => ok
        lock bank 100 if till version 100       => ok
        rules bank till if till version 100     => ok
        ",
    );
}

#[test]
fn version_0_is_that_there_is_no_such_account() {
    check_bank(
        "
        open bank bob liability if bob version 0     => ok
        open bank bob liability if bob version 0     => VERSION_MISMATCH: bob is 20
        post bank alice shop USD 1 if eve version 0  => ok
        post bank alice shop USD 1 if eve version 5  => UNKNOWN_ACCOUNT: eve
        ",
    );
}

#[test]
fn every_figure_compares_in_every_way() {
    check_bank(
        "
        hold bank h alice shop USD 7                              => ok
        hold bank i cash alice USD 2                              => ok
        freeze bank shop if alice USD posted = 10                 => ok
        unfreeze bank shop if alice USD posted >= 10.01           => CONDITION_FAILED: alice USD posted is 10.00
        unfreeze bank shop if alice USD available = 3.00          => ok
        freeze bank shop if alice USD available >= 3.01           => CONDITION_FAILED: alice USD available is 3.00
        freeze bank shop if alice USD available <= 2.99           => CONDITION_FAILED: alice USD available is 3.00
        freeze bank shop if alice USD debits_posted = 0           => ok
        unfreeze bank shop if alice USD credits_posted <= 10      => ok
        freeze bank shop if alice USD debits_pending >= 7         => ok
        unfreeze bank shop if alice USD credits_pending = 2       => ok
        freeze bank shop if alice USD credits_pending <= 1.99     => CONDITION_FAILED: alice USD credits_pending is 2.00
        freeze bank shop if cash USD available = 10               => ok
        unfreeze bank shop if cash USD posted = -10               => CONDITION_FAILED: cash USD posted is 10.00
        ",
    );
}

#[test]
fn a_figure_may_be_below_zero() {
    check_bank(
        "
        open bank loan asset negative                  => ok
        post bank alice loan USD 4                     => ok
        freeze bank shop if loan USD posted >= -3.99   => CONDITION_FAILED: loan USD posted is -4.00
        freeze bank shop if loan USD posted = 4        => CONDITION_FAILED: loan USD posted is -4.00
        freeze bank shop if loan USD posted >= -4      => ok
        unfreeze bank shop if loan USD posted <= -4    => ok
        freeze bank shop if loan USD posted <= -4.01   => CONDITION_FAILED: loan USD posted is -4.00
        ",
    );
}

#[test]
fn conditions_come_before_all_that_is_asked_but_the_ledger() {
    check(
        "
        post bank x y EUR 1 if a version 1                => UNKNOWN_LEDGER: bank
        create bank                                       => ok
        asset bank USD 2                                  => ok
        open bank a liability                             => ok
        post bank x y EUR 1 if b USD posted = 0           => UNKNOWN_ACCOUNT: b
        post bank x y EUR 1 if a EUR posted = 0           => UNKNOWN_ASSET: EUR
        post bank x y EUR 1 if a USD posted = 0.001       => TOO_MANY_DECIMALS: conditions[0].amount
        post bank x y EUR 1 if a version 0 if a USD posted = 9999999999999999999999999999999999999 => OVERFLOW: conditions[1].amount
        post bank x y EUR 1 if a USD posted = 0 if a USD available >= 0.01 => CONDITION_FAILED: a USD available is 0.00
        post bank x y EUR 1 if a USD posted = 0           => UNKNOWN_DEBIT_ACCOUNT: x
        asset bank USD 2 if a USD posted = 1              => CONDITION_FAILED: a USD posted is 0.00
        open bank a liability if a USD posted = 1         => CONDITION_FAILED: a USD posted is 0.00
        freeze bank nobody if a USD posted = 1            => CONDITION_FAILED: a USD posted is 0.00
        ",
    );
}

#[test]
fn a_batch_is_refused_as_a_whole_unless_all_of_it_was_decided_before() {
    let mut state = State::default();
    for line in BANK.lines().filter_map(|line| line.split_once("=>")) {
        let words: Vec<&str> = line.0.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok");
    }
    let transfers =
        vec![transfer(1, "alice", "shop", "USD", "1"), transfer(2, "a", "b", "USD", "1")];
    let (_, conditions) = split(&["if", "alice", "version", "1"]);
    let ledger = LedgerName::parse("bank").unwrap();
    let body = CommandBody::PostTransfers { transfers };
    let command = Command { ledger, request_id: None, conditions, body };
    let prior = Prior { offset: 7, index: 3, recorded_at: 9, same_content: true, refused: None };
    let before = Seen::Before(prior.clone());

    let refused = |known: &[Seen]| {
        let decision = decide(&state, &command, known, 20);
        let Outcome::Refused(rejection) = decision.outcome else { panic!("{decision:?}") };
        let ledger = command.ledger.clone();
        assert_eq!(
            decision.events,
            [Event::CommandRefused { ledger, rejection: rejection.clone() }]
        );
        assert_eq!(rejection.code, Code::VersionMismatch);
    };
    refused(&[]);
    refused(&[Seen::New, Seen::New]);
    refused(&[before.clone(), Seen::New]);
    refused(&[Seen::New, Seen::Above { item: 0, same_content: true }]);
    let decision = decide(&state, &command, &[before.clone(), before], 20);
    let items = vec![ItemOutcome::Before(prior.clone()), ItemOutcome::Before(prior)];
    assert_eq!((decision.events, decision.outcome), (vec![], Outcome::Items(items)));
}

/// Ten ends and middles of 128 bits, so that sums and differences of two pass them often.
fn amounts() -> impl Strategy<Value = u128> {
    prop_oneof![0u128..4, (0u128..4).prop_map(|less| u128::MAX - less), any::<u128>()]
}

/// `plus - minus` compared with an amount, digit by digit of base 2^64, as numbers of 192 bits made positive
/// by adding 2^128 to both sides.
fn naive_order(plus: u128, minus: u128, negative: bool, amount: u128) -> std::cmp::Ordering {
    let digits = |value: u128| [value >> 64, value & u128::from(u64::MAX)];
    let sum = |a: u128, b: u128| {
        let ([a1, a0], [b1, b0]) = (digits(a), digits(b));
        let low = a0 + b0;
        let high = a1 + b1 + (low >> 64);
        (high, low & u128::from(u64::MAX))
    };
    // plus - minus ? ±amount is plus ∓ amount ? minus, with the amount on the side where it is added.
    if negative {
        sum(plus, amount).cmp(&sum(minus, 0))
    } else {
        sum(plus, 0).cmp(&sum(minus, amount))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_command_is_refused_exactly_if_the_naive_model_says_so(
        counters in prop::array::uniform4(amounts()),
        debit_normal in any::<bool>(),
        figure in 0usize..6,
        comparison in 0usize..3,
        (negative, amount) in (any::<bool>(), amounts()),
        (version, present) in (0u64..3, 1i64..3),
        both in any::<bool>(),
    ) {
        let [debits_posted, credits_posted, debits_pending, credits_pending] = counters;
        // What is posted and what is held of one side stay below 2^128 together.
        let debits_pending = debits_pending.min(u128::MAX - debits_posted);
        let credits_pending = credits_pending.min(u128::MAX - credits_posted);
        let balance = Balance { debits_posted, credits_posted, debits_pending, credits_pending };
        let mut state = State::default();
        let kind = if debit_normal { "asset" } else { "income" };
        for line in [format!("at {present}"), "create bank".into(), "asset bank X 0".into(), format!("open bank a {kind}")] {
            let words: Vec<&str> = line.split_whitespace().collect();
            prop_assert_eq!(run(&mut state, &words, 0), "ok");
        }
        state.accounts[0].set_balance(AssetHandle(0), balance);

        let (posted, other, against) = if debit_normal {
            (debits_posted, credits_posted, credits_pending)
        } else {
            (credits_posted, debits_posted, debits_pending)
        };
        let sides = [
            (posted, other),
            (posted, other + against),
            (debits_posted, 0),
            (credits_posted, 0),
            (debits_pending, 0),
            (credits_pending, 0),
        ];
        let (plus, minus) = sides[figure];
        let order = naive_order(plus, minus, negative, amount);
        let met = [order.is_ge(), order.is_le(), order.is_eq()][comparison];

        let sign = if negative { "-" } else { "" };
        let mut line = format!(
            "open bank b asset if a X {} {} {sign}{amount}",
            BalanceFigure::ALL[figure].name(),
            [">=", "<=", "="][comparison],
        );
        if both {
            line.push_str(&format!(" if a version {version}"));
        }
        let right = !both || i64::try_from(version) == Ok(present);
        let words: Vec<&str> = line.split_whitespace().collect();
        let before = state.clone();
        let found = run(&mut state, &words, 0);
        let expected = match (met, right) {
            (false, _) => "CONDITION_FAILED",
            (true, false) => "VERSION_MISMATCH",
            (true, true) => "ok",
        };
        prop_assert!(found.starts_with(expected), "{}: {}", line, found);
        prop_assert_eq!(state == before, expected != "ok", "a refused command changes nothing");
    }
}
