//! The events of a command in the log against the model's verdicts.

use std::collections::BTreeMap;

use ledger_domain::event::Row;
use ledger_domain::{
    AccountRules, AccountStatus, AccountType, Effect, Event, Link, Metadata, MetadataChange,
    MetadataKey, MetadataTarget, MetadataValue, Rejection,
};
use ledger_proto::logged::LoggedCommand;

use crate::model::{
    CAPTURE, Due, Moved, POST, Place, REVERSAL, Run, Verdict, Verdicts, canonical_id, decimal,
    destination,
};
use crate::request::{
    Ask, Change, Customer, NewAccount, Note, NoteOf, Request, Rules, Text, Texts, Transfer,
};

/// Whether the events of a command are what the model says that it comes to.
pub(super) fn check(
    place: Place,
    request: &Request,
    transfers: &[Transfer],
    (verdicts, opens): (&Verdicts, &[String]),
    command: &LoggedCommand,
) -> Result<(), String> {
    let [opened @ .., event] = &command.events[..] else {
        return Err("a command without events".into());
    };
    if opened.len() != opens.len() || !opened.iter().zip(opens).all(|(o, name)| clears(o, name)) {
        return Err(format!("opens {opened:?} where {opens:?} are due"));
    }
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
        (Verdicts::Whole(Verdict::Done), event, _) if did(request, event) => Ok(()),
        (Verdicts::Items(items), Event::TransferBatch(batch), Ask::Post { .. }) => {
            let mut rows = batch.iter().map(|(_, row)| row);
            for (transfer, verdict) in transfers.iter().zip(items) {
                let expected = match verdict {
                    Verdict::Moves(moved) => Ok(moved),
                    Verdict::Refused(code) => Err(*code),
                    Verdict::Done
                    | Verdict::Before(_)
                    | Verdict::Reused
                    | Verdict::Repeats(_)
                    | Verdict::NotRecorded(_) => continue,
                };
                let row = rows.next().ok_or(format!("a row is missing: {verdicts:?}"))?;
                check_row(transfer, expected, row, place)?;
            }
            if rows.next().is_none() { Ok(()) } else { Err("more rows than are due".into()) }
        }
        _ => wrong(),
    }
}

/// Whether an event is what a command that is no batch asked for.
fn did(request: &Request, event: &Event) -> bool {
    match (&request.ask, event) {
        (Ask::CreateLedger { metadata: asked }, Event::LedgerCreated { name, metadata, .. }) => {
            name.as_str() == request.ledger && same_texts(metadata, asked)
        }
        (Ask::Note(note), Event::MetadataChanged { target, changes, .. }) => {
            noted(note, target, changes)
        }
        (
            Ask::CreateAsset { code: asked, scale: asked_scale },
            Event::AssetCreated { code, scale, .. },
        ) => code.as_str() == asked && u32::from(*scale) == *asked_scale,
        (
            Ask::OpenAccount { name: asked, rules: asked_rules, metadata: asked_noted, .. },
            Event::AccountOpened { name, rules, metadata, .. },
        ) => {
            let noted = same_texts(metadata, asked_noted);
            name.as_str() == asked && same_rules(rules, asked_rules) && noted
        }
        (Ask::SetRules { rules: asked, .. }, Event::AccountRulesChanged { rules, .. }) => {
            same_rules(rules, asked)
        }
        (Ask::Change { change, .. }, Event::AccountStatusChanged { status, .. }) => matches!(
            (change, status),
            (Change::Freeze, AccountStatus::Frozen)
                | (Change::Unfreeze, AccountStatus::Open)
                | (Change::Close, AccountStatus::Closed)
        ),
        (Ask::Schedule(asked), Event::ScheduleCreated { schedule, plan, .. }) => {
            // Reads compare the rest.
            schedule.to_string() == canonical_id(&asked.id)
                && plan.leg.debit_account.as_str() == asked.debit
                && Some(plan.start) == asked.start
                && plan.until == asked.until
                && same_texts(&plan.metadata, &asked.metadata)
        }
        (Ask::Cancel { schedule: asked }, Event::ScheduleCancelled { schedule, .. }) => {
            schedule.to_string() == canonical_id(asked)
        }
        (Ask::Customer(asked), event) => customer_did(asked, event),
        // What it watches for is compared with each crossing, and by reads.
        (Ask::SetAlert(asked), Event::BalanceAlertSet { alert, rule, .. }) => {
            alert.to_string() == canonical_id(&asked.id)
                && i32::from(rule.figure.number()) == asked.figure
        }
        (Ask::RemoveAlert { id: asked, .. }, Event::BalanceAlertRemoved { alert, .. }) => {
            alert.to_string() == canonical_id(asked)
        }
        (Ask::Lock { before }, Event::BooksLocked { locked_before, .. }) => locked_before == before,
        _ => false,
    }
}

