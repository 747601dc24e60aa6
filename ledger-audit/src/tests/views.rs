//! Views beside the log: rows altered, missing, of nobody, and of other bytes.

use std::ops::ControlFlow;
use std::sync::Arc;

use ledger_domain::{Event, Position};
use ledger_log::record::Commit;
use ledger_log::{Backend, Decision, Reader};
use ledger_proto::logged;
use ledger_views::{
    MemoryStore, Rows, Table, ViewLog, ViewReader, ViewRecord, ViewRecordKind, ViewStore,
    ViewWriter,
};

use super::{Author, LOG, Stored};
use crate::{AuditError, Report, Target, Until, replay};

const VIEW: ViewLog = ViewLog { log_id: LOG.id.0, partition: 0, partition_count: 1 };

/// The view of the first `records` of a log.
pub(super) fn project(log: &Stored, records: u64) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let mut writer = ViewWriter::open(Arc::clone(&store) as _, VIEW).unwrap();
    let mut reader = Reader::new(LOG.id, 0);
    while reader.cursor().next < records {
        for record in log.read(0, reader.cursor().next, 0).unwrap() {
            if record.offset >= records {
                break;
            }
            let kind = match reader.step(record.offset, &record.bytes).unwrap() {
                Decision::Created => ViewRecordKind::Created,
                Decision::NewTerm(_) => ViewRecordKind::TermStarted,
                Decision::Accepted(commit) => ViewRecordKind::Commit(events(&commit)),
                Decision::Skipped(skip) => ViewRecordKind::Skipped(skip.name()),
            };
            let cursor = reader.cursor();
            let recorded_at = cursor.recorded_at as i64;
            let (term, sequence, offset) = (cursor.term, cursor.sequence, record.offset);
            let record = ViewRecord { offset, kind, term, sequence, recorded_at };
            writer.stage(&record).unwrap();
            writer.commit(&cursor.encode()).unwrap();
        }
    }
    store
}

fn events(commit: &Commit) -> Vec<Event> {
    commit.commands.iter().flat_map(|bytes| logged::decode(bytes).unwrap().events).collect()
}

pub(super) fn reader(store: &Arc<MemoryStore>) -> ViewReader {
    ViewWriter::open(Arc::clone(store) as _, VIEW).unwrap().reader()
}

fn audit(log: &Stored, store: &Arc<MemoryStore>, until: Until) -> Report {
    let target = Target { partition: 0, until };
    let view = reader(store);
    replay(log, LOG, target, Some(&view), &mut |_, _| ControlFlow::Continue(())).unwrap()
}

fn all_rows(store: &MemoryStore) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        store.scan(table, &[], &[], &mut visit).unwrap();
    }
    rows
}

fn store_of(rows: &[(Table, Vec<u8>, Vec<u8>)]) -> Arc<MemoryStore> {
    let store = MemoryStore::new();
    let mut written = Rows::default();
    for (table, key, value) in rows {
        written.put(*table, key, |out| out.extend_from_slice(value));
    }
    store.write(&written).unwrap();
    Arc::new(store)
}

