//! The oracle: the rules of the ledger once more, from the strings that clients send, naive and apart.
//!
//! It shares no code with the domain: names are strings, balances are looked up by name, every version
//! of every balance is kept in a list. It executes commands in the order of the log and says what each
//! of them must have come to.

mod account;
mod alert;
mod amount;
mod batch;
mod condition;
mod customer;
mod groups;
mod hold;
mod lock;
mod metadata;
mod same;
mod schedule;
mod send;
mod shape;

use std::collections::BTreeMap;

use crate::request::{Ask, Change, Request, Transfer};
pub(crate) use account::{Account, Bound, Status};
pub(crate) use alert::{Cause, Crossed};
pub(crate) use amount::{decimal, minor_units};
pub(crate) use customer::{Kept, Person};
pub(crate) use hold::{Due, Hold, HoldStatus};
pub(crate) use metadata::{Noted, noted};
pub(crate) use same::{canonical_id, is_uuid};
use same::{same_ask, same_content};
pub(crate) use schedule::{Made, Run};
pub(crate) use send::{all_settled, destination, settlement};
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
    /// It is refused with this code for what became of others, and stays free.
    NotRecorded(u32),
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
    /// What is held after it; of a reversal, what is not reversed.
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

/// A transfer that was decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) asked: Transfer,
    pub(crate) first: First,
    /// `None` when it was refused.
    pub(crate) moved: Option<Moved>,
    /// Of its metadata.
    pub(crate) updates: Noted,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) created: Place,
    /// Its own metadata.
    pub(crate) noted: Noted,
    /// Up to when it is closed; ascending, open before the first.
    pub(crate) locks: Vec<(Place, Option<i64>)>,
    pub(crate) assets: BTreeMap<String, (u32, Place)>,
    pub(crate) accounts: BTreeMap<String, Account>,
    /// By account and asset; versions ascend.
    pub(crate) balances: BTreeMap<(String, String), Vec<Version>>,
    pub(crate) transfers: BTreeMap<String, Decided>,
    /// By the id of the transfer that holds.
    pub(crate) holds: BTreeMap<String, Hold>,
    /// By the id of the transfer that is reversed: where, by which and how much; ascending.
    pub(crate) reversals: BTreeMap<String, Vec<(Place, String, u128)>>,
    /// Journal entries: where each transfer of one was accepted, and its id.
    pub(crate) entries: BTreeMap<String, Vec<(Place, String)>>,
    /// By name.
    pub(crate) customers: BTreeMap<String, Person>,
    /// By id.
    pub(crate) schedules: BTreeMap<String, Made>,
    /// By account and id.
    pub(crate) alerts: BTreeMap<(String, String), alert::Watched>,
    /// Of all accounts, ascending by place.
    pub(crate) crossings: Vec<Crossed>,
    /// Those of the command that is being recorded.
    crossing: Vec<Crossed>,
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
pub(crate) const REVERSAL: i32 = 5;
pub(crate) const SEND: i32 = 6;
pub(crate) const RECEIVE: i32 = 7;
/// What no transfer does, but an entry of a statement says.
pub(crate) const EXPIRY: i32 = 5;
/// What an entry of a statement says of a reversal, a send and a receipt.
pub(crate) const REVERSED: i32 = 6;
pub(crate) const SENT: i32 = 7;
pub(crate) const RECEIVED: i32 = 8;

