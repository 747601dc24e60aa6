//! Customers, and what is kept of each: opened here, as far as the keys are there.

use ledger_domain::{CustomerName, LedgerName, Profile};
use ledger_keys::Opener;
use ledger_proto::{answer, resource, v1};
use ledger_views::{CustomerRow, Place, ProfileRow};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;
use crate::token::Paging;

impl Query {
    /// One customer, with what is kept.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_customer(
        &self,
        request: &v1::GetCustomerRequest,
    ) -> Result<v1::GetCustomerResponse, QueryError> {
        let (ledger, name) = resource::customer("name", &request.name)?;
        let read = self.fix(&ledger, request.consistency.as_ref(), None)?;
        let row = read.customer(&ledger, &name)?;
        let opener = read.opener(&ledger, &name)?;
        let newest = read.view.profiles(read.place, row.handle, 1)?.pop();
        let mut customer = read.wire_customer(&ledger, name.as_str(), &row)?;
        if let Some((place, profile)) = newest {
            let change = read.wire_change(place, &profile, &opener)?;
            customer.profile_position = change.position;
            customer.profile = change.profile;
            customer.unreadable = change.unreadable;
            customer.erased = change.erased;
        }
        Ok(v1::GetCustomerResponse { customer: Some(customer), read_at: Some(read.read_at) })
    }

    /// The customers of a ledger by name, without what is kept of them.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_customers(
        &self,
        request: &v1::ListCustomersRequest,
    ) -> Result<v1::ListCustomersResponse, QueryError> {
        let ledger = resource::ledger("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let paging =
            Paging::read(self.log_id, "ListCustomers", &[&request.parent], consistency, page)?;
        let read = self.fix(&ledger, consistency, paging.place()?)?;
        let book = read.ledger(&ledger)?.handle;
        let page = read.view.customers(read.place, book, paging.after()?, paging.limit)?;
        let next = page.after.as_ref().map(|name| paging.next(&[read.place], name.as_bytes()));
        let mut customers = Vec::with_capacity(page.items.len());
        for (name, row) in &page.items {
            let mut customer = read.wire_customer(&ledger, name, row)?;
            if let Some((place, row)) = read.view.profiles(read.place, row.handle, 1)?.pop() {
                customer.profile_position = read.at(place);
                customer.erased = row == ProfileRow::Erased;
            }
            customers.push(customer);
        }
        let next_page_token = next.unwrap_or_default();
        Ok(v1::ListCustomersResponse { customers, next_page_token, read_at: Some(read.read_at) })
    }

    /// What was kept of a person over time, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_profile_changes(
        &self,
        request: &v1::ListProfileChangesRequest,
    ) -> Result<v1::ListProfileChangesResponse, QueryError> {
        let (ledger, name) = resource::customer("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let paging =
            Paging::read(self.log_id, "ListProfileChanges", &[&request.parent], consistency, page)?;
        let read = self.fix(&ledger, consistency, paging.place()?)?;
        let row = read.customer(&ledger, &name)?;
        let opener = read.opener(&ledger, &name)?;
        let from = paging.begins_at(read.place)?;
        // One more than is shown: where the next page begins.
        let mut rows = read.view.profiles(from, row.handle, paging.limit + 1)?;
        let next_page_token = paging.cut(read.place, &mut rows);
        let change = |(place, row): &(Place, ProfileRow)| read.wire_change(*place, row, &opener);
        Ok(v1::ListProfileChangesResponse {
            changes: rows.iter().map(change).collect::<Result<_, _>>()?,
            next_page_token,
            read_at: Some(read.read_at),
        })
    }
}

impl Fixed<'_> {
    fn customer(
        &self,
        ledger: &LedgerName,
        name: &CustomerName,
    ) -> Result<CustomerRow, QueryError> {
        let ledger = self.ledger(ledger)?;
        let row = self.view.customer(self.place, ledger.handle, name.as_str())?;
        row.ok_or_else(|| self.not_found("UNKNOWN_CUSTOMER", "customer", name.as_str()))
    }

    /// Without what is kept.
    fn wire_customer(
        &self,
        ledger: &LedgerName,
        name: &str,
        row: &CustomerRow,
    ) -> Result<v1::Customer, QueryError> {
        let accounts = row.accounts.iter().map(|account| self.account_name(*account));
        let accounts = accounts.map(|name| name.map(|name| name.to_string()));
        Ok(v1::Customer {
            name: resource::customer_resource(ledger.as_str(), name),
            accounts: accounts.collect::<Result<_, _>>()?,
            position: self.at(row.place),
            ..Default::default()
        })
    }

    fn wire_change(
        &self,
        place: Place,
        row: &ProfileRow,
        opener: &Option<Opener>,
    ) -> Result<v1::ProfileChange, QueryError> {
        let none = Profile::new();
        let (kept, erased) = match row {
            ProfileRow::Kept(profile) => (profile, false),
            ProfileRow::Erased => (&none, true),
        };
        let mut change = v1::ProfileChange {
            position: self.at(place),
            recorded_at: Some(answer::timestamp(commit_row(self.view, place.offset)?.recorded_at)),
            erased,
            ..Default::default()
        };
        for (key, sealed) in kept {
            match opener.as_ref().and_then(|opener| opener.open(key, sealed)) {
                Some(text) => drop(change.profile.insert(key.to_string(), text)),
                None => change.unreadable.push(key.to_string()),
            }
        }
        Ok(change)
    }
}
