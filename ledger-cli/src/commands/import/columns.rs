//! One line of CSV into its columns, as RFC 4180 has it within a line.
//!
//! A record is one line: a quote that is not closed spoils its own line and not the rest of the file,
//! which a reader that lets quotes span lines cannot promise.

use std::borrow::Cow;

/// The columns of a line. `""` inside quotes is one quote.
///
/// # Errors
/// The reason, for a person: text that is not UTF-8, or a quote where none may be.
pub(super) fn columns(line: &[u8], delimiter: u8) -> Result<Vec<Cow<'_, str>>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 from byte {}", error.valid_up_to() + 1))?;
    let delimiter = char::from(delimiter);
    let mut columns = Vec::with_capacity(16);
    let mut rest = text;
    loop {
        let after = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = closed_quote(quoted).ok_or_else(|| {
                    format!("column {}: a quote is not closed", columns.len() + 1)
                })?;
                columns.push(value);
                after
            }
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                let (value, after) = rest.split_at(end);
                columns.push(Cow::Borrowed(value));
                after
            }
        };
        if after.is_empty() {
            return Ok(columns);
        }
        rest = after
            .strip_prefix(delimiter)
            .ok_or_else(|| format!("column {}: text behind a closed quote", columns.len()))?;
    }
}

/// What stands up to the closing quote, and what behind it.
fn closed_quote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    loop {
        let quote = from + text.get(from..)?.find('"')?;
        let after = text.get(quote + 1..)?;
        if !after.starts_with('"') {
            let value = text.get(..quote)?;
            let value =
                if from == 0 { Cow::Borrowed(value) } else { value.replace("\"\"", "\"").into() };
            return Some((value, after));
        }
        from = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[test]
    fn splits_as_rfc_4180_within_a_line() {
        let check = |line: &str, expected: &[&str]| {
            assert_eq!(columns(line.as_bytes(), b',').unwrap(), expected, "{line}");
        };
        check("a,b,c", &["a", "b", "c"]);
        check("a,,", &["a", "", ""]);
        check("", &[""]);
        check(",", &["", ""]);
        check(r#""a,b",c"#, &["a,b", "c"]);
        check(r#""",x"#, &["", "x"]);
        check(r#""say ""hi""",z"#, &["say \"hi\"", "z"]);
        check(r#""""","a""""#, &["\"", "a\""]);
        check(r#"a"b,c"#, &["a\"b", "c"]);
    }

    #[test]
    fn a_misplaced_quote_is_a_reason() {
        let check = |line: &[u8], expected: &str| {
            let reason = columns(line, b',').unwrap_err();
            assert_eq!(reason, expected, "{}", String::from_utf8_lossy(line));
        };
        check(br#"a,"b"#, "column 2: a quote is not closed");
        check(br#""a""b"#, "column 1: a quote is not closed");
        check(br#""a"b,c"#, "column 1: text behind a closed quote");
        check(b"ab\xFF,c", "not UTF-8 from byte 3");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(4180), ..Default::default() })]

        /// Whatever a CSV writer quotes comes back.
        #[test]
        fn reads_what_a_csv_writer_writes(record in prop::collection::vec("[^\r\n]{0,12}", 1..6)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&record).unwrap();
            let bytes = writer.into_inner().unwrap();
            let line = bytes.strip_suffix(b"\n").unwrap();
            prop_assert_eq!(columns(line, b',').unwrap(), record);
        }
    }
}
