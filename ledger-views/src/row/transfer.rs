//! The bytes of a transfer, as it was accepted or as it was asked for and refused.

use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountName, AssetCode, AssetHandle, Capture, Code, Decimal,
    Effect, Id, Leg, Link, Metadata, Movement, Rejection, Reversal, Timestamp, Transfer,
    TransferKind,
};

use super::metadata::{metadata, put_metadata};
use super::{
    EXPIRES, OPEN_AMOUNT, REFUSED, Row, TransferOutcome, TransferRow, flag, flags, kind_bits,
    kind_number, optional, put_optional, send,
};
use crate::code::{Source, put_id, put_number, put_signed, put_text};
use crate::key::Place;

impl Row for TransferRow {
    fn encode(&self, out: &mut Vec<u8>) {
        match &self.outcome {
            TransferOutcome::Accepted(accepted) => encode_accepted(self.place, accepted, out),
            TransferOutcome::Refused(asked, why) => encode_refused(self.place, asked, why, out),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let flags = source.byte()?;
        let kind = TransferKind::from_number(kind_number(flags))?;
        let expires = flags & EXPIRES != 0 && kind != TransferKind::Hold;
        let open_amount = flags & OPEN_AMOUNT != 0 && kind == TransferKind::Receive;
        if expires || open_amount {
            return None;
        }
        let place = Place::decode(&mut source)?;
        let id = source.id()?;
        let outcome = if flags & REFUSED == 0 {
            TransferOutcome::Accepted(decode_accepted(&mut source, flags, kind, id)?)
        } else {
            let code = Code::from_number(source.u32()?)?;
            let rejection = Rejection::new(code, source.text()?);
            let asked = decode_asked(&mut source, flags, kind, id)?;
            TransferOutcome::Refused(asked, rejection)
        };
        source.end(TransferRow { place, outcome })
    }
}

fn encode_accepted(place: Place, t: &AcceptedTransfer, out: &mut Vec<u8>) {
    let open_amount = match &t.effect {
        Effect::Post | Effect::Hold { .. } | Effect::Send(_) => t.up_to.is_some(),
        Effect::Capture(_) | Effect::Reversal(_) => t.effect.is_rest(),
        Effect::Void { refused, .. } => refused.is_some(),
        Effect::Receive(_) => false,
    };
    let kind = kind_bits(t.effect.kind().number());
    let open_amount = flag(open_amount, OPEN_AMOUNT);
    let expires = flag(t.effect.expires_at().is_some(), EXPIRES);
    out.push(kind | open_amount | expires | flags(&t.reference, t.effective_at));
    place.encode(out);
    put_id(out, &t.id);
    put_number(out, t.debit_account.0);
    put_number(out, t.credit_account.0);
    put_number(out, t.asset.0);
    put_number(out, t.amount);
    if let Some(up_to) = &t.up_to {
        put_number(out, **up_to);
    }
    match &t.effect {
        Effect::Post => {}
        Effect::Hold { expires_at } => expires_at.iter().for_each(|at| put_signed(out, *at)),
        Effect::Capture(capture) => {
            put_id(out, &capture.hold);
            put_number(out, capture.remaining);
        }
        Effect::Void { hold, refused } => {
            put_id(out, hold);
            send::put_refusal(out, refused.as_deref());
        }
        Effect::Send(to) => send::put_destination(out, to),
        Effect::Receive(from) => send::put_origin(out, from),
        Effect::Reversal(reversal) => {
            put_id(out, &reversal.of);
            put_number(out, reversal.remaining);
        }
    }
    put_optional(out, &t.reference, t.effective_at);
    put_link(out, &t.link);
    put_noted(out, &t.metadata);
}

fn expires_at(source: &mut Source<'_>, flags: u8) -> Option<Option<Timestamp>> {
    if flags & EXPIRES == 0 { Some(None) } else { source.signed().map(Some) }
}

fn decode_accepted(
    source: &mut Source<'_>,
    flags: u8,
    kind: TransferKind,
    id: Id,
) -> Option<AcceptedTransfer> {
    let debit_account = AccountHandle(source.u64()?);
    let credit_account = AccountHandle(source.u64()?);
    let asset = AssetHandle(source.u32()?);
    let amount = source.number()?;
    let open_amount = flags & OPEN_AMOUNT != 0;
    let is_leg = matches!(kind, TransferKind::Post | TransferKind::Hold | TransferKind::Send);
    let up_to = if open_amount && is_leg { Some(Box::new(source.number()?)) } else { None };
    let effect = match kind {
        TransferKind::Post => Effect::Post,
        TransferKind::Hold => Effect::Hold { expires_at: expires_at(source, flags)? },
        TransferKind::Capture => {
            let (hold, remaining) = (source.id()?, source.number()?);
            Effect::Capture(Box::new(Capture { hold, rest: open_amount, remaining }))
        }
        TransferKind::Void => {
            let hold = Box::new(source.id()?);
            Effect::Void { hold, refused: send::refusal(source, open_amount)?.map(Box::new) }
        }
        TransferKind::Send => Effect::Send(Box::new(send::destination(source)?)),
        TransferKind::Receive => Effect::Receive(Box::new(send::origin(source)?)),
        TransferKind::Reversal => {
            let (of, remaining) = (source.id()?, source.number()?);
            Effect::Reversal(Box::new(Reversal { of, rest: open_amount, remaining }))
        }
    };
    let (reference, effective_at) = optional(source, flags)?;
    Some(AcceptedTransfer {
        id,
        effect,
        debit_account,
        credit_account,
        asset,
        amount,
        up_to,
        reference,
        effective_at,
        link: link(source)?,
        metadata: noted(source)?,
    })
}

fn encode_refused(place: Place, t: &Transfer, rejection: &Rejection, out: &mut Vec<u8>) {
    let movement = &t.movement;
    let all = matches!(
        movement,
        Movement::Capture { amount: None, .. } | Movement::Reversal { amount: None, .. }
    );
    let open_amount = all || movement.leg().is_some_and(|leg| leg.up_to);
    let open_amount = flag(open_amount || movement.refused().is_some(), OPEN_AMOUNT);
    let expires = flag(movement.expires_at().is_some(), EXPIRES);
    let kind = kind_bits(movement.kind().number());
    out.push(REFUSED | kind | open_amount | expires | flags(&t.reference, t.effective_at));
    place.encode(out);
    put_id(out, &t.id);
    put_number(out, rejection.code.number());
    put_text(out, &rejection.subject);
    if let Some(leg) = movement.leg() {
        put_text(out, leg.debit_account.as_str());
        put_text(out, leg.credit_account.as_str());
        put_text(out, leg.asset.as_str());
    }
    movement.hold().or(movement.reverses()).iter().for_each(|of| put_id(out, of));
    if let Some(amount) = movement.amount() {
        let (mantissa, scale) = amount.parts();
        put_number(out, mantissa);
        out.push(scale);
    }
    movement.expires_at().iter().for_each(|at| put_signed(out, *at));
    send::put_refusal(out, movement.refused());
    movement.destination().iter().for_each(|to| send::put_destination(out, to));
    movement.origin().iter().for_each(|from| send::put_origin(out, from));
    put_optional(out, &t.reference, t.effective_at);
    put_link(out, &t.link);
    put_noted(out, &t.metadata);
}

fn decode_asked(
    source: &mut Source<'_>,
    flags: u8,
    kind: TransferKind,
    id: Id,
) -> Option<Transfer> {
    let open_amount = flags & OPEN_AMOUNT != 0;
    let amount =
        |source: &mut Source<'_>| Some(Decimal::from_minor(source.number()?, source.byte()?));
    let leg = |source: &mut Source<'_>| {
        Some(Leg {
            debit_account: AccountName::from_log(source.text()?),
            credit_account: AccountName::from_log(source.text()?),
            asset: AssetCode::from_log(source.text()?),
            amount: amount(source)?,
            up_to: open_amount,
        })
    };
    let movement = match kind {
        TransferKind::Post => Movement::Post(leg(source)?),
        TransferKind::Hold => {
            let leg = leg(source)?;
            Movement::Hold { leg, expires_at: expires_at(source, flags)? }
        }
        TransferKind::Capture => {
            let hold = source.id()?;
            let amount = if open_amount { None } else { Some(amount(source)?) };
            Movement::Capture { hold, amount }
        }
        TransferKind::Void => {
            let hold = source.id()?;
            Movement::Void { hold, refused: send::refusal(source, open_amount)?.map(Box::new) }
        }
        TransferKind::Send => {
            Movement::Send { leg: leg(source)?, to: Box::new(send::destination(source)?) }
        }
        TransferKind::Receive => {
            Movement::Receive { leg: leg(source)?, from: Box::new(send::origin(source)?) }
        }
        TransferKind::Reversal => {
            let of = source.id()?;
            let amount = if open_amount { None } else { Some(amount(source)?) };
            Movement::Reversal { of, amount }
        }
    };
    let (reference, effective_at) = optional(source, flags)?;
    let (link, metadata) = (link(source)?, noted(source)?);
    Some(Transfer { id, movement, reference, effective_at, link, metadata })
}

