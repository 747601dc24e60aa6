//! An event of the log as one or more of the feed: handles become names, minor units decimal numbers.

use std::collections::HashMap;
use std::sync::Arc;

use ledger_domain::amount::format_minor;
use ledger_domain::event::Row;
use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountRules, AssetHandle, CustomerHandle, Event, Id,
    LedgerHandle, MetadataChange, MetadataTarget, NewAccount, Position, Profile, Timestamp,
    Transfer,
};
use ledger_proto::logged::LoggedCommand;
use ledger_proto::v1::feed_event::{self as wire, Event as Wire};
use ledger_proto::{answer, v1};
use ledger_views::{Place, StoreError, ViewReader};

use super::FeedRecord;

/// Names that are kept; then all are looked up again.
const NAMES_MAX: usize = 100_000;

/// Looks names up in the view, which never change once they are there.
#[derive(Debug)]
pub(super) struct Names {
    view: ViewReader,
    ledgers: HashMap<u32, Arc<str>>,
    assets: HashMap<(u32, u32), (Arc<str>, u8)>,
    accounts: HashMap<u64, Arc<str>>,
}

impl Names {
    pub(super) fn new(view: ViewReader) -> Self {
        Names { view, ledgers: HashMap::new(), assets: HashMap::new(), accounts: HashMap::new() }
    }

    /// Adds what an event of this command becomes; the view has applied it.
    pub(super) fn write(
        &mut self,
        place: Place,
        recorded_at: Timestamp,
        command: &LoggedCommand,
        event: &Event,
        out: &mut Vec<FeedRecord>,
    ) -> Result<(), StoreError> {
        let partition = self.view.log().partition;
        let request_id = command.request_id.as_ref().map(ToString::to_string);
        let mut add = |ledger: &str, row: u32, event: Wire| {
            let position = Position::event(partition, place.offset, place.index + row);
            let event = v1::FeedEvent {
                position: position.to_string(),
                recorded_at: Some(answer::timestamp(recorded_at)),
                ledger: ledger.to_owned(),
                request_id: request_id.clone().unwrap_or_default(),
                actor: command.actor.clone(),
                event: Some(event),
            };
            out.push(FeedRecord { position, event });
        };
        match event {
            Event::LedgerCreated { name, metadata, .. } => {
                let metadata = answer::metadata_entries(metadata);
                add(name.as_str(), 0, Wire::LedgerCreated(wire::LedgerCreated { metadata }));
            }
            Event::AssetCreated { ledger, code, scale, .. } => {
                let created = wire::AssetCreated { code: code.to_string(), scale: (*scale).into() };
                add(&self.ledger(*ledger)?, 0, Wire::AssetCreated(created));
            }
            Event::AccountOpened { ledger, .. }
            | Event::AccountStatusChanged { ledger, .. }
            | Event::AccountRulesChanged { ledger, .. }
            | Event::MetadataChanged { ledger, .. } => {
                add(&self.ledger(*ledger)?, 0, self.of_account(event)?);
            }
            Event::BooksLocked { ledger, locked_before } => {
                let locked_before = locked_before.map(answer::timestamp);
                let locked = wire::BooksLocked { locked_before };
                add(&self.ledger(*ledger)?, 0, Wire::BooksLocked(locked));
            }
            Event::TransferBatch(batch) => {
                let ledger = self.ledger(batch.ledger)?;
                for (row, item) in batch.iter() {
                    add(&ledger, row, self.row(place, batch.ledger, row, item)?);
                }
            }
            Event::HoldExpired { ledger, hold, debit_account, credit_account, asset, amount } => {
                let accounts = [*debit_account, *credit_account];
                let expired = self.expired(*ledger, hold, accounts, *asset, *amount)?;
                add(&self.ledger(*ledger)?, 0, Wire::HoldExpired(expired));
            }
            Event::ScheduleCreated { ledger, .. }
            | Event::ScheduleCancelled { ledger, .. }
            | Event::ScheduleRan { ledger, .. } => {
                add(&self.ledger(*ledger)?, 0, self.schedule(place, event)?);
            }
            Event::CustomerRegistered { ledger, .. }
            | Event::ProfileUpdated { ledger, .. }
            | Event::CustomerErased { ledger, .. } => {
                add(&self.ledger(*ledger)?, 0, self.customer(event)?);
            }

            Event::BalanceAlertSet { ledger, .. }
            | Event::BalanceAlertRemoved { ledger, .. }
            | Event::BalanceAlertCrossed { ledger, .. } => {
                add(&self.ledger(*ledger)?, 0, self.alert(event)?);
            }
            Event::CommandRefused { ledger, rejection } => {
                let at = Some(Position::event(partition, place.offset, place.index));
                let refusal = answer::refusal(rejection, at, false);
                add(ledger.as_str(), 0, Wire::CommandRefused(refusal));
            }
        }
        Ok(())
    }

