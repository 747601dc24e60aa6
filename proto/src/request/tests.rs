//! What of a request's shape is refused, and by which code.

use super::*;

fn transfer_with(change: impl FnOnce(&mut v1::Transfer)) -> v1::Transfer {
    let mut transfer = v1::Transfer {
        transfer_id: "t-1".into(),
        debit_account: "a".into(),
        credit_account: "b".into(),
        asset: "USD".into(),
        amount: "12.30".into(),
        ..Default::default()
    };
    change(&mut transfer);
    transfer
}

fn batch_of(transfers: Vec<v1::Transfer>) -> Result<Batch, Rejection> {
    let parent = "ledgers/bank".to_owned();
    post_transfers(&v1::PostTransfersRequest { parent, transfers, ..Default::default() })
}

#[test]
fn a_malformed_transfer_is_refused_by_its_code() {
    let check = |expected: Code, change: fn(&mut v1::Transfer)| {
        let batch = batch_of(vec![transfer_with(|_| {}), transfer_with(change)]).unwrap();
        let CommandBody::PostTransfers { transfers } = &batch.command.body else {
            panic!("a batch posts transfers")
        };
        assert_eq!(transfers.len(), 1, "the other transfer stays");
        let codes: Vec<_> = batch.malformed.iter().map(|(at, r)| (*at, r.code)).collect();
        assert_eq!(codes, [(1, expected)]);
    };
    check(Code::Malformed, |t| t.transfer_id.clear());
    check(Code::Malformed, |t| t.transfer_id = "~step".into());
    check(Code::Malformed, |t| t.debit_account = "a b".into());
    check(Code::Malformed, |t| t.credit_account = "~clearing".into());
    check(Code::Malformed, |t| t.asset.clear());
    check(Code::Malformed, |t| {
        t.effective_time = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    });
    check(Code::MalformedAmount, |t| t.amount = "-1".into());
    check(Code::MalformedAmount, |t| t.amount = "1e3".into());
    check(Code::AmountTooLarge, |t| t.amount = "9".repeat(40));
    check(Code::AmountTooLarge, |t| t.amount = format!("0.{}1", "0".repeat(300)));
    check(Code::ZeroAmount, |t| t.amount = "0.00".into());
    check(Code::SameAccount, |t| t.credit_account = "a".into());
    check(Code::TooLong, |t| t.reference = "x".repeat(257));
    check(Code::Malformed, |t| t.kind = 5);
    check(Code::Malformed, |t| t.kind = -1);
    check(Code::Malformed, |t| t.asked_amount = "1".into());
    let forever = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    assert_eq!(
        batch_of(vec![v1::Transfer { expire_time: Some(forever), ..of_kind(Kind::Hold) }])
            .unwrap()
            .malformed[0]
            .1
            .code,
        Code::Malformed
    );
}

use v1::TransferKind as Kind;

/// A well-formed transfer of this kind.
fn of_kind(kind: Kind) -> v1::Transfer {
    match kind {
        Kind::Unspecified | Kind::Post | Kind::Hold => transfer_with(|t| t.set_kind(kind)),
        Kind::Capture | Kind::Void => v1::Transfer {
            transfer_id: "t-1".into(),
            hold_id: "h-1".into(),
            kind: kind.into(),
            ..Default::default()
        },
    }
}

