//! Why a query has no answer, and the gRPC status of each reason.

use std::sync::Arc;

use ledger_domain::{Position, Rejection, Timestamp};
use ledger_keys::KeyError;
use ledger_proto::answer;
use ledger_views::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A name or id breaks its rule.
    #[error("{0}")]
    Malformed(Rejection),
    /// The request cannot be understood.
    #[error("{what}")]
    Invalid {
        /// Stable name of the reason.
        reason: &'static str,
        /// For a person.
        what: String,
    },
    /// There is no such thing in the state that was asked for.
    #[error("no such {kind} at {at}: {name}")]
    NotFound {
        /// Stable name of the reason.
        reason: &'static str,
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The position that was read.
        at: Position,
        /// Since when the view is known to hold all that the log had.
        caught_up_at: Option<Timestamp>,
    },
    /// The view has not applied this position yet: to be asked again once it has.
    #[error("the view has not applied {asked} yet, it is {}", how_far(*applied))]
    Behind {
        /// What was asked for.
        asked: Position,
        /// How far the view is.
        applied: Option<Position>,
    },
    /// Nobody waits for an instant of the future.
    #[error(
        "{} is a future instant, it is {} now",
        answer::timestamp(*asked),
        answer::timestamp(*now)
    )]
    FutureInstant {
        /// The instant that was asked for.
        asked: Timestamp,
        /// The server's clock, or the newest commit's instant where that is later.
        now: Timestamp,
    },
    /// Nobody waits for a position of the future.
    #[error("{asked} is a future position, the view is {}", how_far(*applied))]
    Future {
        /// What was asked for.
        asked: Position,
        /// How far the view is.
        applied: Option<Position>,
    },
    /// The view stands before this position: for ever, or until its storage works again.
    #[error("the view stands before {stopped_at} and does not reach {asked}: {what}")]
    Parked {
        /// What was asked for.
        asked: Position,
        /// The record that stopped it.
        stopped_at: Position,
        /// Why.
        what: Arc<str>,
    },
    /// Nothing follows the log any more.
    #[error("the server is shutting down, the view is {}", how_far(*applied))]
    Closed {
        /// How far the view is.
        applied: Option<Position>,
    },
    /// The view cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys of a customer cannot be read.
    #[error("{}", .0.told())]
    Keys(#[from] KeyError),
}

fn how_far(applied: Option<Position>) -> String {
    applied.map_or_else(|| "empty".to_owned(), |applied| format!("at {applied}"))
}

impl From<Rejection> for QueryError {
    fn from(rejection: Rejection) -> Self {
        QueryError::Malformed(rejection)
    }
}

impl QueryError {
    pub(crate) fn invalid(reason: &'static str, what: impl Into<String>) -> Self {
        QueryError::Invalid { reason, what: what.into() }
    }

    /// Status code, stable reason, and the positions and instants that it is about.
    fn table(&self) -> (Code, &str, Vec<(&'static str, Option<String>)>) {
        let text = |position: Option<Position>| position.map(|position| position.to_string());
        match self {
            QueryError::Malformed(rejection) => {
                (answer::grpc_code(rejection.code), rejection.code.name(), vec![])
            }
            QueryError::Invalid { reason, .. } => (Code::InvalidArgument, reason, vec![]),
            QueryError::NotFound { reason, at, caught_up_at, .. } => {
                let since = caught_up_at.map(|at| answer::timestamp(at).to_string());
                let about = vec![("read_at", text(Some(*at))), ("caught_up_at", since)];
                (Code::NotFound, reason, about)
            }
            QueryError::Behind { asked, applied } => {
                let about = vec![("asked", text(Some(*asked))), ("applied", text(*applied))];
                (Code::DeadlineExceeded, "VIEW_BEHIND", about)
            }
            QueryError::Future { asked, applied } => {
                let about = vec![("asked", text(Some(*asked))), ("applied", text(*applied))];
                (Code::OutOfRange, "FUTURE_POSITION", about)
            }
            QueryError::FutureInstant { .. } => (Code::OutOfRange, "FUTURE_INSTANT", vec![]),
            QueryError::Parked { asked, stopped_at, .. } => {
                let about =
                    vec![("asked", text(Some(*asked))), ("stopped_at", text(Some(*stopped_at)))];
                (Code::Unavailable, "VIEW_PARKED", about)
            }
            QueryError::Closed { applied } => {
                (Code::Unavailable, "SHUTTING_DOWN", vec![("applied", text(*applied))])
            }
            QueryError::Store(StoreError::Damaged { .. }) => {
                (Code::DataLoss, "VIEW_DAMAGED", vec![])
            }
            QueryError::Store(
                StoreError::UnknownVersion { .. }
                | StoreError::OtherLog { .. }
                | StoreError::Full { .. }
                | StoreError::Unavailable { .. },
            ) => (Code::Unavailable, "VIEW_UNAVAILABLE", vec![]),
            QueryError::Keys(KeyError::Damaged { .. }) => (Code::DataLoss, "KEY_DAMAGED", vec![]),
            QueryError::Keys(KeyError::Unavailable { .. }) => {
                (Code::Unavailable, "KEYS_UNAVAILABLE", vec![])
            }
        }
    }
}

impl From<QueryError> for Status {
    fn from(error: QueryError) -> Self {
        if let QueryError::Malformed(rejection) = &error {
            return answer::status(rejection, None, false);
        }
        let (code, reason, about) = error.table();
        let metadata =
            about.into_iter().filter_map(|(key, text)| text.map(|text| (key.to_owned(), text)));
        let details = ErrorDetails::with_error_info(
            reason,
            answer::ERROR_DOMAIN,
            metadata.collect::<std::collections::HashMap<_, _>>(),
        );
        Status::with_error_details(code, error.to_string(), details)
    }
}
