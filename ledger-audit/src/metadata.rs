//! PR-2 of metadata: what a view answers of it, and whom it finds by it, is what the replayed state has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use ledger_domain::{AccountHandle, LedgerHandle, Metadata, MetadataKey, MetadataTarget, State};
use ledger_views::{Place, StoreError, Table, ViewReader, key};

/// Accounts that are read at once.
const PAGE_ACCOUNTS: usize = 10_000;

/// What differs between the metadata of the view after the record at `offset` and that of the state, which is
/// that of after the same record.
pub(crate) fn differences(
    view: &ViewReader,
    offset: u64,
    state: &State,
) -> Result<Vec<String>, StoreError> {
    let at = Place::end_of(offset);
    let noted: BTreeMap<_, _> = noted(state).collect();
    let mut subjects: BTreeSet<_> = noted.keys().cloned().collect();
    view.rows(Table::Metadata, &mut |key, _| {
        // One that cannot be read was found as a row that no record made. That of a transfer is in no state: each
        // of its rows was compared with its event, which tells all that is noted.
        if let Some((ledger, target, _)) = key::read_metadata(key)
            && !matches!(target, MetadataTarget::Transfer(_))
        {
            subjects.insert((ledger, target));
        }
        ControlFlow::Continue(())
    })?;
    let mut differences = Vec::new();
    for subject in subjects {
        let (ledger, target) = &subject;
        let found = view.metadata(at, *ledger, target)?.map(|(_, row)| row.metadata);
        if found.unwrap_or_default() != noted.get(&subject).copied().cloned().unwrap_or_default() {
            differences.push(format!("metadata: that of {target:?} of ledger {}", ledger.0));
        }
    }
    for ((ledger, key, value), expected) in holders(&noted) {
        if all_holders(view, at, ledger, (key, value))? != expected {
            differences.push(format!("metadata_index: accounts with {key} {value:?}"));
        }
    }
    Ok(differences)
}

type Subject = (LedgerHandle, MetadataTarget);

/// All metadata of a state, but for what has none.
fn noted(state: &State) -> impl Iterator<Item = (Subject, &Metadata)> {
    let ledgers = (0..).map(LedgerHandle).zip(state.ledgers());
    let ledgers = ledgers.map(|(at, book)| ((at, MetadataTarget::Ledger), &book.metadata));
    let accounts = (0..).map(AccountHandle).zip(state.accounts());
    let accounts = accounts
        .map(|(at, account)| ((account.ledger, MetadataTarget::Account(at)), &account.metadata));
    ledgers.chain(accounts).filter(|(_, metadata)| !metadata.is_empty())
}

type Holders<'a> = BTreeMap<(LedgerHandle, &'a MetadataKey, &'a str), Vec<AccountHandle>>;

/// The accounts that have each value which everybody reads, ascending.
fn holders<'a>(noted: &BTreeMap<Subject, &'a Metadata>) -> Holders<'a> {
    let mut holders = Holders::new();
    for ((ledger, target), metadata) in noted {
        let MetadataTarget::Account(account) = target else { continue };
        for (key, value) in metadata.iter() {
            if let Some(text) = value.as_plain() {
                holders.entry((*ledger, key, text)).or_default().push(*account);
            }
        }
    }
    holders
}

fn all_holders(
    view: &ViewReader,
    at: Place,
    ledger: LedgerHandle,
    value: (&MetadataKey, &str),
) -> Result<Vec<AccountHandle>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = view.holders(at, ledger, value, after, PAGE_ACCOUNTS)?;
        found.extend(page.accounts);
        after = page.after;
        if after.is_none() {
            return Ok(found);
        }
    }
}
