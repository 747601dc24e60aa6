//! `ledger audit replay`: the log replayed and compared, by the server or on a folder at rest.

mod offline;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Subcommand};
use indicatif::{MultiProgress, ProgressBar};
use ledger_proto::v1::{self, replay_request, replay_response};
use serde_json::{Value, json};
use tonic::Request;

use super::{Context, Outcome};
use crate::args::When;
use crate::json;
use crate::output::{Output, Unit, left, progress, right, table};

/// Kinds of audit.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Replay the log: check chain and invariants, compare every row of the views; exit code 3 when
    /// something differs
    Replay(ReplayArgs),
}

/// Flags of `ledger audit replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Stop at a position (0@1042) or an RFC 3339 instant instead of the log's end
    #[arg(long, value_name = "POSITION|INSTANT")]
    until: Option<When>,
    /// Read this folder, which no server has open, instead of asking the server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: AuditCommand) -> anyhow::Result<Outcome> {
    let AuditCommand::Replay(args) = command;
    let until = args.until.as_ref().map(Into::into);
    let mut bars = Bars::default();
    let outcome = match &args.data {
        Some(data) => Box::pin(offline::offline(data, until, &mut bars)).await,
        None => ask(context, until, &mut bars).await,
    };
    bars.clear();
    let reports = outcome?;
    print(&context.output, &reports)?;
    let clean = reports.iter().all(|report| report.findings.is_empty());
    Ok(if clean { Outcome::Clean } else { Outcome::Findings })
}

async fn ask(
    context: &Context,
    until: Option<replay_request::Until>,
    bars: &mut Bars,
) -> anyhow::Result<Vec<v1::ReplayReport>> {
    let client = context.connect().await?;
    // No deadline: a long log takes its time, and its progress is seen.
    let answer = client.audit().replay(Request::new(v1::ReplayRequest { until })).await;
    let mut stream = answer.map_err(|status| client.explain(status))?.into_inner();
    let mut reports = Vec::new();
    while let Some(response) = stream.message().await.map_err(|status| client.explain(status))? {
        match response.step {
            Some(replay_response::Step::Progress(progress)) => bars.show(&progress),
            Some(replay_response::Step::Report(report)) => reports.push(report),
            None => {}
        }
    }
    ensure!(!reports.is_empty(), "the server ended the replay without a report");
    Ok(reports)
}

/// A progress bar for each partition, on standard error, seen only on a terminal.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    all: MultiProgress,
    by_partition: BTreeMap<u32, ProgressBar>,
}

impl Bars {
    /// Moves the bar of one partition.
    pub(crate) fn show(&mut self, step: &v1::ReplayProgress) {
        let bar = self.by_partition.entry(step.partition).or_insert_with(|| {
            let bar = self.all.add(progress(step.records_total, Unit::Items));
            bar.with_prefix(format!("partition {} ", step.partition))
        });
        bar.set_length(step.records_total);
        bar.set_position(step.records);
    }

    fn clear(&mut self) {
        for bar in self.by_partition.values() {
            bar.finish_and_clear();
        }
    }
}

fn print(output: &Output, reports: &[v1::ReplayReport]) -> anyhow::Result<()> {
    let as_json = |report| json::of("ReplayReport", report);
    let values = reports.iter().map(as_json).collect::<anyhow::Result<Vec<Value>>>()?;
    output.value(&json!({ "reports": values }), || describe(reports))
}

fn describe(reports: &[v1::ReplayReport]) -> String {
    let columns = [
        right("PARTITION"),
        left("UP TO"),
        right("COMMITS"),
        right("SKIPPED"),
        right("TRANSFERS"),
        right("REFUSALS"),
        right("ACCOUNTS"),
        right("ROWS COMPARED"),
        right("FINDINGS"),
        left("STATE HASH"),
    ];
    let row = |report: &v1::ReplayReport| {
        vec![
            report.partition.to_string(),
            if report.position.is_empty() { "-".to_owned() } else { report.position.clone() },
            report.commits.to_string(),
            report.skipped.to_string(),
            report.transfers.to_string(),
            report.refusals.to_string(),
            report.accounts.to_string(),
            report.rows_compared.to_string(),
            report.findings.len().to_string(),
            report.state_hash.chars().take(16).collect(),
        ]
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    let mut text = table(&columns, &rows);
    for finding in reports.iter().flat_map(|report| &report.findings) {
        let v1::Finding { invariant, position, what } = finding;
        let place = if position.is_empty() { String::new() } else { format!(" at {position}") };
        text.push_str(&format!("{invariant}{place}: {what}\n"));
    }
    let findings: usize = reports.iter().map(|report| report.findings.len()).sum();
    let verdict = match findings {
        0 => "clean: the log, the invariants and the views agree\n".to_owned(),
        1 => "1 finding\n".to_owned(),
        n => format!("{n} findings\n"),
    };
    text + &verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_invariant_and_position() {
        let mut report = v1::ReplayReport {
            partition: 3,
            position: "3@17".to_owned(),
            commits: 12,
            state_hash: "0123456789abcdef0123456789abcdef".to_owned(),
            ..Default::default()
        };
        let text = describe(std::slice::from_ref(&report));
        assert!(text.contains("3@17") && text.contains(" 0123456789abcdef\n"), "{text}");
        assert!(text.ends_with("clean: the log, the invariants and the views agree\n"));
        report.findings.push(v1::Finding {
            invariant: "LG-4".to_owned(),
            position: "3@9".to_owned(),
            what: "the chain does not link".to_owned(),
        });
        let text = describe(&[report]);
        assert!(text.ends_with("LG-4 at 3@9: the chain does not link\n1 finding\n"), "{text}");
    }
}
