//! Which alerts an event makes cross: after every single movement, so that a batch that takes a balance down
//! and up again crosses twice.

use std::collections::BTreeMap;

use crate::alert::{Cause, Crossing, SignedMinor};
use crate::event::{AcceptedTransfer, Event};
use crate::name::Id;
use crate::state::{Account, AccountHandle, AssetHandle, Balance, LedgerHandle, Side, State, Step};

/// The events that stand behind `event` in its command, decided upon the state before it: those of alerts
/// that it makes cross, in order. An audit asks the same of a log.
#[must_use]
pub fn crossings(state: &State, event: &Event) -> Vec<Event> {
    match event {
        Event::BalanceAlertSet { ledger, account, alert, rule, raised } => {
            let Some(found) = state.account(*account) else { return Vec::new() };
            let balance = found.balance(rule.asset);
            let is_so = rule.holds(found, balance);
            if is_so == *raised {
                return Vec::new();
            }
            let crossing = Crossing {
                account: *account,
                alert: alert.clone(),
                rule: **rule,
                raised: is_so,
                value: SignedMinor::difference(rule.figure.of(found, balance)),
                cause: Cause::Set,
            };
            vec![Event::BalanceAlertCrossed { ledger: *ledger, crossing: Box::new(crossing) }]
        }
        Event::TransferBatch(batch) => of_batch(state, batch.ledger, &batch.accepted),
        Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } => {
            let mut watch = Watch::new(state, *ledger);
            let accounts = [*debit_account, *credit_account];
            let expired = Moved { accounts, asset: *asset, amount: *amount, step: Step::Release };
            watch.take(&expired, || Cause::Expiry(hold.clone()));
            watch.events
        }
        Event::LedgerCreated { .. }
        | Event::AssetCreated { .. }
        | Event::AccountOpened { .. }
        | Event::AccountStatusChanged { .. }
        | Event::AccountRulesChanged { .. }
        | Event::BooksLocked { .. }
        | Event::ScheduleCreated { .. }
        | Event::ScheduleCancelled { .. }
        | Event::ScheduleRan { .. }
        | Event::BalanceAlertRemoved { .. }
        | Event::BalanceAlertCrossed { .. }
        | Event::MetadataChanged { .. }
        | Event::CustomerRegistered { .. }
        | Event::ProfileUpdated { .. }
        | Event::CustomerErased { .. }
        | Event::CommandRefused { .. } => Vec::new(),
    }
}

/// Those of a batch's transfers. What a group did that was taken back is not among them.
pub(super) fn of_batch(
    state: &State,
    ledger: LedgerHandle,
    accepted: &[AcceptedTransfer],
) -> Vec<Event> {
    let mut watch = Watch::new(state, ledger);
    if state.alerts.is_empty() {
        return watch.events;
    }
    for transfer in accepted {
        let AcceptedTransfer { debit_account, credit_account, asset, amount, .. } = *transfer;
        let accounts = [debit_account, credit_account];
        let moved = Moved { accounts, asset, amount, step: transfer.effect.step() };
        watch.take(&moved, || Cause::Transfer(transfer.id.clone()));
    }
    watch.events
}

/// One amount on its way; the accounts are the debited and the credited one.
struct Moved {
    accounts: [AccountHandle; 2],
    asset: AssetHandle,
    /// Minor units.
    amount: u128,
    step: Step,
}

/// The balances of watched accounts, and their alerts, as the movements so far left them.
struct Watch<'a> {
    state: &'a State,
    ledger: LedgerHandle,
    balances: BTreeMap<(AccountHandle, AssetHandle), Balance>,
    /// Those that crossed: whether they are raised.
    raised: BTreeMap<(AccountHandle, &'a Id), bool>,
    events: Vec<Event>,
}

impl<'a> Watch<'a> {
    fn new(state: &'a State, ledger: LedgerHandle) -> Self {
        let (balances, raised) = (BTreeMap::new(), BTreeMap::new());
        Watch { state, ledger, balances, raised, events: Vec::new() }
    }

    fn take(&mut self, moved: &Moved, cause: impl Fn() -> Cause) {
        for (handle, side) in moved.accounts.into_iter().zip([Side::Debit, Side::Credit]) {
            // A clearing account that is opened with this very batch has none.
            let account = self.state.account(handle).filter(|account| account.alerts > 0);
            let Some(account) = account else { continue };
            let balance = self.balances.entry((handle, moved.asset));
            let balance = balance.or_insert_with(|| account.balance(moved.asset));
            // What cannot be is `apply`'s to find.
            *balance = balance.after(side, moved.step, moved.amount).unwrap_or(*balance);
            let balance = *balance;
            self.look((handle, account), moved.asset, balance, &cause);
        }
    }

    fn look(
        &mut self,
        (handle, account): (AccountHandle, &Account),
        asset: AssetHandle,
        balance: Balance,
        cause: &impl Fn() -> Cause,
    ) {
        let state = self.state;
        for (id, alert) in state.alerts_of(handle).filter(|(_, alert)| alert.rule.asset == asset) {
            let rule = alert.rule;
            let was_raised = self.raised.get(&(handle, id)).copied().unwrap_or(alert.raised);
            let raised = rule.holds(account, balance);
            if raised == was_raised {
                continue;
            }
            self.raised.insert((handle, id), raised);
            let value = SignedMinor::difference(rule.figure.of(account, balance));
            let (account, alert) = (handle, id.clone());
            let crossing = Crossing { account, alert, rule, raised, value, cause: cause() };
            let crossing = Box::new(crossing);
            self.events.push(Event::BalanceAlertCrossed { ledger: self.ledger, crossing });
        }
    }
}
