//! Answers: outcomes onto the wire, and the one table from refusals to gRPC status codes.

use std::collections::BTreeMap;

use ledger_domain::amount::format_minor;
use ledger_domain::{
    AcceptedTransfer, AccountRules, AccountStatus, AccountType, AssetHandle, Code, CustomerName,
    Destination, Effect, Link, Metadata, MetadataChange, MetadataKey, Origin, Position, Rejection,
    Sealed, Timestamp, Transfer, TransferKind,
};
use prost::Message;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::metadata::Open;
use crate::{resource, time, v1};

mod alert;
mod schedule;

pub use alert::{alert_condition, crossing};
pub use schedule::{occurrence, schedule};

/// Domain of the `google.rpc.ErrorInfo` that a refused call carries.
pub const ERROR_DOMAIN: &str = "ledger.v1";

/// An instant on the wire.
#[must_use]
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    time::to_wire(at)
}

/// The type of an account on the wire.
#[must_use]
pub fn account_type(account_type: AccountType) -> v1::AccountType {
    v1::AccountType::try_from(i32::from(account_type.number())).unwrap_or_default()
}

/// The status of an account on the wire.
#[must_use]
pub fn account_status(status: AccountStatus) -> v1::AccountStatus {
    v1::AccountStatus::try_from(i32::from(status.number())).unwrap_or_default()
}

/// The rules of an account on the wire, by code. `asset` tells code and scale of an asset of its ledger.
///
/// # Errors
/// What `asset` fails with.
pub fn account_rules<C: ToString, E>(
    rules: &AccountRules,
    mut asset: impl FnMut(AssetHandle) -> Result<(C, u8), E>,
) -> Result<v1::AccountRules, E> {
    let AccountRules { may_go_negative, credit_limits } = rules;
    let limits = credit_limits.iter().map(|(handle, amount)| {
        let (code, scale) = asset(*handle)?;
        Ok(v1::CreditLimit { asset: code.to_string(), amount: format_minor(*amount, scale) })
    });
    let mut credit_limits = limits.collect::<Result<Vec<_>, E>>()?;
    credit_limits.sort_unstable_by(|one, other| one.asset.cmp(&other.asset));
    Ok(v1::AccountRules { may_go_negative: *may_go_negative, credit_limits })
}

/// Metadata on the wire, as a map of what everybody reads.
#[must_use]
pub fn metadata(metadata: &Metadata) -> BTreeMap<String, String> {
    crate::metadata::plain(metadata)
}

/// What of metadata is sealed, on the wire, as far as it is opened.
#[must_use]
pub fn sealed_metadata(metadata: &Metadata, open: Open<'_>) -> Vec<v1::SealedMetadata> {
    crate::metadata::sealed(metadata, open)
}

/// Metadata on the wire, each entry by itself; of what is sealed, whose it is.
#[must_use]
pub fn metadata_entries(metadata: &Metadata) -> Vec<v1::MetadataEntry> {
    crate::metadata::entries(metadata, &mut closed)
}

/// Changes of metadata on the wire.
#[must_use]
pub fn metadata_changes(changes: &[MetadataChange], open: Open<'_>) -> Vec<v1::MetadataChange> {
    changes.iter().map(|change| crate::metadata::change(change, open)).collect()
}

/// Opens nothing.
pub fn closed(_: &CustomerName, _: &MetadataKey, _: &Sealed) -> Option<String> {
    None
}

/// An accepted command.
#[must_use]
pub fn acknowledgement(at: Position, recorded: Timestamp, replayed: bool) -> v1::Acknowledgement {
    let recorded_at = Some(timestamp(recorded));
    v1::Acknowledgement { position: at.to_string(), recorded_at, replayed }
}

/// The kind of a transfer on the wire.
#[must_use]
pub fn transfer_kind(kind: TransferKind) -> v1::TransferKind {
    v1::TransferKind::try_from(i32::from(kind.number())).unwrap_or_default()
}

/// Names of what an accepted transfer has handles of, and how its asset is divided.
#[derive(Clone, Copy, Debug)]
pub struct TransferNames<'a> {
    /// Name of the account that was debited.
    pub debit_account: &'a str,
    /// Name of the account that was credited.
    pub credit_account: &'a str,
    /// Code of the asset.
    pub asset: &'a str,
    /// Decimals of the asset.
    pub scale: u8,
}

