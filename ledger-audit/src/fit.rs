//! Whether an event can have been decided upon a state: LD-1, LD-2 and LD-3, checked before `apply`,
//! which would panic, and after it, row by row for what the event touches.

mod alerts;
mod customers;
mod metadata;
mod schedules;

use std::collections::BTreeMap;

use ledger_domain::event::Row;
use ledger_domain::{
    AcceptedTransfer, Account, AccountHandle, AccountRules, AccountStatus, AssetHandle, Balance,
    Effect, Event, Hold, Id, LedgerHandle, LedgerName, Outgoing, Side, State, Step, Timestamp,
    apply,
};

pub(crate) use alerts::ToCross;
pub(crate) use schedules::paired;

/// Why an event does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Id of the invariant.
    pub(crate) invariant: &'static str,
    /// Row of the event.
    pub(crate) row: u32,
    /// What was found.
    pub(crate) what: String,
}

/// Applies an event that was recorded at `now`, or leaves the state as it is when it cannot be applied.
///
/// # Errors
/// The misfits, and whether the event was not applied: then nothing behind it means anything.
pub(crate) fn check_and_apply(
    state: &mut State,
    event: &Event,
    now: Timestamp,
) -> Result<(), (Vec<Misfit>, bool)> {
    let stop = |row, what| (vec![Misfit { invariant: "LD-3", row, what }], true);
    let mut misfits = Vec::new();
    let (touched, holds) = (Touched::new(), BTreeMap::new());
    let touched = match event {
        Event::TransferBatch(batch) => {
            let ledger = batch.ledger;
            let mut draft = Draft { state: &*state, ledger, now, touched, holds };
            book(state, ledger).map_err(|what| stop(0, what))?;
            for (row, content) in batch.iter() {
                let Row::Accepted(accepted) = content else { continue };
                draft.transfer(accepted).map_err(|what| stop(row, what))?;
                misfits.extend(draft.passed_rules(accepted).map(|what| Misfit {
                    invariant: "LD-2",
                    row,
                    what,
                }));
            }
            draft.touched
        }
        Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } => {
            let mut draft = Draft { state: &*state, ledger: *ledger, now, touched, holds };
            let (debit_account, credit_account) = (*debit_account, *credit_account);
            let (asset, amount) = (*asset, *amount);
            let left =
                Hold { debit_account, credit_account, asset, amount, expires_at: None, send: None };
            draft.expire(hold, &left).map_err(|what| stop(0, what))?;
            draft.touched
        }
        Event::AccountRulesChanged { account, .. } => {
            check_plain(state, event, now).map_err(|what| stop(0, what))?;
            apply(state, event, now);
            let passed = state.account(*account).and_then(passed_rule);
            let misfit = |what| (vec![Misfit { invariant: "LD-2", row: 0, what }], false);
            return passed.map_or(Ok(()), |what| Err(misfit(what)));
        }
        Event::LedgerCreated { .. }
        | Event::AssetCreated { .. }
        | Event::AccountOpened { .. }
        | Event::AccountStatusChanged { .. }
        | Event::MetadataChanged { .. }
        | Event::BooksLocked { .. }
        | Event::ScheduleCreated { .. }
        | Event::ScheduleCancelled { .. }
        | Event::ScheduleRan { .. }
        | Event::CustomerRegistered { .. }
        | Event::ProfileUpdated { .. }
        | Event::CustomerErased { .. }
        | Event::BalanceAlertSet { .. }
        | Event::BalanceAlertRemoved { .. }
        | Event::BalanceAlertCrossed { .. }
        | Event::CommandRefused { .. } => {
            check_plain(state, event, now).map_err(|what| stop(0, what))?;
            apply(state, event, now);
            return Ok(());
        }
    };
    let before = sums(&touched, |account, asset| balance(state, account, asset));
    apply(state, event, now);
    let after = sums(&touched, |account, asset| balance(state, account, asset));
    misfits.extend(unbalanced(&before, &after));
    misfits.extend(touched.iter().find_map(|((account, asset), expected)| {
        let found = balance(state, *account, *asset);
        let what = format!("account {} holds {found:?}, its entries {expected:?}", account.0);
        (found != *expected).then_some(Misfit { invariant: "LD-1", row: 0, what })
    }));
    if misfits.is_empty() { Ok(()) } else { Err((misfits, false)) }
}

