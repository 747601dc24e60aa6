//! What became of metadata.

use ledger_domain::{LedgerName, MetadataOf, MetadataTarget, Rejection};
use ledger_proto::{answer, resource, v1};

use super::{Query, commit_row};
use crate::error::QueryError;
use crate::token::Paging;

impl Query {
    /// The updates of the metadata of a ledger, an account or a transfer, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_metadata_history(
        &self,
        request: &v1::ListMetadataHistoryRequest,
    ) -> Result<v1::ListMetadataHistoryResponse, QueryError> {
        let (name, of) = parent(&request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str()];
        let paging = Paging::read(self.log_id, "ListMetadataHistory", &parts, consistency, page)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let from = paging.begins_at(read.place)?;
        let mut asked = None;
        let (ledger, target) = match &of {
            MetadataOf::Ledger => (read.ledger(&name)?.handle, MetadataTarget::Ledger),
            MetadataOf::Account(account) => {
                let (ledger, row) = read.account(&name, account)?;
                (ledger.handle, MetadataTarget::Account(row.handle))
            }
            MetadataOf::Transfer(id) => {
                let (ledger, row) = read.transfer(&name, id)?;
                asked = row.noted();
                (ledger, MetadataTarget::Transfer(id.clone()))
            }
        };
        // One more than is shown: where the next page begins.
        let mut rows = read.view.metadata_history(from, ledger, &target, paging.limit + 1)?;
        if rows.len() <= paging.limit {
            // That a transfer was asked for with it stands with the transfer alone.
            rows.extend(asked.filter(|(place, _)| *place <= from));
        }
        let next_page_token = paging.cut(read.place, &mut rows);
        let updates = rows.iter().map(|(place, row)| {
            let recorded_at = commit_row(read.view, place.offset)?.recorded_at;
            Ok(v1::MetadataUpdate {
                position: read.at(*place),
                recorded_at: Some(answer::timestamp(recorded_at)),
                changes: read.metadata_changes(&name, &row.changes)?,
            })
        });
        Ok(v1::ListMetadataHistoryResponse {
            updates: updates.collect::<Result<_, QueryError>>()?,
            next_page_token,
            read_at: Some(read.read_at),
        })
    }
}

/// Whose metadata is asked for. What is refused is that of an account's name, where it is of none.
fn parent(name: &str) -> Result<(LedgerName, MetadataOf), Rejection> {
    resource::account_read("parent", name)
        .map(|(ledger, account)| (ledger, MetadataOf::Account(account)))
        .or_else(|refused| {
            let transfer = resource::transfer_read("parent", name);
            let transfer = transfer.map(|(ledger, id)| (ledger, MetadataOf::Transfer(id)));
            let ledger = || resource::ledger("parent", name);
            transfer
                .or_else(|_| ledger().map(|ledger| (ledger, MetadataOf::Ledger)))
                .map_err(|_| refused)
        })
}
