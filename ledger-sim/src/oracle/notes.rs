//! What came up in the log, so that a simulation that meets nothing is seen.

use ledger_domain::{Event, Metadata, MetadataTarget};
use ledger_proto::logged::LoggedCommand;

use crate::model::{Book, CAPTURE, HOLD, RECEIVE, REVERSAL, SEND, VOID, Verdict, Verdicts};
use crate::request::{Ask, Customer, Note, NoteOf, Request, That, Transfer};
use crate::summary::Summary;

/// Notes what is noted, and of what; sealed or not.
pub(super) fn metadata(command: &LoggedCommand, seen: &mut Summary) {
    let is_sealed =
        |metadata: &Metadata| metadata.iter().any(|(_, value)| value.customer().is_some());
    let mut note_if = |name: &str, is_so: bool| {
        if is_so {
            seen.note(name);
        }
    };
    for event in &command.events {
        match event {
            Event::MetadataChanged { target, changes, .. } => {
                let sealed = changes.iter().filter_map(|it| it.after.as_ref()?.customer()).count();
                let (changed, sealed_name) = match target {
                    MetadataTarget::Ledger => ("metadata.changed", "sealed.ledger"),
                    MetadataTarget::Account(_) => ("metadata.changed", "sealed.account"),
                    MetadataTarget::Transfer(_) => {
                        ("metadata.transfer_changed", "sealed.transfer_changed")
                    }
                };
                note_if("metadata.same", changes.is_empty());
                note_if(changed, !changes.is_empty());
                note_if(sealed_name, sealed > 0);
                let turned = changes.iter().any(|it| match (&it.before, &it.after) {
                    (Some(a), Some(b)) => a.customer().is_some() != b.customer().is_some(),
                    _ => false,
                });
                note_if("sealed.in_place_of_plain_or_back", turned);
            }
            Event::AccountOpened { metadata, .. } => {
                note_if("metadata.opened_with", !metadata.is_empty());
                note_if("sealed.opened_with", is_sealed(metadata));
            }
            Event::ScheduleCreated { plan, .. } => {
                note_if("metadata.of_schedule", !plan.metadata.is_empty());
                note_if("sealed.schedule", is_sealed(&plan.metadata));
            }
            Event::CustomerRegistered { name, accounts, .. } => {
                for account in accounts {
                    note_if("metadata.registered_with", !account.metadata.is_empty());
                    note_if("sealed.registered_with", is_sealed(&account.metadata));
                    let mut owners = account.metadata.iter().filter_map(|(_, it)| it.customer());
                    note_if("sealed.for_another", owners.any(|of| of != name));
                }
            }
            Event::TransferBatch(batch) => {
                for accepted in &batch.accepted {
                    note_if("metadata.of_transfer", !accepted.metadata.is_empty());
                    note_if("sealed.transfer", is_sealed(&accepted.metadata));
                }
            }
            _ => {}
        }
    }
}

/// Notes what was refused for its metadata.
pub(super) fn refused_metadata(request: &Request, verdicts: &Verdicts, seen: &mut Summary) {
    let refused: Vec<u32> = match (&request.ask, verdicts) {
        // They are refused for the customer they are about.
        (Ask::Customer(Customer::Update { .. } | Customer::Erase { .. }), _) => Vec::new(),
        (_, Verdicts::Whole(Verdict::Refused(code))) => vec![*code],
        (_, Verdicts::Whole(_)) => Vec::new(),
        (_, Verdicts::Items(items)) => {
            let code = |verdict: &Verdict| match verdict {
                Verdict::Refused(code) => Some(*code),
                _ => None,
            };
            items.iter().filter_map(code).collect()
        }
    };
    for code in refused {
        match code {
            240 if matches!(&request.ask, Ask::Note(Note { of: NoteOf::Transfer(_), .. })) => {
                seen.note("metadata.transfer_full");
            }
            251 => seen.note("sealed.unknown_customer"),
            252 => seen.note("sealed.customer_erased"),
            _ => {}
        }
    }
}

/// Notes which conditions were met.
pub(super) fn conditions(request: &Request, verdicts: &Verdicts, seen: &mut Summary) {
    if matches!(verdicts, Verdicts::Whole(Verdict::Refused(_))) {
        return;
    }
    for condition in &request.conditions {
        seen.note(match condition.that {
            That::Version(0) => "condition.no_account",
            That::Version(_) => "condition.version",
            That::Balance(..) => "condition.balance",
            That::Nothing => "condition.malformed",
        });
    }
}

/// Notes what kinds of transfer were accepted.
pub(super) fn moves(
    after: Option<&Book>,
    transfers: &[Transfer],
    verdicts: &Verdicts,
    seen: &mut Summary,
) {
    let Verdicts::Items(items) = verdicts else { return };
    for (transfer, verdict) in transfers.iter().zip(items) {
        if let Verdict::NotRecorded(code) = verdict {
            seen.note(if *code == 401 { "group.failed" } else { "entry.taken" });
        }
        let Verdict::Moves(moved) = verdict else { continue };
        if transfer.linked {
            seen.note("linked");
        }
        if !transfer.entry.is_empty() {
            seen.note("of_an_entry");
        }
        seen.note(match transfer.kind {
            HOLD if transfer.expires_at.is_some() => "hold.made_to_expire",
            HOLD => "hold.made",
            CAPTURE if moved.remaining > 0 => "hold.captured_in_part",
            CAPTURE => "hold.captured",
            VOID => "hold.voided",
            SEND if transfer.deadline.is_some() => "send.made_with_deadline",
            SEND => "send.made",
            RECEIVE => "send.received",
            REVERSAL if moved.remaining > 0 => "reversed_in_part",
            REVERSAL => "reversed",
            _ => "post",
        });
        if moved.up_to.is_some_and(|asked| asked > moved.amount) {
            seen.note("up_to.less");
        }
        if after.is_some_and(|book| book.uses_limit(moved)) {
            seen.note("limit.used");
        }
    }
}
