//! The rules as tables, in a small language: a line is a command and what it comes to.

use crate::command::{
    AccountChange, AccountType, Command, CommandBody, Leg, Link, Movement, Transfer,
};
use crate::condition::Condition;
use crate::decide::{ItemOutcome, Outcome, decide, decide_due};
use crate::event::Event;
use crate::limits::ASSETS_MAX;
use crate::name::{AccountName, AssetCode, Id, LedgerName};
use crate::rejection::Code;
use crate::rules::AskedRules;
use crate::state::{AssetHandle, Balance, State};
use crate::{Decimal, apply, invariants};

/// Runs a script. `create L`, `asset L CODE SCALE`, `open L NAME TYPE RULES`, `rules L NAME RULES` (the rules
/// are nothing, `negative`, or `CODE=AMOUNT` for each limit), `freeze L NAME`,
/// `unfreeze L NAME`, `close L NAME`, `note L NAME KEY=VALUE.. !KEY..` (`-` is the ledger itself),
/// `post L DEBIT CREDIT CODE AMOUNT`, `upto` with the same,
/// `hold L ID DEBIT CREDIT CODE AMOUNT [until T]`, `capture L ID [AMOUNT]`, `void L ID` each end with
/// `=> ok` or the refusal; with conditions behind `if`. `lock L [T]` closes and opens books; a transfer may
/// end with `effective T`. `schedule L ID DEBIT CREDIT CODE AMOUNT START [every N] [until T] [count N]`
/// makes a schedule and `cancel L ID` ends it. `at T` moves the clock; `due` ends with what is due first:
/// the holds that expire, or what a schedule comes to. `balance L NAME CODE` ends with debits and credits in
/// minor units, and with what is held of them, if anything is. `register L NAME [ACCOUNT=TYPE].. [KEY:VALUE]..`,
/// `profile L NAME [KEY:VALUE].. [-KEY]..` and `erase L NAME` are of customers, and `customer L NAME` ends
/// with what is kept.
/// `alert L NAME ID CODE FIGURE COMPARISON AMOUNT` and `unalert L NAME ID` set and remove an alert; whatever
/// makes one cross ends with `, ID raised VALUE` or `, ID cleared VALUE`, in minor units.
fn check(script: &str) {
    let mut state = State::default();
    for (number, line) in script.lines().map(str::trim).enumerate() {
        if line.is_empty() {
            continue;
        }
        let (left, expected) = line.split_once("=>").expect("a line is `what => result`");
        let words: Vec<&str> = left.split_whitespace().collect();
        let found = run(&mut state, &words, number);
        assert_eq!(found, expected.trim(), "line {number}: {line}");
        assert_eq!(invariants::check(&state), [], "line {number}: {line}");
    }
}

