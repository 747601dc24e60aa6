//! What a command comes to, given the state. Pure: the caller records the events and applies them.

mod alerts;
mod change_account;
mod conditions;
mod create_asset;
mod create_ledger;
mod crossings;
mod customers;
mod due;
mod lock_books;
mod named;
mod open_account;
mod post_transfers;
mod rules;
mod schedules;
mod set_account_rules;
mod update_metadata;

use crate::command::{Command, CommandBody, Timestamp};
use crate::event::{AcceptedTransfer, Event, Reversal};
use crate::metadata::Metadata;
use crate::name::Id;
use crate::rejection::{Code, Rejection};
use crate::state::{AccountHandle, AssetHandle, State};

pub use crossings::crossings;
pub use due::decide_due;

/// What the id store knew of an id before this commit: its first outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prior {
    /// Offset of the commit that recorded it.
    pub offset: u64,
    /// Index of the event in that commit.
    pub index: u32,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Whether the content was the same as now.
    pub same_content: bool,
    /// Why it was refused, if it was; the subject stands in the log.
    pub refused: Option<Code>,
}

/// What is known of one transfer's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never seen.
    New,
    /// Never seen; the transfer reverses this one.
    NewReversal(Original),
    /// Accepted before, with this noted of it; to be updated.
    Noted(Metadata),
    /// Never seen; but its journal entry was recorded before, without it.
    EntryTaken,
    /// Decided in an earlier command.
    Before(Prior),
    /// The same id stands at this earlier place of the same batch.
    Above {
        /// The place.
        item: usize,
        /// Whether the content is the same.
        same_content: bool,
    },
}

impl Seen {
    /// Whether the transfer is to be decided now.
    #[must_use]
    pub fn is_new(&self) -> bool {
        match self {
            Seen::New | Seen::NewReversal(_) => true,
            Seen::Noted(_) | Seen::EntryTaken | Seen::Before(_) | Seen::Above { .. } => false,
        }
    }
}

/// What is known of a transfer that is to be reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// None with its id was accepted before this command.
    Unknown,
    /// It posted nothing, or is a reversal itself.
    NotReversible,
    /// It posted this.
    Posted(Posted),
}

/// What a transfer posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Account that it debited.
    pub debit_account: AccountHandle,
    /// Account that it credited.
    pub credit_account: AccountHandle,
    /// Asset.
    pub asset: AssetHandle,
    /// What of it is not reversed, in minor units.
    pub left: u128,
}

impl Posted {
    /// The transfer that this one reverses, and what is left of it then; `None` when it reverses none.
    #[must_use]
    pub fn left_by(accepted: &AcceptedTransfer) -> Option<(&Id, Posted)> {
        let Reversal { of, rest: _, remaining } = accepted.effect.reversal()?;
        let posted = Posted {
            // The reversal is the other way round.
            debit_account: accepted.credit_account,
            credit_account: accepted.debit_account,
            asset: accepted.asset,
            left: *remaining,
        };
        Some((of, posted))
    }
}

impl Original {
    /// What can be posted back.
    #[must_use]
    pub fn posted(self) -> Option<Posted> {
        match self {
            Original::Posted(posted) => Some(posted),
            Original::Unknown | Original::NotReversible => None,
        }
    }

    /// That of a transfer right after it was accepted.
    #[must_use]
    pub fn of(accepted: &AcceptedTransfer) -> Self {
        if !accepted.is_reversible() {
            return Original::NotReversible;
        }
        let AcceptedTransfer { debit_account, credit_account, asset, amount: left, .. } = *accepted;
        Original::Posted(Posted { debit_account, credit_account, asset, left })
    }
}

/// What is known of the ids of a command's transfers, one for each, in order; of an update of a transfer's
/// metadata, of that transfer. Empty means all new.
pub type Known<'a> = &'a [Seen];

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// To be recorded and applied, all or none. Empty when nothing new happened.
    pub events: Vec<Event>,
    /// To be answered once they are durable.
    pub outcome: Outcome,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted, by the decision's first event.
    Accepted,
    /// Refused; the decision's one event records it.
    Refused(Rejection),
    /// One for each transfer of a batch.
    Items(Vec<ItemOutcome>),
}

