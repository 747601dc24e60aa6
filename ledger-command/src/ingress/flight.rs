//! Records on their way, and what the threads tell each other of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ledger_log::kafka::records::KafkaRecord;
use ledger_proto::v1;

use super::FLIGHT_BYTES;
use super::codec::Encoding;
use crate::reply::Replied;
use crate::result::Answering;
use crate::run::ReplySink;

/// A record, and where and how its result goes.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) record: KafkaRecord,
    pub(super) encoding: Encoding,
    pub(super) correlation: Vec<u8>,
}

impl Envelope {
    pub(super) fn weight(&self) -> usize {
        FLIGHT_BYTES + self.record.weight()
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// With the partition's writer, or being answered.
    Open,
    /// To be asked again.
    Again,
    /// With the owner of another partition.
    Routed,
}

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) envelope: std::sync::Arc<Envelope>,
    pub(super) answering: Option<Answering>,
    pub(super) stage: Stage,
}

/// What was said to a command.
#[derive(Debug)]
pub(super) enum Said {
    /// By its partition's writer.
    Replied(Replied),
    /// By whoever could say it whole.
    Result(Box<v1::CommandResult>),
}

/// Shared by the group's thread, which alone adds and removes flights, the writers, the answerer and the
/// publisher. Every list is taken as a whole, so that no lock is taken for each record but the shortest.
#[derive(Debug, Default)]
pub(super) struct Shared {
    flights: Mutex<HashMap<u64, Flight>>,
    said: Mutex<Vec<(u64, Said)>>,
    came: Condvar,
    delivered: Mutex<Vec<u64>>,
    again: Mutex<Vec<(u64, String)>>,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn flights(&self) -> MutexGuard<'_, HashMap<u64, Flight>> {
        lock(&self.flights)
    }

    /// How many records of these partitions are at one of these stages.
    pub(super) fn count(&self, partitions: &[u32], stages: &[Stage]) -> usize {
        let flights = self.flights();
        let counted = flights.values().filter(|flight| {
            stages.contains(&flight.stage) && partitions.contains(&flight.envelope.record.partition)
        });
        counted.count()
    }

    pub(super) fn say(&self, some: Vec<(u64, Said)>) {
        if some.is_empty() {
            return;
        }
        let mut said = lock(&self.said);
        let was_empty = said.is_empty();
        said.extend(some);
        drop(said);
        // Who finds it empty waits; who does not takes this too.
        if was_empty {
            self.came.notify_all();
        }
    }

    /// Everything that was said, once something is; none when it shall end.
    pub(super) fn heard(&self) -> Vec<(u64, Said)> {
        let waits =
            |said: &mut Vec<(u64, Said)>| said.is_empty() && !self.stop.load(Ordering::Acquire);
        let said = self.came.wait_while(lock(&self.said), waits);
        std::mem::take(&mut *said.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn stop(&self) {
        let said = lock(&self.said);
        self.stop.store(true, Ordering::Release);
        drop(said);
        self.came.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn delivered(&self, tag: u64) {
        lock(&self.delivered).push(tag);
    }

    pub(super) fn ask_again(&self, tag: u64, why: String) {
        lock(&self.again).push((tag, why));
    }

    /// What was delivered, and what is to be asked again.
    pub(super) fn take_settled(&self) -> (Vec<u64>, Vec<(u64, String)>) {
        (std::mem::take(&mut *lock(&self.delivered)), std::mem::take(&mut *lock(&self.again)))
    }
}

impl ReplySink for Shared {
    fn replied(&self, tag: u64, replied: Replied) {
        let mut said = lock(&self.said);
        let was_empty = said.is_empty();
        said.push((tag, Said::Replied(replied)));
        drop(said);
        if was_empty {
            self.came.notify_all();
        }
    }
}
