//! Transfers that post themselves: once, or again and again, at instants that follow from a rule.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::calendar::{self, DAY_NS};
use crate::command::{Leg, Link, Movement, Timestamp, Transfer};
use crate::feed::{feed_instant, feed_length};
use crate::metadata::Metadata;
use crate::name::Id;
use crate::state::{Hold, LedgerHandle, State};

/// When a schedule is due: at its start, and then as the rule says; in UTC throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// At its start, and never again.
    Once,
    /// Every so many nanoseconds from its start on; at least [`crate::limits::INTERVAL_NS_MIN`].
    Every(i64),
    /// On these days of the week, from its start on, at the start's time of day. Bit 0 is Monday, bit 6
    /// Sunday; not none.
    Weekly(u8),
    /// On this day of every month, from its start on, at the start's time of day; 1 to 31. A month that is
    /// shorter has it on its last day.
    Monthly(u8),
    /// On this day of this month of every year, likewise; a 29th of February is the 28th in a common year.
    Yearly {
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
    },
}

impl When {
    /// The first instant at or after `from` at which one that starts at `start` is due; `None` when there is
    /// none, or none that 64 bits of nanoseconds hold.
    #[must_use]
    pub fn first_from(self, start: Timestamp, from: Timestamp) -> Option<Timestamp> {
        let from = from.max(start);
        let interval = match self {
            When::Once => return (from == start).then_some(start),
            When::Every(interval) => interval,
            When::Weekly(_) | When::Monthly(_) | When::Yearly { .. } => {
                return self.first_day_from(start, from);
            }
        };
        let since = i128::from(from).checked_sub(i128::from(start))?;
        let interval = i128::from(interval);
        let whole = since.checked_add(interval.checked_sub(1)?)?.checked_div(interval)?;
        let at = whole.checked_mul(interval)?.checked_add(i128::from(start))?;
        i64::try_from(at).ok()
    }

    fn first_day_from(self, start: Timestamp, from: Timestamp) -> Option<Timestamp> {
        let (_, time_of_day) = calendar::split(start);
        let (day, time) = calendar::split(from);
        let day = if time > time_of_day { day.checked_add(1)? } else { day };
        let day = match self {
            When::Weekly(days) => {
                let is_one =
                    |day: &i64| days.checked_shr(week_bit(*day)).is_some_and(|d| d & 1 == 1);
                (day..).take(7).find(is_one)?
            }
            When::Monthly(of_month) => calendar::next_monthly(day, of_month.into()),
            When::Yearly { month, day: of_month } => {
                calendar::next_yearly(day, month.into(), of_month.into())
            }
            When::Once | When::Every(_) => return None,
        };
        day.checked_mul(DAY_NS)?.checked_add(time_of_day)
    }
}

fn week_bit(day: i64) -> u32 {
    u32::try_from(calendar::weekday(day)).unwrap_or(0)
}

/// What a schedule posts, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What each of its transfers moves, by the names that were asked for.
    pub leg: Leg,
    /// Free text of the client's, that of each transfer; empty when there is none.
    pub reference: Box<str>,
    /// Metadata of each transfer.
    pub metadata: Metadata,
    /// Its rule.
    pub when: When,
    /// Nothing is due before.
    pub start: Timestamp,
    /// Nothing is due after; `None` is for ever.
    pub until: Option<Timestamp>,
    /// How often it is due at most, not zero; `None` is without bound.
    pub count: Option<u32>,
}

impl Plan {
    /// When it is due first.
    #[must_use]
    pub fn first_due(&self) -> Option<Timestamp> {
        self.in_time(self.when.first_from(self.start, self.start)?)
    }

    /// When it is due again, after it was due `times` times, at `due_at` the last time.
    #[must_use]
    pub fn due_after(&self, times: u32, due_at: Timestamp) -> Option<Timestamp> {
        // Its number has 32 bits: at one a second it ends after 136 years.
        if times == u32::MAX || self.count.is_some_and(|count| times >= count) {
            return None;
        }
        self.in_time(self.when.first_from(self.start, due_at.checked_add(1)?)?)
    }

    fn in_time(&self, at: Timestamp) -> Option<Timestamp> {
        self.until.is_none_or(|until| at <= until).then_some(at)
    }

    /// Its transfer that has this number; the first is 1.
    #[must_use]
    pub fn transfer(
        &self,
        schedule: &Id,
        number: u32,
        effective_at: Option<Timestamp>,
    ) -> Transfer {
        Transfer {
            id: Id::scheduled(schedule, number),
            movement: Movement::Post(self.leg.clone()),
            reference: self.reference.clone(),
            effective_at,
            link: Link::Alone,
            metadata: self.metadata.clone(),
        }
    }
}

/// A schedule, and what has become of it. It stays when it has ended: its id is its own for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What was asked for.
    pub plan: Plan,
    /// How often it was due so far.
    pub times: u32,
    /// When it is due next; `None` when it has ended.
    pub next_due: Option<Timestamp>,
    /// Whether it ended because it was cancelled.
    pub cancelled: bool,
}

/// What is due at an instant. Of one instant, holds expire first: what they held can then be moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A hold expires.
    Hold(LedgerHandle, Id),
    /// A schedule posts its transfer.
    Schedule(LedgerHandle, Id),
}

impl State {
    /// The schedule with this id, also one that has ended.
    #[must_use]
    pub fn schedule(&self, ledger: LedgerHandle, id: &Id) -> Option<&Schedule> {
        self.schedules.get(&(ledger, id.clone()))
    }

    /// All schedules, also those that have ended.
    pub fn schedules(&self) -> impl Iterator<Item = (LedgerHandle, &Id, &Schedule)> {
        self.schedules.iter().map(|((ledger, id), schedule)| (*ledger, id, schedule))
    }
}

/// The queue of what is due: it follows from the open holds and the schedules.
pub(crate) fn all_due(
    holds: &BTreeMap<(LedgerHandle, Id), Hold>,
    schedules: &BTreeMap<(LedgerHandle, Id), Schedule>,
) -> BTreeSet<(Timestamp, Due)> {
    let expiring = holds.iter().filter_map(|((ledger, id), hold)| {
        hold.expires_at.map(|at| (at, Due::Hold(*ledger, id.clone())))
    });
    let scheduled = schedules.iter().filter_map(|((ledger, id), schedule)| {
        schedule.next_due.map(|at| (at, Due::Schedule(*ledger, id.clone())))
    });
    expiring.chain(scheduled).collect()
}

/// Feeds all schedules to a hash; see [`State::feed`].
pub(crate) fn feed_all(
    schedules: &BTreeMap<(LedgerHandle, Id), Schedule>,
    sink: &mut impl FnMut(&[u8]),
) {
    feed_length(schedules.len(), sink);
    for ((ledger, id), Schedule { plan, times, next_due, cancelled }) in schedules {
        sink(&ledger.0.to_le_bytes());
        // A plan's content is canonical, as that of the command that asked for it.
        let mut content = Vec::new();
        id.write_key(&mut content);
        feed_length(content.len(), sink);
        plan.write_content(&mut content);
        feed_length(content.len(), sink);
        sink(&content);
        sink(&times.to_le_bytes());
        feed_instant(*next_due, sink);
        sink(&[u8::from(*cancelled)]);
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that overflows or misses an index fails, as it should"
)]
mod tests;
