//! Where a transfer goes to or comes from, when that is another ledger.

use ledger_domain::{AccountName, Destination, LedgerName, Origin, Rejection};

use super::{DecodeError, id_from_wire, id_to_wire, rejection_from_wire};
use crate::log_v1 as wire;

pub(super) fn destination_to_wire(to: &Destination) -> wire::Destination {
    let Destination { ledger, account, deadline } = to;
    wire::Destination {
        ledger: ledger.to_string(),
        account: account.to_string(),
        deadline: *deadline,
    }
}

pub(super) fn destination_from_wire(
    to: Option<wire::Destination>,
) -> Result<Destination, DecodeError> {
    let to = to.ok_or_else(|| DecodeError::new("a send to nowhere"))?;
    let wire::Destination { ledger, account, deadline } = to;
    let (ledger, account) = (LedgerName::from_log(&ledger), AccountName::from_log(&account));
    Ok(Destination { ledger, account, deadline })
}

pub(super) fn origin_to_wire(from: &Origin) -> wire::Origin {
    let Origin { ledger, send, scale, deadline, sent_at } = from;
    wire::Origin {
        ledger: ledger.to_string(),
        send: Some(id_to_wire(send)),
        scale: u32::from(*scale),
        deadline: *deadline,
        sent_at: *sent_at,
    }
}

pub(super) fn origin_from_wire(from: Option<wire::Origin>) -> Result<Origin, DecodeError> {
    let from = from.ok_or_else(|| DecodeError::new("a receipt from nowhere"))?;
    let wire::Origin { ledger, send, scale, deadline, sent_at } = from;
    Ok(Origin {
        ledger: LedgerName::from_log(&ledger),
        send: id_from_wire(send.ok_or_else(|| DecodeError::new("a receipt of no send"))?)?,
        scale: u8::try_from(scale).map_err(|_| DecodeError::new("scale"))?,
        deadline,
        sent_at,
    })
}

pub(super) fn refusal_to_wire(rejection: &Rejection) -> wire::SendRefusal {
    let Rejection { code, subject } = rejection;
    wire::SendRefusal { code: code.number(), subject: subject.to_string() }
}

pub(super) fn refusal_from_wire(refusal: &wire::SendRefusal) -> Result<Rejection, DecodeError> {
    rejection_from_wire(refusal.code, &refusal.subject)
}