// Behind all else: how it is linked, and what is noted of it. Nothing of a transfer that stands alone and has no
// metadata.
const NEXT: u8 = 1;
const ENTRY: u8 = 2;
const NOTED: u8 = 3;

fn put_link(out: &mut Vec<u8>, link: &Link) {
    match link {
        Link::Alone => {}
        Link::Next => out.push(NEXT),
        Link::Entry(entry) => {
            out.push(ENTRY);
            put_id(out, entry);
        }
    }
}

fn link(source: &mut Source<'_>) -> Option<Link> {
    match source.peek() {
        None | Some(NOTED) => return Some(Link::Alone),
        Some(_) => {}
    }
    match source.byte()? {
        NEXT => Some(Link::Next),
        ENTRY => Some(Link::Entry(Box::new(source.id()?))),
        _ => None,
    }
}

fn put_noted(out: &mut Vec<u8>, metadata: &Metadata) {
    if !metadata.is_empty() {
        out.push(NOTED);
        put_metadata(out, metadata);
    }
}

fn noted(source: &mut Source<'_>) -> Option<Metadata> {
    match source.peek() {
        None => Some(Metadata::default()),
        Some(NOTED) => {
            source.byte()?;
            metadata(source).filter(|metadata| !metadata.is_empty())
        }
        Some(_) => None,
    }
}
