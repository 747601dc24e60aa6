//! What a client asks for, already checked in shape.

use serde::{Deserialize, Serialize};

use crate::amount::Decimal;
use crate::condition::{BalanceCondition, Condition, Predicate};
use crate::name::{AccountName, AssetCode, Id, LedgerName};

/// Nanoseconds since the Unix epoch. `recorded_at` is never negative; effective times may be.
pub type Timestamp = i64;

/// One request on one ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The ledger, and by its name the partition.
    pub ledger: LedgerName,
    /// Client-made; a retry with the same id and content gets the first outcome.
    pub request_id: Option<Id>,
    /// What must be true for it to be done; at most [`crate::limits::CONDITIONS_MAX`].
    pub conditions: Vec<Condition>,
    /// What is asked.
    pub body: CommandBody,
}

/// The kinds of command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandBody {
    /// Creates the ledger of the command.
    CreateLedger,
    /// Creates an asset in it.
    CreateAsset {
        /// Its code.
        code: AssetCode,
        /// Decimal digits of its minor unit.
        scale: u8,
    },
    /// Opens an account in it.
    OpenAccount {
        /// Its name.
        name: AccountName,
        /// Its type, and so its normal side.
        account_type: AccountType,
        /// Its rules.
        rules: AccountRules,
    },
    /// Changes what may be done with an account of it.
    ChangeAccount {
        /// Its name.
        name: AccountName,
        /// What is to change.
        change: AccountChange,
    },
    /// Posts transfers in order, each by itself.
    PostTransfers {
        /// At most [`crate::limits::BATCH_TRANSFERS_MAX`].
        transfers: Vec<Transfer>,
    },
}

/// Type of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountType {
    /// What is owned. Debit-normal.
    Asset,
    /// What is owed: a bank's customers. Credit-normal.
    Liability,
    /// The owners' share. Credit-normal.
    Equity,
    /// Earned. Credit-normal.
    Income,
    /// Spent. Debit-normal.
    Expense,
}

impl AccountType {
    /// Its stable number: in the API, the log, the rows of the views and canonical bytes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            AccountType::Asset => 1,
            AccountType::Liability => 2,
            AccountType::Equity => 3,
            AccountType::Income => 4,
            AccountType::Expense => 5,
        }
    }

    /// The type with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<AccountType> {
        match number {
            1 => Some(AccountType::Asset),
            2 => Some(AccountType::Liability),
            3 => Some(AccountType::Equity),
            4 => Some(AccountType::Income),
            5 => Some(AccountType::Expense),
            _ => None,
        }
    }

    /// Whether debits increase its balance.
    #[must_use]
    pub fn is_debit_normal(self) -> bool {
        match self {
            AccountType::Asset | AccountType::Expense => true,
            AccountType::Liability | AccountType::Equity | AccountType::Income => false,
        }
    }
}

/// What an account allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRules {
    /// Whether its balance may pass zero on its normal side.
    pub may_go_negative: bool,
}

/// What may be done with an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountStatus {
    /// Everything.
    #[default]
    Open,
    /// Nothing moves, for now.
    Frozen,
    /// Nothing moves ever again. All of its balances are zero.
    Closed,
}

impl AccountStatus {
    /// Its stable number: in the API, the log, the rows of the views and canonical bytes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            AccountStatus::Open => 1,
            AccountStatus::Frozen => 2,
            AccountStatus::Closed => 3,
        }
    }

    /// The status with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<AccountStatus> {
        match number {
            1 => Some(AccountStatus::Open),
            2 => Some(AccountStatus::Frozen),
            3 => Some(AccountStatus::Closed),
            _ => None,
        }
    }
}

/// How an account's status is asked to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Of an open account.
    Freeze,
    /// Of a frozen account.
    Unfreeze,
    /// Of an open account without a balance, for ever.
    Close,
}

impl AccountChange {
    /// The status that it leads to.
    #[must_use]
    pub fn leads_to(self) -> AccountStatus {
        match self {
            AccountChange::Freeze => AccountStatus::Frozen,
            AccountChange::Unfreeze => AccountStatus::Open,
            AccountChange::Close => AccountStatus::Closed,
        }
    }
}

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
    },
}

/// One amount of one asset, from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        }
    }

    /// Its accounts, asset and amount, where it names them itself.
    #[must_use]
    pub fn leg(&self) -> Option<&Leg> {
        match self {
            Movement::Post(leg) | Movement::Hold { leg, .. } => Some(leg),
            Movement::Capture { .. } | Movement::Void { .. } => None,
        }
    }

    /// The hold that it is about, where that is another transfer.
    #[must_use]
    pub fn hold(&self) -> Option<&Id> {
        match self {
            Movement::Capture { hold, .. } | Movement::Void { hold } => Some(hold),
            Movement::Post(_) | Movement::Hold { .. } => None,
        }
    }

    /// The amount that it names.
    #[must_use]
    pub fn amount(&self) -> Option<Decimal> {
        match self {
            Movement::Post(leg) | Movement::Hold { leg, .. } => Some(leg.amount),
            Movement::Capture { amount, .. } => *amount,
            Movement::Void { .. } => None,
        }
    }

    /// When it expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Movement::Hold { expires_at, .. } => *expires_at,
            Movement::Post(_) | Movement::Capture { .. } | Movement::Void { .. } => None,
        }
    }
}

