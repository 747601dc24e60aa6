//! Random logs, projected with restarts and crashes in between, and read at every place: each answer
//! is that of a naive model (QY-1), and a rebuild has the same rows (PR-2).

mod check;
mod faults;
mod mirror;
mod random;
mod sets;
mod truth;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountName, AccountRules, AccountType, AssetHandle, Balance,
    Effect, Event, Id, LedgerName, Link, State, apply, decide, decide_due,
};

use self::check::{all_rows, check_everywhere};
use self::mirror::private;
use self::random::{Past, random_command};
use self::truth::Truth;
use crate::store::{StoreError, ViewStore};
use crate::writer::{ViewError, ViewWriter};
use crate::*;

const LOG: ViewLog = ViewLog { log_id: [5; 16], partition: 0, partition_count: 1 };
/// So few that most balances are read from the store again.
const HOT_BALANCES_MAX: usize = 4;
/// So few that sets have many keyframes.
const KEYFRAME_CHANGES_MIN: u64 = 3;

struct World {
    records: Vec<ViewRecord>,
    /// One for each place of the log, ascending; of records that hold no event, the end.
    truths: Vec<Truth>,
}

fn pick<'a>(rng: &mut Rng, names: &[&'a str]) -> &'a str {
    names[rng.usize(..names.len())]
}

fn random_world(rng: &mut Rng, records: u64) -> World {
    let (mut state, mut truth, mut ids) = (State::default(), Truth::default(), 0);
    let mut world = World { records: Vec::new(), truths: Vec::new() };
    let (mut term, mut sequence, mut recorded_at) = (0, 0, 0);
    let mut past = Past::default();
    for offset in 0..records {
        let kind = match rng.u32(..12) {
            _ if offset == 0 => ViewRecordKind::Created,
            0 => {
                term = offset;
                ViewRecordKind::TermStarted
            }
            1 => ViewRecordKind::Skipped(pick(rng, &["hole", "zombie"])),
            _ => {
                (sequence, recorded_at) = (sequence + 1, recorded_at + 10);
                let mut events = decide_due(&state, recorded_at, 5);
                events.iter().for_each(|event| apply(&mut state, event, recorded_at));
                for _ in 0..rng.usize(1..4) {
                    let command = random_command(rng, &mut ids, recorded_at);
                    let seen = past.look_up(&state, &command);
                    for event in decide(&state, &command, &seen, recorded_at).events {
                        apply(&mut state, &event, recorded_at);
                        past.remember(&event);
                        events.push(event);
                    }
                }
                let mut index = 0;
                for event in &events {
                    truth.follow(Place { offset, index }, event, &mut world.truths);
                    index += event.width();
                }
                ViewRecordKind::Commit(events)
            }
        };
        world.truths.push(Truth { place: Place::end_of(offset), ..truth.clone() });
        world.records.push(ViewRecord { offset, kind, term, sequence, recorded_at });
    }
    world
}

fn open(store: &Arc<dyn ViewStore>) -> ViewWriter {
    let sets = Sets::with_changes_min(KEYFRAME_CHANGES_MIN);
    ViewWriter::open_with(Arc::clone(store), LOG, HOT_BALANCES_MAX, sets).unwrap()
}

fn cursor(offset: u64) -> Vec<u8> {
    offset.to_be_bytes().to_vec()
}

/// Applies all records in batches of random size, opening the view anew now and then.
fn project_all(
    rng: &mut Rng,
    store: &Arc<dyn ViewStore>,
    records: &[ViewRecord],
    crash: &dyn Fn(),
) -> ViewWriter {
    let mut writer = open(store);
    while (writer.next() as usize) < records.len() {
        let from = writer.next() as usize;
        let to = records.len().min(from + rng.usize(1..8));
        if rng.bool() {
            writer.prefetch(&records[from..to]).unwrap();
        }
        for record in &records[from..to] {
            writer.stage(record).unwrap();
        }
        writer.commit(&cursor(to as u64)).unwrap();
        match rng.u32(..8) {
            0 => writer.flush().unwrap(),
            1 => {
                drop(writer);
                crash();
                writer = open(store);
                assert_eq!(writer.cursor().unwrap_or(&cursor(0)), cursor(writer.next()));
            }
            _ => {}
        }
    }
    writer
}

/// The rows of a view that had everything in one write.
fn rebuilt(records: &[ViewRecord]) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let mut writer = open(&store);
    records.iter().for_each(|record| writer.stage(record).unwrap());
    writer.commit(&cursor(records.len() as u64)).unwrap();
    all_rows(&writer.reader())
}