/// As far as the event says it without names and keys: reads compare the rest.
fn customer_did(asked: &Customer, event: &Event) -> bool {
    match (asked, event) {
        (
            Customer::Register { name: asked, accounts: asked_accounts, profile: asked_profile },
            Event::CustomerRegistered { name, accounts, profile, .. },
        ) => {
            let same = |(opened, asked): (&ledger_domain::NewAccount, &NewAccount)| {
                opened.name.as_str() == asked.name
                    && i32::from(opened.account_type.number()) == asked.kind
                    && same_texts(&opened.metadata, &asked.metadata)
            };
            name.as_str() == asked
                && accounts.len() == asked_accounts.len()
                && accounts.iter().zip(asked_accounts).all(same)
                && profile.len() == asked_profile.len()
        }
        (Customer::Update { set, remove, .. }, Event::ProfileUpdated { profile, .. }) => {
            let has = |key: &String| profile.contains_key(key.as_str());
            set.iter().all(|(key, _)| has(key)) && !remove.iter().any(has)
        }
        (Customer::Erase { .. }, Event::CustomerErased { .. }) => true,
        _ => false,
    }
}

/// Reads compare what it was.
fn noted(note: &Note, target: &MetadataTarget, changes: &[MetadataChange]) -> bool {
    let same = match (&note.of, target) {
        (NoteOf::Ledger, MetadataTarget::Ledger)
        | (NoteOf::Account(_), MetadataTarget::Account(_)) => true,
        (NoteOf::Transfer(asked), MetadataTarget::Transfer(id)) => {
            id.to_string() == canonical_id(asked)
        }
        _ => false,
    };
    same && changes.iter().all(|it| {
        let key = it.key.to_string();
        match &it.after {
            Some(value) => note.set.get(&key).is_some_and(|text| same_text(value, text)),
            None => note.remove.contains(&key),
        }
    })
}

fn same_texts(metadata: &Metadata, asked: &Texts) -> bool {
    let same = |((key, value), (asked_key, text)): ((&MetadataKey, _), (&String, _))| {
        key.to_string() == *asked_key && same_text(value, text)
    };
    metadata.len() == asked.len() && metadata.iter().zip(asked).all(same)
}

/// What is sealed is compared by reads, which open it.
fn same_text(value: &MetadataValue, asked: &Text) -> bool {
    match value {
        MetadataValue::Plain(text) => asked.of.is_none() && **text == *asked.text,
        MetadataValue::Sealed { customer, .. } => asked.of.as_deref() == Some(customer.as_str()),
    }
}

fn clears(opened: &Event, due: &str) -> bool {
    match opened {
        Event::AccountOpened { name, account_type, rules, .. } => {
            let unbound = AccountRules::without_limits(true);
            name.as_str() == due && *account_type == AccountType::Asset && *rules == unbound
        }
        _ => false,
    }
}

/// As far as the event says it without names: reads compare the rest.
fn same_rules(rules: &AccountRules, asked: &Rules) -> bool {
    let AccountRules { may_go_negative, credit_limits } = rules;
    *may_go_negative == asked.may_go_negative && credit_limits.len() == asked.limits.len()
}

