//! What an import needs before its first row: ledger, asset and accounts, made once, and equal to what
//! was asked for where they stand already.
//!
//! Each is looked up before it is made, so that a repeated import writes nothing. A view may lag
//! behind: then the refusal to make it twice names a position, and the look-up is repeated there.

use std::collections::HashSet;

use anyhow::{Context as _, bail, ensure};
use ledger_domain::Code as Reason;
use ledger_proto::answer::refusal_of;
use ledger_proto::resource::{account_resource, ledger_resource};
use ledger_proto::v1;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::CsvArgs;
use crate::args::AccountKind;
use crate::client::Client;
use crate::commands::{account, asset, fresh_id};

/// Accounts that are looked up or opened at a time.
const ACCOUNTS_IN_FLIGHT_MAX: usize = 32;

/// An account as it must be.
#[derive(Clone, Debug)]
struct Wanted {
    ledger: String,
    name: String,
    kind: AccountKind,
    may_go_negative: bool,
}

/// What is known to stand.
#[derive(Debug)]
pub(super) struct Prepared {
    client: Client,
    ledger: String,
    kind: AccountKind,
    may_go_negative: bool,
    accounts: HashSet<String>,
}

impl Prepared {
    /// Makes ledger, asset and contra account where they are missing.
    pub(super) async fn new(client: Client, args: &CsvArgs) -> anyhow::Result<Self> {
        ensure_ledger(&client, &args.ledger).await?;
        ensure_asset(&client, &args.ledger, &args.asset, args.scale).await?;
        let contra = Wanted {
            ledger: args.ledger.clone(),
            name: args.mapping.contra.clone(),
            kind: args.contra_type,
            may_go_negative: true,
        };
        ensure_account(&client, contra).await?;
        Ok(Prepared {
            client,
            ledger: args.ledger.clone(),
            kind: args.account_type,
            may_go_negative: args.may_go_negative,
            accounts: HashSet::new(),
        })
    }

    /// Opens those of these accounts that are missing.
    pub(super) async fn accounts<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
    ) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for name in names {
            if !self.accounts.insert(name.to_owned()) {
                continue;
            }
            if tasks.len() == ACCOUNTS_IN_FLIGHT_MAX {
                tasks.join_next().await.context("an account is in flight")???;
            }
            let wanted = Wanted {
                ledger: self.ledger.clone(),
                name: name.to_owned(),
                kind: self.kind,
                may_go_negative: self.may_go_negative,
            };
            let client = self.client.clone();
            tasks.spawn(async move { ensure_account(&client, wanted).await });
        }
        while let Some(opened) = tasks.join_next().await {
            opened??;
        }
        Ok(())
    }
}

async fn ensure_ledger(client: &Client, ledger: &str) -> anyhow::Result<()> {
    let request = v1::GetLedgerRequest { name: ledger_resource(ledger), consistency: None };
    match client.queries().get_ledger(client.request(request)).await {
        Ok(_) => return Ok(()),
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(client.explain(status)),
    }
    let request = v1::CreateLedgerRequest {
        ledger_id: ledger.to_owned(),
        request_id: fresh_id(),
        validate_only: false,
        metadata: Default::default(),
        conditions: Vec::new(),
    };
    match client.commands().create_ledger(client.request(request)).await {
        Ok(_) => Ok(()),
        Err(status) if exists_at(&status, Reason::LedgerExists).is_some() => Ok(()),
        Err(status) => Err(client.explain(status)),
    }
}

async fn ensure_asset(client: &Client, ledger: &str, code: &str, scale: u8) -> anyhow::Result<()> {
    let scale_of = async |consistency| {
        let listed = match asset::all(client, ledger, consistency).await {
            Ok(response) => response.assets,
            // The view may not have the ledger yet.
            Err(status) if status.code() == Code::NotFound => Vec::new(),
            Err(status) => return Err(client.explain(status)),
        };
        Ok(listed.into_iter().find(|asset| asset.code == code).map(|asset| asset.scale))
    };
    let mut standing = scale_of(None).await?;
    if standing.is_none() {
        let request = v1::CreateAssetRequest {
            parent: ledger_resource(ledger),
            asset_id: code.to_owned(),
            scale: u32::from(scale),
            request_id: fresh_id(),
            validate_only: false,
            conditions: Vec::new(),
        };
        match client.commands().create_asset(client.request(request)).await {
            Ok(_) => return Ok(()),
            Err(status) => match exists_at(&status, Reason::AssetExists) {
                Some(consistency) => standing = scale_of(consistency).await?,
                None => return Err(client.explain(status)),
            },
        }
    }
    let standing = standing.with_context(|| format!("asset {code} exists, but is not listed"))?;
    ensure!(
        standing == u32::from(scale),
        "asset {code} of ledger {ledger} has scale {standing}, --scale is {scale}"
    );
    Ok(())
}