#[test]
fn a_kind_is_asked_for_with_its_own_fields() {
    let refused = |kind: Kind, change: fn(&mut v1::Transfer)| {
        let mut wire = of_kind(kind);
        change(&mut wire);
        transfer(&wire).err().map(|rejection| rejection.to_string()).unwrap_or_default()
    };
    type Set = fn(&mut v1::Transfer);
    let fields: [(&str, Set, &[Kind]); 7] = [
        ("debit_account", |t| t.debit_account = "a".into(), &[Kind::Post, Kind::Hold]),
        ("credit_account", |t| t.credit_account = "b".into(), &[Kind::Post, Kind::Hold]),
        ("asset", |t| t.asset = "USD".into(), &[Kind::Post, Kind::Hold]),
        ("amount", |t| t.amount = "1".into(), &[Kind::Post, Kind::Hold, Kind::Capture]),
        ("hold_id", |t| t.hold_id = "h-2".into(), &[Kind::Capture, Kind::Void]),
        ("expire_time", |t| t.expire_time = Some(Default::default()), &[Kind::Hold]),
        ("up_to", |t| t.up_to = true, &[Kind::Post, Kind::Hold]),
    ];
    for kind in [Kind::Post, Kind::Hold, Kind::Capture, Kind::Void] {
        assert_eq!(refused(kind, |_| {}), "", "{kind:?}");
        for (field, set, kinds) in fields {
            let said = refused(kind, set);
            let expected = format!("MALFORMED: {field} \"\": is no field of a");
            assert_eq!(said.is_empty(), kinds.contains(&kind), "{kind:?} {field}: {said}");
            assert!(said.is_empty() || said.starts_with(&expected), "{said}");
        }
    }
    assert!(refused(Kind::Capture, |t| t.hold_id.clear()).starts_with("MALFORMED: hold_id"));
    assert!(refused(Kind::Capture, |t| t.amount = "0".into()).starts_with("ZERO_AMOUNT"));
    assert!(refused(Kind::Void, |t| t.hold_id = "~h".into()).starts_with("MALFORMED: hold_id"));
}

#[test]
fn what_is_asked_for_is_written_as_it_was_read() {
    let expiring = v1::Transfer {
        expire_time: Some(prost_types::Timestamp { seconds: 5, nanos: 7 }),
        up_to: true,
        reference: "r".into(),
        ..of_kind(Kind::Hold)
    };
    let part = v1::Transfer { amount: "1.5".into(), ..of_kind(Kind::Capture) };
    let kinds = [Kind::Post, Kind::Hold, Kind::Capture, Kind::Void].map(of_kind);
    for wire in kinds.into_iter().chain([expiring, part]) {
        let read = transfer(&wire).unwrap();
        assert_eq!(transfer(&crate::answer::asked(&read, None)).as_ref(), Ok(&read));
    }
}

#[test]
fn a_batch_holds_1_to_8190_transfers() {
    assert_eq!(batch_of(vec![]).unwrap_err().code, Code::BatchSize);
    let many = |count: usize| vec![transfer_with(|_| {}); count];
    assert!(batch_of(many(BATCH_TRANSFERS_MAX)).is_ok());
    assert_eq!(batch_of(many(BATCH_TRANSFERS_MAX + 1)).unwrap_err().code, Code::BatchSize);
}

#[test]
fn an_amount_is_one_value_however_it_is_written() {
    let hash = |amount: &str| {
        let wire = transfer_with(|t| t.amount = amount.into());
        crate::hash::of_transfer(&transfer(&wire).unwrap())
    };
    assert_eq!(hash("1.5"), hash("1.50"));
    assert_ne!(hash("1.5"), hash("1.51"));
}

#[test]
fn a_scale_and_a_type_are_checked() {
    let asset = |scale| v1::CreateAssetRequest {
        parent: "ledgers/bank".into(),
        asset_id: "USD".into(),
        scale,
        ..Default::default()
    };
    assert!(create_asset(&asset(30)).is_ok());
    for scale in [31, 256, u32::MAX] {
        assert_eq!(create_asset(&asset(scale)).unwrap_err().code, Code::ScaleTooLarge);
    }
    let account = v1::OpenAccountRequest {
        parent: "ledgers/bank".into(),
        account_id: "a".into(),
        ..Default::default()
    };
    assert_eq!(open_account(&account).unwrap_err().code, Code::Malformed);
}