fn run(state: &mut State, words: &[&str], number: usize) -> String {
    let (words, conditions) = conditions::split(words);
    let (words, effective_at) = match words {
        [words @ .., "effective", at] => (words, Some(at.parse().unwrap())),
        words => (words, None),
    };
    let (words, metadata) = metadata::split(words);
    let mut body = match words {
        ["create", _] => CommandBody::CreateLedger { metadata: metadata.clone() },
        ["asset", _, code, scale] => CommandBody::CreateAsset {
            code: AssetCode::parse(code).unwrap(),
            scale: scale.parse().unwrap(),
        },
        ["open", _, name, kind, rules @ ..] => CommandBody::OpenAccount {
            name: AccountName::parse(name).unwrap(),
            account_type: account_type(kind),
            rules: asked_rules(rules),
            metadata: metadata.clone(),
        },
        ["rules", _, name, rules @ ..] => CommandBody::SetAccountRules {
            name: AccountName::parse(name).unwrap(),
            rules: asked_rules(rules),
        },
        ["freeze" | "unfreeze" | "close", _, name] => change(words[0], name),
        ["post", _, debit, credit, asset, amount] => {
            posts(transfer(number, debit, credit, asset, amount))
        }
        ["upto", _, debit, credit, asset, amount] => {
            let leg = Leg { up_to: true, ..leg(debit, credit, asset, amount) };
            posts(moves(&format!("line-{number}"), Movement::Post(leg)))
        }
        ["hold", _, id, debit, credit, asset, amount, until @ ..] => {
            let expires_at = until.get(1).map(|at| at.parse().unwrap());
            let leg = leg(debit, credit, asset, amount);
            posts(moves(id, Movement::Hold { leg, expires_at }))
        }
        ["capture", _, hold, amount @ ..] => {
            let (hold, amount) = (Id::parse(hold).unwrap(), amount.first());
            let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
            posts(moves(&format!("line-{number}"), Movement::Capture { hold, amount }))
        }
        ["void", _, hold] => {
            let hold = Id::parse(hold).unwrap();
            posts(moves(&format!("line-{number}"), Movement::Void { hold, refused: None }))
        }
        ["note", _, of, changes @ ..] => metadata::update(of, changes),
        ["noted", ledger, of] => return metadata::noted(state, ledger, of),
        ["lock", _, before @ ..] => {
            CommandBody::LockBooks { locked_before: before.first().map(|at| at.parse().unwrap()) }
        }
        ["schedule", _, id, debit, credit, asset, amount, rule @ ..] => {
            let plan = schedules::plan(leg(debit, credit, asset, amount), rule);
            let plan = Box::new(crate::Plan { metadata: metadata.clone(), ..plan });
            CommandBody::ScheduleTransfer { schedule: Id::parse(id).unwrap(), plan }
        }
        ["cancel", _, id] => CommandBody::CancelSchedule { schedule: Id::parse(id).unwrap() },
        ["register" | "profile" | "erase", _, ..] => customers::body(words),
        ["customer", ledger, name] => return customers::show(state, ledger, name),
        ["alert" | "unalert", _, name, id, condition @ ..] => alerts::body(name, id, condition),
        ["at", now] => return at(state, now.parse().unwrap()),
        ["due"] => return due(state, 10),
        ["balance", ledger, name, asset] => return balance(state, ledger, name, asset),
        _ => panic!("no such line: {words:?}"),
    };
    if let CommandBody::PostTransfers { transfers } = &mut body {
        for it in transfers {
            (it.effective_at, it.metadata) = (effective_at, metadata.clone());
        }
    }
    ask(state, words[1], conditions, body)
}

fn ask(state: &mut State, ledger: &str, conditions: Vec<Condition>, body: CommandBody) -> String {
    let ledger = LedgerName::parse(ledger).unwrap();
    let command = Command { ledger, request_id: None, conditions, body };
    let decision = decide(state, &command, &[], state.recorded_at());
    for event in &decision.events {
        apply(state, event, state.recorded_at());
    }
    let came_to = match decision.outcome {
        Outcome::Accepted => "ok".into(),
        Outcome::Refused(rejection) => rejection.to_string(),
        Outcome::Items(items) => match items.as_slice() {
            [ItemOutcome::Accepted { row: 0 }] => "ok".into(),
            [ItemOutcome::Refused { row: 0, rejection }] => rejection.to_string(),
            other => format!("{other:?}"),
        },
    };
    let crossed = decision.events.iter().filter_map(alerts::say);
    std::iter::once(came_to).chain(crossed).collect::<Vec<_>>().join(", ")
}

fn at(state: &mut State, now: i64) -> String {
    state.record(now);
    "ok".into()
}

/// `negative`, or `CODE=AMOUNT` for each limit.
fn asked_rules(words: &[&str]) -> AskedRules {
    if words == ["negative"] {
        return AskedRules::without_limits(true);
    }
    let limits = words.iter().map(|word| word.split_once('=').expect("CODE=AMOUNT"));
    let credit_limits = limits
        .map(|(code, amount)| (AssetCode::parse(code).unwrap(), Decimal::parse(amount).unwrap()))
        .collect();
    AskedRules { may_go_negative: false, credit_limits }
}

fn change(word: &str, name: &str) -> CommandBody {
    let change = match word {
        "freeze" => AccountChange::Freeze,
        "unfreeze" => AccountChange::Unfreeze,
        _ => AccountChange::Close,
    };
    CommandBody::ChangeAccount { name: AccountName::parse(name).unwrap(), change }
}

