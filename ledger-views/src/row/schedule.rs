//! Schedules, and what becomes of them.

use ledger_domain::{
    AccountName, AssetCode, Code, Decimal, LedgerHandle, Leg, Metadata, Plan, Timestamp, When,
};

use super::metadata::{metadata as read_metadata, put_metadata};
use super::{Row, flag};
use crate::code::{Source, put_number, put_signed, put_text};
use crate::key::Place;

/// Of [`crate::Table::Schedules`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Where it was made.
    pub place: Place,
    /// What was asked for.
    pub plan: Plan,
    /// When it is due first.
    pub first_due: Timestamp,
}

/// Of [`crate::Table::ScheduleChanges`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleChangeRow {
    /// It was due.
    Ran {
        /// The how many-th time; the first is 1.
        number: u32,
        /// When it was due.
        due_at: Timestamp,
        /// When it is due again; `None` when it has ended.
        next_due: Option<Timestamp>,
        /// Why its transfer was refused, if it was.
        refused: Option<Code>,
    },
    /// It was ended by a command.
    Cancelled,
}

/// A schedule as of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleView {
    /// Its ledger.
    pub ledger: LedgerHandle,
    /// As it was made.
    pub row: ScheduleRow,
    /// Whether it was ended by a command.
    pub cancelled: bool,
    /// The newest times that it was due, newest first, each with its place.
    pub runs: Vec<(Place, ScheduleRun)>,
}

/// One time that a schedule was due; the fields are those of [`ScheduleChangeRow::Ran`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "said above")]
pub struct ScheduleRun {
    pub number: u32,
    pub due_at: Timestamp,
    pub next_due: Option<Timestamp>,
    pub refused: Option<Code>,
}

impl ScheduleView {
    /// When it is due next; `None` when it has ended.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        match self.runs.first() {
            _ if self.cancelled => None,
            Some((_, run)) => run.next_due,
            None => Some(self.row.first_due),
        }
    }
}

// Bits of the first byte of a schedule's row.
const UP_TO: u8 = 1;
const REFERENCE: u8 = 2;
const UNTIL: u8 = 4;
const COUNT: u8 = 8;
const METADATA: u8 = 128;
/// The rule stands in the three bits between.
const RULE_SHIFT: u32 = 4;

impl Row for ScheduleRow {
    fn encode(&self, out: &mut Vec<u8>) {
        let ScheduleRow { place, plan, first_due } = self;
        let Plan { leg, reference, metadata, when, start, until, count } = plan;
        let Leg { debit_account, credit_account, asset, amount, up_to } = leg;
        let (rule, numbers) = match when {
            When::Once => (0, [0, 0]),
            When::Every(interval) => (1, [interval.unsigned_abs(), 0]),
            When::Weekly(days) => (2, [(*days).into(), 0]),
            When::Monthly(day) => (3, [(*day).into(), 0]),
            When::Yearly { month, day } => (4, [(*month).into(), (*day).into()]),
        };
        let set = flag(*up_to, UP_TO) | flag(!reference.is_empty(), REFERENCE);
        let set = set | flag(until.is_some(), UNTIL) | flag(count.is_some(), COUNT);
        let set = set | flag(!metadata.is_empty(), METADATA);
        out.push(set | rule << RULE_SHIFT);
        place.encode(out);
        put_text(out, debit_account.as_str());
        put_text(out, credit_account.as_str());
        put_text(out, asset.as_str());
        put_text(out, &amount.to_string());
        if !reference.is_empty() {
            put_text(out, reference);
        }
        numbers.into_iter().for_each(|number| put_number(out, number));
        put_signed(out, *start);
        if let Some(until) = until {
            put_signed(out, *until);
        }
        if let Some(count) = count {
            put_number(out, *count);
        }
        if !metadata.is_empty() {
            put_metadata(out, metadata);
        }
        put_signed(out, *first_due);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let flags = source.byte()?;
        let is_set = |flag| flags & flag != 0;
        let place = Place::decode(&mut source)?;
        let leg = Leg {
            debit_account: AccountName::from_log(source.text()?),
            credit_account: AccountName::from_log(source.text()?),
            asset: AssetCode::from_log(source.text()?),
            amount: Decimal::parse(source.text()?).ok()?,
            up_to: is_set(UP_TO),
        };
        let reference = if is_set(REFERENCE) { source.text()? } else { "" }.into();
        let (first, second) = (source.u64()?, source.u64()?);
        let small = |number: u64| u8::try_from(number).ok();
        let when = match flags >> RULE_SHIFT & 7 {
            0 => When::Once,
            1 => When::Every(i64::try_from(first).ok()?),
            2 => When::Weekly(small(first)?),
            3 => When::Monthly(small(first)?),
            4 => When::Yearly { month: small(first)?, day: small(second)? },
            _ => return None,
        };
        let start = source.signed()?;
        let until = if is_set(UNTIL) { Some(source.signed()?) } else { None };
        let count = if is_set(COUNT) { Some(source.u32()?) } else { None };
        let metadata =
            if is_set(METADATA) { read_metadata(&mut source)? } else { Metadata::default() };
        let plan = Plan { leg, reference, metadata, when, start, until, count };
        let row = ScheduleRow { place, plan, first_due: source.signed()? };
        source.end(row)
    }
}

