//! Sets as of any place: against a naive model, in pages, and with what they cost.

use std::collections::BTreeMap;

use fastrand::Rng;
use ledger_domain::{LedgerHandle, TransferBatch};

use super::*;
use crate::sets::KEYFRAME_CHANGES_MIN as REAL_CHANGES_MIN;

const LEDGER: LedgerHandle = LedgerHandle(0);

fn held(id: &Id, effect: Effect) -> AcceptedTransfer {
    AcceptedTransfer {
        effect,
        up_to: None,
        id: id.clone(),
        debit_account: AccountHandle(0),
        credit_account: AccountHandle(1),
        asset: AssetHandle(0),
        amount: 5,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    }
}

/// A ledger with two accounts.
fn bank() -> Vec<Event> {
    let name = LedgerName::parse("bank").unwrap();
    let account = |account, name: &str| Event::AccountOpened {
        ledger: LEDGER,
        account: AccountHandle(account),
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Asset,
        rules: AccountRules::without_limits(true),
        metadata: Default::default(),
    };
    vec![
        Event::LedgerCreated { ledger: LEDGER, name, metadata: Default::default() },
        account(0, "a"),
        account(1, "b"),
    ]
}

fn batch(accepted: Vec<AcceptedTransfer>) -> Event {
    Event::TransferBatch(TransferBatch { ledger: LEDGER, accepted, refused: Vec::new() })
}

fn record(offset: u64, events: Vec<Event>) -> ViewRecord {
    let kind = ViewRecordKind::Commit(events);
    ViewRecord { offset, kind, term: 0, sequence: offset + 1, recorded_at: offset as i64 + 1 }
}

fn id(number: u64) -> Id {
    let mut uuid = [0; 16];
    uuid[8..].copy_from_slice(&number.to_be_bytes());
    if number.is_multiple_of(2) { Id::Uuid(uuid) } else { Id::Text(format!("h{number}").into()) }
}

/// A log of holds that come and go, more than a thousand at once; what was open after each record.
fn holds(rng: &mut Rng, records: u64) -> (Vec<ViewRecord>, Vec<BTreeSet<Id>>) {
    let mut log = vec![record(0, bank())];
    let mut open = vec![BTreeSet::new()];
    let mut number = 0;
    for offset in 1..records {
        let mut now: BTreeSet<Id> = open.last().unwrap().clone();
        let mut accepted = Vec::new();
        for _ in 0..rng.usize(1..60) {
            number += 1;
            let growing = offset < records / 2;
            if now.is_empty() || rng.u32(..10) < if growing { 8 } else { 3 } {
                let id = id(number);
                accepted.push(held(&id, Effect::Hold { expires_at: None }));
                now.insert(id);
            } else {
                let hold = now.iter().nth(rng.usize(..now.len())).unwrap().clone();
                now.remove(&hold);
                let void = Effect::Void { hold: Box::new(hold), refused: None };
                accepted.push(held(&Id::Text(format!("v{number}").into()), void));
            }
        }
        log.push(record(offset, vec![batch(accepted)]));
        open.push(now);
    }
    (log, open)
}

/// All members, page after page.
fn listed(reader: &ViewReader, at: Place, limit: usize) -> Vec<Id> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let kind = SetKind::OpenHolds;
        let page = reader.members(at, LEDGER, kind, after.as_ref(), limit).unwrap();
        assert!(page.members.len() <= limit);
        all.extend(page.members);
        after = page.after;
        if after.is_none() {
            return all;
        }
    }
}

/// Keyframes, and rows below each.
fn rows_of(reader: &ViewReader) -> (Vec<Place>, BTreeMap<Vec<u8>, u64>) {
    let (mut keyframes, mut below) = (Vec::new(), BTreeMap::new());
    for (table, key, _) in all_rows(reader) {
        match table {
            Table::SetKeyframes => keyframes.push(key::read_place(&key).unwrap()),
            Table::SetMembers => *below.entry(key[..17].to_vec()).or_default() += 1,
            _ => {}
        }
    }
    (keyframes, below)
}

