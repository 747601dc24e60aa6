//! Keys. Numbers are big-endian, and inverted where the newest comes first.

use ledger_domain::{
    AccountHandle, AssetHandle, CustomerHandle, Id, LedgerHandle, MetadataKey, MetadataTarget,
    Position, Timestamp,
};

use crate::code::{Source, read_id};
use crate::sets::SetKind;

/// A place in one partition: offset of a commit, and index of an event in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Offset of the record.
    pub offset: u64,
    /// Index of the event in the commit.
    pub index: u32,
}

impl Place {
    /// After every event of the record at this offset.
    #[must_use]
    pub fn end_of(offset: u64) -> Self {
        Place { offset, index: u32::MAX }
    }

    /// The last place that a read at this position shows.
    #[must_use]
    pub fn bound(position: Position) -> Self {
        let (offset, index) = position.bound();
        Place { offset, index }
    }

    /// As a position of this partition: of the whole commit where the index is the last possible.
    #[must_use]
    pub fn position(self, partition: u32) -> Position {
        match self.index {
            u32::MAX => Position::commit(partition, self.offset),
            index => Position::event(partition, self.offset, index),
        }
    }
}

/// Bytes that every history key of one balance begins with, and its whole latest key.
pub const BALANCE_KEY_BYTES: usize = 8 + 4;

/// Key of [`crate::Table::Latest`]; prefix of the balance's rows in [`crate::Table::History`].
#[must_use]
pub fn balance(account: AccountHandle, asset: AssetHandle) -> [u8; BALANCE_KEY_BYTES] {
    let mut key = [0; BALANCE_KEY_BYTES];
    key[..8].copy_from_slice(&account.0.to_be_bytes());
    key[8..].copy_from_slice(&asset.0.to_be_bytes());
    key
}

/// Key of [`crate::Table::History`].
#[must_use]
pub fn history(account: AccountHandle, asset: AssetHandle, place: Place) -> [u8; 24] {
    let mut key = [0; 24];
    key[..12].copy_from_slice(&balance(account, asset));
    key[12..].copy_from_slice(&newest_first(place));
    key
}

/// Key of [`crate::Table::AccountStatuses`], [`crate::Table::AccountRules`] and
/// [`crate::Table::AlertCrossings`]; its first 8 bytes are the
/// prefix of the account's rows.
#[must_use]
pub fn account_change(account: AccountHandle, place: Place) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&account.0.to_be_bytes());
    key[8..].copy_from_slice(&newest_first(place));
    key
}

/// Key of [`crate::Table::Profiles`]; its first 8 bytes are the prefix of the customer's rows.
#[must_use]
pub fn profile(customer: CustomerHandle, place: Place) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&customer.0.to_be_bytes());
    key[8..].copy_from_slice(&newest_first(place));
    key
}

/// Key of [`crate::Table::BookLocks`]; its first 4 bytes are the prefix of the ledger's rows.
#[must_use]
pub fn book_lock(ledger: LedgerHandle, place: Place) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&ledger.0.to_be_bytes());
    key[4..].copy_from_slice(&newest_first(place));
    key
}

/// End of a key whose newest row comes first.
fn newest_first(place: Place) -> [u8; 12] {
    let mut end = [0; 12];
    end[..8].copy_from_slice(&(!place.offset).to_be_bytes());
    end[8..].copy_from_slice(&(!place.index).to_be_bytes());
    end
}

/// Key of [`crate::Table::Transfers`] and [`crate::Table::JournalEntries`].
#[must_use]
pub fn transfer(ledger: LedgerHandle, id: &Id) -> Vec<u8> {
    let mut key = ledger.0.to_be_bytes().to_vec();
    id.write_key(&mut key);
    key
}

/// Bytes that every key of one transfer in [`crate::Table::Holds`] and [`crate::Table::Reversals`] begins
/// with, and of no other: a UUID has its own length, and no other id holds the zero behind it.
#[must_use]
pub fn changes_prefix(ledger: LedgerHandle, id: &Id) -> Vec<u8> {
    let mut key = transfer(ledger, id);
    key.push(0);
    key
}

/// Key of [`crate::Table::Holds`] and [`crate::Table::Reversals`]: what has become of a transfer at a place.
#[must_use]
pub fn change(ledger: LedgerHandle, id: &Id, place: Place) -> Vec<u8> {
    let mut key = changes_prefix(ledger, id);
    key.extend_from_slice(&newest_first(place));
    key
}

/// Bytes that every key of one alert in [`crate::Table::Alerts`] begins with, and of no other, as in
/// [`changes_prefix`].
#[must_use]
pub fn alert_prefix(account: AccountHandle, id: &Id) -> Vec<u8> {
    let mut key = account.0.to_be_bytes().to_vec();
    id.write_key(&mut key);
    key.push(0);
    key
}

