//! Money between two ledgers, step by step, as tables.

use std::collections::BTreeMap;

use super::*;
use crate::decide::{Original, Seen};
use crate::event::Row;
use crate::rejection::Rejection;
use crate::send::{self, Destination, Settlement};
use crate::state::Hold;

/// Two ledgers, "bank" and "shop", each on a partition of its own, and what is known of their ids.
pub(super) struct Two {
    pub(super) bank: Side,
    pub(super) shop: Side,
}

#[derive(Default)]
pub(super) struct Side {
    pub(super) state: State,
    /// Whatever has an id: its content, and why it was refused if it was.
    decided: BTreeMap<String, (Transfer, Option<Rejection>)>,
    originals: BTreeMap<Id, Original>,
}

impl Side {
    /// Decides a transfer as the writer does: what was decided before answers its first outcome.
    pub(super) fn take(&mut self, ledger: &str, transfer: Transfer) -> Result<(), Rejection> {
        let key = transfer.id.to_string();
        if let Some((first, outcome)) = self.decided.get(&key) {
            assert_eq!(*first, transfer, "one id, one content");
            return outcome.clone().map_or(Ok(()), Err);
        }
        let seen = match transfer.movement.reverses() {
            None => Seen::New,
            Some(of) => Seen::NewReversal(*self.originals.get(of).unwrap_or(&Original::Unknown)),
        };
        let command = Command {
            ledger: LedgerName::parse(ledger).unwrap(),
            request_id: None,
            conditions: Vec::new(),
            body: CommandBody::PostTransfers { transfers: vec![transfer.clone()] },
        };
        let now = self.state.recorded_at();
        let decision = decide(&self.state, &command, &[seen], now);
        for event in &decision.events {
            apply(&mut self.state, event, now);
            let Event::TransferBatch(batch) = event else { continue };
            for (_, row) in batch.iter() {
                if let Row::Accepted(accepted) = row {
                    self.originals.insert(accepted.id.clone(), Original::of(accepted));
                }
            }
        }
        assert_eq!(invariants::check(&self.state), []);
        let refused = match decision.outcome {
            Outcome::Refused(rejection) => Some(rejection),
            Outcome::Items(items) => match items.as_slice() {
                [ItemOutcome::Accepted { .. }] => None,
                [ItemOutcome::Refused { rejection, .. }] => Some(rejection.clone()),
                other => panic!("{other:?}"),
            },
            Outcome::Accepted => panic!("a batch has items"),
        };
        self.decided.insert(key, (transfer, refused.clone()));
        refused.map_or(Ok(()), Err)
    }

    fn first(&self, id: &Id) -> Option<&Option<Rejection>> {
        self.decided.get(&id.to_string()).map(|(_, refused)| refused)
    }
}

pub(super) fn only(command: Command) -> Transfer {
    let CommandBody::PostTransfers { transfers } = command.body else { panic!("a step posts") };
    let [transfer] = transfers.try_into().unwrap();
    transfer
}

impl Two {
    pub(super) fn open() -> Self {
        let mut two = Two { bank: Side::default(), shop: Side::default() };
        for line in ["create L", "asset L USD 2", "asset L JPY 0", "open L world equity negative"] {
            for (ledger, side) in [("bank", &mut two.bank), ("shop", &mut two.shop)] {
                let line = line.replace('L', ledger);
                let words: Vec<&str> = line.split_whitespace().collect();
                assert_eq!(run(&mut side.state, &words, 0), "ok", "{line}");
            }
        }
        two
    }

    fn side(&mut self, ledger: &str) -> &mut Side {
        if ledger == "shop" { &mut self.shop } else { &mut self.bank }
    }

