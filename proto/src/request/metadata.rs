//! Updates of metadata.

use ledger_domain::{Command, CommandBody, LedgerName, MetadataOf, MetadataUpdate, Rejection};

use super::{conditions, malformed_first, request_id};
use crate::metadata::{Secret, read_update};
use crate::{resource, v1};

/// Metadata of an account to change.
///
/// # Errors
/// What of its shape is refused.
pub fn update_account_metadata(
    request: &v1::UpdateAccountMetadataRequest,
) -> Result<(Command, Vec<Secret>), Rejection> {
    let (ledger, name) = resource::account("name", &request.name)?;
    let update = read_update(&request.set, &request.set_sealed, &request.remove);
    command(ledger, MetadataOf::Account(name), update, (&request.request_id, &request.conditions))
}

/// Metadata of a ledger to change.
///
/// # Errors
/// What of its shape is refused.
pub fn update_ledger_metadata(
    request: &v1::UpdateLedgerMetadataRequest,
) -> Result<(Command, Vec<Secret>), Rejection> {
    let ledger = resource::ledger("name", &request.name)?;
    let update = read_update(&request.set, &request.set_sealed, &request.remove);
    command(ledger, MetadataOf::Ledger, update, (&request.request_id, &request.conditions))
}

/// Metadata of a transfer to change.
///
/// # Errors
/// What of its shape is refused.
pub fn update_transfer_metadata(
    request: &v1::UpdateTransferMetadataRequest,
) -> Result<(Command, Vec<Secret>), Rejection> {
    let (ledger, id) = resource::transfer_read("name", &request.name)?;
    let update = read_update(&request.set, &request.set_sealed, &request.remove);
    command(ledger, MetadataOf::Transfer(id), update, (&request.request_id, &request.conditions))
}