/// Key of [`crate::Table::Alerts`]: what an alert is from a place on. Its first 8 bytes are the prefix of the
/// account's rows.
#[must_use]
pub fn alert(account: AccountHandle, id: &Id, place: Place) -> Vec<u8> {
    let mut key = alert_prefix(account, id);
    key.extend_from_slice(&newest_first(place));
    key
}

/// Bytes that every key of one thing's metadata begins with in [`crate::Table::Metadata`], and of no other.
#[must_use]
pub fn metadata_prefix(ledger: LedgerHandle, target: &MetadataTarget) -> Vec<u8> {
    let mut key = ledger.0.to_be_bytes().to_vec();
    match target {
        MetadataTarget::Ledger => key.push(0),
        MetadataTarget::Account(account) => {
            key.push(1);
            key.extend_from_slice(&account.0.to_be_bytes());
        }
        MetadataTarget::Transfer(id) => {
            key = transfers_metadata_prefix(ledger);
            id.write_key(&mut key);
            key.push(0);
        }
    }
    key
}

/// Bytes that the keys of all transfers of a ledger begin with in [`crate::Table::Metadata`], and no others.
#[must_use]
pub fn transfers_metadata_prefix(ledger: LedgerHandle) -> Vec<u8> {
    let mut key = ledger.0.to_be_bytes().to_vec();
    key.push(2);
    key
}

/// Key of [`crate::Table::Metadata`].
#[must_use]
pub fn metadata(ledger: LedgerHandle, target: &MetadataTarget, place: Place) -> Vec<u8> {
    let mut key = metadata_prefix(ledger, target);
    key.extend_from_slice(&newest_first(place));
    key
}

/// Reads [`metadata`].
#[must_use]
pub fn read_metadata(key: &[u8]) -> Option<(LedgerHandle, MetadataTarget, Place)> {
    let (ledger, rest) = key.split_first_chunk::<4>()?;
    let (target, place) = rest.split_last_chunk::<12>()?;
    let target = match target {
        [0] => MetadataTarget::Ledger,
        [1, account @ ..] => {
            MetadataTarget::Account(AccountHandle(u64::from_be_bytes(account.try_into().ok()?)))
        }
        [2, id @ .., 0] => MetadataTarget::Transfer(read_id(id)?),
        _ => return None,
    };
    Some((LedgerHandle(u32::from_be_bytes(*ledger)), target, read_newest_first(place)?))
}

