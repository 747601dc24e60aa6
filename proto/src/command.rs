//! Any command as one value, `v1::Command`: what the commands topic takes, and what servers forward.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Deref;

use ledger_domain::{
    AccountName, Command, CommandBody, CustomerName, LedgerName, Metadata, MetadataKey, MetadataOf,
    MetadataValue, Profile, Rejection, Sealed,
};

use crate::metadata::{Secret, SecretOf};
use crate::resource::{self, malformed};
use crate::v1::command::Request;
use crate::{request, v1};

/// A command that is well-formed, and what its answer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The command; of a batch, its well-formed transfers.
    pub command: Unsealed,
    /// Of a batch, the places of the malformed transfers, ascending, each with its refusal.
    pub malformed: Vec<(usize, Rejection)>,
    /// Resource name of what it is about.
    pub name: String,
    /// Answer what would happen and write nothing.
    pub validate_only: bool,
    /// Whether a result for each transfer is the answer.
    pub is_batch: bool,
}

/// A command, and aside from it what has to be sealed before anybody decides it: what reads it as a command sees
/// none of that, and nobody gets the command itself without [`Unsealed::seal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Unsealed {
    command: Command,
    secrets: Vec<Secret>,
}

impl Prepared {
    /// Whether it is a batch without a well-formed transfer: it is answered without its partition.
    #[must_use]
    pub fn has_nothing_to_decide(&self) -> bool {
        match &self.command.body {
            CommandBody::PostTransfers { transfers } => transfers.is_empty(),
            CommandBody::CreateLedger { .. }
            | CommandBody::CreateAsset { .. }
            | CommandBody::OpenAccount { .. }
            | CommandBody::ChangeAccount { .. }
            | CommandBody::SetAccountRules { .. }
            | CommandBody::UpdateMetadata { .. }
            | CommandBody::LockBooks { .. }
            | CommandBody::ScheduleTransfer { .. }
            | CommandBody::CancelSchedule { .. }
            | CommandBody::Register { .. }
            | CommandBody::UpdateProfile { .. }
            | CommandBody::EraseCustomer { .. }
            | CommandBody::SetBalanceAlert { .. }
            | CommandBody::RemoveBalanceAlert { .. } => false,
        }
    }
}

impl Unsealed {
    /// Whether there is anything to seal.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// The command, with its secrets in it, sealed.
    ///
    /// # Errors
    /// What `sealer` fails with, which gives what seals for a customer; it is asked once for each for whom there
    /// is anything to seal. Then the command must not be decided.
    pub fn seal<E, S: FnMut(&MetadataKey, &str) -> Sealed>(
        self,
        mut sealer: impl FnMut(&LedgerName, &CustomerName) -> Result<S, E>,
    ) -> Result<Command, E> {
        let Unsealed { mut command, secrets } = self;
        let mut sealers = BTreeMap::new();
        for Secret { customer, key, text, of } in secrets {
            let seal = match sealers.entry(customer.clone()) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(free) => free.insert(sealer(&command.ledger, &customer)?),
            };
            let sealed = seal(&key, &text);
            match of {
                SecretOf::Profile => {
                    if let Some(profile) = profile(&mut command.body) {
                        profile.insert(key, sealed);
                    }
                }
                SecretOf::Metadata(index) => {
                    if let Some(metadata) = metadata(&mut command.body, index) {
                        metadata.insert(key, MetadataValue::Sealed { customer, sealed });
                    }
                }
            }
        }
        Ok(command)
    }
}

/// The profile that a command sets.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other command has one")]
fn profile(body: &mut CommandBody) -> Option<&mut Profile> {
    match body {
        CommandBody::Register { profile, .. } | CommandBody::UpdateProfile { set: profile, .. } => {
            Some(profile)
        }
        _ => None,
    }
}

/// The metadata that a command notes, of its account or transfer with this index.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other command has any")]
fn metadata(body: &mut CommandBody, index: usize) -> Option<&mut Metadata> {
    match body {
        CommandBody::CreateLedger { metadata } | CommandBody::OpenAccount { metadata, .. } => {
            Some(metadata)
        }
        CommandBody::UpdateMetadata { update, .. } => Some(&mut update.set),
        CommandBody::ScheduleTransfer { plan, .. } => Some(&mut plan.metadata),
        CommandBody::Register { accounts, .. } => Some(&mut accounts.get_mut(index)?.metadata),
        CommandBody::PostTransfers { transfers } => Some(&mut transfers.get_mut(index)?.metadata),
        _ => None,
    }
}

impl Deref for Unsealed {
    type Target = Command;

