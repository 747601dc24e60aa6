//! The events of a command in the log against the model's verdicts.

use std::collections::BTreeMap;

use ledger_domain::event::Row;
use ledger_domain::{AccountStatus, Event, Rejection};
use ledger_proto::logged::LoggedCommand;

use crate::model::{Place, Verdict, Verdicts, canonical_id, minor_units};
use crate::request::{Ask, Change, Request, Transfer};

/// Whether the events of a command are what the model says that it comes to.
pub(super) fn check(
    place: Place,
    request: &Request,
    transfers: &[Transfer],
    verdicts: &Verdicts,
    command: &LoggedCommand,
) -> Result<(), String> {
    let [event] = &command.events[..] else {
        return Err(format!("{} events where one is due", command.events.len()));
    };
    let logged_id = command.request_id.as_ref().map(ToString::to_string).unwrap_or_default();
    if logged_id != canonical_id(&request.request_id) {
        return Err(format!("request id {logged_id:?} in the log"));
    }
    let wrong = || Err(format!("the model says {verdicts:?}, the log {event:?}"));
    match (verdicts, event, &request.ask) {
        (
            Verdicts::Whole(Verdict::Refused(code)),
            Event::CommandRefused { ledger, rejection },
            _,
        ) => {
            let same = ledger.as_str() == request.ledger && rejection.code.number() == *code;
            if same { Ok(()) } else { wrong() }
        }
        (Verdicts::Whole(Verdict::Done), Event::LedgerCreated { name, .. }, Ask::CreateLedger)
            if name.as_str() == request.ledger =>
        {
            Ok(())
        }
        (
            Verdicts::Whole(Verdict::Done),
            Event::AssetCreated { code, scale, .. },
            Ask::CreateAsset { code: asked, scale: asked_scale },
        ) if code.as_str() == asked && u32::from(*scale) == *asked_scale => Ok(()),
        (
            Verdicts::Whole(Verdict::Done),
            Event::AccountOpened { name, rules, .. },
            Ask::OpenAccount { name: asked, may_go_negative, .. },
        ) if name.as_str() == asked && rules.may_go_negative == *may_go_negative => Ok(()),
        (
            Verdicts::Whole(Verdict::Done),
            Event::AccountStatusChanged { status, .. },
            Ask::Change { change, .. },
        ) if matches!(
            (change, status),
            (Change::Freeze, AccountStatus::Frozen)
                | (Change::Unfreeze, AccountStatus::Open)
                | (Change::Close, AccountStatus::Closed)
        ) =>
        {
            Ok(())
        }
        (Verdicts::Items(items), Event::TransferBatch(batch), Ask::Post { .. }) => {
            let mut rows = batch.iter().map(|(_, row)| row);
            for (transfer, verdict) in transfers.iter().zip(items) {
                let expected = match verdict {
                    Verdict::Done => None,
                    Verdict::Refused(code) => Some(*code),
                    Verdict::Before(_) | Verdict::Reused | Verdict::Repeats(_) => continue,
                };
                let row = rows.next().ok_or(format!("a row is missing: {verdicts:?}"))?;
                check_row(transfer, expected, row, place)?;
            }
            if rows.next().is_none() { Ok(()) } else { Err("more rows than are due".into()) }
        }
        _ => wrong(),
    }
}

fn check_row(
    transfer: &Transfer,
    refused: Option<u32>,
    row: Row<'_>,
    place: Place,
) -> Result<(), String> {
    let (id, code, reference) = match row {
        Row::Posted(posted) => (&posted.id, None, &posted.reference),
        Row::Refused(refused) => {
            let asked = &refused.transfer;
            (&asked.id, Some(refused.rejection.code.number()), &asked.reference)
        }
    };
    let same = id.to_string() == canonical_id(&transfer.id)
        && code == refused
        && **reference == *transfer.reference;
    // Every scale gives the same digits, but for the zeros at their end.
    let amount = match row {
        Row::Posted(posted) => {
            (0..=30).any(|s| minor_units(&transfer.amount, s) == Ok(posted.amount))
        }
        Row::Refused(_) => true,
    };
    if same && amount {
        return Ok(());
    }
    Err(format!("{place:?}: {transfer:?} comes to {refused:?}, the log has {row:?}"))
}

/// Keeps why each refusal was made.
pub(super) fn rejections(
    place: Place,
    command: &LoggedCommand,
    kept: &mut BTreeMap<Place, Rejection>,
) {
    for event in &command.events {
        match event {
            Event::CommandRefused { rejection, .. } => drop(kept.insert(place, rejection.clone())),
            Event::TransferBatch(batch) => {
                for refused in &batch.refused {
                    let at = (place.0, place.1 + refused.row);
                    kept.insert(at, refused.rejection.clone());
                }
            }
            Event::LedgerCreated { .. }
            | Event::AssetCreated { .. }
            | Event::AccountOpened { .. }
            | Event::AccountStatusChanged { .. } => {}
        }
    }
}