fn check_row(
    transfer: &Transfer,
    due: Result<&Moved, u32>,
    row: Row<'_>,
    place: Place,
) -> Result<(), String> {
    let same = match (row, due) {
        (Row::Accepted(accepted), Ok(moved)) => {
            let (expires_at, part) = match &accepted.effect {
                Effect::Hold { expires_at } => (*expires_at, None),
                Effect::Capture(capture) => (None, Some((capture.rest, capture.remaining))),
                Effect::Reversal(reversal) => (None, Some((reversal.rest, reversal.remaining))),
                Effect::Post | Effect::Void { .. } | Effect::Send(_) | Effect::Receive(_) => {
                    (None, None)
                }
            };
            let takes_part = matches!(transfer.kind, CAPTURE | REVERSAL);
            let part_due = takes_part.then_some((transfer.amount.is_empty(), moved.remaining));
            let reversed = accepted.effect.reversal().map(|reversal| &reversal.of);
            accepted.id.to_string() == canonical_id(&transfer.id)
                && sent(&accepted.effect) == sent_as_asked(transfer)
                && i32::from(accepted.effect.kind().number()) == transfer.kind.max(POST)
                && id_text(accepted.effect.hold()) == canonical_id(&transfer.hold)
                && id_text(reversed) == canonical_id(&transfer.reverses)
                && expires_at == transfer.expires_at
                && part == part_due
                && is_bound(&accepted.link, transfer)
                && accepted.amount == moved.amount
                && accepted.up_to.as_deref().copied() == moved.up_to
                && *accepted.reference == *transfer.reference
                && same_texts(&accepted.metadata, &transfer.metadata)
                && accepted.effective_at == transfer.effective_at
        }
        (Row::Refused(refused), Err(code)) => {
            let asked = &refused.transfer;
            let movement = &asked.movement;
            let amount = movement.amount().map(|amount| amount.to_string());
            let deadline = movement.destination().map(|to| to.deadline);
            let deadline = deadline.or(movement.origin().map(|from| from.deadline));
            refused.rejection.code.number() == code
                && deadline.unwrap_or_default() == transfer.deadline
                && asked.id.to_string() == canonical_id(&transfer.id)
                && i32::from(movement.kind().number()) == transfer.kind.max(POST)
                && id_text(movement.hold()) == canonical_id(&transfer.hold)
                && id_text(movement.reverses()) == canonical_id(&transfer.reverses)
                && is_bound(&asked.link, transfer)
                && movement.expires_at() == transfer.expires_at
                && movement.leg().is_some_and(|leg| leg.up_to) == transfer.up_to
                && amount.and_then(|amount| decimal(&amount)) == decimal(&transfer.amount)
                && *asked.reference == *transfer.reference
                && same_texts(&asked.metadata, &transfer.metadata)
                && asked.effective_at == transfer.effective_at
        }
        _ => false,
    };
    if same {
        return Ok(());
    }
    Err(format!("{place:?}: {transfer:?} comes to {due:?}, the log has {row:?}"))
}

/// The other ledger, what is there, the deadline, and why it was refused.
type Sent = (String, String, Option<i64>, Option<(u32, String)>);

fn sent(effect: &Effect) -> Sent {
    match effect {
        Effect::Send(to) => (to.ledger.to_string(), to.account.to_string(), to.deadline, None),
        Effect::Receive(from) => {
            (from.ledger.to_string(), from.send.to_string(), from.deadline, None)
        }
        Effect::Void { refused: Some(why), .. } => {
            let why = (why.code.number(), why.subject.to_string());
            Sent::from((String::new(), String::new(), None, Some(why)))
        }
        Effect::Post
        | Effect::Hold { .. }
        | Effect::Capture(_)
        | Effect::Void { .. }
        | Effect::Reversal(_) => Sent::default(),
    }
}

fn sent_as_asked(transfer: &Transfer) -> Sent {
    let (ledger, there) = match &transfer.source {
        Some(source) => (source.ledger.as_str(), source.send.as_str()),
        None => destination(&transfer.destination).unwrap_or_default(),
    };
    (ledger.to_owned(), there.to_owned(), transfer.deadline, transfer.refused.clone())
}

