//! From an outcome to the answer that leaves once its commits count.

use ledger_domain::{
    AccountName, Code, Command, CommandBody, ItemOutcome, Leg, Outcome, Rejection, State,
    Timestamp, Transfer,
};

use super::Place;
use super::known::Hit;
use crate::reply::{Answer, Asked, Lookup, Receipt, Replied, Reply, Resolved};

/// The commit that a command is decided for, and the index of its first event there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub(super) sequence: u64,
    pub(super) index: u32,
    pub(super) now: Timestamp,
    pub(super) dry: bool,
}

impl Fresh {
    fn receipt(self, row: u32) -> Receipt<Place> {
        let place = Place::In { sequence: self.sequence, index: self.index + row };
        let position = (!self.dry).then_some(place);
        Receipt { position, recorded_at: self.now, replayed: false }
    }
}

impl Hit {
    fn receipt(&self) -> Receipt<Place> {
        Receipt { position: Some(self.place), recorded_at: self.recorded_at, replayed: true }
    }

    /// The first outcome; why it was refused stands in the log.
    fn answer(&self, item: usize, lookups: &mut Vec<Lookup<Place>>) -> Answer<Place> {
        match self.refused {
            None => Answer::Accepted(self.receipt()),
            Some(code) => {
                lookups.push(Lookup { item, at: self.place, asked: Asked::Refusal });
                let rejection = Rejection::new(code, "");
                Answer::Refused { rejection, receipt: Some(self.receipt()) }
            }
        }
    }
}

/// The answer to a command that was decided.
pub(super) fn of(
    state: &State,
    command: &Command,
    outcome: &Outcome,
    hits: &[Option<Hit>],
    fresh: Fresh,
) -> Replied<Place> {
    match outcome {
        Outcome::Accepted => Replied::of(Reply::One(Answer::Accepted(fresh.receipt(0)))),
        Outcome::Refused(rejection) => Replied::of(Reply::One(Answer::Refused {
            rejection: rejection.clone(),
            receipt: Some(fresh.receipt(0)),
        })),
        Outcome::Items(items) => of_items(state, command, items, hits, fresh),
    }
}

fn of_items(
    state: &State,
    command: &Command,
    items: &[ItemOutcome],
    hits: &[Option<Hit>],
    fresh: Fresh,
) -> Replied<Place> {
    let CommandBody::PostTransfers { transfers } = &command.body else {
        panic!("only a batch has items");
    };
    let mut answers: Vec<Answer<Place>> = Vec::with_capacity(items.len());
    let mut lookups = Vec::new();
    for (place, outcome) in items.iter().enumerate() {
        let answer = match outcome {
            ItemOutcome::Accepted { row } => Answer::Accepted(fresh.receipt(*row)),
            ItemOutcome::Refused { row, rejection } => {
                Answer::Refused { rejection: rejection.clone(), receipt: Some(fresh.receipt(*row)) }
            }
            ItemOutcome::NotRecorded { rejection } => {
                Answer::Refused { rejection: rejection.clone(), receipt: None }
            }
            ItemOutcome::Before(prior) => {
                let Some(Some(hit)) = hits.get(place) else { panic!("what was seen was a hit") };
                if prior.same_content {
                    hit.answer(place, &mut lookups)
                } else {
                    let resolved = Box::new(resolve(state, command, &transfers[place]));
                    let asked = Asked::TransferDiffers(resolved);
                    lookups.push(Lookup { item: place, at: hit.place, asked });
                    reused("transfer_id")
                }
            }
            ItemOutcome::Repeats { item } => repeated(&answers[*item]),
            ItemOutcome::Reuses { field, .. } => reused(field),
        };
        answers.push(answer);
    }
    Replied { reply: Reply::Items(answers), lookups }
}

/// The first outcome of a request id.
pub(super) fn replayed(hit: &Hit) -> Replied<Place> {
    let mut lookups = Vec::new();
    let answer = hit.answer(0, &mut lookups);
    Replied { reply: Reply::One(answer), lookups }
}

/// A request id that stands for other content.
pub(super) fn request_reused(
    command: &Command,
    hit: &Hit,
    only_conditions: bool,
) -> Replied<Place> {
    if only_conditions {
        return Replied::of(Reply::One(reused("conditions")));
    }
    let asked = Asked::CommandDiffers(Box::new(command.clone()));
    let lookups = vec![Lookup { item: 0, at: hit.place, asked }];
    Replied { reply: Reply::One(reused("request_id")), lookups }
}

fn reused(subject: &str) -> Answer<Place> {
    Answer::Refused { rejection: Rejection::new(Code::IdReused, subject), receipt: None }
}

fn repeated(first: &Answer<Place>) -> Answer<Place> {
    let again = |receipt: &Receipt<Place>| Receipt { replayed: true, ..*receipt };
    match first {
        Answer::Accepted(receipt) => Answer::Accepted(again(receipt)),
        Answer::Refused { rejection, receipt } => {
            Answer::Refused { rejection: rejection.clone(), receipt: receipt.as_ref().map(again) }
        }
    }
}

fn resolve(state: &State, command: &Command, transfer: &Transfer) -> Resolved {
    let book = state.ledger_by_name(&command.ledger).and_then(|handle| state.ledger(handle));
    let leg = transfer.movement.leg();
    let account = |name: fn(&Leg) -> &AccountName| book?.account_by_name(name(leg?));
    let scales = book.map(|book| book.assets.iter().map(|asset| asset.scale).collect());
    Resolved {
        debit_account: account(|leg| &leg.debit_account),
        credit_account: account(|leg| &leg.credit_account),
        asset: book.zip(leg).and_then(|(book, leg)| book.asset_by_code(&leg.asset)),
        scales: scales.unwrap_or_default(),
        transfer: transfer.clone(),
    }
}
