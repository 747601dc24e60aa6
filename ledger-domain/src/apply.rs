//! State after an event. Infallible: what `decide` returned always applies.

mod alert;
mod customers;
mod metadata;
mod schedule;

use crate::command::{AccountStatus, Timestamp};
use crate::customer::{CustomerHandle, NewAccount};
use crate::event::{AcceptedTransfer, Effect, Event};
use crate::index::Index;
use crate::metadata::Metadata;
use crate::name::{Id, LedgerName};
use crate::schedule::Due;
use crate::send::Outgoing;
use crate::state::{
    Account, AccountHandle, Asset, AssetHandle, Balance, Hold, Ledger, LedgerHandle, Side, State,
    Step,
};

/// Applies one event of a commit that is recorded at this instant, by which the accounts that it changes
/// have their version.
///
/// # Panics
/// When the event was not decided upon this state: a handle out of order, an unknown account, a counter
/// past 2^128. Such an event is not `decide`'s, and going on would make balances of nothing (LD-3).
pub fn apply(state: &mut State, event: &Event, recorded_at: Timestamp) {
    match event {
        Event::LedgerCreated { ledger, name, metadata } => {
            assert_eq!(next_ledger(state), Some(*ledger), "ledger handles are given out in order");
            let taken = state.ledgers_by_name.insert(name.clone(), *ledger);
            assert_eq!(taken, None, "a ledger's name is given once");
            state.ledgers.push(Ledger::new(name.clone(), metadata.clone()));
        }
        Event::AssetCreated { ledger, asset, code, scale } => {
            let ledger = ledger_mut(state, *ledger);
            assert_eq!(next_asset(ledger), Some(*asset), "asset handles are given out in order");
            let taken = ledger.assets_by_code.insert(code.clone(), *asset);
            assert_eq!(taken, None, "an asset's code is given once");
            ledger.assets.push(Asset { code: code.clone(), scale: *scale });
        }
        Event::AccountOpened { ledger, account, name, account_type, rules, metadata } => {
            let (account, account_type) = (*account, *account_type);
            let (name, rules, metadata) = (name.clone(), rules.clone(), metadata.clone());
            let opened = NewAccount { account, name, account_type, rules, metadata };
            open_account(state, *ledger, opened, recorded_at);
        }
        Event::AccountStatusChanged { ledger, account, status } => {
            let account = account_mut(state, *ledger, *account);
            account.status = *status;
            account.changed_at = recorded_at;
        }
        Event::AccountRulesChanged { ledger, account, rules } => {
            let account = account_mut(state, *ledger, *account);
            account.rules = rules.clone();
            account.changed_at = recorded_at;
        }
        Event::MetadataChanged { ledger, target, changes, others: _ } => {
            metadata::apply(state, *ledger, target, changes, recorded_at);
        }
        Event::BooksLocked { ledger, locked_before } => {
            ledger_mut(state, *ledger).locked_before = *locked_before;
        }
        Event::TransferBatch(batch) => {
            for transfer in &batch.accepted {
                apply_transfer(state, batch.ledger, transfer, recorded_at);
            }
        }
        Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } => {
            let (debit_account, credit_account) = (*debit_account, *credit_account);
            let (asset, amount) = (*asset, *amount);
            let left = Moved { debit_account, credit_account, asset, amount };
            step(state, *ledger, &left, Step::Release, recorded_at);
            reduce_hold(state, *ledger, hold, &left, 0);
        }
        Event::ScheduleCreated { .. }
        | Event::ScheduleCancelled { .. }
        | Event::ScheduleRan { .. } => schedule::apply(state, event),
        Event::CustomerRegistered { .. }
        | Event::ProfileUpdated { .. }
        | Event::CustomerErased { .. } => customers::apply(state, event, recorded_at),
        Event::BalanceAlertSet { .. }
        | Event::BalanceAlertRemoved { .. }
        | Event::BalanceAlertCrossed { .. } => alert::apply(state, event),
        Event::CommandRefused { .. } => {}
    }
}

fn open_account(
    state: &mut State,
    ledger: LedgerHandle,
    opened: NewAccount,
    recorded_at: Timestamp,
) {
    let NewAccount { account, name, account_type, rules, metadata } = opened;
    assert_eq!(next_account(state), Some(account), "account handles are given out in order");
    let taken = ledger_mut(state, ledger).accounts_by_name.insert(name.clone(), account);
    assert_eq!(taken, None, "an account's name is given once");
    let (status, changed_at, balances) = (AccountStatus::Open, recorded_at, Vec::new());
    state.accounts.push(Account {
        ledger,
        name,
        account_type,
        rules,
        status,
        metadata,
        changed_at,
        alerts: 0,
        balances,
    });
}