#[test]
fn in_memory_every_place_reads_as_it_was_and_a_rebuild_is_equal() {
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let world = random_world(&mut rng, 40);
        let memory = Arc::new(MemoryStore::new());
        let store: Arc<dyn ViewStore> = Arc::clone(&memory) as _;
        let writer = project_all(&mut rng, &store, &world.records, &|| memory.crash());
        check_everywhere(&writer.reader(), &world);
        assert_eq!(all_rows(&writer.reader()), rebuilt(&world.records), "seed {seed}");
    }
}

#[test]
fn in_rocksdb_every_place_reads_as_it_was_and_a_rebuild_is_equal() {
    let shared = RocksShared::new(8 << 20, 4 << 20);
    for seed in 0..6 {
        let mut rng = Rng::with_seed(seed);
        let world = random_world(&mut rng, 60);
        let folder = tempfile::tempdir().unwrap();
        let store = private(folder.path(), &shared);
        let writer = project_all(&mut rng, &store, &world.records, &|| ());
        check_everywhere(&writer.reader(), &world);
        assert_eq!(all_rows(&writer.reader()), rebuilt(&world.records), "seed {seed}");
        // The same from files, which prefix filters cover and memory tables do not.
        writer.flush().unwrap();
        drop((writer, store));
        let store = private(folder.path(), &shared);
        let writer = open(&store);
        assert_eq!(writer.next(), world.records.len() as u64);
        check_everywhere(&writer.reader(), &world);
    }
}

/// Without a write-ahead log a killed store is at its last flush: a whole write, never between two.
#[test]
fn rocksdb_falls_back_to_a_whole_write() {
    let shared = RocksShared::new(8 << 20, 4 << 20);
    let world = random_world(&mut Rng::with_seed(7), 40);
    let mut folder = tempfile::tempdir().unwrap();
    for flushed in [0, 10, 20, 30] {
        let store = private(folder.path(), &shared);
        let mut writer = open(&store);
        assert_eq!(writer.next(), flushed, "at the last flush");
        let records = usize::try_from(flushed).unwrap();
        if flushed > 0 {
            assert_eq!(all_rows(&writer.reader()), rebuilt(&world.records[..records]));
        }
        for (count, record) in world.records[records..].iter().take(15).enumerate() {
            writer.stage(record).unwrap();
            writer.commit(&cursor(record.offset + 1)).unwrap();
            if count == 9 {
                writer.flush().unwrap();
            }
        }
        // Closing would flush; what a kill leaves behind is the files as they are now.
        let killed = tempfile::tempdir().unwrap();
        copy(folder.path(), killed.path());
        folder = killed;
    }
}

/// A store's folder as it was at one moment: again, while RocksDB removes files of it meanwhile.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    loop {
        let before = files(from);
        let copied = before.iter().all(|file| {
            let target = to.join(file.strip_prefix(from).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(file, target).is_ok()
        });
        if copied && files(from) == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { [path].into() }).collect()
}

#[test]
fn times_find_the_last_commit_at_or_before() {
    let world = random_world(&mut Rng::with_seed(3), 30);
    let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let writer = project_all(&mut Rng::with_seed(3), &store, &world.records, &|| ());
    let reader = writer.reader();
    let commits = || {
        let commit = |r: &&ViewRecord| matches!(r.kind, ViewRecordKind::Commit(_));
        world.records.iter().filter(commit)
    };
    let newest = commits().next_back().unwrap().recorded_at;
    for instant in -1..newest + 20 {
        let expected = commits().rfind(|r| r.recorded_at <= instant).map(|r| r.offset);
        assert_eq!(reader.commit_at(instant).unwrap(), expected, "at {instant}");
    }
    for record in &world.records {
        let row = reader.commit(record.offset).unwrap().unwrap();
        let expected = (record.term, record.sequence, record.recorded_at);
        assert_eq!((row.term, row.sequence, row.recorded_at), expected);
    }
    assert_eq!(reader.commit(world.records.len() as u64).unwrap(), None);
}

