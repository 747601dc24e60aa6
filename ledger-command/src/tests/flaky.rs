//! A log that fails to be read, once, when it is told to, or that is read a moment late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_log::{Backend, LogError, Producer, RawRecord, ReportSink};

#[derive(Debug)]
pub(crate) struct Flaky<B: ?Sized> {
    pub(crate) log: Arc<B>,
    /// Reads until one fails; each of them gives one record.
    fails_after: Mutex<Option<u32>>,
    /// Nothing is there before somebody has waited for it.
    late: AtomicBool,
}

impl<B: ?Sized> Flaky<B> {
    pub(crate) fn new(log: Arc<B>) -> Arc<Self> {
        Arc::new(Flaky { log, fails_after: Mutex::new(None), late: AtomicBool::new(false) })
    }

    /// Lets so many reads pass, each of one record, and then one fail.
    pub(crate) fn fail_after(&self, reads: u32) {
        *self.fails_after.lock().unwrap() = Some(reads);
    }

    /// What is read next is not there yet, until it is waited for.
    pub(crate) fn be_late(&self) {
        self.late.store(true, Ordering::Release);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.fails_after.lock().unwrap().is_none()
    }
}

impl<B: Backend + ?Sized> Backend for Flaky<B> {
    fn partition_count(&self) -> u32 {
        self.log.partition_count()
    }

    fn record_bytes_max(&self) -> usize {
        self.log.record_bytes_max()
    }

    fn create(&self, partition: u32, record: Vec<u8>) -> Result<(), LogError> {
        self.log.create(partition, record)
    }

    fn producer(&self, partition: u32, reports: ReportSink) -> Result<Box<dyn Producer>, LogError> {
        self.log.producer(partition, reports)
    }

    fn read(
        &self,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<RawRecord>, LogError> {
        if self.late.load(Ordering::Acquire) {
            return Ok(Vec::new());
        }
        let mut fails_after = self.fails_after.lock().unwrap();
        match *fails_after {
            None => self.log.read(partition, from, bytes_max),
            Some(0) => {
                *fails_after = None;
                Err(LogError::Unavailable { what: "nobody answers".into() })
            }
            Some(reads) => {
                *fails_after = Some(reads - 1);
                self.log.read(partition, from, 1)
            }
        }
    }

    fn end(&self, partition: u32) -> Result<u64, LogError> {
        self.log.end(partition)
    }

    fn wait(&self, partition: u32, from: u64, at_most: Duration) {
        if !self.late.swap(false, Ordering::AcqRel) {
            self.log.wait(partition, from, at_most);
        }
    }
}
