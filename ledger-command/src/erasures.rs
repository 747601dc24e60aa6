//! Customers whose keys are to be destroyed, as the log has it, and the task that has it done.
//!
//! The log is the only memory: every follower hears of every erasure, and of all that there ever were when it
//! starts. To destroy a key again does nothing, so that none is forgotten, whoever dies when.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger_domain::{CustomerHandle, Event, State};
use ledger_keys::{KeyError, Keys, Subject};
use tokio::sync::Notify;

use crate::run::Handle;

/// How long after a failure it is tried again; also how often it is looked, though nothing was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Erased customers of a partition, whose keys this server has not destroyed yet.
#[derive(Debug, Default)]
pub struct Erasures {
    waiting: Mutex<BTreeSet<Subject>>,
    /// Told of every one.
    came: Arc<Notify>,
}

impl Erasures {
    /// None yet; it tells of each there.
    pub(crate) fn telling(came: Arc<Notify>) -> Self {
        Erasures { came, ..Erasures::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<Subject>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a state that was read from a snapshot.
    pub(crate) fn begin(&self, state: &State) {
        for (handle, customer) in (0..).map(CustomerHandle).zip(state.customers()) {
            if customer.erased {
                self.erased(state, handle);
            }
        }
    }

    /// Takes in an event that the log has and that was applied.
    pub(crate) fn follow(&self, state: &State, event: &Event) {
        if let Event::CustomerErased { customer, .. } = event {
            self.erased(state, *customer);
        }
    }

    fn erased(&self, state: &State, handle: CustomerHandle) {
        let Some(customer) = state.customer(handle) else { return };
        let Some(book) = state.ledger(customer.ledger) else { return };
        let (ledger, customer) = (book.name.clone(), customer.name.clone());
        self.waiting().insert(Subject { ledger, customer });
        self.came.notify_one();
    }

    /// Destroys the keys of all that wait, whatever becomes of one of them.
    ///
    /// # Errors
    /// [`KeyError`] of the last whose keys cannot be destroyed now: those wait on.
    pub fn destroy(&self, keys: &Keys) -> Result<(), KeyError> {
        let subjects = self.waiting().clone();
        let mut failed = Ok(());
        for subject in subjects {
            match keys.erase(&subject) {
                Ok(done) => {
                    self.waiting().remove(&subject);
                    if done {
                        tracing::info!(%subject, "the key of an erased customer is destroyed");
                    }
                }
                Err(error) => failed = Err(error),
            }
        }
        failed
    }
}

/// Destroys the keys of erased customers of all partitions, for as long as it is polled.
#[expect(clippy::disallowed_methods, reason = "the pauses of the real world")]
pub async fn drive(handle: Handle, keys: Keys) {
    let came = handle.erasures_came();
    loop {
        let (all, keys) = (handle.clone(), keys.clone());
        let done = tokio::task::spawn_blocking(move || {
            let links = (0..all.partition_count()).filter_map(|partition| all.link(partition));
            links.map(|link| link.erasures().destroy(&keys)).fold(Ok(()), Result::and)
        });
        match done.await {
            Ok(Ok(())) => {
                let _ = tokio::time::timeout(LOOK_AGAIN, came.notified()).await;
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the key of an erased customer is not destroyed yet");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => {
                tracing::error!(%error, "keys of erased customers are not destroyed yet");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_domain::{CustomerName, LedgerName};
    use ledger_keys::{Kept, Key, KeyStore, MemoryKeys};

    use super::*;

    /// As a disk with one bad file.
    #[derive(Debug, Default)]
    struct Stuck(MemoryKeys);

    impl KeyStore for Stuck {
        fn find(&self, subject: &Subject) -> Result<Kept, KeyError> {
            self.0.find(subject)
        }

        fn keep(&self, subject: &Subject, keys: &[Key]) -> Result<(), KeyError> {
            self.0.keep(subject, keys)
        }

        fn erase(&self, subject: &Subject) -> Result<bool, KeyError> {
            match subject.customer.as_str() {
                "ann" => Err(KeyError::Unavailable { what: "a bad file".into() }),
                _ => self.0.erase(subject),
            }
        }

        fn each(
            &self,
            visit: &mut dyn FnMut(&Subject, Kept) -> Result<(), KeyError>,
        ) -> Result<(), KeyError> {
            self.0.each(visit)
        }
    }

    #[test]
    fn one_key_that_cannot_be_destroyed_keeps_no_other() {
        let subject = |customer: &str| Subject {
            ledger: LedgerName::parse("bank").unwrap(),
            customer: CustomerName::parse(customer).unwrap(),
        };
        let store = Arc::new(Stuck::default());
        let keys = Keys::new(store.clone(), || [7; 16]);
        let erasures = Erasures::default();
        erasures.waiting().extend([subject("ann"), subject("bob")]);
        for _ in 0..2 {
            assert!(matches!(erasures.destroy(&keys), Err(KeyError::Unavailable { .. })));
            assert_eq!(store.find(&subject("bob")), Ok(Kept::Erased));
            assert_eq!(erasures.waiting().iter().collect::<Vec<_>>(), [&subject("ann")]);
        }
    }
}
