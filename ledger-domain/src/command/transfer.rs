//! What a client asks of one transfer.

use serde::{Deserialize, Serialize};

use super::{Timestamp, write_field};
use crate::amount::Decimal;
use crate::metadata::Metadata;
use crate::name::{AccountName, AssetCode, Id};
use crate::rejection::Rejection;
use crate::send::{Destination, Origin};

/// A transfer as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Client-made, unique in the ledger for ever.
    pub id: Id,
    /// What it is to do.
    pub movement: Movement,
    /// Free text of the client's; empty when there is none.
    pub reference: Box<str>,
    /// When it took effect, if that is not when it is recorded.
    pub effective_at: Option<Timestamp>,
    /// With which others of its batch it stands or falls.
    pub link: Link,
    /// Its metadata.
    pub metadata: Metadata,
}

/// With which others of its batch a transfer stands or falls: a group is accepted as a whole, or nothing
/// of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// With none.
    #[default]
    Alone,
    /// With the next one.
    Next,
    /// With all others of this journal entry; they stand side by side. Boxed, so that most transfers stay
    /// small.
    Entry(Box<Id>),
}

impl Link {
    /// The journal entry that it makes its transfer a part of.
    #[must_use]
    pub fn entry(&self) -> Option<&Id> {
        match self {
            Link::Entry(id) => Some(id),
            Link::Alone | Link::Next => None,
        }
    }

    /// Whether the transfer behind one with this link, which has `next`, is of the same group.
    #[must_use]
    pub fn joins(&self, next: &Link) -> bool {
        match self {
            Link::Alone => false,
            Link::Next => true,
            Link::Entry(_) => self == next,
        }
    }
}

/// What a transfer is to do with balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    /// Posts its amount at once.
    Post(Leg),
    /// Holds its amount, until it is captured, voided or expires.
    Hold {
        /// What is held.
        leg: Leg,
        /// From when on it cannot be captured and is given back; `None` is never.
        expires_at: Option<Timestamp>,
    },
    /// Posts a part of what is held, or all that is left of it.
    Capture {
        /// Id of the hold.
        hold: Id,
        /// How much of it, not zero; `None` is all that is left.
        amount: Option<Decimal>,
    },
    /// Gives back all that is left of what is held.
    Void {
        /// Id of the hold.
        hold: Id,
        /// Of the void that ends a send: why its destination refused it.
        refused: Option<Box<Rejection>>,
    },
    /// Holds its amount until another ledger has received it, or refused to.
    Send {
        /// What is held, against the clearing account of the other ledger.
        leg: Leg,
        /// Where it goes to.
        to: Box<Destination>,
    },
    /// Posts what another ledger sent.
    Receive {
        /// What is posted, from the clearing account of the other ledger.
        leg: Leg,
        /// Where it comes from.
        from: Box<Origin>,
    },
    /// Posts an earlier transfer's amount back, or a part of it.
    Reversal {
        /// Id of the transfer that it reverses: a post or a capture.
        of: Id,
        /// How much of it, not zero; `None` is all that is not reversed yet.
        amount: Option<Decimal>,
    },
}

/// One amount of one asset, from one account to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Account that is debited.
    pub debit_account: AccountName,
    /// Account that is credited.
    pub credit_account: AccountName,
    /// Asset.
    pub asset: AssetCode,
    /// Amount; not zero.
    pub amount: Decimal,
    /// Whether less is fine: as much of the amount as the rules of both accounts allow, but not nothing.
    pub up_to: bool,
}

/// The kinds of transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// [`Movement::Post`].
    Post,
    /// [`Movement::Hold`].
    Hold,
    /// [`Movement::Capture`].
    Capture,
    /// [`Movement::Void`].
    Void,
    /// [`Movement::Reversal`].
    Reversal,
    /// [`Movement::Send`].
    Send,
    /// [`Movement::Receive`].
    Receive,
}

impl TransferKind {
    /// Its stable number: in the API, the log, the rows of the views and canonical bytes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            TransferKind::Post => 1,
            TransferKind::Hold => 2,
            TransferKind::Capture => 3,
            TransferKind::Void => 4,
            TransferKind::Reversal => 5,
            TransferKind::Send => 6,
            TransferKind::Receive => 7,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<TransferKind> {
        match number {
            1 => Some(TransferKind::Post),
            2 => Some(TransferKind::Hold),
            3 => Some(TransferKind::Capture),
            4 => Some(TransferKind::Void),
            5 => Some(TransferKind::Reversal),
            6 => Some(TransferKind::Send),
            7 => Some(TransferKind::Receive),
            _ => None,
        }
    }
}

