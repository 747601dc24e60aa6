//! Money from one ledger to another, as a client asks for it and as servers carry it out.

use ledger_domain::limits::ASSET_SCALE_MAX;
use ledger_domain::{
    AccountName, Code, Command, CommandBody, Destination, Id, LedgerName, Leg, Link, Movement,
    Origin, Rejection, Settlement, Timestamp, Transfer, send,
};

use super::{conditions, instant, malformed_first, parse_amount, reference, request_id};
use crate::metadata::{Noted, Secret};
use crate::resource::{self, malformed, parse_account, parse_asset, parse_id};
use crate::v1::saga_step::Step;
use crate::{answer, time, v1};

/// Money to send, as a batch of one.
///
/// # Errors
/// What of its shape is refused.
pub fn send_money(request: &v1::SendMoneyRequest) -> Result<(Command, Vec<Secret>), Rejection> {
    let ledger = resource::ledger("parent", &request.parent)?;
    let id = parse_id("send_id", &request.send_id)?;
    let request_id = request_id(&request.request_id)?;
    let noted = Noted::new(&request.metadata, &request.sealed_metadata).read(0);
    malformed_first(&noted)?;
    let conditions = conditions(&request.conditions)?;
    let deadline = instant("deadline", request.deadline.as_ref())?;
    let to = destination(&ledger, &request.destination, deadline)?;
    let movement = movement(&request.debit_account, &request.asset, &request.amount, false, to)?;
    let reference = reference(&request.reference)?;
    let (metadata, secrets) = noted?;
    let link = Link::Alone;
    let transfer = Transfer { id, movement, reference, effective_at: None, link, metadata };
    let body = CommandBody::PostTransfers { transfers: vec![transfer] };
    Ok((Command { ledger, request_id, conditions, body }, secrets))
}

/// Where a send of a ledger goes to: what stays in its ledger is posted there.
pub(super) fn destination(
    from: &LedgerName,
    text: &str,
    deadline: Option<Timestamp>,
) -> Result<Destination, Rejection> {
    let (ledger, account) = resource::account("destination", text)?;
    if ledger == *from {
        return Err(malformed("destination", text, "is an account of another ledger"));
    }
    Ok(Destination { ledger, account, deadline })
}

/// A send, which is against the clearing account of the other ledger.
pub(super) fn movement(
    debit_account: &str,
    asset: &str,
    amount: &str,
    up_to: bool,
    to: Destination,
) -> Result<Movement, Rejection> {
    let debit_account = parse_account("debit_account", debit_account)?;
    let asset = parse_asset("asset", asset)?;
    let amount = parse_amount("amount", amount)?;
    let credit_account = AccountName::clearing(&to.ledger);
    let leg = Leg { debit_account, credit_account, asset, amount, up_to };
    Ok(Movement::Send { leg, to: Box::new(to) })
}

/// A step that another server has taken.
///
/// # Errors
/// What of its shape is refused.
pub fn saga_step(step: &v1::SagaStep) -> Result<Command, Rejection> {
    let missing = || malformed("step", "", "is required");
    match step.step.as_ref().ok_or_else(missing)? {
        Step::Receive(step) => receive(step),
        Step::Settle(step) => settle(step),
    }
}

fn receive(step: &v1::ReceiveStep) -> Result<Command, Rejection> {
    let deadline = instant("deadline", step.deadline.as_ref())?;
    let (ledger, account) = resource::account("destination", &step.destination)?;
    let (source, send) = resource::transfer("source", &step.source)?;
    let sent_at = instant("sent_at", step.sent_at.as_ref())?;
    let sent_at = sent_at.ok_or_else(|| malformed("sent_at", "", "is required"))?;
    let scale = u8::try_from(step.scale).ok().filter(|scale| *scale <= ASSET_SCALE_MAX);
    let leg = Leg {
        debit_account: AccountName::clearing(&source),
        credit_account: account,
        asset: parse_asset("asset", &step.asset)?,
        amount: parse_amount("amount", &step.amount)?,
        up_to: false,
    };
    let scale = scale.ok_or_else(|| Rejection::new(Code::ScaleTooLarge, "scale"))?;
    let from = Origin { ledger: source, send, scale, deadline, sent_at };
    Ok(send::receive_step(ledger, leg, from, reference(&step.reference)?))
}

fn settle(step: &v1::SettleStep) -> Result<Command, Rejection> {
    let (source, send) = resource::transfer("source", &step.source)?;
    let settlement = match &step.refusal {
        None => Settlement::Received,
        Some(refusal) => Settlement::Refused(rejection(refusal)?),
    };
    Ok(send::settle(&source, &send, &settlement))
}

fn rejection(refusal: &v1::Refusal) -> Result<Rejection, Rejection> {
    let code = Code::from_number(refusal.code);
    let code = code.ok_or_else(|| malformed("refusal", "", "has the number of a code"))?;
    Ok(Rejection::new(code, &refusal.subject))
}

