//! The oracle: the rules of the ledger once more, from the strings that clients send, naive and apart.
//!
//! It shares no code with the domain: names are strings, balances are looked up by name, every version
//! of every balance is kept in a list. It executes commands in the order of the log and says what each
//! of them must have come to.

mod amount;
mod condition;
mod hold;
mod same;
mod shape;

use std::collections::BTreeMap;

use crate::request::{Ask, Change, Request, Transfer};
pub(crate) use amount::{decimal, minor_units};
pub(crate) use hold::{Due, Hold, HoldStatus};
pub(crate) use same::canonical_id;
use same::{same_ask, same_content};
pub(crate) use shape::shape;

/// Offset of a commit and index of an event in it.
pub(crate) type Place = (u64, u32);

/// What a command or a transfer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is accepted.
    Done,
    /// It is a transfer that is accepted, and does this.
    Moves(Moved),
    /// It is refused with this code.
    Refused(u32),
    /// It was decided before: there, and so.
    Before(First),
    /// Its id was used before with other content.
    Reused,
    /// It repeats the item at this place of its batch.
    Repeats(usize),
}

/// What an accepted transfer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) asset: String,
    /// In minor units, as below.
    pub(crate) amount: u128,
    /// What was asked for, of one that takes less.
    pub(crate) up_to: Option<u128>,
    /// What is held after it, of all but a post.
    pub(crate) remaining: u128,
}

/// The first outcome of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) place: Place,
    /// `None` when it was accepted.
    pub(crate) refused: Option<u32>,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdicts {
    /// As a whole.
    Whole(Verdict),
    /// One for each transfer of a batch that is well-formed.
    Items(Vec<Verdict>),
}

impl Verdict {
    /// Whether it is decided for the first time.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, Verdict::Done | Verdict::Moves(_) | Verdict::Refused(_))
    }
}

impl Verdicts {
    /// Whether anything of it is to be recorded.
    pub(crate) fn has_news(&self) -> bool {
        let new = |verdict: &Verdict| verdict.is_new();
        match self {
            Verdicts::Whole(verdict) => new(verdict),
            Verdicts::Items(items) => items.iter().any(new),
        }
    }
}

/// Balance of an account in an asset, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) debits: u128,
    pub(crate) credits: u128,
    pub(crate) debits_pending: u128,
    pub(crate) credits_pending: u128,
}

/// One version of a balance: what it is from `place` on, and by which transfer.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) place: Place,
    pub(crate) counters: Counters,
    pub(crate) transfer: String,
    /// Number of the kind of the entry: that of its transfer, or [`EXPIRY`].
    pub(crate) kind: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) opened: Place,
    pub(crate) kind: i32,
    pub(crate) may_go_negative: bool,
    /// Ascending; open before the first.
    pub(crate) statuses: Vec<(Place, Status)>,
}

/// What may be done with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Frozen,
    Closed,
}

/// A transfer that was decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) asked: Transfer,
    pub(crate) first: First,
    /// `None` when it was refused.
    pub(crate) moved: Option<Moved>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) created: Place,
    pub(crate) assets: BTreeMap<String, (u32, Place)>,
    pub(crate) accounts: BTreeMap<String, Account>,
    /// By account and asset; versions ascend.
    pub(crate) balances: BTreeMap<(String, String), Vec<Version>>,
    pub(crate) transfers: BTreeMap<String, Decided>,
    /// By the id of the transfer that holds.
    pub(crate) holds: BTreeMap<String, Hold>,
}

/// All ledgers of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) books: BTreeMap<String, Book>,
    /// By ledger and request id: it may name a ledger that does not exist.
    requests: BTreeMap<(String, String), (Request, First)>,
    /// When each commit was recorded, by its offset.
    pub(crate) instants: BTreeMap<u64, i64>,
}

const ASSET: i32 = 1;
const EXPENSE: i32 = 5;

/// Kinds of transfer.
pub(crate) const POST: i32 = 1;
pub(crate) const HOLD: i32 = 2;
pub(crate) const CAPTURE: i32 = 3;
pub(crate) const VOID: i32 = 4;
/// What no transfer does, but an entry of a statement says.
pub(crate) const EXPIRY: i32 = 5;

