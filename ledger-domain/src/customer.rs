//! Customers: whose accounts they are, and what is kept of the person under a key of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::{AccountType, CommandBody, write_field};
use crate::feed::{feed_length, feed_text};
use crate::metadata::Metadata;
use crate::name::{AccountName, CustomerName, MetadataKey};
use crate::rules::{AccountRules, AskedRules};
use crate::state::{AccountHandle, LedgerHandle};

/// A customer of this partition: the n-th that was registered in it, over all its ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustomerHandle(pub u64);

/// A text that only the customer's key opens; without the key nobody knows what it was. The same text of the
/// same customer under the same name is sealed to the same bytes, so that what was asked can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// Of the bytes that a sealer made, at most [`crate::limits::SEALED_BYTES_MAX`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Sealed(bytes.into())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is kept of a person, by name: "email", "phone".
pub type Profile = BTreeMap<MetadataKey, Sealed>;

/// Whose accounts they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its ledger.
    pub ledger: LedgerHandle,
    /// Its name, which says nothing of the person.
    pub name: CustomerName,
    /// Its accounts, in the order in which they were opened.
    pub accounts: Vec<AccountHandle>,
    /// What is kept of the person; empty once erased.
    pub profile: Profile,
    /// Its key is destroyed, and nothing more is kept of the person.
    pub erased: bool,
}

/// An account as it is asked for with its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedAccount {
    /// Its name.
    pub name: AccountName,
    /// Its type, and so its normal side.
    pub account_type: AccountType,
    /// Its rules.
    pub rules: AskedRules,
    /// Its metadata.
    pub metadata: Metadata,
}

/// An account that was opened with its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its handle, the next free one of the partition.
    pub account: AccountHandle,
    /// Its name.
    pub name: AccountName,
    /// Its type.
    pub account_type: AccountType,
    /// Its rules.
    pub rules: AccountRules,
    /// Its metadata.
    pub metadata: Metadata,
}

impl AskedAccount {
    /// Canonical bytes, as those of a command that opens it.
    pub(crate) fn write_content(&self, out: &mut Vec<u8>) {
        let AskedAccount { name, account_type, rules, metadata } = self;
        write_field(3, name.as_str().as_bytes(), out);
        write_field(4, &[account_type.number()], out);
        rules.write_content(out);
        metadata.write_content(out);
    }
}

/// Canonical bytes of a command about a customer; of any other none.
#[expect(clippy::wildcard_enum_match_arm, reason = "`Command` knows which are about customers")]
pub(crate) fn write_content(body: &CommandBody, out: &mut Vec<u8>) {
    match body {
        CommandBody::Register { customer, accounts, profile } => {
            write_field(2, &[18], out);
            write_field(3, customer.as_str().as_bytes(), out);
            let mut value = Vec::new();
            for account in accounts {
                value.clear();
                account.write_content(&mut value);
                write_field(4, &value, out);
            }
            write_profile(5, profile, out);
        }
        CommandBody::UpdateProfile { customer, set, remove } => {
            write_field(2, &[19], out);
            write_field(3, customer.as_str().as_bytes(), out);
            write_profile(4, set, out);
            for key in remove {
                write_field(5, key.as_str().as_bytes(), out);
            }
        }
        CommandBody::EraseCustomer { customer } => {
            write_field(2, &[20], out);
            write_field(3, customer.as_str().as_bytes(), out);
        }
        _ => {}
    }
}

/// A field for each of its values.
fn write_profile(number: u8, profile: &Profile, out: &mut Vec<u8>) {
    let mut value = Vec::new();
    for (key, Sealed(bytes)) in profile {
        value.clear();
        write_field(1, key.as_str().as_bytes(), &mut value);
        write_field(2, bytes, &mut value);
        write_field(number, &value, out);
    }
}

impl Customer {
    pub(crate) fn feed(&self, sink: &mut impl FnMut(&[u8])) {
        let Customer { ledger, name, accounts, profile, erased } = self;
        sink(&ledger.0.to_le_bytes());
        feed_text(name.as_str(), sink);
        feed_length(accounts.len(), sink);
        for account in accounts {
            sink(&account.0.to_le_bytes());
        }
        feed_length(profile.len(), sink);
        for (key, Sealed(bytes)) in profile {
            feed_text(key.as_str(), sink);
            feed_length(bytes.len(), sink);
            sink(bytes);
        }
        sink(&[u8::from(*erased)]);
    }
}
