//! One command of a commit: its events as bytes, and back.

mod alert;
mod batch;
mod customer;
mod metadata;
mod schedule;
mod send;

use ledger_domain::event::Event;
use ledger_domain::{
    AccountHandle, AccountName, AccountRules, AccountStatus, AccountType, AssetCode, AssetHandle,
    Code, Id, LedgerHandle, LedgerName, Metadata, Position, Rejection,
};
use prost::Message;

use crate::log_v1::{self as wire, event::Kind, id::Form};

/// A command's events, with who asked and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommand {
    /// The client's request id.
    pub request_id: Option<Id>,
    /// The authenticated principal; empty without authentication.
    pub actor: String,
    /// W3C traceparent of the request; empty when it had none.
    pub traceparent: String,
    /// What caused it, when the system itself made it.
    pub cause: Option<Position>,
    /// Where it came from, when that was a topic.
    pub source: Option<SourceOffset>,
    /// [`crate::hash::of_command`] of the command.
    pub content_hash: [u8; 16],
    /// What happened.
    pub events: Vec<Event>,
}

/// A record of a commands topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceOffset {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
}

/// Bytes that are not a command of a commit, or of a kind that this version does not know: nothing can
/// be applied past them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a logged command cannot be read: {0}")]
pub struct DecodeError(pub(crate) String);

impl DecodeError {
    pub(crate) fn new(what: &str) -> Self {
        DecodeError(what.to_owned())
    }
}

/// The command's bytes.
#[must_use]
pub fn encode(command: &LoggedCommand) -> Vec<u8> {
    let source = command.source.as_ref().map(|source| wire::SourceOffset {
        topic: source.topic.clone(),
        partition: source.partition,
        offset: source.offset,
    });
    wire::LoggedCommand {
        request_id: command.request_id.as_ref().map(id_to_wire),
        actor: command.actor.clone(),
        traceparent: command.traceparent.clone(),
        cause: command.cause.map(|at| at.to_string()).unwrap_or_default(),
        source,
        content_hash: command.content_hash.to_vec(),
        events: command.events.iter().map(event_to_wire).collect(),
    }
    .encode_to_vec()
}

/// Reads a command.
///
/// # Errors
/// [`DecodeError`] for bytes that do not fit together as [`encode`] writes them, and for a kind of event
/// that this version does not know. Names and ids were checked before they were written, and fields
/// that this version does not know are skipped.
pub fn decode(bytes: &[u8]) -> Result<LoggedCommand, DecodeError> {
    let wire =
        wire::LoggedCommand::decode(bytes).map_err(|error| DecodeError(error.to_string()))?;
    let cause = match wire.cause.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| DecodeError::new("cause is not a position"))?),
    };
    let source = wire.source.map(|source| SourceOffset {
        topic: source.topic,
        partition: source.partition,
        offset: source.offset,
    });
    let content_hash =
        wire.content_hash.try_into().map_err(|_| DecodeError::new("content hash of 16 bytes"))?;
    Ok(LoggedCommand {
        request_id: wire.request_id.map(id_from_wire).transpose()?,
        actor: wire.actor,
        traceparent: wire.traceparent,
        cause,
        source,
        content_hash,
        events: wire.events.into_iter().map(event_from_wire).collect::<Result<_, _>>()?,
    })
}

/// Metadata in the form that it has in the log; no bytes where there is none.
#[must_use]
pub fn encode_metadata(metadata: &Metadata) -> Vec<u8> {
    wire::Metadata { entries: metadata::to_wire(metadata) }.encode_to_vec()
}

/// Reads [`encode_metadata`].
///
/// # Errors
/// [`DecodeError`], as for a command.
pub fn decode_metadata(bytes: &[u8]) -> Result<Metadata, DecodeError> {
    let wire = wire::Metadata::decode(bytes).map_err(|error| DecodeError(error.to_string()))?;
    metadata::from_wire(wire.entries)
}

