//! A projector over a log whose every byte the test decides.

mod feed;
mod fresh;
mod log;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use ledger_domain::{
    AccountName, AccountType, AskedRules, AssetCode, Command, CommandBody, Decimal, Event, Id,
    LedgerName, Leg, Link, Movement, State, Transfer, apply, decide,
};
use ledger_log::{Backend, LogError};
use ledger_views::{MemoryStore, Place, RecordKind, Table, ViewReader, ViewState, ViewStore};

use self::log::{LOG, TestLog};
use crate::{Projector, ProjectorError};

/// Decides commands and keeps the state that the log stands for.
#[derive(Default)]
struct Bank {
    state: State,
    transfers: u64,
}

impl Bank {
    fn decide(&mut self, body: CommandBody) -> Vec<Event> {
        let ledger = LedgerName::parse("bank").unwrap();
        let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
        let at = self.state.recorded_at();
        let events = decide(&self.state, &command, &[], at).events;
        events.iter().for_each(|event| apply(&mut self.state, event, at));
        events
    }

    fn open(&mut self) -> Vec<Event> {
        let account = |name: &str| CommandBody::OpenAccount {
            name: AccountName::parse(name).unwrap(),
            account_type: AccountType::Asset,
            rules: AskedRules::without_limits(true),
            metadata: Default::default(),
        };
        let code = AssetCode::parse("EUR").unwrap();
        let mut events = self.decide(CommandBody::CreateLedger { metadata: Default::default() });
        events.extend(self.decide(CommandBody::CreateAsset { code, scale: 2 }));
        events.extend(self.decide(account("a")));
        events.extend(self.decide(account("b")));
        events
    }

    fn transfer(&mut self, rng: &mut Rng) -> Vec<Event> {
        self.transfers += 1;
        let name = |name: &str| AccountName::parse(name).unwrap();
        let transfer = Transfer {
            id: Id::parse(&format!("t{}", self.transfers)).unwrap(),
            movement: Movement::Post(Leg {
                debit_account: name("a"),
                credit_account: name(if rng.u32(..5) == 0 { "nobody" } else { "b" }),
                asset: AssetCode::parse("EUR").unwrap(),
                amount: Decimal::parse(&rng.u32(1..100).to_string()).unwrap(),
                up_to: false,
            }),
            reference: "".into(),
            effective_at: None,
            link: Link::Alone,
            metadata: Default::default(),
        };
        self.decide(CommandBody::PostTransfers { transfers: vec![transfer] })
    }
}

/// A log with takeovers, zombies, duplicates, holes and foreign bytes in it.
fn random_log(rng: &mut Rng, bank: &mut Bank, records: usize) -> TestLog {
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    for _ in 0..records {
        match rng.u32(..10) {
            0 => log.term(),
            1 => log.foreign(),
            2 => log.zombie(),
            3 => log.duplicate(),
            4 => log.hole(),
            _ => log.commit(&bank.transfer(rng)),
        }
    }
    log
}

/// The clock of steps whose time is of no consequence.
const NOW: i64 = 1_000_000;

fn open(log: &TestLog, store: &Arc<MemoryStore>) -> Result<Projector, ProjectorError> {
    Projector::open(Arc::new(log.clone()), LOG, 0, Arc::clone(store) as Arc<dyn ViewStore>)
}

fn project(log: &TestLog, store: &Arc<MemoryStore>) -> Projector {
    let mut projector = open(log, store).unwrap();
    while projector.step(NOW, 1_000).unwrap().records > 0 {}
    projector
}

fn all_rows(view: &ViewReader) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        view.rows(table, &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    rows
}

/// The newest balances are those of the domain's own state.
fn check_against(view: &ViewReader, state: &State) {
    let applied = view.state().applied.unwrap();
    for (handle, account) in (0..).map(ledger_domain::AccountHandle).zip(state.accounts()) {
        let found = view.balances(Place::end_of(applied.offset), handle).unwrap();
        let found: Vec<_> = found.into_iter().map(|(asset, row)| (asset, row.balance)).collect();
        assert_eq!(found, account.balances());
    }
}

