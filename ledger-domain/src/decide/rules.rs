//! Rules that were asked for by name and in decimals, as the ledger counts them.

use super::named;
use crate::rejection::Rejection;
use crate::rules::{AccountRules, AskedRules};
use crate::state::Ledger;

/// Rules with the ledger's own assets. A refusal names the asset whose limit it is about: the first, by code,
/// that is unknown, and only then one that does not fit.
pub(super) fn of_ledger(book: &Ledger, asked: &AskedRules) -> Result<AccountRules, Rejection> {
    let AskedRules { may_go_negative, credit_limits } = asked;
    let mut known = Vec::with_capacity(credit_limits.len());
    for (code, amount) in credit_limits {
        let (handle, scale) = named::asset(book, code)?;
        known.push((code, handle, *amount, scale));
    }
    let mut limits = Vec::with_capacity(known.len());
    for (code, handle, amount, scale) in known {
        limits.push((handle, named::to_minor(code.as_str(), amount, scale)?));
    }
    limits.sort_unstable_by_key(|(handle, _)| *handle);
    Ok(AccountRules { may_go_negative: *may_go_negative, credit_limits: limits.into() })
}
