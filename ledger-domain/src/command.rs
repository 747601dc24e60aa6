//! What a client asks for, already checked in shape.

use serde::{Deserialize, Serialize};

use crate::amount::Decimal;
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
    /// Posts transfers in order, each by itself.
    PostTransfers {
        /// At most [`crate::limits::BATCH_TRANSFERS_MAX`].
        transfers: Vec<Transfer>,
    },
}

/// Type of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// A stable number, for canonical bytes.
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

/// A transfer as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Client-made, unique in the ledger for ever.
    pub id: Id,
    /// Account that is debited.
    pub debit_account: AccountName,
    /// Account that is credited.
    pub credit_account: AccountName,
    /// Asset.
    pub asset: AssetCode,
    /// Amount; not zero.
    pub amount: Decimal,
    /// Free text of the client's; empty when there is none.
    pub reference: Box<str>,
    /// When it took effect, if that is not when it is recorded.
    pub effective_at: Option<Timestamp>,
}

impl Transfer {
    /// The field, by its name in the API, in which two transfers of one id differ.
    #[must_use]
    pub fn first_difference(&self, other: &Transfer) -> Option<&'static str> {
        let fields = [
            ("debit_account", self.debit_account == other.debit_account),
            ("credit_account", self.credit_account == other.credit_account),
            ("asset", self.asset == other.asset),
            ("amount", self.amount == other.amount),
            ("reference", self.reference == other.reference),
            ("effective_time", self.effective_at == other.effective_at),
        ];
        fields.into_iter().find_map(|(field, same)| (!same).then_some(field))
    }

    /// Canonical bytes of the content (all but the id), for hashing: equal bytes mean equal content.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        write_text(self.debit_account.as_str(), out);
        write_text(self.credit_account.as_str(), out);
        write_text(self.asset.as_str(), out);
        let (mantissa, scale) = self.amount.parts();
        out.extend_from_slice(&mantissa.to_le_bytes());
        out.push(scale);
        write_text(&self.reference, out);
        match self.effective_at {
            None => out.push(0),
            Some(at) => {
                out.push(1);
                out.extend_from_slice(&at.to_le_bytes());
            }
        }
    }
}

impl Command {
    /// Canonical bytes of the content (all but the request id), for hashing.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        write_text(self.ledger.as_str(), out);
        match &self.body {
            CommandBody::CreateLedger => out.push(1),
            CommandBody::CreateAsset { code, scale } => {
                out.push(2);
                write_text(code.as_str(), out);
                out.push(*scale);
            }
            CommandBody::OpenAccount { name, account_type, rules } => {
                out.push(3);
                write_text(name.as_str(), out);
                out.push(account_type.number());
                out.push(u8::from(rules.may_go_negative));
            }
            CommandBody::PostTransfers { transfers } => {
                out.push(4);
                for transfer in transfers {
                    let mut key = Vec::with_capacity(80);
                    transfer.id.write_key(&mut key);
                    write_bytes(&key, out);
                    transfer.write_content(out);
                }
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_bytes(text.as_bytes(), out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // Limits keep every text below 2^16 bytes.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}
