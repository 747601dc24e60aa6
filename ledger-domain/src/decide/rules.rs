//! What was asked for by name and in decimals, as the ledger counts it.

use crate::amount::{AmountError, Decimal};
use crate::rejection::{Code, Rejection};
use crate::rules::{AccountRules, AskedRules};
use crate::state::Ledger;

/// An amount in minor units of an asset with this scale; a refusal is about `subject`.
pub(super) fn to_minor(subject: &str, amount: Decimal, scale: u8) -> Result<u128, Rejection> {
    amount.to_minor(scale).map_err(|error| match error {
        AmountError::TooManyDecimals => Rejection::new(Code::TooManyDecimals, subject),
        AmountError::Malformed | AmountError::Overflow => Rejection::new(Code::Overflow, subject),
    })
}

/// Rules with the ledger's own assets. A refusal names the asset whose limit it is about: the first, by code,
/// that is unknown, and only then one that does not fit.
pub(super) fn of_ledger(book: &Ledger, asked: &AskedRules) -> Result<AccountRules, Rejection> {
    let AskedRules { may_go_negative, credit_limits } = asked;
    let mut known = Vec::with_capacity(credit_limits.len());
    for (code, amount) in credit_limits {
        let unknown = || Rejection::new(Code::UnknownAsset, code.as_str());
        let handle = book.asset_by_code(code).ok_or_else(unknown)?;
        let scale = book.asset(handle).ok_or_else(unknown)?.scale;
        known.push((code, handle, *amount, scale));
    }
    let mut limits = Vec::with_capacity(known.len());
    for (code, handle, amount, scale) in known {
        limits.push((handle, to_minor(code.as_str(), amount, scale)?));
    }
    limits.sort_unstable_by_key(|(handle, _)| *handle);
    Ok(AccountRules { may_go_negative: *may_go_negative, credit_limits: limits.into() })
}