/// Balances that an event touches, as they are after it.
type Touched = BTreeMap<(AccountHandle, AssetHandle), Balance>;

/// The state as the rows of an event that come before leave it.
struct Draft<'a> {
    state: &'a State,
    ledger: LedgerHandle,
    now: Timestamp,
    touched: Touched,
    /// Holds that it opened or reduced.
    holds: BTreeMap<Id, Hold>,
}

impl Draft<'_> {
    fn transfer(&mut self, transfer: &AcceptedTransfer) -> Result<(), String> {
        let AcceptedTransfer { debit_account, credit_account, asset, amount, .. } = *transfer;
        if book(self.state, self.ledger)?.is_locked(transfer.effective_at) {
            return Err("takes effect in books that are closed".into());
        }
        metadata::fits(self.state, self.ledger, &transfer.metadata)?;
        let moved =
            Hold { debit_account, credit_account, asset, amount, expires_at: None, send: None };
        match &transfer.effect {
            // What a reversal is of is known by the ids.
            Effect::Post | Effect::Reversal(_) => self.step(&moved, Step::Post),
            Effect::Hold { expires_at } => {
                self.hold(transfer, Hold { expires_at: *expires_at, ..moved })
            }
            Effect::Send(to) => {
                self.clears(credit_account, &to.ledger)?;
                let reference = transfer.reference.clone();
                let outgoing = Outgoing { to: (**to).clone(), sent_at: self.now, reference };
                self.hold(transfer, Hold { send: Some(Box::new(outgoing)), ..moved })
            }
            Effect::Receive(from) => {
                self.clears(debit_account, &from.ledger)?;
                if from.deadline.is_some_and(|at| at <= self.now) || from.sent_at >= self.now {
                    return Err("is received before it was sent, or too late".into());
                }
                self.step(&moved, Step::Post)
            }
            Effect::Capture(capture) => {
                self.ends(transfer, &capture.hold, &moved, capture.remaining)?;
                self.step(&moved, Step::Capture)
            }
            Effect::Void { hold, refused } => {
                if refused.is_some() != transfer.id.is_settlement() {
                    return Err(
                        "voids without the reason that a send's end has, or with one".into()
                    );
                }
                self.ends(transfer, hold, &moved, 0)?;
                self.step(&moved, Step::Release)
            }
        }
    }

    fn hold(&mut self, transfer: &AcceptedTransfer, hold: Hold) -> Result<(), String> {
        if hold.is_expired(self.now) {
            return Err("holds past its deadline".into());
        }
        let before = self.holds.get(&transfer.id);
        let before = before.or_else(|| self.state.hold(self.ledger, &transfer.id));
        if before.is_some_and(|before| before.amount > 0) {
            return Err(format!("hold {} is open already", transfer.id));
        }
        self.step(&hold, Step::Hold)?;
        self.holds.insert(transfer.id.clone(), hold);
        Ok(())
    }

    /// A send is ended by its settlement, as a whole, and nothing else is (SG-1).
    fn ends(
        &mut self,
        transfer: &AcceptedTransfer,
        id: &Id,
        moved: &Hold,
        remaining: u128,
    ) -> Result<(), String> {
        let hold = self.holds.get(id).or_else(|| self.state.hold(self.ledger, id));
        let is_send = hold.is_some_and(|hold| hold.send.is_some());
        let settles = transfer.id == Id::settlement(id);
        if is_send != settles || (settles && remaining > 0) {
            return Err(format!("ends send {id}, which only its settlement does"));
        }
        self.reduce(id, moved, remaining, false)
    }

    /// What is between two ledgers stands in their clearing accounts.
    fn clears(&self, account: AccountHandle, other: &LedgerName) -> Result<(), String> {
        let cleared = self.state.account(account).and_then(|account| account.name.cleared());
        if cleared.as_ref() == Some(other) {
            return Ok(());
        }
        Err(format!("account {} does not clear with ledger {other}", account.0))
    }

    fn expire(&mut self, id: &Id, left: &Hold) -> Result<(), String> {
        self.reduce(id, left, 0, true)?;
        self.step(left, Step::Release)
    }

    /// What was `moved` leaves `remaining` of a hold that is open, in time or too late.
    fn reduce(
        &mut self,
        id: &Id,
        moved: &Hold,
        remaining: u128,
        expired: bool,
    ) -> Result<(), String> {
        let hold = self.holds.get(id).or_else(|| self.state.hold(self.ledger, id));
        let hold = hold.filter(|hold| hold.amount > 0);
        let mut hold = hold.ok_or_else(|| format!("hold {id} is not open"))?.clone();
        let parts = |hold: &Hold| (hold.debit_account, hold.credit_account, hold.asset);
        if parts(&hold) != parts(moved) {
            return Err(format!("is not between the accounts of hold {id}"));
        }
        if hold.is_expired(self.now) != expired {
            let when = if expired { "expires before" } else { "is used past" };
            return Err(format!("hold {id} {when} its deadline"));
        }
        if hold.amount.checked_sub(moved.amount) != Some(remaining) {
            let (is, left) = (moved.amount, hold.amount);
            return Err(format!("{is} of {left} of hold {id} does not leave {remaining}"));
        }
        hold.amount = remaining;
        self.holds.insert(id.clone(), hold);
        Ok(())
    }

    /// One amount upon the balances that those before it left.
    fn step(&mut self, moved: &Hold, step: Step) -> Result<(), String> {
        let Hold { debit_account, credit_account, asset, amount, .. } = *moved;
        if debit_account == credit_account {
            return Err(format!("debits and credits the same account {}", debit_account.0));
        }
        if amount == 0 {
            return Err("moves nothing".into());
        }
        if book(self.state, self.ledger)?.asset(asset).is_none() {
            return Err(format!("asset {} was never created", asset.0));
        }
        let ends_a_hold = matches!(step, Step::Capture | Step::Release);
        for (handle, side) in [(debit_account, Side::Debit), (credit_account, Side::Credit)] {
            let account = account(self.state, self.ledger, handle)?;
            // What was promised is kept in a frozen account; a closed one has no holds.
            if account.status != AccountStatus::Open && !ends_a_hold {
                return Err(format!("account {} is {:?}", account.name, account.status));
            }
            let slot =
                self.touched.entry((handle, asset)).or_insert_with(|| account.balance(asset));
            let after = slot.after(side, step, amount);
            *slot = after.ok_or_else(|| match step {
                Step::Post | Step::Hold => format!("takes account {} to 2^128", handle.0),
                Step::Capture | Step::Release => format!("account {} holds less", handle.0),
            })?;
        }
        Ok(())
    }

    /// LD-2 of both accounts after one transfer.
    fn passed_rules(&self, transfer: &AcceptedTransfer) -> impl Iterator<Item = String> {
        let sides = [transfer.debit_account, transfer.credit_account];
        sides.into_iter().filter_map(|handle| {
            let account = self.state.account(handle)?;
            let balance = self.touched.get(&(handle, transfer.asset))?;
            let passes = !account.allows(transfer.asset, *balance);
            passes.then(|| format!("account {} passes its rule: {balance:?}", account.name))
        })
    }
}

