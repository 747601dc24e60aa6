//! What of a request's shape is refused, and by which code.

use super::*;

mod customers;
mod sealed;

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

fn bank() -> LedgerName {
    LedgerName::from_log("bank")
}

/// Of which nothing is to be sealed.
fn read(wire: &v1::Transfer) -> Result<Transfer, Rejection> {
    let mut aside = Vec::new();
    let transfer = transfer(&bank(), wire, 0, &mut aside);
    assert_eq!(aside, []);
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
    check(Code::Malformed, |t| t.kind = 7);
    check(Code::Malformed, |t| t.kind = 8);
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

#[test]
fn rules_are_refused_by_their_code() {
    let asked = |may_go_negative, limits: &[(&str, &str)]| {
        let limit = |(asset, amount): &(&str, &str)| v1::CreditLimit {
            asset: (*asset).into(),
            amount: (*amount).into(),
        };
        let credit_limits = limits.iter().map(limit).collect();
        let rules = Some(v1::AccountRules { may_go_negative, credit_limits });
        let name = "ledgers/bank/accounts/a".to_owned();
        set_account_rules(&v1::SetAccountRulesRequest { name, rules, ..Default::default() })
    };
    let refused = |may_go_negative, limits: &[(&str, &str)], expected: &str| {
        let rejection = asked(may_go_negative, limits).unwrap_err().to_string();
        assert!(rejection.starts_with(expected), "{limits:?}: {rejection}");
    };
    assert!(asked(true, &[]).is_ok() && asked(false, &[]).is_ok());
    refused(true, &[("USD", "1")], "MALFORMED: rules");
    refused(false, &[("US D", "0")], "MALFORMED: credit_limits.asset \"US D\"");
    refused(false, &[("USD", "0"), ("USD", "1")], "MALFORMED: credit_limits.asset \"USD\"");
    refused(false, &[("USD", "-1")], "MALFORMED_AMOUNT: credit_limits.amount \"-1\"");
    refused(false, &[("USD", &"9".repeat(40))], "AMOUNT_TOO_LARGE: credit_limits.amount");
    refused(false, &[("USD", "0.00")], "ZERO_AMOUNT: credit_limits.amount");
    let codes: Vec<String> = (0..101).map(|number| format!("A{number}")).collect();
    let limits: Vec<_> = codes.iter().map(|code| (code.as_str(), "1")).collect();
    assert!(asked(false, &limits[..100]).is_ok());
    refused(false, &limits, "TOO_LONG: credit_limits");
    let name = "ledgers/bank/accounts/a".to_owned();
    let none = v1::SetAccountRulesRequest { name, ..Default::default() };
    assert!(set_account_rules(&none).unwrap_err().to_string().starts_with("MALFORMED: rules"));
    assert_eq!(
        asked(false, &[("USD", "10"), ("EUR", "1")]),
        asked(false, &[("EUR", "1.0"), ("USD", "10.00")]),
    );
}

#[test]
fn books_are_locked_before_an_instant_or_not_at_all() {
    let asked = |name: &str, locked_before| {
        let name = name.to_owned();
        lock_books(&v1::LockBooksRequest { name, locked_before, ..Default::default() })
    };
    let body = |locked_before| asked("ledgers/bank", locked_before).map(|command| command.body);
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    assert_eq!(body(None), Ok(CommandBody::LockBooks { locked_before: None }));
    let locked_before = Some(-1_000_000_000);
    assert_eq!(body(at(-1)), Ok(CommandBody::LockBooks { locked_before }));
    assert!(body(at(i64::MAX)).unwrap_err().to_string().starts_with("MALFORMED: locked_before"));
    assert!(asked("bank", None).unwrap_err().to_string().starts_with("MALFORMED: name"));
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
        Kind::Reversal => v1::Transfer {
            transfer_id: "t-1".into(),
            reversed_id: "t-0".into(),
            kind: kind.into(),
            ..Default::default()
        },
        Kind::Send => transfer_with(|t| {
            t.kind = kind.into();
            t.credit_account.clear();
            t.destination = "ledgers/market/accounts/bob".into();
        }),
        Kind::Receive => panic!("nobody asks for it"),
    }
}

