//! Filters: which accounts of a list are meant, as a subset of AIP-160.
//!
//! ```text
//!   filter = term { "AND" term }
//!   term   = "metadata." key "=" value
//!   value  = '"' { character | '\"' | '\\' } '"'
//! ```

use ledger_domain::{Metadata, MetadataKey, MetadataValue};

use crate::error::QueryError;

/// Bytes of a filter. Four times what 32 terms with the longest keys and values without an escape take would be
/// 45 kB: nobody writes so much.
const FILTER_BYTES_MAX: usize = 16_384;
const FIELD: &str = "metadata.";

/// What an account's metadata must be; at least one term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    first: (MetadataKey, String),
    others: Vec<(MetadataKey, String)>,
}

impl Filter {
    /// Reads a filter; empty is none.
    ///
    /// # Errors
    /// `MALFORMED_FILTER` naming the place and what is expected there.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, QueryError> {
        if text.len() > FILTER_BYTES_MAX {
            let what = format!("filter: has more than {FILTER_BYTES_MAX} bytes");
            return Err(QueryError::invalid("MALFORMED_FILTER", what));
        }
        let mut parser = Parser { text, at: 0 };
        parser.skip_spaces();
        if parser.rest().is_empty() {
            return Ok(None);
        }
        let mut filter = Filter { first: parser.term()?, others: Vec::new() };
        while parser.and()? {
            filter.others.push(parser.term()?);
        }
        Ok(Some(filter))
    }

    /// Key and value by which accounts are found, before they are looked at.
    pub(crate) fn first(&self) -> (&MetadataKey, &str) {
        (&self.first.0, &self.first.1)
    }

    /// Whether nothing is left to look at.
    pub(crate) fn is_one_term(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether metadata is so. A value that not everybody reads is equal to none.
    pub(crate) fn finds(&self, metadata: &Metadata) -> bool {
        let is_so = |(key, value): &(MetadataKey, String)| {
            metadata.get(key).and_then(MetadataValue::as_plain) == Some(value)
        };
        is_so(&self.first) && self.others.iter().all(is_so)
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Bytes that were read.
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(' ').len();
    }

    fn expected(&self, what: &str) -> QueryError {
        let found: String = self.rest().chars().take(20).collect();
        let found = if found.is_empty() { "its end".to_owned() } else { format!("{found:?}") };
        let what = format!("filter: at byte {}: expected {what}, found {found}", self.at);
        QueryError::invalid("MALFORMED_FILTER", what)
    }

    fn take(&mut self, token: &str, what: &str) -> Result<(), QueryError> {
        if !self.rest().starts_with(token) {
            return Err(self.expected(what));
        }
        self.at += token.len();
        Ok(())
    }

    /// Whether another term follows.
    fn and(&mut self) -> Result<bool, QueryError> {
        let behind = self.at;
        self.skip_spaces();
        if self.rest().is_empty() {
            return Ok(false);
        }
        if self.at == behind {
            return Err(self.expected("a space and AND"));
        }
        self.take("AND ", "AND")?;
        self.skip_spaces();
        Ok(true)
    }

    fn term(&mut self) -> Result<(MetadataKey, String), QueryError> {
        self.take(FIELD, "metadata.KEY = \"VALUE\"")?;
        let rest = self.rest();
        let length = rest.find([' ', '=']).unwrap_or(rest.len());
        let Ok(key) = MetadataKey::parse(&rest[..length]) else {
            return Err(self.expected("a key, 1-64 of [A-Za-z0-9_.:-]"));
        };
        self.at += length;
        self.skip_spaces();
        self.take("=", "=")?;
        self.skip_spaces();
        Ok((key, self.value()?))
    }

    fn value(&mut self) -> Result<String, QueryError> {
        self.take("\"", "a value in double quotes")?;
        let mut value = String::new();
        loop {
            let next = self.rest().chars().next();
            match next {
                None => return Err(self.expected("a closing double quote")),
                Some('"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some('\\') => {
                    self.at += 1;
                    let escaped = self.rest().chars().next().filter(|it| ['"', '\\'].contains(it));
                    let rule = "a double quote or a backslash behind a backslash";
                    value.push(escaped.ok_or_else(|| self.expected(rule))?);
                    self.at += 1;
                }
                Some(plain) => {
                    value.push(plain);
                    self.at += plain.len_utf8();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<(String, String)> {
        let filter = Filter::parse(text).unwrap().unwrap();
        let all = [filter.first].into_iter().chain(filter.others);
        all.map(|(key, value)| (key.to_string(), value)).collect()
    }

    #[test]
    fn terms_are_read() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(terms(r#"metadata.tier = "gold""#), [pair("tier", "gold")]);
        assert_eq!(
            terms(r#"  metadata.kyc.level:x="2 = \"two\" \\ AND"  "#),
            [pair("kyc.level:x", r#"2 = "two" \ AND"#)]
        );
        assert_eq!(
            terms(r#"metadata.a = "é" AND metadata.b="" AND   metadata.a = "2""#),
            [pair("a", "é"), pair("b", ""), pair("a", "2"),]
        );
        assert_eq!(Filter::parse("").unwrap(), None);
        assert_eq!(Filter::parse("  ").unwrap(), None);
    }

    #[test]
    fn what_is_malformed_is_told_with_its_place() {
        for (text, what) in [
            (r#"tier = "gold""#, "at byte 0: expected metadata.KEY"),
            (r#"metadata. = "gold""#, "at byte 9: expected a key"),
            (r#"metadata.a b = "gold""#, "at byte 11: expected =, found \"b = "),
            (r#"metadata.é = "gold""#, "at byte 9: expected a key"),
            (r#"metadata.a"#, "at byte 10: expected =, found its end"),
            (r#"metadata.a != "gold""#, "at byte 11: expected ="),
            (r#"metadata.a = gold"#, "at byte 13: expected a value in double quotes"),
            (r#"metadata.a = "gold"#, "at byte 18: expected a closing double quote"),
            (r#"metadata.a = "a\b""#, "at byte 16: expected a double quote or a backslash"),
            (r#"metadata.a = "1" OR metadata.b = "1""#, "at byte 17: expected AND"),
            (r#"metadata.a = "1"AND metadata.b = "1""#, "at byte 16: expected a space and AND"),
            (r#"metadata.a = "1" AND"#, "at byte 17: expected AND"),
            (r#"metadata.a = "1" AND "#, "at byte 21: expected metadata.KEY"),
            (r#"metadata.a = "1" ANDmetadata.b = "1""#, "at byte 17: expected AND"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error} has {what}");
        }
        let long = format!("metadata.a = \"{}\"", "x".repeat(FILTER_BYTES_MAX));
        assert!(Filter::parse(&long).is_err());
    }

    #[test]
    fn a_filter_finds_what_is_equal_in_every_term() {
        let metadata = |entries: &[(&str, &str)]| -> Metadata {
            let entry = |(key, value): &(&str, &str)| {
                (MetadataKey::parse(key).unwrap(), MetadataValue::plain(value).unwrap())
            };
            entries.iter().map(entry).collect()
        };
        let filter = Filter::parse(r#"metadata.a = "1" AND metadata.b = "2""#).unwrap().unwrap();
        assert!(filter.finds(&metadata(&[("a", "1"), ("b", "2"), ("c", "3")])));
        assert!(!filter.finds(&metadata(&[("a", "1"), ("b", "1")])));
        assert!(!filter.finds(&metadata(&[("b", "2")])));
        assert!(!filter.finds(&Metadata::default()));
    }
}
