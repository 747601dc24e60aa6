//! Whether an event can have been decided upon a state: LD-1, LD-2 and LD-3, checked before `apply`,
//! which would panic, and after it, row by row for what the event touches.

use std::collections::BTreeMap;

use ledger_domain::event::{PostedTransfer, TransferBatch};
use ledger_domain::{
    Account, AccountHandle, AccountStatus, AssetHandle, Balance, Event, LedgerHandle, LedgerName,
    State, apply,
};

/// Why an event does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Id of the invariant.
    pub(crate) invariant: &'static str,
    /// Row of the event.
    pub(crate) row: u32,
    /// What was found.
    pub(crate) what: String,
}

/// Balances that an event touches, as they are after it.
type Touched = BTreeMap<(AccountHandle, AssetHandle), Balance>;

/// Applies an event, or leaves the state as it is when it cannot be applied.
///
/// # Errors
/// The misfits, and whether the event was not applied: then nothing behind it means anything.
pub(crate) fn check_and_apply(state: &mut State, event: &Event) -> Result<(), (Vec<Misfit>, bool)> {
    let stop = |row, what| (vec![Misfit { invariant: "LD-3", row, what }], true);
    let TransferBatch { ledger, posted, refused } = match event {
        Event::TransferBatch(batch) => batch,
        Event::LedgerCreated { .. }
        | Event::AssetCreated { .. }
        | Event::AccountOpened { .. }
        | Event::AccountStatusChanged { .. }
        | Event::CommandRefused { .. } => {
            check_plain(state, event).map_err(|what| stop(0, what))?;
            apply(state, event);
            return Ok(());
        }
    };
    if state.ledger(*ledger).is_none() {
        return Err(stop(0, format!("ledger {} was never created", ledger.0)));
    }
    let mut rows = posted_rows(event);
    let mut misfits = Vec::new();
    let mut touched = Touched::new();
    for transfer in posted {
        let row = rows.next().unwrap_or(u32::MAX);
        step(state, *ledger, transfer, &mut touched).map_err(|what| stop(row, what))?;
        let sides = [transfer.debit_account, transfer.credit_account];
        misfits.extend(sides.into_iter().filter_map(|account| {
            let what = passes_rule(state, account, transfer.asset, &touched)?;
            Some(Misfit { invariant: "LD-2", row, what })
        }));
    }
    debug_assert!(refused.iter().all(|r| r.row < event.width()), "rows were checked at decode");
    let before = sums(&touched, |account, asset| balance(state, account, asset));
    apply(state, event);
    let after = sums(&touched, |account, asset| balance(state, account, asset));
    misfits.extend(unbalanced(&before, &after));
    misfits.extend(touched.iter().find_map(|((account, asset), expected)| {
        let found = balance(state, *account, *asset);
        let what = format!("account {} holds {found:?}, its entries {expected:?}", account.0);
        (found != *expected).then_some(Misfit { invariant: "LD-1", row: 0, what })
    }));
    if misfits.is_empty() { Ok(()) } else { Err((misfits, false)) }
}

/// Rows of the posted transfers of a batch, in order.
fn posted_rows(event: &Event) -> impl Iterator<Item = u32> {
    let refused: Vec<u32> = match event {
        Event::TransferBatch(batch) => batch.refused.iter().map(|r| r.row).collect(),
        Event::LedgerCreated { .. }
        | Event::AssetCreated { .. }
        | Event::AccountOpened { .. }
        | Event::AccountStatusChanged { .. }
        | Event::CommandRefused { .. } => Vec::new(),
    };
    let mut refused = refused.into_iter().peekable();
    (0..event.width()).filter(move |row| refused.next_if_eq(row).is_none())
}

/// What `apply` asserts of every event but a batch.
fn check_plain(state: &State, event: &Event) -> Result<(), String> {
    let unless = |fits: bool, what: String| if fits { Ok(()) } else { Err(what) };
    match event {
        Event::LedgerCreated { ledger, name } => {
            let next = state.ledgers().len();
            unless(ledger.0 as usize == next, format!("ledger {} is not the next", ledger.0))?;
            unless(state.ledger_by_name(name).is_none(), format!("ledger {name} exists"))
        }
        Event::AssetCreated { ledger, asset, code, .. } => {
            let book = book(state, *ledger)?;
            let next = book.assets.len();
            unless(asset.0 as usize == next, format!("asset {} is not the next", asset.0))?;
            unless(book.asset_by_code(code).is_none(), format!("asset {code} exists"))
        }
        Event::AccountOpened { ledger, account, name, .. } => {
            let next = state.accounts().len() as u64;
            unless(account.0 == next, format!("account {} is not the next", account.0))?;
            let exists = book(state, *ledger)?.account_by_name(name).is_some();
            unless(!exists, format!("account {name} exists"))
        }
        Event::AccountStatusChanged { ledger, account: handle, status } => {
            let account = account(state, *ledger, *handle)?;
            let closed = account.status == AccountStatus::Closed;
            unless(!closed, format!("account {} was closed for ever", account.name))?;
            let empty = *status != AccountStatus::Closed || account.is_empty();
            unless(empty, format!("account {} is closed and not empty", account.name))
        }
        Event::CommandRefused { .. } | Event::TransferBatch(_) => Ok(()),
    }
}

