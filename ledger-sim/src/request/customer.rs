//! Customers, as clients ask for them; what is kept of a person is sealed as the server's edge does.

use ledger_domain::{Command, MetadataKey, Rejection};
use ledger_keys::{KeyError, Keys, Subject};
use ledger_proto::command::{Prepared, prepare};
use ledger_proto::v1;
use ledger_proto::v1::command::Request as Wire;

use super::Request;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Customer {
    Register {
        name: String,
        /// Name and number of the type.
        accounts: Vec<(String, i32)>,
        profile: Vec<(String, String)>,
    },
    Update {
        name: String,
        set: Vec<(String, String)>,
        remove: Vec<String>,
    },
    Erase {
        name: String,
    },
}

impl Customer {
    pub(crate) fn name(&self) -> &str {
        match self {
            Customer::Register { name, .. }
            | Customer::Update { name, .. }
            | Customer::Erase { name } => name,
        }
    }
}

impl Request {
    pub(super) fn read_customer(
        &self,
        asked: &Customer,
        conditions: Vec<v1::Condition>,
        keys: &Keys,
    ) -> Result<Command, Rejection> {
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let parent = format!("ledgers/{}", self.ledger);
        let name = format!("{parent}/customers/{}", asked.name());
        let request = match asked {
            Customer::Register { name, accounts, profile } => {
                let account = |(name, kind): &(String, i32)| v1::NewAccount {
                    account_id: name.clone(),
                    r#type: *kind,
                    rules: None,
                };
                Wire::Register(v1::RegisterRequest {
                    parent,
                    customer_id: name.clone(),
                    accounts: accounts.iter().map(account).collect(),
                    profile: profile.iter().cloned().collect(),
                    request_id,
                    validate_only,
                    conditions,
                })
            }
            Customer::Update { set, remove, .. } => Wire::UpdateProfile(v1::UpdateProfileRequest {
                name,
                set: set.iter().cloned().collect(),
                remove: remove.clone(),
                request_id,
                validate_only,
                conditions,
            }),
            Customer::Erase { .. } => Wire::EraseCustomer(v1::EraseCustomerRequest {
                name,
                request_id,
                validate_only,
                conditions,
            }),
        };
        let prepared = prepare(&v1::Command { request: Some(request) })?;
        Ok(seal(prepared, keys).unwrap_or_else(|error| panic!("keys in memory: {error}")))
    }
}

fn seal(prepared: Prepared, keys: &Keys) -> Result<Command, KeyError> {
    prepared.command.seal(|ledger, customer| {
        let subject = Subject { ledger: ledger.clone(), customer: customer.clone() };
        let sealer = keys.sealer(&subject, !prepared.validate_only)?;
        Ok(move |key: &MetadataKey, text: &str| sealer.seal(key, text))
    })
}
