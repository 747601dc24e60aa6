//! A batch of transfers as columns: 25 to 40 bytes a transfer, and some 50 times cheaper to decode than
//! a message and strings for each.

use std::collections::VecDeque;

use ledger_domain::limits::BATCH_TRANSFERS_MAX;
use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountName, AssetCode, AssetHandle, Capture, Decimal, Effect,
    Id, LedgerHandle, Leg, Link, Metadata, Movement, RefusedTransfer, Reversal, Transfer,
    TransferBatch, TransferKind,
};

use super::{
    DecodeError, hold_from_wire, id_from_wire, id_to_wire, metadata, rejection_from_wire, send,
};
use crate::log_v1 as wire;

pub(super) fn to_wire(batch: &TransferBatch) -> wire::TransferBatch {
    let accepted = &batch.accepted;
    let mut out = wire::TransferBatch {
        ledger: batch.ledger.0,
        rows: batch.rows(),
        uuids: Vec::with_capacity(accepted.len() * 16),
        debit_accounts: column(accepted.iter().map(|t| t.debit_account.0)),
        credit_accounts: column(accepted.iter().map(|t| t.credit_account.0)),
        assets: column(accepted.iter().map(|t| t.asset.0)),
        amounts_low: column(accepted.iter().map(|t| split(t.amount).1)),
        refused: batch.refused.iter().map(refused_to_wire).collect(),
        ..Default::default()
    };
    if accepted.iter().any(|t| split(t.amount).0 != 0) {
        out.amounts_high = column(accepted.iter().map(|t| split(t.amount).0));
    }
    for (at, transfer) in (0u32..).zip(accepted) {
        match &transfer.id {
            Id::Uuid(bytes) => out.uuids.extend_from_slice(bytes),
            Id::Text(text) => {
                out.text_id_rows.push(at);
                out.text_ids.push(text.to_string());
            }
        }
        if !transfer.reference.is_empty() {
            out.reference_rows.push(at);
            out.references.push(transfer.reference.to_string());
        }
        if let Some(effective_at) = transfer.effective_at {
            out.effective_time_rows.push(at);
            out.effective_times.push(effective_at);
        }
        if !transfer.metadata.is_empty() {
            out.metadata_rows.push(at);
            let entries = metadata::to_wire(&transfer.metadata);
            out.metadata.push(wire::Metadata { entries });
        }
        if let Some(up_to) = &transfer.up_to {
            let (high, low) = split(**up_to);
            out.up_to_rows.push(at);
            out.up_to_low.push(low);
            out.up_to_high.push(high);
        }
        push_effect(at, &transfer.effect, &mut out);
        push_link(at, &transfer.link, accepted, &mut out);
    }
    out
}

/// Standing alone is said by nothing; an entry by its first row.
fn push_link(at: u32, link: &Link, accepted: &[AcceptedTransfer], out: &mut wire::TransferBatch) {
    match link {
        Link::Alone => {}
        Link::Next => out.linked_rows.push(at),
        Link::Entry(entry) => {
            let first = usize::try_from(at).unwrap_or(usize::MAX);
            let joins = |other: &&AcceptedTransfer| other.link == *link;
            if first > 0 && accepted.get(first - 1).as_ref().is_some_and(joins) {
                return;
            }
            let length = accepted.iter().skip(first).take_while(joins).count();
            out.entry_rows.push(at);
            out.entry_lengths.push(u32::try_from(length).unwrap_or(u32::MAX));
            out.entry_ids.push(id_to_wire(entry));
        }
    }
}

/// A post is what is said by nothing.
fn push_effect(at: u32, effect: &Effect, out: &mut wire::TransferBatch) {
    match effect {
        Effect::Post => return,
        Effect::Hold { expires_at } => {
            if let Some(expires_at) = expires_at {
                out.expire_time_rows.push(at);
                out.expire_times.push(*expires_at);
            }
        }
        Effect::Capture(capture) => {
            let Capture { hold, rest, remaining } = &**capture;
            out.hold_ids.push(id_to_wire(hold));
            push_remaining(at, *rest, *remaining, out);
        }
        Effect::Reversal(reversal) => {
            let Reversal { of, rest, remaining } = &**reversal;
            out.reversed_ids.push(id_to_wire(of));
            push_remaining(at, *rest, *remaining, out);
        }
        Effect::Void { hold, refused } => {
            out.hold_ids.push(id_to_wire(hold));
            if let Some(rejection) = refused {
                out.send_refusal_rows.push(at);
                out.send_refusals.push(send::refusal_to_wire(rejection));
            }
        }
        Effect::Send(to) => out.destinations.push(send::destination_to_wire(to)),
        Effect::Receive(from) => out.origins.push(send::origin_to_wire(from)),
    }
    out.kind_rows.push(at);
    out.kinds.push(effect.kind().number().into());
}

