//! Instants: nanoseconds since the Unix epoch inside, `google.protobuf.Timestamp` on the wire.

use ledger_domain::Timestamp;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// To the wire.
#[must_use]
pub fn to_wire(at: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.rem_euclid(NANOS_PER_SECOND)).unwrap_or(0);
    prost_types::Timestamp { seconds: at.div_euclid(NANOS_PER_SECOND), nanos }
}

/// From the wire; `None` for what is not an instant, or outside the years 1678 to 2262.
#[must_use]
pub fn from_wire(at: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..NANOS_PER_SECOND).contains(&i64::from(at.nanos)) {
        return None;
    }
    at.seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(i64::from(at.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        for at in [0, 1, -1, 1_700_000_000_123_456_789, -1_500_000_000_000_000_001] {
            assert_eq!(from_wire(&to_wire(at)), Some(at));
        }
        assert_eq!(from_wire(&prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), None);
        assert_eq!(from_wire(&prost_types::Timestamp { seconds: 0, nanos: -1 }), None);
        assert_eq!(from_wire(&prost_types::Timestamp { seconds: 0, nanos: 1_000_000_000 }), None);
    }
}
