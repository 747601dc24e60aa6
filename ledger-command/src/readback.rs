//! Completing a reply from the log: why a first outcome was refused, and in which field a reused id
//! differs. Never on the writer's thread.

use std::time::Duration;

use ledger_domain::event::Row;
use ledger_domain::{
    AcceptedTransfer, Command, CommandBody, Decimal, Destination, Effect, Event, MetadataChange,
    MetadataOf, MetadataTarget, MetadataUpdate, Position, Rejection,
};
use ledger_log::record::Record;
use ledger_log::{Backend, LogError};
use ledger_proto::logged::{self, LoggedCommand};

use crate::reply::{Answer, Asked, Lookup, Replied, Reply, Resolved};

/// How long a record that is durable is waited for.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Fills in what stands in the log only.
///
/// # Errors
/// [`LogError`] when the log cannot be read where a first outcome stands.
pub fn complete(backend: &dyn Backend, replied: Replied) -> Result<Reply, LogError> {
    let Replied { mut reply, lookups } = replied;
    let mut last: Option<(u64, Vec<LoggedCommand>)> = None;
    for Lookup { item, at, asked } in lookups {
        // Lookups of one batch mostly fall into one commit.
        let commands = match last.take() {
            Some((offset, commands)) if offset == at.offset => commands,
            _ => read_commit(backend, at)?,
        };
        let found = find(&commands, at.index.unwrap_or(0)).ok_or_else(|| damaged(at))?;
        let answer = match &mut reply {
            Reply::One(answer) => Some(answer),
            Reply::Items(answers) => answers.get_mut(item),
            Reply::NotRecorded { .. }
            | Reply::Overloaded { .. }
            | Reply::NotOwner
            | Reply::Unknown { .. } => None,
        };
        if let Some(Answer::Refused { rejection, .. }) = answer {
            fill(rejection, &asked, &found);
        }
        last = Some((at.offset, commands));
    }
    Ok(reply)
}

fn damaged(at: Position) -> LogError {
    let what = format!("the id store names index {:?}, which is not there", at.index);
    LogError::Damaged { partition: at.partition, offset: at.offset, what }
}

fn read_commit(backend: &dyn Backend, at: Position) -> Result<Vec<LoggedCommand>, LogError> {
    let mut records = backend.read(at.partition, at.offset, 1)?;
    if records.is_empty() {
        // It is durable, but on a cluster reading may be a moment behind the acknowledgement.
        backend.wait(at.partition, at.offset, READ_WAIT);
        records = backend.read(at.partition, at.offset, 1)?;
    }
    let record = records.first().filter(|record| record.offset == at.offset);
    let decoded = record.map(|record| Record::decode(&record.bytes));
    let Some(Ok((_, Record::Commit(commit)))) = decoded else { return Err(damaged(at)) };
    let commands = commit.commands.iter().map(|bytes| logged::decode(bytes));
    commands.collect::<Result<_, _>>().map_err(|_| damaged(at))
}

/// What stands at an index: the event, and the row of it.
struct Found<'a> {
    event: &'a Event,
    row: u32,
}

fn find(commands: &[LoggedCommand], index: u32) -> Option<Found<'_>> {
    let mut rest = index;
    for command in commands {
        for event in &command.events {
            match rest.checked_sub(event.width()) {
                Some(behind) => rest = behind,
                None => return Some(Found { event, row: rest }),
            }
        }
    }
    None
}

impl<'a> Found<'a> {
    fn batch_row(&self) -> Option<Row<'a>> {
        let Event::TransferBatch(batch) = self.event else { return None };
        batch.iter().find_map(|(row, content)| (row == self.row).then_some(content))
    }
}

fn fill(rejection: &mut Rejection, asked: &Asked, found: &Found<'_>) {
    match asked {
        Asked::Refusal => {
            let first = match found.event {
                Event::CommandRefused { rejection, .. } => Some(rejection),
                _ => match found.batch_row() {
                    Some(Row::Refused(refused)) => Some(&refused.rejection),
                    Some(Row::Accepted(_)) | None => None,
                },
            };
            if let Some(first) = first {
                *rejection = first.clone();
            }
        }
        Asked::TransferDiffers(now) => {
            let field = match found.batch_row() {
                Some(Row::Refused(first)) => first.transfer.first_difference(&now.transfer),
                Some(Row::Accepted(first)) => difference(first, now),
                None => None,
            };
            rejection.subject = field.unwrap_or("transfer_id").into();
        }
        Asked::CommandDiffers(now) => {
            rejection.subject = command_difference(found, now).unwrap_or("request_id").into();
        }
    }
}