/// What `apply` asserts of every event that moves nothing.
fn check_plain(state: &State, event: &Event, now: Timestamp) -> Result<(), String> {
    let unless = |fits: bool, what: String| if fits { Ok(()) } else { Err(what) };
    match event {
        Event::LedgerCreated { ledger, name, metadata } => {
            let next = state.ledgers().len();
            unless(ledger.0 as usize == next, format!("ledger {} is not the next", ledger.0))?;
            unless(state.ledger_by_name(name).is_none(), format!("ledger {name} exists"))?;
            // It has no customers yet.
            metadata::fits(state, *ledger, metadata)
        }
        Event::AssetCreated { ledger, asset, code, .. } => {
            let book = book(state, *ledger)?;
            let next = book.assets.len();
            unless(asset.0 as usize == next, format!("asset {} is not the next", asset.0))?;
            unless(book.asset_by_code(code).is_none(), format!("asset {code} exists"))
        }
        Event::AccountOpened { ledger, account, name, rules, metadata, .. } => {
            let next = state.accounts().len() as u64;
            unless(account.0 == next, format!("account {} is not the next", account.0))?;
            let exists = book(state, *ledger)?.account_by_name(name).is_some();
            unless(!exists, format!("account {name} exists"))?;
            metadata::fits(state, *ledger, metadata)?;
            check_rules(state, *ledger, rules)
        }
        Event::AccountStatusChanged { ledger, account: handle, status } => {
            let account = account(state, *ledger, *handle)?;
            let closed = account.status == AccountStatus::Closed;
            unless(!closed, format!("account {} was closed for ever", account.name))?;
            let empty = *status != AccountStatus::Closed || account.is_empty();
            unless(empty, format!("account {} is closed and not empty", account.name))
        }
        Event::AccountRulesChanged { ledger, account: handle, rules } => {
            let account = account(state, *ledger, *handle)?;
            let closed = account.status == AccountStatus::Closed;
            unless(!closed, format!("account {} was closed for ever", account.name))?;
            check_rules(state, *ledger, rules)
        }
        Event::MetadataChanged { ledger, target, changes, others } => {
            metadata::changed(state, *ledger, target, (changes, others))
        }
        Event::BooksLocked { ledger, locked_before } => {
            book(state, *ledger)?;
            let in_time = locked_before.is_none_or(|before| before <= now);
            unless(in_time, "locks the books beyond its time".into())
        }
        Event::ScheduleCreated { ledger, schedule, plan, next_due } => {
            schedules::made(state, *ledger, schedule, plan, (*next_due, now))
        }
        Event::ScheduleCancelled { ledger, schedule } => {
            schedules::active(state, *ledger, schedule).map(|_| ())
        }
        Event::ScheduleRan { ledger, schedule, number, due_at, next_due, refused: _ } => {
            let ran = schedules::Ran { number: *number, due_at: *due_at, next_due: *next_due };
            schedules::ran(state, *ledger, schedule, ran, now)
        }
        Event::CustomerRegistered { .. }
        | Event::ProfileUpdated { .. }
        | Event::CustomerErased { .. } => customers::check(state, event),
        Event::BalanceAlertSet { ledger, account, alert, rule, raised } => {
            alerts::set(state, *ledger, (*account, alert), rule, *raised)
        }
        Event::BalanceAlertRemoved { ledger, account, alert } => {
            alerts::removed(state, *ledger, *account, alert)
        }
        Event::BalanceAlertCrossed { ledger, crossing } => {
            alerts::crossed(state, *ledger, crossing)
        }
        Event::CommandRefused { .. } | Event::TransferBatch(_) | Event::HoldExpired { .. } => {
            Ok(())
        }
    }
}

