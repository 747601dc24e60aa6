//! The oracle's own rules, as a table.

use super::*;
use crate::request::{Customer, NewAccount, Note, NoteOf, Rules, Text, Texts};

fn transfer(id: &str, debit: &str, credit: &str, amount: &str) -> Transfer {
    Transfer {
        id: id.into(),
        debit: debit.into(),
        credit: credit.into(),
        asset: "USD".into(),
        amount: amount.into(),
        ..Transfer::default()
    }
}

fn request(request_id: &str, ask: Ask) -> Request {
    let (request_id, ledger, conditions) = (request_id.into(), "bank".into(), Vec::new());
    Request { request_id, ledger, ask, conditions, validate_only: false }
}

fn run(model: &mut Model, request: &Request, offset: u64) -> Verdicts {
    let transfers = match &request.ask {
        Ask::Post { transfers } => transfers.clone(),
        _ => Vec::new(),
    };
    let verdicts = model.decide(request, &transfers, 0);
    model.record(request, &transfers, &verdicts, (offset, 0));
    verdicts
}

fn bank() -> Model {
    let mut model = Model::default();
    let account = |name: &str, kind, may_go_negative| Ask::OpenAccount {
        name: name.into(),
        kind,
        rules: Rules { may_go_negative, limits: Vec::new() },
        metadata: Default::default(),
    };
    let asks = [
        Ask::CreateLedger { metadata: Default::default() },
        Ask::CreateAsset { code: "USD".into(), scale: 2 },
        account("cash", 1, true),
        account("alice", 2, false),
        account("bob", 2, false),
    ];
    for (offset, ask) in (1..).zip(asks) {
        assert_eq!(run(&mut model, &request("", ask), offset), Verdicts::Whole(Verdict::Done));
    }
    model
}

#[test]
fn moves_money_and_knows_the_past() {
    let mut model = bank();
    let batch = vec![
        transfer("t1", "cash", "alice", "10"),
        transfer("t2", "alice", "bob", "10.01"),
        transfer("t3", "alice", "bob", "4.50"),
        transfer("t4", "alice", "bob", "0.001"),
        transfer("t1", "cash", "alice", "10.00"),
        transfer("t1", "cash", "alice", "11"),
        transfer("t5", "nobody", "bob", "1"),
    ];
    let verdicts = run(&mut model, &request("r1", Ask::Post { transfers: batch.clone() }), 7);
    let moves = |debit: &str, credit: &str, amount| {
        let (debit, credit, asset) = (debit.into(), credit.into(), "USD".into());
        Verdict::Moves(Moved { debit, credit, asset, amount, up_to: None, remaining: 0 })
    };
    let expected = vec![
        moves("cash", "alice", 1000),
        Verdict::Refused(211),
        moves("alice", "bob", 450),
        Verdict::Refused(209),
        Verdict::Repeats(0),
        Verdict::Reused,
        Verdict::Refused(206),
    ];
    assert_eq!(verdicts, Verdicts::Items(expected));
    let alice = &model.books["bank"].balances[&("alice".to_owned(), "USD".to_owned())];
    let seen: Vec<_> =
        alice.iter().map(|v| (v.place, v.counters.debits, v.counters.credits)).collect();
    assert_eq!(seen, [((7, 0), 0, 1000), ((7, 2), 450, 1000)]);

    let again = model.decide(&request("", Ask::Post { transfers: batch.clone() }), &batch, 0);
    let Verdicts::Items(again) = again else { panic!("a batch") };
    let first = |place, refused| Verdict::Before(First { place, refused });
    assert_eq!(again[1], first((7, 1), Some(211)));
    assert_eq!(again[6], first((7, 4), Some(206)));
    let whole = model.decide(&request("r1", Ask::Post { transfers: batch.clone() }), &batch, 0);
    assert_eq!(whole, Verdicts::Items(again));
    let other =
        model.decide(&request("r1", Ask::CreateLedger { metadata: Default::default() }), &[], 0);
    assert_eq!(other, Verdicts::Whole(Verdict::Reused));
}

#[test]
fn what_is_left_until_a_limit_is_exact_past_128_bits() {
    let most = u128::MAX;
    assert_eq!(account::left((5, 3), 0), Some(2));
    assert_eq!(account::left((3, 5), 2), Some(0));
    assert_eq!(account::left((3, 5), 1), None);
    assert_eq!(account::left((most, 0), most), Some(most));
    assert_eq!(account::left((most, most), 7), Some(7));
    assert_eq!(account::left((1, most), most), Some(1));
}

