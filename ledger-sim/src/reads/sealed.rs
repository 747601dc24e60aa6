//! What is sealed, as answers have it: opened for as long as the customer's key is there.

use std::collections::BTreeMap;

use ledger_domain::{CustomerName, LedgerName};
use ledger_keys::{Kept, Subject};
use ledger_proto::v1;

use super::Reads;
use crate::model::{Decided, Noted, Person, Place, noted};
use crate::request::{Text, Texts, plain};

/// What is noted as of a place.
pub(super) fn noted_at(of: &Noted, at: Place) -> &Texts {
    static NOTHING: Texts = Texts::new();
    noted(of, at).map_or(&NOTHING, |(_, now)| now)
}

impl Reads<'_> {
    /// Whether what is sealed for a customer is opened: until the log has that they were erased, and the key was
    /// destroyed, which comes some time later.
    pub(super) fn opens(&self, ledger: &str, customer: &str) -> bool {
        let person = self.oracle.model.books[ledger].customers.get(customer);
        let (ledger, customer) = (LedgerName::from_log(ledger), CustomerName::from_log(customer));
        let kept = self.keys.find(&Subject { ledger, customer });
        kept != Ok(Kept::Erased) || !person.is_some_and(Person::is_erased)
    }

    pub(super) fn sealed(&self, ledger: &str, texts: &Texts) -> Vec<v1::SealedMetadata> {
        let mut by_customer: BTreeMap<&String, v1::SealedMetadata> = BTreeMap::new();
        for (key, Text { of, text }) in texts {
            let Some(customer) = of else { continue };
            let sealed = by_customer.entry(customer).or_default();
            customer.clone_into(&mut sealed.customer);
            if self.opens(ledger, customer) {
                self.seen.borrow_mut().note("read.opened");
                sealed.values.insert(key.clone(), text.clone());
            } else {
                self.seen.borrow_mut().note("read.unreadable");
                sealed.unreadable.push(key.clone());
            }
        }
        by_customer.into_values().collect()
    }

    pub(super) fn metadata_entry(&self, ledger: &str, key: &str, it: &Text) -> v1::MetadataEntry {
        use v1::metadata_entry::{SealedText, Value};
        let value = match &it.of {
            None => Value::Plain(it.text.clone()),
            Some(customer) => Value::Sealed(SealedText {
                customer: customer.clone(),
                text: self.opens(ledger, customer).then(|| it.text.clone()),
            }),
        };
        v1::MetadataEntry { key: key.to_owned(), value: Some(value) }
    }

    /// Whether a transfer has the metadata that is noted of it there.
    pub(super) fn is_noted(
        &self,
        ledger: &str,
        (found, decided): (&v1::Transfer, &Decided),
        bound: Place,
    ) -> bool {
        let due = decided.noted_at(bound);
        if decided.moved.is_some() {
            self.transfers.borrow_mut().push((ledger.to_owned(), found.transfer_id.clone()));
        }
        if noted(&decided.updates, bound).is_some() {
            self.seen.borrow_mut().note("read.updated_transfer");
        }
        found.metadata == plain(due) && found.sealed_metadata == self.sealed(ledger, due)
    }
}