fn places(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_view_of_the_log_is_clean_however_far_both_are() {
    let log = Author::bank().log;
    let all = all_rows(&project(&log, 11)).len() as u64 - 2;
    for records in 0..=11 {
        let store = project(&log, records);
        for offset in 0..11 {
            let until = Until::Position(Position::commit(0, offset));
            let report = audit(&log, &store, until);
            assert_eq!(places(&report), [""; 0], "{records} records, until {offset}");
            let view = report.view_position.map(|at| at.offset + 1).unwrap_or(0);
            assert_eq!(view, records.min(offset + 1));
            assert!(report.rows_compared >= view);
        }
        let report = audit(&log, &store, Until::End);
        assert!(report.is_clean());
        // Balances have a row of their own beside their history: it is compared at the end.
        assert!(records < 11 || report.rows_compared == all, "{}", report.rows_compared);
    }
}

#[test]
fn every_row_that_is_altered_is_found() {
    let log = Author::bank().log;
    let rows = all_rows(&project(&log, 11));
    for (at, (table, key, value)) in rows.iter().enumerate() {
        if *table == Table::Meta {
            continue;
        }
        for byte in 0..value.len() {
            let mut altered = rows.clone();
            altered[at].2[byte] ^= 1;
            let report = audit(&log, &store_of(&altered), Until::End);
            let differs = report.findings.iter().any(|f| f.invariant == "PR-2");
            assert!(differs, "{} {key:?} byte {byte}: {report:?}", table.name());
        }
        // Bytes that are no row at all.
        let mut altered = rows.clone();
        altered[at].2 = vec![0xff];
        let report = audit(&log, &store_of(&altered), Until::End);
        assert!(!report.is_clean(), "{} {key:?}: {report:?}", table.name());
    }
}

#[test]
fn every_row_that_is_missing_is_found() {
    let log = Author::bank().log;
    let rows = all_rows(&project(&log, 11));
    for (at, (table, key, _)) in rows.iter().enumerate() {
        if *table == Table::Meta {
            continue;
        }
        let mut fewer = rows.clone();
        fewer.remove(at);
        let report = audit(&log, &store_of(&fewer), Until::End);
        let name = format!("{}: the row is missing", table.name());
        let found: Vec<_> = report.findings.iter().filter(|f| f.what == name).collect();
        assert_eq!(found.len(), 1, "{} {key:?}: {report:?}", table.name());
    }
}

#[test]
fn a_row_of_an_entry_is_located_by_its_event() {
    let log = Author::bank().log;
    let store = project(&log, 11);
    let rows = all_rows(&store);
    // t-4 and t-5 are rows 0 and 1 of the commit at offset 9; bob has an entry of each, newest first.
    let history: Vec<_> = rows.iter().filter(|(table, ..)| *table == Table::History).collect();
    let newest = history.iter().find(|(_, key, _)| key.starts_with(&2u64.to_be_bytes())).unwrap();
    let mut altered = newest.2.clone();
    altered[1] ^= 1;
    let mut row = Rows::default();
    row.put(Table::History, &newest.1, |out| out.extend_from_slice(&altered));
    store.write(&row).unwrap();
    let expected = ["PR-2 at 0@9.1: history: the row differs from the log"];
    assert_eq!(places(&audit(&log, &store, Until::End)), expected);
    // It is not there yet at the commit before.
    let before = Until::Position(Position::commit(0, 8));
    assert_eq!(places(&audit(&log, &store, before)), [""; 0]);
}

#[test]
fn every_row_that_no_record_made_is_found() {
    let log = Author::bank().log;
    let rows = all_rows(&project(&log, 11));
    for (table, key, value) in &rows {
        if *table == Table::Meta {
            continue;
        }
        // The same row once more, at a key that nothing has.
        let mut other = key.clone();
        if *table == Table::History {
            other[11] = 9;
        } else {
            *other.last_mut().unwrap() ^= 0x55;
        }
        let mut more = rows.clone();
        more.push((*table, other, value.clone()));
        let report = audit(&log, &store_of(&more), Until::End);
        let [finding] = &report.findings[..] else { panic!("{}: {report:?}", table.name()) };
        assert!(finding.what.starts_with(table.name()), "{finding}");
        // A commit's key is its offset: here one that the view did not come to.
        let (invariant, what) = match table {
            Table::Commits => ("PR-1", "behind the view's position"),
            _ => ("PR-2", "was made by no record"),
        };
        assert_eq!(finding.invariant, invariant);
        assert!(finding.what.ends_with(what), "{finding}");
    }
}

#[test]
fn a_log_that_lost_what_the_view_has_read_is_told() {
    let mut log = Author::bank().log;
    let store = project(&log, 11);
    log.records.truncate(9);
    let report = audit(&log, &store, Until::End);
    assert_eq!(report.position.unwrap().to_string(), "0@8");
    let expected = ["LG-1 at 0@9: the log ends here, and the view has read it up to offset 10"];
    assert_eq!(places(&report), expected);
}

#[test]
fn a_view_of_other_bytes_or_of_another_log_is_told() {
    let log = Author::bank().log;
    let store = project(&log, 11);
    // The last record is another one now: nothing stands behind it in the log to show that.
    let mut rows = all_rows(&store);
    for (table, key, value) in &mut rows {
        if *table == Table::Meta && key == b"applied" {
            *value.last_mut().unwrap() ^= 1;
        }
    }
    let report = audit(&log, &store_of(&rows), Until::End);
    let expected = ["LG-4 at 0@10: the view was made from other bytes than the log holds now"];
    assert_eq!(places(&report), expected);

    let mut info = LOG;
    info.id.0[0] ^= 1;
    let target = Target { partition: 0, until: Until::End };
    let view = reader(&store);
    let error = replay(&log, info, target, Some(&view), &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(error, Err(AuditError::Views(_))), "{error:?}");
}