    /// Runs a script. `send L ID DEBIT LEDGER CREDIT CODE AMOUNT [before T]` begins one, `receive L ID` and
    /// `settle L ID` are the steps of one that L has sent; `capture L ID HOLD`, `void L ID HOLD` and `reverse L
    /// ID OF` are a client's. Other lines are those of `run`, the ledger second.
    pub(super) fn check(&mut self, script: &str) {
        for (number, line) in script.lines().map(str::trim).enumerate() {
            let Some((left, expected)) = line.split_once("=>") else { continue };
            let words: Vec<&str> = left.split_whitespace().collect();
            let found = match words.as_slice() {
                ["send", ledger, id, debit, to, credit, asset, amount, deadline @ ..] => {
                    let deadline = deadline.get(1).map(|at| at.parse().unwrap());
                    let sent = sends(id, debit, (to, credit), asset, amount, deadline);
                    said(self.side(ledger).take(ledger, sent))
                }
                ["receive", ledger, id] => said(self.receive(ledger, id)),
                ["settle", ledger, id] => said(self.settle(ledger, id)),
                ["capture" | "void" | "reverse", ledger, id, rest @ ..] => {
                    let text = [&[*id, words[0]], rest].concat().join(" ");
                    said(self.side(ledger).take(ledger, desk::parse(&text)))
                }
                ["at", now] => {
                    let now = now.parse().unwrap();
                    self.bank.state.record(now);
                    self.shop.state.record(now);
                    "ok".into()
                }
                words => {
                    let side = self.side(words[1]);
                    run(&mut side.state, words, number)
                }
            };
            assert_eq!(found, expected.trim(), "line {number}: {line}");
            let states = [&self.bank.state, &self.shop.state];
            assert_eq!(invariants::check_clearing(&states), [], "line {number}: {line}");
        }
    }

    fn open_send(&self, ledger: &str, id: &str) -> Option<Command> {
        let side = if ledger == "shop" { &self.shop } else { &self.bank };
        let book = side.state.ledger_by_name(&LedgerName::parse(ledger).unwrap()).unwrap();
        send::receive(&side.state, book, &Id::parse(id).unwrap())
    }

    pub(super) fn receive(&mut self, ledger: &str, id: &str) -> Result<(), Rejection> {
        let step = self.open_send(ledger, id).expect("the send is open");
        let to = step.ledger.to_string();
        self.side(&to).take(&to, only(step))
    }

    /// As the destination has answered.
    pub(super) fn settle(&mut self, ledger: &str, id: &str) -> Result<(), Rejection> {
        let source = LedgerName::parse(ledger).unwrap();
        let send = Id::parse(id).unwrap();
        let receipt = Id::receipt(&source, &send);
        let told = [&self.bank, &self.shop].into_iter().find_map(|side| side.first(&receipt));
        let settlement = match told.expect("the destination has answered") {
            None => Settlement::Received,
            Some(rejection) => Settlement::Refused(rejection.clone()),
        };
        self.side(ledger).take(ledger, only(send::settle(&source, &send, &settlement)))
    }
}

pub(super) fn sends(
    id: &str,
    debit: &str,
    (ledger, account): (&str, &str),
    asset: &str,
    amount: &str,
    deadline: Option<i64>,
) -> Transfer {
    let ledger = LedgerName::parse(ledger).unwrap();
    let mut leg = leg(debit, "x", asset, amount);
    leg.credit_account = AccountName::clearing(&ledger);
    let to = Destination { ledger, account: AccountName::parse(account).unwrap(), deadline };
    moves(id, Movement::Send { leg, to: Box::new(to) })
}

fn said(outcome: Result<(), Rejection>) -> String {
    outcome.map_or_else(|rejection| rejection.to_string(), |()| "ok".into())
}

/// A customer with 10 dollars here, and a till there.
pub(super) const OPEN: &str = "
    open bank alice liability               => ok
    post bank world alice USD 10            => ok
    open shop till asset                    => ok
    open shop owner liability               => ok
";

fn check_two(script: &str) {
    Two::open().check(&format!("{OPEN}{script}"));
}

fn balances(state: &State, account: &str) -> Balance {
    let at = state.accounts().iter().find(|it| it.name.as_str() == account);
    at.map_or_else(Balance::default, |account| account.balance(AssetHandle(0)))
}

#[test]
fn a_send_is_held_received_and_captured() {
    check_two(
        "
        send bank s alice shop owner USD 4      => ok
        balance bank alice USD                  => 0 1000 held 400 0
        receive bank s                          => ok
        balance shop owner USD                  => 0 400
        balance bank alice USD                  => 0 1000 held 400 0
        receive bank s                          => ok
        balance shop owner USD                  => 0 400
        settle bank s                           => ok
        balance bank alice USD                  => 400 1000
        settle bank s                           => ok
        balance bank alice USD                  => 400 1000
        ",
    );
}