fn event_to_wire(event: &Event) -> wire::Event {
    let kind = match event {
        Event::LedgerCreated { ledger, name, metadata } => {
            Kind::LedgerCreated(wire::LedgerCreated {
                ledger: ledger.0,
                name: name.to_string(),
                metadata: metadata::to_wire(metadata),
            })
        }
        Event::AssetCreated { ledger, asset, code, scale } => {
            Kind::AssetCreated(wire::AssetCreated {
                ledger: ledger.0,
                asset: asset.0,
                code: code.to_string(),
                scale: u32::from(*scale),
            })
        }
        Event::AccountOpened { ledger, account, name, account_type, rules, metadata } => {
            Kind::AccountOpened(wire::AccountOpened {
                ledger: ledger.0,
                account: account.0,
                name: name.to_string(),
                r#type: account_type.number().into(),
                rules: Some(rules_to_wire(rules)),
                metadata: metadata::to_wire(metadata),
            })
        }
        Event::AccountStatusChanged { ledger, account, status } => {
            Kind::AccountStatusChanged(wire::AccountStatusChanged {
                ledger: ledger.0,
                account: account.0,
                status: status.number().into(),
            })
        }
        Event::AccountRulesChanged { ledger, account, rules } => {
            Kind::AccountRulesChanged(wire::AccountRulesChanged {
                ledger: ledger.0,
                account: account.0,
                rules: Some(rules_to_wire(rules)),
            })
        }
        Event::MetadataChanged { ledger, target, changes, others } => {
            Kind::MetadataChanged(metadata::changed_to_wire(*ledger, target, changes, others))
        }
        Event::BooksLocked { ledger, locked_before } => {
            Kind::BooksLocked(wire::BooksLocked { ledger: ledger.0, locked_before: *locked_before })
        }
        Event::TransferBatch(batch) => Kind::TransferBatch(batch::to_wire(batch)),
        Event::HoldExpired { .. } => return expired_to_wire(event),
        Event::ScheduleCreated { .. }
        | Event::ScheduleCancelled { .. }
        | Event::ScheduleRan { .. } => return schedule::to_wire(event),
        Event::CustomerRegistered { .. }
        | Event::ProfileUpdated { .. }
        | Event::CustomerErased { .. } => return customer::to_wire(event),
        Event::BalanceAlertSet { .. }
        | Event::BalanceAlertRemoved { .. }
        | Event::BalanceAlertCrossed { .. } => return alert::to_wire(event),
        Event::CommandRefused { ledger, rejection } => Kind::CommandRefused(wire::CommandRefused {
            ledger: ledger.to_string(),
            code: rejection.code.number(),
            subject: rejection.subject.to_string(),
        }),
    };
    wire::Event { kind: Some(kind) }
}

/// That a hold has expired; any other is of no kind here.
fn expired_to_wire(event: &Event) -> wire::Event {
    let Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } = event
    else {
        return wire::Event { kind: None };
    };
    let (amount_high, amount_low) = batch::split(*amount);
    let kind = Kind::HoldExpired(wire::HoldExpired {
        ledger: ledger.0,
        hold: Some(id_to_wire(hold)),
        debit_account: debit_account.0,
        credit_account: credit_account.0,
        asset: asset.0,
        amount_low,
        amount_high,
    });
    wire::Event { kind: Some(kind) }
}