/// An accepted transfer.
#[must_use]
pub fn accepted(accepted: &AcceptedTransfer, names: TransferNames<'_>) -> v1::Transfer {
    let TransferNames { debit_account, credit_account, asset, scale } = names;
    let asked_amount = accepted.up_to.as_ref().map(|asked| format_minor(**asked, scale));
    let mut out = v1::Transfer {
        transfer_id: accepted.id.to_string(),
        debit_account: debit_account.to_owned(),
        credit_account: credit_account.to_owned(),
        asset: asset.to_owned(),
        amount: format_minor(accepted.amount, scale),
        reference: accepted.reference.to_string(),
        effective_time: accepted.effective_at.map(timestamp),
        kind: transfer_kind(accepted.effect.kind()).into(),
        hold_id: accepted.effect.hold().map(ToString::to_string).unwrap_or_default(),
        expire_time: accepted.effect.expires_at().map(timestamp),
        up_to: accepted.up_to.is_some(),
        asked_amount: asked_amount.unwrap_or_default(),
        reversed_id: accepted.effect.reversal().map(|it| it.of.to_string()).unwrap_or_default(),
        linked: accepted.link == Link::Next,
        entry_id: accepted.link.entry().map(ToString::to_string).unwrap_or_default(),
        metadata: metadata(&accepted.metadata),
        sealed_metadata: sealed_metadata(&accepted.metadata, &mut closed),
        ..Default::default()
    };
    match &accepted.effect {
        Effect::Send(to) => set_destination(to, &mut out),
        Effect::Receive(from) => set_source(from, &mut out),
        Effect::Void { refused, .. } => {
            out.refused = refused.as_ref().map(|why| refusal(why, None, false));
        }
        Effect::Post | Effect::Hold { .. } | Effect::Capture(_) | Effect::Reversal(_) => {}
    }
    out
}

fn set_destination(to: &Destination, out: &mut v1::Transfer) {
    let Destination { ledger, account, deadline } = to;
    out.destination = resource::account_resource(ledger.as_str(), account.as_str());
    out.deadline = deadline.map(timestamp);
}

fn set_source(from: &Origin, out: &mut v1::Transfer) {
    out.source = resource::transfer_resource(from.ledger.as_str(), &from.send);
    out.deadline = from.deadline.map(timestamp);
}

/// A transfer as it was asked for, to be asked for again or to be shown where it was refused: its asset
/// need not exist, which has no `scale` then, nor its amount fit.
#[must_use]
pub fn asked(asked: &Transfer, scale: Option<u8>) -> v1::Transfer {
    let Transfer { id, movement, reference, effective_at, link, metadata: noted } = asked;
    let amount = movement.amount().map(|amount| {
        let minor = |scale| amount.to_minor(scale).ok().map(|minor| format_minor(minor, scale));
        scale.and_then(minor).unwrap_or_else(|| amount.to_string())
    });
    let mut out = v1::Transfer {
        transfer_id: id.to_string(),
        amount: amount.unwrap_or_default(),
        reference: reference.to_string(),
        effective_time: effective_at.map(timestamp),
        kind: transfer_kind(movement.kind()).into(),
        hold_id: movement.hold().map(ToString::to_string).unwrap_or_default(),
        expire_time: movement.expires_at().map(timestamp),
        reversed_id: movement.reverses().map(ToString::to_string).unwrap_or_default(),
        linked: *link == Link::Next,
        entry_id: link.entry().map(ToString::to_string).unwrap_or_default(),
        metadata: metadata(noted),
        sealed_metadata: sealed_metadata(noted, &mut closed),
        ..Default::default()
    };
    if let Some(leg) = movement.leg() {
        out.debit_account = leg.debit_account.to_string();
        out.credit_account = leg.credit_account.to_string();
        out.asset = leg.asset.to_string();
        out.up_to = leg.up_to;
    }
    if let Some(to) = movement.destination() {
        // It is not asked for: it follows from the destination.
        out.credit_account.clear();
        set_destination(to, &mut out);
    }
    if let Some(from) = movement.origin() {
        set_source(from, &mut out);
    }
    out.refused = movement.refused().map(|why| refusal(why, None, false));
    out
}

/// A refusal, with the position of its record where there is one.
#[must_use]
pub fn refusal(rejection: &Rejection, at: Option<Position>, replayed: bool) -> v1::Refusal {
    v1::Refusal {
        code: rejection.code.number(),
        reason: rejection.code.name().to_owned(),
        subject: rejection.subject.to_string(),
        message: message(rejection),
        position: at.map(|at| at.to_string()).unwrap_or_default(),
        replayed,
    }
}

/// A refusal of a unary call: ErrorInfo (reason, domain, subject) and the `Refusal` in its details.
#[must_use]
pub fn status(rejection: &Rejection, at: Option<Position>, replayed: bool) -> Status {
    status_of(refusal(rejection, at, replayed))
}

