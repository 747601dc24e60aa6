//! What is written is read back, damaged bytes are refused, and the bytes never change unseen.

use ledger_domain::{
    AcceptedTransfer, AccountStatus, Capture, Decimal, Destination, Effect, Leg, Link, Movement,
    Origin, Plan, RefusedTransfer, Reversal, Transfer, TransferBatch, When,
};

use super::*;

mod customers;

pub(super) fn posted(n: u64, id: Id) -> AcceptedTransfer {
    AcceptedTransfer {
        id,
        effect: Effect::Post,
        up_to: None,
        debit_account: AccountHandle(n),
        credit_account: AccountHandle(n + 1),
        asset: AssetHandle(0),
        amount: u128::from(n) * 100 + 1,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    }
}

pub(super) fn uuid(n: u8) -> Id {
    Id::Uuid([n; 16])
}

fn leg() -> Leg {
    Leg {
        debit_account: AccountName::from_log("nobody"),
        credit_account: AccountName::from_log("b"),
        asset: AssetCode::from_log("USD"),
        amount: Decimal::parse("1.50").unwrap(),
        up_to: false,
    }
}

pub(super) fn refused(row: u32) -> RefusedTransfer {
    RefusedTransfer {
        row,
        transfer: Transfer {
            id: Id::Text("late".into()),
            movement: Movement::Post(leg()),
            reference: "why".into(),
            effective_at: Some(-5),
            link: Link::Alone,
            metadata: Default::default(),
        },
        rejection: Rejection::new(Code::UnknownDebitAccount, "nobody"),
    }
}

fn mixed_batch() -> TransferBatch {
    let mut huge = posted(4, uuid(4));
    huge.amount = u128::MAX;
    let mut noted = posted(5, Id::Text("invoice-17".into()));
    noted.reference = "rent".into();
    noted.effective_at = Some(1_700_000_000_000_000_000);
    TransferBatch {
        ledger: LedgerHandle(2),
        accepted: vec![posted(1, uuid(1)), huge, noted],
        refused: vec![refused(0), refused(3)],
    }
}

/// Every kind and every way to ask for it, accepted and refused.
fn held_batch() -> TransferBatch {
    let (hold, text) = (uuid(7), Id::Text("hold-1".into()));
    let capture = |hold: &Id, rest, remaining| {
        Effect::Capture(Box::new(Capture { hold: hold.clone(), rest, remaining }))
    };
    let effects = [
        Effect::Post,
        Effect::Hold { expires_at: None },
        Effect::Hold { expires_at: Some(1_800_000_000_000_000_000) },
        capture(&hold, false, u128::MAX - 1),
        capture(&text, true, 0),
        Effect::Void { hold: Box::new(text.clone()), refused: None },
        Effect::Post,
    ];
    let accepted = (1u8..).zip(effects).map(|(n, effect)| {
        let up_to = (n % 3 == 0).then(|| Box::new(u128::from(n) << 90));
        AcceptedTransfer { effect, up_to, ..posted(u64::from(n), uuid(n)) }
    });
    let leg = Leg { up_to: true, ..leg() };
    let movements = [
        Movement::Post(leg.clone()),
        Movement::Hold { leg: leg.clone(), expires_at: Some(-1) },
        Movement::Hold { leg, expires_at: None },
        Movement::Capture { hold: hold.clone(), amount: Some(Decimal::parse("0.5").unwrap()) },
        Movement::Capture { hold: text, amount: None },
        Movement::Void { hold, refused: None },
    ];
    let refused = (7u32..).zip(movements).map(|(row, movement)| {
        let transfer = Transfer { movement, ..refused(row).transfer };
        RefusedTransfer { transfer, ..refused(row) }
    });
    TransferBatch {
        ledger: LedgerHandle(2),
        accepted: accepted.collect(),
        refused: refused.collect(),
    }
}

/// Groups and journal entries of every length, reversals, and what of them was refused.
fn grouped_batch() -> TransferBatch {
    let entry = |text: &str| Link::Entry(Box::new(Id::Text(text.into())));
    let back =
        |of: Id, rest, remaining| Effect::Reversal(Box::new(Reversal { of, rest, remaining }));
    let rows = [
        (Effect::Post, Link::Next),
        (Effect::Post, Link::Next),
        (back(uuid(90), true, 0), Link::Alone),
        (Effect::Post, entry("e-1")),
        (Effect::Hold { expires_at: None }, entry("e-2")),
        (back(Id::Text("t".into()), false, 1 << 70), entry("e-2")),
        (Effect::Post, entry("e-2")),
        (Effect::Post, Link::Alone),
        (Effect::Post, Link::Entry(Box::new(uuid(91)))),
        (Effect::Post, Link::Entry(Box::new(uuid(91)))),
    ];
    let accepted = (1u8..).zip(rows).map(|(n, (effect, link))| AcceptedTransfer {
        effect,
        link,
        ..posted(u64::from(n), uuid(n))
    });
    let amount = Some(Decimal::parse("0.5").unwrap());
    let asked = [
        (Movement::Reversal { of: uuid(92), amount }, Link::Alone),
        (Movement::Reversal { of: uuid(92), amount: None }, Link::Next),
        (Movement::Post(leg()), entry("e-9")),
    ];
    let refused = (10u32..).zip(asked).map(|(row, (movement, link))| {
        let transfer = Transfer { movement, link, ..refused(row).transfer };
        RefusedTransfer { transfer, ..refused(row) }
    });
    TransferBatch {
        ledger: LedgerHandle(2),
        accepted: accepted.collect(),
        refused: refused.collect(),
    }
}