/// The answer to one transfer of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemOutcome {
    /// Accepted, by this row of the decision's batch event.
    Accepted {
        /// Row of the event.
        row: u32,
    },
    /// Refused, by this row of the decision's batch event.
    Refused {
        /// Row of the event.
        row: u32,
        /// Why.
        rejection: Rejection,
    },
    /// Refused for what became of others; nothing is recorded, and its id stays free.
    NotRecorded {
        /// Why.
        rejection: Rejection,
    },
    /// Decided before; nothing new is recorded. A different content is `Code::IdReused`.
    Before(Prior),
    /// As the item at this earlier place of the batch, whose id and content it repeats.
    Repeats {
        /// The place.
        item: usize,
    },
    /// The id of the item at this earlier place of the batch, with other content.
    Reuses {
        /// The place.
        item: usize,
        /// The field that differs.
        field: &'static str,
    },
}

/// Decides one command. `now` is the instant at which its commit will be recorded.
///
/// Its conditions are looked at first: a command of which one is not met is refused as a whole, a batch
/// too, unless every transfer of it, or one of its group, was decided before.
///
/// The ids that the caller passes in as known are answered from their first outcome; `known` has one
/// entry for each transfer of the command, or none at all.
///
/// # Panics
/// When `now` is before the last applied commit, or `known` has another length.
#[must_use]
pub fn decide(state: &State, command: &Command, known: Known<'_>, now: Timestamp) -> Decision {
    assert!(now >= state.recorded_at(), "time does not run backwards in a partition");
    if let Err(rejection) = conditions::check(state, command, known) {
        return refused(command, rejection);
    }
    let decided = match &command.body {
        CommandBody::CreateLedger { metadata } => {
            create_ledger::decide(state, &command.ledger, metadata)
        }
        CommandBody::CreateAsset { code, scale } => {
            create_asset::decide(state, &command.ledger, code, *scale)
        }
        CommandBody::OpenAccount { name, account_type, rules, metadata } => {
            open_account::decide(state, &command.ledger, name, *account_type, rules, metadata)
        }
        CommandBody::ChangeAccount { name, change } => {
            change_account::decide(state, &command.ledger, name, *change)
        }
        CommandBody::SetAccountRules { name, rules } => {
            set_account_rules::decide(state, &command.ledger, name, rules)
        }
        CommandBody::UpdateMetadata { of, update } => {
            update_metadata::decide(state, &command.ledger, of, update, known)
        }
        CommandBody::LockBooks { locked_before } => {
            lock_books::decide(state, &command.ledger, *locked_before, now)
        }
        CommandBody::ScheduleTransfer { schedule, plan } => {
            schedules::create(state, &command.ledger, schedule, plan, now)
        }
        CommandBody::CancelSchedule { schedule } => {
            schedules::cancel(state, &command.ledger, schedule)
        }
        CommandBody::Register { customer, accounts, profile } => {
            customers::register(state, &command.ledger, customer, accounts, profile)
        }
        CommandBody::UpdateProfile { customer, set, remove } => {
            customers::update_profile(state, &command.ledger, customer, set, remove)
        }
        CommandBody::EraseCustomer { customer } => {
            customers::erase(state, &command.ledger, customer)
        }
        CommandBody::SetBalanceAlert { account, alert, condition } => {
            alerts::set(state, &command.ledger, account, alert, condition)
        }
        CommandBody::RemoveBalanceAlert { account, alert } => {
            alerts::remove(state, &command.ledger, account, alert)
        }
        CommandBody::PostTransfers { transfers } => {
            match post_transfers::decide(state, &command.ledger, transfers, known, now) {
                Ok(decision) => return decision,
                Err(rejection) => Err(rejection),
            }
        }
    };
    match decided {
        Ok(event) => {
            let mut events = crossings(state, &event);
            events.insert(0, event);
            Decision { events, outcome: Outcome::Accepted }
        }
        Err(rejection) => refused(command, rejection),
    }
}

/// A command that is refused as a whole.
fn refused(command: &Command, rejection: Rejection) -> Decision {
    let ledger = command.ledger.clone();
    let refused = Event::CommandRefused { ledger, rejection: rejection.clone() };
    Decision { events: vec![refused], outcome: Outcome::Refused(rejection) }
}