    /// What an event of an account becomes, or of a ledger's metadata.
    fn of_account(&mut self, event: &Event) -> Result<Wire, StoreError> {
        Ok(match event {
            Event::AccountOpened { ledger, name, account_type, rules, metadata, .. } => {
                let r#type = answer::account_type(*account_type).into();
                let (account, rules) = (name.to_string(), Some(self.rules(*ledger, rules)?));
                let metadata = answer::metadata_entries(metadata);
                Wire::AccountOpened(wire::AccountOpened { account, r#type, rules, metadata })
            }
            Event::AccountStatusChanged { account, status, .. } => {
                let status = answer::account_status(*status).into();
                let account = self.account(*account)?.to_string();
                Wire::AccountStatusChanged(wire::AccountStatusChanged { account, status })
            }
            Event::AccountRulesChanged { ledger, account, rules } => {
                let rules = Some(self.rules(*ledger, rules)?);
                let account = self.account(*account)?.to_string();
                Wire::AccountRulesChanged(wire::AccountRulesChanged { account, rules })
            }
            Event::MetadataChanged { target, changes, .. } => {
                Wire::MetadataChanged(self.metadata(target, changes)?)
            }
            other => panic!("an event of an account: {other:?}"),
        })
    }

    fn metadata(
        &mut self,
        target: &MetadataTarget,
        changes: &[MetadataChange],
    ) -> Result<wire::MetadataChanged, StoreError> {
        let (mut account, mut transfer) = (String::new(), String::new());
        match target {
            MetadataTarget::Ledger => {}
            MetadataTarget::Account(handle) => account = self.account(*handle)?.to_string(),
            MetadataTarget::Transfer(id) => transfer = id.to_string(),
        }
        let changes = answer::metadata_changes(changes, &mut answer::closed);
        Ok(wire::MetadataChanged { account, transfer, changes })
    }

    /// What an event of a schedule becomes.
    fn schedule(&self, place: Place, event: &Event) -> Result<Wire, StoreError> {
        Ok(match event {
            Event::ScheduleCreated { ledger, schedule, plan, .. } => {
                let asset = self.view.asset(place, *ledger, plan.leg.asset.as_str())?;
                let scale = asset.map(|asset| asset.scale);
                Wire::ScheduleCreated(answer::schedule(&schedule.to_string(), plan, scale))
            }
            Event::ScheduleCancelled { schedule, .. } => {
                let schedule_id = schedule.to_string();
                Wire::ScheduleCancelled(wire::ScheduleCancelled { schedule_id })
            }
            Event::ScheduleRan { schedule, number, due_at, next_due, refused, .. } => {
                let partition = self.view.log().partition;
                let at = Position::event(partition, place.offset, place.index).to_string();
                let occurrence = answer::occurrence(schedule, *number, *due_at, *refused, at);
                Wire::ScheduleRan(wire::ScheduleRan {
                    schedule_id: schedule.to_string(),
                    occurrence: Some(occurrence),
                    next_time: next_due.map(answer::timestamp),
                })
            }
            other => panic!("an event of a schedule: {other:?}"),
        })
    }

    /// What an event of a customer becomes: of what is kept of the person, the keys.
    fn customer(&mut self, event: &Event) -> Result<Wire, StoreError> {
        let keys = |profile: &Profile| profile.keys().map(ToString::to_string).collect();
        let id = |names: &Self, customer: CustomerHandle| {
            let row = names.view.customer_name(customer)?;
            let row = row.ok_or_else(|| missing("customer", customer.0))?;
            Ok::<_, StoreError>(row.name.to_string())
        };
        Ok(match event {
            Event::CustomerRegistered { ledger, name, accounts, profile, .. } => {
                let opened = |opened: &NewAccount| {
                    let r#type = answer::account_type(opened.account_type).into();
                    let (account_id, rules) = (opened.name.to_string(), &opened.rules);
                    let rules = Some(self.rules(*ledger, rules)?);
                    let metadata = answer::metadata(&opened.metadata);
                    let sealed = &mut answer::closed;
                    let sealed_metadata = answer::sealed_metadata(&opened.metadata, sealed);
                    Ok(v1::NewAccount { account_id, r#type, rules, metadata, sealed_metadata })
                };
                let accounts = accounts.iter().map(opened).collect::<Result<_, StoreError>>()?;
                let (customer_id, profile_keys) = (name.to_string(), keys(profile));
                Wire::CustomerRegistered(wire::CustomerRegistered {
                    customer_id,
                    accounts,
                    profile_keys,
                })
            }
            Event::ProfileUpdated { customer, profile, .. } => {
                let (customer_id, profile_keys) = (id(self, *customer)?, keys(profile));
                Wire::ProfileUpdated(wire::ProfileUpdated { customer_id, profile_keys })
            }
            Event::CustomerErased { customer, .. } => {
                let customer_id = id(self, *customer)?;
                Wire::CustomerErased(wire::CustomerErased { customer_id })
            }
            other => panic!("an event of a customer: {other:?}"),
        })
    }

    /// What an event of an alert becomes.
    fn alert(&mut self, event: &Event) -> Result<Wire, StoreError> {
        Ok(match event {
            Event::BalanceAlertSet { ledger, account, alert, rule, raised } => {
                let (asset, scale) = self.asset(*ledger, rule.asset)?;
                Wire::BalanceAlertSet(wire::BalanceAlertSet {
                    account: self.account(*account)?.to_string(),
                    alert_id: alert.to_string(),
                    when: Some(answer::alert_condition(rule, &asset, scale)),
                    raised: *raised,
                })
            }
            Event::BalanceAlertRemoved { account, alert, .. } => {
                let (account, alert_id) = (self.account(*account)?.to_string(), alert.to_string());
                Wire::BalanceAlertRemoved(wire::BalanceAlertRemoved { account, alert_id })
            }
            Event::BalanceAlertCrossed { ledger, crossing } => {
                let (asset, scale) = self.asset(*ledger, crossing.rule.asset)?;
                let account = self.account(crossing.account)?;
                Wire::BalanceAlertCrossed(answer::crossing(crossing, &account, (&asset, scale)))
            }
            other => panic!("an event of an alert: {other:?}"),
        })
    }

    fn expired(
        &mut self,
        ledger: LedgerHandle,
        hold: &Id,
        [debit_account, credit_account]: [AccountHandle; 2],
        asset: AssetHandle,
        amount: u128,
    ) -> Result<wire::HoldExpired, StoreError> {
        let (asset, scale) = self.asset(ledger, asset)?;
        Ok(wire::HoldExpired {
            hold_id: hold.to_string(),
            debit_account: self.account(debit_account)?.to_string(),
            credit_account: self.account(credit_account)?.to_string(),
            asset: asset.to_string(),
            amount: format_minor(amount, scale),
        })
    }

    fn row(
        &mut self,
        place: Place,
        ledger: LedgerHandle,
        row: u32,
        item: Row<'_>,
    ) -> Result<Wire, StoreError> {
        Ok(match item {
            Row::Accepted(accepted) => Wire::TransferAccepted(self.accepted(ledger, accepted)?),
            Row::Refused(refused) => {
                let at = Place { index: place.index + row, ..place };
                let position = Position::event(self.view.log().partition, at.offset, at.index);
                let refusal = answer::refusal(&refused.rejection, Some(position), false);
                Wire::TransferRefused(wire::TransferRefused {
                    transfer: Some(self.asked(at, ledger, &refused.transfer)?),
                    refusal: Some(refusal),
                })
            }
        })
    }

    fn accepted(
        &mut self,
        ledger: LedgerHandle,
        accepted: &AcceptedTransfer,
    ) -> Result<v1::Transfer, StoreError> {
        let (asset, scale) = self.asset(ledger, accepted.asset)?;
        let debit = self.account(accepted.debit_account)?;
        let credit = self.account(accepted.credit_account)?;
        let names = answer::TransferNames {
            debit_account: &debit,
            credit_account: &credit,
            asset: &asset,
            scale,
        };
        Ok(answer::accepted(accepted, names))
    }

    fn asked(
        &self,
        at: Place,
        ledger: LedgerHandle,
        asked: &Transfer,
    ) -> Result<v1::Transfer, StoreError> {
        let asset = match asked.movement.leg() {
            Some(leg) => self.view.asset(at, ledger, leg.asset.as_str())?,
            None => None,
        };
        Ok(answer::asked(asked, asset.map(|asset| asset.scale)))
    }

    fn ledger(&mut self, ledger: LedgerHandle) -> Result<Arc<str>, StoreError> {
        if let Some(name) = self.ledgers.get(&ledger.0) {
            return Ok(Arc::clone(name));
        }
        let row = self.view.ledger_name(ledger)?;
        let name: Arc<str> =
            row.ok_or_else(|| missing("ledger", ledger.0.into()))?.0.as_str().into();
        keep(&mut self.ledgers, ledger.0, Arc::clone(&name));
        Ok(name)
    }

    fn asset(
        &mut self,
        ledger: LedgerHandle,
        asset: AssetHandle,
    ) -> Result<(Arc<str>, u8), StoreError> {
        let key = (ledger.0, asset.0);
        if let Some((code, scale)) = self.assets.get(&key) {
            return Ok((Arc::clone(code), *scale));
        }
        let row = self.view.asset_code(ledger, asset)?;
        let row = row.ok_or_else(|| missing("asset", asset.0.into()))?;
        let found: (Arc<str>, u8) = (row.code.as_str().into(), row.scale);
        keep(&mut self.assets, key, found.clone());
        Ok(found)
    }

    fn rules(
        &mut self,
        ledger: LedgerHandle,
        rules: &AccountRules,
    ) -> Result<v1::AccountRules, StoreError> {
        answer::account_rules(rules, |asset| self.asset(ledger, asset))
    }

    fn account(&mut self, account: AccountHandle) -> Result<Arc<str>, StoreError> {
        if let Some(name) = self.accounts.get(&account.0) {
            return Ok(Arc::clone(name));
        }
        let row = self.view.account_name(account)?;
        let name: Arc<str> = row.ok_or_else(|| missing("account", account.0))?.name.as_str().into();
        keep(&mut self.accounts, account.0, Arc::clone(&name));
        Ok(name)
    }
}

fn keep<K: Eq + std::hash::Hash, V>(names: &mut HashMap<K, V>, key: K, name: V) {
    if names.len() >= NAMES_MAX {
        names.clear();
    }
    names.insert(key, name);
}

fn missing(kind: &str, handle: u64) -> StoreError {
    StoreError::Damaged { what: format!("no name of {kind} {handle}, which the view has applied") }
}
