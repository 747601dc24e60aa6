//! A good log is clean; every kind of damage is found, and at its place.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountName, AccountRules, AccountStatus, AccountType,
    AskedRules, AssetCode, AssetHandle, Capture, Code, Command, CommandBody, Decimal, Effect,
    Event, Id, LedgerHandle, LedgerName, Leg, Link, Movement, RefusedTransfer, Rejection, Reversal,
    State, Transfer, TransferBatch, apply, decide,
};
use ledger_log::record::{Commit, FORMAT, HASH, Record};
use ledger_log::{
    Backend, Incarnation, LogError, LogId, LogInfo, Producer, RawRecord, Reader, ReportSink,
};
use ledger_proto::logged::{self, LoggedCommand};

use crate::replay::state_hash;
use crate::{AuditError, Report, Target, Until, replay};

const LOG: LogInfo = LogInfo { id: LogId([7; 16]), partition_count: 1 };

/// A log as a list of records, for a test to tamper with.
#[derive(Clone, Debug, Default)]
struct Stored {
    records: Vec<Vec<u8>>,
    /// Offsets that the storage itself reports as damaged.
    unreadable: Vec<u64>,
}

impl Backend for Stored {
    fn partition_count(&self) -> u32 {
        1
    }

    fn record_bytes_max(&self) -> usize {
        1 << 20
    }

    fn create(&self, _: u32, _: Vec<u8>) -> Result<(), LogError> {
        Err(LogError::Unavailable { what: "a log to read".into() })
    }

    fn producer(&self, _: u32, _: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        Err(LogError::Unavailable { what: "a log to read".into() })
    }

    fn read(&self, partition: u32, from: u64, _: usize) -> Result<Vec<RawRecord>, LogError> {
        let mut read = Vec::new();
        // Three at a time, so that a replay needs several reads.
        for (offset, bytes) in (0..).zip(&self.records).skip(from as usize).take(3) {
            if self.unreadable.contains(&offset) {
                if read.is_empty() {
                    let what = "checksum of the record".into();
                    return Err(LogError::Damaged { partition, offset, what });
                }
                break;
            }
            read.push(RawRecord { offset, bytes: bytes.clone() });
        }
        Ok(read)
    }

    fn end(&self, _: u32) -> Result<u64, LogError> {
        Ok(self.records.len() as u64)
    }

    fn wait(&self, _: u32, _: u64, _: Duration) {}
}

/// Writes a log as a writer does.
#[derive(Debug)]
struct Author {
    log: Stored,
    reader: Reader,
    state: State,
    now: u64,
}

impl Author {
    fn new() -> Self {
        let (log, reader) = (Stored::default(), Reader::new(LOG.id, 0));
        let mut author = Author { log, reader, state: State::default(), now: 1_000 };
        let hash = HASH.to_owned();
        author.push(Record::LogCreated { format: FORMAT, partition: 0, partition_count: 1, hash });
        author.push(Record::TermStarted(Incarnation([1; 16])));
        author
    }

    fn push(&mut self, record: Record) {
        self.push_bytes(record.encode(LOG.id));
    }

    fn push_bytes(&mut self, bytes: Vec<u8>) {
        let _ = self.reader.step(self.log.records.len() as u64, &bytes);
        self.log.records.push(bytes);
    }

    fn commit_of(&self, commands: Vec<Vec<u8>>) -> Commit {
        let cursor = self.reader.cursor();
        Commit {
            term: cursor.term,
            sequence: cursor.sequence + 1,
            recorded_at: self.now,
            prev_hash: cursor.chain,
            commands,
        }
    }

    /// Commits events as one command, decided by nobody.
    fn forge(&mut self, events: Vec<Event>) {
        self.now += 10;
        let commit = self.commit_of(vec![logged(None, events)]);
        self.push(Record::Commit(commit));
    }

