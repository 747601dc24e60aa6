//! Rows: the values of each table. Their bytes are fixed by the golden test beside this file; another
//! form is another view version.

use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountRules, AccountStatus, AccountType, AssetHandle,
    Balance, Id, LedgerHandle, Rejection, Side, Timestamp, Transfer, TransferKind,
};
use ledger_domain::{AccountName, AssetCode, LedgerName};

use crate::code::{Source, put_balance, put_id, put_number, put_rules, put_signed, put_text};
use crate::key::Place;

mod alert;
mod change;
mod customer;
mod log;
mod metadata;
mod schedule;
mod send;
mod set;
mod transfer;

pub use alert::{AlertRow, CrossingRow};
pub use change::{HoldRow, HoldStatus, JournalEntryRow, ReversalRow};
pub use customer::{AccountCustomerRow, CustomerNameRow, CustomerRow, ProfileRow};
pub use log::{AppliedRow, CommitRow, Heads, RecordKind, TimeRow, ToldRow, ViewLog};
pub use metadata::{MetadataIndexRow, MetadataRow};
pub use schedule::{ScheduleChangeRow, ScheduleRow, ScheduleRun, ScheduleView};
pub use set::{SetChange, SetKeyframeRow};

/// A value of a table.
pub trait Row: Sized {
    /// Writes its bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads its bytes; `None` when they are not what [`Row::encode`] writes.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Of [`crate::Table::Latest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestRow {
    /// What changed it last.
    pub place: Place,
    /// The counters after that.
    pub balance: Balance,
}

/// What became of the amount of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// It was posted.
    Post,
    /// It is held.
    Hold,
    /// It was held and is posted.
    Capture,
    /// It was held and was given back on request.
    Void,
    /// It was held and was given back for its time was over.
    Expiry,
    /// It was posted back.
    Reversal,
    /// It is held until another ledger has received it.
    Send,
    /// Another ledger sent it, and it was posted.
    Receive,
}

impl EntryKind {
    /// Its stable number: in the API and in rows.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            EntryKind::Post => 1,
            EntryKind::Hold => 2,
            EntryKind::Capture => 3,
            EntryKind::Void => 4,
            EntryKind::Expiry => 5,
            EntryKind::Reversal => 6,
            EntryKind::Send => 7,
            EntryKind::Receive => 8,
        }
    }

    fn from_number(number: u8) -> Option<EntryKind> {
        match number {
            1 => Some(EntryKind::Post),
            2 => Some(EntryKind::Hold),
            3 => Some(EntryKind::Capture),
            4 => Some(EntryKind::Void),
            5 => Some(EntryKind::Expiry),
            6 => Some(EntryKind::Reversal),
            7 => Some(EntryKind::Send),
            8 => Some(EntryKind::Receive),
            _ => None,
        }
    }
}

impl From<TransferKind> for EntryKind {
    fn from(kind: TransferKind) -> Self {
        match kind {
            TransferKind::Post => EntryKind::Post,
            TransferKind::Hold => EntryKind::Hold,
            TransferKind::Capture => EntryKind::Capture,
            TransferKind::Void => EntryKind::Void,
            TransferKind::Reversal => EntryKind::Reversal,
            TransferKind::Send => EntryKind::Send,
            TransferKind::Receive => EntryKind::Receive,
        }
    }
}

/// Of [`crate::Table::History`]: one side of a transfer or of an expiry, and the balance after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Side of this account.
    pub side: Side,
    /// What became of the amount.
    pub kind: EntryKind,
    /// Minor units.
    pub amount: u128,
    /// Account of the other side.
    pub counterparty: AccountHandle,
    /// The transfer; of an expiry the hold.
    pub transfer: Id,
    /// Free text of the client's; empty when there was none.
    pub reference: Box<str>,
    /// When it took effect, if that is not when it was recorded.
    pub effective_at: Option<Timestamp>,
    /// Whether its transfer has metadata, which stands there.
    pub noted: bool,
    /// The counters after it.
    pub balance: Balance,
}

/// Of [`crate::Table::Transfers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRow {
    /// Where it was decided.
    pub place: Place,
    /// How.
    pub outcome: TransferOutcome,
}