/// What no decision gives an account for rules.
fn check_rules(state: &State, ledger: LedgerHandle, rules: &AccountRules) -> Result<(), String> {
    let AccountRules { may_go_negative, credit_limits } = rules;
    if *may_go_negative && !credit_limits.is_empty() {
        return Err("bounds what has no bound".into());
    }
    let book = book(state, ledger)?;
    for (asset, amount) in credit_limits {
        if book.asset(*asset).is_none() {
            return Err(format!("asset {} was never created", asset.0));
        }
        if *amount == 0 {
            return Err(format!("the limit of asset {} is nothing", asset.0));
        }
    }
    Ok(())
}

/// LD-2 of an account: the first balance that passes its rules.
fn passed_rule(account: &Account) -> Option<String> {
    let mut balances = account.balances().iter();
    let passes = |(asset, balance): &&(_, _)| !account.allows(*asset, *balance);
    let (asset, balance) = balances.find(passes)?;
    Some(format!("account {} asset {} passes its rule: {balance:?}", account.name, asset.0))
}

fn book(state: &State, ledger: LedgerHandle) -> Result<&ledger_domain::Ledger, String> {
    state.ledger(ledger).ok_or_else(|| format!("ledger {} was never created", ledger.0))
}

fn account(state: &State, ledger: LedgerHandle, handle: AccountHandle) -> Result<&Account, String> {
    let account = state.account(handle);
    let account = account.ok_or_else(|| format!("account {} was never opened", handle.0))?;
    if account.ledger != ledger {
        let (of, is) = (ledger.0, account.ledger.0);
        return Err(format!("is of ledger {of}, its account {} of ledger {is}", handle.0));
    }
    Ok(account)
}