/// In the order of [`ledger_domain::Transfer::first_difference`].
fn difference(first: &AcceptedTransfer, now: &Resolved) -> Option<&'static str> {
    let AcceptedTransfer { id: _, effect, debit_account, credit_account, .. } = first;
    let AcceptedTransfer {
        asset, amount: _, up_to, reference, effective_at, link, metadata, ..
    } = first;
    let movement = &now.transfer.movement;
    let leg = movement.leg();
    // A capture, a void and a reversal do not name what they have of another transfer.
    let same = |is_same: bool| leg.is_none() || is_same;
    let asked = match effect {
        Effect::Void { .. } => None,
        _ if effect.is_rest() => None,
        Effect::Post
        | Effect::Hold { .. }
        | Effect::Capture(_)
        | Effect::Send(_)
        | Effect::Receive(_)
        | Effect::Reversal(_) => {
            let scale = usize::try_from(asset.0).ok().and_then(|at| now.scales.get(at));
            scale.map(|scale| Decimal::from_minor(first.asked(), *scale))
        }
    };
    let first_to = match effect {
        Effect::Send(to) => Some(&**to),
        Effect::Post
        | Effect::Hold { .. }
        | Effect::Capture(_)
        | Effect::Void { .. }
        | Effect::Receive(_)
        | Effect::Reversal(_) => None,
    };
    let place = |to: &Destination| (to.ledger.clone(), to.account.clone());
    let deadline = |to: &Destination| to.deadline;
    let fields = [
        ("kind", effect.kind() == movement.kind()),
        ("debit_account", same(now.debit_account == Some(*debit_account))),
        ("destination", first_to.map(place) == movement.destination().map(place)),
        ("credit_account", same(now.credit_account == Some(*credit_account))),
        ("asset", same(now.asset == Some(*asset))),
        ("hold_id", effect.hold() == movement.hold()),
        ("reversed_id", effect.reversal().map(|it| &it.of) == movement.reverses()),
        ("amount", asked == movement.amount()),
        ("up_to", same(leg.is_some_and(|leg| leg.up_to) == up_to.is_some())),
        ("expire_time", effect.expires_at() == movement.expires_at()),
        ("deadline", first_to.map(deadline) == movement.destination().map(deadline)),
        ("reference", now.transfer.reference == *reference),
        ("effective_time", now.transfer.effective_at == *effective_at),
        ("entry_id", now.transfer.link.entry() == link.entry()),
        ("linked", now.transfer.link == *link),
        ("metadata", now.transfer.metadata == *metadata),
    ];
    fields.into_iter().find_map(|(field, same)| (!same).then_some(field))
}

