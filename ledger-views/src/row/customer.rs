//! Rows of customers.

use ledger_domain::{
    AccountHandle, CustomerHandle, CustomerName, LedgerHandle, MetadataKey, Profile, Sealed,
};

use super::Row;
use crate::code::{Source, put_number, put_text};
use crate::key::Place;

/// Of [`crate::Table::Customers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerRow {
    /// Its handle.
    pub handle: CustomerHandle,
    /// Where it was registered.
    pub place: Place,
    /// The accounts that were opened with it, in their order.
    pub accounts: Vec<AccountHandle>,
}

/// Of [`crate::Table::CustomerNames`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerNameRow {
    /// Its ledger.
    pub ledger: LedgerHandle,
    /// Its name.
    pub name: CustomerName,
}

/// Of [`crate::Table::Profiles`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileRow {
    /// This is kept, all of it.
    Kept(Profile),
    /// The customer was erased.
    Erased,
}

/// Of [`crate::Table::AccountCustomers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountCustomerRow(pub CustomerHandle);

impl Row for CustomerRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.handle.0);
        self.place.encode(out);
        put_number(out, self.accounts.len() as u64);
        for account in &self.accounts {
            put_number(out, account.0);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let handle = CustomerHandle(source.u64()?);
        let place = Place::decode(&mut source)?;
        let accounts = (0..source.number()?).map(|_| Some(AccountHandle(source.u64()?)));
        let accounts = accounts.collect::<Option<_>>()?;
        source.end(CustomerRow { handle, place, accounts })
    }
}

impl Row for CustomerNameRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.ledger.0);
        put_text(out, self.name.as_str());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let ledger = LedgerHandle(source.u32()?);
        let row = CustomerNameRow { ledger, name: CustomerName::from_log(source.text()?) };
        source.end(row)
    }
}

/// Its length, and its bytes.
pub(super) fn put_sealed(out: &mut Vec<u8>, sealed: &Sealed) {
    put_number(out, sealed.as_bytes().len() as u64);
    out.extend_from_slice(sealed.as_bytes());
}

pub(super) fn sealed(source: &mut Source<'_>) -> Option<Sealed> {
    let length = usize::try_from(source.u32()?).ok()?;
    Some(Sealed::from_bytes(source.bytes(length)?))
}

impl Row for ProfileRow {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ProfileRow::Erased => out.push(1),
            ProfileRow::Kept(profile) => {
                out.push(0);
                put_number(out, profile.len() as u64);
                for (key, sealed) in profile {
                    put_text(out, key.as_str());
                    put_sealed(out, sealed);
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let row = match source.byte()? {
            0 => {
                let values = (0..source.number()?).map(|_| {
                    let key = MetadataKey::from_log(source.text()?);
                    Some((key, sealed(&mut source)?))
                });
                ProfileRow::Kept(values.collect::<Option<_>>()?)
            }
            1 => ProfileRow::Erased,
            _ => return None,
        };
        source.end(row)
    }
}

impl Row for AccountCustomerRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.0.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let row = AccountCustomerRow(CustomerHandle(source.u64()?));
        source.end(row)
    }
}
