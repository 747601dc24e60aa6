//! A text file line by line, in bounded memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::columns::columns;

/// A longer line is no record: reading stops, for the file is not what it was taken for.
const LINE_BYTES_MAX: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1, the header's.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// The lines of a file. Ends of lines are LF or CR LF; a byte order mark and blank lines are skipped.
#[derive(Debug)]
pub(super) struct Lines<R = BufReader<File>> {
    reader: R,
    name: String,
    line: Line,
    bytes_read: u64,
    bytes_total: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("opening {name}"))?;
        let metadata = file.metadata().with_context(|| format!("reading {name}"))?;
        if metadata.is_dir() {
            bail!("{name} is a folder");
        }
        Ok(Lines::new(BufReader::new(file), name, metadata.len()))
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, name: String, bytes_total: u64) -> Self {
        let line = Line { number: 0, bytes: Vec::new() };
        Lines { reader, name, line, bytes_read: 0, bytes_total }
    }

    /// Titles of the columns: the first line that is not blank.
    pub(super) fn header(&mut self, delimiter: u8) -> anyhow::Result<Vec<String>> {
        let name = self.name.clone();
        let Some(line) = self.next()? else { bail!("{name} is empty: it has no header line") };
        let titles = columns(&line.bytes, delimiter)
            .map_err(|reason| anyhow::anyhow!("{name}, header line: {reason}"))?;
        Ok(titles.into_iter().map(|title| title.trim().to_owned()).collect())
    }

    /// The next line that is not blank. It stays readable until the next call.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<&Line>> {
        loop {
            self.line.bytes.clear();
            let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX) + 2;
            let mut bounded = (&mut self.reader).take(limit);
            let read = bounded.read_until(b'\n', &mut self.line.bytes);
            let read = read.with_context(|| format!("reading {}", self.name))?;
            if read == 0 {
                return Ok(None);
            }
            self.line.number += 1;
            if self.line.number == 1 && self.line.bytes.starts_with(BYTE_ORDER_MARK) {
                self.line.bytes.drain(..BYTE_ORDER_MARK.len());
            }
            self.bytes_read += u64::try_from(read).unwrap_or(0);
            for end in [b'\n', b'\r'] {
                if self.line.bytes.last() == Some(&end) {
                    self.line.bytes.pop();
                }
            }
            if self.line.bytes.len() > LINE_BYTES_MAX {
                let number = self.line.number;
                bail!("{}, line {number}: longer than {LINE_BYTES_MAX} bytes", self.name);
            }
            if !self.line.bytes.is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    pub(super) fn bytes_total(&self) -> u64 {
        self.bytes_total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> anyhow::Result<Vec<(u64, String)>> {
        let mut lines = Lines::new(text, "test.csv".to_owned(), 0);
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push((line.number, String::from_utf8(line.bytes.clone()).unwrap()));
        }
        Ok(all)
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_file() {
        let owned = |lines: &[(u64, &str)]| {
            lines.iter().map(|(n, text)| (*n, (*text).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(read(b"").unwrap(), []);
        assert_eq!(read(b"a\nb").unwrap(), owned(&[(1, "a"), (2, "b")]));
        assert_eq!(read(b"a\r\nb\r\n").unwrap(), owned(&[(1, "a"), (2, "b")]));
        assert_eq!(read(b"\xEF\xBB\xBFa\n\n\r\nb\n").unwrap(), owned(&[(1, "a"), (4, "b")]));
        assert_eq!(read(b"\xEF\xBB\xBF").unwrap(), []);
    }

    #[test]
    fn a_line_without_end_does_not_eat_the_memory() {
        let exact = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read(&exact).unwrap().len(), 1);
        let endless = [b"a\n".as_slice(), &[b'x'; LINE_BYTES_MAX + 1]].concat();
        let error = read(&endless).unwrap_err().to_string();
        assert!(error.contains("line 2: longer than"), "{error}");
    }

    #[test]
    fn a_header_is_required() {
        let header = |text: &[u8]| Lines::new(text, "x.csv".to_owned(), 0).header(b',');
        assert_eq!(header(b"id, date\n1,2\n").unwrap(), ["id", "date"]);
        assert!(header(b"\n\n").unwrap_err().to_string().contains("x.csv is empty"));
        assert!(header(b"\"id\n").unwrap_err().to_string().contains("header line"));
    }

    #[test]
    fn an_absent_file_and_a_folder_are_named() {
        let error = Lines::open(Path::new("/no/such/file.csv")).unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/file.csv"));
        let folder = tempfile::tempdir().unwrap();
        assert!(Lines::open(folder.path()).unwrap_err().to_string().contains("is a folder"));
    }
}
