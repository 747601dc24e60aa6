//! What a command depends on, from the wire.

use ledger_domain::limits::CONDITIONS_MAX;
use ledger_domain::{
    AssetCode, BalanceCondition, BalanceFigure, Code, Comparison, Condition, Predicate, Rejection,
    SignedDecimal,
};

use super::amount_refused;
use crate::resource::{malformed, parse_account, parse_asset};
use crate::v1;
use crate::v1::condition::That;

/// A flat chain of checks in the order of `Code`, over all of them: what is malformed in one comes before what
/// is too large in another.
pub(super) fn conditions(wire: &[v1::Condition]) -> Result<Vec<Condition>, Rejection> {
    if wire.len() > CONDITIONS_MAX {
        let subject = format!("{} conditions; a command has at most {CONDITIONS_MAX}", wire.len());
        return Err(Rejection::new(Code::TooLong, &subject));
    }
    let read: Vec<_> =
        wire.iter().enumerate().map(|(place, wire)| condition(place, wire)).collect();
    let rank = |code: Code| Code::ALL.iter().position(|it| *it == code);
    let refused = read.iter().filter_map(|read| read.as_ref().err());
    match refused.min_by_key(|rejection| rank(rejection.code)) {
        Some(rejection) => Err(rejection.clone()),
        None => read.into_iter().collect(),
    }
}

fn condition(place: usize, wire: &v1::Condition) -> Result<Condition, Rejection> {
    let field = |name: &str| format!("conditions[{place}].{name}");
    let account = parse_account(&field("account"), &wire.account)?;
    let missing = || malformed(&field("that"), "", "is a version or a balance");
    let that = match wire.that.as_ref().ok_or_else(missing)? {
        That::Version(version) => Predicate::Version(*version),
        That::Balance(wire) => Predicate::Balance(balance(field, wire)?),
    };
    Ok(Condition { account, that })
}

/// A condition on a balance, whose fields are named by `field`. A flat chain of checks in the order of `Code`.
pub(super) fn balance(
    field: impl Fn(&str) -> String,
    wire: &v1::BalanceCondition,
) -> Result<BalanceCondition, Rejection> {
    let (asset, figure, comparison) = balance_shape(&field, wire)?;
    let amount = SignedDecimal::parse(&wire.amount)
        .map_err(|error| amount_refused(&field("amount"), &wire.amount, error))?;
    Ok(BalanceCondition { asset, figure, comparison, amount })
}

/// What of it is `MALFORMED`, if anything is; all but the amount.
pub(super) fn balance_shape(
    field: impl Fn(&str) -> String,
    wire: &v1::BalanceCondition,
) -> Result<(AssetCode, BalanceFigure, Comparison), Rejection> {
    let asset = parse_asset(&field("asset"), &wire.asset)?;
    let figure = u8::try_from(wire.figure).ok().and_then(BalanceFigure::from_number);
    let figure =
        figure.ok_or_else(|| malformed(&field("figure"), "", "is one of the six figures"))?;
    let comparison = u8::try_from(wire.comparison).ok().and_then(Comparison::from_number);
    let comparison =
        comparison.ok_or_else(|| malformed(&field("comparison"), "", "is one of the three"))?;
    Ok((asset, figure, comparison))
}
