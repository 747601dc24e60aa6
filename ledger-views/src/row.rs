//! Rows: the values of each table. Their bytes are fixed by the golden test beside this file; another
//! form is another view version.

use ledger_domain::{
    AccountHandle, AccountRules, AccountStatus, AccountType, AssetHandle, Balance, Code, Decimal,
    Id, LedgerHandle, PostedTransfer, Rejection, Timestamp, Transfer,
};
use ledger_domain::{AccountName, AssetCode, LedgerName};

use crate::code::{Source, put_balance, put_id, put_number, put_signed, put_text};
use crate::key::Place;

mod log;

pub use log::{AppliedRow, CommitRow, Heads, RecordKind, TimeRow, ToldRow, ViewLog};

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

/// Side of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The account was debited.
    Debit,
    /// The account was credited.
    Credit,
}

/// Of [`crate::Table::History`]: one side of a posted transfer, and the balance after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Side of this account.
    pub side: Side,
    /// Minor units.
    pub amount: u128,
    /// Account of the other side.
    pub counterparty: AccountHandle,
    /// The transfer.
    pub transfer: Id,
    /// Free text of the client's; empty when there was none.
    pub reference: Box<str>,
    /// When it took effect, if that is not when it was recorded.
    pub effective_at: Option<Timestamp>,
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

/// How a transfer was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// It moved its amount.
    Posted(PostedTransfer),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its handle.
    pub handle: AccountHandle,
    /// Its type.
    pub account_type: AccountType,
    /// Its rules.
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

// Bits of the first byte of a row of which some parts may be absent.
const CREDIT: u8 = 1;
const REFERENCE: u8 = 2;
const EFFECTIVE: u8 = 4;
const REFUSED: u8 = 8;

fn flags(reference: &str, effective_at: Option<Timestamp>) -> u8 {
    let reference = if reference.is_empty() { 0 } else { REFERENCE };
    reference | if effective_at.is_some() { EFFECTIVE } else { 0 }
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
        let side = match self.side {
            Side::Debit => 0,
            Side::Credit => CREDIT,
        };
        out.push(side | flags(&self.reference, self.effective_at));
        put_number(out, self.amount);
        put_number(out, self.counterparty.0);
        put_id(out, &self.transfer);
        put_optional(out, &self.reference, self.effective_at);
        put_balance(out, &self.balance);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let flags = source.byte()?;
        if flags & !(CREDIT | REFERENCE | EFFECTIVE) != 0 {
            return None;
        }
        let amount = source.number()?;
        let counterparty = AccountHandle(source.u64()?);
        let transfer = source.id()?;
        let (reference, effective_at) = optional(&mut source, flags)?;
        let side = if flags & CREDIT == 0 { Side::Debit } else { Side::Credit };
        let balance = source.balance()?;
        source.end(EntryRow {
            side,
            amount,
            counterparty,
            transfer,
            reference,
            effective_at,
            balance,
        })
    }
}

impl Row for TransferRow {
    fn encode(&self, out: &mut Vec<u8>) {
        match &self.outcome {
            TransferOutcome::Posted(t) => {
                out.push(flags(&t.reference, t.effective_at));
                self.place.encode(out);
                put_id(out, &t.id);
                put_number(out, t.debit_account.0);
                put_number(out, t.credit_account.0);
                put_number(out, t.asset.0);
                put_number(out, t.amount);
                put_optional(out, &t.reference, t.effective_at);
            }
            TransferOutcome::Refused(t, rejection) => {
                out.push(REFUSED | flags(&t.reference, t.effective_at));
                self.place.encode(out);
                put_id(out, &t.id);
                put_number(out, rejection.code.number());
                put_text(out, &rejection.subject);
                put_text(out, t.debit_account.as_str());
                put_text(out, t.credit_account.as_str());
                put_text(out, t.asset.as_str());
                let (mantissa, scale) = t.amount.parts();
                put_number(out, mantissa);
                out.push(scale);
                put_optional(out, &t.reference, t.effective_at);
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let flags = source.byte()?;
        if flags & !(REFERENCE | EFFECTIVE | REFUSED) != 0 {
            return None;
        }
        let place = Place::decode(&mut source)?;
        let id = source.id()?;
        let outcome = if flags & REFUSED == 0 {
            decode_posted(&mut source, flags, id)?
        } else {
            decode_refused(&mut source, flags, id)?
        };
        source.end(TransferRow { place, outcome })
    }
}

fn decode_posted(source: &mut Source<'_>, flags: u8, id: Id) -> Option<TransferOutcome> {
    let debit_account = AccountHandle(source.u64()?);
    let credit_account = AccountHandle(source.u64()?);
    let asset = AssetHandle(source.u32()?);
    let amount = source.number()?;
    let (reference, effective_at) = optional(source, flags)?;
    Some(TransferOutcome::Posted(PostedTransfer {
        id,
        debit_account,
        credit_account,
        asset,
        amount,
        reference,
        effective_at,
    }))
}

fn decode_refused(source: &mut Source<'_>, flags: u8, id: Id) -> Option<TransferOutcome> {
    let code = Code::from_number(source.u32()?)?;
    let rejection = Rejection::new(code, source.text()?);
    let debit_account = AccountName::from_log(source.text()?);
    let credit_account = AccountName::from_log(source.text()?);
    let asset = AssetCode::from_log(source.text()?);
    let amount = Decimal::from_minor(source.number()?, source.byte()?);
    let (reference, effective_at) = optional(source, flags)?;
    let transfer =
        Transfer { id, debit_account, credit_account, asset, amount, reference, effective_at };
    Some(TransferOutcome::Refused(transfer, rejection))
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

impl Row for AccountRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.handle.0);
        out.push(self.account_type.number());
        out.push(u8::from(self.rules.may_go_negative));
        self.place.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let handle = AccountHandle(source.u64()?);
        let account_type = AccountType::from_number(source.byte()?)?;
        let may_go_negative = match source.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let rules = AccountRules { may_go_negative };
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

#[cfg(test)]
mod tests;
