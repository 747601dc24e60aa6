//! A state as it is read from a snapshot: its indices follow from the rest.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Account, AccountHandle, AssetHandle, Hold, Ledger, LedgerHandle, State};
use crate::alert::{self, Alert};
use crate::command::Timestamp;
use crate::customer::{Customer, CustomerHandle};
use crate::name::Id;
use crate::schedule::{self, Schedule};

/// The state without its indices, as a snapshot holds it: they follow from the rest.
#[derive(Deserialize)]
pub(super) struct Stored {
    ledgers: Vec<Ledger>,
    accounts: Vec<Account>,
    customers: Vec<Customer>,
    holds: BTreeMap<(LedgerHandle, Id), Hold>,
    schedules: BTreeMap<(LedgerHandle, Id), Schedule>,
    alerts: BTreeMap<(AccountHandle, Id), Alert>,
    recorded_at: Timestamp,
}

impl From<Stored> for State {
    fn from(stored: Stored) -> Self {
        let Stored { mut ledgers, mut accounts, customers, .. } = stored;
        let Stored { holds, schedules, alerts, recorded_at, .. } = stored;
        alert::count(&alerts, &mut accounts);
        for ledger in &mut ledgers {
            let assets = (0..).map(AssetHandle).zip(&ledger.assets);
            ledger.assets_by_code = assets.map(|(at, asset)| (asset.code.clone(), at)).collect();
        }
        for (at, account) in (0..).map(AccountHandle).zip(&accounts) {
            let ledger = usize::try_from(account.ledger.0).ok().and_then(|l| ledgers.get_mut(l));
            if let Some(ledger) = ledger {
                ledger.accounts_by_name.insert(account.name.clone(), at);
            }
        }
        for (at, customer) in (0..).map(CustomerHandle).zip(&customers) {
            let ledger = usize::try_from(customer.ledger.0).ok().and_then(|l| ledgers.get_mut(l));
            if let Some(ledger) = ledger {
                ledger.customers_by_name.insert(customer.name.clone(), at);
            }
        }
        let named = (0..).map(LedgerHandle).zip(&ledgers);
        let ledgers_by_name = named.map(|(at, ledger)| (ledger.name.clone(), at)).collect();
        let due = schedule::all_due(&holds, &schedules);
        let sends = holds.iter().filter(|(_, hold)| hold.send.is_some());
        let sends = sends.map(|(key, _)| key.clone()).collect();
        State {
            ledgers,
            accounts,
            customers,
            holds,
            schedules,
            alerts,
            recorded_at,
            due,
            sends,
            ledgers_by_name,
        }
    }
}
