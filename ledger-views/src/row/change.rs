//! What becomes of transfers: holds, reversals, and the journal entries that they are parts of.

use ledger_domain::Id;

use super::Row;
use crate::code::{Source, put_id, put_number};
use crate::key::Place;

/// Of [`crate::Table::Holds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldRow {
    /// Its status.
    pub status: HoldStatus,
    /// What is left of it, in minor units.
    pub remaining: u128,
    /// What was given back of it, in minor units. The rest of its amount was captured.
    pub released: u128,
}

impl JournalEntryRow {
    /// What of it a read at this place shows: all, unless the place is in the midst of it.
    #[must_use]
    pub fn as_of(mut self, at: Place) -> Self {
        if at.offset == self.place.offset {
            let shown = at.index.saturating_sub(self.place.index).saturating_add(1);
            self.transfers.truncate(usize::try_from(shown).unwrap_or(usize::MAX));
        }
        self
    }
}

/// What a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldStatus {
    /// Something is left of it.
    Open,
    /// All was captured.
    Captured,
    /// What was left of it was given back on request.
    Voided,
    /// What was left of it was given back for its time was over.
    Expired,
}

impl HoldStatus {
    /// Its stable number: in the API and in rows.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            HoldStatus::Open => 1,
            HoldStatus::Captured => 2,
            HoldStatus::Voided => 3,
            HoldStatus::Expired => 4,
        }
    }

    fn from_number(number: u8) -> Option<HoldStatus> {
        match number {
            1 => Some(HoldStatus::Open),
            2 => Some(HoldStatus::Captured),
            3 => Some(HoldStatus::Voided),
            4 => Some(HoldStatus::Expired),
            _ => None,
        }
    }
}

/// Of [`crate::Table::Reversals`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReversalRow {
    /// The transfer that reverses it.
    pub reversal: Id,
    /// What is not reversed yet after that, in minor units.
    pub remaining: u128,
}

/// Of [`crate::Table::JournalEntries`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntryRow {
    /// Where the first of its transfers was accepted; each other is one index behind the one before it.
    pub place: Place,
    /// The transfers, in order.
    pub transfers: Vec<Id>,
}

impl Row for HoldRow {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.status.number());
        put_number(out, self.remaining);
        put_number(out, self.released);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let status = HoldStatus::from_number(source.byte()?)?;
        let row = HoldRow { status, remaining: source.number()?, released: source.number()? };
        source.end(row)
    }
}

impl Row for ReversalRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_id(out, &self.reversal);
        put_number(out, self.remaining);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let row = ReversalRow { reversal: source.id()?, remaining: source.number()? };
        source.end(row)
    }
}

impl Row for JournalEntryRow {
    fn encode(&self, out: &mut Vec<u8>) {
        self.place.encode(out);
        self.transfers.iter().for_each(|id| put_id(out, id));
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let mut row = JournalEntryRow { place: Place::decode(&mut source)?, transfers: Vec::new() };
        while !source.is_empty() {
            row.transfers.push(source.id()?);
        }
        Some(row)
    }
}
