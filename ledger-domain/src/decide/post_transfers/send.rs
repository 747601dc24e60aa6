//! What a ledger sends to another one, and receives from it.

use super::{Draft, Moved, both_open, reject};
use crate::command::{Leg, Timestamp, Transfer};
use crate::decide::named;
use crate::event::{AcceptedTransfer, Effect};
use crate::rejection::{Code, Rejection};
use crate::send::{Origin, Outgoing};

impl Draft<'_> {
    /// What the hold of a send keeps of it.
    pub(super) fn outgoing(&self, transfer: &Transfer, effect: &Effect) -> Option<Box<Outgoing>> {
        let Effect::Send(to) = effect else { return None };
        let reference = transfer.reference.clone();
        Some(Box::new(Outgoing { to: (**to).clone(), sent_at: self.now, reference }))
    }

    pub(super) fn in_time(&self, deadline: Option<Timestamp>) -> Result<(), Rejection> {
        let is_over = deadline.is_some_and(|at| at <= self.now);
        if is_over { Err(reject(Code::DeadlinePassed, "deadline")) } else { Ok(()) }
    }

    /// The destination decides, for both ledgers: what it refuses here is given back there.
    pub(super) fn receive(
        &mut self,
        transfer: &Transfer,
        leg: &Leg,
        from: &Origin,
    ) -> Result<AcceptedTransfer, Rejection> {
        let [debit, credit] = self.accounts(leg)?;
        both_open(debit.account, credit.account)?;
        self.in_time(from.deadline)?;
        self.unlocked(transfer)?;
        let (asset, scale) = named::asset(self.book, &leg.asset)?;
        if scale != from.scale {
            let subject = format!("{} has scale {scale}, there {}", leg.asset, from.scale);
            return Err(reject(Code::ScaleDiffers, &subject));
        }
        let asked = named::to_minor("amount", leg.amount, scale)?;
        let moved = Moved { debit, credit, asset, asked, up_to: false };
        self.post(transfer, &moved, Effect::Receive(Box::new(from.clone())))
    }
}
