//! What a command depends on, before anything of the command itself is looked at.

use super::post_transfers::group_length;
use super::{Known, Seen};
use crate::amount::{AmountError, format_difference};
use crate::command::{Command, CommandBody};
use crate::condition::{BalanceCondition, Condition, Predicate};
use crate::rejection::{Code, Rejection};
use crate::state::{Account, Ledger, State};

/// Whether all conditions are met; of those that are not, the first in order is the answer.
///
/// A batch of which nothing can be decided any more is a retry: there is nothing left to depend on
/// anything, and each transfer answers its first outcome.
pub(super) fn check(state: &State, command: &Command, known: Known<'_>) -> Result<(), Rejection> {
    if command.conditions.is_empty() || is_retry(&command.body, known) {
        return Ok(());
    }
    let unknown = || Rejection::new(Code::UnknownLedger, command.ledger.as_str());
    let handle = state.ledger_by_name(&command.ledger).ok_or_else(unknown)?;
    let book = state.ledger(handle).ok_or_else(unknown)?;
    for (place, Condition { account: name, that }) in command.conditions.iter().enumerate() {
        let account = book.account_by_name(name).and_then(|at| state.account(at));
        match (account, that) {
            (None, Predicate::Version(0)) => {}
            (None, Predicate::Version(_) | Predicate::Balance(_)) => {
                return Err(Rejection::new(Code::UnknownAccount, name.as_str()));
            }
            (Some(account), Predicate::Version(version)) => {
                let present = account.version();
                if present != *version {
                    let subject = format!("{name} is {present}");
                    return Err(Rejection::new(Code::VersionMismatch, &subject));
                }
            }
            (Some(account), Predicate::Balance(of)) => check_balance(book, account, of, place)?,
        }
    }
    Ok(())
}

/// Whether every transfer, or one of its group, was decided before.
fn is_retry(body: &CommandBody, known: Known<'_>) -> bool {
    let CommandBody::PostTransfers { transfers } = body else { return false };
    let (mut transfers, mut known) = (transfers.as_slice(), known);
    if known.is_empty() {
        return false;
    }
    while !transfers.is_empty() {
        let length = group_length(transfers);
        let (Some((_, behind)), Some((seen, rest))) =
            (transfers.split_at_checked(length), known.split_at_checked(length))
        else {
            return false;
        };
        if seen.iter().all(Seen::is_new) {
            return false;
        }
        (transfers, known) = (behind, rest);
    }
    true
}

fn check_balance(
    book: &Ledger,
    account: &Account,
    condition: &BalanceCondition,
    place: usize,
) -> Result<(), Rejection> {
    let BalanceCondition { asset: code, figure, comparison, amount } = condition;
    let unknown = || Rejection::new(Code::UnknownAsset, code.as_str());
    let asset = book.asset_by_code(code).ok_or_else(unknown)?;
    let scale = book.asset(asset).ok_or_else(unknown)?.scale;
    let field = || format!("conditions[{place}].amount");
    let size = amount.size().to_minor(scale).map_err(|error| match error {
        AmountError::TooManyDecimals => Rejection::new(Code::TooManyDecimals, &field()),
        AmountError::Malformed | AmountError::Overflow => Rejection::new(Code::Overflow, &field()),
    })?;
    let (plus, minus) = figure.of(account, account.balance(asset));
    if comparison.holds((plus, minus), amount.is_negative(), size) {
        return Ok(());
    }
    let present = format_difference(plus, minus, scale);
    let subject = format!("{} {code} {} is {present}", account.name, figure.name());
    Err(Rejection::new(Code::ConditionFailed, &subject))
}
