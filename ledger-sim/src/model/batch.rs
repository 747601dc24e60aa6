//! What the transfers of a batch come to, each upon those before it.

use std::collections::BTreeMap;

use super::{
    Account, Book, CAPTURE, Decided, First, HOLD, Moved, Noted, POST, Place, RECEIVE, REVERSAL,
    SEND, Status, VOID, Verdict, account, canonical_id, groups, minor_units, same_content,
    settlement,
};
use crate::request::Transfer;

impl Book {
    pub(super) fn decide(&self, transfers: &[Transfer], now: i64) -> Vec<Verdict> {
        // A batch is decided upon a book of its own, in which each transfer is done at once.
        let mut after = self.tip();
        let mut verdicts = Vec::new();
        for group in groups::groups(transfers) {
            let known: Vec<_> = group.clone().map(|at| self.known(transfers, at)).collect();
            let all_new = known.iter().all(Option::is_none);
            if !all_new {
                let other = |known: Option<Verdict>| known.unwrap_or(Verdict::NotRecorded(401));
                verdicts.extend(known.into_iter().map(other));
                continue;
            }
            let mut draft = after.clone();
            let tried = group.clone().map(|at| draft.tries(self, &transfers[at], now));
            let tried: Vec<_> = tried.collect();
            let failed = tried.iter().position(|verdict| matches!(verdict, Verdict::Refused(_)));
            match failed {
                None => {
                    after = draft;
                    verdicts.extend(tried);
                }
                Some(failed) => {
                    let mut all = vec![Verdict::NotRecorded(401); group.len()];
                    all[failed] = tried[failed].clone();
                    verdicts.extend(all);
                }
            }
        }
        verdicts
    }

    /// What a transfer comes to that is not to be decided: for its id or its entry was used before.
    pub(super) fn known(&self, transfers: &[Transfer], at: usize) -> Option<Verdict> {
        let transfer = &transfers[at];
        let id = canonical_id(&transfer.id);
        if let Some(decided) = self.transfers.get(&id) {
            let same = same_content(&decided.asked, transfer);
            return Some(if same {
                Verdict::Before(decided.first.clone())
            } else {
                Verdict::Reused
            });
        }
        let above = transfers[..at].iter().position(|t| canonical_id(&t.id) == id);
        if let Some(above) = above {
            let same = same_content(&transfers[above], transfer);
            return Some(if same { Verdict::Repeats(above) } else { Verdict::Reused });
        }
        self.entries
            .contains_key(&canonical_id(&transfer.entry))
            .then_some(Verdict::NotRecorded(302))
    }

    /// Decides a transfer and does it. `past` is what was recorded before the batch.
    fn tries(&mut self, past: &Book, transfer: &Transfer, now: i64) -> Verdict {
        self.with_clearing(transfer);
        match self.moves(past, transfer, now) {
            Ok(moved) => {
                self.enter(transfer, &moved, Place::default());
                let first = First { place: Place::default(), refused: None };
                let asked = transfer.clone();
                let (moved_to, updates) = (Some(moved.clone()), Noted::new());
                let decided = Decided { asked, first, moved: moved_to, updates };
                self.transfers.insert(canonical_id(&transfer.id), decided);
                Verdict::Moves(moved)
            }
            Err(code) => Verdict::Refused(code),
        }
    }

    /// What a book is now, without its past.
    fn tip(&self) -> Book {
        let balances = self.balances.iter();
        let balances =
            balances.map(|(key, all)| (key.clone(), all.last().cloned().into_iter().collect()));
        let open = self.holds.iter().filter(|(_, hold)| hold.remaining() > 0);
        Book {
            created: self.created,
            noted: Noted::new(),
            locks: self.locks.last().copied().into_iter().collect(),
            assets: self.assets.clone(),
            accounts: self.accounts.clone(),
            balances: balances.collect(),
            transfers: BTreeMap::new(),
            holds: open.map(|(id, hold)| (id.clone(), hold.clone())).collect(),
            reversals: self.reversals.clone(),
            entries: BTreeMap::new(),
            customers: BTreeMap::new(),
            schedules: BTreeMap::new(),
            alerts: BTreeMap::new(),
            crossings: Vec::new(),
            crossing: Vec::new(),
        }
    }

    fn moves(&self, past: &Book, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        match transfer.kind {
            CAPTURE | VOID => self.ends(past, transfer, now),
            REVERSAL => self.reverses(past, transfer),
            SEND => self.sends(past, transfer, now),
            RECEIVE => self.receives(transfer, now),
            _ => self.begins(past, transfer, now),
        }
    }

