//! Both stores keep one contract; the bytes of an entry are fixed.

use ledger_domain::{Code, Id, LedgerHandle, LedgerName};
use ledger_log::{Cursor, LogId};

use super::*;

fn entry(offset: u64) -> IdEntry {
    IdEntry {
        offset,
        index: 7,
        recorded_at: 0x0102_0304_0506_0708,
        content_hash: [0xab; 16],
        refused: Some(Code::InsufficientFunds),
        posted: None,
        metadata: Metadata::default(),
    }
}

fn cursor(next: u64) -> Cursor {
    Cursor { next, ..Cursor::start(LogId([3; 16]), 0) }
}

fn key(n: u32) -> Vec<u8> {
    let mut key = Vec::new();
    transfer_key(LedgerHandle(1), &Id::parse(&format!("id-{n:03}")).unwrap(), &mut key);
    key
}

fn keys(numbers: &[u32]) -> Keys {
    let mut keys = Keys::default();
    for &n in numbers {
        keys.push(|out| out.extend_from_slice(&key(n)));
    }
    keys.sort();
    keys
}

#[test]
fn an_entry_has_fixed_bytes() {
    let mut golden = vec![0x2a, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1];
    golden.extend_from_slice(&[0xab; 16]);
    golden.extend_from_slice(&[211, 0, 0, 0]);
    assert_eq!(entry(42).encode().as_slice(), golden);
    assert_eq!(IdEntry::decode(&golden), Some(entry(42)));
    assert_eq!(IdEntry::decode(&golden[1..]), None);
    golden[36] = 99;
    assert_eq!(IdEntry::decode(&golden), None, "a code that no version wrote");
}

#[test]
fn what_was_posted_stands_behind() {
    let posted = Posted {
        debit_account: AccountHandle(5),
        credit_account: AccountHandle(300),
        asset: AssetHandle(0),
        left: u128::MAX,
    };
    let entry = IdEntry { refused: None, posted: Some(posted), ..entry(42) };
    let bytes = entry.encode();
    let mut tail = vec![5, 0xac, 2, 0];
    tail.extend_from_slice(&[0xff; 18]);
    tail.push(3);
    assert_eq!(bytes[40..], tail);
    assert_eq!(IdEntry::decode(&bytes), Some(entry));
    for cut in 41..bytes.len() {
        assert_eq!(IdEntry::decode(&bytes[..cut]), None, "{cut} bytes");
    }
    assert_eq!(IdEntry::decode(&[bytes.as_slice(), &[0]].concat()), None);
    let mut too_large = bytes;
    *too_large.last_mut().unwrap() = 4;
    assert_eq!(IdEntry::decode(&too_large), None, "past 128 bits");
}

#[test]
fn keys_of_requests_and_transfers_never_meet() {
    let name = |text| LedgerName::parse(text).unwrap();
    let id = |text| Id::parse(text).unwrap();
    let mut all = Vec::new();
    for (ledger, text) in [("a", "b"), ("a", "bc"), ("ab", "c")] {
        let mut request = Vec::new();
        request_key(&name(ledger), &id(text), &mut request);
        all.push(request);
    }
    all.push(key(1));
    for write in [entry_key, reversed_key] {
        let mut other = Vec::new();
        write(LedgerHandle(1), &id("id-001"), &mut other);
        all.push(other);
    }
    all.push(APPLIED.to_vec());
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(all[0], b"ra\0\x01b");
    assert_eq!(all[3], b"t\0\0\0\x01\x01id-001");
}

const APPLIED: &[u8] = b"!applied";

fn keeps_the_contract(store: &dyn IdStore) {
    assert_eq!(store.applied().unwrap(), None);
    assert_eq!(store.lookup(&keys(&[1, 2])).unwrap(), [None, None]);
    let batch: Vec<_> = (0..100).map(|n| (key(n), entry(u64::from(n)))).collect();
    store.write(&batch, &cursor(5)).unwrap();
    let found = store.lookup(&keys(&[99, 3, 200, 0])).unwrap();
    assert_eq!(found, [Some(entry(0)), Some(entry(3)), Some(entry(99)), None]);
    store.write(&[], &cursor(6)).unwrap();
    assert_eq!(store.applied().unwrap(), Some(cursor(6)));
    store.flush().unwrap();
    assert_eq!(store.lookup(&keys(&[7])).unwrap(), [Some(entry(7))]);
}

#[test]
fn memory_keeps_the_contract_and_forgets_what_was_not_flushed() {
    let store = MemoryIds::default();
    keeps_the_contract(&store);
    store.write(&[(key(500), entry(9))], &cursor(9)).unwrap();
    store.crash();
    assert_eq!(store.applied().unwrap(), Some(cursor(6)));
    assert_eq!(store.lookup(&keys(&[500])).unwrap(), [None]);
}

#[test]
fn rocksdb_keeps_the_contract_and_what_was_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let stores = IdStores::new(folder.path());
    keeps_the_contract(&stores.open(3).unwrap());
    let reopened = stores.open(3).unwrap();
    assert_eq!(reopened.applied().unwrap(), Some(cursor(6)));
    assert_eq!(reopened.lookup(&keys(&[7])).unwrap(), [Some(entry(7))]);
}

#[test]
fn a_second_owner_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stores = IdStores::new(folder.path());
    let _first = stores.open(0).unwrap();
    let error = stores.open(0).unwrap_err().to_string();
    assert!(error.starts_with("ID_STORE: "), "{error}");
}

#[test]
fn what_is_noted_stands_last() {
    use ledger_domain::{MetadataKey, MetadataValue};
    let noted = (MetadataKey::from_log("k"), MetadataValue::plain("v").unwrap());
    let metadata: Metadata = [noted].into_iter().collect();
    let alone = IdEntry { refused: None, metadata: metadata.clone(), ..entry(42) };
    let bytes = alone.encode();
    let mut tail = vec![0, 0, 0, 0];
    tail.extend_from_slice(&[10, 6, 10, 1, b'k', 18, 1, b'v']);
    assert_eq!(bytes[bytes.len() - tail.len()..], tail);
    assert_eq!(IdEntry::decode(&bytes), Some(alone.clone()));
    let (debit_account, credit_account) = (AccountHandle(1), AccountHandle(0));
    let posted = Posted { debit_account, credit_account, asset: AssetHandle(0), left: 0 };
    let both = IdEntry { posted: Some(posted), ..alone };
    assert_eq!(IdEntry::decode(&both.encode()), Some(both.clone()));
    let bytes = both.encode();
    assert_eq!(IdEntry::decode(&bytes[..bytes.len() - 1]), None, "cut");
}