impl Model {
    /// What a request comes to at this instant. Its shape was checked.
    pub(crate) fn decide(&self, request: &Request, well_formed: &[Transfer], now: i64) -> Verdicts {
        let key = (request.ledger.clone(), canonical_id(&request.request_id));
        if let (false, Some((asked, first))) =
            (request.request_id.is_empty(), self.requests.get(&key))
        {
            let same = condition::same(&asked.conditions, &request.conditions);
            if !same || !same_ask(&request.ledger, &asked.ask, &request.ask) {
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
            (Ask::CreateLedger { .. }, book) => whole(book.map(|_| 202)),
            (_, None) => whole(Some(201)),
            (Ask::CreateAsset { code, .. }, Some(book)) => {
                whole(book.assets.contains_key(code).then_some(203))
            }
            (Ask::OpenAccount { name, .. }, Some(book)) if book.accounts.contains_key(name) => {
                whole(Some(204))
            }
            (Ask::OpenAccount { rules, metadata, .. }, Some(book)) => {
                let may = book.may_seal([metadata], None);
                whole(may.and_then(|()| book.bound(rules)).err())
            }
            (Ask::Change { name, change }, Some(book)) => whole(book.change(name, *change).err()),
            (Ask::SetRules { name, rules }, Some(book)) => whole(book.set_rules(name, rules).err()),
            (Ask::Note(note), Some(book)) => whole(book.notes(note)),
            (Ask::Lock { before }, Some(_)) => whole(lock::too_late(*before, now)),
            (Ask::Schedule(asked), Some(book)) => whole(book.makes(asked, now)),
            (Ask::Cancel { schedule }, Some(book)) => whole(book.cancels(schedule)),
            (Ask::Customer(asked), Some(book)) => whole(book.refuses(asked)),
            (Ask::SetAlert(asked), Some(book)) => whole(book.sets_alert(asked)),
            (Ask::RemoveAlert { account, id }, Some(book)) => {
                whole(book.removes_alert(account, id))
            }
            (Ask::Post { .. }, Some(book)) => Verdicts::Items(book.decide(well_formed, now)),
        }
    }

    /// Clearing accounts that come before the rows of a batch.
    pub(crate) fn opens(
        &self,
        request: &Request,
        well_formed: &[Transfer],
        verdicts: &Verdicts,
    ) -> Vec<String> {
        match (self.books.get(&request.ledger), verdicts) {
            (Some(book), Verdicts::Items(items)) => book.opens(well_formed, items),
            _ => Vec::new(),
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
            (Ask::CreateLedger { metadata }, _) => {
                (book.created, book.noted) = (place, metadata::created(metadata, place));
            }
            (Ask::Note(note), _) => book.note(note, place),
            (Ask::CreateAsset { code, scale }, _) => {
                book.assets.insert(code.clone(), (*scale, place));
            }
            (Ask::OpenAccount { name, kind, rules, metadata }, _) => {
                let bound = book.bound(rules).unwrap_or_default();
                let (kind, rules, statuses) = (*kind, vec![(place, bound)], Vec::new());
                let noted = metadata::created(metadata, place);
                let account = Account { opened: place, kind, rules, statuses, noted };
                book.accounts.insert(name.clone(), account);
            }
            (Ask::SetRules { name, rules }, _) => {
                let bound = book.bound(rules).unwrap_or_default();
                if let Some(account) = book.accounts.get_mut(name) {
                    account.rules.push((place, bound));
                }
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
            (Ask::Lock { before }, _) => book.locks.push((place, *before)),
            (Ask::Schedule(asked), _) => book.made(asked, place),
            (Ask::Cancel { schedule }, _) => book.cancelled(schedule, place),
            (Ask::Customer(asked), _) => book.does(asked, place),
            (Ask::SetAlert(asked), _) => book.set_alert(asked, place),
            (Ask::RemoveAlert { account, id }, _) => book.remove_alert(account, id, place),
            (Ask::Post { .. }, Verdicts::Items(items)) => {
                let (offset, mut index) = place;
                for name in book.opens(well_formed, items) {
                    book.open_clearing(name, (offset, index));
                    index += 1;
                }
                book.record(well_formed, items, (offset, index));
            }
            (Ask::Post { .. }, Verdicts::Whole(_)) => {}
        }
    }
}

impl Counters {
    /// Whether nothing is in it, and nothing is held of it.
    fn is_nothing(self) -> bool {
        self.debits == self.credits && self.debits_pending == 0 && self.credits_pending == 0
    }

    /// What counts for and against an account of this kind; what is held against it is gone already.
    fn sides(self, kind: i32) -> (u128, u128) {
        match kind {
            ASSET | EXPENSE => (self.debits, self.credits + self.credits_pending),
            _ => (self.credits, self.debits + self.debits_pending),
        }
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

    fn record(&mut self, transfers: &[Transfer], verdicts: &[Verdict], place: Place) {
        let mut at = place;
        for (transfer, verdict) in transfers.iter().zip(verdicts) {
            let (refused, moved) = match verdict {
                Verdict::Moves(moved) => (None, Some(moved.clone())),
                Verdict::Refused(code) => (Some(*code), None),
                Verdict::Done
                | Verdict::Before(_)
                | Verdict::Reused
                | Verdict::Repeats(_)
                | Verdict::NotRecorded(_) => continue,
            };
            if let Some(moved) = &moved {
                self.enter(transfer, moved, at);
                if !transfer.entry.is_empty() {
                    let entry = self.entries.entry(canonical_id(&transfer.entry)).or_default();
                    entry.push((at, canonical_id(&transfer.id)));
                }
            }
            let first = First { place: at, refused };
            let (asked, updates) = (transfer.clone(), Noted::new());
            let decided = Decided { asked, first, moved, updates };
            self.transfers.insert(canonical_id(&transfer.id), decided);
            at.1 += 1;
        }
    }

    fn enter(&mut self, transfer: &Transfer, moved: &Moved, place: Place) {
        let kind = if transfer.kind == 0 { POST } else { transfer.kind };
        let id = canonical_id(&transfer.id);
        let entry = match kind {
            REVERSAL => REVERSED,
            SEND => SENT,
            RECEIVE => RECEIVED,
            kind => kind,
        };
        self.count(moved, entry, &id, place);
        match kind {
            REVERSAL => {
                let parts = self.reversals.entry(canonical_id(&transfer.reverses)).or_default();
                parts.push((place, id, moved.amount));
            }
            HOLD | SEND => {
                let hold = Hold::new(moved, transfer.expires_at, kind == SEND, place);
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
            if matches!(kind, POST | CAPTURE | REVERSED | RECEIVED) {
                *posted += moved.amount;
            }
            if matches!(kind, HOLD | SENT) {
                *pending += moved.amount;
            }
            if matches!(kind, CAPTURE | VOID | EXPIRY) {
                *pending -= moved.amount;
            }
            let version = Version { place, counters, transfer: transfer.to_owned(), kind };
            let key = (account.clone(), moved.asset.clone());
            self.balances.entry(key).or_default().push(version);
            self.looks(account, &moved.asset, (kind, transfer));
        }
    }

    fn latest(&self, account: &str, asset: &str) -> Counters {
        let versions = self.balances.get(&(account.to_owned(), asset.to_owned()));
        versions.and_then(|v| v.last()).map(|version| version.counters).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
