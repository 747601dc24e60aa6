//! Reads of a view, held against what is true.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ledger_domain::{AccountHandle, Id, Metadata, MetadataKey, MetadataTarget};

use super::truth::{Noting, text};
use super::{Truth, World};
use crate::store::StoreError;
use crate::{
    AccountRow, HoldStatus, Place, ProfileRow, SetKind, Table, TransferOutcome, ViewReader,
    raised_alert,
};

/// Reads at every place of the log.
pub(super) fn check_everywhere(reader: &ViewReader, world: &World) {
    world.truths.iter().for_each(|truth| check_at(reader, truth, world).unwrap());
}

/// Reads everything there is at the place of one truth.
pub(super) fn check_at(
    reader: &ViewReader,
    truth: &Truth,
    world: &World,
) -> Result<(), StoreError> {
    let last = world.truths.last().expect("the world has records");
    let at = truth.place;
    let ledgers = reader.ledgers(at, None, 100)?.items;
    let mut names: Vec<&str> = truth.ledgers.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(ledgers.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), names, "{at:?}");
    let mut assets = 0;
    for (_, ledger) in &ledgers {
        assets += reader.assets(at, ledger.handle, None, 100)?.items.len();
        let accounts = reader.accounts(at, ledger.handle, None, 100)?.items;
        for (_, row) in &accounts {
            assert_eq!(changed(reader, at, row)?, truth.changed[&row.handle], "{at:?}");
        }
        let found = accounts.into_iter().map(|(name, row)| (name.into_string(), row.handle));
        let expected = truth.accounts.iter().filter(|((l, _), _)| *l == ledger.handle.0);
        let expected = expected.map(|((_, name), handle)| (name.clone(), *handle));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{at:?}");
    }
    assert_eq!(assets, truth.assets);
    for account in last.accounts.values() {
        let found = reader.balances(at, *account)?;
        let mine = truth.balances.iter().filter(|((a, _), _)| a == account);
        let expected: Vec<_> = mine.map(|((_, asset), value)| (*asset, *value)).collect();
        let found: Vec<_> = found.iter().map(|(a, r)| (*a, (r.place, r.balance))).collect();
        assert_eq!(found, expected, "balances of {account:?} at {at:?}");
        let status = reader.account_status(at, *account)?.map(|(place, row)| (place, row.0));
        assert_eq!(status, truth.statuses.get(account).copied(), "{account:?} at {at:?}");
        let rules = reader.account_rules(at, *account)?.map(|(place, row)| (place, row.0));
        assert_eq!(rules.as_ref(), truth.rules.get(account), "{account:?} at {at:?}");
    }
    for (handle, name) in (0..).map(ledger_domain::LedgerHandle).zip(&last.ledgers) {
        let lock = reader.book_lock(at, handle)?.map(|(place, row)| (place, row.0));
        assert_eq!(lock, truth.locks.get(&handle.0).copied(), "{name} at {at:?}");
    }
    for (key, all) in &last.entries {
        let entries = reader.entries(at, key.0, key.1, usize::MAX)?;
        let places: Vec<Place> = entries.iter().map(|(place, _)| *place).collect();
        let expected: Vec<_> = all.iter().rev().filter(|p| **p <= at).copied().collect();
        assert_eq!(places, expected, "entries of {key:?} at {at:?}");
        let newest = reader.balance(at, key.0, key.1)?;
        assert_eq!(newest.map(|row| row.balance), entries.first().map(|(_, e)| e.balance));
    }
    for (ledger, id) in last.transfers.keys() {
        let row = reader.transfer(at, ledger_domain::LedgerHandle(*ledger), id)?;
        let found = row.map(|r| (r.place, matches!(r.outcome, TransferOutcome::Accepted(_))));
        assert_eq!(found, truth.transfers.get(&(*ledger, id.clone())).copied(), "{id} {at:?}");
    }
    for (ledger, id) in last.reversals.keys() {
        let rows = reader.reversals(at, ledger_domain::LedgerHandle(*ledger), id, usize::MAX)?;
        let newest = rows.first().map(|(place, row)| (*place, row.remaining));
        let ids = rows.into_iter().map(|(_, row)| row.reversal).collect();
        let found = newest.map(|(place, remaining)| (place, remaining, ids));
        assert_eq!(found, truth.reversals.get(&(*ledger, id.clone())).cloned(), "{id} {at:?}");
    }
    for (ledger, id) in last.journal.keys() {
        let row = reader.journal_entry(at, ledger_domain::LedgerHandle(*ledger), id)?;
        let found = row.map(|row| row.transfers);
        assert_eq!(found, truth.journal.get(&(*ledger, id.clone())).cloned(), "{id} {at:?}");
    }
    for (ledger, id) in last.holds.keys() {
        let row = reader.hold(at, ledger_domain::LedgerHandle(*ledger), id)?;
        let found = row.map(|(place, row)| (place, row.status, row.remaining, row.released));
        assert_eq!(found, truth.holds.get(&(*ledger, id.clone())).copied(), "{id} {at:?}");
    }
    metadata(reader, truth, last)?;
    open_holds(reader, truth, ledgers.iter().map(|(_, row)| row.handle))?;
    alerts(reader, truth, last)?;
    schedules(reader, truth, last)?;
    customers(reader, truth, last)
}

