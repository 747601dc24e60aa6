//! Rows of metadata, and of the index by which accounts are found.

use ledger_domain::{LedgerHandle, Metadata, MetadataChange, MetadataTarget, MetadataValue};

use super::{Balances, ProjectError, Projection, known_account, known_ledger, poison};
use crate::key::{self, Place};
use crate::row::{MetadataIndexRow, MetadataRow, Row};
use crate::rows::Rows;
use crate::table::Table;

/// Of something that was created with it. It makes no row where there is none.
pub(super) fn created(
    projection: &mut Projection<impl Balances>,
    place: Place,
    (ledger, target): (LedgerHandle, MetadataTarget),
    metadata: &Metadata,
    rows: &mut Rows,
) {
    if let Some(row) = MetadataRow::created(metadata) {
        put(projection, place, (ledger, target), row, rows);
    }
}

/// Of an update; that of a transfer tells all that is noted itself.
pub(super) fn changed(
    projection: &mut Projection<impl Balances>,
    place: Place,
    (ledger, target): (LedgerHandle, MetadataTarget),
    (changes, others): (&[MetadataChange], &Metadata),
    rows: &mut Rows,
) -> Result<(), ProjectError> {
    known_ledger(projection.heads, ledger, place)?;
    if let MetadataTarget::Transfer(_) = target {
        let row = MetadataRow { changes: changes.to_vec(), metadata: others.after(changes) };
        rows.put(Table::Metadata, &key::metadata(ledger, &target, place), |out| row.encode(out));
        return Ok(());
    }
    if let MetadataTarget::Account(account) = target {
        known_account(projection.heads, account, place)?;
    }
    let subject = (ledger, target);
    let mut metadata = projection.noted.get(&mut projection.balances, &subject)?;
    for change in changes {
        if metadata.get(&change.key) != change.before.as_ref() {
            let what = format!("metadata {} changes from what it is not", change.key);
            return Err(poison(place, what));
        }
        metadata.apply(change);
    }
    let row = MetadataRow { changes: changes.to_vec(), metadata };
    put(projection, place, subject, row, rows);
    Ok(())
}

fn put(
    projection: &mut Projection<impl Balances>,
    place: Place,
    subject: (LedgerHandle, MetadataTarget),
    row: MetadataRow,
    rows: &mut Rows,
) {
    let (ledger, target) = &subject;
    rows.put(Table::Metadata, &key::metadata(*ledger, target, place), |out| row.encode(out));
    if let MetadataTarget::Account(account) = target {
        for MetadataChange { key, before, after } in &row.changes {
            for (value, is_there) in [(before, false), (after, true)] {
                let Some(text) = value.as_ref().and_then(MetadataValue::as_plain) else { continue };
                let prefix = key::metadata_index_prefix(*ledger, key, text);
                let key = key::metadata_index(&prefix, *account, place);
                rows.put(Table::MetadataIndex, &key, |out| MetadataIndexRow(is_there).encode(out));
            }
        }
    }
    projection.noted.set(subject, row.metadata);
}
