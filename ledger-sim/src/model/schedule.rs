//! Schedules: when each is due, found by walking a calendar day by day, and what every time came to.

use super::shape::{amount, id, name};
use super::{Book, Model, Place, Verdict, canonical_id, decimal, metadata, minor_units};
use crate::request::{Rule, Schedule, Transfer};

const DAY: i64 = 86_400_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A schedule that was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) asked: Schedule,
    pub(crate) place: Place,
    /// When it is due first.
    pub(crate) first: i64,
    /// Ascending.
    pub(crate) runs: Vec<Run>,
    pub(crate) cancelled: Option<Place>,
}

/// One time that it was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) place: Place,
    pub(crate) due: i64,
    pub(crate) next: Option<i64>,
    pub(crate) refused: Option<u32>,
}

impl Made {
    /// When it is due next.
    pub(crate) fn next(&self) -> Option<i64> {
        match self.runs.last() {
            _ if self.cancelled.is_some() => None,
            Some(run) => run.next,
            None => Some(self.first),
        }
    }
}

/// Whether two schedules are one, however they are written.
pub(super) fn same(a: &Schedule, b: &Schedule) -> bool {
    let plain = |schedule: &Schedule| {
        let mut schedule = schedule.clone();
        schedule.id = canonical_id(&schedule.id);
        if let Rule::Weekly(days) = &mut schedule.rule {
            days.sort_unstable();
        }
        (decimal(&std::mem::take(&mut schedule.amount)), schedule)
    };
    plain(a) == plain(b)
}

/// The code of what is wrong with a schedule.
pub(super) fn shape(asked: &Schedule) -> Option<u32> {
    let Schedule { id: schedule, start: Some(_), .. } = asked else { return Some(101) };
    let account = |text: &str| name(text, 128, "_.:-");
    let named = id(schedule) && account(&asked.debit) && account(&asked.credit);
    let day = |day: u32| (1..32).contains(&day);
    let ruled = match &asked.rule {
        Rule::Once => true,
        Rule::Every(seconds) => (1..=3_153_600_000).contains(seconds),
        Rule::Weekly(days) => {
            let once = |day: &i32| days.iter().filter(|other| *other == day).count() == 1;
            !days.is_empty() && days.iter().all(|day| (1..8).contains(day) && once(day))
        }
        Rule::Monthly(of) => day(*of),
        Rule::Yearly(month, of) => (1..13).contains(month) && day(*of),
    };
    let noted = metadata::shape(&asked.metadata);
    let sound = named && name(&asked.asset, 16, "_.-") && ruled && noted != Some(101);
    if !sound || first(asked).is_none() {
        return Some(101);
    }
    if let Some(code) = amount(&asked.amount) {
        return Some(code);
    }
    if asked.debit == asked.credit {
        return Some(105);
    }
    (asked.reference.len() > 256).then_some(107).or(noted)
}

/// When it is due first.
fn first(asked: &Schedule) -> Option<i64> {
    next(asked, asked.start? - 1)
}

/// The first instant later than `after` at which it is due, but for its count.
fn next(asked: &Schedule, after: i64) -> Option<i64> {
    let start = asked.start?;
    let at = match &asked.rule {
        Rule::Once => Some(start).filter(|at| *at > after),
        Rule::Every(seconds) => {
            let mut at = start;
            while at <= after {
                at += i64::try_from(*seconds).ok()? * SECOND;
            }
            Some(at)
        }
        rule => walk(rule, start, after),
    };
    at.filter(|at| asked.until.is_none_or(|until| *at <= until))
}

