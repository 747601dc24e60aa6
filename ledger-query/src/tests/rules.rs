//! What an account allows, as of any position.

use ledger_domain::{AccountName, AskedRules, AssetCode, CommandBody, Decimal};
use ledger_proto::v1;

use super::as_of;
use super::bank::Bank;

fn set(limits: &[(&str, &str)]) -> CommandBody {
    let limit = |(code, amount): &(&str, &str)| {
        (AssetCode::parse(code).unwrap(), Decimal::parse(amount).unwrap())
    };
    let credit_limits = limits.iter().map(limit).collect();
    let rules = AskedRules { may_go_negative: false, credit_limits };
    CommandBody::SetAccountRules { name: AccountName::parse("wallet").unwrap(), rules }
}

#[test]
fn rules_are_what_they_were_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    let twice = bank.commit("bank", vec![set(&[("XAU", "1.5")]), set(&[])]);
    // By code, though gold was created first.
    let last = bank.commit("bank", vec![set(&[("XAU", "2"), ("EUR", "7")])]);
    let shown = |account: &v1::Account| {
        let v1::AccountRules { may_go_negative, credit_limits } = account.rules.clone().unwrap();
        let limits = credit_limits.iter().map(|limit| format!("{} {}", limit.asset, limit.amount));
        let limits: Vec<String> = limits.collect();
        format!("{may_go_negative} [{}] {}", limits.join(", "), account.rules_position)
    };
    let at = |position: &str| {
        let (name, consistency) = ("ledgers/bank/accounts/wallet".to_owned(), as_of(position));
        let request = v1::GetAccountRequest { name, consistency: consistency.clone() };
        let one = shown(&query.get_account(&request).unwrap().account.unwrap());
        let parent = "ledgers/bank".to_owned();
        let request = v1::ListAccountsRequest { parent, consistency, ..Default::default() };
        let all = query.list_accounts(&request).unwrap().accounts;
        assert_eq!(shown(all.iter().find(|it| it.name.ends_with("/wallet")).unwrap()), one);
        one
    };
    assert_eq!(at(&opened.to_string()), "true [] ");
    assert_eq!(at(&format!("{twice}.0")), format!("false [XAU 1.5000] {twice}.0"));
    assert_eq!(at(&twice.to_string()), format!("false [] {twice}.1"));
    assert_eq!(at(&last.to_string()), format!("false [EUR 7.00, XAU 2.0000] {last}.0"));
}