/// The field of the request in which a command differs from the first of its request id, where its
/// events tell: they do not have the conditions, but those alone differ where nothing else does.
fn command_difference(found: &Found<'_>, now: &Command) -> Option<&'static str> {
    match (found.event, &now.body) {
        (
            Event::AssetCreated { code, scale, .. },
            CommandBody::CreateAsset { code: now_code, scale: now_scale },
        ) => first_of([
            ("asset_id", code == now_code),
            ("scale", scale == now_scale),
            ("conditions", false),
        ]),
        (
            Event::LedgerCreated { metadata, .. },
            CommandBody::CreateLedger { metadata: now_metadata },
        ) => first_of([("metadata", metadata == now_metadata)]),
        (
            Event::AccountOpened { name, account_type, rules, metadata, .. },
            CommandBody::OpenAccount {
                name: now_name,
                account_type: now_type,
                rules: now_rules,
                metadata: now_metadata,
            },
        ) => first_of([
            ("account_id", name == now_name),
            ("type", account_type == now_type),
            ("rules.may_go_negative", rules.may_go_negative == now_rules.may_go_negative),
            // The event names their assets by handle: what is none of the others is the limits, or the
            // conditions.
            ("rules.credit_limits", rules.credit_limits.len() == now_rules.credit_limits.len()),
            ("metadata", metadata == now_metadata),
        ]),
        // The event names its account by handle: what is not the change is the name.
        (Event::AccountStatusChanged { status, .. }, CommandBody::ChangeAccount { change, .. })
            if change.leads_to() == *status =>
        {
            Some("name")
        }
        // It names account and assets by handle: what they are cannot be told, but how many limits there are.
        (
            Event::AccountRulesChanged { rules, .. },
            CommandBody::SetAccountRules { rules: now, .. },
        ) => first_of([
            ("rules.may_go_negative", rules.may_go_negative == now.may_go_negative),
            ("rules.credit_limits", rules.credit_limits.len() == now.credit_limits.len()),
        ]),
        (
            Event::MetadataChanged { target, changes, .. },
            CommandBody::UpdateMetadata { of, update },
        ) => metadata_difference((target, changes), (of, update)),
        (Event::BooksLocked { .. }, CommandBody::LockBooks { .. }) => Some("locked_before"),
        (
            Event::ScheduleCreated { schedule, plan, .. },
            CommandBody::ScheduleTransfer { schedule: now, plan: now_plan },
        ) => first_of([("schedule_id", schedule == now), ("schedule", plan == now_plan)]),
        (
            Event::ScheduleCancelled { schedule, .. },
            CommandBody::CancelSchedule { schedule: now },
        ) => first_of([("name", schedule == now)]),
        // They name account and asset by handle: what is none of the others is that account, or the condition.
        (
            Event::BalanceAlertSet { alert, rule, .. },
            CommandBody::SetBalanceAlert { alert: now, condition, .. },
        ) => first_of([
            ("alert_id", alert == now),
            ("when.figure", rule.figure == condition.figure),
            ("when.comparison", rule.comparison == condition.comparison),
            ("when", false),
        ]),
        (Event::BalanceAlertRemoved { .. }, CommandBody::RemoveBalanceAlert { .. }) => Some("name"),
        // One that opens clearing accounts begins with them.
        (
            Event::TransferBatch(_) | Event::AccountOpened { .. },
            CommandBody::PostTransfers { transfers },
        ) => Some(if transfers.len() == 1 { "transfer" } else { "transfers" }),
        _ => customer_difference(found.event, &now.body),
    }
}

fn customer_difference(event: &Event, now: &CommandBody) -> Option<&'static str> {
    match (event, now) {
        (
            Event::CustomerRegistered { name, accounts, profile, .. },
            CommandBody::Register { customer, accounts: now, profile: now_profile },
        ) => {
            let asked = accounts.iter().map(|account| (&account.name, account.account_type));
            let asked_now = now.iter().map(|account| (&account.name, account.account_type));
            // The event names the assets of limits by handle: what is none of the others is the rules.
            first_of([
                ("customer_id", name == customer),
                ("accounts", asked.eq(asked_now)),
                ("profile", profile == now_profile),
                ("accounts.rules", accounts.is_empty()),
            ])
        }
        // It has all that is kept then, and no name: what was asked cannot be told.
        (Event::ProfileUpdated { .. }, CommandBody::UpdateProfile { .. }) => Some("set"),
        (Event::CustomerErased { .. }, CommandBody::EraseCustomer { .. }) => Some("name"),
        _ => None,
    }
}

/// What was changed was asked for; what was asked for and changed nothing is not told, nor is the account's name.
fn metadata_difference(
    (target, changes): (&MetadataTarget, &[MetadataChange]),
    (of, update): (&MetadataOf, &MetadataUpdate),
) -> Option<&'static str> {
    let may_be_of = match (target, of) {
        (MetadataTarget::Ledger, MetadataOf::Ledger) => true,
        (MetadataTarget::Account(_), MetadataOf::Account(_)) => true,
        (MetadataTarget::Transfer(id), MetadataOf::Transfer(now)) => id == now,
        _ => false,
    };
    let was_set = |it: &MetadataChange| match &it.after {
        Some(value) => update.set.get(&it.key) == Some(value),
        None => true,
    };
    let was_removed = |it: &MetadataChange| it.after.is_some() || update.remove.contains(&it.key);
    first_of([
        ("name", may_be_of),
        ("set", changes.iter().all(was_set)),
        ("remove", changes.iter().all(was_removed)),
    ])
}

fn first_of<const N: usize>(fields: [(&'static str, bool); N]) -> Option<&'static str> {
    fields.into_iter().find_map(|(field, same)| (!same).then_some(field))
}
