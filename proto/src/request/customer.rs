//! Customers. What is kept of a person is checked here and stands aside, in plain: whoever has the keys seals it
//! before the command is decided.

use std::collections::{BTreeMap, BTreeSet};

use ledger_domain::limits::{CUSTOMER_ACCOUNTS_MAX, METADATA_KEYS_MAX, METADATA_VALUE_BYTES_MAX};
use ledger_domain::{
    AskedAccount, AskedRules, Code, Command, CommandBody, CustomerName, Metadata, MetadataKey,
    Profile, Rejection,
};

use super::{account_rules, account_type, conditions, malformed_first, request_id};
use crate::metadata::{Noted, Secret, SecretOf};
use crate::resource::{self, malformed, parse_account, parse_customer};
use crate::v1;

/// A customer to register; its profile stands aside.
///
/// # Errors
/// What of its shape is refused.
pub fn register(request: &v1::RegisterRequest) -> Result<(Command, Vec<Secret>), Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let customer = parse_customer("customer_id", &request.customer_id)?;
    let request_id = request_id(&request.request_id)?;
    let mut accounts = accounts(&request.accounts)?;
    let noted: Vec<_> = request.accounts.iter().enumerate().map(noted).collect();
    noted.iter().try_for_each(malformed_first)?;
    let keys = keys("profile", &request.profile)?;
    let conditions = conditions(&request.conditions)?;
    for (account, wire) in accounts.iter_mut().zip(&request.accounts) {
        account.rules = wire.rules.as_ref().map(account_rules).transpose()?.unwrap_or_default();
    }
    let mut secrets = secrets(&customer, "profile", keys, &request.profile)?;
    for (account, noted) in accounts.iter_mut().zip(noted) {
        let (metadata, aside) = noted?;
        account.metadata = metadata;
        secrets.extend(aside);
    }
    let body = CommandBody::Register { customer, accounts, profile: Profile::new() };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

/// Metadata of an account with this index.
fn noted((index, wire): (usize, &v1::NewAccount)) -> Result<(Metadata, Vec<Secret>), Rejection> {
    let (field, sealed_field) = ("accounts.metadata", "accounts.sealed_metadata");
    let v1::NewAccount { metadata: plain, sealed_metadata: sealed, .. } = wire;
    Noted { field, plain, sealed_field, sealed }.read(index)
}

/// Without their rules and metadata.
fn accounts(wire: &[v1::NewAccount]) -> Result<Vec<AskedAccount>, Rejection> {
    if wire.len() > CUSTOMER_ACCOUNTS_MAX {
        let rule = format!("a customer is registered with at most {CUSTOMER_ACCOUNTS_MAX}");
        return Err(malformed("accounts", "", &rule));
    }
    let mut names = BTreeSet::new();
    let account = |wire: &v1::NewAccount| {
        let name = parse_account("accounts.account_id", &wire.account_id)?;
        let account_type = account_type("accounts.type", wire.r#type)?;
        if !names.insert(name.clone()) {
            return Err(malformed("accounts", name.as_str(), "each has a name of its own"));
        }
        let (rules, metadata) = (AskedRules::default(), Metadata::default());
        Ok(AskedAccount { name, account_type, rules, metadata })
    };
    wire.iter().map(account).collect()
}

/// A profile to change; what is to be set stands aside.
///
/// # Errors
/// What of its shape is refused.
pub fn update_profile(
    request: &v1::UpdateProfileRequest,
) -> Result<(Command, Vec<Secret>), Rejection> {
    let (ledger, customer) = resource::customer("name", &request.name)?;
    let request_id = request_id(&request.request_id)?;
    let set = keys("set", &request.set)?;
    let remove = request.remove.iter().map(|text| key("remove", text));
    let remove = remove.collect::<Result<BTreeSet<_>, _>>()?;
    if let Some(both) = set.iter().find(|key| remove.contains(*key)) {
        return Err(malformed("remove", both.as_str(), "is set by the same request"));
    }
    if set.is_empty() && remove.is_empty() {
        return Err(malformed("set", "", "one value at least is set or removed"));
    }
    let conditions = conditions(&request.conditions)?;
    let secrets = secrets(&customer, "set", set, &request.set)?;
    let body = CommandBody::UpdateProfile { customer, set: Profile::new(), remove };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

/// A customer to erase.
///
/// # Errors
/// What of its shape is refused.
pub fn erase_customer(request: &v1::EraseCustomerRequest) -> Result<Command, Rejection> {
    let (ledger, customer) = resource::customer("name", &request.name)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    Ok(Command { ledger, request_id, conditions, body: CommandBody::EraseCustomer { customer } })
}

fn key(field: &str, text: &str) -> Result<MetadataKey, Rejection> {
    // Not what it is: whoever puts a value where its key belongs shall not find it in a refusal.
    MetadataKey::parse(text).map_err(|rule| malformed(field, "", rule.0))
}

/// The keys of values, none of which is empty. No refusal says what a value is.
fn keys(field: &str, values: &BTreeMap<String, String>) -> Result<Vec<MetadataKey>, Rejection> {
    let keys = values.keys().map(|text| key(field, text)).collect::<Result<_, _>>()?;
    match values.iter().find(|(_, value)| value.is_empty()) {
        Some((key, _)) => Err(malformed(field, key, "a value is not empty")),
        None => Ok(keys),
    }
}

fn secrets(
    customer: &CustomerName,
    field: &str,
    keys: Vec<MetadataKey>,
    values: &BTreeMap<String, String>,
) -> Result<Vec<Secret>, Rejection> {
    if values.len() > METADATA_KEYS_MAX {
        let subject = format!("{field} has more than {METADATA_KEYS_MAX} values");
        return Err(Rejection::new(Code::TooLong, &subject));
    }
    if let Some((key, _)) = values.iter().find(|(_, value)| value.len() > METADATA_VALUE_BYTES_MAX)
    {
        let subject = format!("{field} {key:?} has more than {METADATA_VALUE_BYTES_MAX} bytes");
        return Err(Rejection::new(Code::TooLong, &subject));
    }
    let secret = |(key, text): (MetadataKey, &String)| Secret {
        customer: customer.clone(),
        key,
        text: text.clone(),
        of: SecretOf::Profile,
    };
    Ok(keys.into_iter().zip(values.values()).map(secret).collect())
}
