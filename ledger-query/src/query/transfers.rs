//! Transfers by their id, accepted or refused.

use ledger_domain::amount::format_minor;
use ledger_domain::{
    AcceptedTransfer, Effect, Id, LedgerHandle, LedgerName, MetadataTarget, Position, Transfer,
};
use ledger_proto::{answer, resource, v1};
use ledger_views::{
    HoldRow, JournalEntryRow, MetadataRow, Place, StoreError, TransferOutcome, TransferRow,
};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;

/// Reversals of one transfer that an answer names.
const REVERSALS_SHOWN_MAX: usize = 100;

/// The newest update of a transfer's metadata.
type Updated = Option<(Place, MetadataRow)>;

impl Query {
    /// One transfer.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_transfer(
        &self,
        request: &v1::GetTransferRequest,
    ) -> Result<v1::GetTransferResponse, QueryError> {
        let (name, id) = resource::transfer_read("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let (ledger, row) = read.transfer(&name, &id)?;
        let updated = read.updated(ledger, &id)?;
        let position =
            Position::event(read.view.log().partition, row.place.offset, row.place.index);
        let (transfer, refusal, hold, reversal) = match &row.outcome {
            TransferOutcome::Accepted(accepted) => {
                let hold = read.hold_state(ledger, accepted)?;
                let reversal = read.reversal_state(ledger, accepted)?;
                (read.accepted((&name, ledger), accepted, &updated)?, None, hold, reversal)
            }
            TransferOutcome::Refused(asked, rejection) => {
                let refusal = answer::refusal(rejection, Some(position), false);
                (read.asked((&name, ledger), asked)?, Some(refusal), None, None)
            }
        };
        let recorded_at = commit_row(read.view, row.place.offset)?.recorded_at;
        Ok(v1::GetTransferResponse {
            metadata_position: updated.map(|(place, _)| read.at(place)).unwrap_or_default(),
            transfer: Some(transfer),
            position: position.to_string(),
            recorded_at: Some(answer::timestamp(recorded_at)),
            refusal,
            read_at: Some(read.read_at),
            hold,
            reversal,
        })
    }

    /// The transfers of a journal entry.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_journal_entry(
        &self,
        request: &v1::GetJournalEntryRequest,
    ) -> Result<v1::GetJournalEntryResponse, QueryError> {
        let (name, id) = resource::journal_entry("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let ledger = read.ledger(&name)?.handle;
        let row = read.view.journal_entry(read.place, ledger, &id)?;
        let unknown = || read.not_found("UNKNOWN_JOURNAL_ENTRY", "journal entry", &id.to_string());
        let JournalEntryRow { place, transfers } = row.ok_or_else(unknown)?;
        let transfers = transfers.iter().map(|id| read.journal_transfer((&name, ledger), id));
        let transfers = transfers.collect::<Result<_, _>>()?;
        let recorded_at = commit_row(read.view, place.offset)?.recorded_at;
        Ok(v1::GetJournalEntryResponse {
            name: resource::journal_entry_resource(name.as_str(), &id),
            transfers,
            position: read.at(place),
            recorded_at: Some(answer::timestamp(recorded_at)),
            read_at: Some(read.read_at),
        })
    }
}

