//! Sends to other ledgers, and what became of them.

use ledger_domain::{AcceptedTransfer, Effect, Id, LedgerHandle, LedgerName};
use ledger_proto::{answer, resource, v1};
use ledger_views::{Place, SetKind, StoreError, TransferOutcome, TransferRow};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;
use crate::token::{Paging, bad};

impl Query {
    /// One saga.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn get_saga(
        &self,
        request: &v1::GetSagaRequest,
    ) -> Result<v1::GetSagaResponse, QueryError> {
        let (name, id) = resource::saga("name", &request.name)?;
        let read = self.fix(&name, request.consistency.as_ref(), None)?;
        let ledger = read.ledger(&name)?.handle;
        let unknown = || read.not_found("UNKNOWN_SAGA", "saga", &id.to_string());
        let saga = read.saga(&name, ledger, &id)?.ok_or_else(unknown)?;
        Ok(v1::GetSagaResponse { saga: Some(saga), read_at: Some(read.read_at) })
    }

    /// The open sagas of a ledger, by id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn list_sagas(
        &self,
        request: &v1::ListSagasRequest,
    ) -> Result<v1::ListSagasResponse, QueryError> {
        let name = resource::ledger("parent", &request.parent)?;
        let consistency = request.consistency.as_ref();
        let page = (request.page_size, request.page_token.as_str());
        let parts = [request.parent.as_str()];
        let paging = Paging::read(self.log_id, "ListSagas", &parts, consistency, page)?;
        let after = paging.after()?.map(Id::parse_read).transpose();
        let after = after.map_err(|_| bad("it is of another list"))?;
        let read = self.fix(&name, consistency, paging.place()?)?;
        let ledger = read.ledger(&name)?.handle;
        let open = SetKind::OpenSends;
        let page = read.view.members(read.place, ledger, open, after.as_ref(), paging.limit)?;
        let saga = |id: &Id| {
            let missing = || StoreError::Damaged { what: format!("transfers: no send {id}") };
            read.saga(&name, ledger, id)?.ok_or_else(|| missing().into())
        };
        let sagas = page.members.iter().map(saga).collect::<Result<_, QueryError>>()?;
        let next = page.after.map(|id| paging.next(&[read.place], id.to_string().as_bytes()));
        let next_page_token = next.unwrap_or_default();
        Ok(v1::ListSagasResponse { sagas, next_page_token, read_at: Some(read.read_at) })
    }
}

impl Fixed<'_> {
    /// The saga that a send began; none of what is no accepted send.
    fn saga(
        &self,
        name: &LedgerName,
        ledger: LedgerHandle,
        id: &Id,
    ) -> Result<Option<v1::Saga>, QueryError> {
        let Some(row) = self.view.transfer(self.place, ledger, id)? else { return Ok(None) };
        let TransferOutcome::Accepted(send) = &row.outcome else { return Ok(None) };
        let Effect::Send(to) = &send.effect else { return Ok(None) };
        let settlement = self.view.transfer(self.place, ledger, &Id::settlement(id))?;
        let state = self.saga_state(settlement)?;
        let receipt = Id::receipt(name, id);
        Ok(Some(v1::Saga {
            name: resource::saga_resource(name.as_str(), id),
            send: Some(self.accepted((name, ledger), send, &self.updated(ledger, id)?)?),
            position: self.at(row.place),
            started_at: Some(answer::timestamp(self.recorded_at(row.place)?)),
            receipt: resource::transfer_resource(to.ledger.as_str(), &receipt),
            ..state
        }))
    }

    /// What the settlement says of a saga; without one it is open.
    fn saga_state(&self, settlement: Option<TransferRow>) -> Result<v1::Saga, QueryError> {
        let Some(TransferRow { place, outcome }) = settlement else {
            return Ok(v1::Saga { state: v1::SagaState::Open.into(), ..Default::default() });
        };
        let damaged = || StoreError::Damaged { what: "transfers: a settlement settles".into() };
        let TransferOutcome::Accepted(AcceptedTransfer { effect, .. }) = outcome else {
            return Err(damaged().into());
        };
        let (state, refusal) = match &effect {
            Effect::Capture(_) => (v1::SagaState::Done, None),
            Effect::Void { refused: Some(rejection), .. } => {
                (v1::SagaState::Compensated, Some(answer::refusal(rejection, None, false)))
            }
            Effect::Void { refused: None, .. }
            | Effect::Post
            | Effect::Hold { .. }
            | Effect::Send(_)
            | Effect::Receive(_)
            | Effect::Reversal(_) => return Err(damaged().into()),
        };
        Ok(v1::Saga {
            state: state.into(),
            settled_position: self.at(place),
            settled_at: Some(answer::timestamp(self.recorded_at(place)?)),
            refusal,
            ..Default::default()
        })
    }

    fn recorded_at(&self, place: Place) -> Result<i64, QueryError> {
        Ok(commit_row(self.view, place.offset)?.recorded_at)
    }
}