/// As [`status`], of a refusal that is on the wire already, perhaps by a newer server.
#[must_use]
pub fn status_of(refusal: v1::Refusal) -> Status {
    let code = Code::from_number(refusal.code);
    let code = code.map_or(tonic::Code::FailedPrecondition, grpc_code);
    let metadata = [("subject".to_owned(), refusal.subject.clone())];
    let info = ErrorDetails::with_error_info(&refusal.reason, ERROR_DOMAIN, metadata);
    let with_info = Status::with_error_details(code, refusal.message.clone(), info);
    // tonic-types knows google.rpc's details only: the Refusal is added to the same Any list.
    let mut details = tonic_types::pb::Status::decode(with_info.details()).unwrap_or_default();
    details.details.push(prost_types::Any {
        type_url: "type.googleapis.com/ledger.v1.Refusal".to_owned(),
        value: refusal.encode_to_vec(),
    });
    Status::with_details(code, refusal.message, details.encode_to_vec().into())
}

/// The `Refusal` in a status's details, for clients.
#[must_use]
pub fn refusal_of(status: &Status) -> Option<v1::Refusal> {
    let details = tonic_types::pb::Status::decode(status.details()).ok()?;
    let any = details.details.iter().find(|any| any.type_url.ends_with("/ledger.v1.Refusal"))?;
    v1::Refusal::decode(any.value.as_slice()).ok()
}

/// The status code of a refused unary call.
#[must_use]
pub fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::Malformed
        | Code::MalformedAmount
        | Code::AmountTooLarge
        | Code::ZeroAmount
        | Code::SameAccount
        | Code::BatchSize
        | Code::TooLong
        | Code::ScaleTooLarge
        | Code::TooManyDecimals => tonic::Code::InvalidArgument,
        Code::UnknownLedger
        | Code::UnknownAccount
        | Code::UnknownTransfer
        | Code::UnknownCustomer
        | Code::UnknownSchedule
        | Code::UnknownAlert
        | Code::UnknownDebitAccount
        | Code::UnknownCreditAccount
        | Code::UnknownAsset => tonic::Code::NotFound,
        Code::IdReused
        | Code::EntryExists
        | Code::LedgerExists
        | Code::AssetExists
        | Code::AccountExists
        | Code::CustomerExists
        | Code::ScheduleExists => tonic::Code::AlreadyExists,
        Code::VersionMismatch => tonic::Code::Aborted,
        Code::TooMany => tonic::Code::ResourceExhausted,
        Code::Overflow => tonic::Code::OutOfRange,
        Code::ConditionFailed
        | Code::AccountClosed
        | Code::AccountFrozen
        | Code::AccountNotFrozen
        | Code::AccountNotEmpty
        | Code::NotReversible
        | Code::ExceedsTransfer
        | Code::HoldNotOpen
        | Code::HoldExpired
        | Code::HoldOfSend
        | Code::DeadlinePassed
        | Code::ScaleDiffers
        | Code::ExceedsHold
        | Code::MetadataFull
        | Code::BalancePassesRules
        | Code::CustomerErased
        | Code::ScheduleEnded
        | Code::ScheduleInPast
        | Code::LockInFuture
        | Code::BooksLocked
        | Code::InsufficientFunds
        | Code::LinkedFailed => tonic::Code::FailedPrecondition,
    }
}