/// The open holds, and the open sends, are those that have the status, in pages of any size.
fn open_holds(
    reader: &ViewReader,
    truth: &Truth,
    ledgers: impl Iterator<Item = ledger_domain::LedgerHandle>,
) -> Result<(), StoreError> {
    for ledger in ledgers {
        let is_open = |row: &(Place, HoldStatus, u128, u128)| row.1 == HoldStatus::Open;
        let mine = truth.holds.iter().filter(|((of, _), row)| *of == ledger.0 && is_open(row));
        let mine: Vec<_> = mine.map(|(key, _)| key).collect();
        for (kind, limit) in
            SetKind::ALL.into_iter().flat_map(|kind| [(kind, 1), (kind, 3), (kind, 100)])
        {
            let is_of =
                |key: &&&(u32, Id)| kind == SetKind::OpenHolds || truth.sends.contains(**key);
            let mut expected: Vec<_> =
                mine.iter().filter(is_of).map(|(_, id)| id.clone()).collect();
            if kind == SetKind::RaisedAlerts {
                let raised = truth.alerts.iter().filter(|(_, (_, raised, _))| *raised);
                let mine = raised.filter(|((of, _), _)| of_ledger(reader, *of) == Some(ledger));
                expected = mine.map(|((of, id), _)| raised_alert(*of, id)).collect();
                // By account as the truth, and then by text.
                expected.sort();
            }
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = reader.members(truth.place, ledger, kind, after.as_ref(), limit)?;
                found.extend(page.members);
                after = page.after;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{kind:?} at {:?}", truth.place);
        }
    }
    Ok(())
}

fn of_ledger(reader: &ViewReader, account: AccountHandle) -> Option<ledger_domain::LedgerHandle> {
    reader.account_name(account).unwrap().map(|row| row.ledger)
}

/// Alerts by themselves, in pages of any size, and their crossings.
fn alerts(reader: &ViewReader, truth: &Truth, last: &Truth) -> Result<(), StoreError> {
    let at = truth.place;
    for account in last.accounts.values() {
        let mine = last.alerts.keys().filter(|(of, _)| of == account);
        let mut expected = Vec::new();
        for (_, id) in mine {
            let key = (*account, id.clone());
            let there = truth.alerts.get(&key).filter(|(.., removed)| !removed);
            let there = there.map(|(place, raised, _)| (*place, *raised));
            let found = reader.alert(at, *account, id)?.map(|view| (view.place, view.raised));
            assert_eq!(found, there, "{account:?} {id} at {at:?}");
            expected.extend(there.map(|_| id.clone()));
        }
        for limit in [1, 2, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = reader.alerts(at, *account, after.as_ref(), limit)?;
                assert!(page.alerts.len() <= limit);
                found.extend(page.alerts.into_iter().map(|(id, _)| id));
                after = page.after;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{account:?} at {at:?}");
        }
        let crossed = reader.alert_crossings(at, *account, usize::MAX)?;
        let crossed = crossed.into_iter().map(|(place, row)| (place, row.0.alert, row.0.raised));
        let expected = truth.crossings.get(account).cloned().unwrap_or_default();
        assert_eq!(crossed.rev().collect::<Vec<_>>(), expected, "{account:?} at {at:?}");
    }
    Ok(())
}

/// Metadata and where it changed, and the accounts that have each value which any ever had, in pages of any size.
fn metadata(reader: &ViewReader, truth: &Truth, last: &Truth) -> Result<(), StoreError> {
    let at = truth.place;
    for (ledger, target) in last.noted.keys() {
        let handle = ledger_domain::LedgerHandle(*ledger);
        let rows = reader.metadata_history(at, handle, target, usize::MAX)?;
        let places: Vec<Place> = rows.iter().map(|(place, _)| *place).collect();
        let (expected, noted) =
            truth.noted.get(&(*ledger, target.clone())).cloned().unwrap_or_default();
        assert_eq!(places, expected, "{target:?} at {at:?}");
        let newest = reader.metadata(at, handle, target)?;
        assert_eq!(newest.as_ref(), rows.first());
        let is_transfers = matches!(target, MetadataTarget::Transfer(_));
        if is_transfers && newest.is_none() {
            // It has what it was made with.
            continue;
        }
        let found = newest.map(|(_, row)| row.metadata).unwrap_or_default();
        let found = found.iter().map(|(key, value)| (key.to_string(), text(value)));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), noted, "{target:?} at {at:?}");
        let mut replayed = Metadata::default();
        if let (true, Some((_, first))) = (is_transfers, rows.last()) {
            let before = first.changes.iter().filter_map(|it| Some((&it.key, it.before.as_ref()?)));
            let before = before.map(|(key, value)| (key.clone(), value.clone()));
            let made_with: Vec<_> = before.collect();
            let kept = first.metadata.without(&first.changes);
            let kept = kept.iter().map(|(key, value)| (key.clone(), value.clone()));
            replayed = kept.chain(made_with).collect();
        }
        for (_, row) in rows.iter().rev() {
            row.changes.iter().for_each(|change| replayed.apply(change));
            assert_eq!(replayed, row.metadata, "what an update changed makes what is there");
        }
    }
    for ((ledger, key, value), limit) in
        values().flat_map(|value| [1, 2, 100].map(|limit| (value.clone(), limit)))
    {
        let has = |noting: &Noting| noting.1.get(key.as_str()).is_some_and(|it| *it == value);
        let mine = truth.noted.iter().filter(|((of, _), noting)| *of == ledger.0 && has(noting));
        let account = |target: &MetadataTarget| match target {
            MetadataTarget::Account(account) => Some(*account),
            MetadataTarget::Ledger | MetadataTarget::Transfer(_) => None,
        };
        let expected: Vec<_> = mine.filter_map(|((_, target), _)| account(target)).collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = reader.holders(at, ledger, (&key, &value), after, limit)?;
            assert!(page.accounts.len() <= limit);
            found.extend(page.accounts);
            after = page.after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{key} {value} at {at:?}");
    }
    Ok(())
}

