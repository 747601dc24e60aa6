//! Transfers are decided in order, each upon the balances that those before it left.

mod clearing;
mod group;
mod overlay;
mod reversal;
mod send;

use clearing::Clearing;
pub(super) use group::groups;
use overlay::Overlay;

use super::named::{self, to_minor};
use super::{Decision, ItemOutcome, Known, Original, Outcome, Seen, crossings, customers};
use crate::amount::Decimal;
use crate::command::{AccountStatus, Leg, Link, Movement, Timestamp, Transfer};
use crate::event::{AcceptedTransfer, Capture, Effect, Event, RefusedTransfer, TransferBatch};
use crate::name::{AccountName, Id, LedgerName};
use crate::rejection::{Code, Rejection};
use crate::state::{
    Account, AccountHandle, AssetHandle, Balance, Hold, Ledger, LedgerHandle, Side, State, Step,
};

pub(super) fn decide(
    state: &State,
    ledger: &LedgerName,
    transfers: &[Transfer],
    known: Known<'_>,
    now: Timestamp,
) -> Result<Decision, Rejection> {
    assert!(known.is_empty() || known.len() == transfers.len(), "one entry for each transfer");
    let (handle, book) = named::ledger(state, ledger)?;

    let clearing = Clearing::of(state, handle, book, transfers, now);
    let mut draft = Draft::new(state, handle, book, &clearing, transfers, now);
    let mut batch = TransferBatch { ledger: handle, accepted: Vec::new(), refused: Vec::new() };
    batch.accepted.reserve(transfers.len());
    let mut items = Vec::with_capacity(transfers.len());
    for group in groups(transfers) {
        let place = items.len();
        let seen = |place: usize| known.get(place).unwrap_or(&Seen::New);
        match group {
            [transfer] if transfer.link == Link::Alone => items.push(match seen(place) {
                seen if seen.is_new() => draft.take(transfer, seen, &mut batch),
                seen => known_before(transfers, transfer, seen),
            }),
            _ => {
                let group: Vec<_> = group.iter().zip((place..).map(seen)).collect();
                draft.take_group(transfers, &group, &mut batch, &mut items);
            }
        }
    }
    let is_watched = draft.is_watched;
    let mut events = clearing.open_for(&mut batch);
    if batch.rows() > 0 {
        let crossed = match is_watched {
            true => crossings::of_batch(state, handle, &batch.accepted),
            false => Vec::new(),
        };
        events.push(Event::TransferBatch(batch));
        events.extend(crossed);
    }
    Ok(Decision { events, outcome: Outcome::Items(items) })
}

/// One transfer that nobody has seen before, by itself.
pub(super) fn decide_one(
    state: &State,
    ledger: LedgerHandle,
    book: &Ledger,
    transfer: &Transfer,
    now: Timestamp,
) -> TransferBatch {
    let mut batch = TransferBatch { ledger, accepted: Vec::new(), refused: Vec::new() };
    let transfers = std::slice::from_ref(transfer);
    let clearing = Clearing::of(state, ledger, book, transfers, now);
    let mut draft = Draft::new(state, ledger, book, &clearing, transfers, now);
    draft.take(transfer, &Seen::New, &mut batch);
    batch
}

/// What a transfer comes to whose id, or journal entry, was used before. `all` are those of the batch.
fn known_before(all: &[Transfer], transfer: &Transfer, seen: &Seen) -> ItemOutcome {
    match seen {
        Seen::Before(prior) => ItemOutcome::Before(prior.clone()),
        Seen::Above { item, same_content: true } => ItemOutcome::Repeats { item: *item },
        Seen::Above { item, same_content: false } => {
            let first = all.get(*item);
            let field = first.and_then(|first| first.first_difference(transfer));
            ItemOutcome::Reuses { item: *item, field: field.unwrap_or("transfer_id") }
        }
        Seen::EntryTaken => {
            let entry = transfer.link.entry().map(ToString::to_string).unwrap_or_default();
            ItemOutcome::NotRecorded { rejection: reject(Code::EntryExists, &entry) }
        }
        Seen::New | Seen::NewReversal(_) | Seen::Noted(_) => panic!("a new transfer is decided"),
    }
}