/// One sentence for a person.
fn message(rejection: &Rejection) -> String {
    let what = match rejection.code {
        Code::Malformed => "not well-formed",
        Code::MalformedAmount => "an amount is a decimal number such as 12.34",
        Code::AmountTooLarge => "the amount has more digits than 128 bits hold",
        Code::ZeroAmount => "a transfer moves more than nothing",
        Code::SameAccount => "debit and credit account are the same",
        Code::BatchSize => "the batch has too many transfers, or none",
        Code::TooLong => "a text is too long",
        Code::ScaleTooLarge => "the scale is too large",
        Code::IdReused => "the id was used before with other content",
        Code::EntryExists => "the journal entry was recorded before, without this transfer",
        Code::UnknownLedger => "no such ledger",
        Code::VersionMismatch => "the account has another version than the command depends on",
        Code::ConditionFailed => "a balance is not as the command depends on it",
        Code::LedgerExists => "the ledger exists already",
        Code::AssetExists => "the asset exists already",
        Code::AccountExists => "the account exists already",
        Code::CustomerExists => "the customer exists already, or was erased",
        Code::ScheduleExists => "the schedule exists already, or did",
        Code::TooMany => "there can be no more of them",
        Code::UnknownDebitAccount => "no such account to debit",
        Code::UnknownCreditAccount => "no such account to credit",
        Code::UnknownAccount => "no such account",
        Code::UnknownCustomer => "no such customer",
        Code::UnknownSchedule => "no such schedule",
        Code::UnknownAlert => "the account has no such alert",
        Code::UnknownTransfer => "no such transfer was accepted",
        Code::NotReversible => "only a post or a capture can be reversed",
        Code::CustomerErased => "the customer is erased",
        Code::AccountClosed => "the account is closed",
        Code::AccountFrozen => "the account is frozen",
        Code::AccountNotFrozen => "the account is not frozen",
        Code::AccountNotEmpty => "the account has a balance, or something is held in it",
        Code::HoldNotOpen => "no hold with this id is open",
        Code::HoldExpired => "the hold's time is over",
        Code::HoldOfSend => "the hold is that of a send, which its destination ends",
        Code::DeadlinePassed => "the deadline of the send is over",
        Code::ScaleDiffers => "the asset has another scale in the ledger that sends",
        Code::ExceedsHold => "more than is left of the hold",
        Code::MetadataFull => "there is no room for so many keys",
        Code::ScheduleEnded => "the schedule has ended",
        Code::ScheduleInPast => "a schedule starts in the future",
        Code::LockInFuture => "books are closed up to now at most",
        Code::BooksLocked => "the books are closed up to a later instant",
        Code::BalancePassesRules => "a balance of the account passes the new rules",
        Code::UnknownAsset => "no such asset",
        Code::TooManyDecimals => "more decimals than the asset's scale",
        Code::ExceedsTransfer => "more than is left to reverse of the transfer",
        Code::Overflow => "the amount or a balance would reach 2^128 minor units",
        Code::InsufficientFunds => "the account may not go so low",
        Code::LinkedFailed => "a transfer that it stands or falls with was refused",
    };
    format!("{what}: {}", rejection.subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_v1;

    /// The domain numbers the types as both `.proto` files do.
    #[test]
    fn an_account_type_has_one_name_everywhere() {
        for number in 1..=5u8 {
            let domain = AccountType::from_number(number).unwrap();
            let expected = format!("ACCOUNT_TYPE_{}", format!("{domain:?}").to_uppercase());
            assert_eq!(account_type(domain).as_str_name(), expected);
            let logged = log_v1::AccountType::try_from(i32::from(number)).unwrap();
            assert_eq!(logged.as_str_name(), expected);
        }
        assert!(v1::AccountType::try_from(6).is_err(), "a sixth type is to be listed here");
    }

    #[test]
    fn an_account_status_has_one_name_everywhere() {
        for number in 1..=3u8 {
            let domain = AccountStatus::from_number(number).unwrap();
            let expected = format!("ACCOUNT_STATUS_{}", format!("{domain:?}").to_uppercase());
            assert_eq!(account_status(domain).as_str_name(), expected);
            let logged = log_v1::AccountStatus::try_from(i32::from(number)).unwrap();
            assert_eq!(logged.as_str_name(), expected);
        }
        assert!(v1::AccountStatus::try_from(4).is_err(), "a fourth status is to be listed here");
    }

    #[test]
    fn a_kind_of_transfer_has_one_name_everywhere() {
        for number in 1..=7u8 {
            let domain = TransferKind::from_number(number).unwrap();
            let expected = format!("TRANSFER_KIND_{}", format!("{domain:?}").to_uppercase());
            assert_eq!(transfer_kind(domain).as_str_name(), expected);
            let logged = log_v1::TransferKind::try_from(i32::from(number)).unwrap();
            assert_eq!(logged.as_str_name(), expected);
        }
        assert!(v1::TransferKind::try_from(8).is_err(), "an eighth kind is to be listed here");
    }

    /// The domain numbers figures and comparisons as the `.proto` file does.
    #[test]
    fn figures_and_comparisons_have_one_name_everywhere() {
        for figure in ledger_domain::BalanceFigure::ALL {
            let wire = v1::BalanceFigure::try_from(i32::from(figure.number())).unwrap();
            let expected = format!("BALANCE_FIGURE_{}", figure.name().to_uppercase());
            assert_eq!(wire.as_str_name(), expected);
        }
        assert!(v1::BalanceFigure::try_from(7).is_err(), "a seventh figure is to be listed here");
        for (number, name) in [(1u8, "AT_LEAST"), (2, "AT_MOST"), (3, "EQUAL")] {
            let domain = ledger_domain::Comparison::from_number(number).unwrap();
            assert_eq!(format!("{domain:?}").to_uppercase(), name.replace('_', ""));
            let wire = v1::Comparison::try_from(i32::from(number)).unwrap();
            assert_eq!(wire.as_str_name(), format!("COMPARISON_{name}"));
        }
        assert!(v1::Comparison::try_from(4).is_err(), "a fourth is to be listed here");
    }

    #[test]
    fn a_status_carries_its_refusal() {
        let rejection = Rejection::new(Code::InsufficientFunds, "users:bob");
        let status = status(&rejection, Some(Position::event(0, 7, 3)), true);
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
        let refusal = refusal_of(&status).unwrap();
        assert_eq!(refusal.position, "0@7.3");
        assert_eq!(refusal.code, 211);
        assert!(refusal.replayed);
        let info = status.get_error_details().error_info().cloned().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("INSUFFICIENT_FUNDS", "ledger.v1")
        );
    }
}
