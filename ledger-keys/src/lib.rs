//! Keys of customers: what is kept of a person is sealed under the customer's own key, and gone for ever with it.
//!
//! ```text
//!   profile ─ Keys::sealer ─► Sealed ─► command ─► log, views, snapshots (bytes that say nothing)
//!                 │                                     │
//!             KeyStore  (a folder beside the log, or a topic of the cluster)
//!                 │                                     │
//!   profile ◄ Keys::opener ◄── Sealed ◄── query ◄───────┘
//! ```
//!
//! A key is made when its customer is named first, and destroyed when the customer is erased; a mark stays, so
//! that no other key is ever made. The log has neither: whoever erases need not, and cannot, change the log.

mod folder;
mod memory;
mod seal;
mod topic;

use std::fmt;
use std::sync::Arc;

use ledger_domain::{CustomerName, LedgerName};
use ledger_log::LogError;

pub use folder::FolderKeys;
pub use memory::MemoryKeys;
pub use seal::{Key, Opener, Sealer};
pub use topic::TopicKeys;

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The ledger.
    pub ledger: LedgerName,
    /// The customer of that ledger.
    pub customer: CustomerName,
}

/// No name holds a "/".
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ledger.as_str(), self.customer.as_str())
    }
}

/// Why a key cannot be had, kept or destroyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The place that keys are kept in cannot be read or written now.
    #[error("KEYS_UNAVAILABLE {what}")]
    Unavailable {
        /// What failed.
        what: String,
    },
    /// What stands there is no key.
    #[error("KEY_DAMAGED {what}")]
    Damaged {
        /// Where, and what is wrong.
        what: String,
    },
}

impl KeyError {
    /// What of it is for clients: where keys are kept is for the operator, who has the log lines.
    #[must_use]
    pub fn told(&self) -> &'static str {
        match self {
            KeyError::Unavailable { .. } => "the keys of customers cannot be read or written now",
            KeyError::Damaged { .. } => "what stands in the place of a customer's key is none",
        }
    }
}

impl From<LogError> for KeyError {
    fn from(error: LogError) -> Self {
        KeyError::Unavailable { what: error.to_string() }
    }
}

/// What is kept for a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it was never named.
    Nothing,
    /// Its keys, at least one: the first seals, each opens what it has sealed. Servers that made one at the
    /// same moment made several.
    Keys(Vec<Key>),
    /// The mark of one that was erased.
    Erased,
}

/// Where keys are kept.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// What is kept.
    ///
    /// # Errors
    /// [`KeyError`].
    fn find(&self, subject: &Subject) -> Result<Kept, KeyError>;

    /// Keeps these keys, at least one, where nothing is kept yet. They are durable on return.
    ///
    /// # Errors
    /// [`KeyError`]; then they may be kept or not.
    fn keep(&self, subject: &Subject, keys: &[Key]) -> Result<(), KeyError>;

    /// Destroys every key and leaves the mark; again is as once. It is durable on return, which says whether
    /// there was anything left to do.
    ///
    /// # Errors
    /// [`KeyError`]; then it must be asked for again.
    fn erase(&self, subject: &Subject) -> Result<bool, KeyError>;

    /// Visits all that is kept, in no order.
    ///
    /// # Errors
    /// [`KeyError`], and what the visitor fails with.
    fn each(
        &self,
        visit: &mut dyn FnMut(&Subject, Kept) -> Result<(), KeyError>,
    ) -> Result<(), KeyError>;
}

/// Brings all that one store keeps into another one, also that some were erased; how many customers that is.
/// What the other one has is left as it is.
///
/// # Errors
/// [`KeyError`]; then some may be there, and it can be asked for again.
pub fn copy(from: &dyn KeyStore, to: &dyn KeyStore) -> Result<u64, KeyError> {
    let mut customers = 0;
    from.each(&mut |subject, kept| {
        customers += 1;
        match kept {
            Kept::Keys(keys) => to.keep(subject, &keys),
            Kept::Erased => to.erase(subject).map(drop),
            Kept::Nothing => Ok(()),
        }
    })?;
    Ok(customers)
}

/// The keys of all customers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys {
    store: Arc<dyn KeyStore>,
    random: fn() -> [u8; 16],
}

impl Keys {
    /// Keys kept in `store`; new ones are made of what `random` gives, which nobody else must know.
    #[must_use]
    pub fn new(store: Arc<dyn KeyStore>, random: fn() -> [u8; 16]) -> Self {
        Keys { store, random }
    }

    /// Seals for a customer, with a key that is made now where there is none, if what is sealed is to be
    /// recorded. Otherwise, and for one that was erased, nothing of a text is left: a dry run is forgotten, the
    /// state refuses to change who is erased, and whoever asks again has asked the same.
    ///
    /// # Errors
    /// [`KeyError`]; nothing may be sealed then.
    pub fn sealer(&self, subject: &Subject, to_record: bool) -> Result<Sealer, KeyError> {
        let mut kept = self.store.find(subject)?;
        if kept == Kept::Nothing && to_record {
            self.store.keep(subject, &[Key::of(self.random)])?;
            kept = self.store.find(subject)?;
        }
        let key = match kept {
            Kept::Keys(keys) => keys.into_iter().next(),
            Kept::Nothing | Kept::Erased => None,
        };
        Ok(Sealer::new(key, subject))
    }

    /// Opens what was sealed for a customer, as far as its keys are there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn opener(&self, subject: &Subject) -> Result<Opener, KeyError> {
        let keys = match self.store.find(subject)? {
            Kept::Keys(keys) => keys,
            Kept::Nothing | Kept::Erased => Vec::new(),
        };
        Ok(Opener::new(keys, subject))
    }

    /// Destroys the keys of a customer; whether that was still to be done.
    ///
    /// # Errors
    /// [`KeyError`]; then it must be asked for again.
    pub fn erase(&self, subject: &Subject) -> Result<bool, KeyError> {
        self.store.erase(subject)
    }
}

#[cfg(test)]
mod tests;
