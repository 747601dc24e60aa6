//! A place in the log, printed and accepted as one string.

use std::fmt;
use std::str::FromStr;

/// (partition, offset, index of the event in its commit): "0@1042.17". Without an index, the whole
/// commit: "0@1042".
///
/// Within a partition, positions are in the order of [`Position::bound`]: a commit comes after each of
/// its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Partition of the log.
    pub partition: u32,
    /// Offset of the record in the partition.
    pub offset: u64,
    /// Index of the event in the commit; `None` for the whole commit.
    pub index: Option<u32>,
}

impl Position {
    /// The whole commit at this offset.
    #[must_use]
    pub fn commit(partition: u32, offset: u64) -> Self {
        Position { partition, offset, index: None }
    }

    /// One event of the commit at this offset.
    #[must_use]
    pub fn event(partition: u32, offset: u64, index: u32) -> Self {
        Position { partition, offset, index: Some(index) }
    }

    /// Offset and last index that a read at this position shows: to compare positions of one
    /// partition, and to seek in versioned rows.
    #[must_use]
    pub fn bound(self) -> (u64, u32) {
        (self.offset, self.index.unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)?;
        match self.index {
            Some(index) => write!(f, ".{index}"),
            None => Ok(()),
        }
    }
}

/// A string that is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionError;

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is partition@offset or partition@offset.index, such as 0@1042.17")
    }
}

impl std::error::Error for PositionError {}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (partition, rest) = text.split_once('@').ok_or(PositionError)?;
        let (offset, index) = match rest.split_once('.') {
            Some((offset, index)) => (offset, Some(number(index)?)),
            None => (rest, None),
        };
        Ok(Position { partition: number(partition)?, offset: number(offset)?, index })
    }
}

/// Digits only, without leading zeros, so that a position has one spelling: `u32::from_str` would take
/// "+7" and "007".
fn number<T: FromStr>(text: &str) -> Result<T, PositionError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero {
        text.parse().map_err(|_| PositionError)
    } else {
        Err(PositionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_back() {
        for text in ["0@0", "0@1042", "7@1042.17", "0@18446744073709551615.4294967295"] {
            assert_eq!(text.parse::<Position>().map(|p| p.to_string()).as_deref(), Ok(text));
        }
        for bad in [
            "",
            "0",
            "0@",
            "@1",
            "0@1.",
            "0@.1",
            "+0@1",
            "0@-1",
            "0@1.2.3",
            "00@1",
            "0@01",
            "0@1.00",
            "0@18446744073709551616",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(PositionError), "{bad:?}");
        }
    }
}