#[test]
fn restarts_and_crashes_leave_the_rows_of_an_undisturbed_run() {
    for seed in 0..40 {
        let mut rng = Rng::with_seed(seed);
        let mut bank = Bank::default();
        let log = random_log(&mut rng, &mut bank, 60);
        let undisturbed = project(&log, &Arc::default());

        let store = Arc::<MemoryStore>::default();
        let mut projector = open(&log, &store).unwrap();
        while projector.step(NOW, rng.usize(1..2_000)).unwrap().records > 0 {
            match rng.u32(..6) {
                0 => projector.flush().unwrap(),
                1 => projector = open(&log, &store).unwrap(),
                2 => {
                    store.crash();
                    projector = open(&log, &store).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(all_rows(&projector.view()), all_rows(&undisturbed.view()), "seed {seed}");
        check_against(&projector.view(), &bank.state);
        let ends = projector.view().state().applied.map(|applied| applied.offset + 1);
        assert_eq!(ends, Some(log.end(0).unwrap()), "a skip moves the position");
    }
}

#[test]
fn each_record_is_told_apart() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    log.foreign();
    log.term();
    log.zombie();
    log.commit(&bank.transfer(&mut Rng::with_seed(1)));
    log.duplicate();
    log.hole();
    let view = project(&log, &Arc::default()).view();
    let skipped = |why: &str| RecordKind::Skipped(why.into());
    let expected = [
        RecordKind::Created,
        RecordKind::TermStarted,
        RecordKind::Commit { width: 4 },
        skipped("foreign"),
        RecordKind::TermStarted,
        skipped("zombie"),
        RecordKind::Commit { width: 1 },
        skipped("duplicate"),
        skipped("hole"),
    ];
    let rows: Vec<_> = (0..9).map(|offset| view.commit(offset).unwrap().unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row.kind.clone()).collect::<Vec<_>>(), expected);
    let terms: Vec<_> = rows.iter().map(|row| (row.term, row.sequence)).collect();
    assert_eq!(terms, [(0, 0), (1, 0), (1, 1), (1, 1), (4, 1), (4, 1), (4, 2), (4, 2), (4, 2)]);
    assert!(rows.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
}

#[test]
fn a_log_that_is_shorter_or_different_is_diverged() {
    let mut bank = Bank::default();
    let log = random_log(&mut Rng::with_seed(2), &mut bank, 20);
    let store = Arc::<MemoryStore>::default();
    drop(project(&log, &store));
    let before = all_rows(&open(&log, &store).unwrap().view());

    let end = log.end(0).unwrap();
    let refused = |log: &TestLog, what: &[String]| {
        let error = open(log, &store).unwrap_err();
        assert!(matches!(error, ProjectorError::Log(LogError::Diverged { .. })), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("LOG_DIVERGED partition 0"), "{text}");
        for what in what {
            assert!(text.contains(what), "{text} names {what}");
        }
    };
    let shorter = log.cut(end - 1);
    refused(&shorter, &[format!("offset {end}"), format!("ends at {}", end - 1)]);
    let last_commit = log.counted();
    refused(&log.flipped(last_commit), &[format!("offset {last_commit}"), end.to_string()]);

    let mut other = LOG;
    other.id.0[0] ^= 1;
    let error =
        Projector::open(Arc::new(log.clone()), other, 0, Arc::clone(&store) as _).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&LOG.id.to_string()) && text.contains(&other.id.to_string()), "{text}");

    let kept = open(&log, &store).unwrap();
    assert_eq!(all_rows(&kept.view()), before, "nothing was rebuilt");
}

#[test]
fn a_commit_upon_another_past_stops_before_it() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    log.wrong_past(&[]);
    let mut projector = open(&log, &Arc::default()).unwrap();
    let error = projector.step(NOW, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("LOG_DIVERGED partition 0: offset 3"), "{error}");
    assert_eq!(projector.step(NOW, 1 << 20), Err(error));
    let state = projector.view().state();
    assert_eq!(state.applied.map(|applied| applied.offset), Some(2));
    assert_eq!(state.parked.map(|parked| parked.offset), Some(3));
}

#[test]
fn poison_parks_the_view_and_reads_go_on() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    log.commit(&bank.transfer(&mut Rng::with_seed(1)));
    let before = bank.state.clone();
    // Rows in a commit that cannot be read to its end must not be seen.
    log.commit_bytes(vec![log::encode(&bank.transfer(&mut Rng::with_seed(2))), b"\xff".to_vec()]);
    let poison = log.end(0).unwrap() - 1;
    log.commit(&bank.transfer(&mut Rng::with_seed(3)));

    let store = Arc::<MemoryStore>::default();
    for round in 0..2 {
        let mut projector = open(&log, &store).unwrap();
        let error = projector.step(NOW, 1 << 20).unwrap_err();
        let text = error.to_string();
        let expected = format!("POISON_EVENT partition 0 offset {poison} command 1");
        assert!(text.starts_with(&expected), "round {round}: {text}");
        assert_eq!(projector.step(NOW, 1 << 20), Err(error), "it stays");
        let state = projector.view().state();
        assert_eq!(
            state.parked.map(|parked| (parked.offset, parked.what.to_string())),
            Some((poison, text))
        );
        assert_eq!(state.applied.map(|applied| applied.offset), Some(poison - 1));
        check_against(&projector.view(), &before);
        projector.flush().unwrap();
    }

    // An event that does not follow from those before it, too.
    let mut log = log.cut(poison);
    let (mut other, mut rng) = (Bank::default(), Rng::with_seed(4));
    other.open();
    log.commit(&other.open());
    log.commit(&other.transfer(&mut rng));
    log.commit(&Bank::default().open());
    let mut projector = open(&log, &store).unwrap();
    let error = projector.step(NOW, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("POISON_EVENT at offset 6, index 0: ledger handle 0"), "{error}");
}