async fn ensure_account(client: &Client, wanted: Wanted) -> anyhow::Result<()> {
    if let Some(standing) = get(client, &wanted, None).await? {
        return equal(&wanted, &standing);
    }
    let request = v1::OpenAccountRequest {
        sealed_metadata: Vec::new(),
        parent: ledger_resource(&wanted.ledger),
        account_id: wanted.name.clone(),
        r#type: wanted.kind.to_wire().into(),
        rules: Some(v1::AccountRules::without_limits(wanted.may_go_negative)),
        request_id: fresh_id(),
        validate_only: false,
        metadata: Default::default(),
        conditions: Vec::new(),
    };
    let status = match client.open_account(&request).await {
        Ok(_) => return Ok(()),
        Err(status) => status,
    };
    let Some(consistency) = exists_at(&status, Reason::AccountExists) else {
        return Err(client.explain(status).context(format!("opening account {}", wanted.name)));
    };
    match get(client, &wanted, consistency).await? {
        Some(standing) => equal(&wanted, &standing),
        None => bail!("account {} exists, but is not found", wanted.name),
    }
}

async fn get(
    client: &Client,
    wanted: &Wanted,
    consistency: Option<v1::Consistency>,
) -> anyhow::Result<Option<v1::Account>> {
    let name = account_resource(&wanted.ledger, &wanted.name);
    let request = v1::GetAccountRequest { name, consistency };
    match client.queries().get_account(client.request(request)).await {
        Ok(response) => Ok(response.into_inner().account),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => {
            Err(client.explain(status).context(format!("looking up account {}", wanted.name)))
        }
    }
}

fn equal(wanted: &Wanted, standing: &v1::Account) -> anyhow::Result<()> {
    let words = |account_type: v1::AccountType, rules: &v1::AccountRules| {
        let negative = match account::below_zero(rules).as_str() {
            "yes" => "may go negative".to_owned(),
            "no" => "may not go negative".to_owned(),
            limits => format!("may go negative by {limits}"),
        };
        format!("of type {} and {negative}", account::type_name(account_type))
    };
    let is = words(standing.r#type(), &standing.rules.clone().unwrap_or_default());
    let asked = v1::AccountRules::without_limits(wanted.may_go_negative);
    let should = words(wanted.kind.to_wire(), &asked);
    ensure!(is == should, "account {} is {is}; this import needs it {should}", wanted.name);
    Ok(())
}

/// Where to look for what exists already, if that is why the call was refused.
fn exists_at(status: &Status, reason: Reason) -> Option<Option<v1::Consistency>> {
    let refusal = refusal_of(status).filter(|refusal| refusal.code == reason.number())?;
    let at_least = v1::consistency::Level::AtLeast(refusal.position.clone());
    let known = !refusal.position.is_empty();
    Some(known.then_some(v1::Consistency { level: Some(at_least) }))
}

#[cfg(test)]
mod tests {
    use ledger_domain::{Position, Rejection};
    use ledger_proto::answer;

    use super::*;

    #[test]
    fn what_exists_is_looked_up_where_the_refusal_stands() {
        let rejection = Rejection::new(Reason::AccountExists, "alice");
        let status = answer::status(&rejection, Some(Position::event(0, 7, 0)), false);
        let level = v1::consistency::Level::AtLeast("0@7.0".to_owned());
        let expected = Some(Some(v1::Consistency { level: Some(level) }));
        assert_eq!(exists_at(&status, Reason::AccountExists), expected);
        assert_eq!(exists_at(&status, Reason::LedgerExists), None);
        let unrecorded = answer::status(&rejection, None, false);
        assert_eq!(exists_at(&unrecorded, Reason::AccountExists), Some(None));
        assert_eq!(exists_at(&Status::already_exists(""), Reason::AccountExists), None);
    }

    #[test]
    fn an_account_with_other_rules_is_an_error() {
        let wanted = Wanted {
            ledger: "bank".to_owned(),
            name: "alice".to_owned(),
            kind: AccountKind::Liability,
            may_go_negative: true,
        };
        let mut standing = v1::Account {
            r#type: v1::AccountType::Liability.into(),
            rules: Some(v1::AccountRules::without_limits(true)),
            ..Default::default()
        };
        assert!(equal(&wanted, &standing).is_ok());
        let mut differs = |rules, is: &str| {
            standing.rules = rules;
            let needs = "this import needs it of type liability and may go negative";
            let expected = format!("account alice is of type liability and {is}; {needs}");
            assert_eq!(equal(&wanted, &standing).unwrap_err().to_string(), expected);
        };
        differs(None, "may not go negative");
        let limit = v1::CreditLimit { asset: "USD".to_owned(), amount: "5.00".to_owned() };
        let limited = v1::AccountRules { may_go_negative: false, credit_limits: vec![limit] };
        differs(Some(limited), "may go negative by USD=5.00");
    }
}
