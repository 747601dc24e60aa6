//! Keys on a Kafka cluster: rows of a compacted topic that all servers follow. A destroyed key is a tombstone,
//! and gone from the brokers' disks once they have compacted.
//!
//! A row's key is `bank/c-1042/<id of the key>`, its value the key; the mark of who was erased is the row
//! `bank/c-1042/`, which sorts before any of its keys.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger_domain::{CustomerName, LedgerName};
use ledger_log::LogError;
use ledger_log::kafka::publish::{Outgoing, PublishOptions, Publisher};
use ledger_log::kafka::table::{Row, Table};
use ledger_log::kafka::{Cluster, Topic};

use crate::{Kept, Key, KeyError, KeyStore, Subject};

/// How long the brokers may take to say that they have a row, and for it to come back.
const ROW_TIMEOUT: Duration = Duration::from_secs(10);
const ERASED: &[u8] = b"erased";

/// Keys on a cluster.
pub struct TopicKeys {
    table: Table,
    publisher: Mutex<Publisher>,
    waits: Arc<Waits>,
}

/// Who waits for the row that is on its way: one at a time.
type Waits = Mutex<Option<SyncSender<Result<(), LogError>>>>;

impl TopicKeys {
    /// Creates the topic where there is none, and begins to follow it.
    ///
    /// # Errors
    /// [`LogError::Mismatch`] for a topic in which keys may vanish, [`LogError::Unavailable`] when no broker
    /// answers.
    pub fn open(cluster: &Cluster) -> Result<TopicKeys, LogError> {
        // It has one, however many the log has.
        cluster.ensure(Topic::Keys, 1)?;
        let topic = cluster.options().topic(Topic::Keys);
        let table = Table::follow(cluster, &topic, None)?;
        let waits: Arc<Waits> = Arc::default();
        let told = {
            let waits = Arc::clone(&waits);
            move |_: u64, sent: Result<(), LogError>| {
                let waiting = waits.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Whoever waited too long is told nothing.
                let _ = waiting.map(|waiting| waiting.try_send(sent));
            }
        };
        let options = PublishOptions {
            delivery_timeout: Some(ROW_TIMEOUT),
            linger: Duration::ZERO,
            ..PublishOptions::to(topic)
        };
        let publisher = Mutex::new(Publisher::new(cluster, options, Box::new(told))?);
        Ok(TopicKeys { table, publisher, waits })
    }

    /// Writes rows one after the other, and waits until the brokers have each.
    fn write(&self, rows: &[(Vec<u8>, Option<&[u8]>)]) -> Result<(), KeyError> {
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in rows {
            let (waits, told) = sync_channel(1);
            *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(waits);
            let key = Some(key.as_slice());
            let row = Outgoing { partition: Some(0), key, value: *value, ..Outgoing::default() };
            publisher.publish(0, &row)?;
            let silent = |_| KeyError::Unavailable { what: "the brokers do not answer".into() };
            told.recv_timeout(2 * ROW_TIMEOUT).map_err(silent)??;
        }
        Ok(())
    }

    /// The rows of a customer: whether the mark is there, and those of its keys, the first kept one first.
    fn rows(&self, subject: &Subject) -> Result<(bool, Vec<Row>), KeyError> {
        self.await_all()?;
        let mark = mark_of(subject);
        let mut rows = self.table.starting_with(&mark);
        let all = rows.len();
        rows.retain(|row| row.key != mark);
        let marked = rows.len() < all;
        // All servers read one order, and so agree which of several seals.
        rows.sort_by_key(|row| row.offset);
        Ok((marked, rows))
    }

    /// Waits until all that was there is read.
    fn await_all(&self) -> Result<(), KeyError> {
        if self.table.wait_complete(ROW_TIMEOUT) {
            return Ok(());
        }
        Err(KeyError::Unavailable { what: "the keys are not read yet".into() })
    }

    /// Waits until one of these is read.
    fn await_any(&self, keys: &[&[u8]]) -> Result<(), KeyError> {
        if self.table.wait_any(keys, ROW_TIMEOUT) {
            return Ok(());
        }
        Err(KeyError::Unavailable { what: "a row of the keys does not come back".into() })
    }

    fn destroy(&self, rows: &[Row]) -> Result<(), KeyError> {
        let rows: Vec<_> = rows.iter().map(|row| (row.key.clone(), None)).collect();
        self.write(&rows)
    }
}

impl KeyStore for TopicKeys {
    fn find(&self, subject: &Subject) -> Result<Kept, KeyError> {
        let (marked, rows) = self.rows(subject)?;
        if marked {
            return Ok(Kept::Erased);
        }
        let key = |row: Row| {
            Key::from_bytes(&row.value).ok_or_else(|| KeyError::Damaged { what: shown(&row.key) })
        };
        let keys = rows.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        Ok(if keys.is_empty() { Kept::Nothing } else { Kept::Keys(keys) })
    }

    fn keep(&self, subject: &Subject, keys: &[Key]) -> Result<(), KeyError> {
        if self.find(subject)? != Kept::Nothing {
            return Ok(());
        }
        let row = |key| (row_of(subject, key), Some(Key::as_bytes(key)));
        let rows: Vec<_> = keys.iter().map(row).collect();
        self.write(&rows)?;
        let mark = mark_of(subject);
        rows.iter().try_for_each(|(row, _)| self.await_any(&[row, &mark]))?;
        // Whoever erased the customer meanwhile may not have seen these.
        match self.rows(subject)? {
            (true, rows) => self.destroy(&rows),
            (false, _) => Ok(()),
        }
    }

    /// The mark first: from then on nobody makes a key, and whoever reads it has read each that was made before.
    /// What another server could not destroy is destroyed here, for each erases each customer.
    fn erase(&self, subject: &Subject) -> Result<bool, KeyError> {
        let mark = mark_of(subject);
        let (marked, rows) = self.rows(subject)?;
        if marked && rows.is_empty() {
            return Ok(false);
        }
        if !marked {
            self.write(&[(mark.clone(), Some(ERASED))])?;
            self.await_any(&[&mark])?;
        }
        let (_, rows) = self.rows(subject)?;
        self.destroy(&rows)?;
        Ok(true)
    }

    fn each(
        &self,
        visit: &mut dyn FnMut(&Subject, Kept) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        self.await_all()?;
        let rows = self.table.all();
        let subjects = rows.keys().map(|row| {
            let damaged = || KeyError::Damaged { what: shown(row) };
            subject_of(row).ok_or_else(damaged)
        });
        let subjects = subjects.collect::<Result<BTreeSet<_>, _>>()?;
        for subject in subjects {
            visit(&subject, self.find(&subject)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicKeys").field("table", &self.table).finish_non_exhaustive()
    }
}

fn shown(row: &[u8]) -> String {
    format!("row {} of the keys", String::from_utf8_lossy(row))
}

fn subject_of(row: &[u8]) -> Option<Subject> {
    let mut parts = std::str::from_utf8(row).ok()?.split('/');
    let ledger = LedgerName::parse(parts.next()?).ok()?;
    let customer = CustomerName::parse(parts.next()?).ok()?;
    (parts.count() == 1).then_some(Subject { ledger, customer })
}

fn mark_of(subject: &Subject) -> Vec<u8> {
    format!("{subject}/").into_bytes()
}

fn row_of(subject: &Subject, key: &Key) -> Vec<u8> {
    let id: String = key.id().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{subject}/{id}").into_bytes()
}
