//! Transfers by their id, posted or refused.

use ledger_domain::{LedgerHandle, Position, PostedTransfer, Transfer};
use ledger_proto::{answer, resource, v1};
use ledger_views::TransferOutcome;

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;

impl Query {
    /// One transfer.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_transfer(
        &self,
        request: &v1::GetTransferRequest,
    ) -> Result<v1::GetTransferResponse, QueryError> {
        let (name, id) = resource::transfer("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let ledger = read.ledger(&name)?.handle;
        let row = read.view.transfer(read.place, ledger, &id)?;
        let unknown = || read.not_found("UNKNOWN_TRANSFER", "transfer", &id.to_string());
        let row = row.ok_or_else(unknown)?;
        let position =
            Position::event(read.view.log().partition, row.place.offset, row.place.index);
        let (transfer, refusal) = match &row.outcome {
            TransferOutcome::Posted(posted) => (read.posted(ledger, posted)?, None),
            TransferOutcome::Refused(asked, rejection) => {
                let refusal = answer::refusal(rejection, Some(position), false);
                (read.asked(ledger, asked)?, Some(refusal))
            }
        };
        let recorded_at = commit_row(read.view, row.place.offset)?.recorded_at;
        Ok(v1::GetTransferResponse {
            transfer: Some(transfer),
            position: position.to_string(),
            recorded_at: Some(answer::timestamp(recorded_at)),
            refusal,
            read_at: Some(read.read_at),
        })
    }
}

impl Fixed<'_> {
    fn posted(
        &self,
        ledger: LedgerHandle,
        posted: &PostedTransfer,
    ) -> Result<v1::Transfer, QueryError> {
        let asset = self.asset_code(ledger, posted.asset)?;
        let debit = self.account_name(posted.debit_account)?;
        let credit = self.account_name(posted.credit_account)?;
        let names = answer::TransferNames {
            debit_account: debit.as_str(),
            credit_account: credit.as_str(),
            asset: asset.code.as_str(),
            scale: asset.scale,
        };
        Ok(answer::posted(posted, names))
    }

    fn asked(&self, ledger: LedgerHandle, asked: &Transfer) -> Result<v1::Transfer, QueryError> {
        let asset = self.view.asset(self.place, ledger, asked.asset.as_str())?;
        Ok(answer::asked(asked, asset.map(|asset| asset.scale)))
    }
}