#[test]
fn a_log_that_cannot_be_read_for_a_while_parks_nothing() {
    let mut log = TestLog::created();
    log.term();
    log.set_available(false);
    let mut projector = open(&log, &Arc::default()).unwrap();
    let error = projector.step(NOW, 1 << 20).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(projector.view().state().parked, None);
    log.set_available(true);
    assert_eq!(projector.step(NOW, 1 << 20).unwrap().records, 2);
}

#[test]
fn a_log_that_comes_back_shorter_is_diverged() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let mut projector = project(&log, &Arc::default());
    log.set_available(false);
    assert!(projector.step(NOW, 1 << 20).unwrap_err().is_transient());
    log.lose_from(2);
    log.set_available(true);
    let error = projector.step(NOW, 1 << 20).unwrap_err();
    assert!(matches!(error, ProjectorError::Log(LogError::Diverged { .. })), "{error}");
    assert_eq!(projector.step(NOW, 1 << 20), Err(error));
    assert!(projector.view().state().parked.is_some());
}

#[test]
fn a_full_disk_parks_the_view_until_there_is_room() {
    let mut rng = Rng::with_seed(5);
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    log.commit(&bank.transfer(&mut rng));
    let store = Arc::<MemoryStore>::default();
    let mut projector = project(&log, &store);
    let view = projector.view();

    store.set_full(true);
    log.commit(&bank.transfer(&mut rng));
    log.commit(&bank.transfer(&mut rng));
    for _ in 0..2 {
        let error = projector.step(NOW, 1 << 20).unwrap_err();
        assert!(error.is_transient(), "{error}");
        let state = view.state();
        assert_eq!(state.applied.map(|applied| applied.offset), Some(3));
        let parked = state.parked.unwrap();
        assert_eq!(parked.offset, 4);
        assert!(parked.what.starts_with("DISK_FULL"), "{}", parked.what);
    }
    store.set_full(false);
    assert_eq!(projector.step(NOW, 1 << 20).unwrap().records, 2);
    assert_eq!(view.state().parked, None);
    check_against(&view, &bank.state);
    assert_eq!(all_rows(&view), all_rows(&project(&log, &Arc::default()).view()));
}

/// A projector on a thread of its own, and a view to watch it by.
struct Running {
    view: ViewReader,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<(), ProjectorError>>,
}

impl Running {
    fn start(mut projector: Projector) -> Self {
        let view = projector.view();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        #[expect(clippy::disallowed_methods, reason = "a test of what a thread runs")]
        let thread = std::thread::spawn(move || projector.run(&seen, || NOW));
        Running { view, stop, thread }
    }

    fn wait_for(&self, reached: impl FnMut(&ViewState) -> bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        drop(runtime.block_on(self.view.watch().wait_for(reached)).unwrap());
    }

    fn wait_until_applied(&self, offset: u64) {
        self.wait_for(|state| state.applied.is_some_and(|applied| applied.offset == offset));
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap().unwrap();
    }
}

#[test]
fn a_thread_follows_the_log_and_flushes_when_it_is_stopped() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    let store = Arc::<MemoryStore>::default();
    let running = Running::start(open(&log, &store).unwrap());
    log.commit(&bank.open());
    running.wait_until_applied(2);
    running.stop();
    store.crash();
    let after = open(&log, &store).unwrap();
    assert_eq!(after.view().state().applied.map(|applied| applied.offset), Some(2), "flushed");
}

/// The first thing to fail is a flush, for the log has no news.
#[test]
fn a_thread_waits_for_room_on_a_full_disk_and_goes_on() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    let store = Arc::<MemoryStore>::default();
    let projector = project(&log, &store);
    store.set_full(true);
    let running = Running::start(projector);
    running.wait_for(|state| state.parked.is_some());
    log.commit(&bank.open());
    store.set_full(false);
    running.wait_until_applied(2);
    assert_eq!(running.view.state().parked, None);
    running.stop();
}
