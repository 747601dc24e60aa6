//! Stores that fail, files that were changed, and readers beside the writer.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn a_full_disk_parks_the_view_and_room_lets_it_go_on() {
    let mut rng = Rng::with_seed(21);
    let world = random_world(&mut rng, 30);
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn ViewStore> = Arc::clone(&memory) as _;
    let mut writer = project_all(&mut rng, &store, &world.records[..20], &|| ());
    let reader = writer.reader();
    let before = all_rows(&reader);

    memory.set_full(true);
    writer.stage(&world.records[20]).unwrap();
    let error = writer.commit(&cursor(21)).unwrap_err();
    assert!(error.to_string().starts_with("DISK_FULL"), "{error}");
    let state = reader.state();
    assert_eq!(state.applied.map(|applied| applied.offset), Some(19));
    assert!(state.parked.is_some_and(|parked| parked.what.contains("DISK_FULL")));
    assert_eq!(all_rows(&reader), before);
    assert!(matches!(writer.stage(&world.records[21]), Err(ViewError::Parked(_))));

    memory.set_full(false);
    writer.reopen().unwrap();
    assert_eq!(writer.next(), 20, "what was staged is to be staged again");
    assert_eq!(reader.state().parked, None);
    world.records[20..].iter().for_each(|record| writer.stage(record).unwrap());
    writer.commit(&cursor(30)).unwrap();
    assert_eq!(reader.state().applied.map(|applied| applied.offset), Some(29));
    assert_eq!(all_rows(&reader), rebuilt(&world.records));
}

fn table_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join(VIEW_VERSION)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sst"));
    files.sort();
    files
}

/// Table, key and value.
type AnyRow = (Table, Vec<u8>, Vec<u8>);

/// All rows of the view in this folder, or the first error.
fn read_all(folder: &Path) -> Result<Vec<AnyRow>, StoreError> {
    let store = open_view(folder, &RocksShared::new(8 << 20, 4 << 20), Readers::ThisProcess)?;
    let mut rows = Vec::new();
    for table in Table::ALL {
        store.scan(table, &[], &[], &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

#[test]
fn a_changed_byte_is_an_error_and_never_another_row() {
    let world = random_world(&mut Rng::with_seed(22), 40);
    let folder = tempfile::tempdir().unwrap();
    let shared = RocksShared::new(8 << 20, 4 << 20);
    let store = private(folder.path(), &shared);
    let mut writer = open(&store);
    world.records.iter().for_each(|record| writer.stage(record).unwrap());
    writer.commit(&cursor(40)).unwrap();
    writer.flush().unwrap();
    let rows = all_rows(&writer.reader());
    drop((writer, store));
    assert_eq!(read_all(folder.path()).as_ref(), Ok(&rows));

    let mut rng = Rng::with_seed(23);
    let mut refused = 0;
    for file in table_files(folder.path()) {
        let whole = fs::read(&file).unwrap();
        for _ in 0..4 {
            let mut changed = whole.clone();
            // The first block of a file holds rows.
            changed[rng.usize(..whole.len() / 4)] ^= 1 << rng.u32(..8);
            fs::write(&file, changed).unwrap();
            match read_all(folder.path()) {
                Ok(found) => assert_eq!(found, rows, "{}", file.display()),
                Err(StoreError::Damaged { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        fs::write(&file, whole).unwrap();
    }
    assert!(refused >= 5, "{refused} were refused");
}

/// Sets its flag when it goes, so that a writer that fails leaves no reader waiting.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// This amount from account 0 to account 1.
fn transfer_of(amount: u128) -> Event {
    let posted = AcceptedTransfer {
        effect: Effect::Post,
        up_to: None,
        id: Id::Uuid(amount.to_be_bytes()),
        debit_account: AccountHandle(0),
        credit_account: AccountHandle(1),
        asset: AssetHandle(0),
        amount,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    let ledger = ledger_domain::LedgerHandle(0);
    let batch = ledger_domain::TransferBatch { ledger, accepted: vec![posted], refused: vec![] };
    Event::TransferBatch(batch)
}

/// Debits of one account are credits of the other in every state that a reader can see.
#[test]
fn readers_beside_the_writer_see_one_state_each() {
    let folder = tempfile::tempdir().unwrap();
    let shared = RocksShared::new(8 << 20, 4 << 20);
    let store = private(folder.path(), &shared);
    let mut writer = open(&store);
    let ledger = ledger_domain::LedgerHandle(0);
    let opened = |account, name: &str| Event::AccountOpened {
        ledger,
        account: AccountHandle(account),
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Asset,
        rules: AccountRules::without_limits(true),
        metadata: Default::default(),
    };
    let name = LedgerName::parse("bank").unwrap();
    let mut events = vec![
        Event::LedgerCreated { ledger, name, metadata: Default::default() },
        opened(0, "a"),
        opened(1, "b"),
    ];
    let reader = writer.reader();
    let done = AtomicBool::new(false);
    let check = || {
        let (mut states, mut last) = (0u64, None);
        loop {
            let finished = done.load(Ordering::Acquire);
            let Some(applied) = reader.state().applied else {
                assert!(!finished, "the writer wrote");
                continue;
            };
            let at = Place::end_of(applied.offset);
            let read = |account| {
                let row = reader.balance(at, AccountHandle(account), AssetHandle(0)).unwrap();
                row.map_or_else(Balance::default, |row| row.balance)
            };
            let (a, b) = (read(0), read(1));
            assert_eq!(a.debits_posted, b.credits_posted, "at {at:?}");
            assert_eq!(a.debits_posted, u128::from(applied.offset * (applied.offset + 1) / 2));
            states += u64::from(last.replace(applied.offset) != Some(applied.offset));
            if finished {
                return (states, applied.offset);
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a test of threads")]
    std::thread::scope(|scope| {
        let readers = [scope.spawn(check), scope.spawn(check)];
        let ends = SetAtEnd(&done);
        for offset in 0..2_000u64 {
            if offset > 0 {
                events = vec![transfer_of(u128::from(offset))];
            }
            let kind = ViewRecordKind::Commit(std::mem::take(&mut events));
            let recorded_at = 1 + i64::try_from(offset).unwrap();
            let record = ViewRecord { offset, kind, term: 0, sequence: offset + 1, recorded_at };
            writer.stage(&record).unwrap();
            writer.commit(&cursor(offset + 1)).unwrap();
            if offset % 500 == 0 {
                writer.flush().unwrap();
            }
        }
        drop(ends);
        for reader in readers {
            let (states, last) = reader.join().unwrap();
            assert!(states >= 1);
            assert_eq!(last, 1_999);
        }
    });
}