fn id_text(id: Option<&ledger_domain::Id>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn is_bound(link: &Link, transfer: &Transfer) -> bool {
    (*link == Link::Next) == transfer.linked
        && id_text(link.entry()) == canonical_id(&transfer.entry)
}

/// Whether a command of nobody's gives back all that is due, in order.
pub(super) fn expiries(due: &[Due], command: &LoggedCommand) -> Result<(), String> {
    let of_nobody = is_of_nobody(command);
    let same = |(due, event): (&Due, &Event)| match event {
        Event::HoldExpired { ledger, hold, amount, .. } => {
            u32::try_from(due.nth) == Ok(ledger.0)
                && hold.to_string() == due.id
                && *amount == due.amount
        }
        _ => false,
    };
    let all = due.len() == command.events.len() && due.iter().zip(&command.events).all(same);
    if of_nobody && all && !due.is_empty() {
        return Ok(());
    }
    Err(format!("due are {due:?}, the log has {command:?}"))
}

fn is_of_nobody(command: &LoggedCommand) -> bool {
    command.request_id.is_none()
        && command.actor.is_empty()
        && command.cause.is_none()
        && command.source.is_none()
        && command.content_hash == [0; 16]
}

/// Whether a command of nobody's is what a schedule comes to that is due.
pub(super) fn ran(
    place: Place,
    due: &Due,
    (transfer, verdict): (&Transfer, &Verdict),
    (times, run): (usize, Run),
    command: &LoggedCommand,
) -> Result<(), String> {
    let wrong = || format!("{place:?}: {due:?} comes to {verdict:?}, the log has {command:?}");
    let [Event::TransferBatch(batch), Event::ScheduleRan { ledger, schedule, number, .. }] =
        &command.events[..]
    else {
        return Err(wrong());
    };
    let Event::ScheduleRan { due_at, next_due, refused, .. } = command.events[1] else {
        return Err(wrong());
    };
    let mut rows = batch.iter().map(|(_, row)| row);
    let row = rows.next().ok_or_else(wrong)?;
    let expected = match verdict {
        Verdict::Moves(moved) => Ok(moved),
        _ => Err(run.refused.ok_or_else(wrong)?),
    };
    check_row(transfer, expected, row, place)?;
    let same = is_of_nobody(command)
        && rows.next().is_none()
        && batch.ledger == *ledger
        && u32::try_from(due.nth) == Ok(ledger.0)
        && schedule.to_string() == due.id
        && usize::try_from(*number) == Ok(times)
        && (due_at, next_due) == (run.due, run.next)
        && refused.map(ledger_domain::Code::number) == run.refused;
    if same { Ok(()) } else { Err(wrong()) }
}

/// Keeps why each refusal was made.
pub(super) fn rejections(
    place: Place,
    command: &LoggedCommand,
    kept: &mut BTreeMap<Place, Rejection>,
) {
    let mut index = place.1;
    for event in &command.events {
        let first = index;
        index += event.width();
        match event {
            Event::CommandRefused { rejection, .. } => drop(kept.insert(place, rejection.clone())),
            Event::TransferBatch(batch) => {
                for refused in &batch.refused {
                    let at = (place.0, first + refused.row);
                    kept.insert(at, refused.rejection.clone());
                }
            }
            Event::LedgerCreated { .. }
            | Event::AssetCreated { .. }
            | Event::AccountOpened { .. }
            | Event::AccountStatusChanged { .. }
            | Event::AccountRulesChanged { .. }
            | Event::MetadataChanged { .. }
            | Event::BooksLocked { .. }
            | Event::HoldExpired { .. }
            | Event::ScheduleCreated { .. }
            | Event::ScheduleCancelled { .. }
            | Event::ScheduleRan { .. }
            | Event::CustomerRegistered { .. }
            | Event::ProfileUpdated { .. }
            | Event::CustomerErased { .. } => {}
            Event::BalanceAlertSet { .. }
            | Event::BalanceAlertRemoved { .. }
            | Event::BalanceAlertCrossed { .. } => {}
        }
    }
}
