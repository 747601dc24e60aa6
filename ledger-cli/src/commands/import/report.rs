//! What came of each line: counts, positions, and the lines that a person must look at.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use indicatif::ProgressBar;
use ledger_proto::v1;
use serde_json::{Value, json};

use super::CsvArgs;
use super::columns::columns;
use super::lines::Line;
use super::mapping::Row;
use crate::output::{Output, left, table};

/// Lines that are told one by one; the rest is counted, and all of them stand in `--bad-lines`.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Counts and positions of one run.
#[derive(Debug)]
pub(super) struct Report {
    new: u64,
    replayed: u64,
    refused: u64,
    bad: u64,
    delimiter: u8,
    /// Position of the last recorded row of each date, by date.
    dates: BTreeMap<String, String>,
    last_position: Option<String>,
    problems: Vec<Value>,
    bad_lines: Option<csv::Writer<File>>,
    positions: Option<csv::Writer<File>>,
}

impl Report {
    /// Makes the files that were asked for. The bad lines keep the columns of `header`, behind their
    /// line number and reason, so that they can be mended and imported.
    pub(super) fn new(
        bad_lines: Option<&Path>,
        positions: Option<&Path>,
        header: &[String],
        delimiter: u8,
    ) -> anyhow::Result<Self> {
        let first = ["line", "reason"].into_iter();
        let titles: Vec<&str> = first.chain(header.iter().map(String::as_str)).collect();
        Ok(Report {
            new: 0,
            replayed: 0,
            refused: 0,
            bad: 0,
            delimiter,
            dates: BTreeMap::new(),
            last_position: None,
            problems: Vec::new(),
            bad_lines: create(bad_lines, &titles)?,
            positions: create(positions, &["id", "date", "account", "position"])?,
        })
    }

    /// A row that stands in the log, by this run or an earlier one.
    pub(super) fn posted(
        &mut self,
        row: &Row,
        acknowledgement: &v1::Acknowledgement,
    ) -> anyhow::Result<()> {
        let count = if acknowledgement.replayed { &mut self.replayed } else { &mut self.new };
        *count += 1;
        self.recorded(row, &acknowledgement.position)
    }

    /// A row that the server refused. The refusal has a position where it stands in the log.
    pub(super) fn refused(
        &mut self,
        bar: &ProgressBar,
        row: &Row,
        reason: &str,
        position: &str,
    ) -> anyhow::Result<()> {
        self.refused += 1;
        if !position.is_empty() {
            self.recorded(row, position)?;
        }
        self.problem(bar, &row.line, reason)
    }

    /// A line that is no transfer.
    pub(super) fn bad(
        &mut self,
        bar: &ProgressBar,
        line: &Line,
        reason: &str,
    ) -> anyhow::Result<()> {
        self.bad += 1;
        self.problem(bar, line, reason)
    }

    /// Whether every line is in the log.
    pub(super) fn is_clean(&self) -> bool {
        self.bad == 0 && self.refused == 0
    }

    /// Of the last recorded row.
    pub(super) fn last_position(&self) -> Option<&str> {
        self.last_position.as_deref()
    }

    /// "23012 new, 0 replayed, 0 refused, 0 bad".
    pub(super) fn counts(&self) -> String {
        let Report { new, replayed, refused, bad, .. } = self;
        format!("{new} new, {replayed} replayed, {refused} refused, {bad} bad")
    }

    /// Writes the files out; an import that stops half-way has them up to there.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        for file in [&mut self.bad_lines, &mut self.positions].into_iter().flatten() {
            file.flush().context("writing a report file")?;
        }
        Ok(())
    }

    pub(super) fn print(&self, output: &Output, args: &CsvArgs) -> anyhow::Result<()> {
        let file = args.file.display().to_string();
        let dates: Vec<Value> = self
            .dates
            .iter()
            .map(|(date, position)| json!({ "date": date, "position": position }))
            .collect();
        let value = json!({
            "file": file,
            "ledger": args.ledger,
            "new": self.new,
            "replayed": self.replayed,
            "refused": self.refused,
            "bad": self.bad,
            "problems": self.problems,
            "dates": dates,
        });
        output.value(&value, || {
            let row = |(date, position): (&String, &String)| vec![date.clone(), position.clone()];
            let rows: Vec<Vec<String>> = self.dates.iter().map(row).collect();
            let dates = table(&[left("DATE"), left("POSITION OF ITS LAST ROW")], &rows);
            format!("{dates}imported {file} into ledger {}: {}\n", args.ledger, self.counts())
        })
    }

    fn recorded(&mut self, row: &Row, position: &str) -> anyhow::Result<()> {
        self.last_position = Some(position.to_owned());
        // An RFC 3339 instant begins with its date.
        let date = row.date.get(..10).unwrap_or(&row.date);
        match self.dates.get_mut(date) {
            Some(last) => position.clone_into(last),
            None => {
                self.dates.insert(date.to_owned(), position.to_owned());
            }
        }
        if let Some(file) = &mut self.positions {
            let record = [row.id.as_str(), row.date.as_str(), row.account.as_str(), position];
            file.write_record(record).context("writing the positions")?;
        }
        Ok(())
    }

    fn problem(&mut self, bar: &ProgressBar, line: &Line, reason: &str) -> anyhow::Result<()> {
        if self.problems.len() < PROBLEMS_SHOWN_MAX {
            self.problems.push(json!({ "line": line.number, "reason": reason }));
            bar.suspend(|| eprintln!("line {}: {reason}", line.number));
            if self.problems.len() == PROBLEMS_SHOWN_MAX {
                bar.suspend(|| eprintln!("further such lines are counted; --bad-lines has all"));
            }
        }
        if let Some(file) = &mut self.bad_lines {
            let number = line.number.to_string();
            file.write_field(&number).context("writing the bad lines")?;
            file.write_field(reason)?;
            match columns(&line.bytes, self.delimiter) {
                Ok(columns) => columns.iter().try_for_each(|c| file.write_field(c.as_ref()))?,
                // What cannot be read as columns is kept as it is.
                Err(_) => file.write_field(&line.bytes)?,
            }
            file.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }
}