fn event_from_wire(event: wire::Event) -> Result<Event, DecodeError> {
    let kind = event.kind.ok_or_else(|| DecodeError::new("an event of an unknown kind"))?;
    Ok(match kind {
        Kind::LedgerCreated(e) => Event::LedgerCreated {
            ledger: LedgerHandle(e.ledger),
            name: LedgerName::from_log(&e.name),
            metadata: metadata::from_wire(e.metadata)?,
        },
        Kind::AssetCreated(e) => Event::AssetCreated {
            ledger: LedgerHandle(e.ledger),
            asset: AssetHandle(e.asset),
            code: AssetCode::from_log(&e.code),
            scale: u8::try_from(e.scale).map_err(|_| DecodeError::new("scale"))?,
        },
        Kind::AccountOpened(e) => Event::AccountOpened {
            ledger: LedgerHandle(e.ledger),
            account: AccountHandle(e.account),
            account_type: account_type_from_wire(e.r#type)?,
            name: AccountName::from_log(&e.name),
            rules: rules_from_wire(e.rules)?,
            metadata: metadata::from_wire(e.metadata)?,
        },
        Kind::AccountStatusChanged(e) => Event::AccountStatusChanged {
            ledger: LedgerHandle(e.ledger),
            account: AccountHandle(e.account),
            status: u8::try_from(e.status)
                .ok()
                .and_then(AccountStatus::from_number)
                .ok_or_else(|| DecodeError::new("account status"))?,
        },
        Kind::AccountRulesChanged(e) => Event::AccountRulesChanged {
            ledger: LedgerHandle(e.ledger),
            account: AccountHandle(e.account),
            rules: rules_from_wire(e.rules)?,
        },
        Kind::MetadataChanged(e) => metadata::changed_from_wire(e)?,
        Kind::BooksLocked(e) => {
            Event::BooksLocked { ledger: LedgerHandle(e.ledger), locked_before: e.locked_before }
        }
        Kind::TransferBatch(e) => Event::TransferBatch(batch::from_wire(e)?),
        Kind::HoldExpired(e) => Event::HoldExpired {
            ledger: LedgerHandle(e.ledger),
            hold: hold_from_wire(e.hold)?,
            debit_account: AccountHandle(e.debit_account),
            credit_account: AccountHandle(e.credit_account),
            asset: AssetHandle(e.asset),
            amount: batch::join(e.amount_low, e.amount_high),
        },
        Kind::ScheduleCreated(e) => schedule::created_from_wire(e)?,
        Kind::ScheduleCancelled(e) => Event::ScheduleCancelled {
            ledger: LedgerHandle(e.ledger),
            schedule: schedule::id_from_wire(e.schedule)?,
        },
        Kind::ScheduleRan(e) => schedule::ran_from_wire(e)?,
        Kind::CustomerRegistered(e) => customer::registered_from_wire(e)?,
        Kind::ProfileUpdated(e) => customer::updated_from_wire(e)?,
        Kind::CustomerErased(e) => customer::erased_from_wire(&e),
        Kind::BalanceAlertSet(e) => alert::set_from_wire(e)?,
        Kind::BalanceAlertRemoved(e) => alert::removed_from_wire(e)?,
        Kind::BalanceAlertCrossed(e) => alert::crossed_from_wire(e)?,
        Kind::CommandRefused(e) => Event::CommandRefused {
            ledger: LedgerName::from_log(&e.ledger),
            rejection: rejection_from_wire(e.code, &e.subject)?,
        },
    })
}

fn account_type_from_wire(number: i32) -> Result<AccountType, DecodeError> {
    let found = u8::try_from(number).ok().and_then(AccountType::from_number);
    found.ok_or_else(|| DecodeError::new("account type"))
}

fn rules_to_wire(rules: &AccountRules) -> wire::AccountRules {
    let AccountRules { may_go_negative, credit_limits } = rules;
    let limit = |(asset, amount): &(AssetHandle, u128)| {
        let (amount_high, amount_low) = batch::split(*amount);
        wire::CreditLimit { asset: asset.0, amount_low, amount_high }
    };
    let credit_limits = credit_limits.iter().map(limit).collect();
    wire::AccountRules { may_go_negative: *may_go_negative, credit_limits }
}

fn rules_from_wire(rules: Option<wire::AccountRules>) -> Result<AccountRules, DecodeError> {
    let rules = rules.ok_or_else(|| DecodeError::new("an account without rules"))?;
    let wire::AccountRules { may_go_negative, credit_limits } = rules;
    let limit = |limit: wire::CreditLimit| {
        (AssetHandle(limit.asset), batch::join(limit.amount_low, limit.amount_high))
    };
    let credit_limits: Box<[_]> = credit_limits.into_iter().map(limit).collect();
    // They are looked up by asset.
    if !credit_limits.is_sorted_by(|(before, _), (after, _)| before < after) {
        return Err(DecodeError::new("credit limits out of order"));
    }
    Ok(AccountRules { may_go_negative, credit_limits })
}

fn id_to_wire(id: &Id) -> wire::Id {
    let form = match id {
        Id::Uuid(bytes) => Form::Uuid(bytes.to_vec()),
        Id::Text(text) => Form::Text(text.to_string()),
    };
    wire::Id { form: Some(form) }
}

fn id_from_wire(id: wire::Id) -> Result<Id, DecodeError> {
    match id.form {
        Some(Form::Uuid(bytes)) => {
            bytes.try_into().map(Id::Uuid).map_err(|_| DecodeError::new("uuid of 16 bytes"))
        }
        Some(Form::Text(text)) => Ok(Id::Text(text.into())),
        None => Err(DecodeError::new("an id without a form")),
    }
}

fn hold_from_wire(id: Option<wire::Id>) -> Result<Id, DecodeError> {
    id_from_wire(id.ok_or_else(|| DecodeError::new("a hold without an id"))?)
}

fn rejection_from_wire(code: u32, subject: &str) -> Result<Rejection, DecodeError> {
    let code = Code::from_number(code).ok_or_else(|| DecodeError::new("a code of no refusal"))?;
    Ok(Rejection::new(code, subject))
}

#[cfg(test)]
mod tests;
