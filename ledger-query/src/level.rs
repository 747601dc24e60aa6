//! Which state a query asks for.

use ledger_domain::{Position, Timestamp};
use ledger_proto::{time, v1};

use crate::error::QueryError;

/// Which state a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the view has now.
    Latest,
    /// What the view has once it has this.
    AtLeast(Position),
    /// Up to and with this, and nothing later.
    AsOf(Position),
    /// Up to and with the last commit recorded at or before this instant.
    AsOfTime(Timestamp),
}

impl Level {
    /// Reads a request's consistency; unset is the latest.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] for what is no position or instant.
    pub fn parse(wire: Option<&v1::Consistency>) -> Result<Self, QueryError> {
        use v1::consistency::Level as Wire;
        Ok(match wire.and_then(|consistency| consistency.level.as_ref()) {
            None | Some(Wire::Latest(())) => Level::Latest,
            Some(Wire::AtLeast(text)) => Level::AtLeast(position(text)?),
            Some(Wire::AsOf(v1::AsOf { when: None })) => {
                let what = "as_of needs a position or a timestamp";
                return Err(QueryError::invalid("MALFORMED_CONSISTENCY", what));
            }
            Some(Wire::AsOf(v1::AsOf { when: Some(v1::as_of::When::Position(text)) })) => {
                Level::AsOf(position(text)?)
            }
            Some(Wire::AsOf(v1::AsOf { when: Some(v1::as_of::When::Timestamp(at)) })) => {
                let invalid = || {
                    let what = "as_of timestamp: an instant of the years 1678 to 2262";
                    QueryError::invalid("MALFORMED_CONSISTENCY", what)
                };
                Level::AsOfTime(time::from_wire(at).ok_or_else(invalid)?)
            }
        })
    }
}

fn position(text: &str) -> Result<Position, QueryError> {
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(80).collect();
        QueryError::invalid("MALFORMED_POSITION", format!("{shown:?}: {error}"))
    })
}
