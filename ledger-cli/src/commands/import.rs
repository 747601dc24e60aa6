//! `ledger import csv`: a file of bank rows becomes transfers, line by line.
//!
//! ```text
//!  lines.rs ──► mapping.rs ──► batches of transfers ──► PostTransfers ──► report.rs
//!  one line     columns by     one in flight, in        first outcomes    counts, positions,
//!  at a time    flags          the file's order         by transfer id    bad lines
//! ```
//!
//! Memory holds one batch, the names of the accounts, and a position per date. Transfer ids come from
//! the id column: what was imported before, by a run that was killed or by an earlier one, answers
//! `replayed` with its first position.

mod columns;
mod lines;
mod mapping;
mod prepare;
mod report;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1::{self, transfer_result};

use self::lines::Lines;
use self::mapping::{Mapping, Row};
use self::prepare::Prepared;
use self::report::Report;
use super::{Context, Outcome, asset};
use crate::args::AccountKind;
use crate::client::{Client, refused};
use crate::output::{Unit, progress};

/// Formats that can be imported.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Import a CSV file with a header line; exit code 3 when a line was bad or refused
    Csv(Box<CsvArgs>),
}

/// Flags of `ledger import csv`.
#[derive(Debug, Args)]
pub(crate) struct CsvArgs {
    /// The file; one record a line
    file: PathBuf,
    /// Ledger to import into; made when it is not there
    #[arg(long)]
    ledger: String,
    /// Asset code; made when it is not there
    #[arg(long, value_name = "CODE")]
    asset: String,
    /// Decimal digits of the asset's minor unit
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = asset::scale())]
    scale: u8,
    #[command(flatten)]
    mapping: MappingArgs,
    /// Type of the accounts that the file names
    #[arg(long, value_enum, default_value = "liability")]
    account_type: AccountKind,
    /// Whether the accounts that the file names may go negative; the contra account always may
    #[arg(long)]
    may_go_negative: bool,
    /// Type of the contra account
    #[arg(long, value_enum, default_value = "asset")]
    contra_type: AccountKind,
    /// Transfers sent in one call
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = batch())]
    batch: u16,
    /// Write the lines that were bad or refused to this file, with line number and reason
    #[arg(long, value_name = "FILE")]
    bad_lines: Option<PathBuf>,
    /// Write id,date,account,position of every recorded row to this CSV file
    #[arg(long, value_name = "FILE")]
    positions: Option<PathBuf>,
}

/// Which column means what.
#[derive(Clone, Debug, Args)]
pub(crate) struct MappingArgs {
    /// Column with the account
    #[arg(long, value_name = "COLUMN", default_value = "account")]
    account_column: String,
    /// Column with the decimal amount
    #[arg(long, value_name = "COLUMN", default_value = "amount")]
    amount_column: String,
    /// Column that says credit or debit, seen from the account
    #[arg(long, value_name = "COLUMN", default_value = "direction")]
    direction_column: String,
    /// Column with the row's unique id, which becomes the transfer's
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    id_column: String,
    /// Column with the date (or RFC 3339 instant) that becomes the effective time
    #[arg(long, value_name = "COLUMN", default_value = "date")]
    date_column: String,
    /// Column with a text that becomes the reference
    #[arg(long, value_name = "COLUMN")]
    reference_column: Option<String>,
    /// Put before each account of the file: "customers:"
    #[arg(long, value_name = "TEXT", default_value = "")]
    account_prefix: String,
    /// Put before each id of the file: "berka-"
    #[arg(long, value_name = "TEXT", default_value = "")]
    id_prefix: String,
    /// Account on the other side of every row
    #[arg(long, value_name = "ACCOUNT", default_value = "bank:cash")]
    contra: String,
    /// What the direction column says of a credit
    #[arg(long, value_name = "WORD", default_value = "credit")]
    credit_word: String,
    /// What the direction column says of a debit
    #[arg(long, value_name = "WORD", default_value = "debit")]
    debit_word: String,
    /// What stands between two columns
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
}

fn batch() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=8_190)
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("one ASCII character other than a quote, or \\t".to_owned()),
    }
}