impl TransferRow {
    /// What it was asked for with, as the first update of its metadata; none of one that was refused, or had none.
    #[must_use]
    pub fn noted(&self) -> Option<(Place, MetadataRow)> {
        match &self.outcome {
            TransferOutcome::Accepted(accepted) => {
                Some((self.place, MetadataRow::created(&accepted.metadata)?))
            }
            TransferOutcome::Refused(..) => None,
        }
    }
}

/// How a transfer was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// It did what it was asked for.
    Accepted(AcceptedTransfer),
    /// It was refused, as it was asked for.
    Refused(Transfer, Rejection),
}

/// Of [`crate::Table::Ledgers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its handle.
    pub handle: LedgerHandle,
    /// Where it was created.
    pub place: Place,
}

/// Of [`crate::Table::LedgerNames`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerNameRow(pub LedgerName);

/// Of [`crate::Table::Assets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetRow {
    /// Its handle.
    pub handle: AssetHandle,
    /// Decimal digits of its minor unit.
    pub scale: u8,
    /// Where it was created.
    pub place: Place,
}

/// Of [`crate::Table::AssetCodes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetCodeRow {
    /// Its code.
    pub code: AssetCode,
    /// Decimal digits of its minor unit.
    pub scale: u8,
}

/// Of [`crate::Table::Accounts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its handle.
    pub handle: AccountHandle,
    /// Its type.
    pub account_type: AccountType,
    /// The rules that it was opened with.
    pub rules: AccountRules,
    /// Where it was opened.
    pub place: Place,
}

/// Of [`crate::Table::AccountNames`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNameRow {
    /// Its ledger.
    pub ledger: LedgerHandle,
    /// Its name.
    pub name: AccountName,
}

/// Of [`crate::Table::AccountStatuses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountStatusRow(pub AccountStatus);

/// Of [`crate::Table::AccountRules`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRulesRow(pub AccountRules);

/// Of [`crate::Table::BookLocks`]: the instant before which books are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLockRow(pub Option<Timestamp>);

impl Place {
    fn encode(self, out: &mut Vec<u8>) {
        put_number(out, self.offset);
        put_number(out, self.index);
    }

    fn decode(source: &mut Source<'_>) -> Option<Self> {
        Some(Place { offset: source.u64()?, index: source.u32()? })
    }
}

impl Row for LatestRow {
    fn encode(&self, out: &mut Vec<u8>) {
        self.place.encode(out);
        put_balance(out, &self.balance);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let row = LatestRow { place: Place::decode(&mut source)?, balance: source.balance()? };
        source.end(row)
    }
}

// Bits of the first byte of a row of which some parts may be absent. The kind, less 1, stands in three
// bits of it; a post has none of them.
const CREDIT: u8 = 1;
/// Of an entry: its transfer has metadata.
const NOTED: u8 = 8;
const EXPIRES: u8 = 1;
const REFERENCE: u8 = 2;
const EFFECTIVE: u8 = 4;
const REFUSED: u8 = 8;
const KIND: u8 = 0x70;
const KIND_SHIFT: u32 = 4;
/// Of a post, a hold or a send: it moves up to its amount. Of a capture or a reversal: all that is left. Of a
/// void: it has the refusal of a send.
const OPEN_AMOUNT: u8 = 0x80;

fn kind_bits(number: u8) -> u8 {
    (number - 1) << KIND_SHIFT
}

fn kind_number(flags: u8) -> u8 {
    ((flags & KIND) >> KIND_SHIFT) + 1
}

