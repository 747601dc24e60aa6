//! How long a request may wait: its own deadline, with room left to say that it passed.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// For requests with a longer one.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// What is left of a deadline for the answer's way back, at most.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(100);

/// The longest wait for the request with this metadata; `default` for one without a deadline.
#[must_use]
pub fn wait_at_most(metadata: &MetadataMap, default: Duration) -> Duration {
    let timeout = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok());
    match timeout.and_then(parse) {
        None => default,
        Some(timeout) => (timeout - (timeout / 10).min(ANSWER_TIME_MAX)).min(WAIT_MAX),
    }
}

/// At most eight digits and a unit, as gRPC over HTTP/2 has it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Duration = Duration::from_secs(5);

    #[test]
    fn a_wait_ends_before_the_deadline() {
        let wait = |timeout: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", timeout.parse().unwrap());
            wait_at_most(&metadata, DEFAULT)
        };
        assert_eq!(wait_at_most(&MetadataMap::new(), DEFAULT), DEFAULT);
        assert_eq!(wait("100m"), Duration::from_millis(90));
        assert_eq!(wait("10S"), Duration::from_millis(9_900));
        assert_eq!(wait("99999999H"), WAIT_MAX);
        assert_eq!(wait("0n"), Duration::ZERO);
        for malformed in ["", "S", "1", "1x", "-1S", "+1S", "123456789S", "1é"] {
            assert_eq!(parse(malformed), None, "{malformed:?}");
        }
    }
}