/// A calendar on the wall, from Thursday the 1st of January 1970 on.
fn walk(rule: &Rule, start: i64, after: i64) -> Option<i64> {
    let (mut year, mut month, mut day, mut weekday) = (1970u32, 1u32, 1u32, 4i32);
    let mut midnight = 0;
    loop {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let at = midnight + start % DAY;
        let right = match rule {
            Rule::Weekly(days) => days.contains(&weekday),
            Rule::Monthly(of) => day == length.min(*of),
            Rule::Yearly(of_month, of) => month == *of_month && day == length.min(*of),
            Rule::Once | Rule::Every(_) => return None,
        };
        if right && at >= start && at > after {
            return Some(at);
        }
        (midnight, weekday, day) = (midnight + DAY, weekday % 7 + 1, day + 1);
        if day > length {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

impl Book {
    /// What is wrong with making a schedule now.
    pub(super) fn makes(&self, asked: &Schedule, now: i64) -> Option<u32> {
        if self.schedules.contains_key(&canonical_id(&asked.id)) {
            return Some(235);
        }
        if !self.accounts.contains_key(&asked.debit) {
            return Some(206);
        }
        if !self.accounts.contains_key(&asked.credit) {
            return Some(207);
        }
        if let Err(code) = self.may_seal([&asked.metadata], None) {
            return Some(code);
        }
        if asked.start.is_none_or(|start| start <= now) {
            return Some(238);
        }
        let Some((scale, _)) = self.assets.get(&asked.asset) else { return Some(208) };
        minor_units(&asked.amount, *scale).err()
    }

    /// What is wrong with ending one.
    pub(super) fn cancels(&self, schedule: &str) -> Option<u32> {
        match self.schedules.get(&canonical_id(schedule)) {
            None => Some(236),
            Some(made) => made.next().is_none().then_some(237),
        }
    }

    pub(super) fn made(&mut self, asked: &Schedule, place: Place) {
        let Some(first) = first(asked) else { return };
        let (asked, runs, cancelled) = (asked.clone(), Vec::new(), None);
        let made = Made { asked, place, first, runs, cancelled };
        self.schedules.insert(canonical_id(&made.asked.id), made);
    }

    pub(super) fn cancelled(&mut self, schedule: &str, place: Place) {
        if let Some(made) = self.schedules.get_mut(&canonical_id(schedule)) {
            made.cancelled = Some(place);
        }
    }
}

impl Model {
    /// The transfer that a schedule is due with, and what it comes to.
    pub(crate) fn runs(&self, ledger: &str, id: &str, now: i64) -> Option<(Transfer, Verdict)> {
        let book = self.books.get(ledger)?;
        let made = book.schedules.get(id)?;
        let due = made.next()?;
        let asked = &made.asked;
        let transfer = Transfer {
            id: format!("~at:{id}:{}", made.runs.len() + 1),
            debit: asked.debit.clone(),
            credit: asked.credit.clone(),
            asset: asked.asset.clone(),
            amount: asked.amount.clone(),
            reference: asked.reference.clone(),
            up_to: asked.up_to,
            effective_at: book.open_at(Some(due)).is_ok().then_some(due),
            metadata: book.still_sealed(&asked.metadata),
            ..Transfer::default()
        };
        let verdict = book.decide(std::slice::from_ref(&transfer), now).pop()?;
        Some((transfer, verdict))
    }

    /// Executes it: the transfer at `place`, that it ran right behind.
    pub(crate) fn ran(
        &mut self,
        (ledger, id): (&str, &str),
        transfer: &Transfer,
        verdict: &Verdict,
        place: Place,
    ) -> Option<Run> {
        let book = self.books.get_mut(ledger)?;
        book.record(std::slice::from_ref(transfer), std::slice::from_ref(verdict), place);
        let made = book.schedules.get_mut(id)?;
        let due = made.next()?;
        let times = u32::try_from(made.runs.len() + 1).ok()?;
        let ends = made.asked.count > 0 && times >= made.asked.count;
        let refused = match verdict {
            Verdict::Refused(code) => Some(*code),
            _ => None,
        };
        let next = if ends { None } else { next(&made.asked, due) };
        let run = Run { place: (place.0, place.1 + 1), due, next, refused };
        made.runs.push(run);
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_knows_leap_days_and_short_months() {
        let at = |days: i64| days * DAY + 5;
        // 2024-02-29 is day 19,782, a Thursday.
        let leap = at(19_782);
        let last_of_january = at(19_753);
        let found = walk(&Rule::Monthly(31), last_of_january, last_of_january - 1);
        assert_eq!(found, Some(last_of_january));
        assert_eq!(walk(&Rule::Monthly(31), at(19_755), at(19_755)), Some(leap));
        assert_eq!(walk(&Rule::Yearly(2, 29), at(19_500), at(19_500)), Some(leap));
        assert_eq!(walk(&Rule::Yearly(2, 29), leap, leap), Some(leap + 365 * DAY));
        assert_eq!(walk(&Rule::Weekly(vec![4]), leap, leap - 1), Some(leap));
        assert_eq!(walk(&Rule::Weekly(vec![4, 1]), leap, leap), Some(leap + 4 * DAY));
    }
}
