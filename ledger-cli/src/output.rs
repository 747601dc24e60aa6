//! The only way to standard output: JSON or aligned text.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};
use ledger_proto::v1;
use ledger_runtime::clock;
use prost::Message;
use serde_json::Value;

use crate::json;

/// Where answers go, in the form that was asked for.
pub(crate) struct Output {
    json: bool,
    sink: RefCell<Box<dyn Write>>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Output {
    /// `sink` is standard output, but for tests.
    pub(crate) fn new(json: bool, sink: Box<dyn Write>) -> Self {
        Output { json, sink: RefCell::new(sink) }
    }

    /// Prints a message of package `ledger.v1`: as JSON, or as the text that `human` makes of it.
    pub(crate) fn answer<M: Message>(
        &self,
        name: &str,
        message: &M,
        human: impl FnOnce(&M) -> String,
    ) -> anyhow::Result<()> {
        let value = if self.json { json::of(name, message)? } else { Value::Null };
        self.value(&value, || human(message))
    }

    /// Prints what is no message of the API: as JSON, or as the text that `human` makes.
    pub(crate) fn value(
        &self,
        value: &Value,
        human: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = if self.json { format!("{value:#}\n") } else { human() };
        let mut sink = self.sink.borrow_mut();
        sink.write_all(text.as_bytes())?;
        sink.flush()?;
        Ok(())
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
}

/// A column of words.
pub(crate) const fn left(title: &'static str) -> Column {
    Column { title, right: false }
}

/// A column of numbers.
pub(crate) const fn right(title: &'static str) -> Column {
    Column { title, right: true }
}

/// Aligned text with a line of titles; one row of cells for each line, one cell for each column.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let width = |place: usize, column: &Column| {
        let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(column.title.len())
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(i, c)| width(i, c)).collect();
    let mut text = String::new();
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for ((cell, column), &width) in row.iter().zip(columns).zip(&widths) {
            let _infallible = if column.right {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// RFC 3339 in UTC; "-" where there is none.
pub(crate) fn time(at: Option<&prost_types::Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// A value of an enum of the API without what all of its values begin with: "frozen".
pub(crate) fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

/// What an acknowledgement says, as the end of a sentence.
pub(crate) fn acknowledged(acknowledgement: Option<&v1::Acknowledgement>) -> String {
    let recorded = acknowledgement.filter(|of| !of.position.is_empty());
    let Some(v1::Acknowledgement { position, recorded_at, replayed }) = recorded else {
        return "nothing was recorded".to_owned();
    };
    let first = if *replayed { "; replayed: the first outcome of an earlier request" } else { "" };
    format!("position {position}, recorded {}{first}", time(recorded_at.as_ref()))
}

/// The line below a read: which state it shows, and how stale that may be.
pub(crate) fn read_at(read_at: Option<&v1::ReadAt>) -> String {
    read_at.map_or_else(String::new, |read_at| read_at_as_of(read_at, clock::now()))
}

/// What is not worth a word.
const STALE_SHOWN_NS: i64 = 1_000_000_000;

fn read_at_as_of(read_at: &v1::ReadAt, now: i64) -> String {
    let v1::ReadAt { position, recorded_at, r#final, caught_up_at, records_behind } = read_at;
    let position = if position.is_empty() { "the empty log" } else { position };
    let mut line = format!("read at {position}");
    let _infallible = match recorded_at {
        Some(at) => write!(line, ", recorded {at}"),
        None => Ok(()),
    };
    if *r#final {
        // What is final stays as it is, however far the view is.
        return line + ", final\n";
    }
    let caught_up_at = caught_up_at.as_ref().and_then(ledger_proto::time::from_wire);
    let stale = caught_up_at.map(|at| now.saturating_sub(at)).filter(|ns| *ns > STALE_SHOWN_NS);
    let _infallible = match stale {
        // Up to a tenth of a second, and no less than it is.
        Some(ns) => {
            let tenths = ns / 100_000_000 + 1;
            write!(line, "; at most {}.{} s stale", tenths / 10, tenths % 10)
        }
        None => Ok(()),
    };
    if caught_up_at.is_none() {
        line.push_str("; the view has not caught up yet");
    }
    if *records_behind > 0 && (stale.is_some() || caught_up_at.is_none()) {
        let _infallible = write!(line, ", {records_behind} records behind");
    }
    line + "\n"
}

/// A progress bar on standard error, seen only on a terminal. `unit` is what it counts.
pub(crate) fn progress(total: u64, unit: Unit) -> ProgressBar {
    let template = match unit {
        Unit::Bytes => "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
        Unit::Items => "{prefix}{bar:40} {human_pos}/{human_len} {per_sec} {eta} {msg}",
    };
    let bar = ProgressBar::new(total);
    // A template that did not parse would leave the default style, not a broken program.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What a progress bar counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Bytes,
    Items,
}

/// One line on standard output, at once: for whoever waits for it.
pub(crate) fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_words_left_and_amounts_right() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["CZK", "1.00", "x"]), row(["Kčs", "-12345.60", ""])];
        let text = table(&[left("ASSET"), right("BALANCE"), left("WHERE")], &rows);
        let expected = "ASSET    BALANCE  WHERE\n\
                        CZK         1.00  x\n\
                        Kčs    -12345.60\n";
        assert_eq!(text, expected);
        assert_eq!(table(&[left("A")], &[]), "A\n");
    }

    #[test]
    fn acknowledgements_and_reads_show_position_and_recorded_time() {
        let at = prost_types::Timestamp { seconds: 0, nanos: 1 };
        let acknowledgement = |replayed| v1::Acknowledgement {
            position: "0@7.1".to_owned(),
            recorded_at: Some(at),
            replayed,
        };
        let text = acknowledged(Some(&acknowledgement(false)));
        assert_eq!(text, "position 0@7.1, recorded 1970-01-01T00:00:00.000000001Z");
        assert!(acknowledged(Some(&acknowledgement(true))).contains("replayed"));
        let dry_run = v1::Acknowledgement::default();
        assert_eq!(acknowledged(Some(&dry_run)), "nothing was recorded");
        let position = "0@9".to_owned();
        let read =
            v1::ReadAt { position, recorded_at: Some(at), r#final: true, ..Default::default() };
        let text = read_at(Some(&read));
        assert_eq!(text, "read at 0@9, recorded 1970-01-01T00:00:00.000000001Z, final\n");
        assert_eq!(read_at(None), "");
    }

    #[test]
    fn staleness_is_shown_above_a_second() {
        let line = |caught_up_at: Option<i64>, records_behind| {
            let caught_up_at = caught_up_at.map(ledger_proto::time::to_wire);
            let position = "0@9".to_owned();
            let read = v1::ReadAt { position, caught_up_at, records_behind, ..Default::default() };
            read_at_as_of(&read, 100_000_000_000)
        };
        assert_eq!(line(Some(99_000_000_000), 0), "read at 0@9\n");
        assert_eq!(line(Some(99_000_000_000), 3), "read at 0@9\n", "on their way");
        assert_eq!(
            line(Some(101_000_000_000), 0),
            "read at 0@9\n",
            "a clock that is ahead of ours"
        );
        assert_eq!(line(Some(98_999_999_999), 0), "read at 0@9; at most 1.1 s stale\n");
        let text = "read at 0@9; at most 90.1 s stale, 7 records behind\n";
        assert_eq!(line(Some(10_000_000_000), 7), text);
        let text = "read at 0@9; the view has not caught up yet, 7 records behind\n";
        assert_eq!(line(None, 7), text);
    }
}
