//! Customers: registered, changed, erased.

use super::{ledger_mut, next_customer, open_account};
use crate::command::Timestamp;
use crate::customer::{Customer, CustomerHandle};
use crate::event::Event;
use crate::state::{LedgerHandle, State};

/// Applies an event of a customer; any other changes nothing here.
#[expect(clippy::wildcard_enum_match_arm, reason = "`apply` knows which events are of customers")]
pub(super) fn apply(state: &mut State, event: &Event, recorded_at: Timestamp) {
    match event {
        Event::CustomerRegistered { ledger, customer, name, accounts, profile } => {
            assert_eq!(
                next_customer(state),
                Some(*customer),
                "customer handles are given out in order"
            );
            let book = ledger_mut(state, *ledger);
            let taken = book.customers_by_name.insert(name.clone(), *customer);
            assert_eq!(taken, None, "a customer's name is given once");
            for opened in accounts {
                open_account(state, *ledger, opened.clone(), recorded_at);
            }
            state.customers.push(Customer {
                ledger: *ledger,
                name: name.clone(),
                accounts: accounts.iter().map(|opened| opened.account).collect(),
                profile: profile.clone(),
                erased: false,
            });
        }
        Event::ProfileUpdated { ledger, customer, profile } => {
            customer_mut(state, *ledger, *customer).profile = profile.clone();
        }
        Event::CustomerErased { ledger, customer } => {
            let customer = customer_mut(state, *ledger, *customer);
            customer.profile.clear();
            customer.erased = true;
        }
        _ => {}
    }
}

#[expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]
fn customer_mut(
    state: &mut State,
    ledger: LedgerHandle,
    customer: CustomerHandle,
) -> &mut Customer {
    let index = usize::try_from(customer.0).expect("handles are indices");
    let customer = state.customers.get_mut(index).expect("the customer was registered");
    assert_eq!(customer.ledger, ledger, "an event stays in its ledger");
    assert!(!customer.erased, "of who is erased nothing is kept");
    customer
}
