//! `ledger books lock | unlock`.

use clap::Subcommand;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use prost_types::Timestamp;

use super::{Context, fresh_id};
use crate::args::{ConditionArgs, instant};
use crate::output::acknowledged;

/// Commands on the books of a ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum BooksCommand {
    /// Close what took effect before an instant; `ledger ledger get` shows it
    Lock {
        /// Name of the ledger
        ledger: String,
        /// The instant, not in the future: RFC 3339, or a date, which is its midnight in UTC
        #[arg(long, value_name = "TIME", value_parser = instant)]
        before: Timestamp,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Open all that was closed
    Unlock {
        /// Name of the ledger
        ledger: String,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
}

pub(super) async fn run(context: &Context, command: BooksCommand) -> anyhow::Result<()> {
    let (done, ledger, locked_before, conditions) = match command {
        BooksCommand::Lock { ledger, before, conditions } => {
            ("locked", ledger, Some(before), conditions)
        }
        BooksCommand::Unlock { ledger, conditions } => ("unlocked", ledger, None, conditions),
    };
    let client = context.connect().await?;
    let request = v1::LockBooksRequest {
        name: ledger_resource(&ledger),
        locked_before,
        request_id: fresh_id(),
        validate_only: false,
        conditions: conditions.into_wire(),
    };
    let answer = client.commands().lock_books(client.request(request)).await;
    let response = answer.map_err(|status| client.explain(status))?.into_inner();
    context.output.answer("LockBooksResponse", &response, |response| {
        let outcome = acknowledged(response.acknowledgement.as_ref());
        format!("{done} books of {}: {outcome}\n", response.name)
    })
}