impl Movement {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> TransferKind {
        match self {
            Movement::Post(_) => TransferKind::Post,
            Movement::Hold { .. } => TransferKind::Hold,
            Movement::Capture { .. } => TransferKind::Capture,
            Movement::Void { .. } => TransferKind::Void,
            Movement::Reversal { .. } => TransferKind::Reversal,
            Movement::Send { .. } => TransferKind::Send,
            Movement::Receive { .. } => TransferKind::Receive,
        }
    }

    /// Its accounts, asset and amount, where it names them itself.
    #[must_use]
    pub fn leg(&self) -> Option<&Leg> {
        match self {
            Movement::Post(leg)
            | Movement::Hold { leg, .. }
            | Movement::Send { leg, .. }
            | Movement::Receive { leg, .. } => Some(leg),
            Movement::Capture { .. } | Movement::Void { .. } | Movement::Reversal { .. } => None,
        }
    }

    /// The hold that it is about, where that is another transfer.
    #[must_use]
    pub fn hold(&self) -> Option<&Id> {
        match self {
            Movement::Capture { hold, .. } | Movement::Void { hold, .. } => Some(hold),
            Movement::Post(_)
            | Movement::Hold { .. }
            | Movement::Send { .. }
            | Movement::Receive { .. }
            | Movement::Reversal { .. } => None,
        }
    }

    /// The transfer that it reverses.
    #[must_use]
    pub fn reverses(&self) -> Option<&Id> {
        match self {
            Movement::Reversal { of, .. } => Some(of),
            Movement::Post(_)
            | Movement::Hold { .. }
            | Movement::Capture { .. }
            | Movement::Void { .. }
            | Movement::Send { .. }
            | Movement::Receive { .. } => None,
        }
    }

    /// The amount that it names.
    #[must_use]
    pub fn amount(&self) -> Option<Decimal> {
        match self {
            Movement::Post(leg)
            | Movement::Hold { leg, .. }
            | Movement::Send { leg, .. }
            | Movement::Receive { leg, .. } => Some(leg.amount),
            Movement::Capture { amount, .. } | Movement::Reversal { amount, .. } => *amount,
            Movement::Void { .. } => None,
        }
    }

    /// When it expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Movement::Hold { expires_at, .. } => *expires_at,
            Movement::Post(_)
            | Movement::Capture { .. }
            | Movement::Void { .. }
            | Movement::Send { .. }
            | Movement::Receive { .. }
            | Movement::Reversal { .. } => None,
        }
    }

    /// Where it goes to, when that is another ledger.
    #[must_use]
    pub fn destination(&self) -> Option<&Destination> {
        match self {
            Movement::Send { to, .. } => Some(to),
            Movement::Post(_)
            | Movement::Hold { .. }
            | Movement::Capture { .. }
            | Movement::Void { .. }
            | Movement::Receive { .. }
            | Movement::Reversal { .. } => None,
        }
    }

    /// Where it comes from, when that is another ledger.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Movement::Receive { from, .. } => Some(from),
            Movement::Post(_)
            | Movement::Hold { .. }
            | Movement::Capture { .. }
            | Movement::Void { .. }
            | Movement::Send { .. }
            | Movement::Reversal { .. } => None,
        }
    }

    /// Of the void that ends a send: why its destination refused it.
    #[must_use]
    pub fn refused(&self) -> Option<&Rejection> {
        match self {
            Movement::Void { refused, .. } => refused.as_deref(),
            Movement::Post(_)
            | Movement::Hold { .. }
            | Movement::Capture { .. }
            | Movement::Send { .. }
            | Movement::Receive { .. }
            | Movement::Reversal { .. } => None,
        }
    }
}