/// The state as it would be after the transfers decided so far.
struct Draft<'a> {
    state: &'a State,
    ledger: LedgerHandle,
    book: &'a Ledger,
    /// Accounts that are opened with the first transfer that needs them.
    clearing: &'a Clearing,
    now: Timestamp,
    touched: Overlay<(AccountHandle, AssetHandle), Balance>,
    /// Holds that it opened or reduced; nothing is left of one that ended.
    holds: Overlay<Id, Hold>,
    /// Transfers that it accepted or reversed; `None` when it reverses none, which is mostly so.
    originals: Option<Overlay<Id, Original>>,
    /// Whether a transfer so far, be it taken back, moved a balance of an account with an alert.
    is_watched: bool,
}

impl<'a> Draft<'a> {
    fn new(
        state: &'a State,
        ledger: LedgerHandle,
        book: &'a Ledger,
        clearing: &'a Clearing,
        transfers: &[Transfer],
        now: Timestamp,
    ) -> Self {
        let reverses = transfers.iter().any(|transfer| transfer.movement.reverses().is_some());
        let originals = reverses.then(Overlay::new);
        let (touched, holds) = (Overlay::new(), Overlay::new());
        Draft { state, ledger, book, clearing, now, touched, holds, originals, is_watched: false }
    }

    fn take(&mut self, transfer: &Transfer, seen: &Seen, batch: &mut TransferBatch) -> ItemOutcome {
        match self.accept(transfer, seen) {
            Ok(accepted) => self.push(accepted, batch),
            Err(rejection) => refuse(transfer, rejection, batch),
        }
    }

    fn push(&mut self, accepted: AcceptedTransfer, batch: &mut TransferBatch) -> ItemOutcome {
        if let Some(originals) = &mut self.originals {
            originals.set(accepted.id.clone(), Original::of(&accepted));
        }
        let row = batch.rows();
        batch.accepted.push(accepted);
        ItemOutcome::Accepted { row }
    }

    fn accept(&mut self, transfer: &Transfer, seen: &Seen) -> Result<AcceptedTransfer, Rejection> {
        if transfer.movement.leg().is_none() {
            self.readable(transfer)?;
        }
        match &transfer.movement {
            Movement::Post(leg) => self.accept_leg(transfer, leg, Effect::Post),
            Movement::Hold { leg, expires_at } => {
                self.accept_leg(transfer, leg, Effect::Hold { expires_at: *expires_at })
            }
            Movement::Capture { hold, amount } => self.capture(transfer, hold, *amount),
            Movement::Void { hold, refused } => self.void(transfer, hold, refused.as_deref()),
            Movement::Send { leg, to } => self.accept_leg(transfer, leg, Effect::Send(to.clone())),
            Movement::Receive { leg, from } => self.receive(transfer, leg, from),
            Movement::Reversal { of, amount } => self.reverse(transfer, seen, of, *amount),
        }
    }

    /// A flat chain of checks in the order of `Code`, then the one change.
    fn accept_leg(
        &mut self,
        transfer: &Transfer,
        leg: &Leg,
        effect: Effect,
    ) -> Result<AcceptedTransfer, Rejection> {
        let Leg { amount, up_to, .. } = leg;
        let [debit, credit] = self.accounts(leg)?;
        self.readable(transfer)?;
        both_open(debit.account, credit.account)?;
        if effect.expires_at().is_some_and(|at| at <= self.now) {
            return Err(reject(Code::HoldExpired, "expire_time"));
        }
        if let Effect::Send(to) = &effect {
            self.in_time(to.deadline)?;
        }
        self.unlocked(transfer)?;
        let (asset, scale) = named::asset(self.book, &leg.asset)?;
        let asked = to_minor("amount", *amount, scale)?;

        let moved = Moved { debit, credit, asset, asked, up_to: *up_to };
        self.post(transfer, &moved, effect)
    }

