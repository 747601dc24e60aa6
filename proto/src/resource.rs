//! Resource names: "ledgers/bank/accounts/users:alice:wallet". `field` is the request's field that holds
//! the text, for the refusal to name.

use ledger_domain::{AccountName, AssetCode, Code, CustomerName, Id, LedgerName, Rejection};

/// "ledgers/bank".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn ledger(field: &str, name: &str) -> Result<LedgerName, Rejection> {
    let [ledger] = segments(field, name, ["ledgers"])?;
    parse_ledger(field, ledger)
}

/// "ledgers/bank/accounts/users:alice:wallet".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn account(field: &str, name: &str) -> Result<(LedgerName, AccountName), Rejection> {
    let [ledger, account] = segments(field, name, ["ledgers", "accounts"])?;
    Ok((parse_ledger(field, ledger)?, parse_account(field, account)?))
}

/// As [`account`], to be read: also one of the system's, "~clearing:market".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn account_read(field: &str, name: &str) -> Result<(LedgerName, AccountName), Rejection> {
    let [ledger, account] = segments(field, name, ["ledgers", "accounts"])?;
    let read = AccountName::parse_read(account).map_err(|rule| malformed(field, account, rule.0));
    Ok((parse_ledger(field, ledger)?, read?))
}

/// As [`transfer`], to be read: also one of the system's, "~from:bank:0198…".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn transfer_read(field: &str, name: &str) -> Result<(LedgerName, Id), Rejection> {
    let [ledger, transfer] = segments(field, name, ["ledgers", "transfers"])?;
    let read = Id::parse_read(transfer).map_err(|rule| malformed(field, transfer, rule.0));
    Ok((parse_ledger(field, ledger)?, read?))
}

/// "ledgers/bank/transfers/0198…".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn transfer(field: &str, name: &str) -> Result<(LedgerName, Id), Rejection> {
    let [ledger, transfer] = segments(field, name, ["ledgers", "transfers"])?;
    Ok((parse_ledger(field, ledger)?, parse_id(field, transfer)?))
}

/// "ledgers/bank/journalEntries/0198…".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn journal_entry(field: &str, name: &str) -> Result<(LedgerName, Id), Rejection> {
    let [ledger, entry] = segments(field, name, ["ledgers", "journalEntries"])?;
    Ok((parse_ledger(field, ledger)?, parse_id(field, entry)?))
}

/// "ledgers/bank/schedules/rent".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn schedule(field: &str, name: &str) -> Result<(LedgerName, Id), Rejection> {
    let [ledger, schedule] = segments(field, name, ["ledgers", "schedules"])?;
    Ok((parse_ledger(field, ledger)?, parse_id(field, schedule)?))
}

/// "ledgers/bank/accounts/users:alice/alerts/low".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn balance_alert(field: &str, name: &str) -> Result<(LedgerName, AccountName, Id), Rejection> {
    let collections = ["ledgers", "accounts", "alerts"];
    let [ledger, account, alert] = segments(field, name, collections)?;
    let (ledger, account) = (parse_ledger(field, ledger)?, parse_account(field, account)?);
    Ok((ledger, account, parse_id(field, alert)?))
}

/// Name of a balance alert as a resource.
#[must_use]
pub fn balance_alert_resource(ledger: &str, account: &str, id: &Id) -> String {
    format!("ledgers/{ledger}/accounts/{account}/alerts/{id}")
}

/// Name of a schedule as a resource.
#[must_use]
pub fn schedule_resource(ledger: &str, id: &Id) -> String {
    format!("ledgers/{ledger}/schedules/{id}")
}

/// "ledgers/bank/customers/c-1042".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn customer(field: &str, name: &str) -> Result<(LedgerName, CustomerName), Rejection> {
    let [ledger, customer] = segments(field, name, ["ledgers", "customers"])?;
    Ok((parse_ledger(field, ledger)?, parse_customer(field, customer)?))
}

/// Name of a customer as a resource.
#[must_use]
pub fn customer_resource(ledger: &str, customer: &str) -> String {
    format!("ledgers/{ledger}/customers/{customer}")
}

/// "ledgers/bank/sagas/0198…".
///
/// # Errors
/// `MALFORMED` naming the rule.
pub fn saga(field: &str, name: &str) -> Result<(LedgerName, Id), Rejection> {
    let [ledger, saga] = segments(field, name, ["ledgers", "sagas"])?;
    Ok((parse_ledger(field, ledger)?, parse_id(field, saga)?))
}

/// Name of a ledger as a resource.
#[must_use]
pub fn ledger_resource(ledger: &str) -> String {
    format!("ledgers/{ledger}")
}