fn push_remaining(at: u32, rest: bool, remaining: u128, out: &mut wire::TransferBatch) {
    let (high, low) = split(remaining);
    out.remaining_low.push(low);
    out.remaining_high.push(high);
    if rest {
        out.rest_rows.push(at);
    }
}

pub(super) fn from_wire(batch: wire::TransferBatch) -> Result<TransferBatch, DecodeError> {
    // Bounded before anything is reserved: one value may stand for a whole column. An event without
    // rows would share its index with the next.
    let rows = usize::try_from(batch.rows).ok();
    let rows = rows.filter(|rows| (1..=BATCH_TRANSFERS_MAX).contains(rows));
    let rows = rows.ok_or_else(|| DecodeError::new("rows"))?;
    let refused: Vec<_> = batch.refused.iter().map(refused_from_wire).collect::<Result<_, _>>()?;
    let count = rows.checked_sub(refused.len()).ok_or_else(|| DecodeError::new("refused rows"))?;
    let ascending = refused.windows(2).all(|pair| matches!(pair, [a, b] if a.row < b.row));
    if !ascending || refused.last().is_some_and(|last| last.row >= batch.rows) {
        return Err(DecodeError::new("refused rows out of order"));
    }

    let debits = Dense::new(batch.debit_accounts, count, "debit_accounts")?;
    let credits = Dense::new(batch.credit_accounts, count, "credit_accounts")?;
    let assets = Dense::new(batch.assets, count, "assets")?;
    let low = Dense::new(batch.amounts_low, count, "amounts_low")?;
    let high = match batch.amounts_high {
        empty if empty.is_empty() => Dense::same(0, count),
        high => Dense::new(high, count, "amounts_high")?,
    };
    let mut texts = Sparse::new(batch.text_id_rows, batch.text_ids, "text_ids")?;
    let mut references = Sparse::new(batch.reference_rows, batch.references, "references")?;
    let mut effective =
        Sparse::new(batch.effective_time_rows, batch.effective_times, "effective_times")?;
    let mut up_to =
        Sparse::new(batch.up_to_rows, joined(batch.up_to_low, batch.up_to_high)?, "up_to")?;
    let mut effects = Effects {
        kinds: Sparse::new(batch.kind_rows, batch.kinds, "kinds")?,
        holds: batch.hold_ids.into(),
        reversed: batch.reversed_ids.into(),
        remaining: joined(batch.remaining_low, batch.remaining_high)?.into(),
        rests: flags(batch.rest_rows, "rest_rows")?,
        expire: Sparse::new(batch.expire_time_rows, batch.expire_times, "expire_times")?,
        destinations: batch.destinations.into(),
        origins: batch.origins.into(),
        refusals: Sparse::new(batch.send_refusal_rows, batch.send_refusals, "send_refusals")?,
    };
    let mut noted = Sparse::new(batch.metadata_rows, batch.metadata, "metadata")?;
    let mut links =
        Links::new(batch.linked_rows, batch.entry_rows, batch.entry_lengths, batch.entry_ids)?;
    let (uuids, rest) = batch.uuids.as_chunks::<16>();
    let mut uuids = uuids.iter();

    let mut accepted = Vec::with_capacity(count);
    for (at, row) in (0u32..).zip(0..count) {
        let id = match texts.take(at) {
            Some(text) => Id::Text(text.into()),
            None => Id::Uuid(*uuids.next().ok_or_else(|| DecodeError::new("uuids"))?),
        };
        accepted.push(AcceptedTransfer {
            id,
            effect: effects.take(at)?,
            debit_account: AccountHandle(debits.get(row)),
            credit_account: AccountHandle(credits.get(row)),
            asset: AssetHandle(assets.get(row)),
            amount: join(low.get(row), high.get(row)),
            up_to: up_to.take(at).map(Box::new),
            reference: references.take(at).unwrap_or_default().into(),
            effective_at: effective.take(at),
            link: links.take(at)?,
            metadata: noted.take(at).map(noted_from_wire).transpose()?.unwrap_or_default(),
        });
    }
    let left_over = uuids.next().is_some() || !rest.is_empty() || !effects.is_empty();
    let sparse = !texts.is_empty() || !references.is_empty() || !effective.is_empty();
    let of_few = !up_to.is_empty() || !links.is_empty() || !noted.is_empty();
    if left_over || sparse || of_few {
        return Err(DecodeError::new("a column has more values than rows"));
    }
    Ok(TransferBatch { ledger: LedgerHandle(batch.ledger), accepted, refused })
}

