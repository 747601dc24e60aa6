//! A log in memory, written record by record as a writer would, or as none should.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_domain::Event;
use ledger_log::record::{Commit, FORMAT, HASH, Record};
use ledger_log::{
    Backend, Chain, ConfirmedEnd, Incarnation, KnownEnd, LogError, LogId, LogInfo, Producer,
    RawRecord, ReportSink,
};
use ledger_proto::logged::{self, LoggedCommand};

pub(crate) const LOG: LogInfo = LogInfo { id: LogId([7; 16]), partition_count: 1 };

#[derive(Clone, Debug)]
pub(crate) struct TestLog {
    records: Arc<Mutex<Vec<Vec<u8>>>>,
    available: Arc<AtomicBool>,
    said: Arc<Mutex<Option<ConfirmedEnd>>>,
    chain: Chain,
    term: u64,
    sequence: u64,
    recorded_at: u64,
    counted: u64,
}

pub(crate) fn encode(events: &[Event]) -> Vec<u8> {
    logged::encode(&LoggedCommand {
        request_id: None,
        actor: String::new(),
        traceparent: String::new(),
        cause: None,
        source: None,
        content_hash: [0; 16],
        events: events.to_vec(),
    })
}

impl TestLog {
    pub(crate) fn created() -> Self {
        let mut log = TestLog {
            records: Arc::default(),
            available: Arc::new(AtomicBool::new(true)),
            said: Arc::default(),
            chain: Chain::START,
            term: 0,
            sequence: 0,
            recorded_at: 1_000,
            counted: 0,
        };
        let created = Record::LogCreated {
            format: FORMAT,
            partition: 0,
            partition_count: 1,
            hash: HASH.into(),
        };
        let bytes = created.encode(LOG.id);
        log.chain = log.chain.after(&bytes);
        log.push(bytes);
        log
    }

    fn push(&self, bytes: Vec<u8>) {
        self.records.lock().unwrap().push(bytes);
    }

    fn next(&self) -> u64 {
        self.records.lock().unwrap().len() as u64
    }

    /// Offset of the last record that counts.
    pub(crate) fn counted(&self) -> u64 {
        self.counted
    }

    pub(crate) fn term(&mut self) {
        let offset = self.next();
        let bytes =
            Record::TermStarted(Incarnation(u128::from(offset).to_le_bytes())).encode(LOG.id);
        (self.term, self.counted) = (offset, offset);
        self.chain = self.chain.after_term(offset, &bytes);
        self.push(bytes);
    }

    pub(crate) fn commit(&mut self, events: &[Event]) {
        self.commit_bytes(vec![encode(events)]);
    }

    pub(crate) fn commit_bytes(&mut self, commands: Vec<Vec<u8>>) {
        (self.sequence, self.recorded_at) = (self.sequence + 1, self.recorded_at + 10);
        self.counted = self.next();
        let bytes = self.encoded(self.term, self.sequence, self.chain, commands);
        self.chain = self.chain.after(&bytes);
        self.push(bytes);
    }

    pub(crate) fn zombie(&mut self) {
        let bytes = self.encoded(self.term - 1, self.sequence + 1, self.chain, vec![]);
        self.push(bytes);
    }

    pub(crate) fn duplicate(&mut self) {
        let bytes = self.encoded(self.term, self.sequence, Chain::START, vec![]);
        self.push(bytes);
    }

    pub(crate) fn hole(&mut self) {
        let bytes = self.encoded(self.term, self.sequence + 2, self.chain, vec![]);
        self.push(bytes);
    }

    pub(crate) fn foreign(&mut self) {
        self.push(b"{\"not\":\"ours\"}".to_vec());
    }

    pub(crate) fn wrong_past(&mut self, events: &[Event]) {
        let bytes =
            self.encoded(self.term, self.sequence + 1, Chain([9; 32]), vec![encode(events)]);
        self.push(bytes);
    }

    fn encoded(
        &self,
        term: u64,
        sequence: u64,
        prev_hash: Chain,
        commands: Vec<Vec<u8>>,
    ) -> Vec<u8> {
        let recorded_at = self.recorded_at;
        Record::Commit(Commit { term, sequence, recorded_at, prev_hash, commands }).encode(LOG.id)
    }

    /// A log that ends before this offset; where the writer stood at its last commit.
    pub(crate) fn cut(&self, end: u64) -> Self {
        let mut log = TestLog { records: Arc::default(), ..TestLog::created() };
        for (offset, bytes) in self.records.lock().unwrap().iter().enumerate() {
            if offset as u64 == end {
                break;
            }
            match Record::decode(bytes) {
                Ok((_, Record::TermStarted(_))) => {
                    (log.term, log.counted) = (offset as u64, offset as u64);
                    log.chain = log.chain.after_term(offset as u64, bytes);
                }
                Ok((_, Record::Commit(commit))) if commit.prev_hash == log.chain => {
                    (log.sequence, log.recorded_at) = (commit.sequence, commit.recorded_at);
                    log.chain = log.chain.after(bytes);
                }
                _ => {}
            }
            log.push(bytes.clone());
        }
        log
    }

    /// A log in which the last byte of one record is another.
    pub(crate) fn flipped(&self, offset: u64) -> Self {
        let log = self.cut(u64::MAX);
        if let Some(last) = log.records.lock().unwrap()[offset as usize].last_mut() {
            *last ^= 1;
        }
        log
    }

    /// Loses what is behind this offset, under everyone who has it open.
    pub(crate) fn lose_from(&self, end: u64) {
        self.records.lock().unwrap().truncate(end as usize);
    }

    pub(crate) fn set_available(&self, available: bool) {
        self.available.store(available, Ordering::Relaxed);
    }
}

impl Backend for TestLog {
    fn partition_count(&self) -> u32 {
        1
    }

    fn record_bytes_max(&self) -> usize {
        1 << 20
    }

    fn create(&self, _: u32, record: Vec<u8>) -> Result<(), LogError> {
        self.push(record);
        Ok(())
    }

    fn producer(&self, _: u32, _: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        Err(LogError::Unavailable { what: "this log is written by its test".into() })
    }

    fn read(&self, _: u32, from: u64, bytes_max: usize) -> Result<Vec<RawRecord>, LogError> {
        if !self.available.load(Ordering::Relaxed) {
            return Err(LogError::Unavailable { what: "for a while".into() });
        }
        let mut left = bytes_max;
        let mut found = Vec::new();
        for (offset, bytes) in self.records.lock().unwrap().iter().enumerate().skip(from as usize) {
            if !found.is_empty() && bytes.len() > left {
                break;
            }
            left = left.saturating_sub(bytes.len());
            found.push(RawRecord { offset: offset as u64, bytes: bytes.clone() });
        }
        Ok(found)
    }

    fn end(&self, _: u32) -> Result<u64, LogError> {
        Ok(self.next())
    }

    /// As of a log that has to be asked: what it said last stands while it is away.
    fn known_end(&self, _: u32, now_ns: u64) -> Option<KnownEnd> {
        let mut said = self.said.lock().unwrap();
        if self.available.load(Ordering::Relaxed) {
            *said = Some(ConfirmedEnd { end: self.next(), at_ns: now_ns });
        }
        Some(KnownEnd { end: said.map_or(0, |said| said.end), confirmed: *said })
    }

    fn wait(&self, _: u32, _: u64, _: Duration) {
        std::thread::yield_now();
    }
}