#[test]
fn a_malformed_request_id_comes_before_what_has_a_larger_number() {
    let (parent, request_id) = ("ledgers/bank".to_owned(), "~mine".to_owned());
    let check = |refused: Result<Command, Rejection>| {
        let rejection = refused.unwrap_err();
        assert_eq!(rejection.code, Code::Malformed, "{rejection}");
        assert!(rejection.subject.starts_with("request_id"), "{rejection}");
    };
    check(create_asset(&v1::CreateAssetRequest {
        parent: parent.clone(),
        asset_id: "USD".into(),
        scale: 31,
        request_id: request_id.clone(),
        ..Default::default()
    }));
    check(post_transfer(&v1::PostTransferRequest {
        parent: parent.clone(),
        transfer: Some(transfer_with(|t| t.amount = "0".into())),
        request_id: request_id.clone(),
        ..Default::default()
    }));
    let empty = v1::PostTransfersRequest { parent, request_id, ..Default::default() };
    check(post_transfers(&empty).map(|batch| batch.command));
}

fn condition(that: Option<v1::condition::That>) -> v1::Condition {
    v1::Condition { account: "a".into(), that }
}

fn balance_with(change: impl FnOnce(&mut v1::BalanceCondition)) -> v1::Condition {
    let mut balance = v1::BalanceCondition {
        asset: "USD".into(),
        figure: v1::BalanceFigure::Available.into(),
        comparison: v1::Comparison::AtLeast.into(),
        amount: "-1.50".into(),
    };
    change(&mut balance);
    condition(Some(v1::condition::That::Balance(balance)))
}

#[test]
fn a_malformed_condition_is_refused_by_its_code_and_names_its_field() {
    let freeze = |conditions| {
        let name = "ledgers/bank/accounts/a".to_owned();
        freeze_account(&v1::FreezeAccountRequest { name, conditions, ..Default::default() })
    };
    let fine = || balance_with(|_| {});
    let check = |expected: Code, field: &str, condition: v1::Condition| {
        let rejection = freeze(vec![fine(), condition]).unwrap_err();
        assert_eq!(rejection.code, expected, "{rejection}");
        let field = format!("conditions[1].{field}");
        assert!(rejection.subject.starts_with(&field), "{rejection}");
    };
    let version = || Some(v1::condition::That::Version(7));
    check(Code::Malformed, "account", v1::Condition { account: "a b".into(), that: version() });
    check(Code::Malformed, "that", condition(None));
    check(Code::Malformed, "asset", balance_with(|b| b.asset.clear()));
    check(Code::Malformed, "figure", balance_with(|b| b.figure = 0));
    check(Code::Malformed, "figure", balance_with(|b| b.figure = 7));
    check(Code::Malformed, "comparison", balance_with(|b| b.comparison = 0));
    check(Code::Malformed, "comparison", balance_with(|b| b.comparison = -1));
    check(Code::MalformedAmount, "amount", balance_with(|b| b.amount = "--1".into()));
    check(Code::AmountTooLarge, "amount", balance_with(|b| b.amount = "9".repeat(40)));

    // What is malformed in one comes before what is too large in another.
    let large = balance_with(|b| b.amount = "9".repeat(40));
    let codes = |conditions| freeze(conditions).unwrap_err().code;
    assert_eq!(codes(vec![large, condition(None)]), Code::Malformed);
    assert_eq!(codes(vec![fine(); 17]), Code::TooLong);
    assert_eq!(freeze(vec![fine(); 16]).unwrap().conditions.len(), 16);
    let read = freeze(vec![condition(version())]).unwrap().conditions;
    assert_eq!(read[0].that, ledger_domain::Predicate::Version(7));
}

/// A ledger that does not exist has no accounts.
#[test]
fn a_ledger_is_created_without_conditions() {
    let (ledger_id, conditions) = ("bank".to_owned(), vec![balance_with(|_| {})]);
    let request = v1::CreateLedgerRequest { ledger_id, conditions, ..Default::default() };
    let rejection = create_ledger(&request).unwrap_err();
    assert_eq!(rejection.code, Code::Malformed, "{rejection}");
    assert!(rejection.subject.starts_with("conditions"), "{rejection}");
}
