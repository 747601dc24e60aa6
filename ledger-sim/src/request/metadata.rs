//! Metadata, as clients ask for it.

use std::collections::BTreeMap;

use ledger_proto::v1;
use ledger_proto::v1::command::Request as Wire;

use super::Request;

/// Values by key.
pub(crate) type Texts = BTreeMap<String, Text>;

/// A value of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// Name of the customer whose key seals it; `None` where everybody reads it.
    pub(crate) of: Option<String>,
    pub(crate) text: String,
}

/// An update of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) of: NoteOf,
    pub(crate) set: Texts,
    pub(crate) remove: Vec<String>,
}

/// Whose metadata it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoteOf {
    Ledger,
    /// By name.
    Account(String),
    /// By id.
    Transfer(String),
}

impl Text {
    pub(crate) fn plain(text: &str) -> Self {
        Text { of: None, text: text.into() }
    }
}

/// What everybody reads.
pub(crate) fn plain(texts: &Texts) -> BTreeMap<String, String> {
    let open = texts.iter().filter(|(_, text)| text.of.is_none());
    open.map(|(key, text)| (key.clone(), text.text.clone())).collect()
}

/// What is to be sealed, by customer.
pub(super) fn sealed(texts: &Texts) -> Vec<v1::SealedMetadata> {
    let mut sealed: BTreeMap<&String, v1::SealedMetadata> = BTreeMap::new();
    for (key, Text { of, text }) in texts {
        let Some(customer) = of else { continue };
        sealed.entry(customer).or_default().values.insert(key.clone(), text.clone());
    }
    let named = |(customer, of): (&String, v1::SealedMetadata)| v1::SealedMetadata {
        customer: customer.clone(),
        ..of
    };
    sealed.into_iter().map(named).collect()
}

impl Request {
    pub(super) fn note_to_wire(&self, note: &Note, conditions: Vec<v1::Condition>) -> Wire {
        let Note { of, set, remove } = note;
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let (set, set_sealed, remove) = (plain(set), sealed(set), remove.clone());
        let name = format!("ledgers/{}", self.ledger);
        match of {
            NoteOf::Ledger => Wire::UpdateLedgerMetadata(v1::UpdateLedgerMetadataRequest {
                name,
                set,
                remove,
                request_id,
                validate_only,
                set_sealed,
                conditions,
            }),
            NoteOf::Account(account) => {
                Wire::UpdateAccountMetadata(v1::UpdateAccountMetadataRequest {
                    name: format!("{name}/accounts/{account}"),
                    set,
                    remove,
                    request_id,
                    validate_only,
                    set_sealed,
                    conditions,
                })
            }
            NoteOf::Transfer(id) => {
                Wire::UpdateTransferMetadata(v1::UpdateTransferMetadataRequest {
                    name: format!("{name}/transfers/{id}"),
                    set,
                    remove,
                    request_id,
                    validate_only,
                    set_sealed,
                    conditions,
                })
            }
        }
    }
}
