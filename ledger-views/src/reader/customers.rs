//! Customers, and what was kept of each.

use ledger_domain::{AccountHandle, CustomerHandle, LedgerHandle};

use super::{Page, Placed, ViewReader};
use crate::key::{self, Place};
use crate::row::{AccountCustomerRow, CustomerNameRow, CustomerRow, ProfileRow};
use crate::store::StoreError;
use crate::table::Table;

impl Placed for CustomerRow {
    fn place(&self) -> Place {
        self.place
    }
}

impl ViewReader {
    /// The customer with this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn customer(
        &self,
        at: Place,
        ledger: LedgerHandle,
        name: &str,
    ) -> Result<Option<CustomerRow>, StoreError> {
        self.placed(at, Table::Customers, &key::named(ledger, name))
    }

    /// At most `limit` customers of a ledger by name, after this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn customers(
        &self,
        at: Place,
        ledger: LedgerHandle,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<CustomerRow>, StoreError> {
        self.list(at, Table::Customers, &ledger.0.to_be_bytes(), after, limit)
    }

    /// Ledger and name of a customer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn customer_name(
        &self,
        customer: CustomerHandle,
    ) -> Result<Option<CustomerNameRow>, StoreError> {
        self.typed(Table::CustomerNames, &customer.0.to_be_bytes())
    }

    /// The customer that an account was opened with. An account that is there has the same one at every place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_customer(
        &self,
        account: AccountHandle,
    ) -> Result<Option<CustomerNameRow>, StoreError> {
        let row = self.typed(Table::AccountCustomers, &account.0.to_be_bytes())?;
        let Some(AccountCustomerRow(customer)) = row else { return Ok(None) };
        self.customer_name(customer)
    }

    /// At most `limit` changes of what was kept of a person, newest first, each with its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn profiles(
        &self,
        at: Place,
        customer: CustomerHandle,
        limit: usize,
    ) -> Result<Vec<(Place, ProfileRow)>, StoreError> {
        let (prefix, from) = (customer.0.to_be_bytes(), key::profile(customer, at));
        self.newest_first(Table::Profiles, &prefix, &from, limit)
    }
}