    /// Moves as much as is asked, or may be, by the rules of both accounts.
    fn post(
        &mut self,
        transfer: &Transfer,
        moved: &Moved<'_>,
        effect: Effect,
    ) -> Result<AcceptedTransfer, Rejection> {
        let Moved { debit, credit, asset, asked, up_to } = *moved;
        let (debited, credited) =
            (self.balance(debit.handle, asset), self.balance(credit.handle, asset));
        let room = [
            debit.account.room(asset, debited, Side::Debit),
            credit.account.room(asset, credited, Side::Credit),
        ];
        let amount = match up_to {
            true => room.into_iter().flatten().fold(asked, u128::min),
            false => asked,
        };
        let (debit_account, credit_account) = (debit.handle, credit.handle);
        let (expires_at, send) = (effect.expires_at(), self.outgoing(transfer, &effect));
        let moved = Hold { debit_account, credit_account, asset, amount, expires_at, send };
        let after = self.after(&moved, [debited, credited], effect.step())?;
        for (it, room) in [debit, credit].into_iter().zip(room) {
            if room.is_some_and(|room| room < amount.max(1)) {
                return Err(reject(Code::InsufficientFunds, it.account.name.as_str()));
            }
        }

        self.touch(&moved, after);
        if matches!(effect, Effect::Hold { .. } | Effect::Send(_)) {
            self.holds.set(transfer.id.clone(), moved.clone());
        }
        let up_to = up_to.then(|| Box::new(asked));
        Ok(accepted(transfer, &moved, effect, up_to))
    }

    /// A capture ignores what has become of the accounts: its amount is promised.
    fn capture(
        &mut self,
        transfer: &Transfer,
        id: &Id,
        asked: Option<Decimal>,
    ) -> Result<AcceptedTransfer, Rejection> {
        let hold = self.open_hold(transfer, id)?;
        self.unlocked(transfer)?;
        let amount = self.part(hold.asset, asked, hold.amount)?;
        let exceeds = || reject(Code::ExceedsHold, "amount");
        let remaining = hold.amount.checked_sub(amount).ok_or_else(exceeds)?;
        let moved = Hold { amount, ..hold.clone() };
        let after = self.after(&moved, self.balances(&hold), Step::Capture)?;
        self.touch(&moved, after);
        self.holds.set(id.clone(), Hold { amount: remaining, ..hold });
        let capture = Capture { hold: id.clone(), rest: asked.is_none(), remaining };
        Ok(accepted(transfer, &moved, Effect::Capture(Box::new(capture)), None))
    }

    fn void(
        &mut self,
        transfer: &Transfer,
        id: &Id,
        refused: Option<&Rejection>,
    ) -> Result<AcceptedTransfer, Rejection> {
        let hold = self.open_hold(transfer, id)?;
        self.unlocked(transfer)?;
        let after = self.after(&hold, self.balances(&hold), Step::Release)?;
        self.touch(&hold, after);
        self.holds.set(id.clone(), Hold { amount: 0, ..hold.clone() });
        let effect =
            Effect::Void { hold: Box::new(id.clone()), refused: refused.cloned().map(Box::new) };
        Ok(accepted(transfer, &hold, effect, None))
    }

    /// An amount of an asset in minor units; none is all that is left.
    fn part(
        &self,
        asset: AssetHandle,
        asked: Option<Decimal>,
        left: u128,
    ) -> Result<u128, Rejection> {
        let Some(asked) = asked else { return Ok(left) };
        let scale = self.book.asset(asset).map_or(0, |asset| asset.scale);
        to_minor("amount", asked, scale)
    }

    /// A hold that this transfer can capture or void: of which something is left, in time. That of a send
    /// is ended by its settlement, and by nothing else.
    fn open_hold(&self, transfer: &Transfer, id: &Id) -> Result<Hold, Rejection> {
        let hold = self.holds.get(id).or_else(|| self.state.hold(self.ledger, id));
        let hold = hold.filter(|hold| hold.amount > 0);
        let hold = hold.ok_or_else(|| reject(Code::HoldNotOpen, &id.to_string()))?;
        if hold.is_expired(self.now) {
            return Err(reject(Code::HoldExpired, &id.to_string()));
        }
        if hold.send.is_some() && transfer.id != Id::settlement(id) {
            return Err(reject(Code::HoldOfSend, &id.to_string()));
        }
        Ok(hold.clone())
    }

    /// Its sealed metadata is of customers of whom something may be kept.
    fn readable(&self, transfer: &Transfer) -> Result<(), Rejection> {
        customers::of_metadata(self.state, self.book, &transfer.metadata)
    }

    /// Nothing takes effect in books that are closed, whatever it does.
    fn unlocked(&self, transfer: &Transfer) -> Result<(), Rejection> {
        let locked = self.book.is_locked(transfer.effective_at);
        if locked { Err(reject(Code::BooksLocked, "effective_time")) } else { Ok(()) }
    }

