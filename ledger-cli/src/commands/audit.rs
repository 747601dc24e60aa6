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
    /// Stop at a position (0@1042; only its partition is replayed) or an RFC 3339 instant instead of
    /// the log's end
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
    let clean = reports.iter().all(|report| count(report) == 0);
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

/// Findings, those that are not listed too.
fn count(report: &v1::ReplayReport) -> u64 {
    report.findings.len() as u64 + report.findings_left_out
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
        left("VIEW UP TO"),
        right("COMMITS"),
        right("SKIPPED"),
        right("TRANSFERS"),
        right("REFUSALS"),
        right("ACCOUNTS"),
        right("ROWS COMPARED"),
        right("FINDINGS"),
        left("STATE HASH"),
    ];
    let position = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let row = |report: &v1::ReplayReport| {
        vec![
            report.partition.to_string(),
            position(&report.position),
            position(&report.view_position),
            report.commits.to_string(),
            report.skipped.to_string(),
            report.transfers.to_string(),
            report.refusals.to_string(),
            report.accounts.to_string(),
            report.rows_compared.to_string(),
            count(report).to_string(),
            report.state_hash.chars().take(16).collect(),
        ]
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    let mut text = table(&columns, &rows);
    for report in reports {
        for v1::Finding { invariant, position, what } in &report.findings {
            let place = if position.is_empty() { String::new() } else { format!(" at {position}") };
            text.push_str(&format!("{invariant}{place}: {what}\n"));
        }
        let partition = report.partition;
        if report.findings_left_out > 0 {
            let more = report.findings_left_out;
            text.push_str(&format!("partition {partition}: {more} more findings are not listed\n"));
        }
        if report.stopped {
            let up_to = position(&report.position);
            text.push_str(&format!("partition {partition}: nothing behind {up_to} was checked\n"));
        }
    }
    text.push_str(&verdict(reports));
    text
}

fn verdict(reports: &[v1::ReplayReport]) -> String {
    let views_agree = reports.iter().all(|report| report.view_position == report.position);
    match reports.iter().map(count).sum::<u64>() {
        0 if views_agree => "clean: the log, the invariants and the views agree\n".to_owned(),
        0 => {
            "clean: the log and the invariants agree, and the views as far as they are\n".to_owned()
        }
        1 => "1 finding\n".to_owned(),
        n => format!("{n} findings\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_invariant_and_position() {
        let mut report = v1::ReplayReport {
            partition: 3,
            position: "3@17".to_owned(),
            view_position: "3@17".to_owned(),
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
        let text = describe(std::slice::from_ref(&report));
        assert!(text.ends_with("LG-4 at 3@9: the chain does not link\n1 finding\n"), "{text}");
        (report.findings_left_out, report.stopped) = (2, true);
        let text = describe(&[report]);
        let expected = "not link\npartition 3: 2 more findings are not listed\n\
            partition 3: nothing behind 3@17 was checked\n3 findings\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn clean_names_only_what_was_compared() {
        let report = |position: &str, view_position: &str| v1::ReplayReport {
            position: position.to_owned(),
            view_position: view_position.to_owned(),
            ..Default::default()
        };
        let reports = [report("0@17", "0@17"), report("1@9", "")];
        let text = describe(&reports);
        assert!(text.contains("  -  "), "{text}");
        assert!(text.ends_with("and the views as far as they are\n"), "{text}");
    }
}