impl Model {
    /// What a request comes to at this instant. Its shape was checked.
    pub(crate) fn decide(&self, request: &Request, well_formed: &[Transfer], now: i64) -> Verdicts {
        let key = (request.ledger.clone(), canonical_id(&request.request_id));
        if let (false, Some((asked, first))) =
            (request.request_id.is_empty(), self.requests.get(&key))
        {
            let same = condition::same(&asked.conditions, &request.conditions);
            if !same || !same_ask(&asked.ask, &request.ask) {
                return Verdicts::Whole(Verdict::Reused);
            }
            // The transfers of a batch answer by their own ids.
            let by_items = matches!(request.ask, Ask::Post { .. }) && first.refused.is_none();
            if !by_items {
                return Verdicts::Whole(Verdict::Before(first.clone()));
            }
        }
        let book = self.books.get(&request.ledger);
        let whole =
            |refused: Option<u32>| Verdicts::Whole(refused.map_or(Verdict::Done, Verdict::Refused));
        if let Some(book) = book
            && !Model::is_retry(book, well_formed)
            && let Some(code) = self.depends(book, &request.conditions)
        {
            return whole(Some(code));
        }
        match (&request.ask, book) {
            (Ask::CreateLedger, book) => whole(book.map(|_| 202)),
            (_, None) => whole(Some(201)),
            (Ask::CreateAsset { code, .. }, Some(book)) => {
                whole(book.assets.contains_key(code).then_some(203))
            }
            (Ask::OpenAccount { name, .. }, Some(book)) => {
                whole(book.accounts.contains_key(name).then_some(204))
            }
            (Ask::Change { name, change }, Some(book)) => whole(book.change(name, *change).err()),
            (Ask::Post { .. }, Some(book)) => Verdicts::Items(book.decide(well_formed, now)),
        }
    }

    /// Executes what `decide` said, recorded from `place` on.
    pub(crate) fn record(
        &mut self,
        request: &Request,
        well_formed: &[Transfer],
        verdicts: &Verdicts,
        place: Place,
    ) {
        let refused = match verdicts {
            Verdicts::Whole(Verdict::Refused(code)) => Some(*code),
            Verdicts::Whole(_) | Verdicts::Items(_) => None,
        };
        if !request.request_id.is_empty() {
            let key = (request.ledger.clone(), canonical_id(&request.request_id));
            self.requests.insert(key, (request.clone(), First { place, refused }));
        }
        if refused.is_some() {
            return;
        }
        let book = self.books.entry(request.ledger.clone()).or_default();
        match (&request.ask, verdicts) {
            (Ask::CreateLedger, _) => book.created = place,
            (Ask::CreateAsset { code, scale }, _) => {
                book.assets.insert(code.clone(), (*scale, place));
            }
            (Ask::OpenAccount { name, kind, may_go_negative }, _) => {
                let (kind, may_go_negative) = (*kind, *may_go_negative);
                let account =
                    Account { opened: place, kind, may_go_negative, statuses: Vec::new() };
                book.accounts.insert(name.clone(), account);
            }
            (Ask::Change { name, change }, _) => {
                let status = match change {
                    Change::Freeze => Status::Frozen,
                    Change::Unfreeze => Status::Open,
                    Change::Close => Status::Closed,
                };
                if let Some(account) = book.accounts.get_mut(name) {
                    account.statuses.push((place, status));
                }
            }
            (Ask::Post { .. }, Verdicts::Items(items)) => book.record(well_formed, items, place),
            (Ask::Post { .. }, Verdicts::Whole(_)) => {}
        }
    }
}

impl Counters {
    /// Whether nothing is in it, and nothing is held of it.
    fn is_nothing(self) -> bool {
        self.debits == self.credits && self.debits_pending == 0 && self.credits_pending == 0
    }
}

impl Account {
    /// Its status as of a place.
    pub(crate) fn status(&self, at: Place) -> Option<(Place, Status)> {
        self.statuses.iter().rfind(|(place, _)| *place <= at).copied()
    }

    fn status_now(&self) -> Status {
        self.statuses.last().map_or(Status::Open, |(_, status)| *status)
    }
}

impl Book {
    fn change(&self, name: &str, change: Change) -> Result<(), u32> {
        let account = self.accounts.get(name).ok_or(212u32)?;
        let mut balances = self.balances.iter().filter(|((of, _), _)| of == name);
        let is_empty =
            balances.all(|(_, versions)| versions.last().is_none_or(|it| it.counters.is_nothing()));
        match (account.status_now(), change) {
            (Status::Closed, _) => Err(213),
            (Status::Frozen, Change::Freeze | Change::Close) => Err(214),
            (Status::Open, Change::Unfreeze) => Err(215),
            (Status::Open, Change::Close) if !is_empty => Err(216),
            _ => Ok(()),
        }
    }

    fn decide(&self, transfers: &[Transfer], now: i64) -> Vec<Verdict> {
        // A batch is decided upon a book of its own, in which each transfer is done at once.
        let mut after = self.tip();
        let mut verdicts = Vec::new();
        for (place, transfer) in transfers.iter().enumerate() {
            let id = canonical_id(&transfer.id);
            let above = transfers[..place].iter().position(|t| canonical_id(&t.id) == id);
            verdicts.push(match (self.transfers.get(&id), above) {
                (Some(decided), _) if same_content(&decided.asked, transfer) => {
                    Verdict::Before(decided.first.clone())
                }
                (None, Some(above)) if same_content(&transfers[above], transfer) => {
                    Verdict::Repeats(above)
                }
                (Some(_), _) | (None, Some(_)) => Verdict::Reused,
                (None, None) => match after.moves(transfer, now) {
                    Ok(moved) => {
                        after.enter(transfer, &moved, Place::default());
                        Verdict::Moves(moved)
                    }
                    Err(code) => Verdict::Refused(code),
                },
            });
        }
        verdicts
    }

