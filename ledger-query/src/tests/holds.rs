//! The open holds of a ledger, at every position and in pages of any size.

use ledger_domain::{
    AccountName, AccountType, AskedRules, CommandBody, Decimal, Id, Movement, Position,
};

use super::transfers::{hold, moves};
use super::*;

const UUID: &str = "0198c0de-1234-7abc-8def-0123456789ab";

fn id(id: &str) -> Id {
    Id::parse(id).unwrap()
}

fn at(position: &Position) -> Option<v1::Consistency> {
    as_of(&position.to_string())
}

fn request(account: &str, consistency: Option<v1::Consistency>) -> v1::ListHoldsRequest {
    v1::ListHoldsRequest {
        parent: "ledgers/bank".into(),
        account: account.into(),
        consistency,
        page_size: 1,
        page_token: String::new(),
    }
}

/// All pages: "h 7.00 of 10.00 0@9.0, …".
fn list(
    query: &Query,
    consistency: Option<v1::Consistency>,
    account: &str,
    page_size: i32,
) -> Result<String, QueryError> {
    let mut request = v1::ListHoldsRequest { page_size, ..request(account, consistency) };
    let mut said = Vec::new();
    loop {
        let page = query.list_holds(&request)?;
        assert!(page.holds.len() <= page_size as usize);
        said.extend(page.holds.into_iter().map(|hold| {
            let name = hold.name.strip_prefix("ledgers/bank/transfers/").unwrap();
            let sides = format!("{} {}", hold.debit_account, hold.credit_account);
            assert_eq!((sides.as_str(), hold.asset.as_str()), ("till wallet", "EUR"));
            assert!(hold.recorded_at.is_some() && hold.expire_time.is_some() == (name == "h"));
            format!("{name} {} of {} {}", hold.remaining, hold.amount, hold.position)
        }));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(said.join(", "));
        }
    }
}

#[test]
fn open_holds_are_listed_as_they_were_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let until = bank.recorded_at() + 1_000;
    let all = [hold("h", "10", Some(until)), hold(UUID, "4", None), hold("hh", "2", None)];
    let held = bank.post("bank", all.to_vec());
    let three = Some(Decimal::parse("3").unwrap());
    let part = Movement::Capture { hold: id("h"), amount: three };
    let part = bank.post("bank", vec![moves("c", part)]);
    let void =
        bank.post("bank", vec![moves("v", Movement::Void { hold: id(UUID), refused: None })]);
    let expired = bank.expire(until);

    let uuid = format!("{UUID} 4.00 of 4.00 {held}.1");
    let two = |h: &str| format!("h {h} of 10.00 {held}.0, hh 2.00 of 2.00 {held}.2");
    for page_size in [1, 2, 3, 50] {
        for account in ["", "till", "wallet"] {
            let list = |position| list(&query, at(position), account, page_size).unwrap();
            let what = format!("{account:?} in pages of {page_size}");
            assert_eq!(list(&held), format!("{uuid}, {}", two("10.00")), "{what}");
            assert_eq!(list(&part), format!("{uuid}, {}", two("7.00")), "{what}");
            assert_eq!(list(&void), two("7.00"), "{what}");
            assert_eq!(list(&expired), format!("hh 2.00 of 2.00 {held}.2"), "{what}");
        }
        let list = |position: String| list(&query, as_of(&position), "", page_size).unwrap();
        assert_eq!(list(format!("{held}.0")), format!("h 10.00 of 10.00 {held}.0"));
        assert_eq!(list(format!("0@{}", held.offset - 1)), "");
    }
}

#[test]
fn what_cannot_be_listed_is_refused() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let held = bank.post("bank", vec![hold("h", "10", None), hold("i", "4", None)]);
    let world = CommandBody::OpenAccount {
        name: AccountName::parse("world").unwrap(),
        account_type: AccountType::Asset,
        rules: AskedRules::without_limits(true),
        metadata: Default::default(),
    };
    bank.commit("bank", vec![world]);
    assert_eq!(list(&query, None, "world", 5).unwrap(), "", "an account that holds nothing");
    let refused = |request: v1::ListHoldsRequest, expected: &str| {
        let error = query.list_holds(&request).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} has {expected}");
    };
    refused(request("nobody", None), "nobody");
    refused(request("world", at(&held)), "world");
    refused(request("no body", None), "account: ");
    refused(v1::ListHoldsRequest { parent: "bank".into(), ..request("", None) }, "parent");
    let parent = "ledgers/none".into();
    refused(v1::ListHoldsRequest { parent, ..request("", None) }, "none");

    let page_token = query.list_holds(&request("", at(&held))).unwrap().next_page_token;
    let page = |account, consistency, page_token: &str| {
        let page_token = page_token.to_owned();
        v1::ListHoldsRequest { page_token, ..request(account, consistency) }
    };
    assert!(query.list_holds(&page("", at(&held), &page_token)).is_ok());
    refused(page("till", at(&held), &page_token), "page token");
    refused(page("", None, &page_token), "page token");
    refused(page("", at(&held), "zz"), "page token");
}