#[test]
fn what_the_destination_refuses_is_given_back() {
    check_two(
        "
        send bank a alice shop nobody USD 1     => ok
        receive bank a                          => UNKNOWN_CREDIT_ACCOUNT: nobody
        settle bank a                           => ok
        balance bank alice USD                  => 0 1000
        send bank b alice none owner USD 1      => ok
        receive bank b                          => UNKNOWN_LEDGER: none
        settle bank b                           => ok
        freeze shop owner                       => ok
        send bank c alice shop owner USD 1      => ok
        receive bank c                          => ACCOUNT_FROZEN: owner
        unfreeze shop owner                     => ok
        receive bank c                          => ACCOUNT_FROZEN: owner
        settle bank c                           => ok
        close shop owner                        => ok
        send bank d alice shop owner USD 1      => ok
        receive bank d                          => ACCOUNT_CLOSED: owner
        settle bank d                           => ok
        send bank e alice shop till USD 1       => ok
        receive bank e                          => INSUFFICIENT_FUNDS: till
        settle bank e                           => ok
        balance bank alice USD                  => 0 1000
        ",
    );
}

/// The destination's clock says whether it is too late, not the source's, and not whoever waits.
#[test]
fn the_destination_decides_whether_a_send_is_in_time() {
    check_two(
        "
        send bank a alice shop owner USD 1 before 50    => ok
        send bank b alice shop owner USD 1 before 50    => ok
        at 49                                           => ok
        receive bank a                                  => ok
        at 50                                           => ok
        receive bank a                                  => ok
        receive bank b                                  => DEADLINE_PASSED: deadline
        send bank c alice shop owner USD 1 before 50    => DEADLINE_PASSED: deadline
        settle bank a                                   => ok
        settle bank b                                   => ok
        balance bank alice USD                          => 100 1000
        ",
    );
}

#[test]
fn an_asset_has_the_same_scale_on_both_sides() {
    check_two(
        "
        asset bank EUR 2                        => ok
        asset shop EUR 3                        => ok
        post bank world alice EUR 5             => ok
        asset bank CHF 2                        => ok
        post bank world alice CHF 5             => ok
        send bank a alice shop owner EUR 1.25   => ok
        receive bank a                          => SCALE_DIFFERS: EUR has scale 3, there 2
        settle bank a                           => ok
        send bank b alice shop owner CHF 1      => ok
        receive bank b                          => UNKNOWN_ASSET: CHF
        settle bank b                           => ok
        balance bank alice EUR                  => 0 500
        balance bank alice CHF                  => 0 500
        ",
    );
}

#[test]
fn a_send_is_refused_as_a_hold_would_be() {
    check_two(
        "
        send bank a nobody shop owner USD 1     => UNKNOWN_DEBIT_ACCOUNT: nobody
        send bank b alice shop owner XXX 1      => UNKNOWN_ASSET: XXX
        send bank c alice shop owner USD 0.001  => TOO_MANY_DECIMALS: amount
        send bank d alice shop owner USD 10.01  => INSUFFICIENT_FUNDS: alice
        freeze bank alice                       => ok
        send bank e alice shop owner USD 1      => ACCOUNT_FROZEN: alice
        ",
    );
}

/// In another ledger a hold that was refused could be captured all the same.
#[test]
fn only_its_destination_ends_a_send_and_nothing_takes_it_back() {
    check_two(
        "
        send bank s alice shop owner USD 4      => ok
        capture bank c s                        => HOLD_OF_SEND: s
        void bank v s                           => HOLD_OF_SEND: s
        freeze bank alice                       => ok
        receive bank s                          => ok
        settle bank s                           => ok
        balance bank alice USD                  => 400 1000
        capture bank d s                        => HOLD_NOT_OPEN: s
        unfreeze bank alice                     => ok
        reverse bank r s                        => NOT_REVERSIBLE: s
        ",
    );
}

#[test]
fn the_parts_of_a_send_cannot_be_reversed() {
    let mut two = Two::open();
    two.check(OPEN);
    two.check(
        "
        send bank s alice shop owner USD 4      => ok
        receive bank s                          => ok
        settle bank s                           => ok
        ",
    );
    let (bank, send) = (LedgerName::parse("bank").unwrap(), Id::parse("s").unwrap());
    for (ledger, of) in [("bank", Id::settlement(&send)), ("shop", Id::receipt(&bank, &send))] {
        let reversal = moves("r", Movement::Reversal { of: of.clone(), amount: None });
        let refused = two.side(ledger).take(ledger, reversal).unwrap_err();
        assert_eq!(refused.to_string(), format!("NOT_REVERSIBLE: {of}"));
    }
}