fn scheduled(when: When, until: Option<i64>, count: Option<u32>) -> Event {
    let leg = leg();
    let plan = Plan {
        leg,
        reference: "rent".into(),
        metadata: <_>::default(),
        when,
        start: -5,
        until,
        count,
    };
    let (ledger, schedule, plan) = (LedgerHandle(1), uuid(7), Box::new(plan));
    Event::ScheduleCreated { ledger, schedule, plan, next_due: 5 }
}

fn schedule_events() -> Vec<(&'static str, Event)> {
    let ledger = LedgerHandle(1);
    vec![
        ("schedule_created", scheduled(When::Monthly(31), Some(i64::MAX), Some(12))),
        ("schedule_created_once", scheduled(When::Once, None, None)),
        ("schedule_created_every", scheduled(When::Every(5_000_000_000), None, None)),
        ("schedule_created_weekly", scheduled(When::Weekly(0b100_0001), None, None)),
        ("schedule_created_yearly", scheduled(When::Yearly { month: 2, day: 29 }, None, None)),
        ("schedule_cancelled", Event::ScheduleCancelled { ledger, schedule: uuid(7) }),
        ("schedule_ran", ran(Some(1_700_000_000_000_000_000), None)),
        ("schedule_ran_last", ran(None, Some(Code::InsufficientFunds))),
    ]
}

fn ran(next_due: Option<i64>, refused: Option<Code>) -> Event {
    let (ledger, schedule) = (LedgerHandle(1), uuid(7));
    Event::ScheduleRan { ledger, schedule, number: 300, due_at: 5, next_due, refused }
}

/// What computes with a rule relies on its bounds.
#[test]
fn rules_out_of_bounds_are_refused() {
    use wire::schedule_created::Rule;
    for rule in [
        Rule::Every(0),
        Rule::Every(u64::MAX),
        Rule::Weekly(0),
        Rule::Weekly(128),
        Rule::Monthly(0),
        Rule::Monthly(32),
        Rule::Yearly(0),
        Rule::Yearly(1301),
        Rule::Yearly(1232),
    ] {
        let Event::ScheduleCreated { ledger, schedule: id, plan, .. } =
            scheduled(When::Once, None, None)
        else {
            panic!("a schedule");
        };
        let mut wire = schedule::created_to_wire(ledger, &id, &plan, 5);
        wire.rule = Some(rule);
        assert!(schedule::created_from_wire(wire).is_err(), "{rule:?}");
    }
}

/// What goes to other ledgers, what comes from them, and how both are refused.
fn sent_batch() -> TransferBatch {
    let destination = |deadline| {
        let (ledger, account) = (LedgerName::from_log("market"), AccountName::from_log("bob"));
        Box::new(Destination { ledger, account, deadline })
    };
    let origin = |deadline| {
        let (ledger, send) = (LedgerName::from_log("market"), uuid(90));
        Box::new(Origin { ledger, send, scale: 2, deadline, sent_at: 1_700_000_000_000_000_000 })
    };
    let why = || Some(Box::new(Rejection::new(Code::AccountFrozen, "bob")));
    let (hold, settled) = (Box::new(uuid(91)), Box::new(Id::Text("s".into())));
    let effects = [
        Effect::Send(destination(None)),
        Effect::Void { hold: settled.clone(), refused: why() },
        Effect::Receive(origin(Some(7))),
        Effect::Void { hold, refused: None },
        Effect::Send(destination(Some(-5))),
        Effect::Receive(origin(None)),
    ];
    let accepted = (1u8..)
        .zip(effects)
        .map(|(n, effect)| AcceptedTransfer { effect, ..posted(u64::from(n), uuid(n)) });
    let movements = [
        Movement::Send { leg: leg(), to: destination(Some(9)) },
        Movement::Receive { leg: leg(), from: origin(Some(9)) },
        Movement::Void { hold: *settled, refused: why() },
    ];
    let refused = (6u32..).zip(movements).map(|(row, movement)| {
        let transfer = Transfer { movement, ..refused(row).transfer };
        RefusedTransfer { transfer, ..refused(row) }
    });
    TransferBatch {
        ledger: LedgerHandle(2),
        accepted: accepted.collect(),
        refused: refused.collect(),
    }
}

