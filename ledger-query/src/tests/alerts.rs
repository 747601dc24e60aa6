//! Balance alerts and their crossings, at every position and in pages of any size.

use ledger_domain::{
    AccountName, AssetCode, BalanceCondition, BalanceFigure, CommandBody, Comparison, Id, Movement,
    SignedDecimal,
};
use ledger_proto::v1::balance_alert_crossing::Cause;

use super::transfers::{hold, moves};
use super::*;

const UUID: &str = "0198c0de-1234-7abc-8def-0123456789ab";

fn set(account: &str, alert: &str, figure: BalanceFigure, amount: &str) -> CommandBody {
    let condition = BalanceCondition {
        asset: AssetCode::parse("EUR").unwrap(),
        figure,
        comparison: Comparison::AtLeast,
        amount: SignedDecimal::parse(amount).unwrap(),
    };
    CommandBody::SetBalanceAlert {
        account: AccountName::parse(account).unwrap(),
        alert: Id::parse(alert).unwrap(),
        condition: Box::new(condition),
    }
}

fn remove(account: &str, alert: &str) -> CommandBody {
    let (account, alert) = (AccountName::parse(account).unwrap(), Id::parse(alert).unwrap());
    CommandBody::RemoveBalanceAlert { account, alert }
}

/// "low raised 0@7.1".
fn said(alert: &v1::BalanceAlert) -> String {
    let id = alert.name.strip_prefix("ledgers/bank/accounts/").unwrap().replace("/alerts/", "/");
    assert!(alert.changed_at.is_some());
    let when = alert.when.as_ref().unwrap();
    let raised = if alert.raised { "raised" } else { "-" };
    format!("{id} {} {raised} {}", when.amount, alert.position)
}

fn of_account(query: &Query, account: &str, at: Option<v1::Consistency>, size: i32) -> String {
    let mut request = v1::ListBalanceAlertsRequest {
        parent: format!("ledgers/bank/accounts/{account}"),
        consistency: at,
        page_size: size,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = query.list_balance_alerts(&request).unwrap();
        assert!(page.alerts.len() <= size as usize);
        all.extend(page.alerts.iter().map(said));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all.join(", ");
        }
    }
}

fn raised(query: &Query, at: Option<v1::Consistency>, size: i32) -> String {
    let mut request = v1::ListRaisedAlertsRequest {
        parent: "ledgers/bank".into(),
        consistency: at,
        page_size: size,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = query.list_raised_alerts(&request).unwrap();
        all.extend(page.alerts.iter().map(said));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all.join(", ");
        }
    }
}

fn crossings(query: &Query, account: &str, at: Option<v1::Consistency>, size: i32) -> String {
    let mut request = v1::ListAlertCrossingsRequest {
        parent: format!("ledgers/bank/accounts/{account}"),
        consistency: at,
        page_size: size,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = query.list_alert_crossings(&request).unwrap();
        assert!(page.crossings.len() <= size as usize);
        all.extend(page.crossings.iter().map(|it| {
            let by = match &it.cause {
                Some(Cause::TransferId(id)) => id.clone(),
                Some(Cause::HoldId(hold)) => format!("~{hold}"),
                None => "-".into(),
            };
            assert!(it.account == account && it.recorded_at.is_some());
            let to = if it.raised { "up" } else { "down" };
            format!("{} {to} {} {by} {}", it.alert_id, it.value, it.position)
        }));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all.join(", ");
        }
    }
}

#[test]
fn alerts_are_as_they_were_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let figure = BalanceFigure::DebitsPending;
    let many = bank.commit(
        "bank",
        vec![
            set("till", "low", figure, "5"),
            set("till", UUID, figure, "0"),
            set("wallet", "low", BalanceFigure::CreditsPending, "12"),
        ],
    );
    let until = bank.recorded_at() + 1_000;
    let held = bank.post("bank", vec![hold("h", "10", Some(until)), hold("i", "4", None)]);
    let id = Id::parse("i").unwrap();
    let void = bank.post("bank", vec![moves("v", Movement::Void { hold: id, refused: None })]);
    let expired = bank.expire(until);
    let gone = bank.commit("bank", vec![remove("till", UUID), set("till", "low", figure, "0.01")]);

    let uuid = format!("till/{UUID} 0.00 raised {many}.2");
    let low = |raised: &str, at: String| format!("till/low 5.00 {raised} {at}");
    let wallet = |raised: &str, at: String| format!("wallet/low 12.00 {raised} {at}");
    for size in [1, 2, 3, 50] {
        let till = |at: &str| of_account(&query, "till", as_of(at), size);
        let raised = |at: &str| raised(&query, as_of(at), size);
        let first = format!("{uuid}, {}", low("-", format!("{many}.0")));
        assert_eq!(till(&many.to_string()), first);
        assert_eq!(till(&format!("{many}.0")), low("-", format!("{many}.0")));
        assert_eq!(raised(&many.to_string()), uuid);
        let up = low("raised", format!("{held}.2"));
        assert_eq!(till(&held.to_string()), format!("{uuid}, {up}"));
        let both = format!("{uuid}, {up}, {}", wallet("raised", format!("{held}.3")));
        assert_eq!(raised(&held.to_string()), both);
        assert_eq!(raised(&format!("{held}.2")), format!("{uuid}, {up}"));
        assert_eq!(raised(&format!("{held}.1")), uuid, "before it is recorded");
        assert_eq!(raised(&void.to_string()), format!("{uuid}, {up}"));
        assert_eq!(raised(&expired.to_string()), uuid);
        assert_eq!(raised(&gone.to_string()), "");
        assert_eq!(till(&gone.to_string()), format!("till/low 0.01 - {gone}.1"));
        let all = format!(
            "low down 0.00 ~h {expired}.1, low up 10.00 h {held}.2, {UUID} up 0.00 - {many}.2"
        );
        assert_eq!(crossings(&query, "till", None, size), all);
        let before = format!("{UUID} up 0.00 - {many}.2");
        assert_eq!(crossings(&query, "till", as_of(&format!("{held}.1")), size), before);
        let of_wallet = format!("low down 10.00 v {void}.1, low up 14.00 i {held}.3");
        assert_eq!(crossings(&query, "wallet", None, size), of_wallet);
    }
}

#[test]
fn what_alert_is_not_there_is_named() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    bank.commit("bank", vec![set("till", "low", BalanceFigure::Posted, "5")]);
    let get = |name: &str, consistency| {
        let name = name.to_owned();
        query.get_balance_alert(&v1::GetBalanceAlertRequest { name, consistency })
    };
    assert!(get("ledgers/bank/accounts/till/alerts/low", None).is_ok());
    for (name, at, expected) in [
        ("ledgers/bank/accounts/till/alerts/low", as_of(&opened.to_string()), "low"),
        ("ledgers/bank/accounts/till/alerts/high", None, "high"),
        ("ledgers/bank/accounts/wallet/alerts/low", None, "low"),
        ("ledgers/bank/accounts/nobody/alerts/low", None, "nobody"),
        ("ledgers/none/accounts/till/alerts/low", None, "none"),
        ("ledgers/bank/accounts/till", None, "alerts/…"),
    ] {
        let error = get(name, at).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} has {expected}");
    }
    let parent = "ledgers/bank/accounts/till".to_owned();
    let request = v1::ListAlertCrossingsRequest {
        parent,
        page_size: 1,
        page_token: "zz".into(),
        ..Default::default()
    };
    let error = query.list_alert_crossings(&request).unwrap_err().to_string();
    assert!(error.contains("page token"), "{error}");
}
