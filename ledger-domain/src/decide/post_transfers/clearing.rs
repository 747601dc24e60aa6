//! Clearing accounts: opened with the first transfer between their ledger and another one.

use std::collections::BTreeSet;

use super::Found;
use crate::apply::next_account;
use crate::command::{AccountStatus, AccountType, Timestamp, Transfer};
use crate::event::{AcceptedTransfer, Event, TransferBatch};
use crate::index::Index;
use crate::metadata::Metadata;
use crate::name::AccountName;
use crate::rules::AccountRules;
use crate::state::{Account, AccountHandle, Ledger, LedgerHandle, State};

/// Those that a batch may need and its ledger does not have, each with the handle that it would be given if
/// all were opened.
pub(super) struct Clearing {
    ledger: LedgerHandle,
    accounts: Vec<(AccountHandle, Account)>,
    /// Places of the accounts.
    by_name: Index<AccountName, usize>,
}

impl Clearing {
    pub(super) fn of(
        state: &State,
        ledger: LedgerHandle,
        book: &Ledger,
        transfers: &[Transfer],
        now: Timestamp,
    ) -> Self {
        let (accounts, by_name) = (Vec::new(), Index::default());
        let mut clearing = Clearing { ledger, accounts, by_name };
        let mut handle = next_account(state);
        for transfer in transfers {
            let movement = &transfer.movement;
            let other = movement.destination().map(|to| &to.ledger);
            let other = other.or_else(|| movement.origin().map(|from| &from.ledger));
            let Some(name) = other.map(AccountName::clearing) else { continue };
            if book.account_by_name(&name).is_some() || clearing.find(&name).is_some() {
                continue;
            }
            let Some(at) = handle else { break };
            handle = at.0.checked_add(1).map(AccountHandle);
            clearing.by_name.insert(name.clone(), clearing.accounts.len());
            clearing.accounts.push((at, account(ledger, name, now)));
        }
        clearing
    }

    pub(super) fn find(&self, name: &AccountName) -> Option<Found<'_>> {
        // Most batches need none.
        let place = if self.accounts.is_empty() { None } else { self.by_name.get(name) };
        let (handle, account) = self.accounts.get(*place?)?;
        Some(Found { handle: *handle, account })
    }

    /// The events that open those which the batch did come to need; it names them by the handles that they
    /// are given.
    pub(super) fn open_for(self, batch: &mut TransferBatch) -> Vec<Event> {
        if self.accounts.is_empty() {
            return Vec::new();
        }
        let sides = |transfer: &AcceptedTransfer| [transfer.debit_account, transfer.credit_account];
        let used: BTreeSet<AccountHandle> = batch.accepted.iter().flat_map(sides).collect();
        let mut given: Index<AccountHandle, AccountHandle> = Index::default();
        let mut events = Vec::new();
        let mut next = self.accounts.first().map(|(handle, _)| *handle);
        for (draft, account) in self.accounts.into_iter().filter(|(draft, _)| used.contains(draft))
        {
            let Some(handle) = next else { break };
            next = handle.0.checked_add(1).map(AccountHandle);
            given.insert(draft, handle);
            let Account { name, account_type, rules, .. } = account;
            let (ledger, account) = (self.ledger, handle);
            let metadata = Metadata::default();
            events.push(Event::AccountOpened {
                ledger,
                account,
                name,
                account_type,
                rules,
                metadata,
            });
        }
        for transfer in &mut batch.accepted {
            for side in [&mut transfer.debit_account, &mut transfer.credit_account] {
                *side = given.get(side).copied().unwrap_or(*side);
            }
        }
        events
    }
}

/// What the other ledger owes is an asset of this one; less than nothing is what this one owes.
fn account(ledger: LedgerHandle, name: AccountName, now: Timestamp) -> Account {
    Account {
        ledger,
        name,
        account_type: AccountType::Asset,
        rules: AccountRules::without_limits(true),
        status: AccountStatus::Open,
        metadata: Metadata::default(),
        changed_at: now,
        alerts: 0,
        balances: Vec::new(),
    }
}
