//! What goes into the writer and what comes out.

use ledger_domain::{
    AccountHandle, AssetHandle, Command, Position, Rejection, Timestamp, Transfer,
};

/// A command on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// By which the reply finds its way back; unique in the process.
    pub token: u64,
    /// What is asked, checked in shape.
    pub command: Command,
    /// Answer what would happen and write nothing.
    pub validate_only: bool,
    /// The authenticated principal; empty without authentication.
    pub actor: String,
    /// W3C traceparent; empty when there was none.
    pub traceparent: String,
}

impl Request {
    /// How many transfers it holds; 1 for what is no batch.
    #[must_use]
    pub fn weight(&self) -> usize {
        match &self.command.body {
            ledger_domain::CommandBody::PostTransfers { transfers } => transfers.len().max(1),
            ledger_domain::CommandBody::CreateLedger { .. }
            | ledger_domain::CommandBody::CreateAsset { .. }
            | ledger_domain::CommandBody::OpenAccount { .. }
            | ledger_domain::CommandBody::ChangeAccount { .. }
            | ledger_domain::CommandBody::SetAccountRules { .. }
            | ledger_domain::CommandBody::UpdateMetadata { .. }
            | ledger_domain::CommandBody::LockBooks { .. }
            | ledger_domain::CommandBody::ScheduleTransfer { .. }
            | ledger_domain::CommandBody::CancelSchedule { .. }
            | ledger_domain::CommandBody::Register { .. }
            | ledger_domain::CommandBody::UpdateProfile { .. }
            | ledger_domain::CommandBody::EraseCustomer { .. }
            | ledger_domain::CommandBody::SetBalanceAlert { .. }
            | ledger_domain::CommandBody::RemoveBalanceAlert { .. } => 1,
        }
    }
}

/// Where and when something was recorded. `P` is [`Position`] for everything that left the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt<P = Position> {
    /// Its event; `None` for a dry run, which records nothing.
    pub position: Option<P>,
    /// When its commit was recorded; for a dry run, when it would have been.
    pub recorded_at: Timestamp,
    /// Whether it is the first outcome of an earlier, equal request.
    pub replayed: bool,
}

/// The answer to a command or to one transfer of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<P = Position> {
    /// It was done.
    Accepted(Receipt<P>),
    /// It was refused.
    Refused {
        /// Why.
        rejection: Rejection,
        /// Where the refusal is recorded; `None` when it is not.
        receipt: Option<Receipt<P>>,
    },
}

/// What the writer says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<P = Position> {
    /// To a command that is no batch, or to a batch that was refused as a whole.
    One(Answer<P>),
    /// To a batch: one for each of its transfers, in order.
    Items(Vec<Answer<P>>),
    /// Nothing was recorded, and nothing of it will be: it is safe to ask again.
    NotRecorded {
        /// Why, for a person.
        reason: String,
    },
    /// The queue is full: ask again later.
    Overloaded {
        /// When, in milliseconds from now.
        retry_after_ms: u64,
    },
    /// Another server writes this partition: nothing was recorded here, ask there.
    NotOwner,
    /// Nobody knows yet whether it was recorded: ask again with the same ids.
    Unknown {
        /// Why, for a person.
        reason: String,
    },
}

/// A reply, and what of it must be read back from the log before it is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied<P = Position> {
    /// The reply.
    pub reply: Reply<P>,
    /// What is missing, ascending by item.
    pub lookups: Vec<Lookup<P>>,
}

/// One first outcome to be read back from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup<P = Position> {
    /// The item that it completes; 0 for [`Reply::One`].
    pub item: usize,
    /// Where it stands.
    pub at: P,
    /// What is asked of it.
    pub asked: Asked,
}

/// What is asked of a first outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Why it was refused.
    Refusal,
    /// In which field this transfer of the same id differs from it.
    TransferDiffers(Box<Resolved>),
    /// In which field this command of the same request id differs from it.
    CommandDiffers(Box<Command>),
}

/// A transfer with the handles that its names have now; `None` for names that it does not have or that are
/// not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The transfer.
    pub transfer: Transfer,
    /// Its debit account.
    pub debit_account: Option<AccountHandle>,
    /// Its credit account.
    pub credit_account: Option<AccountHandle>,
    /// Its asset.
    pub asset: Option<AssetHandle>,
    /// Scales of the ledger's assets, by handle.
    pub scales: Vec<u8>,
}

impl<P> Receipt<P> {
    fn map<Q>(self, place: &impl Fn(P) -> Q) -> Receipt<Q> {
        let Receipt { position, recorded_at, replayed } = self;
        Receipt { position: position.map(place), recorded_at, replayed }
    }
}

impl<P> Answer<P> {
    fn map<Q>(self, place: &impl Fn(P) -> Q) -> Answer<Q> {
        match self {
            Answer::Accepted(receipt) => Answer::Accepted(receipt.map(place)),
            Answer::Refused { rejection, receipt } => {
                Answer::Refused { rejection, receipt: receipt.map(|receipt| receipt.map(place)) }
            }
        }
    }

    /// Where it is recorded, if it is.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt<P>> {
        match self {
            Answer::Accepted(receipt) => Some(receipt),
            Answer::Refused { receipt, .. } => receipt.as_ref(),
        }
    }
}

impl<P> Replied<P> {
    pub(crate) fn of(reply: Reply<P>) -> Self {
        Replied { reply, lookups: Vec::new() }
    }

    /// Puts final places for preliminary ones.
    pub(crate) fn map<Q>(self, place: &impl Fn(P) -> Q) -> Replied<Q> {
        let reply = match self.reply {
            Reply::One(answer) => Reply::One(answer.map(place)),
            Reply::Items(items) => {
                Reply::Items(items.into_iter().map(|item| item.map(place)).collect())
            }
            Reply::NotRecorded { reason } => Reply::NotRecorded { reason },
            Reply::Overloaded { retry_after_ms } => Reply::Overloaded { retry_after_ms },
            Reply::NotOwner => Reply::NotOwner,
            Reply::Unknown { reason } => Reply::Unknown { reason },
        };
        let lookups = self.lookups.into_iter().map(|Lookup { item, at, asked }| Lookup {
            item,
            at: place(at),
            asked,
        });
        Replied { reply, lookups: lookups.collect() }
    }
}