fn posts(transfer: Transfer) -> CommandBody {
    CommandBody::PostTransfers { transfers: vec![transfer] }
}

fn due(state: &mut State, max: usize) -> String {
    let events = decide_due(state, state.recorded_at(), max);
    let mut expired = Vec::new();
    for event in &events {
        apply(state, event, state.recorded_at());
        match event {
            Event::HoldExpired { hold, amount, .. } => expired.push(format!("{hold} {amount}")),
            Event::ScheduleRan { schedule, number, refused, .. } => {
                let came_to = refused.map_or("ok", Code::name);
                expired.push(format!("{schedule} {number} {came_to}"));
            }
            Event::TransferBatch(_) => {}
            Event::BalanceAlertCrossed { .. } => expired.extend(alerts::say(event)),
            Event::LedgerCreated { .. }
            | Event::AssetCreated { .. }
            | Event::AccountOpened { .. }
            | Event::AccountStatusChanged { .. }
            | Event::AccountRulesChanged { .. }
            | Event::BooksLocked { .. }
            | Event::ScheduleCreated { .. }
            | Event::ScheduleCancelled { .. }
            | Event::CustomerRegistered { .. }
            | Event::ProfileUpdated { .. }
            | Event::CustomerErased { .. }
            | Event::MetadataChanged { .. }
            | Event::BalanceAlertSet { .. }
            | Event::BalanceAlertRemoved { .. }
            | Event::CommandRefused { .. } => panic!("{event:?}"),
        }
    }
    expired.join(", ")
}

fn transfer(number: usize, debit: &str, credit: &str, asset: &str, amount: &str) -> Transfer {
    moves(&format!("line-{number}"), Movement::Post(leg(debit, credit, asset, amount)))
}

fn moves(id: &str, movement: Movement) -> Transfer {
    let (id, reference, link) = (Id::parse(id).unwrap(), "".into(), Link::Alone);
    Transfer { id, movement, reference, effective_at: None, link, metadata: Default::default() }
}

fn leg(debit: &str, credit: &str, asset: &str, amount: &str) -> Leg {
    Leg {
        debit_account: AccountName::parse(debit).unwrap(),
        credit_account: AccountName::parse(credit).unwrap(),
        asset: AssetCode::parse(asset).unwrap(),
        amount: Decimal::parse(amount).unwrap(),
        up_to: false,
    }
}

fn account_type(word: &str) -> AccountType {
    match word {
        "asset" => AccountType::Asset,
        "liability" => AccountType::Liability,
        "equity" => AccountType::Equity,
        "income" => AccountType::Income,
        "expense" => AccountType::Expense,
        _ => panic!("no such type: {word}"),
    }
}

fn balance(state: &State, ledger: &str, name: &str, asset: &str) -> String {
    let book = state.ledger_by_name(&LedgerName::parse(ledger).unwrap()).unwrap();
    let book = state.ledger(book).unwrap();
    let account = book.account_by_name(&AccountName::parse(name).unwrap()).unwrap();
    let asset = book.asset_by_code(&AssetCode::parse(asset).unwrap()).unwrap();
    let Balance { debits_posted, credits_posted, debits_pending, credits_pending } =
        state.account(account).unwrap().balance(asset);
    let held = match (debits_pending, credits_pending) {
        (0, 0) => String::new(),
        (debits, credits) => format!(" held {debits} {credits}"),
    };
    format!("{debits_posted} {credits_posted}{held}")
}

#[test]
fn names_are_given_once() {
    check(
        "
        asset bank USD 2           => UNKNOWN_LEDGER: bank
        open bank a liability      => UNKNOWN_LEDGER: bank
        post bank a b USD 1        => UNKNOWN_LEDGER: bank
        create bank                => ok
        create bank                => LEDGER_EXISTS: bank
        asset bank USD 2           => ok
        asset bank USD 3           => ASSET_EXISTS: USD
        open bank a liability      => ok
        open bank a asset negative => ACCOUNT_EXISTS: a
        create shop                => ok
        asset shop USD 0           => ok
        open shop a asset          => ok
        ",
    );
}

