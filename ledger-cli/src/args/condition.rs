//! What a command that writes is made to depend on, as it is typed.

use std::str::FromStr;

use clap::Args;
use ledger_proto::v1;
use ledger_proto::v1::condition::That;

/// Flags of every command that writes to a ledger.
#[derive(Debug, Default, Args)]
pub(crate) struct ConditionArgs {
    /// Only if the account has this version, as `account get` and `balance` show it; 0: only if there is no
    /// such account. May be repeated
    #[arg(long, value_name = "ACCOUNT=VERSION")]
    if_version: Vec<IfVersion>,
    /// Only if a figure of a balance is so: available, posted, debits_posted, credits_posted, debits_pending
    /// or credits_pending; >=, <= or =. May be repeated
    #[arg(long, value_name = "ACCOUNT USD available >= 10.00")]
    if_balance: Vec<IfBalance>,
}

impl ConditionArgs {
    /// As the wire has it: versions first.
    pub(crate) fn into_wire(self) -> Vec<v1::Condition> {
        let versions = self.if_version.into_iter().map(|it| it.0);
        versions.chain(self.if_balance.into_iter().map(|it| it.0)).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
struct IfVersion(v1::Condition);

impl FromStr for IfVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "not ACCOUNT=VERSION, such as users:alice:wallet=1795000000000000000";
        let (account, version) = text.split_once('=').ok_or(rule)?;
        let version = version.parse().map_err(|_| rule)?;
        let (account, that) = (account.to_owned(), Some(That::Version(version)));
        Ok(IfVersion(v1::Condition { account, that }))
    }
}

#[derive(Clone, Debug, PartialEq)]
struct IfBalance(v1::Condition);

impl FromStr for IfBalance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [account, of @ ..] = &words[..] else { return Err(IF_BALANCE.to_owned()) };
        let that = Some(That::Balance(of_balance(of)?.ok_or(IF_BALANCE)?));
        Ok(IfBalance(v1::Condition { account: (*account).to_owned(), that }))
    }
}

const IF_BALANCE: &str = "not ACCOUNT ASSET FIGURE COMPARISON AMOUNT, such as \
                          \"users:alice:wallet USD available >= 10.00\"";

/// What must be so of a balance of an account that is named elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfBalance(pub(crate) v1::BalanceCondition);

impl FromStr for OfBalance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "not ASSET FIGURE COMPARISON AMOUNT, such as \"USD available <= 10.00\"";
        let words: Vec<&str> = text.split_whitespace().collect();
        of_balance(&words)?.map(OfBalance).ok_or_else(|| rule.to_owned())
    }
}

/// Nothing when it is not four words.
fn of_balance(words: &[&str]) -> Result<Option<v1::BalanceCondition>, String> {
    let [asset, figure, comparison, amount] = words else { return Ok(None) };
    let name = format!("BALANCE_FIGURE_{}", figure.to_uppercase());
    let known = v1::BalanceFigure::from_str_name(&name)
        .filter(|figure| *figure != v1::BalanceFigure::Unspecified);
    let figure = known.ok_or_else(|| format!("{figure:?} is no figure of a balance"))?;
    let comparison = match *comparison {
        ">=" => v1::Comparison::AtLeast,
        "<=" => v1::Comparison::AtMost,
        "=" => v1::Comparison::Equal,
        other => return Err(format!("{other:?} is none of >=, <= and =")),
    };
    Ok(Some(v1::BalanceCondition {
        asset: (*asset).to_owned(),
        figure: figure.into(),
        comparison: comparison.into(),
        amount: (*amount).to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_as_they_are_typed() {
        let version = "users:alice=17".parse::<IfVersion>().unwrap().0;
        assert_eq!(version.account, "users:alice");
        assert_eq!(version.that, Some(That::Version(17)));
        for bad in ["", "a", "a=", "a=-1", "a=x", "a=18446744073709551616"] {
            assert!(bad.parse::<IfVersion>().is_err(), "{bad:?}");
        }
        let balance = "a USD  debits_pending <= -1.5".parse::<IfBalance>().unwrap().0;
        let that = v1::BalanceCondition {
            asset: "USD".to_owned(),
            figure: v1::BalanceFigure::DebitsPending.into(),
            comparison: v1::Comparison::AtMost.into(),
            amount: "-1.5".to_owned(),
        };
        assert_eq!("USD debits_pending  <= -1.5".parse(), Ok(OfBalance(that.clone())));
        assert_eq!((balance.account.as_str(), balance.that), ("a", Some(That::Balance(that))));
        for bad in ["", "USD", "a USD available >= 1", "USD left = 1", "USD posted < 1"] {
            assert!(bad.parse::<OfBalance>().is_err(), "{bad:?}");
        }
        for bad in
            ["", "a USD available 1", "a USD unspecified = 1", "a USD left = 1", "a USD posted > 1"]
        {
            assert!(bad.parse::<IfBalance>().is_err(), "{bad:?}");
        }
    }
}
