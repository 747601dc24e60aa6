//! What a client asks for, already checked in shape.

pub(crate) mod transfer;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::condition::{BalanceCondition, Condition, Predicate};
use crate::customer::{self, AskedAccount, Profile};
use crate::metadata::{Metadata, MetadataOf, MetadataUpdate};
use crate::name::{AccountName, AssetCode, CustomerName, Id, LedgerName, MetadataKey};
use crate::rules::AskedRules;
use crate::schedule::{Plan, When};

pub use transfer::{Leg, Link, Movement, Transfer, TransferKind};

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
    CreateLedger {
        /// Its metadata.
        metadata: Metadata,
    },
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
        rules: AskedRules,
        /// Its metadata.
        metadata: Metadata,
    },
    /// Gives an account of it other rules.
    SetAccountRules {
        /// Its name.
        name: AccountName,
        /// Its rules from now on, all of them.
        rules: AskedRules,
    },
    /// Changes what may be done with an account of it.
    ChangeAccount {
        /// Its name.
        name: AccountName,
        /// What is to change.
        change: AccountChange,
    },
    /// Changes metadata.
    UpdateMetadata {
        /// Whose.
        of: MetadataOf,
        /// What is to become of it.
        update: MetadataUpdate,
    },
    /// Closes what took effect before an instant.
    LockBooks {
        /// The instant; `None` when nothing is closed.
        locked_before: Option<Timestamp>,
    },
    /// Posts a transfer by itself, at its time or times.
    ScheduleTransfer {
        /// Client-made, unique in the ledger for ever.
        schedule: Id,
        /// What, and when.
        plan: Box<Plan>,
    },
    /// Ends a schedule.
    CancelSchedule {
        /// Its id.
        schedule: Id,
    },
    /// Registers a customer of it, and opens accounts for them.
    Register {
        /// Its name.
        customer: CustomerName,
        /// The accounts, each with a name of its own; at most [`crate::limits::CUSTOMER_ACCOUNTS_MAX`].
        accounts: Vec<AskedAccount>,
        /// What is kept of the person.
        profile: Profile,
    },
    /// Changes what is kept of a person.
    UpdateProfile {
        /// The customer.
        customer: CustomerName,
        /// What is from now on so.
        set: Profile,
        /// What is not kept any more; none of these is set.
        remove: BTreeSet<MetadataKey>,
    },
    /// Destroys the key of a customer, so that nobody knows what was kept of the person.
    EraseCustomer {
        /// The customer.
        customer: CustomerName,
    },
    /// Sets an alert of an account of it, in place of one with the same id.
    SetBalanceAlert {
        /// Name of the account.
        account: AccountName,
        /// Client-made, unique in the account.
        alert: Id,
        /// What it watches for. Boxed, so that most commands stay small.
        condition: Box<BalanceCondition>,
    },
    /// Removes an alert of an account of it.
    RemoveBalanceAlert {
        /// Name of the account.
        account: AccountName,
        /// Its id.
        alert: Id,
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

/// What may be done with an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountStatus {
    /// Everything.
    #[default]
    Open,
    /// Nothing new is posted or held, for now.
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

impl Command {
    /// Canonical bytes of the content (all but the request id), in the form of
    /// [`Transfer::write_content`]: the ledger, the kind, the kind's own fields, and the conditions.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        let Command { ledger, request_id: _, conditions, body } = self;
        write_field(1, ledger.as_str().as_bytes(), out);
        match body {
            CommandBody::CreateLedger { metadata } => {
                write_field(2, &[1], out);
                metadata.write_content(out);
            }
            CommandBody::CreateAsset { code, scale } => {
                write_field(2, &[2], out);
                write_field(3, code.as_str().as_bytes(), out);
                write_field(4, &[*scale], out);
            }
            CommandBody::OpenAccount { name, account_type, rules, metadata } => {
                write_field(2, &[3], out);
                write_field(3, name.as_str().as_bytes(), out);
                write_field(4, &[account_type.number()], out);
                rules.write_content(out);
                metadata.write_content(out);
            }
            CommandBody::SetAccountRules { name, rules } => {
                write_field(2, &[6], out);
                write_field(3, name.as_str().as_bytes(), out);
                rules.write_content(out);
            }
            CommandBody::ChangeAccount { name, change } => {
                write_field(2, &[5], out);
                write_field(3, name.as_str().as_bytes(), out);
                write_field(4, &[change.leads_to().number()], out);
            }
            CommandBody::UpdateMetadata { of, update } => {
                write_field(2, &[17], out);
                update.write_content(of, out);
            }
            CommandBody::LockBooks { locked_before } => {
                write_field(2, &[7], out);
                if let Some(at) = locked_before {
                    write_field(3, &at.to_le_bytes(), out);
                }
            }
            CommandBody::ScheduleTransfer { schedule, plan } => {
                write_field(2, &[13], out);
                transfer::write_id(3, schedule, out);
                plan.write_content(out);
            }
            CommandBody::CancelSchedule { schedule } => {
                write_field(2, &[14], out);
                transfer::write_id(3, schedule, out);
            }
            CommandBody::Register { .. }
            | CommandBody::UpdateProfile { .. }
            | CommandBody::EraseCustomer { .. } => customer::write_content(body, out),
            CommandBody::SetBalanceAlert { .. } | CommandBody::RemoveBalanceAlert { .. } => {
                write_alert(body, out);
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

/// Canonical bytes of a command about an alert; of any other none.
#[expect(clippy::wildcard_enum_match_arm, reason = "`Command` knows which are about alerts")]
fn write_alert(body: &CommandBody, out: &mut Vec<u8>) {
    match body {
        CommandBody::SetBalanceAlert { account, alert, condition } => {
            write_field(2, &[8], out);
            write_field(3, account.as_str().as_bytes(), out);
            transfer::write_id(4, alert, out);
            let mut value = Vec::new();
            condition.write_content(&mut value);
            write_field(5, &value, out);
        }
        CommandBody::RemoveBalanceAlert { account, alert } => {
            write_field(2, &[9], out);
            write_field(3, account.as_str().as_bytes(), out);
            transfer::write_id(4, alert, out);
        }
        _ => {}
    }
}

impl Condition {
    fn write_content(&self, out: &mut Vec<u8>) {
        let Condition { account, that } = self;
        let mut value = Vec::new();
        write_field(1, account.as_str().as_bytes(), &mut value);
        match that {
            Predicate::Version(version) => write_field(2, &version.to_le_bytes(), &mut value),
            Predicate::Balance(condition) => condition.write_content(&mut value),
        }
        write_field(15, &value, out);
    }
}

impl BalanceCondition {
    fn write_content(&self, out: &mut Vec<u8>) {
        let BalanceCondition { asset, figure, comparison, amount } = self;
        write_field(3, asset.as_str().as_bytes(), out);
        let (mantissa, scale) = amount.size().parts();
        write_field(4, &mantissa.to_le_bytes(), out);
        write_field(5, &[scale], out);
        write_field(6, &[figure.number(), comparison.number()], out);
        if amount.is_negative() {
            write_field(7, &[1], out);
        }
    }
}

impl Plan {
    pub(crate) fn write_content(&self, out: &mut Vec<u8>) {
        let Plan { leg, reference, metadata, when, start, until, count } = self;
        let mut value = Vec::new();
        leg.write_content(&mut value);
        write_field(4, &value, out);
        if !reference.is_empty() {
            write_field(5, reference.as_bytes(), out);
        }
        match when {
            When::Once => {}
            When::Every(interval) => write_field(6, &interval.to_le_bytes(), out),
            When::Weekly(days) => write_field(7, &[*days], out),
            When::Monthly(day) => write_field(8, &[*day], out),
            When::Yearly { month, day } => write_field(9, &[*month, *day], out),
        }
        write_field(10, &start.to_le_bytes(), out);
        if let Some(until) = until {
            write_field(11, &until.to_le_bytes(), out);
        }
        if let Some(count) = count {
            write_field(12, &count.to_le_bytes(), out);
        }
        metadata.write_content(out);
    }
}

pub(crate) fn write_field(number: u8, value: &[u8], out: &mut Vec<u8>) {
    // Limits keep every value far below 2^32 bytes.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.push(number);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
}