#[test]
fn a_transfer_moves_its_amount_or_nothing() {
    check(
        "
        create bank                       => ok
        asset bank USD 2                  => ok
        open bank cash asset              => ok
        open bank equity equity           => ok
        open bank alice liability         => ok
        open bank bob liability           => ok
        post bank cash equity USD 100     => ok
        post bank cash alice USD 12.34    => ok
        post bank alice bob USD 12.34     => ok
        balance bank alice USD            => 1234 1234
        balance bank bob USD              => 0 1234
        balance bank cash USD             => 11234 0
        ",
    );
}

#[test]
fn refusals_come_in_the_documented_precedence() {
    check(
        "
        create bank                       => ok
        asset bank USD 2                  => ok
        open bank alice liability         => ok
        post bank x y EUR 1.234           => UNKNOWN_DEBIT_ACCOUNT: x
        post bank alice y EUR 1.234       => UNKNOWN_CREDIT_ACCOUNT: y
        open bank bob liability           => ok
        post bank alice bob EUR 1.234     => UNKNOWN_ASSET: EUR
        post bank alice bob USD 1.234     => TOO_MANY_DECIMALS: amount
        post bank alice bob USD 9999999999999999999999999999999999999 => OVERFLOW: amount
        post bank alice bob USD 1         => INSUFFICIENT_FUNDS: alice
        balance bank bob USD              => 0 0
        ",
    );
}

#[test]
fn an_account_passes_zero_only_where_it_may() {
    check(
        "
        create bank                       => ok
        asset bank USD 0                  => ok
        open bank poor liability          => ok
        open bank rich liability negative => ok
        open bank till asset              => ok
        open bank loan asset negative     => ok
        open bank fees income             => ok
        open bank rent expense            => ok
        post bank poor rich USD 1         => INSUFFICIENT_FUNDS: poor
        post bank rich poor USD 5         => ok
        post bank poor rich USD 6         => INSUFFICIENT_FUNDS: poor
        post bank poor rich USD 5         => ok
        post bank rich till USD 1         => INSUFFICIENT_FUNDS: till
        post bank till fees USD 3         => ok
        post bank rent till USD 4         => INSUFFICIENT_FUNDS: till
        post bank rent till USD 3         => ok
        post bank rich loan USD 9         => ok
        post bank fees rent USD 4         => INSUFFICIENT_FUNDS: fees
        post bank fees rent USD 3         => ok
        balance bank rich USD             => 14 5
        balance bank loan USD             => 0 9
        ",
    );
}

#[test]
fn nothing_moves_in_a_frozen_account_until_it_is_unfrozen() {
    check(
        "
        freeze bank a                     => UNKNOWN_LEDGER: bank
        create bank                       => ok
        freeze bank a                     => UNKNOWN_ACCOUNT: a
        asset bank USD 0                  => ok
        open bank a liability             => ok
        open bank b liability             => ok
        open bank world liability negative => ok
        post bank world a USD 5           => ok
        unfreeze bank a                   => ACCOUNT_NOT_FROZEN: a
        freeze bank a                     => ok
        freeze bank a                     => ACCOUNT_FROZEN: a
        close bank a                      => ACCOUNT_FROZEN: a
        post bank a b USD 1               => ACCOUNT_FROZEN: a
        post bank world a USD 1           => ACCOUNT_FROZEN: a
        post bank a b EUR 1               => ACCOUNT_FROZEN: a
        post bank a nobody USD 1          => UNKNOWN_CREDIT_ACCOUNT: nobody
        balance bank a USD                => 0 5
        unfreeze bank a                   => ok
        post bank a b USD 5               => ok
        balance bank a USD                => 5 5
        ",
    );
}

