//! Customers, as clients ask for them.

use ledger_proto::v1;
use ledger_proto::v1::command::Request as Wire;

use super::{Request, Texts, metadata};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Customer {
    Register { name: String, accounts: Vec<NewAccount>, profile: Vec<(String, String)> },
    Update { name: String, set: Vec<(String, String)>, remove: Vec<String> },
    Erase { name: String },
}

/// An account that is opened with its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewAccount {
    pub(crate) name: String,
    /// Number of the type.
    pub(crate) kind: i32,
    pub(crate) metadata: Texts,
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
    pub(super) fn customer_to_wire(
        &self,
        asked: &Customer,
        conditions: Vec<v1::Condition>,
    ) -> Wire {
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let parent = format!("ledgers/{}", self.ledger);
        let name = format!("{parent}/customers/{}", asked.name());
        match asked {
            Customer::Register { name, accounts, profile } => Wire::Register(v1::RegisterRequest {
                parent,
                customer_id: name.clone(),
                accounts: accounts.iter().map(NewAccount::to_wire).collect(),
                profile: profile.iter().cloned().collect(),
                request_id,
                validate_only,
                conditions,
            }),
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
        }
    }
}

impl NewAccount {
    fn to_wire(&self) -> v1::NewAccount {
        v1::NewAccount {
            account_id: self.name.clone(),
            r#type: self.kind,
            rules: None,
            metadata: metadata::plain(&self.metadata),
            sealed_metadata: metadata::sealed(&self.metadata),
        }
    }
}