fn logged(events: Vec<Event>) -> LoggedCommand {
    LoggedCommand {
        request_id: Some(uuid(9)),
        actor: "tester".into(),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
        cause: Some(Position::event(3, 4, 5)),
        source: Some(SourceOffset { topic: "t".into(), partition: 1, offset: 2 }),
        content_hash: [7; 16],
        events,
    }
}

fn all_events() -> Vec<(&'static str, Event)> {
    let (ledger, asset, account) = (LedgerHandle(1), AssetHandle(2), AccountHandle(300));
    let rules = AccountRules::without_limits(true);
    let limits = Box::new([(asset, 10_000), (AssetHandle(3), (1 << 64) + 5)]);
    let limited = AccountRules { may_go_negative: false, credit_limits: limits };
    let same = vec![posted(1, uuid(1)), posted(1, uuid(2))];
    let mut events = vec![
        ("ledger_created", super::metadata::tests::created(ledger, Default::default())),
        (
            "asset_created",
            Event::AssetCreated { ledger, asset, code: AssetCode::from_log("USD"), scale: 2 },
        ),
        (
            "account_opened",
            super::metadata::tests::opened(ledger, account, rules, Default::default()),
        ),
        (
            "account_status_changed",
            Event::AccountStatusChanged { ledger, account, status: AccountStatus::Frozen },
        ),
        ("account_rules_changed", Event::AccountRulesChanged { ledger, account, rules: limited }),
        ("books_locked", Event::BooksLocked { ledger, locked_before: Some(-5) }),
        ("books_unlocked", Event::BooksLocked { ledger, locked_before: None }),
        ("transfer_batch_mixed", Event::TransferBatch(mixed_batch())),
        ("transfer_batch_held", Event::TransferBatch(held_batch())),
        ("transfer_batch_grouped", Event::TransferBatch(grouped_batch())),
        ("transfer_batch_sent", Event::TransferBatch(sent_batch())),
        (
            "hold_expired",
            Event::HoldExpired {
                ledger,
                hold: uuid(7),
                debit_account: account,
                credit_account: AccountHandle(301),
                asset,
                amount: (1 << 64) + 5,
            },
        ),
        (
            "transfer_batch_same",
            Event::TransferBatch(TransferBatch { ledger, accepted: same, refused: vec![] }),
        ),
        (
            "transfer_batch_all_refused",
            Event::TransferBatch(TransferBatch {
                ledger,
                accepted: vec![],
                refused: vec![refused(0)],
            }),
        ),
        (
            "command_refused",
            Event::CommandRefused {
                ledger: LedgerName::from_log("none"),
                rejection: Rejection::new(Code::UnknownLedger, "none"),
            },
        ),
    ];
    events.extend(schedule_events());
    events.extend(customers::events());
    events.extend(super::metadata::tests::events());
    events.extend(alert::tests::events());
    events
}

#[test]
fn every_event_reads_back() {
    for (name, event) in all_events() {
        let command = logged(vec![event]);
        assert_eq!(decode(&encode(&command)).as_ref(), Ok(&command), "{name}");
    }
}

/// A limit that is not found where it is looked for would not count.
#[test]
fn credit_limits_out_of_order_are_refused() {
    let limit = |asset| wire::CreditLimit { asset, amount_low: 1, amount_high: 0 };
    let read = |assets: &[u32]| {
        let credit_limits = assets.iter().map(|asset| limit(*asset)).collect();
        rules_from_wire(Some(wire::AccountRules { may_go_negative: false, credit_limits }))
    };
    assert!(read(&[1, 2]).is_ok());
    assert!(read(&[2, 1]).is_err());
    assert!(read(&[1, 1]).is_err());
    assert!(rules_from_wire(None).is_err());
}

/// Golden bytes: a change of what is written shows here. Until v0.1 `LEDGER_BLESS=1` rewrites them.
#[test]
fn the_bytes_are_those_of_the_golden_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    for (name, event) in all_events() {
        let bytes = encode(&logged(vec![event]));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("{folder}/{name}.hex");
        if std::env::var_os("LEDGER_BLESS").is_some() {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(&path, format!("{hex}\n")).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(hex, golden.trim(), "{name}");
    }
}