fn flag(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

fn flags(reference: &str, effective_at: Option<Timestamp>) -> u8 {
    flag(!reference.is_empty(), REFERENCE) | flag(effective_at.is_some(), EFFECTIVE)
}

fn put_optional(out: &mut Vec<u8>, reference: &str, effective_at: Option<Timestamp>) {
    if !reference.is_empty() {
        put_text(out, reference);
    }
    if let Some(at) = effective_at {
        put_signed(out, at);
    }
}

fn optional(source: &mut Source<'_>, flags: u8) -> Option<(Box<str>, Option<Timestamp>)> {
    let reference = if flags & REFERENCE == 0 { "" } else { source.text()? };
    let effective_at = if flags & EFFECTIVE == 0 { None } else { Some(source.signed()?) };
    Some((reference.into(), effective_at))
}

impl Row for EntryRow {
    fn encode(&self, out: &mut Vec<u8>) {
        let side = flag(self.side == Side::Credit, CREDIT);
        let kind = kind_bits(self.kind.number());
        let noted = flag(self.noted, NOTED);
        out.push(side | kind | noted | flags(&self.reference, self.effective_at));
        put_number(out, self.amount);
        put_number(out, self.counterparty.0);
        put_id(out, &self.transfer);
        put_optional(out, &self.reference, self.effective_at);
        put_balance(out, &self.balance);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let flags = source.byte()?;
        if flags & !(CREDIT | REFERENCE | EFFECTIVE | NOTED | KIND) != 0 {
            return None;
        }
        let kind = EntryKind::from_number(kind_number(flags))?;
        let amount = source.number()?;
        let counterparty = AccountHandle(source.u64()?);
        let transfer = source.id()?;
        let (reference, effective_at) = optional(&mut source, flags)?;
        let side = if flags & CREDIT == 0 { Side::Debit } else { Side::Credit };
        let balance = source.balance()?;
        source.end(EntryRow {
            side,
            kind,
            amount,
            counterparty,
            transfer,
            reference,
            effective_at,
            noted: flags & NOTED != 0,
            balance,
        })
    }
}

impl Row for LedgerRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.handle.0);
        self.place.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let handle = LedgerHandle(source.u32()?);
        let row = LedgerRow { handle, place: Place::decode(&mut source)? };
        source.end(row)
    }
}

impl Row for LedgerNameRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(LedgerNameRow(LedgerName::from_log(std::str::from_utf8(bytes).ok()?)))
    }
}

impl Row for AssetRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.handle.0);
        out.push(self.scale);
        self.place.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let handle = AssetHandle(source.u32()?);
        let scale = source.byte()?;
        let row = AssetRow { handle, scale, place: Place::decode(&mut source)? };
        source.end(row)
    }
}

impl Row for AssetCodeRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.scale);
        out.extend_from_slice(self.code.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&scale, code) = bytes.split_first()?;
        Some(AssetCodeRow { code: AssetCode::from_log(std::str::from_utf8(code).ok()?), scale })
    }
}

impl AccountRow {
    /// Where the account changed last: where it was opened, has its status, its rules or its metadata from, or
    /// one of its balances moved.
    #[must_use]
    pub fn changed(
        &self,
        status: Option<Place>,
        rules: Option<Place>,
        metadata: Option<Place>,
        balances: &[(AssetHandle, LatestRow)],
    ) -> Place {
        let moved = balances.iter().map(|(_, row)| row.place);
        moved.chain(status).chain(rules).chain(metadata).fold(self.place, Place::max)
    }
}

impl Row for AccountRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.handle.0);
        out.push(self.account_type.number());
        put_rules(out, &self.rules);
        self.place.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let handle = AccountHandle(source.u64()?);
        let account_type = AccountType::from_number(source.byte()?)?;
        let rules = source.rules()?;
        let place = Place::decode(&mut source)?;
        source.end(AccountRow { handle, account_type, rules, place })
    }
}

impl Row for AccountNameRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.ledger.0);
        put_text(out, self.name.as_str());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let ledger = LedgerHandle(source.u32()?);
        let row = AccountNameRow { ledger, name: AccountName::from_log(source.text()?) };
        source.end(row)
    }
}

impl Row for AccountStatusRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0.number());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let status = AccountStatus::from_number(source.byte()?)?;
        source.end(AccountStatusRow(status))
    }
}

impl Row for AccountRulesRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_rules(out, &self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let rules = source.rules()?;
        source.end(AccountRulesRow(rules))
    }
}

impl Row for BookLockRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.0.is_some()));
        if let Some(at) = self.0 {
            put_signed(out, at);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let locked_before = match source.byte()? {
            0 => None,
            1 => Some(source.signed()?),
            _ => return None,
        };
        source.end(BookLockRow(locked_before))
    }
}

#[cfg(test)]
mod tests;
