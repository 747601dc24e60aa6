//! Randomness of the operating system.

/// 16 random bytes: a log's id, or an attempt to take a partition.
///
/// # Panics
/// When the operating system has no randomness: then no id is safe.
#[must_use]
pub fn bytes_16() -> [u8; 16] {
    let mut bytes = [0; 16];
    let filled = getrandom::fill(&mut bytes);
    assert!(filled.is_ok(), "the operating system gives no randomness: {filled:?}");
    bytes
}
