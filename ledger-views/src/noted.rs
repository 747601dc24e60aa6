//! Metadata while records are projected: an event tells what it changes, and its row all that is there then.

use std::collections::HashMap;

use ledger_domain::{LedgerHandle, Metadata, MetadataTarget};

use crate::key;
use crate::project::Balances;
use crate::row::{MetadataRow, Row};
use crate::store::{StoreError, ViewStore};
use crate::table::Table;

/// What has metadata.
pub(crate) type Subject = (LedgerHandle, MetadataTarget);

/// The metadata that changed since the store was written last, and as it was before the record being projected.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    changed: HashMap<Subject, Metadata>,
    undo: Vec<(Subject, Option<Metadata>)>,
}

impl Noted {
    /// Forgets everything: the store has what is true.
    pub(crate) fn clear(&mut self) {
        self.changed.clear();
        self.undo.clear();
    }

    /// Keeps what the last record changed.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what the last record changed.
    pub(crate) fn take_back(&mut self) {
        while let Some((subject, before)) = self.undo.pop() {
            match before {
                Some(before) => self.changed.insert(subject, before),
                None => self.changed.remove(&subject),
            };
        }
    }

    /// As it is after all that was projected.
    pub(crate) fn get(
        &self,
        store: &mut impl Balances,
        subject: &Subject,
    ) -> Result<Metadata, StoreError> {
        match self.changed.get(subject) {
            Some(metadata) => Ok(metadata.clone()),
            None => store.metadata(subject.0, &subject.1),
        }
    }

    pub(crate) fn set(&mut self, subject: Subject, metadata: Metadata) {
        let before = self.changed.insert(subject.clone(), metadata);
        self.undo.push((subject, before));
    }
}

/// Reads metadata as the store has it.
pub(crate) fn load(
    store: &dyn ViewStore,
    ledger: LedgerHandle,
    target: &MetadataTarget,
) -> Result<Metadata, StoreError> {
    let prefix = key::metadata_prefix(ledger, target);
    let mut found = Ok(Metadata::default());
    store.scan(Table::Metadata, &prefix, &prefix, &mut |_, bytes| {
        let what = || format!("metadata: a row of {target:?} of ledger {}", ledger.0);
        let row = MetadataRow::decode(bytes);
        found = row.map(|row| row.metadata).ok_or_else(|| StoreError::Damaged { what: what() });
        std::ops::ControlFlow::Break(())
    })?;
    found
}