#[test]
fn refuses_rules() {
    let code = |may_go_negative, limits: &[(&str, &str)]| {
        let limits = limits.iter().map(|(asset, amount)| ((*asset).into(), (*amount).into()));
        let rules = Rules { may_go_negative, limits: limits.collect() };
        shape(&request("", Ask::SetRules { name: "a".into(), rules })).err()
    };
    assert_eq!(code(false, &[("USD", "1"), ("EUR", "2.5")]), None);
    assert_eq!(code(true, &[("USD", "1")]), Some(101));
    assert_eq!(code(false, &[("USD", "1"), ("USD", "2")]), Some(101));
    assert_eq!(code(false, &[("U SD", "0")]), Some(101));
    assert_eq!(code(false, &[("USD", "-1")]), Some(102));
    assert_eq!(code(false, &[("USD", "0.00")]), Some(104));
    let codes: Vec<String> = (0..101).map(|number| format!("A{number}")).collect();
    let limits: Vec<_> = codes.iter().map(|code| (code.as_str(), "1")).collect();
    assert_eq!(code(false, &limits), Some(107));
}

#[test]
fn refuses_shapes() {
    let code = |t: Transfer| shape::transfer("bank", &t);
    assert_eq!(code(transfer("t", "a", "b", "1")), None);
    assert_eq!(code(transfer("", "a", "b", "1")), Some(101));
    assert_eq!(code(transfer("t", "a", "b", "1.")), Some(102));
    let two_to_128 = "340282366920938463463374607431768211456";
    assert_eq!(code(transfer("t", "a", "b", two_to_128)), Some(103));
    assert_eq!(code(transfer("t", "a", "b", "0.00")), Some(104));
    assert_eq!(code(transfer("t", "a", "a", "1")), Some(105));
    let long = Transfer { reference: "x".repeat(257), ..transfer("t", "a", "b", "1") };
    assert_eq!(code(long), Some(107));
    let scale = Ask::CreateAsset { code: "USD".into(), scale: 31 };
    assert_eq!(shape(&request("", scale)), Err(108));
    assert_eq!(shape(&request("", Ask::Post { transfers: Vec::new() })), Err(106));
}

fn sealed(customers: &[&str]) -> Texts {
    let text = |of: &&str| ((*of).to_owned(), Text { of: Some((*of).into()), text: "x".into() });
    customers.iter().map(text).collect()
}

#[test]
fn seals_only_for_those_who_are_there() {
    let mut model = bank();
    let register = |name: &str, of: &[&[&str]]| {
        let account = |(at, of): (usize, &&[&str])| NewAccount {
            name: format!("{name}:{at}"),
            kind: 2,
            metadata: sealed(of),
        };
        let accounts = of.iter().enumerate().map(account).collect();
        Ask::Customer(Customer::Register { name: name.into(), accounts, profile: Vec::new() })
    };
    let note =
        |of, customers: &[&str]| Ask::Note(Note { of, set: sealed(customers), remove: Vec::new() });
    let of_transfer = |id: &str| NoteOf::Transfer(id.into());
    let post = Ask::Post { transfers: vec![transfer("t1", "cash", "alice", "10")] };
    run(&mut model, &request("", post), 6);
    let refused = |code| Verdict::Refused(code);
    let erase = Ask::Customer(Customer::Erase { name: "gone".into() });
    for (offset, (ask, due)) in (7..).zip([
        (register("here", &[&["here"]]), Verdict::Done),
        (register("gone", &[]), Verdict::Done),
        (erase, Verdict::Done),
        (register("new", &[&["new", "here"], &["gone"]]), refused(252)),
        (register("new", &[&["gone"], &["nobody"]]), refused(251)),
        (note(NoteOf::Account("nothing".into()), &["nobody"]), refused(212)),
        (note(of_transfer("t2"), &["gone"]), refused(252)),
        (note(of_transfer("t2"), &["here"]), refused(220)),
        (note(of_transfer("t1"), &["here"]), Verdict::Done),
    ]) {
        assert_eq!(run(&mut model, &request("", ask), offset), Verdicts::Whole(due), "{offset}");
    }
    let decided = &model.books["bank"].transfers["t1"];
    assert_eq!(decided.noted_at((14, 9)), &Texts::new());
    assert_eq!(decided.noted_at((15, 0)), &sealed(&["here"]));
    assert_eq!(decided.noted().len(), 1);
}
