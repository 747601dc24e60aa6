//! Random logs, projected with restarts and crashes in between, and read at every place: each answer
//! is that of a naive model (QY-1), and a rebuild has the same rows (PR-2).

mod check;
mod faults;
mod mirror;
mod random;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use ledger_domain::event::Row as BatchRow;
use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountName, AccountRules, AccountStatus, AccountType,
    AssetHandle, Balance, Effect, Event, Id, LedgerName, Link, Plan, State, Timestamp, apply,
    decide, decide_due,
};

use self::check::{all_rows, check_everywhere};
use self::mirror::private;
use self::random::{Past, random_command};
use crate::store::{StoreError, ViewStore};
use crate::writer::{ViewError, ViewWriter};
use crate::*;

const LOG: ViewLog = ViewLog { log_id: [5; 16], partition: 0, partition_count: 1 };
/// So few that most balances are read from the store again.
const HOT_BALANCES_MAX: usize = 4;
/// So few that sets have many keyframes.
const KEYFRAME_CHANGES_MIN: u64 = 3;

/// What is true after one event.
#[derive(Clone, Debug, Default)]
struct Truth {
    place: Place,
    balances: BTreeMap<(AccountHandle, AssetHandle), (Place, Balance)>,
    entries: BTreeMap<(AccountHandle, AssetHandle), Vec<Place>>,
    accounts: BTreeMap<(u32, String), AccountHandle>,
    transfers: BTreeMap<(u32, Id), (Place, bool)>,
    statuses: BTreeMap<AccountHandle, (Place, AccountStatus)>,
    rules: BTreeMap<AccountHandle, (Place, AccountRules)>,
    locks: BTreeMap<u32, (Place, Option<i64>)>,
    /// What is left of each transfer that was reversed, and by which.
    reversals: BTreeMap<(u32, Id), (Place, u128, Vec<Id>)>,
    /// Transfers of each journal entry.
    journal: BTreeMap<(u32, Id), Vec<Id>>,
    /// Where each account changed last.
    changed: BTreeMap<AccountHandle, Place>,
    /// What each hold is, what is left of it, and what was given back.
    holds: BTreeMap<(u32, Id), (Place, HoldStatus, u128, u128)>,
    /// Each schedule: where it was made, what was asked, when it is due next, its times newest first, and
    /// whether it was cancelled.
    schedules: BTreeMap<(u32, Id), Scheduled>,
    ledgers: Vec<String>,
    assets: usize,
}

type Scheduled = (Place, Plan, Option<Timestamp>, Vec<(Place, u32)>, bool);

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

