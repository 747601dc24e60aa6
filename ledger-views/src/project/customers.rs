//! Rows of customers.

use ledger_domain::{CustomerHandle, Event, NewAccount};

use super::directory::open_account;
use super::{Balances, ProjectError, Projection, in_order, known_ledger, poison};
use crate::key::{self, Place};
use crate::row::{AccountCustomerRow, CustomerNameRow, CustomerRow, Heads, ProfileRow, Row};
use crate::rows::Rows;
use crate::table::Table;

/// Of an event of a customer; any other makes none here.
pub(super) fn project(
    projection: &mut Projection<impl Balances>,
    place: Place,
    event: &Event,
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    let (customer, profile) = match event {
        Event::CustomerRegistered { ledger, customer, name, accounts, profile } => {
            known_ledger(projection.heads, *ledger, place)?;
            in_order("customer", projection.heads.customers, customer.0, place)?;
            projection.heads.customers += 1;
            for opened in accounts {
                open_account(projection, *ledger, place, opened, rows)?;
                let key = opened.account.0.to_be_bytes();
                let row = AccountCustomerRow(*customer);
                rows.put(Table::AccountCustomers, &key, |out| row.encode(out));
            }
            let opened = |opened: &NewAccount| opened.account;
            let accounts = accounts.iter().map(opened).collect();
            let row = CustomerRow { handle: *customer, place, accounts };
            rows.put(Table::Customers, &key::named(*ledger, name.as_str()), |out| row.encode(out));
            let name = CustomerNameRow { ledger: *ledger, name: name.clone() };
            rows.put(Table::CustomerNames, &customer.0.to_be_bytes(), |out| name.encode(out));
            (customer, ProfileRow::Kept(profile.clone()))
        }
        Event::ProfileUpdated { ledger, customer, profile } => {
            known_ledger(projection.heads, *ledger, place)?;
            known_customer(projection.heads, *customer, place)?;
            (customer, ProfileRow::Kept(profile.clone()))
        }
        Event::CustomerErased { ledger, customer } => {
            known_ledger(projection.heads, *ledger, place)?;
            known_customer(projection.heads, *customer, place)?;
            (customer, ProfileRow::Erased)
        }
        _ => return Ok(()),
    };
    rows.put(Table::Profiles, &key::profile(*customer, place), |out| profile.encode(out));
    Ok(())
}

fn known_customer(
    heads: Heads,
    customer: CustomerHandle,
    place: Place,
) -> Result<(), ProjectError> {
    if customer.0 < heads.customers {
        return Ok(());
    }
    Err(poison(place, format!("customer {} was never registered", customer.0)))
}
