//! The bytes of each kind of record, as they were first written and for ever.

use super::*;

const LOG: LogId = LogId(*b"0123456789abcdef");

fn created() -> Record {
    Record::LogCreated { format: FORMAT, partition: 3, partition_count: 8, hash: HASH.into() }
}

fn term_started() -> Record {
    Record::TermStarted(Incarnation([0xC4; 16]))
}

fn commit(commands: Vec<Vec<u8>>) -> Record {
    Record::Commit(Commit {
        term: 1,
        sequence: 300,
        recorded_at: 1_700_000_000_123_456_789,
        prev_hash: Chain([0x5E; 32]),
        commands,
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Every kind, with its bytes in `golden/`, which are never changed, only added to.
fn golden() -> [(Record, Vec<u8>); 5] {
    [
        (created(), include_str!("../../golden/log_created.hex")),
        (term_started(), include_str!("../../golden/term_started.hex")),
        (
            commit(vec![b"one".into(), vec![], b"three".into()]),
            include_str!("../../golden/commit.hex"),
        ),
        (commit(vec![]), include_str!("../../golden/commit_empty.hex")),
        (Record::Unknown, include_str!("../../golden/unknown.hex")),
    ]
    .map(|(record, text)| (record, from_hex(text)))
}

#[test]
fn the_bytes_of_each_kind_are_golden() {
    for (record, bytes) in golden() {
        assert_eq!(Record::decode(&bytes), Ok((LOG, record.clone())));
        if record != Record::Unknown {
            let encoded = record.clone().encode(LOG);
            let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(encoded, bytes, "{record:?} is now {hex}");
        }
    }
}

#[test]
fn the_magic_is_readable() {
    assert_eq!(MAGIC.to_le_bytes(), *b"LGR1");
    assert!(golden().iter().all(|(_, bytes)| bytes[1..5] == *b"LGR1"));
}

#[test]
fn the_chain_is_golden() {
    let after = Chain::START.after(b"a record");
    let after_term = after.after_term(7, b"a record");
    let both = format!("{after}\n{after_term}\n");
    assert_eq!(both, include_str!("../../golden/chain.hex"));
    let by_hand = blake3::hash(&[&[0; 32][..], b"a record"].concat());
    assert_eq!(after, Chain(by_hand.into()));
    let by_hand = blake3::hash(&[&after.0[..], &7u64.to_le_bytes(), b"a record"].concat());
    assert_eq!(after_term, Chain(by_hand.into()));
}

#[test]
fn other_bytes_are_foreign() {
    for bytes in [&b""[..], b"{\"json\":true}", b"\xff\xff", &[0x0d, 0, 0, 0, 0]] {
        assert_eq!(Record::decode(bytes), Err(Foreign), "{bytes:?}");
    }
    let two_kinds = [created().encode(LOG), term_started().encode(LOG)].concat();
    assert_eq!(Record::decode(&two_kinds), Err(Foreign), "a record is of one kind");
}

#[test]
fn a_cut_record_never_reads_as_another_of_its_kind() {
    for (record, bytes) in golden() {
        for length in 0..bytes.len() {
            if let Ok((_, cut)) = Record::decode(&bytes[..length]) {
                assert!(cut == Record::Unknown || cut == record, "{record:?} cut to {cut:?}");
            }
        }
    }
}