/// A row without any has no place in the column.
fn noted_from_wire(noted: wire::Metadata) -> Result<Metadata, DecodeError> {
    let metadata = metadata::from_wire(noted.entries)?;
    if metadata.is_empty() { Err(DecodeError::new("metadata of nothing")) } else { Ok(metadata) }
}

/// The columns that say what a row did that was no post.
struct Effects {
    kinds: Sparse<i32>,
    holds: VecDeque<wire::Id>,
    reversed: VecDeque<wire::Id>,
    remaining: VecDeque<u128>,
    rests: Sparse<()>,
    expire: Sparse<i64>,
    destinations: VecDeque<wire::Destination>,
    origins: VecDeque<wire::Origin>,
    refusals: Sparse<wire::SendRefusal>,
}

impl Effects {
    fn take(&mut self, at: u32) -> Result<Effect, DecodeError> {
        let Some(number) = self.kinds.take(at) else { return Ok(Effect::Post) };
        Ok(match kind_from_wire(number)? {
            TransferKind::Post => return Err(DecodeError::new("a post is said by nothing")),
            TransferKind::Hold => Effect::Hold { expires_at: self.expire.take(at) },
            TransferKind::Capture => {
                let hold = hold_from_wire(self.holds.pop_front())?;
                let (rest, remaining) = self.remaining(at)?;
                Effect::Capture(Box::new(Capture { hold, rest, remaining }))
            }
            TransferKind::Void => {
                let hold = Box::new(hold_from_wire(self.holds.pop_front())?);
                let refused =
                    self.refusals.take(at).as_ref().map(send::refusal_from_wire).transpose()?;
                Effect::Void { hold, refused: refused.map(Box::new) }
            }
            TransferKind::Send => {
                Effect::Send(Box::new(send::destination_from_wire(self.destinations.pop_front())?))
            }
            TransferKind::Receive => {
                Effect::Receive(Box::new(send::origin_from_wire(self.origins.pop_front())?))
            }
            TransferKind::Reversal => {
                let of = reversed_from_wire(self.reversed.pop_front())?;
                let (rest, remaining) = self.remaining(at)?;
                Effect::Reversal(Box::new(Reversal { of, rest, remaining }))
            }
        })
    }

    fn remaining(&mut self, at: u32) -> Result<(bool, u128), DecodeError> {
        let remaining = self.remaining.pop_front();
        let remaining = remaining.ok_or_else(|| DecodeError::new("remaining"))?;
        Ok((self.rests.take(at).is_some(), remaining))
    }

    fn is_empty(&self) -> bool {
        let Effects { kinds, holds, reversed, remaining, rests, expire, .. } = self;
        let Effects { destinations, origins, refusals, .. } = self;
        let sparse = kinds.is_empty() && rests.is_empty() && expire.is_empty();
        let of_sends = destinations.is_empty() && origins.is_empty() && refusals.is_empty();
        sparse && of_sends && holds.is_empty() && reversed.is_empty() && remaining.is_empty()
    }
}

/// The columns that say with which others a row was accepted.
struct Links {
    linked: Sparse<()>,
    entries: Sparse<(u32, wire::Id)>,
    /// The entry that goes on, and how many rows of it are to come.
    open: Option<(Box<Id>, u32)>,
}

