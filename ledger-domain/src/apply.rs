//! State after an event. Infallible: what `decide` returned always applies.

use crate::command::AccountStatus;
use crate::event::{Event, PostedTransfer};
use crate::index::Index;
use crate::name::LedgerName;
use crate::state::{
    Account, AccountHandle, Asset, AssetHandle, Balance, Ledger, LedgerHandle, State,
};

/// Applies one event.
///
/// # Panics
/// When the event was not decided upon this state: a handle out of order, an unknown account, a counter
/// past 2^128. Such an event is not `decide`'s, and going on would make balances of nothing (LD-3).
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::LedgerCreated { ledger, name } => {
            assert_eq!(next_ledger(state), Some(*ledger), "ledger handles are given out in order");
            let taken = state.ledgers_by_name.insert(name.clone(), *ledger);
            assert_eq!(taken, None, "a ledger's name is given once");
            state.ledgers.push(Ledger::new(name.clone()));
        }
        Event::AssetCreated { ledger, asset, code, scale } => {
            let ledger = ledger_mut(state, *ledger);
            assert_eq!(next_asset(ledger), Some(*asset), "asset handles are given out in order");
            let taken = ledger.assets_by_code.insert(code.clone(), *asset);
            assert_eq!(taken, None, "an asset's code is given once");
            ledger.assets.push(Asset { code: code.clone(), scale: *scale });
        }
        Event::AccountOpened { ledger, account, name, account_type, rules } => {
            assert_eq!(
                next_account(state),
                Some(*account),
                "account handles are given out in order"
            );
            let book = ledger_mut(state, *ledger);
            let taken = book.accounts_by_name.insert(name.clone(), *account);
            assert_eq!(taken, None, "an account's name is given once");
            state.accounts.push(Account {
                ledger: *ledger,
                name: name.clone(),
                account_type: *account_type,
                rules: *rules,
                status: AccountStatus::Open,
                balances: Vec::new(),
            });
        }
        Event::AccountStatusChanged { ledger, account, status } => {
            account_mut(state, *ledger, *account).status = *status;
        }
        Event::TransferBatch(batch) => {
            for transfer in &batch.posted {
                apply_transfer(state, batch.ledger, transfer);
            }
        }
        Event::CommandRefused { .. } => {}
    }
}

fn apply_transfer(state: &mut State, ledger: LedgerHandle, transfer: &PostedTransfer) {
    let PostedTransfer { debit_account, credit_account, asset, amount, .. } = transfer;
    assert_ne!(debit_account, credit_account, "a transfer has two accounts");
    change(state, ledger, *debit_account, *asset, |balance| balance.debited(*amount));
    change(state, ledger, *credit_account, *asset, |balance| balance.credited(*amount));
}

#[expect(clippy::expect_used, reason = "the event was decided upon this state; see `apply`")]
fn change(
    state: &mut State,
    ledger: LedgerHandle,
    account: AccountHandle,
    asset: AssetHandle,
    step: impl FnOnce(Balance) -> Option<Balance>,
) {
    let account = account_mut(state, ledger, account);
    let after = step(account.balance(asset)).expect("the counter stays below 2^128");
    account.set_balance(asset, after);
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

impl Ledger {
    fn new(name: LedgerName) -> Self {
        Ledger {
            name,
            assets: Vec::new(),
            assets_by_code: Index::default(),
            accounts_by_name: Index::default(),
        }
    }
}