    /// What a book is now, without its past.
    fn tip(&self) -> Book {
        let balances = self.balances.iter();
        let balances =
            balances.map(|(key, all)| (key.clone(), all.last().cloned().into_iter().collect()));
        let open = self.holds.iter().filter(|(_, hold)| hold.remaining() > 0);
        Book {
            created: self.created,
            assets: self.assets.clone(),
            accounts: self.accounts.clone(),
            balances: balances.collect(),
            transfers: BTreeMap::new(),
            holds: open.map(|(id, hold)| (id.clone(), hold.clone())).collect(),
        }
    }

    fn moves(&self, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        match transfer.kind {
            CAPTURE | VOID => self.ends(transfer, now),
            _ => self.begins(transfer, now),
        }
    }

    /// A post or a hold.
    fn begins(&self, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        let debit = self.accounts.get(&transfer.debit).ok_or(206u32)?;
        let credit = self.accounts.get(&transfer.credit).ok_or(207u32)?;
        for (status, code) in [(Status::Closed, 213), (Status::Frozen, 214)] {
            if [debit, credit].iter().any(|account| account.status_now() == status) {
                return Err(code);
            }
        }
        if transfer.expires_at.is_some_and(|at| at <= now) {
            return Err(218);
        }
        let (scale, _) = self.assets.get(&transfer.asset).ok_or(208u32)?;
        let asked = minor_units(&transfer.amount, *scale)?;
        let debited = self.latest(&transfer.debit, &transfer.asset);
        let credited = self.latest(&transfer.credit, &transfer.asset);
        let mut amount = asked;
        let debit_normal = |account: &Account| matches!(account.kind, ASSET | EXPENSE);
        let mut left = Vec::new();
        if !debit.may_go_negative && !debit_normal(debit) {
            let gone = debited.debits + debited.debits_pending;
            left.push(debited.credits.checked_sub(gone).ok_or(211u32)?);
        }
        if !credit.may_go_negative && debit_normal(credit) {
            let gone = credited.credits + credited.credits_pending;
            left.push(credited.debits.checked_sub(gone).ok_or(211u32)?);
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
    fn ends(&self, transfer: &Transfer, now: i64) -> Result<Moved, u32> {
        let hold = self.holds.get(&canonical_id(&transfer.hold)).ok_or(217u32)?;
        let held = hold.remaining();
        if held == 0 {
            return Err(217);
        }
        if hold.expires_at.is_some_and(|at| at <= now) {
            return Err(218);
        }
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

    fn record(&mut self, transfers: &[Transfer], verdicts: &[Verdict], place: Place) {
        let mut at = place;
        for (transfer, verdict) in transfers.iter().zip(verdicts) {
            let (refused, moved) = match verdict {
                Verdict::Moves(moved) => (None, Some(moved.clone())),
                Verdict::Refused(code) => (Some(*code), None),
                Verdict::Done | Verdict::Before(_) | Verdict::Reused | Verdict::Repeats(_) => {
                    continue;
                }
            };
            if let Some(moved) = &moved {
                self.enter(transfer, moved, at);
            }
            let first = First { place: at, refused };
            let decided = Decided { asked: transfer.clone(), first, moved };
            self.transfers.insert(canonical_id(&transfer.id), decided);
            at.1 += 1;
        }
    }

    fn enter(&mut self, transfer: &Transfer, moved: &Moved, place: Place) {
        let kind = if transfer.kind == 0 { POST } else { transfer.kind };
        self.count(moved, kind, &canonical_id(&transfer.id), place);
        match kind {
            HOLD => {
                let hold = Hold::new(moved, transfer.expires_at, place);
                self.holds.insert(canonical_id(&transfer.id), hold);
            }
            CAPTURE | VOID => {
                if let Some(hold) = self.holds.get_mut(&canonical_id(&transfer.hold)) {
                    hold.change(kind, moved.amount, place);
                }
            }
            _ => {}
        }
    }

    /// Counts an amount in both accounts.
    fn count(&mut self, moved: &Moved, kind: i32, transfer: &str, place: Place) {
        for (account, debit) in [(&moved.debit, true), (&moved.credit, false)] {
            let mut counters = self.latest(account, &moved.asset);
            let (posted, pending) = if debit {
                (&mut counters.debits, &mut counters.debits_pending)
            } else {
                (&mut counters.credits, &mut counters.credits_pending)
            };
            if matches!(kind, POST | CAPTURE) {
                *posted += moved.amount;
            }
            if kind == HOLD {
                *pending += moved.amount;
            }
            if matches!(kind, CAPTURE | VOID | EXPIRY) {
                *pending -= moved.amount;
            }
            let version = Version { place, counters, transfer: transfer.to_owned(), kind };
            let key = (account.clone(), moved.asset.clone());
            self.balances.entry(key).or_default().push(version);
        }
    }

    fn latest(&self, account: &str, asset: &str) -> Counters {
        let versions = self.balances.get(&(account.to_owned(), asset.to_owned()));
        versions.and_then(|v| v.last()).map(|version| version.counters).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
