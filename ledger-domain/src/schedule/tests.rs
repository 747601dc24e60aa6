//! When schedules are due, against a walk over all instants.

use proptest::prelude::*;

use super::*;
use crate::Decimal;
use crate::name::{AccountName, AssetCode};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

fn plan(when: When, start: Timestamp, until: Option<Timestamp>, count: Option<u32>) -> Plan {
    let leg = Leg {
        debit_account: AccountName::from_log("a"),
        credit_account: AccountName::from_log("b"),
        asset: AssetCode::from_log("USD"),
        amount: Decimal::parse("1").unwrap(),
        up_to: false,
    };
    let metadata = crate::Metadata::default();
    Plan { leg, reference: "".into(), metadata, when, start, until, count }
}

/// The first instants of a plan.
fn dues(plan: &Plan, most: usize) -> Vec<Timestamp> {
    let mut dues = Vec::new();
    let mut next = plan.first_due();
    while let Some(at) = next.filter(|_| dues.len() < most) {
        dues.push(at);
        next = plan.due_after(u32::try_from(dues.len()).unwrap(), at);
    }
    dues
}

/// "2024-02-29T10" as an instant, counted day by day.
fn at(text: &str) -> Timestamp {
    let parts: Vec<i64> = text.split(['-', 'T']).map(|part| part.parse().unwrap()).collect();
    let (mut days, mut year, mut month) = (0, 1970, 1);
    while (year, month) < (parts[0], parts[1]) {
        days += match month {
            2 if year % 400 == 0 || (year % 4 == 0 && year % 100 != 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    (days + parts[2] - 1) * DAY_NS + parts[3] * HOUR
}

#[test]
fn each_rule_is_due_when_a_bank_would_say() {
    let table: [(When, &str, &[&str]); 8] = [
        (When::Once, "2024-02-29T10", &["2024-02-29T10"]),
        (
            When::Every(DAY_NS),
            "2024-02-28T10",
            &["2024-02-28T10", "2024-02-29T10", "2024-03-01T10"],
        ),
        // Mondays and Fridays; 2024-02-29 is a Thursday.
        (
            When::Weekly(0b001_0001),
            "2024-02-29T10",
            &["2024-03-01T10", "2024-03-04T10", "2024-03-08T10"],
        ),
        (When::Weekly(0b000_1000), "2024-02-29T10", &["2024-02-29T10", "2024-03-07T10"]),
        (
            When::Monthly(31),
            "2023-12-31T10",
            &["2023-12-31T10", "2024-01-31T10", "2024-02-29T10", "2024-03-31T10", "2024-04-30T10"],
        ),
        (When::Monthly(1), "2023-12-15T0", &["2024-01-01T0", "2024-02-01T0"]),
        (
            When::Yearly { month: 2, day: 29 },
            "2023-03-01T23",
            &["2024-02-29T23", "2025-02-28T23", "2026-02-28T23", "2027-02-28T23", "2028-02-29T23"],
        ),
        (When::Yearly { month: 1, day: 1 }, "2024-01-01T10", &["2024-01-01T10", "2025-01-01T10"]),
    ];
    for (when, start, expected) in table {
        let expected: Vec<_> = expected.iter().map(|text| at(text)).collect();
        assert_eq!(
            dues(&plan(when, at(start), None, None), expected.len()),
            expected,
            "{when:?} {start}"
        );
    }
}

#[test]
fn it_ends_with_its_last_instant_or_count() {
    let hourly = |until, count| dues(&plan(When::Every(HOUR), 0, until, count), 9).len();
    assert_eq!(
        (hourly(None, None), hourly(None, Some(3)), hourly(Some(2 * HOUR), None)),
        (9, 3, 3)
    );
    assert_eq!((hourly(Some(2 * HOUR - 1), Some(3)), hourly(Some(-1), None)), (2, 0));
    assert_eq!(dues(&plan(When::Once, 5, None, Some(7)), 9), [5]);
}

#[test]
fn instants_past_64_bits_are_none() {
    let late = i64::MAX - DAY_NS;
    for when in [When::Every(3 * DAY_NS), When::Monthly(1), When::Yearly { month: 1, day: 1 }] {
        let dues = dues(&plan(when, late, None, None), 3);
        assert!(dues.len() < 2 && dues.iter().all(|at| *at >= late), "{when:?} {dues:?}");
    }
    assert_eq!(
        When::Every(SECOND).first_from(i64::MIN, i64::MAX),
        None,
        "the next is past the end"
    );
}

fn rules() -> impl Strategy<Value = When> {
    prop_oneof![
        (1i64..400).prop_map(|hours| When::Every(hours * HOUR)),
        (1u8..128).prop_map(When::Weekly),
        (1u8..32).prop_map(When::Monthly),
        (1u8..13, 1u8..32).prop_map(|(month, day)| When::Yearly { month, day }),
    ]
}

/// Whether an instant is due, looked at by itself.
fn is_due(when: When, start: i64, at: i64) -> bool {
    let day = at.div_euclid(DAY_NS);
    let date = calendar::date_of(day);
    let last = calendar::month_length(date.year, date.month);
    let is_day = |day: u8| date.day == i64::from(day).min(last);
    let same_time = at.rem_euclid(DAY_NS) == start.rem_euclid(DAY_NS);
    at >= start
        && match when {
            When::Once => at == start,
            When::Every(interval) => (at - start) % interval == 0,
            When::Weekly(days) => same_time && (days >> (day + 3).rem_euclid(7)) & 1 == 1,
            When::Monthly(day) => same_time && is_day(day),
            When::Yearly { month, day } => {
                same_time && date.month == i64::from(month) && is_day(day)
            }
        }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_rule_is_due_first_where_a_walk_over_all_hours_finds_it(
        when in rules(),
        (day, hour) in (-20_000i64..60_000, 0i64..24),
        (days, hours) in (-100i64..1_000, 0i64..24),
    ) {
        let start = day * DAY_NS + hour * HOUR;
        let from = start + days * DAY_NS + hours * HOUR;
        let found = (0..).map(|hour| from + hour * HOUR).find(|at| is_due(when, start, *at));
        prop_assert_eq!(when.first_from(start, from), found);
    }
}