/// All values that `random_command` notes, of both ledgers, and one that it never does.
fn values() -> impl Iterator<Item = (ledger_domain::LedgerHandle, MetadataKey, String)> {
    let of = |ledger: u32| {
        ["k", "k1", "l"].into_iter().flat_map(move |key| {
            let key = MetadataKey::parse(key).unwrap();
            ["1", "1k", "\0", "never"]
                .map(|value| (ledger_domain::LedgerHandle(ledger), key.clone(), value.to_owned()))
        })
    };
    of(0).chain(of(1))
}

fn schedules(reader: &ViewReader, truth: &Truth, last: &Truth) -> Result<(), StoreError> {
    let at = truth.place;
    for (ledger, id) in last.schedules.keys() {
        let handle = ledger_domain::LedgerHandle(*ledger);
        let found = reader.schedule(at, handle, id, usize::MAX)?.map(|view| {
            let runs = view.runs.iter().map(|(place, run)| (*place, run.number)).collect();
            let next_due = view.next_due();
            (view.row.place, view.row.plan, next_due, runs, view.cancelled)
        });
        let expected = truth.schedules.get(&(*ledger, id.clone()));
        assert_eq!(found.as_ref(), expected, "{id} {at:?}");
        let listed = reader.schedules(at, handle, None, 1_000)?.items;
        let listed = listed.into_iter().find(|(name, _)| **name == *id.to_string());
        let next_due = listed.map(|(_, view)| view.next_due());
        assert_eq!(next_due, expected.map(|it| it.2), "{id} {at:?}");
    }
    Ok(())
}

fn customers(reader: &ViewReader, truth: &Truth, last: &Truth) -> Result<(), StoreError> {
    let at = truth.place;
    for (number, (ledger, name, ..)) in last.customers.iter().enumerate() {
        let ledger = ledger_domain::LedgerHandle(*ledger);
        let row = reader.customer(at, ledger, name.as_str())?;
        let listed = reader.customers(at, ledger, None, 1_000)?.items;
        let listed = listed.into_iter().find(|(listed, _)| **listed == *name.as_str());
        assert_eq!(listed.map(|(_, row)| row), row, "{name:?} at {at:?}");
        let Some((_, _, accounts, kept)) = truth.customers.get(number) else {
            assert_eq!(row, None, "{name:?} at {at:?}");
            continue;
        };
        let row = row.expect("a customer that was registered");
        assert_eq!((&row.accounts, Some(&row.place)), (accounts, kept.last().map(|(at, _)| at)));
        for account in accounts {
            let customer = reader.account_customer(*account)?.map(|row| row.name);
            assert_eq!(customer.as_ref(), Some(name));
        }
        let found = reader.profiles(at, row.handle, usize::MAX)?;
        let found = found.into_iter().map(|(at, row)| match row {
            ProfileRow::Kept(profile) => (at, Some(profile)),
            ProfileRow::Erased => (at, None),
        });
        assert_eq!(found.collect::<Vec<_>>(), *kept, "{name:?} at {at:?}");
    }
    Ok(())
}

/// Where an account changed last, of all that is read of it.
fn changed(reader: &ViewReader, at: Place, account: &AccountRow) -> Result<Place, StoreError> {
    let status = reader.account_status(at, account.handle)?.map(|(place, _)| place);
    let rules = reader.account_rules(at, account.handle)?.map(|(place, _)| place);
    let ledger = reader.account_name(account.handle)?.expect("it has a name").ledger;
    let noted = MetadataTarget::Account(account.handle);
    let noted = reader.metadata(at, ledger, &noted)?.map(|(place, _)| place);
    Ok(account.changed(status, rules, noted, &reader.balances(at, account.handle)?))
}

/// Every row of every table.
pub(super) fn all_rows(reader: &ViewReader) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        reader
            .rows(table, &mut |key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    rows
}
