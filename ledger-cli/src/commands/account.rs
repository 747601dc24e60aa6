//! `ledger account open | freeze | unfreeze | close | set-rules | get | list`.

use clap::Subcommand;
use ledger_proto::resource::{account_resource, ledger_resource};
use ledger_proto::v1;

use super::metadata::texts;
use super::{Context, fresh_id, pages};
use crate::args::{AccountKind, ConditionArgs, ConsistencyArgs, MetadataArgs};
use crate::output::{acknowledged, left, read_at, table, word};

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Open an account in a ledger
    Open {
        /// Name of the ledger
        ledger: String,
        /// Its name, such as users:alice:wallet: 1-128 of [A-Za-z0-9_.:-]
        name: String,
        /// Its type, and so its normal side
        #[arg(long, value_enum)]
        r#type: AccountKind,
        #[command(flatten)]
        rules: RulesArgs,
        #[command(flatten)]
        metadata: MetadataArgs,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Freeze an open account: nothing new is posted or held in it until it is unfrozen
    Freeze(AccountArgs),
    /// Open a frozen account again
    Unfreeze(AccountArgs),
    /// Close an open account for ever; all of its balances must be zero
    Close(AccountArgs),
    /// Give an account other rules in place of those that it has; without a flag it may not go negative
    SetRules {
        #[command(flatten)]
        account: AccountArgs,
        #[command(flatten)]
        rules: RulesArgs,
    },
    /// Show one account
    Get {
        /// Name of the ledger
        ledger: String,
        /// Its name
        name: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List the accounts of a ledger
    List {
        /// Name of the ledger
        ledger: String,
        /// Only those whose metadata is so: 'metadata.tier = "gold" AND metadata.kyc = "2"'
        #[arg(long, default_value = "")]
        filter: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// An account that is there.
#[derive(Debug, clap::Args)]
pub(crate) struct AccountArgs {
    /// Name of the ledger
    ledger: String,
    /// Its name
    name: String,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// What an account allows.
#[derive(Debug, clap::Args)]
pub(crate) struct RulesArgs {
    /// Whether its balances may pass zero on their normal side without bound
    #[arg(long)]
    may_go_negative: bool,
    /// How far its balance of an asset may pass zero, such as USD=100.00; may be given for several assets
    #[arg(long, value_name = "ASSET=AMOUNT", value_parser = credit_limit)]
    #[arg(conflicts_with = "may_go_negative")]
    credit_limit: Vec<v1::CreditLimit>,
}

impl RulesArgs {
    fn into_wire(self) -> v1::AccountRules {
        let RulesArgs { may_go_negative, credit_limit: credit_limits } = self;
        v1::AccountRules { may_go_negative, credit_limits }
    }
}

/// The server says what is wrong with either part.
fn credit_limit(text: &str) -> Result<v1::CreditLimit, &'static str> {
    let (asset, amount) = text.split_once('=').ok_or("a limit is ASSET=AMOUNT")?;
    Ok(v1::CreditLimit { asset: asset.to_owned(), amount: amount.to_owned() })
}

impl AccountArgs {
    fn resource(&self) -> String {
        account_resource(&self.ledger, &self.name)
    }
}

pub(super) async fn run(context: &Context, command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Open { ledger, name, r#type, rules, metadata, conditions } => {
            let (metadata, sealed_metadata) = metadata.into_wire();
            let request = v1::OpenAccountRequest {
                parent: ledger_resource(&ledger),
                account_id: name,
                r#type: r#type.to_wire().into(),
                rules: Some(rules.into_wire()),
                request_id: fresh_id(),
                validate_only: false,
                metadata,
                sealed_metadata,
                conditions: conditions.into_wire(),
            };
            open(context, request).await
        }
        AccountCommand::Freeze(account) => freeze(context, account).await,
        AccountCommand::Unfreeze(account) => unfreeze(context, account).await,
        AccountCommand::Close(account) => close(context, account).await,
        AccountCommand::SetRules { account, rules } => {
            set_rules(context, account, rules.into_wire()).await
        }
        AccountCommand::Get { ledger, name, consistency } => {
            get(context, account_resource(&ledger, &name), &consistency).await
        }
        AccountCommand::List { ledger, filter, consistency } => {
            list(context, &ledger, &filter, &consistency).await
        }
    }
}

async fn open(context: &Context, request: v1::OpenAccountRequest) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let answer = client.open_account(&request).await;
    let response = answer.map_err(|status| client.explain(status))?;
    context.output.answer("OpenAccountResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("opened {}: {outcome}\n", response.name)
    })
}