impl Truth {
    fn follow(&mut self, place: Place, event: &Event, truths: &mut Vec<Truth>) {
        self.place = place;
        match event {
            Event::LedgerCreated { name, .. } => self.ledgers.push(name.as_str().into()),
            Event::AssetCreated { .. } => self.assets += 1,
            Event::AccountOpened { ledger, account, name, .. } => {
                self.accounts.insert((ledger.0, name.as_str().into()), *account);
                self.changed.insert(*account, place);
            }
            Event::AccountStatusChanged { account, status, .. } => {
                self.statuses.insert(*account, (place, *status));
                self.changed.insert(*account, place);
            }
            Event::AccountRulesChanged { account, rules, .. } => {
                self.rules.insert(*account, (place, rules.clone()));
                self.changed.insert(*account, place);
            }
            Event::BooksLocked { ledger, locked_before } => {
                self.locks.insert(ledger.0, (place, *locked_before));
            }
            Event::TransferBatch(batch) => {
                for (row, item) in batch.iter() {
                    self.place.index = place.index + row;
                    let id = match item {
                        BatchRow::Accepted(accepted) => {
                            self.accept(batch.ledger.0, accepted);
                            &accepted.id
                        }
                        BatchRow::Refused(refused) => &refused.transfer.id,
                    };
                    let accepted = matches!(item, BatchRow::Accepted(_));
                    self.transfers.insert((batch.ledger.0, id.clone()), (self.place, accepted));
                    truths.push(self.clone());
                }
                return;
            }
            Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } => {
                let sides = [(*debit_account, *asset), (*credit_account, *asset)];
                self.enter(sides, |counters| counters[1] -= amount);
                let row = (place, HoldStatus::Expired, 0, *amount);
                self.holds.insert((ledger.0, hold.clone()), row);
            }
            Event::ScheduleCreated { ledger, schedule, plan, next_due } => {
                let made = (place, (**plan).clone(), Some(*next_due), Vec::new(), false);
                self.schedules.insert((ledger.0, schedule.clone()), made);
            }
            Event::ScheduleCancelled { ledger, schedule } => {
                let key = (ledger.0, schedule.clone());
                self.schedules.entry(key).and_modify(|it| (it.2, it.4) = (None, true));
            }
            Event::ScheduleRan { ledger, schedule, number, next_due, .. } => {
                self.schedules.entry((ledger.0, schedule.clone())).and_modify(|it| {
                    it.2 = *next_due;
                    it.3.insert(0, (place, *number));
                });
            }
            Event::CommandRefused { .. } => {}
        }
        truths.push(self.clone());
    }

    fn accept(&mut self, ledger: u32, it: &AcceptedTransfer) {
        let (place, amount) = (self.place, it.amount);
        if let Some(entry) = it.link.entry() {
            self.journal.entry((ledger, entry.clone())).or_default().push(it.id.clone());
        }
        let sides = [(it.debit_account, it.asset), (it.credit_account, it.asset)];
        let (hold, row) = match &it.effect {
            Effect::Post | Effect::Receive(_) => {
                return self.enter(sides, |counters| counters[0] += amount);
            }
            Effect::Reversal(reversal) => {
                self.enter(sides, |counters| counters[0] += amount);
                let all = (place, amount + reversal.remaining, Vec::new());
                let row = self.reversals.entry((ledger, reversal.of.clone())).or_insert(all);
                (row.0, row.1) = (place, row.1 - amount);
                return row.2.insert(0, it.id.clone());
            }
            Effect::Hold { .. } | Effect::Send(_) => {
                self.enter(sides, |counters| counters[1] += amount);
                (&it.id, (place, HoldStatus::Open, amount, 0))
            }
            Effect::Capture(capture) => {
                self.enter(sides, |[posted, pending]| {
                    (*posted, *pending) = (*posted + amount, *pending - amount)
                });
                let left = self.holds[&(ledger, capture.hold.clone())].2 - amount;
                let status = if left == 0 { HoldStatus::Captured } else { HoldStatus::Open };
                (&capture.hold, (place, status, left, 0))
            }
            Effect::Void { hold, .. } => {
                self.enter(sides, |counters| counters[1] -= amount);
                (&**hold, (place, HoldStatus::Voided, 0, amount))
            }
        };
        self.holds.insert((ledger, hold.clone()), row);
    }

    /// Changes posted and pending of the debit side of the first balance and the credit side of the second.
    fn enter(&mut self, sides: [(AccountHandle, AssetHandle); 2], change: impl Fn(&mut [u128; 2])) {
        for (key, is_debit) in sides.into_iter().zip([true, false]) {
            let (place, balance) = self.balances.entry(key).or_default();
            *place = self.place;
            self.changed.insert(key.0, self.place);
            let Balance { debits_posted, credits_posted, debits_pending, credits_pending } =
                balance;
            let (posted, pending) = if is_debit {
                (debits_posted, debits_pending)
            } else {
                (credits_posted, credits_pending)
            };
            let mut counters = [*posted, *pending];
            change(&mut counters);
            [*posted, *pending] = counters;
            self.entries.entry(key).or_default().push(self.place);
        }
    }
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
    let mut events = vec![Event::LedgerCreated { ledger, name }];
    for account in 0..25 {
        events.push(Event::AccountOpened {
            ledger,
            account: AccountHandle(account),
            name: AccountName::parse(&format!("a{account:02}")).unwrap(),
            account_type: AccountType::Asset,
            rules: AccountRules::without_limits(false),
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
