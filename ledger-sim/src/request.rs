//! What a simulated client asks, as the strings that it would send.

mod alert;
mod customer;
mod gone;
mod metadata;
mod schedule;

use ledger_domain::{Command, MetadataKey, Rejection};
use ledger_keys::{KeyError, Keys, Subject};
use ledger_proto::command::{Prepared, prepare};
use ledger_proto::v1::command::Request as Wire;
use ledger_proto::{time, v1};

pub(crate) use alert::Alert;
pub(crate) use customer::{Customer, NewAccount};
pub(crate) use metadata::{Note, NoteOf, Text, Texts, plain};
pub(crate) use schedule::{Rule, Schedule};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Empty for none.
    pub(crate) request_id: String,
    pub(crate) ledger: String,
    pub(crate) ask: Ask,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) validate_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    CreateLedger {
        metadata: Texts,
    },
    CreateAsset {
        code: String,
        scale: u32,
    },
    OpenAccount {
        name: String,
        kind: i32,
        rules: Rules,
        metadata: Texts,
    },
    Note(Note),
    Change {
        name: String,
        change: Change,
    },
    SetRules {
        name: String,
        rules: Rules,
    },
    /// Nanoseconds since the Unix epoch.
    Lock {
        before: Option<i64>,
    },
    Schedule(Schedule),
    Cancel {
        schedule: String,
    },
    Customer(Customer),
    SetAlert(Alert),
    RemoveAlert {
        account: String,
        id: String,
    },
    Post {
        transfers: Vec<Transfer>,
    },
}

/// What an account is to allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) may_go_negative: bool,
    /// Asset and amount.
    pub(crate) limits: Vec<(String, String)>,
}

/// What a command depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) account: String,
    pub(crate) that: That,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum That {
    Nothing,
    Version(u64),
    /// Asset, numbers of the figure and of the comparison, and the amount.
    Balance(String, i32, i32, String),
}

/// Of what may be done with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Freeze,
    Unfreeze,
    Close,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) asset: String,
    pub(crate) amount: String,
    pub(crate) reference: String,
    /// Nanoseconds since the Unix epoch.
    pub(crate) effective_at: Option<i64>,
    /// Number of the kind; zero for one that is not named.
    pub(crate) kind: i32,
    /// Id of the hold; empty for none.
    pub(crate) hold: String,
    /// Nanoseconds since the Unix epoch.
    pub(crate) expires_at: Option<i64>,
    pub(crate) up_to: bool,
    /// Id of the transfer that it reverses; empty for none.
    pub(crate) reverses: String,
    pub(crate) linked: bool,
    /// Id of its journal entry; empty for none.
    pub(crate) entry: String,
    /// What only answers have.
    pub(crate) asked_amount: String,
    /// Of a send: "ledgers/shop/accounts/alice"; empty for none.
    pub(crate) destination: String,
    /// Nanoseconds since the Unix epoch.
    pub(crate) deadline: Option<i64>,
    /// Of a receipt, which no client asks for.
    pub(crate) source: Option<Source>,
    /// Code and subject of a void that ends a send; likewise.
    pub(crate) refused: Option<(u32, String)>,
    pub(crate) metadata: Texts,
}

/// Where a receipt comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) ledger: String,
    pub(crate) send: String,
    pub(crate) scale: u32,
    pub(crate) sent_at: i64,
}

/// A request as the server's edge reads it: the command of its well-formed part, and the places of the
/// transfers that are not.
pub(crate) type Read = (Command, Vec<(usize, Rejection)>);

impl Request {
    /// Through the real conversions of the server's edge, which seals what is a customer's.
    pub(crate) fn read(&self, keys: &Keys) -> Result<Read, Rejection> {
        let prepared = prepare(&v1::Command { request: Some(self.to_wire()) })?;
        let Prepared { command, malformed, validate_only, .. } = prepared;
        let sealed = command.seal(|ledger, customer| -> Result<_, KeyError> {
            let subject = Subject { ledger: ledger.clone(), customer: customer.clone() };
            let sealer = keys.sealer(&subject, !validate_only)?;
            Ok(move |key: &MetadataKey, text: &str| sealer.seal(key, text))
        });
        Ok((sealed.unwrap_or_else(|error| panic!("keys in memory: {error}")), malformed))
    }

