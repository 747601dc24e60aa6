//! How stale a view says it is, against what the log had.

use std::sync::Arc;

use ledger_views::{MemoryStore, ViewState};

use super::log::TestLog;
use super::{Bank, Rng, open};
use crate::Projector;

/// Since when the view says that it has all, and how many records behind it says that it is.
fn says(projector: &Projector) -> (Option<i64>, u64) {
    let state: ViewState = projector.view().state();
    (state.fresh.caught_up_at, state.records_behind())
}

fn book() -> (TestLog, Bank, Rng) {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    (log, bank, Rng::with_seed(8))
}

#[test]
fn a_view_is_caught_up_as_of_the_instant_whose_end_it_has_applied() {
    let (mut log, mut bank, mut rng) = book();
    let mut projector = open(&log, &Arc::default()).unwrap();
    assert_eq!(says(&projector), (None, 0), "nothing is known before the first step");
    for (now, said) in [(10, (None, 2)), (11, (None, 1)), (12, (Some(12), 0)), (13, (Some(13), 0))]
    {
        projector.step(now, 1).unwrap();
        assert_eq!(says(&projector), said, "a record at a time, at {now}");
    }
    for _ in 0..3 {
        log.commit(&bank.transfer(&mut rng));
    }
    projector.step(20, 1).unwrap();
    assert_eq!(says(&projector), (Some(13), 2));
    log.commit(&bank.transfer(&mut rng));
    projector.step(21, 1).unwrap();
    projector.step(22, 1).unwrap();
    assert_eq!(says(&projector), (Some(20), 1), "what the log had at 20, and not what came after");
    projector.step(23, 1).unwrap();
    assert_eq!(says(&projector), (Some(23), 0));
}

#[test]
fn while_the_log_is_away_the_instant_stands_still() {
    let (mut log, mut bank, mut rng) = book();
    let store = Arc::<MemoryStore>::default();
    let mut projector = open(&log, &store).unwrap();
    projector.step(10, 1 << 20).unwrap();
    assert_eq!(says(&projector), (Some(10), 0));
    log.commit(&bank.transfer(&mut rng));
    log.set_available(false);
    for now in 11..15 {
        assert!(projector.step(now, 1 << 20).unwrap_err().is_transient());
        assert_eq!(says(&projector), (Some(10), 0), "at {now}");
    }
    log.set_available(true);
    projector.step(15, 1 << 20).unwrap();
    assert_eq!(says(&projector), (Some(15), 0));
}

/// As when a disk is full: rows are not written, and the log goes on.
#[test]
fn while_the_view_stands_so_does_the_instant() {
    let (mut log, mut bank, mut rng) = book();
    let store = Arc::<MemoryStore>::default();
    let mut projector = open(&log, &store).unwrap();
    projector.step(10, 1 << 20).unwrap();
    store.set_full(true);
    log.commit(&bank.transfer(&mut rng));
    projector.step(11, 1 << 20).unwrap_err();
    projector.step(12, 1 << 20).unwrap_err();
    assert_eq!(says(&projector).0, Some(10));
    store.set_full(false);
    projector.step(13, 1 << 20).unwrap();
    assert_eq!(says(&projector), (Some(13), 0));
}

#[test]
fn a_log_that_is_another_makes_nothing_fresh() {
    let (log, mut bank, mut rng) = book();
    let mut long = log.clone();
    long.commit(&bank.transfer(&mut rng));
    let store = Arc::<MemoryStore>::default();
    let mut projector = open(&long, &store).unwrap();
    projector.step(10, 1 << 20).unwrap();
    long.lose_from(3);
    long.set_available(false);
    projector.step(11, 1 << 20).unwrap_err();
    long.set_available(true);
    let error = projector.step(12, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("LOG_DIVERGED"), "{error}");
    projector.step(13, 1 << 20).unwrap_err();
    assert_eq!(
        says(&projector).0,
        Some(10),
        "it holds what the log had then, and no more is known"
    );
}
