//! Which partition a ledger lives on.

/// Partition of a key among `count`, as the partitioner of Kafka's Java clients has it: a record with
/// the ledger's name as its key lands right. Clients that stand on librdkafka need
/// `partitioner=murmur2_random`, for their default is CRC32.
///
/// Source: `org.apache.kafka.clients.producer.internals.BuiltInPartitioner`, positive murmur2 modulo
/// the partition count.
///
/// # Panics
/// When `count` is zero: a log has at least one partition.
#[must_use]
pub fn partition_of(key: &str, count: u32) -> u32 {
    assert!(count > 0, "a log has at least one partition");
    (murmur2(key.as_bytes()) & 0x7fff_ffff).checked_rem(count).unwrap_or(0)
}

/// MurmurHash2 with Kafka's seed.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut last = [0u8; 4];
        last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_kafkas_own_table() {
        // Cases of Kafka's UtilsTest.testMurmur2.
        let cases: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, expected) in cases {
            assert_eq!(murmur2(key), u32::from_ne_bytes(expected.to_ne_bytes()), "{key:?}");
        }
    }

    #[test]
    fn a_negative_hash_is_made_positive_by_its_sign_bit() {
        // Kafka's Utils.toPositive(-790_332_482) is 1_357_151_166.
        assert_eq!(partition_of("foobar", 8), 6);
        assert_eq!(partition_of("foobar", 1_000), 166);
        assert_eq!(partition_of("abc", 1_000), 107);
        assert_eq!(partition_of("abc", 1), 0);
    }

    #[test]
    fn the_readme_names_the_partition_of_its_ledger() {
        assert_eq!(partition_of("bank", 8), 7);
    }
}