#[test]
fn a_set_of_thousands_is_as_it_was_at_every_record_and_costs_what_is_said() {
    let mut rng = Rng::with_seed(21);
    let (log, open) = holds(&mut rng, 400);
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn ViewStore> = Arc::clone(&memory) as _;
    let mut writer = ViewWriter::open(Arc::clone(&store), LOG).unwrap();
    for record in &log {
        writer.stage(record).unwrap();
        if rng.u32(..4) == 0 {
            writer.commit(&cursor(record.offset + 1)).unwrap();
        }
        if rng.u32(..40) == 0 {
            // What was staged only is projected again: the set was taken back to what the store has.
            writer.commit(&cursor(record.offset + 1)).unwrap();
            writer = ViewWriter::open(Arc::clone(&store), LOG).unwrap();
        }
    }
    writer.commit(&cursor(log.len() as u64)).unwrap();
    let reader = writer.reader();
    for (offset, due) in (0..).zip(&open) {
        let found = listed(&reader, Place::end_of(offset), rng.usize(50..3_000));
        assert_eq!(found, due.iter().cloned().collect::<Vec<_>>(), "after record {offset}");
    }
    let changes: u64 = log
        .iter()
        .map(|record| match &record.kind {
            ViewRecordKind::Commit(events) => events
                .iter()
                .map(|event| match event {
                    Event::TransferBatch(batch) => batch.accepted.len() as u64,
                    _ => 0,
                })
                .sum(),
            _ => 0,
        })
        .sum();
    let largest = open.iter().map(BTreeSet::len).max().unwrap() as u64;
    assert!(largest > 2 * REAL_CHANGES_MIN, "{largest} members at once are enough for the rule");
    let (keyframes, below) = rows_of(&reader);
    assert!(keyframes.len() >= 4, "{keyframes:?}");
    let written: u64 = below.values().sum();
    assert!(written <= 3 * changes, "{written} rows of {changes} changes");
    for rows in below.values() {
        assert!(*rows <= largest + largest.max(REAL_CHANGES_MIN), "{rows} rows below a keyframe");
    }
}

#[test]
fn a_page_goes_on_behind_an_id_that_another_one_begins_with() {
    let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let mut writer = open(&store);
    let ids = ["h", "h!", "h1", "h11", "h2"].map(|id| Id::Text(id.into()));
    let mut events = bank();
    events.push(batch(ids.iter().map(|id| held(id, Effect::Hold { expires_at: None })).collect()));
    writer.stage(&record(0, events)).unwrap();
    writer.commit(&cursor(1)).unwrap();
    for limit in 1..7 {
        assert_eq!(listed(&writer.reader(), Place::end_of(0), limit), ids, "in pages of {limit}");
    }
    // In the midst of the commit, whose batch begins at index 3.
    let within = |index| listed(&writer.reader(), Place { offset: 0, index }, 2);
    assert_eq!((within(2), within(3), within(5)), (vec![], ids[..1].to_vec(), ids[..3].to_vec()));
}

#[test]
fn a_record_that_was_not_taken_leaves_the_set_as_it_was() {
    let open_hold = || Effect::Hold { expires_at: None };
    let void = |id: &Id| Effect::Void { hold: Box::new(id.clone()), refused: None };
    let project = |poison: bool| {
        let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
        let mut writer = open(&store);
        writer.stage(&record(0, bank())).unwrap();
        writer.stage(&record(1, vec![batch(vec![held(&id(1), open_hold())])])).unwrap();
        if poison {
            let mut last = held(&id(9), open_hold());
            last.credit_account = AccountHandle(7);
            // Enough changes for a keyframe, then one that cannot be.
            let rows = vec![
                held(&id(2), open_hold()),
                held(&id(4), void(&id(1))),
                held(&id(3), open_hold()),
                last,
            ];
            writer.stage(&record(2, vec![batch(rows)])).unwrap_err();
        }
        for number in [6, 8, 10] {
            let rows = vec![held(&id(number), open_hold())];
            writer.stage(&record(number / 2 - 1, vec![batch(rows)])).unwrap();
        }
        writer.commit(&cursor(5)).unwrap();
        all_rows(&writer.reader())
    };
    assert_eq!(project(true), project(false));
}
