//! What is true after one event, counted naively.

use std::collections::{BTreeMap, BTreeSet};

use ledger_domain::event::Row as BatchRow;
use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountRules, AccountStatus, AssetHandle, Balance,
    CustomerName, Effect, Event, Id, Metadata, MetadataChange, MetadataKey, MetadataTarget,
    MetadataValue, Plan, Profile, Timestamp,
};

use crate::*;

/// What is true after one event.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    pub(super) place: Place,
    pub(super) balances: BTreeMap<(AccountHandle, AssetHandle), (Place, Balance)>,
    pub(super) entries: BTreeMap<(AccountHandle, AssetHandle), Vec<Place>>,
    pub(super) accounts: BTreeMap<(u32, String), AccountHandle>,
    pub(super) transfers: BTreeMap<(u32, Id), (Place, bool)>,
    pub(super) statuses: BTreeMap<AccountHandle, (Place, AccountStatus)>,
    pub(super) rules: BTreeMap<AccountHandle, (Place, AccountRules)>,
    pub(super) locks: BTreeMap<u32, (Place, Option<i64>)>,
    /// Metadata that was ever noted: where it changed, newest first, and all that is there. What a transfer was made
    /// with is no change.
    pub(super) noted: BTreeMap<(u32, MetadataTarget), Noting>,
    /// What is left of each transfer that was reversed, and by which.
    pub(super) reversals: BTreeMap<(u32, Id), (Place, u128, Vec<Id>)>,
    /// Transfers of each journal entry.
    pub(super) journal: BTreeMap<(u32, Id), Vec<Id>>,
    /// Where each account changed last.
    pub(super) changed: BTreeMap<AccountHandle, Place>,
    /// What each hold is, what is left of it, and what was given back.
    pub(super) holds: BTreeMap<(u32, Id), (Place, HoldStatus, u128, u128)>,
    /// Those that are sends.
    pub(super) sends: BTreeSet<(u32, Id)>,
    /// Each schedule: where it was made, what was asked, when it is due next, its times newest first, and
    /// whether it was cancelled.
    pub(super) schedules: BTreeMap<(u32, Id), Scheduled>,
    /// By handle.
    pub(super) customers: Vec<Registered>,
    /// Each alert that was set: where it changed last, whether it is raised, and whether it was removed.
    pub(super) alerts: BTreeMap<(AccountHandle, Id), (Place, bool, bool)>,
    /// Crossings of each account, oldest first: the alert and whether it was raised.
    pub(super) crossings: BTreeMap<AccountHandle, Vec<(Place, Id, bool)>>,
    pub(super) ledgers: Vec<String>,
    pub(super) assets: usize,
}

pub(super) type Noting = (Vec<Place>, BTreeMap<String, String>);

pub(super) type Scheduled = (Place, Plan, Option<Timestamp>, Vec<(Place, u32)>, bool);

/// A customer: the ledger, its name, its accounts, and what is kept, newest first; `None` is erased.
pub(super) type Registered = (u32, CustomerName, Vec<AccountHandle>, Vec<(Place, Option<Profile>)>);
/// Of each value another one.
pub(super) fn text(value: &MetadataValue) -> String {
    match value {
        MetadataValue::Plain(text) => text.to_string(),
        MetadataValue::Sealed { customer, sealed } => format!("{customer} {:?}", sealed.as_bytes()),
    }
}

fn all_new(metadata: &Metadata) -> Vec<MetadataChange> {
    let change = |(key, value): (&MetadataKey, &MetadataValue)| MetadataChange {
        key: key.clone(),
        before: None,
        after: Some(value.clone()),
    };
    metadata.iter().map(change).collect()
}

