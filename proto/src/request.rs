//! Requests into commands: everything that can be refused without looking at state is refused here, in
//! the order of `Code`. So the request id and the conditions come before what is not `MALFORMED`.

mod alert;
mod condition;
mod customer;
mod groups;
mod metadata;
mod schedule;
mod send;

use std::collections::BTreeMap;

use ledger_domain::limits::{
    ASSET_SCALE_MAX, BATCH_TRANSFERS_MAX, CREDIT_LIMITS_MAX, REFERENCE_BYTES_MAX,
};
use ledger_domain::{
    AccountChange, AccountType, AmountError, AskedRules, Code, Command, CommandBody, Decimal, Id,
    LedgerName, Leg, Movement, Rejection, Timestamp, Transfer, TransferKind,
};

use crate::metadata::{Noted, Secret, SecretOf};
use crate::resource::{self, malformed, parse_account, parse_asset, parse_id, parse_ledger};
use crate::{time, v1};
pub use alert::{remove_balance_alert, set_balance_alert};
use condition::conditions;
pub use customer::{erase_customer, register, update_profile};
pub use metadata::{update_account_metadata, update_ledger_metadata, update_transfer_metadata};
pub use schedule::{cancel_schedule, schedule_transfer};

pub use send::{saga_step, send_money, step_to_wire};

/// A batch whose well-formed transfers are a command; the malformed ones stand aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The well-formed transfers, in order.
    pub command: Command,
    /// What of them is to be sealed before they are decided.
    pub secrets: Vec<Secret>,
    /// Places in the request of those that are not, ascending, each with its refusal.
    pub malformed: Vec<(usize, Rejection)>,
}

