//! Keys in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Kept, Key, KeyError, KeyStore, Subject};

/// Keys that end with the process.
#[derive(Debug, Default)]
pub struct MemoryKeys {
    kept: Mutex<BTreeMap<Subject, Kept>>,
}

impl MemoryKeys {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<Subject, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for MemoryKeys {
    fn find(&self, subject: &Subject) -> Result<Kept, KeyError> {
        Ok(self.kept().get(subject).cloned().unwrap_or(Kept::Nothing))
    }

    fn keep(&self, subject: &Subject, keys: &[Key]) -> Result<(), KeyError> {
        let kept = Kept::Keys(keys.to_vec());
        self.kept().entry(subject.clone()).or_insert(kept);
        Ok(())
    }

    fn erase(&self, subject: &Subject) -> Result<bool, KeyError> {
        Ok(self.kept().insert(subject.clone(), Kept::Erased) != Some(Kept::Erased))
    }

    fn each(
        &self,
        visit: &mut dyn FnMut(&Subject, Kept) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let kept = self.kept().clone();
        kept.into_iter().try_for_each(|(subject, kept)| visit(&subject, kept))
    }
}