    fn deref(&self) -> &Command {
        &self.command
    }
}

/// Secrets are not shown.
impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unsealed").field(&self.command).finish()
    }
}

/// Checks everything that needs no state, of a client's command: it takes no step of a server's.
///
/// # Errors
/// What of its shape is refused.
pub fn prepare(command: &v1::Command) -> Result<Prepared, Rejection> {
    match command.request {
        Some(Request::SagaStep(_)) => {
            Err(malformed("request", "", "a step of a send is taken by servers only"))
        }
        _ => prepare_of_server(command),
    }
}

/// As [`prepare`], of a command that a server may have made.
///
/// # Errors
/// What of its shape is refused.
pub fn prepare_of_server(command: &v1::Command) -> Result<Prepared, Rejection> {
    let missing = || malformed("request", "", "a command has one of the requests");
    let request = command.request.as_ref().ok_or_else(missing)?;
    let validate_only = validate_only(request);
    if let Request::PostTransfers(batch) = request {
        let request::Batch { command, secrets, malformed } = request::post_transfers(batch)?;
        let name = resource::ledger_resource(command.ledger.as_str());
        let command = Unsealed { command, secrets };
        return Ok(Prepared { command, malformed, name, validate_only, is_batch: true });
    }
    let open = |command| (command, Vec::new());
    let (command, secrets) = match request {
        Request::CreateLedger(request) => open(request::create_ledger(request)?),
        Request::CreateAsset(request) => open(request::create_asset(request)?),
        Request::OpenAccount(request) => request::open_account(request)?,
        Request::FreezeAccount(request) => open(request::freeze_account(request)?),
        Request::UnfreezeAccount(request) => open(request::unfreeze_account(request)?),
        Request::CloseAccount(request) => open(request::close_account(request)?),
        Request::SetAccountRules(request) => open(request::set_account_rules(request)?),
        Request::UpdateAccountMetadata(request) => request::update_account_metadata(request)?,
        Request::UpdateLedgerMetadata(request) => request::update_ledger_metadata(request)?,
        Request::UpdateTransferMetadata(request) => request::update_transfer_metadata(request)?,
        Request::LockBooks(request) => open(request::lock_books(request)?),
        Request::ScheduleTransfer(request) => request::schedule_transfer(request)?,
        Request::CancelSchedule(request) => open(request::cancel_schedule(request)?),
        Request::Register(request) => request::register(request)?,
        Request::UpdateProfile(request) => request::update_profile(request)?,
        Request::EraseCustomer(request) => open(request::erase_customer(request)?),
        Request::SetBalanceAlert(request) => open(request::set_balance_alert(request)?),
        Request::RemoveBalanceAlert(request) => open(request::remove_balance_alert(request)?),
        Request::PostTransfer(request) => request::post_transfer(request)?,
        Request::PostTransfers(batch) => {
            let batch = request::post_transfers(batch)?;
            (batch.command, batch.secrets)
        }
        Request::SendMoney(request) => request::send_money(request)?,
        Request::SagaStep(step) => open(request::saga_step(step)?),
    };
    let name = match request {
        Request::SendMoney(_) => name_of_saga(&command),
        _ => name(&command),
    };
    let (command, malformed) = (Unsealed { command, secrets }, Vec::new());
    Ok(Prepared { command, malformed, name, validate_only, is_batch: false })
}

fn name(command: &Command) -> String {
    let ledger = command.ledger.as_str();
    match &command.body {
        CommandBody::CreateLedger { .. }
        | CommandBody::LockBooks { .. }
        | CommandBody::UpdateMetadata { of: MetadataOf::Ledger, .. } => {
            resource::ledger_resource(ledger)
        }
        CommandBody::CreateAsset { code, .. } => resource::asset_resource(ledger, code.as_str()),
        CommandBody::OpenAccount { name, .. }
        | CommandBody::ChangeAccount { name, .. }
        | CommandBody::SetAccountRules { name, .. }
        | CommandBody::UpdateMetadata { of: MetadataOf::Account(name), .. } => {
            resource::account_resource(ledger, AccountName::as_str(name))
        }
        CommandBody::UpdateMetadata { of: MetadataOf::Transfer(id), .. } => {
            resource::transfer_resource(ledger, id)
        }
        CommandBody::ScheduleTransfer { schedule, .. }
        | CommandBody::CancelSchedule { schedule } => resource::schedule_resource(ledger, schedule),
        CommandBody::Register { customer, .. }
        | CommandBody::UpdateProfile { customer, .. }
        | CommandBody::EraseCustomer { customer } => {
            resource::customer_resource(ledger, customer.as_str())
        }
        CommandBody::SetBalanceAlert { account, alert, .. }
        | CommandBody::RemoveBalanceAlert { account, alert } => {
            resource::balance_alert_resource(ledger, account.as_str(), alert)
        }
        CommandBody::PostTransfers { transfers } => match transfers.as_slice() {
            [transfer] => resource::transfer_resource(ledger, &transfer.id),
            _ => resource::ledger_resource(ledger),
        },
    }
}

