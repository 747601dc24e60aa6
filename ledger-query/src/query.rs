//! The core: a request in, an answer out, from one state. It never waits and never blocks for long.

mod accounts;
mod alerts;
mod customers;
mod directory;
mod holds;
mod metadata;
mod sagas;
mod schedules;
mod sealed;
mod transfers;

use std::cell::RefCell;
use std::collections::BTreeMap;

use ledger_domain::partition::partition_of;
use ledger_domain::{LedgerHandle, LedgerName, Position, Timestamp};
use ledger_keys::{Keys, Opener, Subject};
use ledger_proto::{answer, v1};
use ledger_views::{Applied, LedgerRow, Place, RecordKind, StoreError, ViewReader};

use crate::error::QueryError;
use crate::level::Level;

/// Answers from the views of all partitions of one log.
#[derive(Clone, Debug)]
pub struct Query {
    views: Vec<ViewReader>,
    log_id: [u8; 16],
    clock: Option<fn() -> Timestamp>,
    keys: Option<Keys>,
}

/// How far a client's clock may be ahead of the server's before its instants are the future: a writer
/// whose clock is further off is not ready either.
const CLOCK_AHEAD_MAX_NS: i64 = 1_000_000_000;

/// A state that was fixed: everything of one answer is read from it.
#[derive(Debug)]
struct Fixed<'a> {
    view: &'a ViewReader,
    place: Place,
    read_at: v1::ReadAt,
    keys: Option<&'a Keys>,
    openers: RefCell<BTreeMap<Subject, Opener>>,
}

impl Query {
    /// Over one view for each partition, in order.
    ///
    /// # Errors
    /// [`StoreError::OtherLog`] when they are not the partitions of one log.
    pub fn new(views: Vec<ViewReader>) -> Result<Self, StoreError> {
        let none = || StoreError::OtherLog { what: "no view at all".into() };
        let first = views.first().ok_or_else(none)?.log();
        for (partition, view) in (0u32..).zip(&views) {
            let log = view.log();
            let count_fits = usize::try_from(log.partition_count) == Ok(views.len());
            if log.partition != partition || log.log_id != first.log_id || !count_fits {
                let what = format!("{log}, as view {partition} of {}", views.len());
                return Err(StoreError::OtherLog { what });
            }
        }
        Ok(Query { views, log_id: first.log_id, clock: None, keys: None })
    }

    /// Refuses instants of the future, by this clock.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Query { clock: Some(clock), ..self }
    }

    /// Opens what is kept of customers by these keys; without any, all of it is unreadable.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Query { keys: Some(keys), ..self }
    }

    /// The view of each partition, in order.
    #[must_use]
    pub fn views(&self) -> &[ViewReader] {
        &self.views
    }

    /// The view of the partition that a ledger lives on.
    fn view_of(&self, ledger: &LedgerName) -> &ViewReader {
        let count = u32::try_from(self.views.len()).unwrap_or(u32::MAX);
        &self.views[partition_of(ledger.as_str(), count) as usize]
    }

    /// Fixes the state of an answer about one ledger; `pinned` is that of an earlier page.
    fn fix(
        &self,
        ledger: &LedgerName,
        consistency: Option<&v1::Consistency>,
        pinned: Option<Place>,
    ) -> Result<Fixed<'_>, QueryError> {
        let level = Level::parse(consistency)?;
        let view = self.view_of(ledger);
        let partition = view.log().partition;
        if let Level::AtLeast(asked) | Level::AsOf(asked) = level
            && asked.partition != partition
        {
            let what = format!(
                "{asked} is of partition {}, but ledger {ledger} lives on partition {partition}",
                asked.partition
            );
            return Err(QueryError::invalid("WRONG_PARTITION", what));
        }
        if let (Level::AsOfTime(asked), Some(clock)) = (level, self.clock) {
            // A commit may be recorded ahead of the clock: its instant is not the future.
            let recorded = view.state().applied.map_or(i64::MIN, |applied| applied.recorded_at);
            let now = clock().max(recorded);
            if asked > now.saturating_add(CLOCK_AHEAD_MAX_NS) {
                return Err(QueryError::FutureInstant { asked, now });
            }
        }
        self.fix_in(view, level, pinned)
    }

    /// Fixes the state of an answer from one view.
    fn fix_in<'a>(
        &'a self,
        view: &'a ViewReader,
        level: Level,
        pinned: Option<Place>,
    ) -> Result<Fixed<'a>, QueryError> {
        let (place, read_at) = state_at(view, level, pinned)?;
        Ok(Fixed { view, place, read_at, keys: self.keys.as_ref(), openers: <_>::default() })
    }
}