fn create(path: Option<&Path>, titles: &[&str]) -> anyhow::Result<Option<csv::Writer<File>>> {
    let Some(path) = path else { return Ok(None) };
    let naming = || format!("making {}", path.display());
    let file = File::create(path).with_context(naming)?;
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
    writer.write_record(titles).with_context(naming)?;
    Ok(Some(writer))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn row(number: u64, date: &str) -> Row {
        Row {
            line: Line { number, bytes: b"17,\"a,b\"".to_vec() },
            id: "17".to_owned(),
            date: date.to_owned(),
            account: "customers:5".to_owned(),
            transfer: v1::Transfer::default(),
        }
    }

    fn acknowledgement(position: &str, replayed: bool) -> v1::Acknowledgement {
        v1::Acknowledgement { position: position.to_owned(), recorded_at: None, replayed }
    }

    #[test]
    fn counts_and_keeps_the_last_position_of_each_date() {
        let folder = tempfile::tempdir().unwrap();
        let (bad, positions) = (folder.path().join("bad.csv"), folder.path().join("at.csv"));
        let header = ["id".to_owned(), "note".to_owned()];
        let mut report = Report::new(Some(&bad), Some(&positions), &header, b',').unwrap();
        let bar = ProgressBar::hidden();
        assert!(report.is_clean());
        report.posted(&row(2, "1993-01-01"), &acknowledgement("0@7.0", true)).unwrap();
        report.posted(&row(3, "1993-01-01"), &acknowledgement("0@7.1", false)).unwrap();
        report.posted(&row(4, "1993-01-02T12:00:00Z"), &acknowledgement("0@7.2", false)).unwrap();
        assert!(report.is_clean());
        report.refused(&bar, &row(5, "1993-01-03"), "ID_REUSED: x", "").unwrap();
        let unquoted = Line { number: 6, bytes: b"\"17,x".to_vec() };
        report.bad(&bar, &unquoted, "a quote is not closed").unwrap();
        assert!(!report.is_clean());
        assert_eq!(report.counts(), "2 new, 1 replayed, 1 refused, 1 bad");
        let dates: Vec<(&str, &str)> =
            report.dates.iter().map(|(date, at)| (date.as_str(), at.as_str())).collect();
        assert_eq!(dates, [("1993-01-01", "0@7.1"), ("1993-01-02", "0@7.2")]);
        report.flush().unwrap();
        let expected = "line,reason,id,note\n\
                        5,ID_REUSED: x,17,\"a,b\"\n\
                        6,a quote is not closed,\"\"\"17,x\"\n";
        assert_eq!(fs::read_to_string(bad).unwrap(), expected);
        let expected = "id,date,account,position\n\
                        17,1993-01-01,customers:5,0@7.0\n\
                        17,1993-01-01,customers:5,0@7.1\n\
                        17,1993-01-02T12:00:00Z,customers:5,0@7.2\n";
        assert_eq!(fs::read_to_string(positions).unwrap(), expected);
    }

    #[test]
    fn ten_thousand_bad_lines_are_counted_and_few_are_told() {
        let mut report = Report::new(None, None, &[], b',').unwrap();
        let bar = ProgressBar::hidden();
        for number in 2..10_002 {
            let line = Line { number, bytes: Vec::new() };
            report.bad(&bar, &line, "amount \"x\" is not a decimal number").unwrap();
        }
        assert_eq!(report.bad, 10_000);
        assert_eq!(report.problems.len(), PROBLEMS_SHOWN_MAX);
    }
}