#[test]
fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let mut writer = open(&store);
    let name = LedgerName::parse("bank").unwrap();
    let ledger = ledger_domain::LedgerHandle(0);
    let mut events = vec![Event::LedgerCreated { ledger, name, metadata: Default::default() }];
    for account in 0..25 {
        events.push(Event::AccountOpened {
            ledger,
            account: AccountHandle(account),
            name: AccountName::parse(&format!("a{account:02}")).unwrap(),
            account_type: AccountType::Asset,
            rules: AccountRules::without_limits(false),
            metadata: Default::default(),
        });
    }
    let kind = ViewRecordKind::Commit(events);
    writer.stage(&ViewRecord { offset: 0, kind, term: 0, sequence: 1, recorded_at: 1 }).unwrap();
    writer.commit(&cursor(1)).unwrap();
    let reader = writer.reader();
    for (limit, at, count) in [
        (1, Place::end_of(0), 25),
        (5, Place::end_of(0), 25),
        (7, Place { offset: 0, index: 12 }, 12),
    ] {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = reader.accounts(at, ledger, after.as_deref(), limit).unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items.into_iter().map(|(name, _)| name));
            pages += 1;
            after = page.after;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..count).map(|n| format!("a{n:02}").into_boxed_str()).collect();
        assert_eq!(found, expected, "in pages of {limit}");
        assert!(pages >= count / limit);
    }
}

#[test]
fn a_poison_event_parks_the_view_and_leaves_no_trace() {
    let mut rng = Rng::with_seed(11);
    let world = random_world(&mut rng, 60);
    let before = rebuilt(&world.records);
    let accounts = world.truths.last().unwrap().accounts.len() as u64;
    assert!(accounts >= 2, "the seed opens accounts");
    let posted = |debit: u64, credit: u64, amount| AcceptedTransfer {
        effect: Effect::Post,
        up_to: None,
        id: Id::Text(format!("p{debit}-{credit}").into()),
        debit_account: AccountHandle(debit),
        credit_account: AccountHandle(credit),
        asset: AssetHandle(0),
        amount,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    let void = || Effect::Void { hold: Box::new(Id::Text("nothing".into())), refused: None };
    let poison: [(Vec<AcceptedTransfer>, &str); 4] = [
        (vec![posted(0, 1, 5), posted(0, accounts, 5)], "never opened"),
        (vec![posted(0, 1, 5), posted(1, 1, 5)], "both sides"),
        (vec![posted(0, 1, u128::MAX), posted(1, 0, u128::MAX), posted(0, 1, 1)], "2^128"),
        (vec![AcceptedTransfer { effect: void(), ..posted(0, 1, u128::MAX) }], "less is held"),
    ];
    let (last, earlier) = world.records.split_last().unwrap();
    let offset = last.offset + 1;
    let mut writer = open(&(Arc::new(MemoryStore::new()) as Arc<dyn ViewStore>));
    for (rows, what) in poison {
        let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
        writer = project_all(&mut rng, &store, earlier, &|| ());
        // What was staged before it is committed, and nothing of it.
        writer.stage(last).unwrap();
        let ledger = ledger_domain::LedgerHandle(0);
        let batch = ledger_domain::TransferBatch { ledger, accepted: rows, refused: vec![] };
        let kind = ViewRecordKind::Commit(vec![Event::TransferBatch(batch)]);
        let record = ViewRecord { offset, kind, term: 1, sequence: 99, recorded_at: 9_999 };
        let error = writer.stage(&record).unwrap_err();
        assert!(error.to_string().contains(what), "{error} has {what}");
        assert!(error.to_string().contains(&format!("offset {offset}")), "{error}");
        writer.commit(&cursor(offset)).unwrap();
        assert_eq!(all_rows(&writer.reader()), before, "no trace");
    }
    writer.park(offset, "poison");
    let state = writer.reader().state();
    assert_eq!(state.parked, Some(Parked { offset, what: "poison".into() }));
    assert_eq!(state.applied.map(|applied| applied.offset), Some(offset - 1));
    let kind = ViewRecordKind::TermStarted;
    let next = ViewRecord { offset, kind, term: offset, sequence: 99, recorded_at: 9_999 };
    assert!(matches!(writer.stage(&next), Err(ViewError::Parked(_))));
    check_everywhere(&writer.reader(), &world);
}

#[test]
fn a_store_of_another_log_or_a_gap_is_refused() {
    let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let mut writer = open(&store);
    let kind = ViewRecordKind::Created;
    let record = ViewRecord { offset: 0, kind, term: 0, sequence: 0, recorded_at: 0 };
    let gap = writer.stage(&ViewRecord { offset: 1, ..record.clone() });
    assert_eq!(gap, Err(ViewError::OutOfOrder { next: 0, found: 1 }));
    writer.stage(&record).unwrap();
    writer.commit(&cursor(1)).unwrap();
    let again = writer.stage(&record);
    assert_eq!(again, Err(ViewError::OutOfOrder { next: 1, found: 0 }));
    let other = ViewLog { log_id: [6; 16], ..LOG };
    assert!(matches!(ViewWriter::open(store, other), Err(StoreError::OtherLog { .. })));
}