fn balance(state: &State, account: AccountHandle, asset: AssetHandle) -> Balance {
    state.account(account).map(|a| a.balance(asset)).unwrap_or_default()
}

/// Debits and credits, posted and pending, of what is touched, by asset; modulo 2^128, for only their
/// change is compared.
fn sums(
    touched: &Touched,
    balance_of: impl Fn(AccountHandle, AssetHandle) -> Balance,
) -> BTreeMap<AssetHandle, [u128; 4]> {
    let mut sums = BTreeMap::new();
    for (account, asset) in touched.keys() {
        let balance = balance_of(*account, *asset);
        let sum: &mut [u128; 4] = sums.entry(*asset).or_default();
        let counters = [
            balance.debits_posted,
            balance.credits_posted,
            balance.debits_pending,
            balance.credits_pending,
        ];
        for (total, counter) in sum.iter_mut().zip(counters) {
            *total = total.wrapping_add(counter);
        }
    }
    sums
}

/// LD-1 for what an event changed.
fn unbalanced(
    before: &BTreeMap<AssetHandle, [u128; 4]>,
    after: &BTreeMap<AssetHandle, [u128; 4]>,
) -> Option<Misfit> {
    after.iter().find_map(|(asset, sums)| {
        let old = before.get(asset).copied().unwrap_or_default();
        let change = |at: usize| sums[at].wrapping_sub(old[at]);
        let equal = change(0) == change(1) && change(2) == change(3);
        let what = || format!("asset {}: debits and credits change by unequal sums", asset.0);
        (!equal).then(|| Misfit { invariant: "LD-1", row: 0, what: what() })
    })
}

/// The name of the ledger that an event belongs to, if it is known.
pub(crate) fn ledger_of<'a>(state: &'a State, event: &'a Event) -> Option<&'a LedgerName> {
    match event {
        Event::CommandRefused { ledger, .. } | Event::LedgerCreated { name: ledger, .. } => {
            Some(ledger)
        }
        Event::AssetCreated { ledger, .. }
        | Event::AccountOpened { ledger, .. }
        | Event::AccountStatusChanged { ledger, .. }
        | Event::AccountRulesChanged { ledger, .. }
        | Event::MetadataChanged { ledger, .. }
        | Event::BooksLocked { ledger, .. }
        | Event::HoldExpired { ledger, .. }
        | Event::ScheduleCreated { ledger, .. }
        | Event::ScheduleCancelled { ledger, .. }
        | Event::ScheduleRan { ledger, .. }
        | Event::CustomerRegistered { ledger, .. }
        | Event::ProfileUpdated { ledger, .. }
        | Event::CustomerErased { ledger, .. } => state.ledger(*ledger).map(|book| &book.name),
        Event::BalanceAlertSet { ledger, .. }
        | Event::BalanceAlertRemoved { ledger, .. }
        | Event::BalanceAlertCrossed { ledger, .. } => state.ledger(*ledger).map(|book| &book.name),
        Event::TransferBatch(batch) => state.ledger(batch.ledger).map(|book| &book.name),
    }
}