/// Bytes that every key of the accounts with this value begins with in [`crate::Table::MetadataIndex`], and of
/// no other value: lengths stand before key and value.
#[must_use]
pub fn metadata_index_prefix(ledger: LedgerHandle, key: &MetadataKey, value: &str) -> Vec<u8> {
    let mut out = ledger.0.to_be_bytes().to_vec();
    for text in [key.as_str(), value] {
        // Both are far below 2^16 bytes.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// Key of [`crate::Table::MetadataIndex`].
#[must_use]
pub fn metadata_index(prefix: &[u8], account: AccountHandle, place: Place) -> Vec<u8> {
    [prefix, &account.0.to_be_bytes(), &newest_first(place)].concat()
}

/// Account and place of [`metadata_index`].
#[must_use]
pub fn read_metadata_index(key: &[u8]) -> Option<(AccountHandle, Place)> {
    let (rest, place) = key.split_last_chunk::<12>()?;
    let (_, account) = rest.split_last_chunk::<8>()?;
    Some((AccountHandle(u64::from_be_bytes(*account)), read_newest_first(place)?))
}

/// Behind every key of this alert, and before those of the account's next one, as in [`behind_set_member`].
#[must_use]
pub fn behind_alert(account: AccountHandle, id: &Id) -> Vec<u8> {
    let mut key = account.0.to_be_bytes().to_vec();
    id.write_key(&mut key);
    key.push(1);
    key
}

/// Reads the id of [`alert`].
#[must_use]
pub fn read_alert(key: &[u8]) -> Option<Id> {
    let (_, rest) = key.split_first_chunk::<8>()?;
    let (id, _) = rest.split_last_chunk::<12>()?;
    let (0, id) = id.split_last()? else { return None };
    read_id(id)
}

/// An alert as a member of the set of the raised ones: sorted by account. It is no id that a client could take.
#[must_use]
pub fn raised_alert(account: AccountHandle, id: &Id) -> Id {
    Id::Text(format!("~{:016x}:{id}", account.0).into())
}

/// Reads [`raised_alert`].
#[must_use]
pub fn read_raised_alert(member: &Id) -> Option<(AccountHandle, Id)> {
    let Id::Text(text) = member else { return None };
    let (account, id) = text.strip_prefix('~')?.split_once(':')?;
    Some((AccountHandle(u64::from_str_radix(account, 16).ok()?), Id::parse(id).ok()?))
}

/// Bytes that every key of one set begins with in [`crate::Table::SetKeyframes`].
#[must_use]
pub fn set(ledger: LedgerHandle, kind: SetKind) -> [u8; 5] {
    let mut key = [kind.number(); 5];
    key[..4].copy_from_slice(&ledger.0.to_be_bytes());
    key
}

/// Key of [`crate::Table::SetKeyframes`].
#[must_use]
pub fn set_keyframe(ledger: LedgerHandle, kind: SetKind, place: Place) -> [u8; 17] {
    let mut key = [0; 17];
    key[..5].copy_from_slice(&set(ledger, kind));
    key[5..].copy_from_slice(&newest_first(place));
    key
}

/// Bytes that every key below one keyframe begins with in [`crate::Table::SetMembers`].
#[must_use]
pub fn set_keyframe_members(ledger: LedgerHandle, kind: SetKind, keyframe: Place) -> [u8; 17] {
    let mut key = [0; 17];
    key[..5].copy_from_slice(&set(ledger, kind));
    key[5..13].copy_from_slice(&keyframe.offset.to_be_bytes());
    key[13..].copy_from_slice(&keyframe.index.to_be_bytes());
    key
}

/// Key of [`crate::Table::SetMembers`]: what a set has to do with a member from a place on. The zero keeps
/// the members apart, as in [`changes_prefix`].
#[must_use]
pub fn set_member(
    ledger: LedgerHandle,
    kind: SetKind,
    keyframe: Place,
    member: &Id,
    place: Place,
) -> Vec<u8> {
    let mut key = set_keyframe_members(ledger, kind, keyframe).to_vec();
    member.write_key(&mut key);
    key.push(0);
    key.extend_from_slice(&newest_first(place));
    key
}

/// Behind every key of this member, and before those of the next one: a text holds visible characters alone,
/// and no UUID goes on where another one ends.
#[must_use]
pub fn behind_set_member(
    ledger: LedgerHandle,
    kind: SetKind,
    keyframe: Place,
    member: &Id,
) -> Vec<u8> {
    let mut key = set_keyframe_members(ledger, kind, keyframe).to_vec();
    member.write_key(&mut key);
    key.push(1);
    key
}

/// Reads [`set_member`]: the member and the place.
#[must_use]
pub fn read_set_member(key: &[u8]) -> Option<(Id, Place)> {
    let (_, rest) = key.split_first_chunk::<17>()?;
    let (member, place) = rest.split_last_chunk::<12>()?;
    let (0, member) = member.split_last()? else { return None };
    Some((read_id(member)?, read_newest_first(place)?))
}

/// The place at the end of a key whose newest row comes first.
#[must_use]
pub fn read_place(key: &[u8]) -> Option<Place> {
    let (_, place) = key.split_last_chunk::<12>()?;
    read_newest_first(place)
}

/// Key of [`crate::Table::Accounts`] or [`crate::Table::Assets`].
#[must_use]
pub fn named(ledger: LedgerHandle, name: &str) -> Vec<u8> {
    let mut key = ledger.0.to_be_bytes().to_vec();
    key.extend_from_slice(name.as_bytes());
    key
}

/// Key of [`crate::Table::AssetCodes`].
#[must_use]
pub fn asset_code(ledger: LedgerHandle, asset: AssetHandle) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&ledger.0.to_be_bytes());
    key[4..].copy_from_slice(&asset.0.to_be_bytes());
    key
}

/// Key of [`crate::Table::Times`].
#[must_use]
pub fn time(recorded_at: Timestamp) -> [u8; 8] {
    (!recorded_at.max(0).cast_unsigned()).to_be_bytes()
}

/// Reads [`balance`].
#[must_use]
pub fn read_balance(key: &[u8]) -> Option<(AccountHandle, AssetHandle)> {
    let mut source = Source(key);
    let account = AccountHandle(u64::from_be_bytes(source.fixed()?));
    let asset = AssetHandle(u32::from_be_bytes(source.fixed()?));
    source.end((account, asset))
}

/// Reads [`history`].
#[must_use]
pub fn read_history(key: &[u8]) -> Option<(AccountHandle, AssetHandle, Place)> {
    let (head, tail) = key.split_at_checked(BALANCE_KEY_BYTES)?;
    let (account, asset) = read_balance(head)?;
    Some((account, asset, read_newest_first(tail)?))
}

fn read_newest_first(end: &[u8]) -> Option<Place> {
    let mut source = Source(end);
    let offset = !u64::from_be_bytes(source.fixed()?);
    let index = !u32::from_be_bytes(source.fixed()?);
    source.end(Place { offset, index })
}
