//! The bytes of a snapshot, and the only place that knows bincode.
//!
//! ```text
//!  magic 8 │ schema 32 │ cursor │ state hash 32 │ zstd(bincode(State)) │ BLAKE3 of all before
//! ```

use std::io::Write;

use ledger_domain::State;
use ledger_log::Cursor;
use ledger_log::cursor::CURSOR_BYTES;

use super::{Snapshot, SnapshotError, state_hash};

/// "LGSNAP" and the version of this layout.
const MAGIC: &[u8; 8] = b"LGSNAP01";
/// What bincode would read the state as. A test holds the bytes of a sample beside it: whoever
/// changes a type of the state changes this, and older snapshots are discarded for the log.
const SCHEMA: &str = "bincode 2 standard: State{ledgers:[Ledger{name,locked_before,metadata:Option{key:Plain|\
    Sealed{customer,sealed}},\
    assets:[Asset{code,scale}]}],\
    accounts:[Account{ledger,name,account_type,rules:{may_go_negative,\
    credit_limits:[(asset,amount)]},status,metadata,changed_at,\
    balances:[(asset,Balance{debits_posted,credits_posted,debits_pending,credits_pending})]}],\
    customers:[Customer{ledger,name,accounts,profile:{key:sealed},erased}],\
    holds:{(ledger,id):Hold{debit_account,credit_account,asset,amount,expires_at,\
    send:{to:{ledger,account,deadline},sent_at,reference}}},\
    schedules:{(ledger,id):Schedule{plan:{leg:{debit_account,credit_account,asset,amount,up_to},\
    reference,metadata,when:Once|Every|Weekly|Monthly|Yearly,start,until,count},times,next_due,cancelled}},\
    alerts:{(account,id):Alert{rule:{asset,figure:Posted|Available|DebitsPosted|CreditsPosted|\
    DebitsPending|CreditsPending,comparison:AtLeast|AtMost|Equal,amount:{negative,minor}},raised}},\
    recorded_at}";
const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + HASH_BYTES + CURSOR_BYTES + HASH_BYTES;
/// Fast: the state is mostly names and counters.
const ZSTD_LEVEL: i32 = 1;

fn schema_hash() -> [u8; HASH_BYTES] {
    blake3::hash(SCHEMA.as_bytes()).into()
}

pub(super) fn encode(cursor: &Cursor, state: &State) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&schema_hash());
    bytes.extend_from_slice(&cursor.encode());
    bytes.extend_from_slice(&state_hash(state));
    let mut packed = zstd::Encoder::new(bytes, ZSTD_LEVEL).map_err(SnapshotError::new)?;
    bincode::serde::encode_into_std_write(state, &mut packed, bincode::config::standard())
        .map_err(SnapshotError::new)?;
    let mut bytes = packed.finish().map_err(SnapshotError::new)?;
    let checksum = blake3::hash(&bytes);
    bytes.write_all(checksum.as_bytes()).map_err(SnapshotError::new)?;
    Ok(bytes)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let damaged = |what: &str| SnapshotError::new(what);
    let (body, checksum) =
        bytes.split_last_chunk::<HASH_BYTES>().ok_or_else(|| damaged("is cut short"))?;
    if blake3::hash(body).as_bytes() != checksum {
        return Err(damaged("does not match its checksum"));
    }
    let (header, packed) =
        body.split_at_checked(HEADER_BYTES).ok_or_else(|| damaged("has no header"))?;
    let (magic, header) = header.split_at(MAGIC.len());
    let (schema, header) = header.split_at(HASH_BYTES);
    let (cursor, hash) = header.split_at(CURSOR_BYTES);
    if magic != MAGIC || schema != schema_hash() {
        return Err(damaged("is of another version"));
    }
    let cursor = Cursor::decode(cursor).ok_or_else(|| damaged("has no position"))?;
    let mut unpacked = zstd::Decoder::new(packed).map_err(SnapshotError::new)?;
    let state: State =
        bincode::serde::decode_from_std_read(&mut unpacked, bincode::config::standard())
            .map_err(SnapshotError::new)?;
    if state_hash(&state) != hash {
        return Err(damaged("holds another state than its hash says"));
    }
    Ok(Snapshot { cursor, state })
}

/// What the schema describes.
#[cfg(test)]
pub(super) fn state_bytes(state: &State) -> Vec<u8> {
    bincode::serde::encode_to_vec(state, bincode::config::standard()).unwrap()
}
