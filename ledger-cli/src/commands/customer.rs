//! `ledger customer register | update | erase | get | list | history`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use ledger_proto::resource::{customer_resource, ledger_resource};
use ledger_proto::v1;

use super::{Context, fresh_id, pages};
use crate::args::metadata::{Entry, SealedEntry, entries, sealed_entries};
use crate::args::{AccountKind, ConditionArgs, ConsistencyArgs};
use crate::output::{acknowledged, left, read_at, right, table, time};

/// Commands on customers.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Register a customer, and open accounts for them, all or nothing
    Register {
        #[command(flatten)]
        customer: CustomerArgs,
        /// An account to open, such as users:1042:wallet=liability, with its metadata if it has any, such as
        /// users:1042:wallet=liability,tier=gold,c-1042/iban=DE02; may be given several times
        #[arg(long, value_name = "NAME=TYPE[,METADATA]", value_parser = account)]
        account: Vec<v1::NewAccount>,
        /// What is kept of the person, such as email=ann@example.org, sealed under their own key; may be given
        /// several times
        #[arg(long, value_name = "KEY=VALUE")]
        profile: Vec<Entry>,
    },
    /// Change what is kept of a person; what is not named stays
    Update {
        #[command(flatten)]
        customer: CustomerArgs,
        /// What is from now on so, such as phone=555; may be given several times
        #[arg(long, value_name = "KEY=VALUE", required_unless_present = "remove")]
        set: Vec<Entry>,
        /// What is not kept any more: a key; may be given several times
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
    },
    /// Destroy a customer's key: what was kept of the person is gone for ever, at every position
    Erase(CustomerArgs),
    /// Show a customer, their accounts, and what is kept of the person
    Get {
        /// Name of the ledger
        ledger: String,
        /// Name of the customer
        name: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List the customers of a ledger, without what is kept of them
    List {
        /// Name of the ledger
        ledger: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// Show what was kept of a person over time, newest first
    History {
        /// Name of the ledger
        ledger: String,
        /// Name of the customer
        name: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// A customer, and what a command about them depends on.
#[derive(Debug, Args)]
pub(crate) struct CustomerArgs {
    /// Name of the ledger
    ledger: String,
    /// Name of the customer, 1-64 of [A-Za-z0-9_.:-]; it stays when they are erased, so that it must not say
    /// who they are
    name: String,
    #[command(flatten)]
    conditions: ConditionArgs,
}

impl CustomerArgs {
    fn resource(&self) -> String {
        customer_resource(&self.ledger, &self.name)
    }
}

fn account(text: &str) -> Result<v1::NewAccount, String> {
    let rule = "an account is NAME=TYPE[,KEY=VALUE][,CUSTOMER/KEY=VALUE]";
    let mut parts = text.split(',');
    let (name, kind) = parts.next().and_then(|first| first.split_once('=')).ok_or(rule)?;
    let kind = <AccountKind as clap::ValueEnum>::from_str(kind, false);
    let kind = kind.map_err(|_| "a type is asset, liability, equity, income or expense")?;
    let (account_id, r#type) = (name.to_owned(), kind.to_wire().into());
    let (sealed, plain): (Vec<_>, Vec<_>) = parts.partition(|part| is_sealed(part));
    let plain = plain.into_iter().map(|part| part.parse::<Entry>().map_err(|_| rule));
    let metadata = entries(plain.collect::<Result<_, _>>()?);
    let sealed = sealed.into_iter().map(|part| part.parse::<SealedEntry>().map_err(|_| rule));
    let sealed_metadata = sealed_entries(sealed.collect::<Result<_, _>>()?);
    Ok(v1::NewAccount { account_id, r#type, rules: None, metadata, sealed_metadata })
}

/// A key has no "/", but a value may.
fn is_sealed(part: &str) -> bool {
    part.split('=').next().is_some_and(|before| before.contains('/'))
}

pub(super) async fn run(context: &Context, command: CustomerCommand) -> anyhow::Result<()> {
    match command {
        CustomerCommand::Register { customer, account, profile } => {
            register(context, customer, account, entries(profile)).await
        }
        CustomerCommand::Update { customer, set, remove } => {
            update(context, customer, entries(set), remove).await
        }
        CustomerCommand::Erase(customer) => erase(context, customer).await,
        CustomerCommand::Get { ledger, name, consistency } => {
            let client = context.connect().await?;
            let name = customer_resource(&ledger, &name);
            let request = v1::GetCustomerRequest { name, consistency: consistency.to_wire() };
            let answer = client.queries().get_customer(client.request(request)).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("GetCustomerResponse", &response, describe)
        }
        CustomerCommand::List { ledger, consistency } => list(context, &ledger, consistency).await,
        CustomerCommand::History { ledger, name, consistency } => {
            history(context, customer_resource(&ledger, &name), consistency).await
        }
    }
}

async fn register(
    context: &Context,
    customer: CustomerArgs,
    accounts: Vec<v1::NewAccount>,
    profile: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::RegisterRequest {
        parent: ledger_resource(&customer.ledger),
        customer_id: customer.name,
        accounts,
        profile,
        request_id: fresh_id(),
        validate_only: false,
        conditions: customer.conditions.into_wire(),
    };
    let answer = client.commands().register(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("RegisterResponse", &response, |response| {
        done("registered", &response.name, response.acknowledgement.as_ref())
    })
}

async fn update(
    context: &Context,
    customer: CustomerArgs,
    set: BTreeMap<String, String>,
    remove: Vec<String>,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::UpdateProfileRequest {
        name: customer.resource(),
        set,
        remove,
        request_id: fresh_id(),
        validate_only: false,
        conditions: customer.conditions.into_wire(),
    };
    let answer = client.commands().update_profile(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("UpdateProfileResponse", &response, |response| {
        done("updated", &response.name, response.acknowledgement.as_ref())
    })
}

async fn erase(context: &Context, customer: CustomerArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let request = v1::EraseCustomerRequest {
        name: customer.resource(),
        request_id: fresh_id(),
        validate_only: false,
        conditions: customer.conditions.into_wire(),
    };
    let answer = client.commands().erase_customer(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("EraseCustomerResponse", &response, |response| {
        done("erased", &response.name, response.acknowledgement.as_ref())
    })
}

fn done(what: &str, name: &str, acknowledgement: Option<&v1::Acknowledgement>) -> String {
    format!("{what} {name}: {}\n", acknowledged(acknowledgement))
}

async fn list(context: &Context, ledger: &str, consistency: ConsistencyArgs) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let (parent, consistency) = (ledger_resource(ledger), consistency.to_wire());
        let request = v1::ListCustomersRequest { parent, consistency, page_size, page_token };
        client.queries().list_customers(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListCustomersResponse", &all, |all| {
        let rows: Vec<_> = all.customers.iter().map(row).collect();
        format!("{}{}", table(&COLUMNS, &rows), read_at(all.read_at.as_ref()))
    })
}

async fn history(
    context: &Context,
    parent: String,
    consistency: ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let all = pages::all(async |page_size, page_token| {
        let (parent, consistency) = (parent.clone(), consistency.to_wire());
        let request = v1::ListProfileChangesRequest { parent, consistency, page_size, page_token };
        client.queries().list_profile_changes(client.request(request)).await
    });
    let all = all.await.map_err(|status| client.explain(status))?;
    context.output.answer("ListProfileChangesResponse", &all, |all| {
        let rows = all.changes.iter().map(|change| {
            let kept = kept(change.erased, &change.profile, &change.unreadable);
            vec![change.position.clone(), time(change.recorded_at.as_ref()), kept.join(", ")]
        });
        let rows: Vec<_> = rows.collect();
        let columns = [left("POSITION"), left("RECORDED"), left("KEPT")];
        format!("{}{}", table(&columns, &rows), read_at(all.read_at.as_ref()))
    })
}

const COLUMNS: [crate::output::Column; 4] =
    [left("CUSTOMER"), right("ACCOUNTS"), left("STATUS"), left("REGISTERED")];

fn row(customer: &v1::Customer) -> Vec<String> {
    let name = customer.name.rsplit('/').next().unwrap_or_default();
    let status = if customer.erased { "erased" } else { "registered" };
    let accounts = customer.accounts.len().to_string();
    vec![name.to_owned(), accounts, status.to_owned(), customer.position.clone()]
}

/// A line for each value.
fn kept(erased: bool, profile: &BTreeMap<String, String>, unreadable: &[String]) -> Vec<String> {
    let readable = profile.iter().map(|(key, value)| format!("{key}: {value}"));
    let unreadable = unreadable.iter().map(|key| format!("{key}: cannot be read"));
    let erased = erased.then(|| "erased".to_owned());
    readable.chain(unreadable).chain(erased).collect()
}

fn describe(response: &v1::GetCustomerResponse) -> String {
    let customer = response.customer.clone().unwrap_or_default();
    let mut text = table(&COLUMNS, &[row(&customer)]);
    for account in &customer.accounts {
        text.push_str(&format!("account {account}\n"));
    }
    for line in kept(customer.erased, &customer.profile, &customer.unreadable) {
        text.push_str(&format!("{line}\n"));
    }
    text + &read_at(response.read_at.as_ref())
}
