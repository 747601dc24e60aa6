//! A log that fails to be read, once, when it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_log::{Backend, LogError, Producer, RawRecord, ReportSink};

#[derive(Debug)]
pub(crate) struct Flaky<B: ?Sized> {
    pub(crate) log: Arc<B>,
    /// Reads until one fails; each of them gives one record.
    fails_after: Mutex<Option<u32>>,
}

impl<B: ?Sized> Flaky<B> {
    pub(crate) fn new(log: Arc<B>) -> Arc<Self> {
        Arc::new(Flaky { log, fails_after: Mutex::new(None) })
    }

    /// Lets so many reads pass, each of one record, and then one fail.
    pub(crate) fn fail_after(&self, reads: u32) {
        *self.fails_after.lock().unwrap() = Some(reads);
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
        self.log.wait(partition, from, at_most);
    }
}