fn command(
    ledger: LedgerName,
    of: MetadataOf,
    update: Result<(MetadataUpdate, Vec<Secret>), Rejection>,
    (id, wire): (&str, &[v1::Condition]),
) -> Result<(Command, Vec<Secret>), Rejection> {
    let request_id = request_id(id)?;
    malformed_first(&update)?;
    let conditions = conditions(wire)?;
    let (update, secrets) = update?;
    let body = CommandBody::UpdateMetadata { of, update };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledger_domain::Code;

    use super::*;
    use crate::request::{create_ledger, open_account};

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn asked(set: &[(&str, &str)], remove: &[&str]) -> v1::UpdateAccountMetadataRequest {
        v1::UpdateAccountMetadataRequest {
            name: "ledgers/bank/accounts/a".into(),
            set: map(set),
            remove: remove.iter().map(|key| (*key).to_owned()).collect(),
            ..Default::default()
        }
    }

    fn many(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("k{at}")).collect()
    }

    #[test]
    fn an_update_reads_back_as_it_was_asked_for() {
        let (set, remove) = (map(&[("b", "2"), ("a", "1")]), vec!["d".to_owned(), "c".to_owned()]);
        let name = "ledgers/bank".to_owned();
        let request = v1::UpdateLedgerMetadataRequest { name, set, remove, ..Default::default() };
        let (command, _) = update_ledger_metadata(&request).unwrap();
        let CommandBody::UpdateMetadata { of: MetadataOf::Ledger, update } = command.body else {
            panic!("{command:?}");
        };
        let set: Vec<_> = update.set.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let removed: Vec<_> = update.remove.iter().map(ToString::to_string).collect();
        assert_eq!((set.join(" "), removed.join(" ")), ("a=1 b=2".into(), "c d".into()));
    }

    #[test]
    fn what_of_an_update_is_refused_names_its_field() {
        let check = |request: &v1::UpdateAccountMetadataRequest, code: Code, starts: &str| {
            let rejection = update_account_metadata(request).unwrap_err();
            assert_eq!(rejection.code, code, "{rejection}");
            assert!(rejection.subject.starts_with(starts), "{rejection}");
        };
        let malformed = Code::Malformed;
        check(&asked(&[], &[]), malformed, "set \"\": nothing is set");
        check(&asked(&[("a", "1")], &["a"]), malformed, "remove \"a\": is set by");
        check(&asked(&[], &["a", "a"]), malformed, "remove \"a\": is removed once");
        check(&asked(&[("a b", "1")], &[]), malformed, "set \"a b\": a key of metadata");
        check(&asked(&[], &[""]), malformed, "remove \"\": a key of metadata");
        check(&asked(&[("a", "")], &[]), malformed, "set.a \"\": a value has 1-256 bytes");
        let long = "x".repeat(257);
        check(&asked(&[("a", &long)], &[]), Code::TooLong, "set.a has more than 256 bytes");
        check(&asked(&[("a", &long), ("b", "")], &[]), malformed, "set.b");
        let keys = many(33);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let entries: Vec<_> = keys.iter().map(|key| (*key, "v")).collect();
        check(&asked(&entries, &[]), Code::TooLong, "set has more than 32 keys");
        check(&asked(&[], &keys), Code::TooLong, "remove has more than 32 keys");
        assert!(update_account_metadata(&asked(&entries[..32], &[])).is_ok());
        let name = "ledgers/bank/accounts/~clearing:market".to_owned();
        let systems = v1::UpdateAccountMetadataRequest { name, ..asked(&[("a", "1")], &[]) };
        check(&systems, malformed, "name \"~clearing:market\"");
        let condition = v1::Condition { account: "a b".into(), that: None };
        let large = v1::UpdateAccountMetadataRequest {
            conditions: vec![condition],
            ..asked(&[("a", &long)], &[])
        };
        check(&large, malformed, "conditions[0]");
    }

    #[test]
    fn what_is_created_is_noted_by_the_same_rules() {
        let created = |entries: &[(&str, &str)]| {
            create_ledger(&v1::CreateLedgerRequest {
                ledger_id: "bank".into(),
                metadata: map(entries),
                ..Default::default()
            })
        };
        let opened = |entries: &[(&str, &str)]| {
            open_account(&v1::OpenAccountRequest {
                parent: "ledgers/bank".into(),
                account_id: "a".into(),
                r#type: 1,
                metadata: map(entries),
                ..Default::default()
            })
        };
        assert!(created(&[("a", "1")]).is_ok() && opened(&[("a", "1")]).is_ok());
        assert_eq!(created(&[("a", "")]).unwrap_err().code, Code::Malformed);
        assert_eq!(opened(&[("a b", "1")]).unwrap_err().code, Code::Malformed);
        let keys = many(33);
        let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), "v")).collect();
        assert_eq!(created(&entries).unwrap_err().code, Code::TooLong);
        assert_eq!(opened(&entries).unwrap_err().code, Code::TooLong);
        assert_eq!(created(&[]).unwrap(), created(&[]).unwrap());
    }

    #[test]
    fn a_transfer_is_noted_by_the_same_rules() {
        let long = "x".repeat(257);
        let post = |key: &str, value: &str, amount: &str| {
            let transfer = v1::Transfer {
                transfer_id: "t".into(),
                debit_account: "a".into(),
                credit_account: "b".into(),
                asset: "USD".into(),
                amount: amount.into(),
                metadata: map(&[(key, value)]),
                ..Default::default()
            };
            let request = v1::PostTransferRequest {
                parent: "ledgers/bank".into(),
                transfer: Some(transfer),
                ..Default::default()
            };
            crate::request::post_transfer(&request).map_err(|rejection| rejection.code)
        };
        let (command, _) = post("order", "17", "1").unwrap();
        let CommandBody::PostTransfers { transfers } = command.body else { panic!("a batch") };
        assert_eq!(crate::metadata::plain(&transfers[0].metadata), map(&[("order", "17")]));
        assert_eq!(post("no key", "17", "0"), Err(Code::Malformed));
        assert_eq!(post("order", "", "0"), Err(Code::Malformed));
        assert_eq!(post("order", &long, "0"), Err(Code::ZeroAmount), "in the order of the codes");
        assert_eq!(post("order", &long, "1"), Err(Code::TooLong));
        let send = |value: &str, amount: &str| {
            let request = v1::SendMoneyRequest {
                parent: "ledgers/bank".into(),
                send_id: "s".into(),
                debit_account: "a".into(),
                destination: "ledgers/market/accounts/b".into(),
                asset: "USD".into(),
                amount: amount.into(),
                metadata: map(&[("order", value)]),
                ..Default::default()
            };
            crate::request::send_money(&request).map_err(|rejection| rejection.code)
        };
        assert!(send("17", "1").is_ok());
        assert_eq!(send("", "0"), Err(Code::Malformed));
        assert_eq!(send(&long, "0"), Err(Code::ZeroAmount));
        assert_eq!(send(&long, "1"), Err(Code::TooLong));
    }
}
