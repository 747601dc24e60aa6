//! What is sealed for customers, opened as far as their keys are there.

use ledger_domain::{CustomerName, LedgerName, Metadata, MetadataChange};
use ledger_keys::{KeyError, Opener, Subject};
use ledger_proto::{Open, answer, v1};

use super::Fixed;
use crate::error::QueryError;

impl Fixed<'_> {
    /// Opens what was sealed for a customer; without keys nothing is opened. Each customer's are looked up once for
    /// an answer.
    pub(super) fn opener(
        &self,
        ledger: &LedgerName,
        customer: &CustomerName,
    ) -> Result<Option<Opener>, QueryError> {
        let subject = Subject { ledger: ledger.clone(), customer: customer.clone() };
        let Some(keys) = self.keys else { return Ok(None) };
        if let Some(opener) = self.openers.borrow().get(&subject) {
            return Ok(Some(opener.clone()));
        }
        let opener = keys.opener(&subject)?;
        self.openers.borrow_mut().insert(subject, opener.clone());
        Ok(Some(opener))
    }

    /// What of metadata is sealed, on the wire.
    pub(super) fn sealed_metadata(
        &self,
        ledger: &LedgerName,
        metadata: &Metadata,
    ) -> Result<Vec<v1::SealedMetadata>, QueryError> {
        self.opening(ledger, |open| answer::sealed_metadata(metadata, open))
    }

    /// Changes of metadata, on the wire.
    pub(super) fn metadata_changes(
        &self,
        ledger: &LedgerName,
        changes: &[MetadataChange],
    ) -> Result<Vec<v1::MetadataChange>, QueryError> {
        self.opening(ledger, |open| answer::metadata_changes(changes, open))
    }

    fn opening<T>(
        &self,
        ledger: &LedgerName,
        show: impl FnOnce(Open<'_>) -> T,
    ) -> Result<T, QueryError> {
        let mut failed = None;
        let shown = show(&mut |customer, key, sealed| match self.opener(ledger, customer) {
            Ok(opener) => opener?.open(key, sealed),
            // It stays so, and must not keep the rest of an account or a list from being read.
            Err(QueryError::Keys(error @ KeyError::Damaged { .. })) => {
                tracing::error!(%error, "a customer's metadata is unreadable");
                None
            }
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        });
        failed.map_or(Ok(shown), Err)
    }
}