impl Links {
    fn new(
        linked: Vec<u32>,
        at: Vec<u32>,
        lengths: Vec<u32>,
        ids: Vec<wire::Id>,
    ) -> Result<Self, DecodeError> {
        if lengths.len() != ids.len() {
            return Err(DecodeError::new("entry_lengths"));
        }
        let entries = lengths.into_iter().zip(ids).collect();
        let entries = Sparse::new(at, entries, "entry_ids")?;
        Ok(Links { linked: flags(linked, "linked_rows")?, entries, open: None })
    }

    fn take(&mut self, at: u32) -> Result<Link, DecodeError> {
        if let Some((length, id)) = self.entries.take(at) {
            if self.open.is_some() || length == 0 {
                return Err(DecodeError::new("entries have rows of their own"));
            }
            self.open = Some((Box::new(id_from_wire(id)?), length));
        }
        let linked = self.linked.take(at).is_some();
        match self.open.take() {
            Some(_) if linked => Err(DecodeError::new("a row is linked or of an entry")),
            Some((id, rows)) => {
                self.open = rows.checked_sub(2).map(|more| (id.clone(), more + 1));
                Ok(Link::Entry(id))
            }
            None => Ok(if linked { Link::Next } else { Link::Alone }),
        }
    }

    fn is_empty(&self) -> bool {
        self.linked.is_empty() && self.entries.is_empty() && self.open.is_none()
    }
}

fn flags(rows: Vec<u32>, name: &str) -> Result<Sparse<()>, DecodeError> {
    let values = vec![(); rows.len()];
    Sparse::new(rows, values, name)
}

fn reversed_from_wire(id: Option<wire::Id>) -> Result<Id, DecodeError> {
    id_from_wire(id.ok_or_else(|| DecodeError::new("a reversal of nothing"))?)
}

fn kind_from_wire(number: i32) -> Result<TransferKind, DecodeError> {
    let kind = u8::try_from(number).ok().and_then(TransferKind::from_number);
    kind.ok_or_else(|| DecodeError::new("a kind of no transfer"))
}

/// A dense column on the wire: one value stands for all rows when they have the same.
fn column<T: PartialEq + Copy>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut column: Vec<T> = values.collect();
    if let Some(first) = column.first().copied()
        && column.iter().all(|value| *value == first)
    {
        column.truncate(1);
    }
    column
}

/// Low and high halves, put together.
fn joined(low: Vec<u64>, high: Vec<u64>) -> Result<Vec<u128>, DecodeError> {
    if low.len() != high.len() {
        return Err(DecodeError::new("an amount has two halves"));
    }
    Ok(low.into_iter().zip(high).map(|(low, high)| join(low, high)).collect())
}