#[test]
fn an_account_closes_empty_and_for_ever() {
    check(
        "
        create bank                       => ok
        close bank a                      => UNKNOWN_ACCOUNT: a
        asset bank USD 0                  => ok
        asset bank EUR 0                  => ok
        open bank a liability             => ok
        open bank b liability             => ok
        open bank world liability negative => ok
        post bank world a USD 5           => ok
        post bank world a EUR 1           => ok
        close bank a                      => ACCOUNT_NOT_EMPTY: a
        post bank a b USD 5               => ok
        close bank a                      => ACCOUNT_NOT_EMPTY: a
        post bank a b EUR 1               => ok
        close bank a                      => ok
        close bank a                      => ACCOUNT_CLOSED: a
        freeze bank a                     => ACCOUNT_CLOSED: a
        unfreeze bank a                   => ACCOUNT_CLOSED: a
        post bank world a USD 1           => ACCOUNT_CLOSED: a
        freeze bank b                     => ok
        post bank b a USD 1               => ACCOUNT_CLOSED: a
        open bank a liability             => ACCOUNT_EXISTS: a
        close bank world                  => ACCOUNT_NOT_EMPTY: world
        balance bank a USD                => 5 5
        ",
    );
}

#[test]
fn counters_stop_short_of_2_to_the_128() {
    check(
        "
        create bank                       => ok
        asset bank X 0                    => ok
        asset bank Y 30                   => ok
        open bank a liability negative    => ok
        open bank b liability negative    => ok
        open bank c liability negative    => ok
        post bank a b X 340282366920938463463374607431768211455 => ok
        post bank a c X 1                 => OVERFLOW: a
        post bank c b X 1                 => OVERFLOW: b
        post bank b a X 340282366920938463463374607431768211455 => ok
        post bank a b Y 340282366         => ok
        post bank a b Y 1                 => OVERFLOW: a
        post bank c a Y 340282367         => OVERFLOW: amount
        balance bank a X => 340282366920938463463374607431768211455 340282366920938463463374607431768211455
        ",
    );
}

#[test]
fn a_state_read_back_is_the_same_with_its_indices() {
    let mut state = State::default();
    for line in [
        "create bank",
        "create shop",
        "asset bank USD 2",
        "open bank a liability",
        "open bank b asset",
        "hold bank h b a USD 1 until 9",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(run(&mut state, &words, 0), "ok", "{line}");
    }
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(&state, config).unwrap();
    let (read, _): (State, usize) = bincode::serde::decode_from_slice(&bytes, config).unwrap();
    assert_eq!(read, state);
    assert_eq!(read.next_due(), Some(9));
}

#[test]
fn a_ledger_holds_so_many_assets() {
    let mut state = State::default();
    assert_eq!(run(&mut state, &["create", "bank"], 0), "ok");
    for number in 0..ASSETS_MAX {
        let code = format!("A{number}");
        assert_eq!(run(&mut state, &["asset", "bank", &code, "2"], 0), "ok", "{code}");
    }
    let one_more = run(&mut state, &["asset", "bank", "B", "2"], 0);
    assert_eq!(one_more, "TOO_MANY: assets of the ledger");
    let there = run(&mut state, &["asset", "bank", "A0", "2"], 0);
    assert_eq!(there, "ASSET_EXISTS: A0");
}

/// Without lengths, the balance of an asset 255 could feed what an end and one more account feed.
#[test]
fn no_other_state_feeds_the_same_bytes() {
    let mut one = State::default();
    assert_eq!(run(&mut one, &["create", "bank"], 0), "ok");
    assert_eq!(run(&mut one, &["open", "bank", "a", "liability"], 0), "ok");
    let mut other = one.clone();
    let name = "n".repeat(60);
    assert_eq!(run(&mut other, &["open", "bank", &name, "liability"], 0), "ok");
    let letters = u128::from_le_bytes([b'n'; 16]);
    let first = u128::from_le_bytes(*b"\0\x3cnnnnnnnnnnnnnn");
    let last = u128::from_le_bytes(*b"nnnnnnnnnnnnnn\0\x02");
    let forged = Balance {
        debits_posted: first,
        credits_posted: letters,
        debits_pending: letters,
        credits_pending: last,
    };
    one.accounts[0].set_balance(AssetHandle(255), forged);
    assert_ne!(fed(&one), fed(&other));
}

fn fed(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.feed(&mut |part| bytes.extend_from_slice(part));
    bytes
}

mod alert_properties;
mod alerts;
mod batches;
mod conditions;
mod customers;
mod desk;
mod group_properties;
mod groups;
mod holds;
mod locks;
mod metadata;
mod properties;
mod reversals;
mod rules;
mod schedules;
mod send_properties;
mod sends;