/// A step as servers tell each other of it; `None` for a command that is none.
#[must_use]
pub fn step_to_wire(command: &Command) -> Option<v1::SagaStep> {
    let CommandBody::PostTransfers { transfers } = &command.body else { return None };
    let [transfer] = transfers.as_slice() else { return None };
    let step = match &transfer.movement {
        Movement::Receive { leg, from } => {
            let Origin { ledger, send, scale, deadline, sent_at } = &**from;
            let to = (command.ledger.as_str(), leg.credit_account.as_str());
            Step::Receive(v1::ReceiveStep {
                destination: resource::account_resource(to.0, to.1),
                source: resource::transfer_resource(ledger.as_str(), send),
                asset: leg.asset.to_string(),
                scale: u32::from(*scale),
                amount: leg.amount.to_string(),
                deadline: deadline.map(time::to_wire),
                sent_at: Some(time::to_wire(*sent_at)),
                reference: transfer.reference.to_string(),
            })
        }
        Movement::Capture { hold, amount: None } if transfer.id == Id::settlement(hold) => {
            Step::Settle(settle_to_wire(&command.ledger, hold, None))
        }
        Movement::Void { hold, refused } if transfer.id == Id::settlement(hold) => {
            Step::Settle(settle_to_wire(&command.ledger, hold, refused.as_deref()))
        }
        Movement::Post(_)
        | Movement::Hold { .. }
        | Movement::Capture { .. }
        | Movement::Void { .. }
        | Movement::Send { .. }
        | Movement::Reversal { .. } => return None,
    };
    Some(v1::SagaStep { step: Some(step) })
}

fn settle_to_wire(source: &LedgerName, send: &Id, refused: Option<&Rejection>) -> v1::SettleStep {
    v1::SettleStep {
        source: resource::transfer_resource(source.as_str(), send),
        refusal: refused.map(|rejection| answer::refusal(rejection, None, false)),
    }
}

#[cfg(test)]
mod tests {
    use ledger_domain::Decimal;

    use super::*;

    fn receipt(deadline: Option<Timestamp>) -> Command {
        let from = Origin {
            ledger: LedgerName::from_log("bank"),
            send: Id::Text("s-1".into()),
            scale: 2,
            deadline,
            sent_at: 1_700_000_000_000_000_007,
        };
        let leg = Leg {
            debit_account: AccountName::from_log("~clearing:bank"),
            credit_account: AccountName::from_log("users:bob"),
            asset: ledger_domain::AssetCode::from_log("USD"),
            amount: Decimal::parse("1.50").unwrap(),
            up_to: false,
        };
        send::receive_step(LedgerName::from_log("market"), leg, from, "rent".into())
    }

    #[test]
    fn a_step_is_the_same_command_on_the_other_server() {
        let (bank, send) = (LedgerName::from_log("bank"), Id::Uuid([7; 16]));
        let refused = Rejection::new(Code::AccountFrozen, "users:bob");
        for command in [
            receipt(None),
            receipt(Some(5)),
            send::settle(&bank, &send, &Settlement::Received),
            send::settle(&bank, &send, &Settlement::Refused(refused)),
        ] {
            let wire = step_to_wire(&command).unwrap();
            assert_eq!(saga_step(&wire), Ok(command));
        }
    }

    #[test]
    fn money_is_sent_to_another_ledger() {
        let request = v1::SendMoneyRequest {
            parent: "ledgers/bank".into(),
            send_id: "s-1".into(),
            debit_account: "alice".into(),
            destination: "ledgers/market/accounts/bob".into(),
            asset: "USD".into(),
            amount: "1.5".into(),
            ..Default::default()
        };
        let refused = |change: fn(&mut v1::SendMoneyRequest)| {
            let mut request = request.clone();
            change(&mut request);
            send_money(&request).map(|_| ()).unwrap_err().to_string()
        };
        assert!(send_money(&request).is_ok());
        let own = refused(|it| it.destination = "ledgers/bank/accounts/bob".into());
        let rule = "is an account of another ledger";
        assert_eq!(own, format!("MALFORMED: destination \"ledgers/bank/accounts/bob\": {rule}"));
        let system = refused(|it| it.destination = "ledgers/market/accounts/~clearing:bank".into());
        assert!(system.starts_with("MALFORMED: destination"), "{system}");
        assert!(refused(|it| it.destination.clear()).starts_with("MALFORMED: destination"));
        assert!(refused(|it| it.send_id.clear()).starts_with("MALFORMED: send_id"));
        assert_eq!(refused(|it| it.amount = "0".into()), "ZERO_AMOUNT: amount");
        assert!(refused(|it| it.reference = "x".repeat(257)).starts_with("TOO_LONG"));
    }
}
