//! What is known of the ids that commands name: looked up together, before any of them is decided.

use std::collections::HashMap;

use ledger_domain::{
    Code, Command, CommandBody, Id, LedgerHandle, Metadata, MetadataOf, Original, Posted, Prior,
    Seen, Timestamp, Transfer,
};
use ledger_proto::hash::of_transfer;

use super::recent::RecentEntry;
use super::{Place, Writer};
use crate::ids::{
    IdEntry, IdStoreError, Keys, entry_key, noted_key, request_key, reversed_key, transfer_key,
};
use crate::reply::Request;

/// The first outcome of an id.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) place: Place,
    pub(super) recorded_at: Timestamp,
    pub(super) content_hash: [u8; 16],
    pub(super) refused: Option<Code>,
    pub(super) posted: Option<Posted>,
    pub(super) metadata: Metadata,
}

/// What the id store has of the keys of a group of commands.
pub(super) type Known = HashMap<Vec<u8>, IdEntry>;

/// What is known of the ids of a batch: one of each for every transfer.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) seen: Vec<Seen>,
    pub(super) hits: Vec<Option<Hit>>,
    pub(super) hashes: Vec<[u8; 16]>,
}

impl Writer {
    pub(super) fn look_up(&self, group: usize) -> Result<Known, IdStoreError> {
        let mut keys = Keys::default();
        for Request { command, .. } in self.queue.iter().take(group) {
            if let Some(id) = &command.request_id {
                keys.push(|key| request_key(&command.ledger, id, key));
            }
            // A ledger that does not exist yet has no transfers in the store.
            let ledger = self.speculation.state.ledger_by_name(&command.ledger);
            if let Some(ledger) = ledger {
                push_keys(ledger, &command.body, &mut keys);
            }
        }
        if keys.is_empty() {
            return Ok(Known::new());
        }
        keys.sort();
        let found = self.parts.ids.lookup(&keys)?;
        let hits = keys.iter().zip(found).filter_map(|(key, entry)| Some((key.to_vec(), entry?)));
        Ok(hits.collect())
    }

    pub(super) fn find(&self, key: &[u8], known: &Known) -> Option<Hit> {
        if let Some(entry) = self.recent.get(key) {
            let RecentEntry { sequence, index, recorded_at, content_hash, .. } = *entry;
            let (refused, posted, metadata) = (entry.refused, entry.posted, entry.metadata.clone());
            let place = match self.offsets.find(sequence) {
                Some(offset) => Place::At { offset, index },
                None => Place::In { sequence, index },
            };
            return Some(Hit { place, recorded_at, content_hash, refused, posted, metadata });
        }
        let IdEntry { offset, index, recorded_at, content_hash, refused, posted, metadata } =
            known.get(key)?.clone();
        let place = Place::At { offset, index };
        Some(Hit { place, recorded_at, content_hash, refused, posted, metadata })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "no other command names transfers")]
    pub(super) fn look_at(&self, command: &Command, known: &Known) -> Looked {
        let Some(ledger) = self.speculation.state.ledger_by_name(&command.ledger) else {
            // Refused as a whole.
            return Looked::default();
        };
        match &command.body {
            CommandBody::PostTransfers { transfers } => {
                self.look_at_transfers(ledger, transfers, known)
            }
            CommandBody::UpdateMetadata { of: MetadataOf::Transfer(id), .. } => {
                let seen = self.noted(ledger, id, known).map(Seen::Noted).into_iter().collect();
                Looked { seen, ..Looked::default() }
            }
            _ => Looked::default(),
        }
    }

    fn look_at_transfers(
        &self,
        ledger: LedgerHandle,
        transfers: &[Transfer],
        known: &Known,
    ) -> Looked {
        let mut looked = Looked::default();
        let mut above: HashMap<&Id, usize> = HashMap::with_capacity(transfers.len());
        let mut key = Vec::new();
        for (item, transfer) in transfers.iter().enumerate() {
            key.clear();
            transfer_key(ledger, &transfer.id, &mut key);
            let hash = of_transfer(transfer);
            let hit = self.find(&key, known);
            looked.seen.push(match &hit {
                Some(hit) => Seen::Before(prior(hit, hash)),
                None => match above.entry(&transfer.id) {
                    std::collections::hash_map::Entry::Occupied(first) => {
                        let item = *first.get();
                        Seen::Above { item, same_content: looked.hashes[item] == hash }
                    }
                    std::collections::hash_map::Entry::Vacant(place) => {
                        place.insert(item);
                        self.look_beyond(ledger, transfer, known)
                    }
                },
            });
            looked.hits.push(hit);
            looked.hashes.push(hash);
        }
        looked
    }

    /// What is noted of a transfer that was accepted.
    fn noted(&self, ledger: LedgerHandle, id: &Id, known: &Known) -> Option<Metadata> {
        let mut key = Vec::new();
        noted_key(ledger, id, &mut key);
        if let Some(newest) = self.find(&key, known) {
            return Some(newest.metadata);
        }
        key.clear();
        transfer_key(ledger, id, &mut key);
        let first = self.find(&key, known)?;
        first.refused.is_none().then_some(first.metadata)
    }

    /// What is known of a new transfer's journal entry, and of what it reverses.
    fn look_beyond(&self, ledger: LedgerHandle, transfer: &Transfer, known: &Known) -> Seen {
        let find = |write: fn(LedgerHandle, &Id, &mut Vec<u8>), id: &Id| {
            let mut key = Vec::new();
            write(ledger, id, &mut key);
            self.find(&key, known)
        };
        if transfer.link.entry().and_then(|entry| find(entry_key, entry)).is_some() {
            return Seen::EntryTaken;
        }
        let Some(of) = transfer.movement.reverses() else { return Seen::New };
        let newest = find(reversed_key, of).or_else(|| find(transfer_key, of));
        Seen::NewReversal(match newest {
            None => Original::Unknown,
            Some(Hit { refused: Some(_), .. }) => Original::Unknown,
            Some(Hit { posted: None, .. }) => Original::NotReversible,
            Some(Hit { posted: Some(posted), .. }) => Original::Posted(posted),
        })
    }
}

/// Adds all keys that tell what is known of the transfers that a command of this ledger names.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other command names transfers")]
fn push_keys(ledger: LedgerHandle, body: &CommandBody, keys: &mut Keys) {
    match body {
        CommandBody::PostTransfers { transfers } => {
            for transfer in transfers {
                keys.push(|key| transfer_key(ledger, &transfer.id, key));
                if let Some(entry) = transfer.link.entry() {
                    keys.push(|key| entry_key(ledger, entry, key));
                }
                if let Some(of) = transfer.movement.reverses() {
                    keys.push(|key| transfer_key(ledger, of, key));
                    keys.push(|key| reversed_key(ledger, of, key));
                }
            }
        }
        CommandBody::UpdateMetadata { of: MetadataOf::Transfer(id), .. } => {
            keys.push(|key| transfer_key(ledger, id, key));
            keys.push(|key| noted_key(ledger, id, key));
        }
        _ => {}
    }
}

/// `decide` passes it through; where it stands is taken from the hit.
fn prior(hit: &Hit, hash: [u8; 16]) -> Prior {
    let (offset, index) = match hit.place {
        Place::At { offset, index } => (offset, index),
        Place::In { index, .. } => (u64::MAX, index),
    };
    let Hit { recorded_at, content_hash, refused, .. } = *hit;
    Prior { offset, index, recorded_at, same_content: content_hash == hash, refused }
}
