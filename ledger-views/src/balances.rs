//! Running balances of the projector: the hot ones in memory, the others in the store.

use std::collections::HashMap;
use std::sync::Arc;

use ledger_domain::{AccountHandle, AssetHandle, Balance, LedgerHandle, Metadata, MetadataTarget};

use crate::key::{self, Place};
use crate::noted;
use crate::project::Balances;
use crate::row::{LatestRow, Row};
use crate::rows::Rows;
use crate::sets::{Members, SetKind};
use crate::store::{StoreError, ViewStore};
use crate::table::Table;

type Key = (AccountHandle, AssetHandle);

#[derive(Clone, Copy, Debug)]
struct Slot {
    balance: Balance,
    place: Place,
    /// Differs from the store's row.
    dirty: bool,
}

/// A bounded cache over [`Table::Latest`]. What was not used since half of it was filled anew is
/// dropped and read again when it is needed.
#[derive(Debug)]
pub(crate) struct HotBalances {
    store: Arc<dyn ViewStore>,
    capacity: usize,
    young: HashMap<Key, Slot>,
    old: HashMap<Key, Slot>,
    dirty: Vec<Key>,
    /// What the record being projected changed, as it was before.
    undo: Vec<(Key, Slot)>,
}

impl HotBalances {
    pub(crate) fn new(store: Arc<dyn ViewStore>, capacity: usize) -> Self {
        HotBalances {
            store,
            capacity,
            young: HashMap::new(),
            old: HashMap::new(),
            dirty: Vec::new(),
            undo: Vec::new(),
        }
    }

    /// Forgets everything: the store may not have what was written last.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.dirty.clear();
        self.undo.clear();
    }

    /// Keeps what the last record changed.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what the last record changed.
    pub(crate) fn take_back(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            self.young.insert(key, before);
        }
        let young = &self.young;
        self.dirty.retain(|key| young.get(key).is_some_and(|slot| slot.dirty));
    }

    /// Adds the rows of all balances that differ from the store, which is about to have them.
    pub(crate) fn write_latest(&mut self, rows: &mut Rows) {
        for key in self.dirty.drain(..) {
            if let Some(slot) = self.young.get_mut(&key) {
                slot.dirty = false;
                let row = LatestRow { place: slot.place, balance: slot.balance };
                rows.put(Table::Latest, &key::balance(key.0, key.1), |out| row.encode(out));
            }
        }
        if self.young.len() >= self.capacity / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Reads these balances into memory at once, those that are not there yet.
    pub(crate) fn prefetch(&mut self, mut keys: Vec<Key>) -> Result<(), StoreError> {
        keys.retain(|key| !self.young.contains_key(key) && !self.old.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        let names: Vec<Vec<u8>> =
            keys.iter().map(|(account, asset)| key::balance(*account, *asset).to_vec()).collect();
        let found = self.store.get_many(Table::Latest, &names)?;
        for (key, row) in keys.into_iter().zip(found) {
            self.young.insert(key, decode(key, row)?);
        }
        Ok(())
    }

    fn load(&mut self, key: Key) -> Result<Slot, StoreError> {
        if let Some(slot) = self.young.get(&key) {
            return Ok(*slot);
        }
        let slot = match self.old.get(&key) {
            Some(slot) => *slot,
            None => decode(key, self.store.get(Table::Latest, &key::balance(key.0, key.1))?)?,
        };
        self.young.insert(key, slot);
        Ok(slot)
    }
}

fn decode(key: Key, row: Option<Vec<u8>>) -> Result<Slot, StoreError> {
    let Some(bytes) = row else {
        return Ok(Slot { balance: Balance::default(), place: Place::default(), dirty: false });
    };
    let row = LatestRow::decode(&bytes).ok_or_else(|| StoreError::Damaged {
        what: format!("latest: balance of account {} asset {}", key.0.0, key.1.0),
    })?;
    Ok(Slot { balance: row.balance, place: row.place, dirty: false })
}

impl Balances for HotBalances {
    fn balance(
        &mut self,
        account: AccountHandle,
        asset: AssetHandle,
    ) -> Result<Balance, StoreError> {
        self.load((account, asset)).map(|slot| slot.balance)
    }

    fn set(&mut self, account: AccountHandle, asset: AssetHandle, balance: Balance, place: Place) {
        let key = (account, asset);
        let after = Slot { balance, place, dirty: true };
        let before = self.young.insert(key, after);
        let before = before.expect("a balance is read before it is set");
        if !before.dirty {
            self.dirty.push(key);
        }
        self.undo.push((key, before));
    }

    fn members(&mut self, ledger: LedgerHandle, kind: SetKind) -> Result<Members, StoreError> {
        Members::load(self.store.as_ref(), ledger, kind)
    }

    fn metadata(
        &mut self,
        ledger: LedgerHandle,
        target: &MetadataTarget,
    ) -> Result<Metadata, StoreError> {
        noted::load(self.store.as_ref(), ledger, target)
    }
}