fn name_of_saga(command: &Command) -> String {
    let CommandBody::PostTransfers { transfers } = &command.body else { return name(command) };
    let [send] = transfers.as_slice() else { return name(command) };
    resource::saga_resource(command.ledger.as_str(), &send.id)
}

fn validate_only(request: &Request) -> bool {
    match request {
        Request::CreateLedger(request) => request.validate_only,
        Request::CreateAsset(request) => request.validate_only,
        Request::OpenAccount(request) => request.validate_only,
        Request::FreezeAccount(request) => request.validate_only,
        Request::UnfreezeAccount(request) => request.validate_only,
        Request::CloseAccount(request) => request.validate_only,
        Request::SetAccountRules(request) => request.validate_only,
        Request::UpdateAccountMetadata(request) => request.validate_only,
        Request::UpdateLedgerMetadata(request) => request.validate_only,
        Request::UpdateTransferMetadata(request) => request.validate_only,
        Request::LockBooks(request) => request.validate_only,
        Request::ScheduleTransfer(request) => request.validate_only,
        Request::CancelSchedule(request) => request.validate_only,
        Request::Register(request) => request.validate_only,
        Request::UpdateProfile(request) => request.validate_only,
        Request::EraseCustomer(request) => request.validate_only,
        Request::SetBalanceAlert(request) => request.validate_only,
        Request::RemoveBalanceAlert(request) => request.validate_only,
        Request::PostTransfer(request) => request.validate_only,
        Request::PostTransfers(request) => request.validate_only,
        Request::SendMoney(request) => request.validate_only,
        Request::SagaStep(_) => false,
    }
}

/// The request id of a command; empty when it has none.
#[must_use]
pub fn request_id(command: &v1::Command) -> &str {
    match &command.request {
        Some(Request::CreateLedger(request)) => &request.request_id,
        Some(Request::CreateAsset(request)) => &request.request_id,
        Some(Request::OpenAccount(request)) => &request.request_id,
        Some(Request::FreezeAccount(request)) => &request.request_id,
        Some(Request::UnfreezeAccount(request)) => &request.request_id,
        Some(Request::CloseAccount(request)) => &request.request_id,
        Some(Request::SetAccountRules(request)) => &request.request_id,
        Some(Request::UpdateAccountMetadata(request)) => &request.request_id,
        Some(Request::UpdateLedgerMetadata(request)) => &request.request_id,
        Some(Request::UpdateTransferMetadata(request)) => &request.request_id,
        Some(Request::LockBooks(request)) => &request.request_id,
        Some(Request::ScheduleTransfer(request)) => &request.request_id,
        Some(Request::CancelSchedule(request)) => &request.request_id,
        Some(Request::Register(request)) => &request.request_id,
        Some(Request::UpdateProfile(request)) => &request.request_id,
        Some(Request::EraseCustomer(request)) => &request.request_id,
        Some(Request::SetBalanceAlert(request)) => &request.request_id,
        Some(Request::RemoveBalanceAlert(request)) => &request.request_id,
        Some(Request::PostTransfer(request)) => &request.request_id,
        Some(Request::PostTransfers(request)) => &request.request_id,
        Some(Request::SendMoney(request)) => &request.request_id,
        Some(Request::SagaStep(_)) | None => "",
    }
}

