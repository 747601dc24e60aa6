//! What a command names, as the state has it; what it does not have is refused by name.

use crate::amount::{AmountError, Decimal};
use crate::name::{AccountName, AssetCode, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::state::{Account, AccountHandle, AssetHandle, Ledger, LedgerHandle, State};

pub(super) fn ledger<'a>(
    state: &'a State,
    name: &LedgerName,
) -> Result<(LedgerHandle, &'a Ledger), Rejection> {
    let handle = state.ledger_by_name(name);
    let found = handle.and_then(|handle| state.ledger(handle).map(|book| (handle, book)));
    found.ok_or_else(|| Rejection::new(Code::UnknownLedger, name.as_str()))
}

pub(super) fn account<'a>(
    state: &'a State,
    book: &Ledger,
    name: &AccountName,
) -> Result<(AccountHandle, &'a Account), Rejection> {
    let handle = book.account_by_name(name);
    let found = handle.and_then(|handle| state.account(handle).map(|account| (handle, account)));
    found.ok_or_else(|| Rejection::new(Code::UnknownAccount, name.as_str()))
}

/// An asset, and its scale.
pub(super) fn asset(book: &Ledger, code: &AssetCode) -> Result<(AssetHandle, u8), Rejection> {
    let handle = book.asset_by_code(code);
    let found = handle.and_then(|handle| book.asset(handle).map(|asset| (handle, asset.scale)));
    found.ok_or_else(|| Rejection::new(Code::UnknownAsset, code.as_str()))
}

/// An amount in minor units of an asset with this scale; a refusal is about `subject`.
pub(super) fn to_minor(subject: &str, amount: Decimal, scale: u8) -> Result<u128, Rejection> {
    amount.to_minor(scale).map_err(|error| match error {
        AmountError::TooManyDecimals => Rejection::new(Code::TooManyDecimals, subject),
        AmountError::Malformed | AmountError::Overflow => Rejection::new(Code::Overflow, subject),
    })
}
