//! What a command depends on, from the wire.

use ledger_domain::limits::CONDITIONS_MAX;
use ledger_domain::{
    BalanceCondition, BalanceFigure, Code, Comparison, Condition, Predicate, Rejection,
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
        That::Balance(balance) => {
            let asset = parse_asset(&field("asset"), &balance.asset)?;
            let figure = u8::try_from(balance.figure).ok().and_then(BalanceFigure::from_number);
            let no_figure = || malformed(&field("figure"), "", "is one of the six figures");
            let figure = figure.ok_or_else(no_figure)?;
            let comparison = u8::try_from(balance.comparison).ok();
            let no_comparison = || malformed(&field("comparison"), "", "is one of the three");
            let comparison = comparison.and_then(Comparison::from_number);
            let comparison = comparison.ok_or_else(no_comparison)?;
            let amount = SignedDecimal::parse(&balance.amount)
                .map_err(|error| amount_refused(&field("amount"), &balance.amount, error))?;
            Predicate::Balance(BalanceCondition { asset, figure, comparison, amount })
        }
    };
    Ok(Condition { account, that })
}