/// Gives a command that has no id at all a request id, so that it may be sent again. Transfers have ids
/// of their own, and need none; but what refuses them for a condition burns none of these, and sent again they
/// could be decided otherwise.
pub fn identify(command: &mut v1::Command, fresh: impl FnOnce() -> String) {
    let request_id = match &mut command.request {
        Some(Request::CreateLedger(request)) => &mut request.request_id,
        Some(Request::CreateAsset(request)) => &mut request.request_id,
        Some(Request::OpenAccount(request)) => &mut request.request_id,
        Some(Request::FreezeAccount(request)) => &mut request.request_id,
        Some(Request::UnfreezeAccount(request)) => &mut request.request_id,
        Some(Request::CloseAccount(request)) => &mut request.request_id,
        Some(Request::SetAccountRules(request)) => &mut request.request_id,
        Some(Request::UpdateAccountMetadata(request)) => &mut request.request_id,
        Some(Request::UpdateLedgerMetadata(request)) => &mut request.request_id,
        Some(Request::UpdateTransferMetadata(request)) => &mut request.request_id,
        Some(Request::LockBooks(request)) => &mut request.request_id,
        Some(Request::ScheduleTransfer(request)) => &mut request.request_id,
        Some(Request::CancelSchedule(request)) => &mut request.request_id,
        Some(Request::Register(request)) => &mut request.request_id,
        Some(Request::UpdateProfile(request)) => &mut request.request_id,
        Some(Request::EraseCustomer(request)) => &mut request.request_id,
        Some(Request::SetBalanceAlert(request)) => &mut request.request_id,
        Some(Request::RemoveBalanceAlert(request)) => &mut request.request_id,
        Some(Request::PostTransfer(request)) if !request.conditions.is_empty() => {
            &mut request.request_id
        }
        Some(Request::PostTransfers(request)) if !request.conditions.is_empty() => {
            &mut request.request_id
        }
        Some(Request::SendMoney(request)) if !request.conditions.is_empty() => {
            &mut request.request_id
        }
        Some(
            Request::PostTransfer(_)
            | Request::PostTransfers(_)
            | Request::SendMoney(_)
            | Request::SagaStep(_),
        )
        | None => return,
    };
    if request_id.is_empty() {
        *request_id = fresh();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(request_id: &str) -> v1::Command {
        let (ledger_id, request_id) = ("bank".to_owned(), request_id.to_owned());
        let request = v1::CreateLedgerRequest {
            ledger_id,
            request_id,
            validate_only: true,
            ..Default::default()
        };
        v1::Command { request: Some(Request::CreateLedger(request)) }
    }

    fn post() -> v1::PostTransferRequest {
        let transfer = v1::Transfer {
            transfer_id: "t-1".into(),
            debit_account: "a".into(),
            credit_account: "b".into(),
            asset: "USD".into(),
            amount: "1".into(),
            ..Default::default()
        };
        let parent = "ledgers/bank".to_owned();
        v1::PostTransferRequest { parent, transfer: Some(transfer), ..Default::default() }
    }

    #[test]
    fn a_command_is_named_after_what_it_is_about() {
        let created = prepare(&create("r-1")).unwrap();
        assert_eq!(created.name, "ledgers/bank");
        assert!(created.validate_only && !created.is_batch);
        let request = Request::PostTransfer(post());
        let posted = prepare(&v1::Command { request: Some(request) }).unwrap();
        assert_eq!(posted.name, "ledgers/bank/transfers/t-1");
        let transfers = vec![post().transfer.unwrap_or_default(), v1::Transfer::default()];
        let parent = "ledgers/bank".to_owned();
        let batch = v1::PostTransfersRequest { parent, transfers, ..Default::default() };
        let request = Request::PostTransfers(batch);
        let batch = prepare(&v1::Command { request: Some(request) }).unwrap();
        assert_eq!((batch.name.as_str(), batch.is_batch), ("ledgers/bank", true));
        assert_eq!(batch.malformed[0].0, 1);
        assert!(!batch.has_nothing_to_decide());
        let step = Some(Request::SagaStep(v1::SagaStep::default()));
        let step = prepare(&v1::Command { request: step }).unwrap_err();
        assert!(step.to_string().contains("by servers only"), "{step}");
        let empty = prepare(&v1::Command::default()).unwrap_err();
        assert!(empty.to_string().starts_with("MALFORMED: request"), "{empty}");
    }

    #[test]
    fn only_a_command_without_any_id_is_given_one() {
        let given = |mut command: v1::Command| {
            identify(&mut command, || "fresh".to_owned());
            request_id(&command).to_owned()
        };
        assert_eq!(given(create("")), "fresh");
        assert_eq!(given(create("r-1")), "r-1");
        assert_eq!(given(v1::Command { request: Some(Request::PostTransfer(post())) }), "");
        assert_eq!(given(v1::Command::default()), "");
        let conditions = vec![v1::Condition::default()];
        let depends = v1::PostTransferRequest { conditions: conditions.clone(), ..post() };
        let request = Some(Request::PostTransfer(depends));
        assert_eq!(given(v1::Command { request }), "fresh");
        let batch = v1::PostTransfersRequest { conditions, ..Default::default() };
        let request = Some(Request::PostTransfers(batch));
        assert_eq!(given(v1::Command { request }), "fresh");
    }
}