    /// What is posted back is a post the other way round, of no more than is left.
    fn reverses(&self, past: &Book, transfer: &Transfer) -> Result<Moved, u32> {
        past.may_seal([&transfer.metadata], None)?;
        let of = canonical_id(&transfer.reverses);
        let original = self.transfers.get(&of).or_else(|| past.transfers.get(&of)).ok_or(220u32)?;
        let posted = original.moved.as_ref().ok_or(220u32)?;
        // What a schedule posted is a post as any other.
        let id = &original.asked.id;
        let of_ledgers = id.starts_with('~') && !id.starts_with("~at:");
        if of_ledgers || !matches!(original.asked.kind, 0 | POST | CAPTURE) {
            return Err(221);
        }
        let parts = self.reversals.get(&of).map_or(&[][..], Vec::as_slice);
        let left = posted.amount - parts.iter().map(|(_, _, part)| part).sum::<u128>();
        let accounts = [&posted.credit, &posted.debit].map(|name| &self.accounts[name]);
        self.all_open(accounts)?;
        self.open_at(transfer.effective_at)?;
        let mut amount = left;
        if !transfer.amount.is_empty() {
            let asked = minor_units(&transfer.amount, self.assets[&posted.asset].0);
            amount = asked.map_err(|code| if code == 210 { 222 } else { code })?;
        }
        if amount == 0 || amount > left {
            return Err(222);
        }
        let back = Transfer {
            debit: posted.credit.clone(),
            credit: posted.debit.clone(),
            asset: posted.asset.clone(),
            ..Transfer::default()
        };
        let moved = self.takes(&back, amount)?;
        Ok(Moved { remaining: left - amount, ..moved })
    }

    pub(super) fn all_open(&self, accounts: [&Account; 2]) -> Result<(), u32> {
        for (status, code) in [(Status::Closed, 213), (Status::Frozen, 214)] {
            if accounts.iter().any(|account| account.status_now() == status) {
                return Err(code);
            }
        }
        Ok(())
    }

    /// A post or a hold.
    fn begins(&self, past: &Book, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        let debit = self.accounts.get(&transfer.debit).ok_or(206u32)?;
        let credit = self.accounts.get(&transfer.credit).ok_or(207u32)?;
        past.may_seal([&transfer.metadata], None)?;
        self.all_open([debit, credit])?;
        if transfer.expires_at.is_some_and(|at| at <= now) {
            return Err(218);
        }
        self.open_at(transfer.effective_at)?;
        let (scale, _) = self.assets.get(&transfer.asset).ok_or(208u32)?;
        self.takes(transfer, minor_units(&transfer.amount, *scale)?)
    }

    /// An amount from one account to another, as far as both may.
    pub(super) fn takes(&self, transfer: &Transfer, asked: u128) -> Result<Moved, u32> {
        let (debit, credit) = (&self.accounts[&transfer.debit], &self.accounts[&transfer.credit]);
        let debited = self.latest(&transfer.debit, &transfer.asset);
        let credited = self.latest(&transfer.credit, &transfer.asset);
        let mut amount = asked;
        let mut left = Vec::new();
        if !debit.is_debit_normal()
            && let Some(limit) = debit.bound_now().of(&transfer.asset)
        {
            left.push(account::left(debited.sides(debit.kind), limit).ok_or(211u32)?);
        }
        if credit.is_debit_normal()
            && let Some(limit) = credit.bound_now().of(&transfer.asset)
        {
            left.push(account::left(credited.sides(credit.kind), limit).ok_or(211u32)?);
        }
        if transfer.up_to {
            amount = left.iter().fold(amount, |amount, left| amount.min(*left));
        }
        let debit_total = debited.debits + debited.debits_pending;
        let credit_total = credited.credits + credited.credits_pending;
        debit_total.checked_add(amount).ok_or(210u32)?;
        credit_total.checked_add(amount).ok_or(210u32)?;
        if amount == 0 || left.iter().any(|left| *left < amount) {
            return Err(211);
        }
        Ok(Moved {
            debit: transfer.debit.clone(),
            credit: transfer.credit.clone(),
            asset: transfer.asset.clone(),
            amount,
            up_to: transfer.up_to.then_some(asked),
            remaining: if transfer.kind == HOLD { amount } else { 0 },
        })
    }

    /// A capture or a void.
    fn ends(&self, past: &Book, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        past.may_seal([&transfer.metadata], None)?;
        let hold = self.holds.get(&canonical_id(&transfer.hold)).ok_or(217u32)?;
        let held = hold.remaining();
        if held == 0 {
            return Err(217);
        }
        if hold.expires_at.is_some_and(|at| at <= now) {
            return Err(218);
        }
        if hold.is_send && transfer.id != settlement(&canonical_id(&transfer.hold)) {
            return Err(245);
        }
        self.open_at(transfer.effective_at)?;
        let mut amount = held;
        if !transfer.amount.is_empty() {
            let scale = self.assets.get(&hold.asset).map_or(0, |(scale, _)| *scale);
            amount = minor_units(&transfer.amount, scale)?;
        }
        let remaining = held.checked_sub(amount).ok_or(219u32)?;
        Ok(Moved {
            debit: hold.debit.clone(),
            credit: hold.credit.clone(),
            asset: hold.asset.clone(),
            amount,
            up_to: None,
            remaining,
        })
    }
}