#[test]
fn a_kind_is_asked_for_with_its_own_fields() {
    let refused = |kind: Kind, change: fn(&mut v1::Transfer)| {
        let mut wire = of_kind(kind);
        change(&mut wire);
        read(&wire).err().map(|rejection| rejection.to_string()).unwrap_or_default()
    };
    type Set = fn(&mut v1::Transfer);
    let part = &[Kind::Post, Kind::Hold, Kind::Capture, Kind::Reversal, Kind::Send];
    let sided = &[Kind::Post, Kind::Hold, Kind::Send];
    let elsewhere: Set = |t| t.destination = "ledgers/market/accounts/eve".into();
    let fields: [(&str, Set, &[Kind]); 12] = [
        ("debit_account", |t| t.debit_account = "a".into(), sided),
        ("credit_account", |t| t.credit_account = "b".into(), &[Kind::Post, Kind::Hold]),
        ("asset", |t| t.asset = "USD".into(), sided),
        ("destination", elsewhere, &[Kind::Send]),
        ("deadline", |t| t.deadline = Some(Default::default()), &[Kind::Send]),
        ("source", |t| t.source = "ledgers/market/transfers/s".into(), &[]),
        ("refused", |t| t.refused = Some(Default::default()), &[]),
        ("amount", |t| t.amount = "1".into(), part),
        ("reversed_id", |t| t.reversed_id = "t-2".into(), &[Kind::Reversal]),
        ("hold_id", |t| t.hold_id = "h-2".into(), &[Kind::Capture, Kind::Void]),
        ("expire_time", |t| t.expire_time = Some(Default::default()), &[Kind::Hold]),
        ("up_to", |t| t.up_to = true, sided),
    ];
    let kinds = [Kind::Post, Kind::Hold, Kind::Capture, Kind::Void, Kind::Reversal, Kind::Send];
    for kind in kinds {
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
    let no_original = refused(Kind::Reversal, |t| t.reversed_id.clear());
    assert!(no_original.starts_with("MALFORMED: reversed_id"));
    assert!(refused(Kind::Post, |t| t.entry_id = "~e".into()).starts_with("MALFORMED: entry_id"));
    let both = refused(Kind::Post, |t| (t.entry_id, t.linked) = ("e".into(), true));
    assert!(both.starts_with("MALFORMED: linked"), "{both}");
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
    let back = v1::Transfer { amount: "1.5".into(), ..of_kind(Kind::Reversal) };
    let linked = transfer_with(|t| t.linked = true);
    let of_entry = transfer_with(|t| t.entry_id = "e-1".into());
    let kinds = [Kind::Post, Kind::Hold, Kind::Capture, Kind::Void, Kind::Reversal, Kind::Send];
    let deadline = Some(prost_types::Timestamp { seconds: 5, nanos: 7 });
    let late = v1::Transfer { deadline, up_to: true, ..of_kind(Kind::Send) };
    let others = [expiring, part, back, linked, of_entry, late];
    for wire in kinds.map(of_kind).into_iter().chain(others) {
        let asked = read(&wire).unwrap();
        assert_eq!(read(&crate::answer::asked(&asked, None)).as_ref(), Ok(&asked));
    }
}

#[test]
fn a_batch_holds_1_to_8190_transfers() {
    assert_eq!(batch_of(vec![]).unwrap_err().code, Code::BatchSize);
    let many = |count: usize| vec![transfer_with(|_| {}); count];
    assert!(batch_of(many(BATCH_TRANSFERS_MAX)).is_ok());
    assert_eq!(batch_of(many(BATCH_TRANSFERS_MAX + 1)).unwrap_err().code, Code::BatchSize);
}

/// Outcomes of a batch in which `+` is linked, `-` alone, `!` malformed and a letter an entry: for each `ok`
/// or what its refusal says.
fn shapes(batch: &str) -> String {
    let transfers = batch.split_whitespace().enumerate().map(|(place, word)| {
        let mut wire = transfer_with(|t| t.transfer_id = format!("t-{place}"));
        for letter in word.chars() {
            match letter {
                '+' => wire.linked = true,
                '!' => wire.amount = "0".into(),
                '-' => {}
                entry => wire.entry_id = entry.to_string(),
            }
        }
        wire
    });
    let transfers: Vec<_> = transfers.collect();
    let count = transfers.len();
    let Batch { command, malformed, .. } = batch_of(transfers).unwrap();
    let CommandBody::PostTransfers { transfers } = command.body else { panic!("a batch") };
    assert_eq!(transfers.len() + malformed.len(), count);
    let refused: std::collections::BTreeMap<_, _> = malformed.into_iter().collect();
    let said = (0..count).map(|place| match refused.get(&place) {
        None => "ok".to_owned(),
        Some(Rejection { code: Code::LinkedFailed, subject }) => format!("with {subject}"),
        Some(Rejection { code: Code::Malformed, subject }) => {
            subject.split(' ').next().unwrap_or_default().to_owned()
        }
        Some(rejection) => rejection.code.name().to_owned(),
    });
    said.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_malformed_transfer_keeps_its_group_from_being_decided() {
    for (batch, expected) in [
        ("- + - -", "ok, ok, ok, ok"),
        ("- + ! -", "ok, with t-2, ZERO_AMOUNT, ok"),
        ("+! + - -", "ZERO_AMOUNT, with t-0, with t-0, ok"),
        ("a a! b b", "with t-1, ZERO_AMOUNT, ok, ok"),
        ("- +", "ok, linked"),
        ("+ + +", "with t-2, with t-2, linked"),
        ("+ a a -", "with t-1, linked, with t-1, ok"),
        ("a +a", "ok, linked"),
        ("a - a", "entry_id, ok, entry_id"),
        ("a a b a", "entry_id, with t-0, ok, entry_id"),
        ("+ a - a", "with t-1, linked, ok, entry_id"),
    ] {
        assert_eq!(shapes(batch), expected, "{batch}");
    }
}

#[test]
fn an_entry_has_at_most_1000_transfers() {
    assert_eq!(shapes(&"a ".repeat(1_000)).matches("ok").count(), 1_000);
    let too_many = shapes(&"a ".repeat(1_001));
    assert!(too_many.starts_with("BATCH_SIZE, with t-0"), "{too_many}");
}

#[test]
fn a_transfer_by_itself_is_linked_with_nothing() {
    let post = |transfer| {
        let parent = "ledgers/bank".to_owned();
        let transfer = Some(transfer);
        post_transfer(&v1::PostTransferRequest { parent, transfer, ..Default::default() })
    };
    let rejection = post(transfer_with(|t| t.linked = true)).unwrap_err();
    assert!(rejection.to_string().starts_with("MALFORMED: linked"), "{rejection}");
    assert!(post(transfer_with(|t| t.entry_id = "e-1".into())).is_ok(), "an entry of one");
}

#[test]
fn an_amount_is_one_value_however_it_is_written() {
    let hash = |amount: &str| {
        let wire = transfer_with(|t| t.amount = amount.into());
        crate::hash::of_transfer(&read(&wire).unwrap())
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
    let posted = post_transfer(&v1::PostTransferRequest {
        parent: parent.clone(),
        transfer: Some(transfer_with(|t| t.amount = "0".into())),
        request_id: request_id.clone(),
        ..Default::default()
    });
    check(posted.map(|(command, _)| command));
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

fn rent() -> v1::Schedule {
    v1::Schedule {
        schedule_id: "rent".into(),
        debit_account: "alice".into(),
        credit_account: "bob".into(),
        asset: "USD".into(),
        amount: "1.50".into(),
        start_time: Some(crate::time::to_wire(86_400_000_000_000)),
        ..Default::default()
    }
}

#[test]
fn a_schedule_reads_back_as_it_was_asked_for() {
    use v1::schedule::{Rule, Weekly, Yearly};
    let until_time = Some(crate::time::to_wire(1 << 60));
    for rule in [
        None,
        Some(Rule::EverySeconds(86_400)),
        Some(Rule::Weekly(Weekly { days: vec![1, 7] })),
        Some(Rule::MonthlyDay(31)),
        Some(Rule::Yearly(Yearly { month: 2, day: 29 })),
    ] {
        let asked = v1::Schedule { rule, until_time, count: 3, up_to: true, ..rent() };
        let request = v1::ScheduleTransferRequest {
            parent: "ledgers/bank".into(),
            schedule: Some(asked.clone()),
            ..Default::default()
        };
        let CommandBody::ScheduleTransfer { schedule, plan } =
            schedule_transfer(&request).unwrap().0.body
        else {
            panic!("a schedule");
        };
        assert_eq!(crate::answer::schedule(&schedule.to_string(), &plan, Some(2)), asked);
    }
}

#[test]
fn a_schedule_of_another_shape_is_refused() {
    use v1::schedule::{Rule, Weekly, Yearly};
    let weekly = |days: &[i32]| Some(Rule::Weekly(Weekly { days: days.to_vec() }));
    let yearly = |month, day| Some(Rule::Yearly(Yearly { month, day }));
    let ruled = |rule| v1::Schedule { rule, ..rent() };
    let early = Some(crate::time::to_wire(5));
    for (schedule, refused) in [
        (v1::Schedule { schedule_id: "~a".into(), ..rent() }, "MALFORMED: schedule_id"),
        (v1::Schedule { start_time: None, ..rent() }, "MALFORMED: start_time"),
        (v1::Schedule { until_time: early, ..rent() }, "MALFORMED: until_time"),
        (v1::Schedule { amount: "0".into(), ..rent() }, "ZERO_AMOUNT: amount"),
        (v1::Schedule { credit_account: "alice".into(), ..rent() }, "SAME_ACCOUNT: alice"),
        (v1::Schedule { reference: "x".repeat(257), ..rent() }, "TOO_LONG: reference"),
        (ruled(Some(Rule::EverySeconds(0))), "MALFORMED: every_seconds"),
        (ruled(Some(Rule::EverySeconds(u64::MAX))), "MALFORMED: every_seconds"),
        (ruled(weekly(&[])), "MALFORMED: weekly.days"),
        (ruled(weekly(&[8])), "MALFORMED: weekly.days"),
        (ruled(weekly(&[-1])), "MALFORMED: weekly.days"),
        (ruled(weekly(&[3, 3])), "MALFORMED: weekly.days"),
        (ruled(Some(Rule::MonthlyDay(0))), "MALFORMED: monthly_day"),
        (ruled(Some(Rule::MonthlyDay(32))), "MALFORMED: monthly_day"),
        (ruled(yearly(13, 1)), "MALFORMED: yearly.month"),
        (ruled(yearly(1, 300)), "MALFORMED: yearly.day"),
    ] {
        let request = v1::ScheduleTransferRequest {
            parent: "ledgers/bank".into(),
            schedule: Some(schedule),
            ..Default::default()
        };
        let found = schedule_transfer(&request).unwrap_err().to_string();
        assert!(found.starts_with(refused), "{found} is not {refused}");
    }
}