pub(super) fn join(low: u64, high: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

/// High and low 64 bits.
pub(super) fn split(amount: u128) -> (u64, u64) {
    let [high, low] = [amount >> 64, amount & u128::from(u64::MAX)];
    (u64::try_from(high).unwrap_or(u64::MAX), u64::try_from(low).unwrap_or(u64::MAX))
}

/// A dense column that was read: `count` values, or one for all.
struct Dense<T> {
    values: Vec<T>,
    same: bool,
}

impl<T: Copy> Dense<T> {
    fn new(values: Vec<T>, count: usize, name: &str) -> Result<Self, DecodeError> {
        let same = values.len() == 1 && count > 1;
        if values.len() == count || same {
            Ok(Dense { values, same })
        } else {
            Err(DecodeError::new(name))
        }
    }

    fn same(value: T, count: usize) -> Self {
        Dense { values: vec![value], same: count != 1 }
    }

    fn get(&self, row: usize) -> T {
        self.values[if self.same { 0 } else { row }]
    }
}

/// A sparse column that was read: ascending rows, each with its value.
struct Sparse<T> {
    values: VecDeque<(u32, T)>,
}

impl<T> Sparse<T> {
    fn new(at: Vec<u32>, values: Vec<T>, name: &str) -> Result<Self, DecodeError> {
        let ascending = at.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if at.len() != values.len() || !ascending {
            return Err(DecodeError::new(name));
        }
        Ok(Sparse { values: at.into_iter().zip(values).collect() })
    }

    fn take(&mut self, at: u32) -> Option<T> {
        self.values.pop_front_if(|(next, _)| *next == at).map(|(_, value)| value)
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

fn refused_to_wire(refused: &RefusedTransfer) -> wire::RefusedTransfer {
    let RefusedTransfer { row, transfer, rejection } = refused;
    let Transfer { id, movement, reference, effective_at, link, metadata } = transfer;
    let mut out = wire::RefusedTransfer {
        row: *row,
        code: rejection.code.number(),
        subject: rejection.subject.to_string(),
        id: Some(id_to_wire(id)),
        amount: movement.amount().map(|amount| amount.to_string()).unwrap_or_default(),
        reference: reference.to_string(),
        effective_time: *effective_at,
        hold_id: movement.hold().map(id_to_wire),
        expire_time: movement.expires_at(),
        reversed_id: movement.reverses().map(id_to_wire),
        linked: *link == Link::Next,
        entry_id: link.entry().map(id_to_wire),
        destination: movement.destination().map(send::destination_to_wire),
        origin: movement.origin().map(send::origin_to_wire),
        send_refusal: movement.refused().map(send::refusal_to_wire),
        metadata: metadata::to_wire(metadata),
        ..Default::default()
    };
    if movement.kind() != TransferKind::Post {
        out.kind = movement.kind().number().into();
    }
    if let Some(leg) = movement.leg() {
        out.debit_account = leg.debit_account.to_string();
        out.credit_account = leg.credit_account.to_string();
        out.asset = leg.asset.to_string();
        out.up_to = leg.up_to;
    }
    out
}

fn refused_from_wire(refused: &wire::RefusedTransfer) -> Result<RefusedTransfer, DecodeError> {
    let no_id = || DecodeError::new("a refused transfer without an id");
    let id = id_from_wire(refused.id.clone().ok_or_else(no_id)?)?;
    let kind = match refused.kind {
        0 => TransferKind::Post,
        number => kind_from_wire(number)?,
    };
    let amount = || Decimal::parse(&refused.amount).map_err(|_| DecodeError::new("amount"));
    let leg = || {
        Ok(Leg {
            debit_account: AccountName::from_log(&refused.debit_account),
            credit_account: AccountName::from_log(&refused.credit_account),
            asset: AssetCode::from_log(&refused.asset),
            amount: amount()?,
            up_to: refused.up_to,
        })
    };
    let part = || (!refused.amount.is_empty()).then(amount).transpose();
    let hold = || hold_from_wire(refused.hold_id.clone());
    let movement = match kind {
        TransferKind::Post => Movement::Post(leg()?),
        TransferKind::Hold => Movement::Hold { leg: leg()?, expires_at: refused.expire_time },
        TransferKind::Capture => Movement::Capture { hold: hold()?, amount: part()? },
        TransferKind::Void => {
            let refused = refused.send_refusal.as_ref().map(send::refusal_from_wire).transpose()?;
            Movement::Void { hold: hold()?, refused: refused.map(Box::new) }
        }
        TransferKind::Send => {
            let to = send::destination_from_wire(refused.destination.clone())?;
            Movement::Send { leg: leg()?, to: Box::new(to) }
        }
        TransferKind::Receive => {
            let from = send::origin_from_wire(refused.origin.clone())?;
            Movement::Receive { leg: leg()?, from: Box::new(from) }
        }
        TransferKind::Reversal => {
            let of = reversed_from_wire(refused.reversed_id.clone())?;
            Movement::Reversal { of, amount: part()? }
        }
    };
    let link = match (refused.linked, refused.entry_id.clone()) {
        (false, None) => Link::Alone,
        (true, None) => Link::Next,
        (false, Some(entry)) => Link::Entry(Box::new(id_from_wire(entry)?)),
        (true, Some(_)) => return Err(DecodeError::new("a row is linked or of an entry")),
    };
    let rejection = rejection_from_wire(refused.code, &refused.subject)?;
    let reference = refused.reference.as_str().into();
    let effective_at = refused.effective_time;
    let metadata = metadata::from_wire(refused.metadata.clone())?;
    let transfer = Transfer { id, movement, reference, effective_at, link, metadata };
    Ok(RefusedTransfer { row: refused.row, transfer, rejection })
}