pub(super) async fn run(context: &Context, command: ImportCommand) -> anyhow::Result<Outcome> {
    let ImportCommand::Csv(args) = command;
    let mut lines = Lines::open(&args.file)?;
    let header = lines.header(args.mapping.delimiter)?;
    let mapping = Mapping::new(&header, &args.mapping, &args.ledger, &args.asset, args.scale)
        .with_context(|| args.file.display().to_string())?;
    let (bad_lines, positions) = (args.bad_lines.as_deref(), args.positions.as_deref());
    apart(&[Some(args.file.as_path()), bad_lines, positions])?;
    let report = Report::new(bad_lines, positions, &header, args.mapping.delimiter)?;

    let client = context.connect().await?;
    let prepared = Prepared::new(client.clone(), &args).await?;
    let bar = progress(lines.bytes_total(), Unit::Bytes);
    let mut import = Import { client, args: &args, mapping, prepared, report, bar };
    let outcome = import.all(&mut lines).await;
    let readable = if outcome.is_ok() { import.wait_for_view().await } else { Ok(()) };
    import.bar.finish_and_clear();
    let written = import.report.flush();
    outcome.with_context(|| {
        format!("stopped after {}; run the same command again to go on", import.report.counts())
    })?;
    written?;
    import.report.print(&context.output, &args)?;
    readable.context("all rows are recorded, but cannot be read yet")?;
    Ok(if import.report.is_clean() { Outcome::Clean } else { Outcome::Findings })
}

/// Refuses to write over what is read, or over what is written: to mend the bad lines of an import and
/// import them with the same flags would empty them before they are read.
fn apart(files: &[Option<&Path>]) -> anyhow::Result<()> {
    let files: Vec<&Path> = files.iter().copied().flatten().collect();
    let same = |a: &Path, b: &Path| {
        a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    for (number, file) in files.iter().enumerate() {
        ensure!(
            !files[..number].iter().any(|other| same(other, file)),
            "{} is named twice: the file that is read, --bad-lines and --positions are three files",
            file.display()
        );
    }
    Ok(())
}

/// A run of `ledger import csv`.
struct Import<'a> {
    client: Client,
    args: &'a CsvArgs,
    mapping: Mapping,
    prepared: Prepared,
    report: Report,
    bar: ProgressBar,
}

impl Import<'_> {
    async fn all(&mut self, lines: &mut Lines) -> anyhow::Result<()> {
        let batch_rows = usize::from(self.args.batch);
        let mut rows = Vec::with_capacity(batch_rows);
        while let Some(line) = lines.next()? {
            match self.mapping.row(line) {
                Ok(row) => rows.push(row),
                Err(reason) => self.report.bad(&self.bar, line, &reason)?,
            }
            if rows.len() == batch_rows {
                self.post(&mut rows).await?;
                self.bar.set_position(lines.bytes_read());
            }
        }
        if rows.is_empty() { Ok(()) } else { self.post(&mut rows).await }
    }

    /// Waits until the view holds the last row, so that every position that is printed can be read.
    async fn wait_for_view(&self) -> anyhow::Result<()> {
        let Some(position) = self.report.last_position() else { return Ok(()) };
        let level = v1::consistency::Level::AtLeast(position.to_owned());
        let request = v1::GetLedgerRequest {
            name: ledger_resource(&self.args.ledger),
            consistency: Some(v1::Consistency { level: Some(level) }),
        };
        let answer = self.client.queries().get_ledger(self.client.request(request)).await;
        answer.map(drop).map_err(|status| self.client.explain(status))
    }

    /// Posts the rows as one batch and empties it. One call at a time, so that the log has the file's
    /// order.
    async fn post(&mut self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        self.prepared.accounts(rows.iter().map(|row| row.account.as_str())).await?;
        let make = || v1::PostTransfersRequest {
            parent: ledger_resource(&self.args.ledger),
            transfers: rows.iter().map(|row| row.transfer.clone()).collect(),
            request_id: String::new(),
            validate_only: false,
            conditions: Vec::new(),
        };
        let answer = self.client.post_transfers(make).await;
        let results = answer.map_err(|status| self.client.explain(status))?.results;
        ensure!(
            results.len() == rows.len(),
            "the server answered {} results for {} transfers",
            results.len(),
            rows.len()
        );
        for (row, result) in rows.drain(..).zip(results) {
            match result.outcome {
                Some(transfer_result::Outcome::Acknowledgement(acknowledgement)) => {
                    self.report.posted(&row, &acknowledgement)?;
                }
                Some(transfer_result::Outcome::Refusal(refusal)) => {
                    self.report.refused(&self.bar, &row, &refused(&refusal), &refusal.position)?;
                }
                None => anyhow::bail!("line {}: the server answered no outcome", row.line.number),
            }
        }
        Ok(())
    }
}
