//! What became of metadata.

use ledger_domain::MetadataTarget;
use ledger_proto::{answer, resource, v1};

use super::{Query, commit_row};
use crate::error::QueryError;
use crate::token::Paging;

impl Query {
    /// The updates of the metadata of a ledger or an account, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_metadata_history(
        &self,
        request: &v1::ListMetadataHistoryRequest,
    ) -> Result<v1::ListMetadataHistoryResponse, QueryError> {
        let (name, account) = match resource::account_read("parent", &request.parent) {
            Ok((ledger, account)) => (ledger, Some(account)),
            // What is refused is that of the longer form, where it is of neither.
            Err(refused) => match resource::ledger("parent", &request.parent) {
                Ok(ledger) => (ledger, None),
                Err(_) => return Err(refused.into()),
            },
        };
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str()];
        let paging = Paging::read(self.log_id, "ListMetadataHistory", &parts, consistency, page)?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let (ledger, target) = match &account {
            None => (read.ledger(&name)?.handle, MetadataTarget::Ledger),
            Some(account) => {
                let (ledger, row) = read.account(&name, account)?;
                (ledger.handle, MetadataTarget::Account(row.handle))
            }
        };
        let from = paging.begins_at(read.place)?;
        // One more than is shown: where the next page begins.
        let mut rows = read.view.metadata_history(from, ledger, &target, paging.limit + 1)?;
        let next_page_token = paging.cut(read.place, &mut rows);
        let updates = rows.iter().map(|(place, row)| {
            let recorded_at = commit_row(read.view, place.offset)?.recorded_at;
            Ok(v1::MetadataUpdate {
                position: read.at(*place),
                recorded_at: Some(answer::timestamp(recorded_at)),
                changes: answer::metadata_changes(&row.changes),
            })
        });
        Ok(v1::ListMetadataHistoryResponse {
            updates: updates.collect::<Result<_, QueryError>>()?,
            next_page_token,
            read_at: Some(read.read_at),
        })
    }
}
