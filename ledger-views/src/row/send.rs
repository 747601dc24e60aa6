//! Where a transfer goes to or comes from, when that is another ledger.

use ledger_domain::{AccountName, Code, Destination, LedgerName, Origin, Rejection, Timestamp};

use crate::code::{Source, put_id, put_number, put_signed, put_text};

pub(super) fn put_destination(out: &mut Vec<u8>, to: &Destination) {
    let Destination { ledger, account, deadline } = to;
    put_text(out, ledger.as_str());
    put_text(out, account.as_str());
    put_instant(out, *deadline);
}

pub(super) fn destination(source: &mut Source<'_>) -> Option<Destination> {
    Some(Destination {
        ledger: LedgerName::from_log(source.text()?),
        account: AccountName::from_log(source.text()?),
        deadline: instant(source)?,
    })
}

pub(super) fn put_origin(out: &mut Vec<u8>, from: &Origin) {
    let Origin { ledger, send, scale, deadline, sent_at } = from;
    put_text(out, ledger.as_str());
    put_id(out, send);
    out.push(*scale);
    put_instant(out, *deadline);
    put_signed(out, *sent_at);
}

pub(super) fn origin(source: &mut Source<'_>) -> Option<Origin> {
    Some(Origin {
        ledger: LedgerName::from_log(source.text()?),
        send: source.id()?,
        scale: source.byte()?,
        deadline: instant(source)?,
        sent_at: source.signed()?,
    })
}

/// A flag of the row says whether there is one.
pub(super) fn put_refusal(out: &mut Vec<u8>, refusal: Option<&Rejection>) {
    if let Some(Rejection { code, subject }) = refusal {
        put_number(out, code.number());
        put_text(out, subject);
    }
}

pub(super) fn refusal(source: &mut Source<'_>, is_there: bool) -> Option<Option<Rejection>> {
    if !is_there {
        return Some(None);
    }
    let code = Code::from_number(source.u32()?)?;
    Some(Some(Rejection::new(code, source.text()?)))
}

fn put_instant(out: &mut Vec<u8>, at: Option<Timestamp>) {
    out.push(u8::from(at.is_some()));
    if let Some(at) = at {
        put_signed(out, at);
    }
}

fn instant(source: &mut Source<'_>) -> Option<Option<Timestamp>> {
    match source.byte()? {
        0 => Some(None),
        1 => source.signed().map(Some),
        _ => None,
    }
}
