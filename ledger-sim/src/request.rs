//! What a simulated client asks, as the strings that it would send.

mod alert;
mod customer;
mod metadata;
mod schedule;

use ledger_domain::{Command, Rejection};
use ledger_keys::Keys;
use ledger_proto::{request, time, v1};

pub(crate) use alert::Alert;
pub(crate) use customer::Customer;
pub(crate) use metadata::{Note, Texts};
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
    /// Through the real conversions of the server's edge.
    pub(crate) fn read(&self, keys: &Keys) -> Result<Read, Rejection> {
        let parent = format!("ledgers/{}", self.ledger);
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let conditions: Vec<_> = self.conditions.iter().map(Condition::to_wire).collect();
        let whole = |command| (command, Vec::new());
        match &self.ask {
            Ask::CreateLedger { metadata } => self.read_ledger(metadata, conditions).map(whole),
            Ask::CreateAsset { code, scale } => {
                let wire = v1::CreateAssetRequest {
                    parent,
                    asset_id: code.clone(),
                    scale: *scale,
                    request_id,
                    validate_only,
                    conditions,
                };
                request::create_asset(&wire).map(whole)
            }
            Ask::Note(note) => self.read_note(note, conditions).map(whole),
            Ask::OpenAccount { name, kind, rules, metadata } => {
                let wire = v1::OpenAccountRequest {
                    parent,
                    account_id: name.clone(),
                    r#type: *kind,
                    rules: Some(rules.to_wire()),
                    request_id,
                    validate_only,
                    metadata: metadata.clone(),
                    conditions,
                };
                request::open_account(&wire).map(whole)
            }
            Ask::Change { name, change } => {
                let name = format!("{parent}/accounts/{name}");
                self.read_change(name, *change, conditions).map(whole)
            }
            Ask::SetRules { name, rules } => {
                let name = format!("{parent}/accounts/{name}");
                self.read_rules(name, rules, conditions).map(whole)
            }
            Ask::Lock { before } => {
                let (name, locked_before) = (parent, before.map(time::to_wire));
                request::lock_books(&v1::LockBooksRequest {
                    name,
                    locked_before,
                    request_id,
                    validate_only,
                    conditions,
                })
                .map(whole)
            }
            Ask::Schedule(schedule) => self.read_schedule(schedule, conditions).map(whole),
            Ask::Cancel { schedule } => {
                let name = format!("{parent}/schedules/{schedule}");
                self.read_cancel(name, conditions).map(whole)
            }
            Ask::Customer(asked) => self.read_customer(asked, conditions, keys).map(whole),
            Ask::Post { transfers } => self.read_post(transfers, conditions),
            Ask::SetAlert(alert) => self.read_alert(alert, conditions).map(whole),
            Ask::RemoveAlert { account, id } => {
                self.read_removal(account, id, conditions).map(whole)
            }
        }
    }

    fn read_post(
        &self,
        transfers: &[Transfer],
        conditions: Vec<v1::Condition>,
    ) -> Result<Read, Rejection> {
        let wire = v1::PostTransfersRequest {
            parent: format!("ledgers/{}", self.ledger),
            transfers: transfers.iter().map(Transfer::to_wire).collect(),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
            conditions,
        };
        request::post_transfers(&wire).map(|batch| (batch.command, batch.malformed))
    }

    fn read_rules(
        &self,
        name: String,
        rules: &Rules,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        let rules = Some(rules.to_wire());
        request::set_account_rules(&v1::SetAccountRulesRequest {
            name,
            rules,
            request_id,
            validate_only,
            conditions,
        })
    }

    fn read_change(
        &self,
        name: String,
        change: Change,
        conditions: Vec<v1::Condition>,
    ) -> Result<Command, Rejection> {
        let (request_id, validate_only) = (self.request_id.clone(), self.validate_only);
        match change {
            Change::Freeze => request::freeze_account(&v1::FreezeAccountRequest {
                name,
                request_id,
                validate_only,
                conditions,
            }),
            Change::Unfreeze => request::unfreeze_account(&v1::UnfreezeAccountRequest {
                name,
                request_id,
                validate_only,
                conditions,
            }),
            Change::Close => request::close_account(&v1::CloseAccountRequest {
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
            metadata: self.metadata.clone(),
            ..Default::default()
        }
    }
}
