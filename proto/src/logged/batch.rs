//! A batch of transfers as columns: 25 to 40 bytes a transfer, and some 50 times cheaper to decode than
//! a message and strings for each.

use std::collections::VecDeque;

use ledger_domain::limits::BATCH_TRANSFERS_MAX;
use ledger_domain::{
    AccountHandle, AccountName, AssetCode, AssetHandle, Decimal, Id, LedgerHandle, PostedTransfer,
    RefusedTransfer, Transfer, TransferBatch,
};

use super::{DecodeError, id_from_wire, id_to_wire, rejection_from_wire};
use crate::log_v1 as wire;

pub(super) fn to_wire(batch: &TransferBatch) -> wire::TransferBatch {
    let posted = &batch.posted;
    let mut out = wire::TransferBatch {
        ledger: batch.ledger.0,
        rows: batch.rows(),
        uuids: Vec::with_capacity(posted.len() * 16),
        debit_accounts: column(posted.iter().map(|t| t.debit_account.0)),
        credit_accounts: column(posted.iter().map(|t| t.credit_account.0)),
        assets: column(posted.iter().map(|t| t.asset.0)),
        amounts_low: column(posted.iter().map(|t| split(t.amount).1)),
        refused: batch.refused.iter().map(refused_to_wire).collect(),
        ..Default::default()
    };
    if posted.iter().any(|t| split(t.amount).0 != 0) {
        out.amounts_high = column(posted.iter().map(|t| split(t.amount).0));
    }
    for (at, transfer) in (0u32..).zip(posted) {
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
    }
    out
}

pub(super) fn from_wire(batch: wire::TransferBatch) -> Result<TransferBatch, DecodeError> {
    // Bounded before anything is reserved: one value may stand for a whole column. An event without
    // rows would share its index with the next.
    let rows = usize::try_from(batch.rows).ok();
    let rows = rows.filter(|rows| (1..=BATCH_TRANSFERS_MAX).contains(rows));
    let rows = rows.ok_or_else(|| DecodeError::new("rows"))?;
    let refused: Vec<_> =
        batch.refused.into_iter().map(refused_from_wire).collect::<Result<_, _>>()?;
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
    let (uuids, rest) = batch.uuids.as_chunks::<16>();
    let mut uuids = uuids.iter();

    let mut posted = Vec::with_capacity(count);
    for (at, row) in (0u32..).zip(0..count) {
        let id = match texts.take(at) {
            Some(text) => Id::Text(text.into()),
            None => Id::Uuid(*uuids.next().ok_or_else(|| DecodeError::new("uuids"))?),
        };
        posted.push(PostedTransfer {
            id,
            debit_account: AccountHandle(debits.get(row)),
            credit_account: AccountHandle(credits.get(row)),
            asset: AssetHandle(assets.get(row)),
            amount: (u128::from(high.get(row)) << 64) | u128::from(low.get(row)),
            reference: references.take(at).unwrap_or_default().into(),
            effective_at: effective.take(at),
        });
    }
    let left_over = uuids.next().is_some() || !rest.is_empty();
    if left_over || !texts.is_empty() || !references.is_empty() || !effective.is_empty() {
        return Err(DecodeError::new("a column has more values than rows"));
    }
    Ok(TransferBatch { ledger: LedgerHandle(batch.ledger), posted, refused })
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

/// High and low 64 bits.
fn split(amount: u128) -> (u64, u64) {
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
    wire::RefusedTransfer {
        row: *row,
        code: rejection.code.number(),
        subject: rejection.subject.to_string(),
        id: Some(id_to_wire(&transfer.id)),
        debit_account: transfer.debit_account.to_string(),
        credit_account: transfer.credit_account.to_string(),
        asset: transfer.asset.to_string(),
        amount: transfer.amount.to_string(),
        reference: transfer.reference.to_string(),
        effective_time: transfer.effective_at,
    }
}

fn refused_from_wire(refused: wire::RefusedTransfer) -> Result<RefusedTransfer, DecodeError> {
    let id = refused.id.ok_or_else(|| DecodeError::new("a refused transfer without an id"))?;
    let transfer = Transfer {
        id: id_from_wire(id)?,
        debit_account: AccountName::from_log(&refused.debit_account),
        credit_account: AccountName::from_log(&refused.credit_account),
        asset: AssetCode::from_log(&refused.asset),
        amount: Decimal::parse(&refused.amount).map_err(|_| DecodeError::new("amount"))?,
        reference: refused.reference.into(),
        effective_at: refused.effective_time,
    };
    let rejection = rejection_from_wire(refused.code, &refused.subject)?;
    Ok(RefusedTransfer { row: refused.row, transfer, rejection })
}
