//! The open holds of a ledger.

use ledger_domain::amount::format_minor;
use ledger_domain::{AcceptedTransfer, AccountHandle, AccountName, Id, LedgerHandle, LedgerName};
use ledger_proto::{answer, resource, v1};
use ledger_views::{HoldRow, Place, SetKind, StoreError, TransferOutcome};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;
use crate::token::{Paging, bad};

/// Holds that one page looks at for those of an account. It may so be short, or empty, and still have a next.
const HOLDS_EXAMINED_MAX: usize = 1_000;

impl Query {
    /// The holds of a ledger of which something is left, by id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_holds(
        &self,
        request: &v1::ListHoldsRequest,
    ) -> Result<v1::ListHoldsResponse, QueryError> {
        let name = resource::ledger("parent", &request.parent)?;
        let account = account_filter(&request.account)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str(), request.account.as_str()];
        let paging = Paging::read(self.log_id, "ListHolds", &parts, consistency, page)?;
        let after = paging.after()?.map(Id::parse_read).transpose();
        let after = after.map_err(|_| bad("it is of another list"))?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let (ledger, account) = match account {
            None => (read.ledger(&name)?.handle, None),
            Some(account) => {
                let (ledger, row) = read.account(&name, &account)?;
                (ledger.handle, Some(row.handle))
            }
        };
        let examined = if account.is_some() { HOLDS_EXAMINED_MAX } else { paging.limit };
        let open = SetKind::OpenHolds;
        let page = read.view.members(read.place, ledger, open, after.as_ref(), examined)?;
        let (mut holds, mut next) = (Vec::new(), page.after);
        let count = page.members.len();
        for (nth, id) in page.members.into_iter().enumerate() {
            let hold = read.open_hold(ledger, &id)?;
            if account.is_some_and(|account| !hold.is_of(account)) {
                continue;
            }
            holds.push(read.wire_hold(&name, ledger, &hold)?);
            if holds.len() >= paging.limit {
                next = if nth + 1 < count { Some(id) } else { next };
                break;
            }
        }
        let next = next.map(|id| paging.next(&[read.place], id.to_string().as_bytes()));
        Ok(v1::ListHoldsResponse {
            holds,
            next_page_token: next.unwrap_or_default(),
            read_at: Some(read.read_at),
        })
    }
}

fn account_filter(account: &str) -> Result<Option<AccountName>, QueryError> {
    if account.is_empty() {
        return Ok(None);
    }
    let invalid = |rule: ledger_domain::NameError| {
        QueryError::invalid("MALFORMED", format!("account: {rule}"))
    };
    AccountName::parse_read(account).map(Some).map_err(invalid)
}

/// A hold as it was opened, and what is left of it.
struct OpenHold {
    opened: Place,
    transfer: AcceptedTransfer,
    row: HoldRow,
}

impl OpenHold {
    fn is_of(&self, account: AccountHandle) -> bool {
        [self.transfer.debit_account, self.transfer.credit_account].contains(&account)
    }
}

impl Fixed<'_> {
    fn open_hold(&self, ledger: LedgerHandle, id: &Id) -> Result<OpenHold, QueryError> {
        let missing =
            |table: &str| StoreError::Damaged { what: format!("{table}: no row of hold {id}") };
        let (_, row) = self.view.hold(self.place, ledger, id)?.ok_or_else(|| missing("holds"))?;
        let transfer = self.view.transfer(self.place, ledger, id)?;
        let transfer = transfer.ok_or_else(|| missing("transfers"))?;
        let TransferOutcome::Accepted(accepted) = transfer.outcome else {
            return Err(missing("transfers").into());
        };
        Ok(OpenHold { opened: transfer.place, transfer: accepted, row })
    }

    fn wire_hold(
        &self,
        name: &LedgerName,
        ledger: LedgerHandle,
        hold: &OpenHold,
    ) -> Result<v1::Hold, QueryError> {
        let OpenHold { opened, transfer, row } = hold;
        let asset = self.asset_code(ledger, transfer.asset)?;
        let recorded_at = commit_row(self.view, opened.offset)?.recorded_at;
        Ok(v1::Hold {
            name: resource::transfer_resource(name.as_str(), &transfer.id),
            debit_account: self.account_name(transfer.debit_account)?.to_string(),
            credit_account: self.account_name(transfer.credit_account)?.to_string(),
            asset: asset.code.to_string(),
            amount: format_minor(transfer.amount, asset.scale),
            remaining: format_minor(row.remaining, asset.scale),
            expire_time: transfer.effect.expires_at().map(answer::timestamp),
            reference: transfer.reference.to_string(),
            position: self.at(*opened),
            recorded_at: Some(answer::timestamp(recorded_at)),
        })
    }
}