    fn to_wire(&self) -> Wire {
        let parent = format!("ledgers/{}", self.ledger);
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let conditions: Vec<_> = self.conditions.iter().map(Condition::to_wire).collect();
        match &self.ask {
            Ask::CreateLedger { metadata } => Wire::CreateLedger(v1::CreateLedgerRequest {
                ledger_id: self.ledger.clone(),
                request_id,
                validate_only,
                metadata: metadata::plain(metadata),
                conditions,
            }),
            Ask::CreateAsset { code, scale } => Wire::CreateAsset(v1::CreateAssetRequest {
                parent,
                asset_id: code.clone(),
                scale: *scale,
                request_id,
                validate_only,
                conditions,
            }),
            Ask::OpenAccount { name, kind, rules, metadata } => {
                Wire::OpenAccount(v1::OpenAccountRequest {
                    parent,
                    account_id: name.clone(),
                    r#type: *kind,
                    rules: Some(rules.to_wire()),
                    request_id,
                    validate_only,
                    metadata: metadata::plain(metadata),
                    sealed_metadata: metadata::sealed(metadata),
                    conditions,
                })
            }
            Ask::Note(note) => self.note_to_wire(note, conditions),
            Ask::Change { name, change } => self.change_to_wire(name, *change, conditions),
            Ask::SetRules { name, rules } => {
                let (name, rules) = (format!("{parent}/accounts/{name}"), Some(rules.to_wire()));
                Wire::SetAccountRules(v1::SetAccountRulesRequest {
                    name,
                    rules,
                    request_id,
                    validate_only,
                    conditions,
                })
            }
            Ask::Lock { before } => {
                let (name, locked_before) = (parent, before.map(time::to_wire));
                Wire::LockBooks(v1::LockBooksRequest {
                    name,
                    locked_before,
                    request_id,
                    validate_only,
                    conditions,
                })
            }
            Ask::Schedule(schedule) => self.schedule_to_wire(schedule, conditions),
            Ask::Cancel { schedule } => self.cancel_to_wire(schedule, conditions),
            Ask::Customer(asked) => self.customer_to_wire(asked, conditions),
            Ask::SetAlert(alert) => self.alert_to_wire(alert, conditions),
            Ask::RemoveAlert { account, id } => self.removal_to_wire(account, id, conditions),
            Ask::Post { transfers } => Wire::PostTransfers(v1::PostTransfersRequest {
                parent,
                transfers: transfers.iter().map(Transfer::to_wire).collect(),
                request_id,
                validate_only,
                conditions,
            }),
        }
    }

    fn change_to_wire(&self, name: &str, change: Change, conditions: Vec<v1::Condition>) -> Wire {
        let name = format!("ledgers/{}/accounts/{name}", self.ledger);
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        match change {
            Change::Freeze => Wire::FreezeAccount(v1::FreezeAccountRequest {
                name,
                request_id,
                validate_only,
                conditions,
            }),
            Change::Unfreeze => Wire::UnfreezeAccount(v1::UnfreezeAccountRequest {
                name,
                request_id,
                validate_only,
                conditions,
            }),
            Change::Close => Wire::CloseAccount(v1::CloseAccountRequest {
                name,
                request_id,
                validate_only,
                conditions,
            }),
        }
    }
}

impl Rules {
    fn to_wire(&self) -> v1::AccountRules {
        let limit = |(asset, amount): &(String, String)| v1::CreditLimit {
            asset: asset.clone(),
            amount: amount.clone(),
        };
        let credit_limits = self.limits.iter().map(limit).collect();
        v1::AccountRules { may_go_negative: self.may_go_negative, credit_limits }
    }
}

impl Condition {
    fn to_wire(&self) -> v1::Condition {
        let that = match &self.that {
            That::Nothing => None,
            That::Version(version) => Some(v1::condition::That::Version(*version)),
            That::Balance(asset, figure, comparison, amount) => {
                let (asset, amount) = (asset.clone(), amount.clone());
                let (figure, comparison) = (*figure, *comparison);
                let of = v1::BalanceCondition { asset, figure, comparison, amount };
                Some(v1::condition::That::Balance(of))
            }
        };
        v1::Condition { account: self.account.clone(), that }
    }
}

impl Transfer {
    fn to_wire(&self) -> v1::Transfer {
        v1::Transfer {
            transfer_id: self.id.clone(),
            debit_account: self.debit.clone(),
            credit_account: self.credit.clone(),
            asset: self.asset.clone(),
            amount: self.amount.clone(),
            reference: self.reference.clone(),
            effective_time: self.effective_at.map(time::to_wire),
            kind: self.kind,
            hold_id: self.hold.clone(),
            expire_time: self.expires_at.map(time::to_wire),
            up_to: self.up_to,
            asked_amount: self.asked_amount.clone(),
            reversed_id: self.reverses.clone(),
            linked: self.linked,
            entry_id: self.entry.clone(),
            destination: self.destination.clone(),
            deadline: self.deadline.map(time::to_wire),
            metadata: metadata::plain(&self.metadata),
            sealed_metadata: metadata::sealed(&self.metadata),
            ..Default::default()
        }
    }
}
