//! Metadata, as clients ask for it.

use std::collections::BTreeMap;

use ledger_domain::{Command, Rejection};
use ledger_proto::{request, v1};

use super::Request;

/// Values by key.
pub(crate) type Texts = BTreeMap<String, String>;

/// An update of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Name of the account whose; `None` is the ledger's own.
    pub(crate) of: Option<String>,
    pub(crate) set: Texts,
    pub(crate) remove: Vec<String>,
}

impl Request {
    /// A ledger to create, which is little but its metadata.
    pub(super) fn read_ledger(
        &self,
        metadata: &Texts,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        request::create_ledger(&v1::CreateLedgerRequest {
            ledger_id: self.ledger.clone(),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            metadata: metadata.clone(),
            conditions,
        })
    }

    pub(super) fn read_note(
        &self,
        note: &Note,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        let Note { of, set, remove } = note.clone();
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let name = format!("ledgers/{}", self.ledger);
        match of {
            None => request::update_ledger_metadata(&v1::UpdateLedgerMetadataRequest {
                name,
                set,
                remove,
                request_id,
                validate_only,
                conditions,
            }),
            Some(account) => {
                let name = format!("{name}/accounts/{account}");
                request::update_account_metadata(&v1::UpdateAccountMetadataRequest {
                    name,
                    set,
                    remove,
                    request_id,
                    validate_only,
                    conditions,
                })
            }
        }
    }
}
