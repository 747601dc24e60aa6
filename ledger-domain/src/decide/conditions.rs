//! What a command depends on, before anything of the command itself is looked at.

use super::post_transfers::groups;
use super::{Known, named};
use crate::amount::format_difference;
use crate::command::{Command, CommandBody, Transfer};
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
    let (_, book) = named::ledger(state, &command.ledger)?;
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
    let mut seen = known.iter();
    let decided = |group: &[Transfer]| {
        // All of its own are taken, whichever was decided.
        seen.by_ref().take(group.len()).filter(|seen| !seen.is_new()).count() > 0
    };
    !known.is_empty() && groups(transfers).all(decided)
}

fn check_balance(
    book: &Ledger,
    account: &Account,
    condition: &BalanceCondition,
    place: usize,
) -> Result<(), Rejection> {
    let BalanceCondition { asset: code, figure, comparison, amount } = condition;
    let (asset, scale) = named::asset(book, code)?;
    let field = format!("conditions[{place}].amount");
    let size = named::to_minor(&field, amount.size(), scale)?;
    let (plus, minus) = figure.of(account, account.balance(asset));
    if comparison.holds((plus, minus), amount.is_negative(), size) {
        return Ok(());
    }
    let present = format_difference(plus, minus, scale);
    let subject = format!("{} {code} {} is {present}", account.name, figure.name());
    Err(Rejection::new(Code::ConditionFailed, &subject))
}