fn book(state: &State, ledger: LedgerHandle) -> Result<&ledger_domain::Ledger, String> {
    state.ledger(ledger).ok_or_else(|| format!("ledger {} was never created", ledger.0))
}

fn account(state: &State, ledger: LedgerHandle, handle: AccountHandle) -> Result<&Account, String> {
    let account = state.account(handle);
    let account = account.ok_or_else(|| format!("account {} was never opened", handle.0))?;
    if account.ledger != ledger {
        let (of, is) = (ledger.0, account.ledger.0);
        return Err(format!("is of ledger {of}, its account {} of ledger {is}", handle.0));
    }
    Ok(account)
}

/// One transfer upon the balances that those before it left.
fn step(
    state: &State,
    ledger: LedgerHandle,
    transfer: &PostedTransfer,
    touched: &mut Touched,
) -> Result<(), String> {
    let PostedTransfer { debit_account, credit_account, asset, amount, .. } = transfer;
    if debit_account == credit_account {
        return Err(format!("debits and credits the same account {}", debit_account.0));
    }
    if *amount == 0 {
        return Err("moves nothing".into());
    }
    if book(state, ledger)?.asset(*asset).is_none() {
        return Err(format!("asset {} was never created", asset.0));
    }
    let sides = [(*debit_account, true), (*credit_account, false)];
    for (handle, debit) in sides {
        let account = account(state, ledger, handle)?;
        if account.status != AccountStatus::Open {
            return Err(format!("account {} is {:?}", account.name, account.status));
        }
        let slot = touched.entry((handle, *asset)).or_insert_with(|| account.balance(*asset));
        let after = if debit { slot.debited(*amount) } else { slot.credited(*amount) };
        *slot = after.ok_or_else(|| format!("takes account {} to 2^128", handle.0))?;
    }
    Ok(())
}

/// LD-2 of one account after one transfer.
fn passes_rule(
    state: &State,
    handle: AccountHandle,
    asset: AssetHandle,
    touched: &Touched,
) -> Option<String> {
    let account = state.account(handle)?;
    let balance = touched.get(&(handle, asset))?;
    let passes = !account.allows(*balance);
    passes.then(|| format!("account {} goes below zero: {balance:?}", account.name))
}

fn balance(state: &State, account: AccountHandle, asset: AssetHandle) -> Balance {
    state.account(account).map(|a| a.balance(asset)).unwrap_or_default()
}

/// Debits and credits, posted and pending, of what is touched, by asset; modulo 2^128, for only their
/// change is compared.
fn sums(
    touched: &Touched,
    balance_of: impl Fn(AccountHandle, AssetHandle) -> Balance,
) -> BTreeMap<AssetHandle, [u128; 4]> {
    let mut sums = BTreeMap::new();
    for (account, asset) in touched.keys() {
        let balance = balance_of(*account, *asset);
        let sum: &mut [u128; 4] = sums.entry(*asset).or_default();
        let counters = [
            balance.debits_posted,
            balance.credits_posted,
            balance.debits_pending,
            balance.credits_pending,
        ];
        for (total, counter) in sum.iter_mut().zip(counters) {
            *total = total.wrapping_add(counter);
        }
    }
    sums
}

/// LD-1 for what an event changed.
fn unbalanced(
    before: &BTreeMap<AssetHandle, [u128; 4]>,
    after: &BTreeMap<AssetHandle, [u128; 4]>,
) -> Option<Misfit> {
    after.iter().find_map(|(asset, sums)| {
        let old = before.get(asset).copied().unwrap_or_default();
        let change = |at: usize| sums[at].wrapping_sub(old[at]);
        let equal = change(0) == change(1) && change(2) == change(3);
        let what = || format!("asset {}: debits and credits change by unequal sums", asset.0);
        (!equal).then(|| Misfit { invariant: "LD-1", row: 0, what: what() })
    })
}

/// The name of the ledger that an event belongs to, if it is known.
pub(crate) fn ledger_of<'a>(state: &'a State, event: &'a Event) -> Option<&'a LedgerName> {
    match event {
        Event::CommandRefused { ledger, .. } | Event::LedgerCreated { name: ledger, .. } => {
            Some(ledger)
        }
        Event::AssetCreated { ledger, .. }
        | Event::AccountOpened { ledger, .. }
        | Event::AccountStatusChanged { ledger, .. } => {
            state.ledger(*ledger).map(|book| &book.name)
        }
        Event::TransferBatch(batch) => state.ledger(batch.ledger).map(|book| &book.name),
    }
}
