//! A reversal posts back what a post or a capture posted, or a part of it; never more than that.

use super::{Draft, Moved, both_open, reject};
use crate::amount::Decimal;
use crate::command::Transfer;
use crate::decide::{Original, Posted, Seen};
use crate::event::{AcceptedTransfer, Effect, Reversal};
use crate::name::Id;
use crate::rejection::{Code, Rejection};

impl Draft<'_> {
    pub(super) fn reverse(
        &mut self,
        transfer: &Transfer,
        seen: &Seen,
        of: &Id,
        amount: Option<Decimal>,
    ) -> Result<AcceptedTransfer, Rejection> {
        let posted = self.original(seen, of)?;
        let unknown = || reject(Code::UnknownTransfer, &of.to_string());
        // Back is the other way round.
        let debit = self.found(posted.credit_account).ok_or_else(unknown)?;
        let credit = self.found(posted.debit_account).ok_or_else(unknown)?;
        both_open(debit.account, credit.account)?;
        self.unlocked(transfer)?;
        let exceeds = || reject(Code::ExceedsTransfer, "amount");
        let asked = self.part(posted.asset, amount, posted.left);
        // Nothing has that much left.
        let too_much = |refused: &Rejection| refused.code == Code::Overflow;
        let asked =
            asked.map_err(|refused| if too_much(&refused) { exceeds() } else { refused })?;
        let remaining = posted.left.checked_sub(asked).filter(|_| asked > 0);
        let remaining = remaining.ok_or_else(exceeds)?;

        let moved = Moved { debit, credit, asset: posted.asset, asked, up_to: false };
        let reversal = Reversal { of: of.clone(), rest: amount.is_none(), remaining };
        let accepted = self.post(transfer, &moved, Effect::Reversal(Box::new(reversal)))?;
        if let Some(originals) = &mut self.originals {
            originals.set(of.clone(), Original::Posted(Posted { left: remaining, ..posted }));
        }
        Ok(accepted)
    }

    /// What it reverses: of this batch, or as it was known before.
    fn original(&self, seen: &Seen, of: &Id) -> Result<Posted, Rejection> {
        let here = self.originals.as_ref().and_then(|originals| originals.get(of)).copied();
        let before = match seen {
            Seen::NewReversal(original) => *original,
            Seen::New
            | Seen::Noted(_)
            | Seen::EntryTaken
            | Seen::Before(_)
            | Seen::Above { .. } => Original::Unknown,
        };
        match here.unwrap_or(before) {
            Original::Posted(posted) => Ok(posted),
            Original::NotReversible => Err(reject(Code::NotReversible, &of.to_string())),
            Original::Unknown => Err(reject(Code::UnknownTransfer, &of.to_string())),
        }
    }
}