impl Row for ScheduleChangeRow {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ScheduleChangeRow::Cancelled => out.push(2),
            ScheduleChangeRow::Ran { number, due_at, next_due, refused } => {
                out.push(u8::from(next_due.is_some()));
                put_number(out, *number);
                put_signed(out, *due_at);
                if let Some(at) = next_due {
                    put_signed(out, *at);
                }
                put_number(out, refused.map_or(0, Code::number));
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let is_due_again = match source.byte()? {
            0 => false,
            1 => true,
            2 => return source.end(ScheduleChangeRow::Cancelled),
            _ => return None,
        };
        let (number, due_at) = (source.u32()?, source.signed()?);
        let next_due = if is_due_again { Some(source.signed()?) } else { None };
        let refused = match source.u32()? {
            0 => None,
            code => Some(Code::from_number(code)?),
        };
        source.end(ScheduleChangeRow::Ran { number, due_at, next_due, refused })
    }
}

#[cfg(test)]
mod tests {
    use ledger_domain::{MetadataKey, MetadataValue};

    use super::*;

    fn bytes(row: &impl Row) -> String {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn reads_back<R: Row + PartialEq + std::fmt::Debug>(row: &R) {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert_eq!(R::decode(&bytes).as_ref(), Some(row));
        for length in 0..bytes.len() {
            assert_eq!(R::decode(&bytes[..length]), None, "{length} bytes of {row:?}");
        }
        bytes.push(0);
        assert_eq!(R::decode(&bytes), None, "goes on");
    }

    fn plan(when: When) -> Plan {
        let leg = Leg {
            debit_account: AccountName::from_log("a"),
            credit_account: AccountName::from_log("b"),
            asset: AssetCode::from_log("USD"),
            amount: Decimal::parse("1.5").unwrap(),
            up_to: false,
        };
        let (reference, metadata) = ("".into(), Metadata::default());
        Plan { leg, reference, metadata, when, start: -1, until: None, count: None }
    }

    #[test]
    fn schedules_read_back() {
        let place = Place { offset: 300, index: 17 };
        let row = |plan| ScheduleRow { place, plan, first_due: 64 };
        let golden = "30ac0211016101620355534403312e351f0001800";
        assert_eq!(bytes(&row(plan(When::Monthly(31)))), format!("{golden}1"));
        let full = Plan {
            leg: Leg { up_to: true, ..plan(When::Once).leg },
            reference: "rent".into(),
            metadata: [(MetadataKey::from_log("flat"), MetadataValue::plain("7").unwrap())]
                .into_iter()
                .collect(),
            until: Some(i64::MAX),
            count: Some(7),
            ..plan(When::Once)
        };
        reads_back(&row(full));
        for when in [
            When::Every(i64::MAX),
            When::Weekly(127),
            When::Monthly(1),
            When::Yearly { month: 12, day: 31 },
        ] {
            reads_back(&row(plan(when)));
        }
    }

    #[test]
    fn what_became_of_a_schedule_reads_back() {
        let ran = |next_due, refused| ScheduleChangeRow::Ran {
            number: 300,
            due_at: -1,
            next_due,
            refused,
        };
        assert_eq!(bytes(&ran(Some(64), None)), "01ac0201800100");
        assert_eq!(bytes(&ran(None, Some(Code::InsufficientFunds))), "00ac0201d301");
        assert_eq!(bytes(&ScheduleChangeRow::Cancelled), "02");
        reads_back(&ran(Some(64), Some(Code::AccountFrozen)));
        reads_back(&ran(None, None));
        reads_back(&ScheduleChangeRow::Cancelled);
        assert_eq!(ScheduleChangeRow::decode(&[3]), None, "no such change");
    }
}