/// What is too long or too much comes after everything that is malformed.
fn malformed_first<T>(read: &Result<T, Rejection>) -> Result<(), Rejection> {
    match read {
        Err(refused) if refused.code == Code::Malformed => Err(refused.clone()),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl v1::AccountRules {
    /// Without a limit for any asset.
    #[must_use]
    pub fn without_limits(may_go_negative: bool) -> Self {
        v1::AccountRules { may_go_negative, credit_limits: Vec::new() }
    }
}

/// A ledger to create.
///
/// # Errors
/// What of its shape is refused.
pub fn create_ledger(request: &v1::CreateLedgerRequest) -> Result<Command, Rejection> {
    let ledger = parse_ledger("ledger_id", &request.ledger_id)?;
    let request_id = request_id(&request.request_id)?;
    if !request.conditions.is_empty() {
        let rule = "a ledger that does not exist has no accounts to depend on";
        return Err(malformed("conditions", "", rule));
    }
    let (metadata, _) = Noted::new(&request.metadata, &[]).read(0)?;
    let (conditions, body) = (Vec::new(), CommandBody::CreateLedger { metadata });
    Ok(Command { ledger, request_id, conditions, body })
}

/// An asset to create.
///
/// # Errors
/// What of its shape is refused.
pub fn create_asset(request: &v1::CreateAssetRequest) -> Result<Command, Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let code = parse_asset("asset_id", &request.asset_id)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    let scale = u8::try_from(request.scale).ok().filter(|scale| *scale <= ASSET_SCALE_MAX);
    let too_large = || {
        let subject = format!("scale {} is above {ASSET_SCALE_MAX}", request.scale);
        Rejection::new(Code::ScaleTooLarge, &subject)
    };
    let body = CommandBody::CreateAsset { code, scale: scale.ok_or_else(too_large)? };
    Ok(Command { ledger, request_id, conditions, body })
}

/// An account to open.
///
/// # Errors
/// What of its shape is refused.
pub fn open_account(request: &v1::OpenAccountRequest) -> Result<(Command, Vec<Secret>), Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let name = parse_account("account_id", &request.account_id)?;
    let request_id = request_id(&request.request_id)?;
    let account_type = account_type("type", request.r#type)?;
    let noted = Noted::new(&request.metadata, &request.sealed_metadata).read(0);
    malformed_first(&noted)?;
    let conditions = conditions(&request.conditions)?;
    let rules = request.rules.as_ref().map(account_rules).transpose()?.unwrap_or_default();
    let (metadata, secrets) = noted?;
    let body = CommandBody::OpenAccount { name, account_type, rules, metadata };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

fn account_type(field: &str, number: i32) -> Result<AccountType, Rejection> {
    let found = u8::try_from(number).ok().and_then(AccountType::from_number);
    found.ok_or_else(|| malformed(field, "", "an account has one of the five types"))
}

/// An account to freeze.
///
/// # Errors
/// What of its shape is refused.
pub fn freeze_account(request: &v1::FreezeAccountRequest) -> Result<Command, Rejection> {
    let v1::FreezeAccountRequest { name, request_id, validate_only: _, conditions } = request;
    change_account(name, request_id, conditions, AccountChange::Freeze)
}

/// An account to unfreeze.
///
/// # Errors
/// What of its shape is refused.
pub fn unfreeze_account(request: &v1::UnfreezeAccountRequest) -> Result<Command, Rejection> {
    let v1::UnfreezeAccountRequest { name, request_id, validate_only: _, conditions } = request;
    change_account(name, request_id, conditions, AccountChange::Unfreeze)
}

/// An account to close.
///
/// # Errors
/// What of its shape is refused.
pub fn close_account(request: &v1::CloseAccountRequest) -> Result<Command, Rejection> {
    let v1::CloseAccountRequest { name, request_id, validate_only: _, conditions } = request;
    change_account(name, request_id, conditions, AccountChange::Close)
}

fn change_account(
    name: &str,
    id: &str,
    wire: &[v1::Condition],
    change: AccountChange,
) -> Result<Command, Rejection> {
    let (ledger, name) = resource::account("name", name)?;
    let request_id = request_id(id)?;
    let conditions = conditions(wire)?;
    Ok(Command {
        ledger,
        request_id,
        conditions,
        body: CommandBody::ChangeAccount { name, change },
    })
}

/// Other rules for an account.
///
/// # Errors
/// What of its shape is refused.
pub fn set_account_rules(request: &v1::SetAccountRulesRequest) -> Result<Command, Rejection> {
    let (ledger, name) = resource::account("name", &request.name)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    // Left out by mistake, it would take every limit away.
    let missing = || malformed("rules", "", "is required");
    let rules = account_rules(request.rules.as_ref().ok_or_else(missing)?)?;
    let body = CommandBody::SetAccountRules { name, rules };
    Ok(Command { ledger, request_id, conditions, body })
}

/// Books to close, or to open again.
///
/// # Errors
/// What of its shape is refused.
pub fn lock_books(request: &v1::LockBooksRequest) -> Result<Command, Rejection> {
    let ledger = resource::ledger("name", &request.name)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    let locked_before = instant("locked_before", request.locked_before.as_ref())?;
    let body = CommandBody::LockBooks { locked_before };
    Ok(Command { ledger, request_id, conditions, body })
}

/// A flat chain of checks in the order of `Code`.
fn account_rules(wire: &v1::AccountRules) -> Result<AskedRules, Rejection> {
    let v1::AccountRules { may_go_negative, credit_limits } = wire;
    if *may_go_negative && !credit_limits.is_empty() {
        return Err(malformed("rules", "", "credit_limits bound what may_go_negative does not"));
    }
    let mut assets = BTreeMap::new();
    for limit in credit_limits {
        let asset = parse_asset("credit_limits.asset", &limit.asset)?;
        if assets.insert(asset, &limit.amount).is_some() {
            return Err(malformed("credit_limits.asset", &limit.asset, "has one limit"));
        }
    }
    let amounts = assets.into_iter();
    let amounts =
        amounts.map(|(asset, amount)| Ok((asset, parse_amount("credit_limits.amount", amount)?)));
    let limits = amounts.collect::<Result<_, Rejection>>()?;
    if credit_limits.len() > CREDIT_LIMITS_MAX {
        let subject = format!("credit_limits has more than {CREDIT_LIMITS_MAX}");
        return Err(Rejection::new(Code::TooLong, &subject));
    }
    Ok(AskedRules { may_go_negative: *may_go_negative, credit_limits: limits })
}

/// One transfer to post, as a batch of one.
///
/// # Errors
/// What of its shape is refused.
pub fn post_transfer(
    request: &v1::PostTransferRequest,
) -> Result<(Command, Vec<Secret>), Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let request_id = request_id(&request.request_id)?;
    let missing = || malformed("transfer", "", "is required");
    let transfer = request.transfer.as_ref().ok_or_else(missing)?;
    let conditions = conditions(&request.conditions)?;
    let Parsed { transfers, secrets, malformed } =
        transfers(&ledger, std::slice::from_ref(transfer));
    if let Some((_, rejection)) = malformed.into_iter().next() {
        return Err(rejection);
    }
    let body = CommandBody::PostTransfers { transfers };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

/// Transfers to post.
///
/// # Errors
/// What of the request's own shape is refused; what of a transfer's stands in [`Batch::malformed`].
pub fn post_transfers(request: &v1::PostTransfersRequest) -> Result<Batch, Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let request_id = request_id(&request.request_id)?;
    let conditions = conditions(&request.conditions)?;
    let count = request.transfers.len();
    if count == 0 || count > BATCH_TRANSFERS_MAX {
        let subject = format!("{count} transfers; a batch holds 1 to {BATCH_TRANSFERS_MAX}");
        return Err(Rejection::new(Code::BatchSize, &subject));
    }
    let Parsed { transfers, secrets, malformed } = transfers(&ledger, &request.transfers);
    let body = CommandBody::PostTransfers { transfers };
    Ok(Batch { command: Command { ledger, request_id, conditions, body }, secrets, malformed })
}

/// Empty is none.
fn request_id(text: &str) -> Result<Option<Id>, Rejection> {
    if text.is_empty() { Ok(None) } else { parse_id("request_id", text).map(Some) }
}

/// Transfers that are well-formed, what of them is to be sealed, and the places of the others, each with its
/// refusal.
struct Parsed {
    transfers: Vec<Transfer>,
    secrets: Vec<Secret>,
    malformed: Vec<(usize, Rejection)>,
}

fn transfers(ledger: &LedgerName, wire: &[v1::Transfer]) -> Parsed {
    let mut aside = Vec::new();
    let each = wire.iter().enumerate();
    let mut parsed: Vec<_> =
        each.map(|(place, wire)| transfer(ledger, wire, place, &mut aside)).collect();
    groups::check(wire, &mut parsed);
    let mut aside = aside.into_iter().peekable();
    let (mut secrets, mut malformed) = (Vec::new(), Vec::new());
    let mut transfers = Vec::with_capacity(parsed.len());
    for (place, transfer) in parsed.into_iter().enumerate() {
        let index = transfers.len();
        let is_ok = transfer.is_ok();
        while let Some(secret) = aside.next_if(|secret| secret.of == SecretOf::Metadata(place)) {
            secrets.extend(is_ok.then_some(Secret { of: SecretOf::Metadata(index), ..secret }));
        }
        match transfer {
            Ok(transfer) => transfers.push(transfer),
            Err(rejection) => malformed.push((place, rejection)),
        }
    }
    Parsed { transfers, secrets, malformed }
}

/// A flat chain of checks in the order of `Code`. What is to be sealed is put aside as of this place.
fn transfer(
    ledger: &LedgerName,
    wire: &v1::Transfer,
    place: usize,
    aside: &mut Vec<Secret>,
) -> Result<Transfer, Rejection> {
    let id: Id = parse_id("transfer_id", &wire.transfer_id)?;
    let kind = match wire.kind {
        0 => Some(TransferKind::Post),
        number => u8::try_from(number).ok().and_then(TransferKind::from_number),
    };
    let kind = kind.filter(|kind| *kind != TransferKind::Receive);
    let kind = kind.ok_or_else(|| malformed("kind", "", "is one of the six that are asked for"))?;
    only_its_own_fields(wire, kind)?;
    let link = groups::link(wire)?;
    let effective_at = instant("effective_time", wire.effective_time.as_ref())?;
    let noted = Noted::new(&wire.metadata, &wire.sealed_metadata).read(place);
    malformed_first(&noted)?;
    let movement = match kind {
        TransferKind::Post => Movement::Post(leg(wire)?),
        TransferKind::Hold => {
            let expires_at = instant("expire_time", wire.expire_time.as_ref())?;
            Movement::Hold { leg: leg(wire)?, expires_at }
        }
        TransferKind::Capture => {
            let hold = parse_id("hold_id", &wire.hold_id)?;
            Movement::Capture { hold, amount: part(wire)? }
        }
        TransferKind::Void => {
            Movement::Void { hold: parse_id("hold_id", &wire.hold_id)?, refused: None }
        }
        TransferKind::Send => {
            let deadline = instant("deadline", wire.deadline.as_ref())?;
            let to = send::destination(ledger, &wire.destination, deadline)?;
            let v1::Transfer { debit_account, asset, amount, up_to, .. } = wire;
            send::movement(debit_account, asset, amount, *up_to, to)?
        }
        TransferKind::Receive => return Err(malformed("kind", "", "is not asked for")),
        TransferKind::Reversal => {
            let of = resource::parse_id_read("reversed_id", &wire.reversed_id)?;
            Movement::Reversal { of, amount: part(wire)? }
        }
    };
    let reference = reference(&wire.reference)?;
    let (metadata, secrets) = noted?;
    aside.extend(secrets);
    Ok(Transfer { id, movement, reference, effective_at, link, metadata })
}

fn reference(text: &str) -> Result<Box<str>, Rejection> {
    if text.len() > REFERENCE_BYTES_MAX {
        let subject = format!("reference has more than {REFERENCE_BYTES_MAX} bytes");
        return Err(Rejection::new(Code::TooLong, &subject));
    }
    Ok(text.into())
}

/// Somebody who sets a field that means nothing for the kind meant another kind.
fn only_its_own_fields(wire: &v1::Transfer, kind: TransferKind) -> Result<(), Rejection> {
    use TransferKind::{Capture, Hold, Post, Receive, Reversal, Send, Void};
    let fields: [(_, bool, &[TransferKind]); 13] = [
        ("debit_account", !wire.debit_account.is_empty(), &[Post, Hold, Send]),
        ("credit_account", !wire.credit_account.is_empty(), &[Post, Hold]),
        ("asset", !wire.asset.is_empty(), &[Post, Hold, Send]),
        ("hold_id", !wire.hold_id.is_empty(), &[Capture, Void]),
        ("reversed_id", !wire.reversed_id.is_empty(), &[Reversal]),
        ("amount", !wire.amount.is_empty(), &[Post, Hold, Send, Capture, Reversal]),
        ("up_to", wire.up_to, &[Post, Hold, Send]),
        ("expire_time", wire.expire_time.is_some(), &[Hold]),
        ("asked_amount", !wire.asked_amount.is_empty(), &[]),
        ("destination", !wire.destination.is_empty(), &[Send]),
        ("deadline", wire.deadline.is_some(), &[Send]),
        ("source", !wire.source.is_empty(), &[]),
        ("refused", wire.refused.is_some(), &[]),
    ];
    for (field, is_set, kinds) in fields {
        if is_set && !kinds.contains(&kind) {
            let rule = match kind {
                Post => "is no field of a post",
                Hold => "is no field of a hold",
                Capture => "is no field of a capture: it is that of the hold",
                Void => "is no field of a void: it is that of the hold",
                Reversal => "is no field of a reversal: it is that of what it reverses",
                Send => "is no field of a send",
                Receive => "is not asked for",
            };
            return Err(malformed(field, "", rule));
        }
    }
    Ok(())
}

fn leg(wire: &v1::Transfer) -> Result<Leg, Rejection> {
    let debit_account = parse_account("debit_account", &wire.debit_account)?;
    let credit_account = parse_account("credit_account", &wire.credit_account)?;
    let asset = parse_asset("asset", &wire.asset)?;
    let amount = parse_amount("amount", &wire.amount)?;
    if debit_account == credit_account {
        return Err(Rejection::new(Code::SameAccount, debit_account.as_str()));
    }
    Ok(Leg { debit_account, credit_account, asset, amount, up_to: wire.up_to })
}

/// Empty is all that is left.
fn part(wire: &v1::Transfer) -> Result<Option<Decimal>, Rejection> {
    let text = wire.amount.as_str();
    if text.is_empty() { Ok(None) } else { parse_amount("amount", text).map(Some) }
}

fn parse_amount(field: &str, text: &str) -> Result<Decimal, Rejection> {
    let amount = Decimal::parse(text).map_err(|error| amount_refused(field, text, error))?;
    if amount.is_zero() {
        return Err(Rejection::new(Code::ZeroAmount, field));
    }
    Ok(amount)
}

fn instant(
    field: &str,
    at: Option<&prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Rejection> {
    let rule = "an instant of the years 1678 to 2262";
    at.map(|at| time::from_wire(at).ok_or_else(|| malformed(field, "", rule))).transpose()
}

fn amount_refused(field: &str, text: &str, error: AmountError) -> Rejection {
    let code = match error {
        AmountError::Malformed => Code::MalformedAmount,
        AmountError::TooManyDecimals | AmountError::Overflow => Code::AmountTooLarge,
    };
    let shown: String = text.chars().take(80).collect();
    Rejection::new(code, &format!("{field} {shown:?}"))
}

#[cfg(test)]
mod tests;