#[test]
fn damaged_columns_are_refused_and_never_panic() {
    let noted = super::metadata::tests::noted_batch();
    for batch in [mixed_batch(), held_batch(), grouped_batch(), sent_batch(), noted] {
        let good = encode(&logged(vec![Event::TransferBatch(batch)]));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = decode(&bytes);
            }
            let _ = decode(&good[..at]);
        }
    }
    let spoilt: [fn(&mut wire::TransferBatch); 7] = [
        |wire| drop(wire.hold_ids.pop()),
        |wire| wire.hold_ids.extend(wire.hold_ids.clone()),
        |wire| wire.remaining_high.truncate(1),
        |wire| wire.rest_rows = vec![0],
        |wire| wire.kinds[0] = 1,
        |wire| wire.kinds[0] = 9,
        |wire| wire.up_to_rows[0] = 90,
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let mut wire = batch::to_wire(&held_batch());
        spoil(&mut wire);
        assert!(batch::from_wire(wire).is_err(), "{number}");
    }
    let spoilt: [fn(&mut wire::TransferBatch); 11] = [
        |wire| drop(wire.reversed_ids.pop()),
        |wire| wire.reversed_ids.extend(wire.reversed_ids.clone()),
        |wire| wire.linked_rows.push(90),
        |wire| wire.linked_rows.push(4),
        |wire| wire.entry_lengths[0] = 0,
        |wire| wire.entry_lengths[0] = 2,
        |wire| wire.entry_lengths[2] = 3,
        |wire| wire.entry_rows[2] = 6,
        |wire| wire.entry_rows.reverse(),
        |wire| drop(wire.entry_ids.pop()),
        |wire| wire.refused[1].entry_id = wire.refused[2].entry_id.clone(),
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let mut wire = batch::to_wire(&grouped_batch());
        spoil(&mut wire);
        assert!(batch::from_wire(wire).is_err(), "group {number}");
    }
    let spoilt: [fn(&mut wire::TransferBatch); 6] = [
        |wire| drop(wire.destinations.pop()),
        |wire| wire.destinations.extend(wire.destinations.clone()),
        |wire| drop(wire.origins.pop()),
        |wire| wire.origins[0].scale = 256,
        |wire| wire.send_refusals[0].code = 9,
        |wire| wire.send_refusal_rows[0] = 0,
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let mut wire = batch::to_wire(&sent_batch());
        spoil(&mut wire);
        assert!(batch::from_wire(wire).is_err(), "send {number}");
    }
}

#[test]
fn columns_of_another_length_are_refused() {
    let mut wire = batch::to_wire(&mixed_batch());
    wire.debit_accounts.pop();
    assert!(batch::from_wire(wire).is_err());
    let mut wire = batch::to_wire(&mixed_batch());
    wire.uuids.extend([0; 16]);
    assert!(batch::from_wire(wire).is_err());
    let mut wire = batch::to_wire(&mixed_batch());
    wire.refused.swap(0, 1);
    assert!(batch::from_wire(wire).is_err());
    let mut wire = batch::to_wire(&mixed_batch());
    wire.rows = 1;
    assert!(batch::from_wire(wire).is_err());
    let mut wire = batch::to_wire(&mixed_batch());
    wire.rows = u32::MAX;
    assert!(batch::from_wire(wire).is_err());
    let mut wire = batch::to_wire(&mixed_batch());
    wire.reference_rows = vec![7];
    assert!(batch::from_wire(wire).is_err());
    assert!(batch::from_wire(wire::TransferBatch::default()).is_err(), "a batch has rows");
}

#[test]
fn a_transfer_takes_few_bytes() {
    let accepted: Vec<_> = (0..8190u64)
        .map(|n| AcceptedTransfer {
            debit_account: AccountHandle(n % 10_000),
            credit_account: AccountHandle(n * 7 % 10_000),
            ..posted(n, Id::Uuid((u128::from(n) << 64).to_be_bytes()))
        })
        .collect();
    let batch = TransferBatch { ledger: LedgerHandle(0), accepted, refused: vec![] };
    let bytes = encode(&logged(vec![Event::TransferBatch(batch)])).len();
    assert!(bytes < 8190 * 30, "{bytes} bytes for 8190 transfers");
}

/// The log's crate has its own copy of the envelope, with commands left as bytes.
#[test]
fn the_logs_envelope_is_the_proto_files() {
    let command = encode(&logged(vec![Event::TransferBatch(mixed_batch())]));
    let commit = ledger_log::record::Commit {
        term: 5,
        sequence: 6,
        recorded_at: 7,
        prev_hash: ledger_log::Chain([8; 32]),
        commands: vec![command.clone()],
    };
    let log_id = ledger_log::LogId([1; 16]);
    let ours = ledger_log::record::Record::Commit(commit).encode(log_id);
    let proto = wire::Record {
        magic: ledger_log::record::MAGIC,
        log_id: vec![1; 16],
        kind: Some(wire::record::Kind::Commit(wire::Commit {
            term: 5,
            sequence: 6,
            recorded_at: 7,
            prev_hash: vec![8; 32],
            commands: vec![wire::LoggedCommand::decode(command.as_slice()).unwrap()],
        })),
    };
    assert_eq!(ours, proto.encode_to_vec());
}