    fn run(&mut self, request_id: Option<&str>, body: CommandBody) {
        self.now += 10;
        let ledger = LedgerName::parse("bank").unwrap();
        let request_id = request_id.map(|id| Id::parse(id).unwrap());
        let conditions = Vec::new();
        let command = Command { ledger, request_id: request_id.clone(), conditions, body };
        let now = self.now as i64;
        let decision = decide(&self.state, &command, &[], now);
        decision.events.iter().for_each(|event| apply(&mut self.state, event, now));
        self.state.record(now);
        let commit = self.commit_of(vec![logged(request_id, decision.events)]);
        self.push(Record::Commit(commit));
    }

    fn open(&mut self, name: &str, may_go_negative: bool) {
        let name = AccountName::parse(name).unwrap();
        let rules = AskedRules::without_limits(may_go_negative);
        let (account_type, metadata) = (AccountType::Liability, Default::default());
        self.run(None, CommandBody::OpenAccount { name, account_type, rules, metadata });
    }

    fn post(&mut self, transfers: &[(&str, &str, &str, u128)]) {
        let transfers = transfers
            .iter()
            .map(|(id, debit, credit, amount)| Transfer {
                id: Id::parse(id).unwrap(),
                movement: Movement::Post(Leg {
                    debit_account: AccountName::parse(debit).unwrap(),
                    credit_account: AccountName::parse(credit).unwrap(),
                    asset: AssetCode::parse("USD").unwrap(),
                    amount: Decimal::from_minor(*amount, 2),
                    up_to: false,
                }),
                reference: "".into(),
                effective_at: None,
                link: Link::Alone,
                metadata: Default::default(),
            })
            .collect();
        self.run(None, CommandBody::PostTransfers { transfers });
    }

    /// Offsets 0 and 1 begin the log, 2 to 6 set the bank up, 7 to 10 move money.
    fn bank() -> Self {
        let mut author = Author::new();
        author.run(Some("r-1"), CommandBody::CreateLedger { metadata: Default::default() });
        let code = AssetCode::parse("USD").unwrap();
        author.run(Some("r-2"), CommandBody::CreateAsset { code, scale: 2 });
        author.open("cash", true);
        author.open("alice", false);
        author.open("bob", false);
        author.post(&[("t-1", "cash", "alice", 500), ("t-2", "alice", "bob", 900)]);
        author.post(&[("t-3", "alice", "bob", 200)]);
        author.post(&[("t-4", "bob", "alice", 50), ("t-5", "bob", "cash", 1)]);
        author.open("bob", false);
        author
    }
}

fn logged(request_id: Option<Id>, events: Vec<Event>) -> Vec<u8> {
    logged::encode(&LoggedCommand {
        request_id,
        actor: String::new(),
        traceparent: String::new(),
        cause: None,
        source: None,
        content_hash: [0; 16],
        events,
    })
}

fn status(account: u64, status: AccountStatus) -> Event {
    let account = AccountHandle(account);
    Event::AccountStatusChanged { ledger: LedgerHandle(0), account, status }
}

fn moved(id: &str, debit: u64, credit: u64, amount: u128) -> Event {
    did(id, Effect::Post, debit, credit, amount)
}

fn did(id: &str, effect: Effect, debit: u64, credit: u64, amount: u128) -> Event {
    Event::TransferBatch(TransferBatch {
        ledger: LedgerHandle(0),
        accepted: vec![AcceptedTransfer {
            id: Id::parse(id).unwrap(),
            effect,
            debit_account: AccountHandle(debit),
            credit_account: AccountHandle(credit),
            asset: AssetHandle(0),
            amount,
            up_to: None,
            reference: "".into(),
            effective_at: None,
            link: Link::Alone,
            metadata: Default::default(),
        }],
        refused: Vec::new(),
    })
}