/// The state of an answer from one view.
fn state_at(
    view: &ViewReader,
    level: Level,
    pinned: Option<Place>,
) -> Result<(Place, v1::ReadAt), QueryError> {
    let partition = view.log().partition;
    // Once, so that how fresh it is was said of this state.
    let state = view.state();
    let applied = state.applied;
    let applied_at = applied.map(|applied| Position::commit(partition, applied.offset));
    let behind = |asked| QueryError::Behind { asked, applied: applied_at };
    let applied = applied.ok_or_else(|| behind(Position::commit(partition, 0)))?;
    let end = Place::end_of(applied.offset);
    let place = match (pinned, level) {
        (Some(place), _) if place > end => return Err(behind(place.position(partition))),
        (Some(place), _) => place,
        (None, Level::Latest) => end,
        (None, Level::AtLeast(asked)) if asked.offset > applied.offset => {
            return Err(behind(asked));
        }
        (None, Level::AtLeast(_)) => end,
        (None, Level::AsOf(asked)) if asked.offset > applied.offset => {
            return Err(QueryError::Future { asked, applied: applied_at });
        }
        (None, Level::AsOf(asked)) => known_place(view, asked)?,
        (None, Level::AsOfTime(instant)) => place_at(view, instant, applied)?,
    };
    let is_final = match level {
        Level::Latest | Level::AtLeast(_) => false,
        Level::AsOf(_) => true,
        // A later page shows the state of the first, which may lack commits of the instant.
        Level::AsOfTime(instant) => {
            applied.recorded_at > instant && place == place_at(view, instant, applied)?
        }
    };
    let read_at = v1::ReadAt {
        position: place.position(partition).to_string(),
        recorded_at: recorded_at(view, applied, place)?.map(answer::timestamp),
        r#final: is_final,
        caught_up_at: state.fresh.caught_up_at.map(answer::timestamp),
        records_behind: state.records_behind(),
    };
    Ok((place, read_at))
}

/// After the last commit recorded at or before this instant. `applied` was read before, so that a place
/// said to be final lacks no commit of the instant; what was applied since then is cut off.
fn place_at(view: &ViewReader, instant: Timestamp, applied: Applied) -> Result<Place, QueryError> {
    let offset = view.commit_at(instant)?.unwrap_or(0);
    Ok(Place::end_of(offset.min(applied.offset)))
}

/// The place of a position, if there is such an event.
fn known_place(view: &ViewReader, asked: Position) -> Result<Place, QueryError> {
    if let Some(index) = asked.index {
        let width = match commit_row(view, asked.offset)?.kind {
            RecordKind::Commit { width } => width,
            RecordKind::Created | RecordKind::TermStarted | RecordKind::Skipped(_) => 0,
        };
        if index >= width {
            let what = format!("{asked}: there are {width} events at offset {}", asked.offset);
            return Err(QueryError::invalid("UNKNOWN_POSITION", what));
        }
    }
    Ok(Place::bound(asked))
}

/// When the newest commit up to this place was recorded; none before any.
fn recorded_at(
    view: &ViewReader,
    applied: Applied,
    place: Place,
) -> Result<Option<Timestamp>, QueryError> {
    let recorded_at = if place.offset == applied.offset {
        applied.recorded_at
    } else {
        commit_row(view, place.offset)?.recorded_at
    };
    Ok((recorded_at > 0).then_some(recorded_at))
}

fn commit_row(view: &ViewReader, offset: u64) -> Result<ledger_views::CommitRow, QueryError> {
    let missing = || StoreError::Damaged { what: format!("commits: no row of offset {offset}") };
    Ok(view.commit(offset)?.ok_or_else(missing)?)
}

impl Fixed<'_> {
    fn position(&self) -> Position {
        self.place.position(self.view.log().partition)
    }

    /// The place of an event, as a position of this partition.
    fn at(&self, place: Place) -> String {
        place.position(self.view.log().partition).to_string()
    }

    fn not_found(&self, reason: &'static str, kind: &'static str, name: &str) -> QueryError {
        let caught_up_at =
            self.read_at.caught_up_at.as_ref().and_then(ledger_proto::time::from_wire);
        QueryError::NotFound {
            reason,
            kind,
            name: name.to_owned(),
            at: self.position(),
            caught_up_at,
        }
    }

    fn ledger(&self, name: &LedgerName) -> Result<LedgerRow, QueryError> {
        let row = self.view.ledger(self.place, name.as_str())?;
        row.ok_or_else(|| self.not_found("UNKNOWN_LEDGER", "ledger", name.as_str()))
    }

    fn asset_code(
        &self,
        ledger: LedgerHandle,
        asset: ledger_domain::AssetHandle,
    ) -> Result<ledger_views::AssetCodeRow, QueryError> {
        let missing = || StoreError::Damaged {
            what: format!("asset_codes: no row of asset {} of ledger {}", asset.0, ledger.0),
        };
        Ok(self.view.asset_code(ledger, asset)?.ok_or_else(missing)?)
    }

    fn account_name(
        &self,
        account: ledger_domain::AccountHandle,
    ) -> Result<ledger_domain::AccountName, QueryError> {
        let missing =
            || StoreError::Damaged { what: format!("account_names: no row of {}", account.0) };
        Ok(self.view.account_name(account)?.ok_or_else(missing)?.name)
    }
}
