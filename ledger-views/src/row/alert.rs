//! Balance alerts, and their crossings.

use ledger_domain::{
    AccountHandle, AlertRule, AssetHandle, BalanceFigure, Cause, Comparison, Crossing, SignedMinor,
};

use super::{Row, flag};
use crate::code::{Source, put_id, put_number};

/// Of [`crate::Table::Alerts`]: an alert from a place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertRow {
    /// It was set, or crossed.
    Set {
        /// What it watches for.
        rule: AlertRule,
        /// Whether it is raised.
        raised: bool,
    },
    /// It was removed.
    Removed,
}

/// Of [`crate::Table::AlertCrossings`]: one crossing, whose account stands in the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossingRow(pub Crossing);

// Bits of the first byte of a row.
const RAISED: u8 = 1;
const BELOW_ZERO: u8 = 2;
const REMOVED: u8 = 4;
/// Of a crossing: what made it so.
const TRANSFER: u8 = 8;
const EXPIRY: u8 = 16;

// The figure stands in the low bits of a rule's first byte, the comparison above it, the sign at its top.
const COMPARISON_SHIFT: u32 = 4;
const NEGATIVE: u8 = 0x80;

fn put_rule(out: &mut Vec<u8>, rule: &AlertRule) {
    let AlertRule { asset, figure, comparison, amount } = rule;
    let kind = figure.number() | comparison.number() << COMPARISON_SHIFT;
    out.push(kind | flag(amount.is_negative(), NEGATIVE));
    put_number(out, asset.0);
    put_number(out, amount.size());
}

fn rule(source: &mut Source<'_>) -> Option<AlertRule> {
    let kind = source.byte()?;
    let figure = BalanceFigure::from_number(kind & 0xf)?;
    let comparison = Comparison::from_number((kind & !NEGATIVE) >> COMPARISON_SHIFT)?;
    let asset = AssetHandle(source.u32()?);
    let amount = SignedMinor::new(kind & NEGATIVE != 0, source.number()?);
    Some(AlertRule { asset, figure, comparison, amount })
}

impl Row for AlertRow {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            AlertRow::Removed => out.push(REMOVED),
            AlertRow::Set { rule, raised } => {
                out.push(flag(*raised, RAISED));
                put_rule(out, rule);
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let row = match source.byte()? {
            REMOVED => AlertRow::Removed,
            flags @ (0 | RAISED) => {
                AlertRow::Set { raised: flags == RAISED, rule: rule(&mut source)? }
            }
            _ => return None,
        };
        source.end(row)
    }
}

impl Row for CrossingRow {
    fn encode(&self, out: &mut Vec<u8>) {
        let Crossing { account, alert, rule, raised, value, cause } = &self.0;
        let (kind, id) = match cause {
            Cause::Set => (0, None),
            Cause::Transfer(id) => (TRANSFER, Some(id)),
            Cause::Expiry(hold) => (EXPIRY, Some(hold)),
        };
        out.push(kind | flag(*raised, RAISED) | flag(value.is_negative(), BELOW_ZERO));
        put_number(out, account.0);
        put_id(out, alert);
        put_rule(out, rule);
        put_number(out, value.size());
        if let Some(id) = id {
            put_id(out, id);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let flags = source.byte()?;
        let account = AccountHandle(source.u64()?);
        let (alert, rule) = (source.id()?, rule(&mut source)?);
        let value = SignedMinor::new(flags & BELOW_ZERO != 0, source.number()?);
        let cause = match flags & !(RAISED | BELOW_ZERO) {
            0 => Cause::Set,
            TRANSFER => Cause::Transfer(source.id()?),
            EXPIRY => Cause::Expiry(source.id()?),
            _ => return None,
        };
        let raised = flags & RAISED != 0;
        source.end(CrossingRow(Crossing { account, alert, rule, raised, value, cause }))
    }
}

#[cfg(test)]
mod tests {
    use ledger_domain::Id;

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

    fn rule(figure: BalanceFigure, comparison: Comparison, amount: SignedMinor) -> AlertRule {
        AlertRule { asset: AssetHandle(300), figure, comparison, amount }
    }

    #[test]
    fn alerts_read_back() {
        let low =
            rule(BalanceFigure::Available, Comparison::AtMost, SignedMinor::new(false, 1_000));
        assert_eq!(bytes(&AlertRow::Set { rule: low, raised: true }), "0122ac02e807");
        let deep = SignedMinor::new(true, 5);
        let deep = rule(BalanceFigure::CreditsPending, Comparison::Equal, deep);
        assert_eq!(bytes(&AlertRow::Set { rule: deep, raised: false }), "00b6ac0205");
        assert_eq!(bytes(&AlertRow::Removed), "04");
        reads_back(&AlertRow::Removed);
        for figure in BalanceFigure::ALL {
            for comparison in [Comparison::AtLeast, Comparison::AtMost, Comparison::Equal] {
                let amount = SignedMinor::new(figure == BalanceFigure::Posted, u128::MAX);
                reads_back(&AlertRow::Set { rule: rule(figure, comparison, amount), raised: true });
            }
        }
        assert_eq!(AlertRow::decode(&[5]), None, "raised and removed");
        assert_eq!(AlertRow::decode(&[0, 0x47, 0, 0]), None, "no such figure or comparison");
    }

    #[test]
    fn crossings_read_back() {
        let crossing = |raised, value, cause| {
            let amount = SignedMinor::new(false, 1_000);
            CrossingRow(Crossing {
                account: AccountHandle(7),
                alert: Id::Text("low".into()),
                rule: rule(BalanceFigure::Available, Comparison::AtMost, amount),
                raised,
                value,
                cause,
            })
        };
        let cause = Cause::Transfer(Id::Text("t".into()));
        let row = crossing(true, SignedMinor::new(false, 999), cause);
        assert_eq!(bytes(&row), "090704016c6f7722ac02e807e707020174");
        reads_back(&row);
        reads_back(&crossing(false, SignedMinor::new(true, 9), Cause::Expiry(Id::Uuid([3; 16]))));
        reads_back(&crossing(true, SignedMinor::new(true, u128::MAX), Cause::Set));
        assert_eq!(CrossingRow::decode(&[24, 7]), None, "two causes");
    }
}
