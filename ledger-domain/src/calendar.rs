//! Days and dates, in UTC: exact, of the proleptic Gregorian calendar, without zones and leap seconds.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "days of 64 bits of nanoseconds are fewer than 2^17, and years fewer than 2^10 around 1970"
)]

use crate::command::Timestamp;

/// Nanoseconds of a day.
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

/// A day of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    /// Negative before the year 0.
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

/// Days from 1970-01-01 to the day of this instant, and nanoseconds since it began.
pub(crate) fn split(at: Timestamp) -> (i64, i64) {
    (at.div_euclid(DAY_NS), at.rem_euclid(DAY_NS))
}

/// The day of the week: 0 is Monday.
pub(crate) fn weekday(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 3).rem_euclid(7)
}

/// Days of a month.
pub(crate) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. A day past the end of its month is the month's last.
pub(crate) fn days_of(Date { year, month, day }: Date) -> i64 {
    let day = day.min(month_length(year, month));
    // Years begin in March, so that the leap day is the last; months and days of eras of 400 years.
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that is this many days from 1970-01-01.
pub(crate) fn date_of(days: i64) -> Date {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    Date { year, month, day }
}

/// The first day on or after this one that is this day of its month, or the month's last where it has
/// fewer.
pub(crate) fn next_monthly(days: i64, day: i64) -> i64 {
    let Date { year, month, .. } = date_of(days);
    let here = days_of(Date { year, month, day });
    if here >= days {
        return here;
    }
    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_of(Date { year, month, day })
}

/// The first day on or after this one that is this day of this month, or the month's last where it has
/// fewer.
pub(crate) fn next_yearly(days: i64, month: i64, day: i64) -> i64 {
    let Date { year, .. } = date_of(days);
    let here = days_of(Date { year, month, day });
    if here >= days { here } else { days_of(Date { year: year + 1, month, day }) }
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test that misses an index fails, as it should")]
mod tests {
    use super::*;

    /// A calendar on the wall: one day after the other, with the months' lengths written out.
    fn walk(mut visit: impl FnMut(i64, Date, i64)) {
        let mut date = Date { year: 1970, month: 1, day: 1 };
        let (mut days, mut weekday) = (0, 3);
        while date.year <= 9999 {
            visit(days, date, weekday);
            let mut lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let (by_4, by_100, by_400) = (date.year % 4, date.year % 100, date.year % 400);
            if by_400 == 0 || (by_100 != 0 && by_4 == 0) {
                lengths[1] = 29;
            }
            date.day += 1;
            if date.day > lengths[usize::try_from(date.month).unwrap() - 1] {
                date = Date { month: date.month + 1, day: 1, ..date };
            }
            if date.month > 12 {
                date = Date { year: date.year + 1, month: 1, day: 1 };
            }
            days += 1;
            weekday = (weekday + 1) % 7;
        }
    }

    #[test]
    fn every_day_of_8030_years_is_that_of_a_walk() {
        let mut count = 0;
        walk(|days, date, of_week| {
            assert_eq!((date_of(days), days_of(date), weekday(days)), (date, days, of_week));
            count += 1;
        });
        assert_eq!(count, 2_932_897, "9999-12-31 is day 2,932,896");
    }

    #[test]
    fn the_next_of_a_month_and_of_a_year_are_those_of_a_walk() {
        let mut all = Vec::new();
        walk(|days, date, _| {
            if (1999..2105).contains(&date.year) {
                all.push((days, date));
            }
        });
        let last_of = |date: Date| month_length(date.year, date.month);
        for (at, (days, date)) in all.iter().enumerate().filter(|(_, (_, d))| d.year < 2103) {
            for day in [1, 2, 15, 28, 29, 30, 31] {
                let is_it = |d: Date| d.day == day || (d.day == last_of(d) && last_of(d) < day);
                let next = all[at..].iter().find(|(_, d)| is_it(*d)).unwrap();
                assert_eq!(next_monthly(*days, day), next.0, "{date:?} day {day}");
                let month = 1 + date.day % 12;
                let of_year = |d: Date| d.month == month && is_it(d);
                let next = all[at..].iter().find(|(_, d)| of_year(*d)).unwrap();
                assert_eq!(next_yearly(*days, month, day), next.0, "{date:?} {month}-{day}");
            }
        }
    }

    #[test]
    fn before_1970_days_are_negative() {
        let date = Date { year: 1969, month: 12, day: 31 };
        assert_eq!((days_of(date), date_of(-1), weekday(-1)), (-1, date, 2));
        assert_eq!(split(-1), (-1, DAY_NS - 1));
        assert_eq!(
            days_of(Date { year: 1900, month: 2, day: 29 }),
            days_of(Date { year: 1900, month: 2, day: 28 })
        );
    }
}