impl Transfer {
    /// The field, by its name in the API, in which two transfers of one id differ.
    #[must_use]
    pub fn first_difference(&self, other: &Transfer) -> Option<&'static str> {
        // Destructured, here and below, so that no new field is left out unseen.
        let Transfer { id: _, movement, reference, effective_at, link, metadata } = self;
        let (leg, other_leg) = (movement.leg(), other.movement.leg());
        let same = |of: fn(&Leg) -> &str| leg.map(of) == other_leg.map(of);
        let up_to = |leg: Option<&Leg>| leg.map(|leg| leg.up_to);
        let to = |of: &Movement| of.destination().map(|to| (to.ledger.clone(), to.account.clone()));
        let deadline = |of: &Movement| of.destination().map(|to| to.deadline);
        let fields = [
            ("kind", movement.kind() == other.movement.kind()),
            ("debit_account", same(|leg| leg.debit_account.as_str())),
            ("destination", to(movement) == to(&other.movement)),
            ("credit_account", same(|leg| leg.credit_account.as_str())),
            ("asset", same(|leg| leg.asset.as_str())),
            ("hold_id", movement.hold() == other.movement.hold()),
            ("reversed_id", movement.reverses() == other.movement.reverses()),
            ("amount", movement.amount() == other.movement.amount()),
            ("up_to", up_to(leg) == up_to(other_leg)),
            ("expire_time", movement.expires_at() == other.movement.expires_at()),
            ("deadline", deadline(movement) == deadline(&other.movement)),
            ("reference", *reference == other.reference),
            ("effective_time", *effective_at == other.effective_at),
            ("entry_id", link.entry() == other.link.entry()),
            ("linked", *link == other.link),
            ("metadata", *metadata == other.metadata),
            // Of what the system itself asks for.
            ("transfer_id", movement == &other.movement),
        ];
        fields.into_iter().find_map(|(field, same)| (!same).then_some(field))
    }

    /// Canonical bytes of the content (all but the id), for hashing: equal content has equal bytes, and
    /// no other content has them.
    ///
    /// A field is its number, the length of its value and the value; one that is absent writes nothing,
    /// so that a later optional field leaves the bytes of what does not have it.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        let Transfer { id: _, movement, reference, effective_at, link, metadata } = self;
        match movement {
            Movement::Post(leg) => leg.write_content(out),
            Movement::Hold { leg, expires_at } => {
                leg.write_content(out);
                if let Some(at) = expires_at {
                    write_field(8, &at.to_le_bytes(), out);
                }
            }
            Movement::Capture { hold, amount } => {
                write_id(9, hold, out);
                if let Some(amount) = amount {
                    write_amount(*amount, out);
                }
            }
            Movement::Void { hold, refused } => {
                write_id(9, hold, out);
                if let Some(rejection) = refused {
                    write_field(23, &rejection.code.number().to_le_bytes(), out);
                    write_field(24, rejection.subject.as_bytes(), out);
                }
            }
            Movement::Send { leg, to } => {
                leg.write_content(out);
                to.write_content(out);
            }
            Movement::Receive { leg, from } => {
                leg.write_content(out);
                from.write_content(out);
            }
            Movement::Reversal { of, amount } => {
                write_id(12, of, out);
                if let Some(amount) = amount {
                    write_amount(*amount, out);
                }
            }
        }
        if !reference.is_empty() {
            write_field(6, reference.as_bytes(), out);
        }
        if let Some(at) = effective_at {
            write_field(7, &at.to_le_bytes(), out);
        }
        // A post has none: it is what a transfer is.
        if movement.kind() != TransferKind::Post {
            write_field(11, &[movement.kind().number()], out);
        }
        match link {
            Link::Alone => {}
            Link::Next => write_field(13, &[1], out),
            Link::Entry(entry) => write_id(14, entry, out),
        }
        metadata.write_content(out);
    }
}

impl Leg {
    pub(super) fn write_content(&self, out: &mut Vec<u8>) {
        let Leg { debit_account, credit_account, asset, amount, up_to } = self;
        write_field(1, debit_account.as_str().as_bytes(), out);
        write_field(2, credit_account.as_str().as_bytes(), out);
        write_field(3, asset.as_str().as_bytes(), out);
        write_amount(*amount, out);
        if *up_to {
            write_field(10, &[1], out);
        }
    }
}

pub(crate) fn write_amount(amount: Decimal, out: &mut Vec<u8>) {
    let (mantissa, scale) = amount.parts();
    write_field(4, &mantissa.to_le_bytes(), out);
    write_field(5, &[scale], out);
}

pub(crate) fn write_id(number: u8, id: &Id, out: &mut Vec<u8>) {
    let mut key = Vec::new();
    id.write_key(&mut key);
    write_field(number, &key, out);
}
