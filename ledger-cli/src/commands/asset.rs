//! `ledger asset create | list`.

use clap::Subcommand;
use ledger_domain::limits::ASSET_SCALE_MAX;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use tonic::Status;

use super::{Context, fresh_id, pages};
use crate::args::{ConditionArgs, ConsistencyArgs};
use crate::client::Client;
use crate::output::{acknowledged, left, read_at, right, table};

/// Commands on assets.
#[derive(Debug, Subcommand)]
pub(crate) enum AssetCommand {
    /// Create an asset in a ledger
    Create {
        /// Name of the ledger
        ledger: String,
        /// Its code: 1-16 of [A-Za-z0-9_.-]
        code: String,
        /// Decimal digits of its minor unit: 2 for USD
        #[arg(long, value_name = "N", value_parser = scale())]
        scale: u8,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// List the assets of a ledger
    List {
        /// Name of the ledger
        ledger: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// Reads a scale within its limit.
pub(super) fn scale() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=i64::from(ASSET_SCALE_MAX))
}

pub(super) async fn run(context: &Context, command: AssetCommand) -> anyhow::Result<()> {
    match command {
        AssetCommand::Create { ledger, code, scale, conditions } => {
            let request = v1::CreateAssetRequest {
                parent: ledger_resource(&ledger),
                asset_id: code,
                scale: u32::from(scale),
                request_id: fresh_id(),
                validate_only: false,
                conditions: conditions.into_wire(),
            };
            create(context, request).await
        }
        AssetCommand::List { ledger, consistency } => list(context, &ledger, &consistency).await,
    }
}

async fn create(context: &Context, request: v1::CreateAssetRequest) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let answer = client.commands().create_asset(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("CreateAssetResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("created {}: {outcome}\n", response.name)
    })
}

async fn list(
    context: &Context,
    ledger: &str,
    consistency: &ConsistencyArgs,
) -> anyhow::Result<()> {
    let client = context.connect().await?;
    let listed = all(&client, ledger, consistency.to_wire()).await;
    let response = listed.map_err(|status| client.explain(status))?;
    context.output.answer("ListAssetsResponse", &response, |response| {
        let row = |asset: &v1::Asset| {
            vec![asset.code.clone(), asset.scale.to_string(), asset.position.clone()]
        };
        let rows: Vec<Vec<String>> = response.assets.iter().map(row).collect();
        let assets = table(&[left("ASSET"), right("SCALE"), left("CREATED AT")], &rows);
        format!("{assets}{}", read_at(response.read_at.as_ref()))
    })
}

/// All assets of a ledger, of one state, as one answer.
pub(super) async fn all(
    client: &Client,
    ledger: &str,
    consistency: Option<v1::Consistency>,
) -> Result<v1::ListAssetsResponse, Status> {
    pages::all(async |page_size, page_token| {
        let (parent, consistency) = (ledger_resource(ledger), consistency.clone());
        let request = v1::ListAssetsRequest { parent, consistency, page_size, page_token };
        client.queries().list_assets(client.request(request)).await
    })
    .await
}