fn apply_transfer(
    state: &mut State,
    ledger: LedgerHandle,
    transfer: &AcceptedTransfer,
    recorded_at: Timestamp,
) {
    let AcceptedTransfer { debit_account, credit_account, asset, amount, .. } = *transfer;
    let moved = Moved { debit_account, credit_account, asset, amount };
    step(state, ledger, &moved, transfer.effect.step(), recorded_at);
    match &transfer.effect {
        Effect::Post | Effect::Receive(_) | Effect::Reversal(_) => {}
        Effect::Hold { expires_at } => {
            open_hold(state, ledger, &transfer.id, moved.held(*expires_at, None));
        }
        Effect::Send(to) => {
            let (to, reference) = ((**to).clone(), transfer.reference.clone());
            let outgoing = Outgoing { to, sent_at: recorded_at, reference };
            open_hold(state, ledger, &transfer.id, moved.held(None, Some(Box::new(outgoing))));
        }
        Effect::Capture(capture) => {
            reduce_hold(state, ledger, &capture.hold, &moved, capture.remaining);
        }
        Effect::Void { hold, refused: _ } => reduce_hold(state, ledger, hold, &moved, 0),
    }
}

/// An amount between two accounts.
struct Moved {
    debit_account: AccountHandle,
    credit_account: AccountHandle,
    asset: AssetHandle,
    amount: u128,
}

impl Moved {
    fn held(&self, expires_at: Option<Timestamp>, send: Option<Box<Outgoing>>) -> Hold {
        let Moved { debit_account, credit_account, asset, amount } = *self;
        Hold { debit_account, credit_account, asset, amount, expires_at, send }
    }
}

/// Moves the counters of both accounts.
fn step(
    state: &mut State,
    ledger: LedgerHandle,
    moved: &Moved,
    step: Step,
    recorded_at: Timestamp,
) {
    let Moved { debit_account, credit_account, .. } = *moved;
    assert_ne!(debit_account, credit_account, "a transfer has two accounts");
    let change = |balance: Balance, side| balance.after(side, step, moved.amount);
    for (account, side) in [(debit_account, Side::Debit), (credit_account, Side::Credit)] {
        let account = account_mut(state, ledger, account);
        let Some(after) = change(account.balance(moved.asset), side) else {
            panic!("a counter stays below 2^128, and what is given back was held");
        };
        account.set_balance(moved.asset, after);
        account.changed_at = recorded_at;
    }
}

fn open_hold(state: &mut State, ledger: LedgerHandle, id: &Id, hold: Hold) {
    if let Some(at) = hold.expires_at {
        state.due.insert((at, Due::Hold(ledger, id.clone())));
    }
    if hold.send.is_some() {
        state.sends.insert((ledger, id.clone()));
    }
    let before = state.holds.insert((ledger, id.clone()), hold);
    assert_eq!(before, None, "a hold has an id of its own");
}

/// What was `moved` of a hold leaves `remaining` of it; nothing ends it.
#[expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]
fn reduce_hold(state: &mut State, ledger: LedgerHandle, id: &Id, moved: &Moved, remaining: u128) {
    let key = (ledger, id.clone());
    let mut hold = state.holds.remove(&key).expect("the hold is open");
    let same = (hold.debit_account, hold.credit_account, hold.asset)
        == (moved.debit_account, moved.credit_account, moved.asset);
    assert!(same, "a capture or a release is between the accounts of its hold");
    assert_eq!(hold.amount.checked_sub(moved.amount), Some(remaining), "no more than is held");
    if remaining > 0 {
        hold.amount = remaining;
        state.holds.insert(key, hold);
        return;
    }
    if hold.send.is_some() {
        state.sends.remove(&key);
    }
    if let Some(at) = hold.expires_at {
        state.due.remove(&(at, Due::Hold(key.0, key.1)));
    }
}

#[expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]
fn account_mut(state: &mut State, ledger: LedgerHandle, account: AccountHandle) -> &mut Account {
    let index = usize::try_from(account.0).expect("handles are indices");
    let account = state.accounts.get_mut(index).expect("the account was opened");
    assert_eq!(account.ledger, ledger, "an event stays in its ledger");
    account
}

#[expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]
fn ledger_mut(state: &mut State, handle: LedgerHandle) -> &mut Ledger {
    let index = usize::try_from(handle.0).expect("handles are indices");
    state.ledgers.get_mut(index).expect("the ledger was created")
}

pub(crate) fn next_ledger(state: &State) -> Option<LedgerHandle> {
    u32::try_from(state.ledgers.len()).ok().map(LedgerHandle)
}

pub(crate) fn next_asset(ledger: &Ledger) -> Option<AssetHandle> {
    u32::try_from(ledger.assets.len()).ok().map(AssetHandle)
}

pub(crate) fn next_account(state: &State) -> Option<AccountHandle> {
    u64::try_from(state.accounts.len()).ok().map(AccountHandle)
}

pub(crate) fn next_customer(state: &State) -> Option<CustomerHandle> {
    u64::try_from(state.customers.len()).ok().map(CustomerHandle)
}

impl Ledger {
    fn new(name: LedgerName, metadata: Metadata) -> Self {
        Ledger {
            name,
            locked_before: None,
            metadata,
            assets: Vec::new(),
            assets_by_code: Index::default(),
            accounts_by_name: Index::default(),
            customers_by_name: Index::default(),
        }
    }
}