async fn freeze(context: &Context, account: AccountArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::FreezeAccountRequest {
        name: account.resource(),
        request_id: fresh_id(),
        validate_only: false,
        conditions: account.conditions.into_wire(),
    };
    let answer = client.commands().freeze_account(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("FreezeAccountResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("froze {}: {outcome}\n", response.name)
    })
}

async fn unfreeze(context: &Context, account: AccountArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::UnfreezeAccountRequest {
        name: account.resource(),
        request_id: fresh_id(),
        validate_only: false,
        conditions: account.conditions.into_wire(),
    };
    let answer = client.commands().unfreeze_account(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("UnfreezeAccountResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("unfroze {}: {outcome}\n", response.name)
    })
}

async fn close(context: &Context, account: AccountArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::CloseAccountRequest {
        name: account.resource(),
        request_id: fresh_id(),
        validate_only: false,
        conditions: account.conditions.into_wire(),
    };
    let answer = client.commands().close_account(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("CloseAccountResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("closed {}: {outcome}\n", response.name)
    })
}

async fn set_rules(
    context: &Context,
    account: AccountArgs,
    rules: v1::AccountRules,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::SetAccountRulesRequest {
        name: account.resource(),
        rules: Some(rules),
        request_id: fresh_id(),
        validate_only: false,
        conditions: account.conditions.into_wire(),
    };
    let answer = client.commands().set_account_rules(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("SetAccountRulesResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("set rules of {}: {outcome}\n", response.name)
    })
}

async fn get(context: &Context, name: String, consistency: &ConsistencyArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::GetAccountRequest { name, consistency: consistency.to_wire() };
    let answer = client.queries().get_account(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("GetAccountResponse", &response, |response| {
        format!("{}{}", accounts(response.account.as_slice()), read_at(response.read_at.as_ref()))
    })
}

async fn list(
    context: &Context,
    ledger: &str,
    filter: &str,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let request = v1::ListAccountsRequest {
            parent: ledger_resource(ledger),
            consistency: consistency.to_wire(),
            page_size,
            page_token,
            filter: filter.to_owned(),
        };
        client.queries().list_accounts(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListAccountsResponse", &all, |all| {
        format!("{}{}", accounts(&all.accounts), read_at(all.read_at.as_ref()))
    })
}

fn accounts(accounts: &[v1::Account]) -> String {
    let row = |account: &v1::Account| {
        let short = account.name.rsplit('/').next().unwrap_or_default();
        let rules = account.rules.as_ref();
        vec![
            short.to_owned(),
            type_name(account.r#type()),
            rules.map(below_zero).unwrap_or_default(),
            status_name(account.status()),
            account.position.clone(),
            account.version.to_string(),
            texts(&account.metadata, &account.sealed_metadata),
        ]
    };
    let rows: Vec<Vec<String>> = accounts.iter().map(row).collect();
    let head = ["ACCOUNT", "TYPE", "MAY GO NEGATIVE", "STATUS", "OPENED AT", "VERSION", "METADATA"];
    table(&head.map(left), &rows)
}

/// "yes", "no", or how far: "EUR=5.00 USD=100.00".
pub(super) fn below_zero(rules: &v1::AccountRules) -> String {
    let v1::AccountRules { may_go_negative, credit_limits } = rules;
    if *may_go_negative {
        return "yes".to_owned();
    }
    let limits = credit_limits.iter().map(|limit| format!("{}={}", limit.asset, limit.amount));
    let limits: Vec<String> = limits.collect();
    if limits.is_empty() { "no".to_owned() } else { limits.join(" ") }
}

/// "liability".
pub(super) fn type_name(account_type: v1::AccountType) -> String {
    word(account_type.as_str_name(), "ACCOUNT_TYPE_")
}

/// "frozen".
fn status_name(status: v1::AccountStatus) -> String {
    word(status.as_str_name(), "ACCOUNT_STATUS_")
}