/// Name of an asset as a resource.
#[must_use]
pub fn asset_resource(ledger: &str, asset: &str) -> String {
    format!("ledgers/{ledger}/assets/{asset}")
}

/// Name of an account as a resource.
#[must_use]
pub fn account_resource(ledger: &str, account: &str) -> String {
    format!("ledgers/{ledger}/accounts/{account}")
}

/// Name of a transfer as a resource.
#[must_use]
pub fn transfer_resource(ledger: &str, id: &Id) -> String {
    format!("ledgers/{ledger}/transfers/{id}")
}

/// Name of a saga as a resource: that of the send which began it.
#[must_use]
pub fn saga_resource(ledger: &str, send: &Id) -> String {
    format!("ledgers/{ledger}/sagas/{send}")
}

/// Name of a journal entry as a resource.
#[must_use]
pub fn journal_entry_resource(ledger: &str, id: &Id) -> String {
    format!("ledgers/{ledger}/journalEntries/{id}")
}

/// A ledger's name in `field`.
pub(crate) fn parse_ledger(field: &str, text: &str) -> Result<LedgerName, Rejection> {
    LedgerName::parse(text).map_err(|rule| malformed(field, text, rule.0))
}

/// An account's name in `field`.
pub(crate) fn parse_account(field: &str, text: &str) -> Result<AccountName, Rejection> {
    AccountName::parse(text).map_err(|rule| malformed(field, text, rule.0))
}

/// A customer's name in `field`.
pub(crate) fn parse_customer(field: &str, text: &str) -> Result<CustomerName, Rejection> {
    CustomerName::parse(text).map_err(|rule| malformed(field, text, rule.0))
}

/// An asset's code in `field`.
pub(crate) fn parse_asset(field: &str, text: &str) -> Result<AssetCode, Rejection> {
    AssetCode::parse(text).map_err(|rule| malformed(field, text, rule.0))
}

/// An id in `field`.
pub(crate) fn parse_id(field: &str, text: &str) -> Result<Id, Rejection> {
    Id::parse(text).map_err(|rule| malformed(field, text, rule.0))
}

/// An id in `field` of something that exists, perhaps by the system.
pub(crate) fn parse_id_read(field: &str, text: &str) -> Result<Id, Rejection> {
    Id::parse_read(text).map_err(|rule| malformed(field, text, rule.0))
}

pub(crate) fn malformed(field: &str, text: &str, rule: &str) -> Rejection {
    let shown: String = text.chars().take(80).collect();
    Rejection::new(Code::Malformed, &format!("{field} {shown:?}: {rule}"))
}

/// The values behind each collection of a resource name.
fn segments<'a, const N: usize>(
    field: &str,
    name: &'a str,
    collections: [&str; N],
) -> Result<[&'a str; N], Rejection> {
    let rule = || {
        let form = collections.map(|collection| format!("{collection}/…")).join("/");
        malformed(field, name, &format!("a resource name of the form {form}"))
    };
    let mut values = [""; N];
    let mut parts = name.split('/');
    for (value, collection) in values.iter_mut().zip(collections) {
        if parts.next() != Some(collection) {
            return Err(rule());
        }
        *value = parts.next().ok_or_else(rule)?;
    }
    if parts.next().is_some() { Err(rule()) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        assert_eq!(ledger("name", "ledgers/bank").unwrap().as_str(), "bank");
        let (book, name) = account("name", &account_resource("bank", "users:alice")).unwrap();
        assert_eq!((book.as_str(), name.as_str()), ("bank", "users:alice"));
        let id = Id::parse("t-1").unwrap();
        assert_eq!(transfer("name", &transfer_resource("bank", &id)).unwrap().1, id);
        let (_, account, alert) =
            balance_alert("name", &balance_alert_resource("bank", "users:alice", &id)).unwrap();
        assert_eq!((account.as_str(), alert), ("users:alice", id));
    }

    #[test]
    fn refuses_other_forms_and_names_field_and_rule() {
        for bad in ["", "bank", "ledgers", "ledgers/", "ledgers/-", "ledgers/a/b", "accounts/x"] {
            assert_eq!(ledger("parent", bad).unwrap_err().code, Code::Malformed, "{bad:?}");
        }
        let subject = |refused: Result<_, Rejection>| refused.unwrap_err().subject.into_string();
        assert_eq!(
            subject(account("parent", "ledgers/bank").map(|_| ())),
            "parent \"ledgers/bank\": a resource name of the form ledgers/…/accounts/…"
        );
        assert_eq!(
            subject(ledger("parent", "ledgers/my bank").map(|_| ())),
            "parent \"my bank\": a ledger's name is 1-64 of [A-Za-z0-9_.-] and not \"-\" alone"
        );
    }
}