impl Transfer {
    /// The field, by its name in the API, in which two transfers of one id differ.
    #[must_use]
    pub fn first_difference(&self, other: &Transfer) -> Option<&'static str> {
        // Destructured, here and below, so that no new field is left out unseen.
        let Transfer { id: _, movement, reference, effective_at } = self;
        let (leg, other_leg) = (movement.leg(), other.movement.leg());
        let same = |of: fn(&Leg) -> &str| leg.map(of) == other_leg.map(of);
        let up_to = |leg: Option<&Leg>| leg.map(|leg| leg.up_to);
        let fields = [
            ("kind", movement.kind() == other.movement.kind()),
            ("debit_account", same(|leg| leg.debit_account.as_str())),
            ("credit_account", same(|leg| leg.credit_account.as_str())),
            ("asset", same(|leg| leg.asset.as_str())),
            ("hold_id", movement.hold() == other.movement.hold()),
            ("amount", movement.amount() == other.movement.amount()),
            ("up_to", up_to(leg) == up_to(other_leg)),
            ("expire_time", movement.expires_at() == other.movement.expires_at()),
            ("reference", *reference == other.reference),
            ("effective_time", *effective_at == other.effective_at),
        ];
        fields.into_iter().find_map(|(field, same)| (!same).then_some(field))
    }

    /// Canonical bytes of the content (all but the id), for hashing: equal content has equal bytes, and
    /// no other content has them.
    ///
    /// A field is its number, the length of its value and the value; one that is absent writes nothing,
    /// so that a later optional field leaves the bytes of what does not have it.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        let Transfer { id: _, movement, reference, effective_at } = self;
        match movement {
            Movement::Post(leg) => leg.write_content(out),
            Movement::Hold { leg, expires_at } => {
                leg.write_content(out);
                if let Some(at) = expires_at {
                    write_field(8, &at.to_le_bytes(), out);
                }
            }
            Movement::Capture { hold, amount } => {
                write_hold(hold, out);
                if let Some(amount) = amount {
                    write_amount(*amount, out);
                }
            }
            Movement::Void { hold } => write_hold(hold, out),
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
    }
}

impl Leg {
    fn write_content(&self, out: &mut Vec<u8>) {
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

fn write_amount(amount: Decimal, out: &mut Vec<u8>) {
    let (mantissa, scale) = amount.parts();
    write_field(4, &mantissa.to_le_bytes(), out);
    write_field(5, &[scale], out);
}

fn write_hold(hold: &Id, out: &mut Vec<u8>) {
    let mut key = Vec::new();
    hold.write_key(&mut key);
    write_field(9, &key, out);
}

impl Command {
    /// Canonical bytes of the content (all but the request id), in the form of
    /// [`Transfer::write_content`]: the ledger, the kind, the kind's own fields, and the conditions.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        let Command { ledger, request_id: _, conditions, body } = self;
        write_field(1, ledger.as_str().as_bytes(), out);
        match body {
            CommandBody::CreateLedger => write_field(2, &[1], out),
            CommandBody::CreateAsset { code, scale } => {
                write_field(2, &[2], out);
                write_field(3, code.as_str().as_bytes(), out);
                write_field(4, &[*scale], out);
            }
            CommandBody::OpenAccount { name, account_type, rules } => {
                let AccountRules { may_go_negative } = *rules;
                write_field(2, &[3], out);
                write_field(3, name.as_str().as_bytes(), out);
                write_field(4, &[account_type.number()], out);
                write_field(5, &[u8::from(may_go_negative)], out);
            }
            CommandBody::ChangeAccount { name, change } => {
                write_field(2, &[5], out);
                write_field(3, name.as_str().as_bytes(), out);
                write_field(4, &[change.leads_to().number()], out);
            }
            CommandBody::PostTransfers { transfers } => {
                write_field(2, &[4], out);
                let mut value = Vec::new();
                for transfer in transfers {
                    value.clear();
                    transfer.id.write_key(&mut value);
                    write_field(3, &value, out);
                    value.clear();
                    transfer.write_content(&mut value);
                    write_field(4, &value, out);
                }
            }
        }
        for condition in conditions {
            condition.write_content(out);
        }
    }
}

impl Condition {
    fn write_content(&self, out: &mut Vec<u8>) {
        let Condition { account, that } = self;
        let mut value = Vec::new();
        write_field(1, account.as_str().as_bytes(), &mut value);
        match that {
            Predicate::Version(version) => write_field(2, &version.to_le_bytes(), &mut value),
            Predicate::Balance(condition) => {
                let BalanceCondition { asset, figure, comparison, amount } = condition;
                write_field(3, asset.as_str().as_bytes(), &mut value);
                let (mantissa, scale) = amount.size().parts();
                write_field(4, &mantissa.to_le_bytes(), &mut value);
                write_field(5, &[scale], &mut value);
                write_field(6, &[figure.number(), comparison.number()], &mut value);
                if amount.is_negative() {
                    write_field(7, &[1], &mut value);
                }
            }
        }
        write_field(15, &value, out);
    }
}

fn write_field(number: u8, value: &[u8], out: &mut Vec<u8>) {
    // Limits keep every value far below 2^32 bytes.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.push(number);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
}