impl Fixed<'_> {
    /// A transfer, accepted or refused, and its ledger.
    pub(super) fn transfer(
        &self,
        name: &LedgerName,
        id: &Id,
    ) -> Result<(LedgerHandle, TransferRow), QueryError> {
        let ledger = self.ledger(name)?.handle;
        let row = self.view.transfer(self.place, ledger, id)?;
        let unknown = || self.not_found("UNKNOWN_TRANSFER", "transfer", &id.to_string());
        Ok((ledger, row.ok_or_else(unknown)?))
    }

    /// What became of its metadata since it was decided; none where it was never updated.
    pub(super) fn updated(&self, ledger: LedgerHandle, id: &Id) -> Result<Updated, QueryError> {
        Ok(self.view.metadata(self.place, ledger, &MetadataTarget::Transfer(id.clone()))?)
    }

    /// With the metadata that it has there.
    pub(super) fn accepted(
        &self,
        (name, ledger): (&LedgerName, LedgerHandle),
        accepted: &AcceptedTransfer,
        updated: &Updated,
    ) -> Result<v1::Transfer, QueryError> {
        let metadata = updated.as_ref().map_or(&accepted.metadata, |(_, row)| &row.metadata);
        let asset = self.asset_code(ledger, accepted.asset)?;
        let debit = self.account_name(accepted.debit_account)?;
        let credit = self.account_name(accepted.credit_account)?;
        let names = answer::TransferNames {
            debit_account: debit.as_str(),
            credit_account: credit.as_str(),
            asset: asset.code.as_str(),
            scale: asset.scale,
        };
        Ok(v1::Transfer {
            metadata: answer::metadata(metadata),
            sealed_metadata: self.sealed_metadata(name, metadata)?,
            ..answer::accepted(accepted, names)
        })
    }

    /// What became of a hold; none of another transfer.
    pub(super) fn hold_state(
        &self,
        ledger: LedgerHandle,
        accepted: &AcceptedTransfer,
    ) -> Result<Option<v1::HoldState>, QueryError> {
        let AcceptedTransfer { id, asset, amount, effect, .. } = accepted;
        if !matches!(effect, Effect::Hold { .. } | Effect::Send(_)) {
            return Ok(None);
        }
        let missing = || StoreError::Damaged { what: format!("holds: no row of {id}") };
        let (place, row) = self.view.hold(self.place, ledger, id)?.ok_or_else(missing)?;
        let HoldRow { status, remaining, released } = row;
        let captured = amount.saturating_sub(remaining).saturating_sub(released);
        let scale = self.asset_code(ledger, *asset)?.scale;
        let status = v1::HoldStatus::try_from(i32::from(status.number())).unwrap_or_default();
        Ok(Some(v1::HoldState {
            status: status.into(),
            captured: format_minor(captured, scale),
            remaining: format_minor(remaining, scale),
            released: format_minor(released, scale),
            position: self.at(place),
        }))
    }

    /// How much of a transfer was reversed; none of one of which nothing was.
    fn reversal_state(
        &self,
        ledger: LedgerHandle,
        accepted: &AcceptedTransfer,
    ) -> Result<Option<v1::ReversalState>, QueryError> {
        let AcceptedTransfer { id, asset, amount, .. } = accepted;
        if !accepted.is_reversible() {
            return Ok(None);
        }
        let reversals = self.view.reversals(self.place, ledger, id, REVERSALS_SHOWN_MAX)?;
        let Some((place, newest)) = reversals.first() else { return Ok(None) };
        let remaining = newest.remaining;
        let scale = self.asset_code(ledger, *asset)?.scale;
        Ok(Some(v1::ReversalState {
            reversed: format_minor(amount.saturating_sub(remaining), scale),
            remaining: format_minor(remaining, scale),
            position: self.at(*place),
            reversal_ids: reversals.iter().map(|(_, row)| row.reversal.to_string()).collect(),
        }))
    }

    fn journal_transfer(
        &self,
        (name, ledger): (&LedgerName, LedgerHandle),
        id: &Id,
    ) -> Result<v1::JournalTransfer, QueryError> {
        let missing = || StoreError::Damaged { what: format!("transfers: no row of {id}") };
        let row = self.view.transfer(self.place, ledger, id)?.ok_or_else(missing)?;
        let TransferOutcome::Accepted(accepted) = &row.outcome else {
            return Err(missing().into());
        };
        Ok(v1::JournalTransfer {
            transfer: Some(self.accepted((name, ledger), accepted, &self.updated(ledger, id)?)?),
            position: self.at(row.place),
            hold: self.hold_state(ledger, accepted)?,
            reversal: self.reversal_state(ledger, accepted)?,
        })
    }

    fn asked(
        &self,
        (name, ledger): (&LedgerName, LedgerHandle),
        asked: &Transfer,
    ) -> Result<v1::Transfer, QueryError> {
        let scale = match asked.movement.leg() {
            Some(leg) => self.view.asset(self.place, ledger, leg.asset.as_str())?,
            None => None,
        };
        Ok(v1::Transfer {
            sealed_metadata: self.sealed_metadata(name, &asked.metadata)?,
            ..answer::asked(asked, scale.map(|asset| asset.scale))
        })
    }
}
