//! Sends to other ledgers, and what became of them.

use ledger_domain::{AcceptedTransfer, Effect, Id, LedgerName};
use ledger_proto::{answer, resource, v1};
use ledger_views::{Place, StoreError, TransferOutcome, TransferRow};

use super::{Fixed, Query, commit_row};
use crate::error::QueryError;

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
        let row = read.view.transfer(read.place, ledger, &id)?.ok_or_else(unknown)?;
        let TransferOutcome::Accepted(send) = &row.outcome else { return Err(unknown()) };
        let Effect::Send(to) = &send.effect else { return Err(unknown()) };
        let settlement = read.view.transfer(read.place, ledger, &Id::settlement(&id))?;
        let state = read.saga_state(settlement)?;
        let started_at = commit_row(read.view, row.place.offset)?.recorded_at;
        let receipt = Id::receipt(&name, &id);
        let saga = v1::Saga {
            name: resource::saga_resource(name.as_str(), &id),
            send: Some(read.accepted(ledger, send)?),
            position: read.at(row.place),
            started_at: Some(answer::timestamp(started_at)),
            receipt: resource::transfer_resource(LedgerName::as_str(&to.ledger), &receipt),
            ..state
        };
        Ok(v1::GetSagaResponse { saga: Some(saga), read_at: Some(read.read_at) })
    }
}

impl Fixed<'_> {
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
