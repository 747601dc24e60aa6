//! The only way to standard output: JSON or aligned text.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};
use ledger_proto::v1;
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

/// What an acknowledgement says, as the end of a sentence.
pub(crate) fn acknowledged(acknowledgement: Option<&v1::Acknowledgement>) -> String {
    let Some(v1::Acknowledgement { position, recorded_at, replayed }) = acknowledgement else {
        return "nothing was recorded".to_owned();
    };
    let first = if *replayed { "; replayed: the first outcome of an earlier request" } else { "" };
    format!("position {position}, recorded {}{first}", time(recorded_at.as_ref()))
}

/// The line below a read: which state it shows.
pub(crate) fn read_at(read_at: Option<&v1::ReadAt>) -> String {
    let Some(v1::ReadAt { position, recorded_at, r#final }) = read_at else {
        return String::new();
    };
    let position = if position.is_empty() { "the empty log" } else { position };
    let recorded = match recorded_at {
        Some(at) => format!(", recorded {at}"),
        None => String::new(),
    };
    format!("read at {position}{recorded}{}\n", if *r#final { ", final" } else { "" })
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
        let read = v1::ReadAt { position: "0@9".to_owned(), recorded_at: Some(at), r#final: true };
        let text = read_at(Some(&read));
        assert_eq!(text, "read at 0@9, recorded 1970-01-01T00:00:00.000000001Z, final\n");
    }
}