#[test]
fn money_in_transit_stands_in_clearing_accounts() {
    let mut two = Two::open();
    two.check(OPEN);
    two.check("send bank s alice shop owner USD 4      => ok");
    let there = |two: &Two| balances(&two.shop.state, "~clearing:bank");
    let here = |two: &Two| balances(&two.bank.state, "~clearing:shop");
    assert_eq!(here(&two), Balance { credits_pending: 400, ..Balance::default() });
    assert_eq!(there(&two), Balance::default());
    two.check("receive bank s => ok");
    assert_eq!(there(&two), Balance { debits_posted: 400, ..Balance::default() });
    two.check("settle bank s => ok");
    assert_eq!(here(&two), Balance { credits_posted: 400, ..Balance::default() });
    two.check(
        "
        send shop t owner bank alice USD 1      => ok
        receive shop t                          => ok
        settle shop t                           => ok
        ",
    );
    let both = Balance { debits_posted: 100, credits_posted: 400, ..Balance::default() };
    assert_eq!(here(&two), both);
    let both = Balance { debits_posted: 400, credits_posted: 100, ..Balance::default() };
    assert_eq!(there(&two), both);
}

/// A batch opens the clearing accounts that its accepted transfers need, and no other.
#[test]
fn only_what_is_sent_opens_a_clearing_account() {
    let mut two = Two::open();
    two.check(OPEN);
    let transfers = vec![
        sends("a", "nobody", ("one", "x"), "USD", "1", None),
        sends("b", "alice", ("two", "x"), "USD", "1", None),
        sends("c", "alice", ("three", "x"), "USD", "1", None),
        sends("d", "alice", ("two", "x"), "USD", "1", None),
    ];
    let ledger = LedgerName::parse("bank").unwrap();
    let body = CommandBody::PostTransfers { transfers };
    let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
    let state = &mut two.bank.state;
    let decision = decide(state, &command, &[], state.recorded_at());
    let [opened @ .., Event::TransferBatch(batch)] = decision.events.as_slice() else {
        panic!("{decision:?}");
    };
    let name = |event: &Event| {
        let Event::AccountOpened { name, .. } = event else { panic!("{event:?}") };
        name.to_string()
    };
    let names: Vec<String> = opened.iter().map(name).collect();
    assert_eq!(names, ["~clearing:two", "~clearing:three"]);
    decision.events.iter().for_each(|event| apply(state, event, 0));
    let to = |row: usize| state.account(batch.accepted[row].credit_account).unwrap().name.as_str();
    assert_eq!([to(0), to(1), to(2)], ["~clearing:two", "~clearing:three", "~clearing:two"]);
    assert_eq!(invariants::check(state), []);
}

#[test]
fn a_send_that_is_open_survives_a_snapshot() {
    let mut two = Two::open();
    two.check(OPEN);
    two.check("send bank s alice shop owner USD 4 before 9 => ok");
    let state = &two.bank.state;
    let holds: Vec<&Hold> = state.holds().map(|(_, _, hold)| hold).collect();
    let outgoing = holds[0].send.as_ref().unwrap();
    assert_eq!(outgoing.to.deadline, Some(9));
    assert_eq!(state.sends().count(), 1);
    let mut without = state.clone();
    without.sends.clear();
    assert_eq!(invariants::check(&without)[0].invariant, "SG-1");
    assert_eq!(fed(&without), fed(state), "an index is no state");
}

#[test]
fn a_receipt_without_its_send_breaks_sg_2() {
    let mut two = Two::open();
    two.check(OPEN);
    two.check("send bank s alice shop owner USD 4 => ok");
    two.check("receive bank s => ok");
    let states = [&State::default(), &two.shop.state];
    assert_eq!(invariants::check_clearing(&states)[0].invariant, "SG-2");
    let states = [&two.bank.state, &State::default()];
    assert_eq!(invariants::check_clearing(&states), [], "it may not have been received yet");
    two.check("settle bank s => ok");
    let states = [&two.bank.state, &State::default()];
    assert_eq!(invariants::check_clearing(&states)[0].invariant, "SG-2");
}

#[test]
fn a_step_is_the_same_whoever_takes_it() {
    let mut two = Two::open();
    two.check(OPEN);
    two.check("send bank s alice shop owner USD 4 => ok");
    let first = two.open_send("bank", "s");
    two.bank.state.record(77);
    assert_eq!(first, two.open_send("bank", "s"));
    assert_eq!(first.unwrap().cause(), Some(0));
}