impl Truth {
    pub(super) fn follow(&mut self, place: Place, event: &Event, truths: &mut Vec<Truth>) {
        self.place = place;
        match event {
            Event::LedgerCreated { ledger, name, metadata } => {
                self.ledgers.push(name.as_str().into());
                self.note((ledger.0, MetadataTarget::Ledger), &all_new(metadata));
            }
            Event::AssetCreated { .. } => self.assets += 1,
            Event::AccountOpened { ledger, account, name, metadata, .. } => {
                self.note((ledger.0, MetadataTarget::Account(*account)), &all_new(metadata));
                self.open(ledger.0, name.as_str(), *account);
            }
            Event::AccountStatusChanged { account, status, .. } => {
                self.statuses.insert(*account, (place, *status));
                self.changed.insert(*account, place);
            }
            Event::AccountRulesChanged { account, rules, .. } => {
                self.rules.insert(*account, (place, rules.clone()));
                self.changed.insert(*account, place);
            }
            Event::MetadataChanged { ledger, target, changes, others } => {
                self.update(ledger.0, target, changes, others);
            }
            Event::BooksLocked { ledger, locked_before } => {
                self.locks.insert(ledger.0, (place, *locked_before));
            }
            Event::TransferBatch(batch) => {
                for (row, item) in batch.iter() {
                    self.place.index = place.index + row;
                    let id = match item {
                        BatchRow::Accepted(accepted) => {
                            self.accept(batch.ledger.0, accepted);
                            &accepted.id
                        }
                        BatchRow::Refused(refused) => &refused.transfer.id,
                    };
                    let accepted = matches!(item, BatchRow::Accepted(_));
                    self.transfers.insert((batch.ledger.0, id.clone()), (self.place, accepted));
                    truths.push(self.clone());
                }
                return;
            }
            Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } => {
                let sides = [(*debit_account, *asset), (*credit_account, *asset)];
                self.enter(sides, |counters| counters[1] -= amount);
                let row = (place, HoldStatus::Expired, 0, *amount);
                self.holds.insert((ledger.0, hold.clone()), row);
            }
            Event::ScheduleCreated { ledger, schedule, plan, next_due } => {
                let made = (place, (**plan).clone(), Some(*next_due), Vec::new(), false);
                self.schedules.insert((ledger.0, schedule.clone()), made);
            }
            Event::ScheduleCancelled { ledger, schedule } => {
                let key = (ledger.0, schedule.clone());
                self.schedules.entry(key).and_modify(|it| (it.2, it.4) = (None, true));
            }
            Event::ScheduleRan { ledger, schedule, number, next_due, .. } => {
                self.schedules.entry((ledger.0, schedule.clone())).and_modify(|it| {
                    it.2 = *next_due;
                    it.3.insert(0, (place, *number));
                });
            }
            Event::CustomerRegistered { .. }
            | Event::ProfileUpdated { .. }
            | Event::CustomerErased { .. } => self.customer(event),
            Event::BalanceAlertSet { .. }
            | Event::BalanceAlertRemoved { .. }
            | Event::BalanceAlertCrossed { .. } => self.alert(event),
            Event::CommandRefused { .. } => {}
        }
        truths.push(self.clone());
    }

    fn alert(&mut self, event: &Event) {
        match event {
            Event::BalanceAlertSet { account, alert, raised, .. } => {
                self.alerts.insert((*account, alert.clone()), (self.place, *raised, false));
            }
            Event::BalanceAlertRemoved { account, alert, .. } => {
                self.alerts.insert((*account, alert.clone()), (self.place, false, true));
            }
            Event::BalanceAlertCrossed { crossing: it, .. } => {
                self.alerts.insert((it.account, it.alert.clone()), (self.place, it.raised, false));
                let crossed = self.crossings.entry(it.account).or_default();
                crossed.push((self.place, it.alert.clone(), it.raised));
            }
            _ => {}
        }
    }

    fn customer(&mut self, event: &Event) {
        match event {
            Event::CustomerRegistered { ledger, name, accounts, profile, .. } => {
                let handles: Vec<_> = accounts.iter().map(|opened| opened.account).collect();
                for opened in accounts {
                    let target = MetadataTarget::Account(opened.account);
                    self.note((ledger.0, target), &all_new(&opened.metadata));
                    self.open(ledger.0, opened.name.as_str(), opened.account);
                }
                let kept = vec![(self.place, Some(profile.clone()))];
                self.customers.push((ledger.0, name.clone(), handles, kept));
            }
            Event::ProfileUpdated { customer, profile, .. } => {
                let kept = (self.place, Some(profile.clone()));
                self.customers[customer.0 as usize].3.insert(0, kept);
            }
            Event::CustomerErased { customer, .. } => {
                self.customers[customer.0 as usize].3.insert(0, (self.place, None));
            }
            _ => {}
        }
    }

    fn open(&mut self, ledger: u32, name: &str, account: AccountHandle) {
        self.accounts.insert((ledger, name.into()), account);
        self.changed.insert(account, self.place);
    }

    fn update(
        &mut self,
        ledger: u32,
        target: &MetadataTarget,
        changes: &[MetadataChange],
        others: &Metadata,
    ) {
        let is_transfers = matches!(target, MetadataTarget::Transfer(_));
        assert!(is_transfers || others.is_empty(), "a state has the others");
        let of = (ledger, target.clone());
        self.noted.entry(of.clone()).or_default().0.insert(0, self.place);
        if let MetadataTarget::Account(account) = target {
            self.changed.insert(*account, self.place);
        }
        self.note_at(of, changes);
    }

    fn note(&mut self, of: (u32, MetadataTarget), changes: &[MetadataChange]) {
        if !changes.is_empty() {
            self.noted.entry(of.clone()).or_default().0.insert(0, self.place);
            self.note_at(of, changes);
        }
    }

    fn note_at(&mut self, of: (u32, MetadataTarget), changes: &[MetadataChange]) {
        let (_, noted) = self.noted.entry(of).or_default();
        for MetadataChange { key, before, after } in changes {
            let text = |value: &Option<MetadataValue>| value.as_ref().map(text);
            assert_eq!(noted.remove(key.as_str()), text(before));
            noted.extend(text(after).map(|text| (key.to_string(), text)));
        }
    }

    fn accept(&mut self, ledger: u32, it: &AcceptedTransfer) {
        let (place, amount) = (self.place, it.amount);
        let of = (ledger, MetadataTarget::Transfer(it.id.clone()));
        self.note_at(of, &all_new(&it.metadata));
        if let Some(entry) = it.link.entry() {
            self.journal.entry((ledger, entry.clone())).or_default().push(it.id.clone());
        }
        let sides = [(it.debit_account, it.asset), (it.credit_account, it.asset)];
        let (hold, row) = match &it.effect {
            Effect::Post | Effect::Receive(_) => {
                return self.enter(sides, |counters| counters[0] += amount);
            }
            Effect::Reversal(reversal) => {
                self.enter(sides, |counters| counters[0] += amount);
                let all = (place, amount + reversal.remaining, Vec::new());
                let row = self.reversals.entry((ledger, reversal.of.clone())).or_insert(all);
                (row.0, row.1) = (place, row.1 - amount);
                return row.2.insert(0, it.id.clone());
            }
            Effect::Hold { .. } | Effect::Send(_) => {
                if matches!(it.effect, Effect::Send(_)) {
                    self.sends.insert((ledger, it.id.clone()));
                }
                self.enter(sides, |counters| counters[1] += amount);
                (&it.id, (place, HoldStatus::Open, amount, 0))
            }
            Effect::Capture(capture) => {
                self.enter(sides, |[posted, pending]| {
                    (*posted, *pending) = (*posted + amount, *pending - amount)
                });
                let left = self.holds[&(ledger, capture.hold.clone())].2 - amount;
                let status = if left == 0 { HoldStatus::Captured } else { HoldStatus::Open };
                (&capture.hold, (place, status, left, 0))
            }
            Effect::Void { hold, .. } => {
                self.enter(sides, |counters| counters[1] -= amount);
                (&**hold, (place, HoldStatus::Voided, 0, amount))
            }
        };
        self.holds.insert((ledger, hold.clone()), row);
    }

    /// Changes posted and pending of the debit side of the first balance and the credit side of the second.
    fn enter(&mut self, sides: [(AccountHandle, AssetHandle); 2], change: impl Fn(&mut [u128; 2])) {
        for (key, is_debit) in sides.into_iter().zip([true, false]) {
            let (place, balance) = self.balances.entry(key).or_default();
            *place = self.place;
            self.changed.insert(key.0, self.place);
            let Balance { debits_posted, credits_posted, debits_pending, credits_pending } =
                balance;
            let (posted, pending) = if is_debit {
                (debits_posted, debits_pending)
            } else {
                (credits_posted, credits_pending)
            };
            let mut counters = [*posted, *pending];
            change(&mut counters);
            [*posted, *pending] = counters;
            self.entries.entry(key).or_default().push(self.place);
        }
    }
}
