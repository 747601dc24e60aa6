//! Money between ledgers: a send is a hold in its own ledger that another ledger decides.
//!
//! ```text
//!   source:       send ──► hold, against "~clearing:<destination>" ───────► capture, or void
//!                              │                                                ▲
//!   destination:               └─► receive, from "~clearing:<source>" ──────────┘ posted, or refused
//! ```
//!
//! Three steps, each a transfer with an id that can only be its own, so that whoever takes one again gets
//! its first outcome. The destination's log decides, also that the deadline is over: its first answer
//! burns the id of the step, and a send is voided upon a recorded refusal only (SG-1).

use serde::{Deserialize, Serialize};

use crate::amount::Decimal;
use crate::command::transfer::write_id;
use crate::command::{Command, CommandBody, Leg, Link, Movement, Timestamp, Transfer, write_field};
use crate::name::{AccountName, Id, LedgerName};
use crate::rejection::Rejection;
use crate::state::{LedgerHandle, State};

/// Where a send goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The other ledger; it may not exist.
    pub ledger: LedgerName,
    /// Account in it that is credited; it may not exist.
    pub account: AccountName,
    /// From when on the other ledger refuses it; `None` is never.
    pub deadline: Option<Timestamp>,
}

/// Where a receipt comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The ledger that sent it.
    pub ledger: LedgerName,
    /// Id of the send there.
    pub send: Id,
    /// Scale of the asset there.
    pub scale: u8,
    /// From when on it is refused.
    pub deadline: Option<Timestamp>,
    /// When the send was recorded: it is received later than that.
    pub sent_at: Timestamp,
}

/// What an open send needs beside its hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Where it goes to.
    pub to: Destination,
    /// When it was recorded.
    pub sent_at: Timestamp,
    /// Free text of the client's, which the destination records too.
    pub reference: Box<str>,
}

impl AccountName {
    /// The account in which a ledger keeps what is in transit between it and another one.
    #[must_use]
    pub fn clearing(other: &LedgerName) -> Self {
        AccountName::from_log(&format!("~clearing:{other}"))
    }

    /// The ledger on the other side of a clearing account.
    #[must_use]
    pub fn cleared(&self) -> Option<LedgerName> {
        self.as_str().strip_prefix("~clearing:").map(LedgerName::from_log)
    }
}

const SETTLEMENT: &str = "~settle:";

impl Id {
    /// Id of the transfer by which the destination receives a send.
    #[must_use]
    pub fn receipt(source: &LedgerName, send: &Id) -> Self {
        // A ledger's name has no ":", so that no two sends have the same.
        Id::Text(format!("~from:{source}:{send}").into())
    }

    /// Id of the transfer that ends a send, whichever way.
    #[must_use]
    pub fn settlement(send: &Id) -> Self {
        Id::Text(format!("{SETTLEMENT}{send}").into())
    }

    /// Whether it is that of a transfer which ends a send.
    #[must_use]
    pub fn is_settlement(&self) -> bool {
        match self {
            Id::Uuid(_) => false,
            Id::Text(text) => text.starts_with(SETTLEMENT),
        }
    }
}

/// What the destination's log said of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It received it.
    Received,
    /// It refused it, for ever.
    Refused(Rejection),
}

/// The command by which the destination of an open send receives it; `None` when it is not open.
///
/// It is made of what the log of the source says and of nothing else, so that it is the same whoever makes
/// it, and how often.
#[must_use]
pub fn receive(state: &State, ledger: LedgerHandle, send: &Id) -> Option<Command> {
    let hold = state.hold(ledger, send)?;
    let Outgoing { to, sent_at, reference } = &**hold.send.as_ref()?;
    let book = state.ledger(ledger)?;
    let asset = book.asset(hold.asset)?;
    let leg = Leg {
        debit_account: AccountName::clearing(&book.name),
        credit_account: to.account.clone(),
        asset: asset.code.clone(),
        amount: Decimal::from_minor(hold.amount, asset.scale),
        up_to: false,
    };
    let from = Origin {
        ledger: book.name.clone(),
        send: send.clone(),
        scale: asset.scale,
        deadline: to.deadline,
        sent_at: *sent_at,
    };
    Some(receive_step(to.ledger.clone(), leg, from, reference.clone()))
}

/// The command by which a ledger receives what another one has sent.
#[must_use]
pub fn receive_step(ledger: LedgerName, leg: Leg, from: Origin, reference: Box<str>) -> Command {
    let id = Id::receipt(&from.ledger, &from.send);
    // Without the ledger there is nothing else that its refusal could burn.
    let request_id = Some(id.clone());
    let movement = Movement::Receive { leg, from: Box::new(from) };
    let transfer = Transfer {
        id,
        movement,
        reference,
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    let body = CommandBody::PostTransfers { transfers: vec![transfer] };
    Command { ledger, request_id, conditions: Vec::new(), body }
}

/// The command that ends a send in the ledger it came from.
#[must_use]
pub fn settle(source: &LedgerName, send: &Id, settlement: &Settlement) -> Command {
    let hold = send.clone();
    let movement = match settlement {
        Settlement::Received => Movement::Capture { hold, amount: None },
        Settlement::Refused(rejection) => {
            Movement::Void { hold, refused: Some(Box::new(rejection.clone())) }
        }
    };
    let (id, reference) = (Id::settlement(send), Box::default());
    let transfer = Transfer {
        id,
        movement,
        reference,
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    Command {
        ledger: source.clone(),
        request_id: None,
        conditions: Vec::new(),
        body: CommandBody::PostTransfers { transfers: vec![transfer] },
    }
}

impl Command {
    /// When that was recorded, perhaps in another partition, which caused it: it is recorded later.
    #[must_use]
    pub fn cause(&self) -> Option<Timestamp> {
        let CommandBody::PostTransfers { transfers } = &self.body else { return None };
        match transfers.as_slice() {
            [Transfer { movement: Movement::Receive { from, .. }, .. }] => Some(from.sent_at),
            _ => None,
        }
    }
}

impl Destination {
    pub(crate) fn write_content(&self, out: &mut Vec<u8>) {
        let Destination { ledger, account, deadline } = self;
        write_field(16, ledger.as_str().as_bytes(), out);
        write_field(17, account.as_str().as_bytes(), out);
        if let Some(at) = deadline {
            write_field(18, &at.to_le_bytes(), out);
        }
    }
}

impl Origin {
    pub(crate) fn write_content(&self, out: &mut Vec<u8>) {
        let Origin { ledger, send, scale, deadline, sent_at } = self;
        write_field(19, ledger.as_str().as_bytes(), out);
        write_id(20, send, out);
        write_field(21, &[*scale], out);
        if let Some(at) = deadline {
            write_field(18, &at.to_le_bytes(), out);
        }
        write_field(22, &sent_at.to_le_bytes(), out);
    }
}