    /// Accounts that a transfer names itself.
    fn accounts(&self, leg: &Leg) -> Result<[Found<'a>; 2], Rejection> {
        let Leg { debit_account, credit_account, .. } = leg;
        let find = |name: &AccountName, code| {
            self.account(name).ok_or_else(|| reject(code, name.as_str()))
        };
        let debit = find(debit_account, Code::UnknownDebitAccount)?;
        let credit = find(credit_account, Code::UnknownCreditAccount)?;
        Ok([debit, credit])
    }

    fn account(&self, name: &AccountName) -> Option<Found<'a>> {
        let handle = self.book.account_by_name(name);
        handle.map_or_else(|| self.clearing.find(name), |handle| self.found(handle))
    }

    fn found(&self, handle: AccountHandle) -> Option<Found<'a>> {
        self.state.account(handle).map(|account| Found { handle, account })
    }

    fn balance(&self, account: AccountHandle, asset: AssetHandle) -> Balance {
        let touched = self.touched.get(&(account, asset)).copied();
        let recorded = || self.state.account(account).map(|account| account.balance(asset));
        touched.or_else(recorded).unwrap_or_default()
    }

    /// Balances of both accounts of a hold.
    fn balances(&self, hold: &Hold) -> [Balance; 2] {
        [hold.debit_account, hold.credit_account].map(|account| self.balance(account, hold.asset))
    }

    /// Balances of both accounts after a step.
    fn after(
        &self,
        moved: &Hold,
        [debit, credit]: [Balance; 2],
        step: Step,
    ) -> Result<[Balance; 2], Rejection> {
        let overflow = |handle| {
            let name = self.state.account(handle).map_or("", |account| account.name.as_str());
            reject(Code::Overflow, name)
        };
        Ok([
            debit
                .after(Side::Debit, step, moved.amount)
                .ok_or_else(|| overflow(moved.debit_account))?,
            credit
                .after(Side::Credit, step, moved.amount)
                .ok_or_else(|| overflow(moved.credit_account))?,
        ])
    }

    /// Every movement passes here.
    fn touch(&mut self, moved: &Hold, [debit, credit]: [Balance; 2]) {
        let accounts = [moved.debit_account, moved.credit_account];
        let watched = |account| self.state.is_watched(account);
        self.is_watched |= !self.state.alerts.is_empty() && accounts.into_iter().any(watched);
        self.touched.set((moved.debit_account, moved.asset), debit);
        self.touched.set((moved.credit_account, moved.asset), credit);
    }
}

/// An account that was asked for by name.
#[derive(Clone, Copy)]
struct Found<'a> {
    handle: AccountHandle,
    account: &'a Account,
}

/// What is to move, of names that were found.
struct Moved<'a> {
    debit: Found<'a>,
    credit: Found<'a>,
    asset: AssetHandle,
    /// Minor units.
    asked: u128,
    up_to: bool,
}

/// Takes the next row, and burns the id.
fn refuse(transfer: &Transfer, rejection: Rejection, batch: &mut TransferBatch) -> ItemOutcome {
    let (row, transfer) = (batch.rows(), transfer.clone());
    batch.refused.push(RefusedTransfer { row, transfer, rejection: rejection.clone() });
    ItemOutcome::Refused { row, rejection }
}

fn reject(code: Code, subject: &str) -> Rejection {
    Rejection::new(code, subject)
}

fn accepted(
    transfer: &Transfer,
    moved: &Hold,
    effect: Effect,
    up_to: Option<Box<u128>>,
) -> AcceptedTransfer {
    AcceptedTransfer {
        id: transfer.id.clone(),
        effect,
        debit_account: moved.debit_account,
        credit_account: moved.credit_account,
        asset: moved.asset,
        amount: moved.amount,
        up_to,
        reference: transfer.reference.clone(),
        effective_at: transfer.effective_at,
        link: transfer.link.clone(),
        metadata: transfer.metadata.clone(),
    }
}

/// Nothing moves in an account that is not open.
fn both_open(debit: &Account, credit: &Account) -> Result<(), Rejection> {
    let refused = [
        (AccountStatus::Closed, Code::AccountClosed),
        (AccountStatus::Frozen, Code::AccountFrozen),
    ];
    for (status, code) in refused {
        if let Some(account) = [debit, credit].into_iter().find(|it| it.status == status) {
            return Err(Rejection::new(code, account.name.as_str()));
        }
    }
    Ok(())
}