fn audit(log: &Stored, until: Until) -> Report {
    let target = Target { partition: 0, until };
    replay(log, LOG, target, None, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// The findings, as (invariant, position).
fn found(log: &Stored) -> Vec<(&'static str, String)> {
    let findings = audit(log, Until::End).findings.into_iter();
    findings.map(|f| (f.invariant, f.position.to_string())).collect()
}

fn one(invariant: &'static str, position: &str) -> Vec<(&'static str, String)> {
    vec![(invariant, position.to_owned())]
}

/// These events, forged behind a good log, stop the replay there.
fn stops_at(events: &[Event], position: &str) {
    let mut author = Author::bank();
    author.forge(events.to_vec());
    author.forge(vec![moved("t-10", 0, 1, 1)]);
    let Report { stopped, findings, .. } = audit(&author.log, Until::End);
    assert!(stopped, "{events:?}");
    let first = &findings[0];
    assert_eq!((first.invariant, first.position.to_string().as_str()), ("LD-3", position));
}

mod alerts;
mod customers;
mod groups;
mod holds;
mod locks;
mod metadata;
mod rules;
mod schedules;
mod sends;
mod service;
mod views;

#[test]
fn a_good_log_is_clean_and_the_replay_is_what_happened() {
    let author = Author::bank();
    let mut heard = Vec::new();
    let target = Target { partition: 0, until: Until::End };
    let report = replay(&author.log, LOG, target, None, &mut |read, total| {
        heard.push((read, total));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(report.findings, []);
    assert!(report.is_clean());
    assert_eq!(report.position.unwrap().to_string(), "0@10");
    assert_eq!((report.records, report.commits), (11, 9));
    assert_eq!((report.transfers, report.refusals, report.accounts), (4, 2, 3));
    assert_eq!(report.state_hash, state_hash(&author.state));
    assert_eq!(report.chain, author.reader.cursor().chain);
    assert_eq!(heard.first(), Some(&(0, 11)));
    assert_eq!(heard.last(), Some(&(11, 11)));
}

#[test]
fn stops_where_it_is_told() {
    let author = Author::bank();
    let position = "0@7".parse().unwrap();
    let report = audit(&author.log, Until::Position(position));
    assert_eq!((report.position, report.commits), (Some(position), 6));
    assert_eq!((report.transfers, report.refusals), (1, 1));
    // Commits are recorded from 1010 on, ten nanoseconds apart; 1059 is before the one at offset 7.
    let report = audit(&author.log, Until::Timestamp(1_059));
    assert_eq!(report.position.unwrap().to_string(), "0@6");
    assert!(report.is_clean());
    let report = audit(&author.log, Until::Timestamp(1_060));
    assert_eq!(report.position.unwrap().to_string(), "0@7");
    let future = Target { partition: 0, until: Until::Position("0@11".parse().unwrap()) };
    let error =
        replay(&author.log, LOG, future, None, &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, AuditError::Future { end: 11, .. }), "{error}");
    let other = Target { partition: 0, until: Until::Position("1@1".parse().unwrap()) };
    let error =
        replay(&author.log, LOG, other, None, &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, AuditError::OtherPartition { .. }), "{error}");
}

/// Of the last record only what the log's storage and the views know can tell. A commit whose sequence
/// was changed looks like one that does not count; the views tell that it did.
#[test]
fn every_other_flipped_bit_is_found_at_its_record_or_at_the_next_commit() {
    let good = Author::bank().log;
    let commits = audit(&good, Until::End).commits;
    let (mut seen, mut hidden) = (BTreeMap::new(), 0);
    for offset in 0..good.records.len() - 1 {
        for bit in 0..good.records[offset].len() * 8 {
            let mut log = good.clone();
            log.records[offset][bit / 8] ^= 1 << (bit % 8);
            let report = audit(&log, Until::End);
            let Some(first) = report.findings.first() else {
                assert!(report.commits < commits, "offset {offset} bit {bit}");
                hidden += 1;
                continue;
            };
            let at = first.position.offset as usize;
            // The record behind the chain's first two is the first with the hash of what is before it.
            assert!(at == offset || at == (offset + 1).max(2), "offset {offset} bit {bit}: {at}");
            *seen.entry(first.invariant).or_insert(0) += 1;
        }
    }
    assert!(seen["LG-1"] > 0 && seen["LG-4"] > 0, "{seen:?}");
    // Eight bits of the sequence's one byte, and a few that change its tag, in each of eight commits.
    assert!(hidden <= 8 * 16, "{hidden} hidden, {seen:?}");
}

#[test]
fn what_the_storage_cannot_read_is_located() {
    let mut log = Author::bank().log;
    log.unreadable.push(8);
    let report = audit(&log, Until::End);
    assert!(report.stopped);
    assert_eq!(report.position.unwrap().to_string(), "0@7");
    assert_eq!(found(&log), one("LG-1", "0@8"));
}

#[test]
fn a_removed_commit_leaves_a_finding_where_it_stood() {
    // The record and its offset are gone.
    let good = Author::bank().log;
    let mut gap = good.clone();
    gap.unreadable.push(7);
    assert_eq!(found(&gap), one("LG-1", "0@7"));
    // Other bytes stand in its place: those behind it do not count any more.
    let mut overwritten = good.clone();
    overwritten.records[8][0..7].copy_from_slice(&[0x0d, 0x4c, 0x47, 0x52, 0x31, 0, 0]);
    let expected = ["0@8", "0@9", "0@10"].map(str::to_owned);
    let places: Vec<_> = found(&overwritten).into_iter().map(|(_, at)| at).collect();
    assert_eq!(places, expected);
    // The others moved up: in flight behind one that failed there are not so many.
    let mut author = Author::bank();
    (0..70).for_each(|name| author.open(&format!("account-{name}"), false));
    let mut moved_up = author.log;
    moved_up.records.remove(7);
    assert_eq!(found(&moved_up), one("LG-2", "0@70"));
}

#[test]
fn a_commit_upon_another_past_stops_the_replay() {
    let mut author = Author::bank();
    let mut commit = author.commit_of(vec![logged(None, vec![moved("t-9", 0, 1, 1)])]);
    commit.recorded_at += 10;
    commit.prev_hash.0[0] ^= 1;
    author.push(Record::Commit(commit));
    assert_eq!(found(&author.log), one("LG-4", "0@11"));
    assert!(audit(&author.log, Until::End).stopped);
}

#[test]
fn a_commit_of_a_term_that_never_started_stops_the_replay() {
    let mut author = Author::bank();
    let mut commit = author.commit_of(Vec::new());
    commit.term += 1;
    author.push(Record::Commit(commit));
    assert_eq!(found(&author.log), one("LG-4", "0@11"));
}

#[test]
fn what_does_not_count_is_counted_as_skipped_and_is_no_finding() {
    let mut author = Author::bank();
    let state = state_hash(&author.state);
    let zombie = author.commit_of(vec![logged(None, vec![moved("t-9", 0, 1, 1)])]);
    author.push(Record::TermStarted(Incarnation([2; 16])));
    author.push(Record::Commit(zombie));
    let mut duplicate = author.commit_of(Vec::new());
    duplicate.sequence -= 1;
    author.push(Record::Commit(duplicate));
    let mut hole = author.commit_of(Vec::new());
    hole.sequence += 1;
    author.push(Record::Commit(hole));
    author.push_bytes(b"{\"not\": \"ours\"}".to_vec());
    let other = Record::TermStarted(Incarnation([3; 16])).encode(LogId([9; 16]));
    author.push_bytes(other);
    // Of a server that created the same log side by side.
    author.push_bytes(author.log.records[0].clone());
    let report = audit(&author.log, Until::End);
    assert_eq!(report.findings, []);
    let skips = report.skips;
    assert_eq!((skips.zombie, skips.duplicate, skips.hole, skips.foreign), (1, 1, 1, 3));
    assert_eq!(skips.total(), 6);
    assert_eq!(report.state_hash, state);
}

#[test]
fn time_that_stands_still_is_found() {
    let mut author = Author::bank();
    author.now -= 10;
    author.forge(vec![moved("t-9", 0, 1, 1)]);
    assert_eq!(found(&author.log), one("LG-5", "0@11"));
}

#[test]
fn an_id_with_two_outcomes_is_found() {
    let mut author = Author::bank();
    author.forge(vec![moved("t-8", 0, 1, 1), moved("t-3", 0, 1, 1)]);
    // t-2 was refused: it is burnt.
    author.forge(vec![moved("t-2", 0, 1, 1)]);
    let expected = [("LD-4", "0@11.1"), ("LD-4", "0@12.0")].map(|(i, at)| (i, at.to_owned()));
    assert_eq!(found(&author.log), expected);
    let mut author = Author::bank();
    let name = AccountName::parse("carol").unwrap();
    let rules = AskedRules::without_limits(false);
    let (account_type, metadata) = (AccountType::Asset, Default::default());
    author.run(Some("r-1"), CommandBody::OpenAccount { name, account_type, rules, metadata });
    assert_eq!(found(&author.log), one("LD-4", "0@11.0"));
}

#[test]
fn a_balance_past_its_rule_is_found_at_its_row() {
    let mut author = Author::bank();
    author.forge(vec![moved("t-8", 0, 1, 1), moved("t-9", 1, 2, 1_000_000)]);
    let findings = found(&author.log);
    assert_eq!(findings[0], ("LD-2", "0@11.1".to_owned()));
    // And over the whole state at the end.
    assert_eq!(findings[1], ("LD-2", "0@11".to_owned()));
    assert_eq!(findings.len(), 2);
}

#[test]
fn an_event_that_no_state_could_have_led_to_stops_the_replay() {
    let second = Event::LedgerCreated {
        ledger: LedgerHandle(1),
        name: LedgerName::parse("other").unwrap(),
        metadata: Default::default(),
    };
    let foreign_account = Event::AccountOpened {
        ledger: LedgerHandle(1),
        account: AccountHandle(3),
        name: AccountName::parse("x").unwrap(),
        account_type: AccountType::Asset,
        rules: AccountRules::without_limits(true),
        metadata: Default::default(),
    };
    let unknown_asset = match moved("t-9", 0, 1, 1) {
        Event::TransferBatch(mut batch) => {
            batch.accepted[0].asset = AssetHandle(4);
            Event::TransferBatch(batch)
        }
        event => event,
    };
    let again = Event::LedgerCreated {
        ledger: LedgerHandle(1),
        name: LedgerName::parse("bank").unwrap(),
        metadata: Default::default(),
    };
    let cases = [
        // Debits one ledger and credits another: unbalanced in both.
        (vec![second, foreign_account, moved("t-9", 0, 3, 1)], "0@11.2"),
        (vec![moved("t-9", 0, 0, 1)], "0@11.0"),
        (vec![moved("t-9", 0, 1, 0)], "0@11.0"),
        (vec![moved("t-9", 0, 17, 1)], "0@11.0"),
        (vec![unknown_asset], "0@11.0"),
        (vec![moved("t-8", 0, 1, 1), moved("t-9", 0, 1, u128::MAX)], "0@11.1"),
        (vec![again], "0@11.0"),
        (vec![status(0, AccountStatus::Frozen), moved("t-9", 0, 1, 1)], "0@11.1"),
        (vec![status(1, AccountStatus::Frozen), moved("t-9", 0, 1, 1)], "0@11.1"),
        (vec![moved("t-9", 0, 1, 1), status(0, AccountStatus::Closed)], "0@11.1"),
        (vec![status(17, AccountStatus::Frozen)], "0@11.0"),
    ];
    for (events, position) in cases {
        stops_at(&events, position);
    }
}

#[test]
fn a_command_that_cannot_be_read_stops_the_replay() {
    let mut author = Author::bank();
    author.now += 10;
    let commit = author.commit_of(vec![vec![0xff, 0xff]]);
    author.push(Record::Commit(commit));
    assert_eq!(found(&author.log), one("LG-1", "0@11"));
}
