//! Customers, and what was kept of each: all of it in plain, or, once the key is destroyed, none.

use std::collections::BTreeMap;

use ledger_domain::Position;
use ledger_proto::v1;

use super::{Level, Reads};
use crate::model::{Book, Kept, Person, Place};

impl Reads<'_> {
    pub(super) fn customer(
        &self,
        ledger: &str,
        book: &Book,
        name: &str,
        level: Level,
    ) -> Result<String, String> {
        let person = &book.customers[name];
        let request = v1::GetCustomerRequest {
            name: format!("ledgers/{ledger}/customers/{name}"),
            consistency: Some(level.wire()),
        };
        let response = match self.query.get_customer(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, person.registered()),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let read = response.customer.unwrap_or_default();
        let at = person.kept.iter().rev().find(|(place, _)| *place <= bound);
        let (place, kept) = at.ok_or_else(|| format!("{name} was read before it was there"))?;
        let due = v1::Customer {
            profile_position: self.place(*place),
            erased: kept.is_none(),
            profile: read.profile.clone(),
            unreadable: read.unreadable.clone(),
            ..self.registered(ledger, name, person)
        };
        if read != due {
            return Err(format!("{name}: due {due:?}, read {read:?}"));
        }
        self.right((ledger, name), kept, &read.profile, &read.unreadable)?;
        self.profile_changes(ledger, person, name, level)
    }

    /// All pages of the history, two by two.
    fn profile_changes(
        &self,
        ledger: &str,
        person: &Person,
        name: &str,
        level: Level,
    ) -> Result<String, String> {
        let mut request = v1::ListProfileChangesRequest {
            parent: format!("ledgers/{ledger}/customers/{name}"),
            consistency: Some(level.wire()),
            page_size: 2,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response =
                self.query.list_profile_changes(&request).map_err(|error| error.to_string())?;
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.changes);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let due: Vec<_> = person.kept.iter().rev().filter(|(place, _)| *place <= bound).collect();
        if read.len() != due.len() {
            return Err(format!("{name}: due {due:?}, read {read:?}"));
        }
        for (read, (place, kept)) in read.iter().zip(due) {
            if read.position != self.place(*place) || read.erased != kept.is_none() {
                return Err(format!("{name}: due {kept:?} at {place:?}, read {read:?}"));
            }
            self.right((ledger, name), kept, &read.profile, &read.unreadable)?;
        }
        Ok(format!("customer {name} at {bound:?}"))
    }

    pub(super) fn customers(
        &self,
        ledger: &str,
        book: &Book,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let mut request = v1::ListCustomersRequest {
            parent: format!("ledgers/{ledger}"),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_customers(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, book.created),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.customers);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let due = book.customers.iter().filter_map(|(name, person)| {
            let at = person.kept.iter().rev().find(|(place, _)| *place <= bound);
            at.map(|(place, kept)| v1::Customer {
                profile_position: self.place(*place),
                erased: kept.is_none(),
                ..self.registered(ledger, name, person)
            })
        });
        let due: Vec<_> = due.collect();
        if read != due {
            return Err(format!("customers: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} customers of {ledger} at {bound:?}", due.len()))
    }

    fn registered(&self, ledger: &str, name: &str, person: &Person) -> v1::Customer {
        v1::Customer {
            name: format!("ledgers/{ledger}/customers/{name}"),
            accounts: person.accounts.clone(),
            position: self.place(person.registered()),
            ..v1::Customer::default()
        }
    }

    /// All that was kept there, in plain; or none of it, once the key is destroyed.
    fn right(
        &self,
        (ledger, name): (&str, &str),
        kept: &Kept,
        profile: &BTreeMap<String, String>,
        unreadable: &[String],
    ) -> Result<(), String> {
        let nothing = BTreeMap::new();
        let kept = kept.as_ref().unwrap_or(&nothing);
        let is_right = if self.opens(ledger, name) {
            unreadable.is_empty() && profile == kept
        } else {
            profile.is_empty() && unreadable.iter().eq(kept.keys())
        };
        if is_right {
            return Ok(());
        }
        Err(format!("{name}: kept {kept:?}, read {profile:?} {unreadable:?}"))
    }

    fn place(&self, (offset, index): Place) -> String {
        Position::event(self.oracle.partition(), offset, index).to_string()
    }
}
