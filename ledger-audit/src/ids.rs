//! What only the whole past of an id tells. LD-4: one id, one outcome. LD-7: no more is reversed than was
//! posted. LD-8: a group is whole. LD-11: metadata of a transfer changes from what it is.

use std::collections::HashMap;

use ledger_domain::event::Row;
use ledger_domain::{
    AcceptedTransfer, Id, Link, Metadata, MetadataChange, Original, Posted, TransferBatch,
};

use crate::fit::Misfit;

/// What an id names; each kind has its own ids.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Request,
    Transfer,
    Entry,
}

/// The ids that were decided so far, each as 128 bits of its BLAKE3: 24 bytes for each, and two of
/// 10^12 ids share theirs with a probability of 10^-15.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// With a fingerprint of what was posted, or [`OTHER`] or [`NOT_REVERSIBLE`].
    seen: HashMap<[u8; 16], u64>,
    /// Those of which something was reversed.
    reversed: HashMap<[u8; 16], Reversed>,
    /// A fingerprint of what is noted of those of which anything is.
    noted: HashMap<[u8; 16], u64>,
    key: Vec<u8>,
}

/// In minor units.
#[derive(Clone, Copy, Debug)]
struct Reversed {
    posted: u128,
    left: u128,
}

impl Ids {
    /// Notes an id of a ledger; false when it was noted before.
    pub(crate) fn first(&mut self, ledger: &str, kind: Kind, id: &Id) -> bool {
        let digest = self.digest(ledger, kind, id);
        self.seen.insert(digest, OTHER).is_none()
    }

    /// Notes all ids of a batch, row by row.
    pub(crate) fn check_batch(&mut self, ledger: &str, batch: &TransferBatch) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let mut before: Option<&Link> = None;
        for (row, item) in batch.iter() {
            let mut find = |invariant, what| misfits.push(Misfit { invariant, row, what });
            let (id, accepted) = match item {
                Row::Accepted(accepted) => (&accepted.id, Some(accepted)),
                Row::Refused(refused) => (&refused.transfer.id, None),
            };
            if !self.first(ledger, Kind::Transfer, id) {
                find("LD-4", format!("transfer {id} was decided before"));
            }
            if before == Some(&Link::Next) && accepted.is_none() {
                find("LD-8", format!("transfer {id} was refused, and the one linked with it not"));
            }
            let Some(accepted) = accepted else {
                before = None;
                continue;
            };
            let entry = accepted.link.entry();
            if let Some(entry) = entry.filter(|_| before != Some(&accepted.link))
                && !self.first(ledger, Kind::Entry, entry)
            {
                find("LD-4", format!("journal entry {entry} was recorded before"));
            }
            if let Err(what) = self.check_reversal(ledger, accepted) {
                find("LD-7", what);
            }
            let digest = self.digest(ledger, Kind::Transfer, id);
            let posted = Original::of(accepted).posted();
            self.seen.insert(digest, posted.map_or(NOT_REVERSIBLE, |posted| fingerprint(&posted)));
            self.note(digest, &accepted.metadata);
            before = Some(&accepted.link);
        }
        if before == Some(&Link::Next) {
            let what = "is linked with a transfer that was not accepted".into();
            misfits.push(Misfit { invariant: "LD-8", row: batch.rows().saturating_sub(1), what });
        }
        misfits
    }

    /// What it reverses posted as much, between the same accounts, and is left with what it says.
    fn check_reversal(&mut self, ledger: &str, accepted: &AcceptedTransfer) -> Result<(), String> {
        let Some((of, posted)) = Posted::left_by(accepted) else { return Ok(()) };
        let digest = self.digest(ledger, Kind::Transfer, of);
        let all = accepted.amount.saturating_add(posted.left);
        let before = self.reversed.get(&digest).copied();
        let Reversed { posted: whole, left } =
            before.unwrap_or(Reversed { posted: all, left: all });
        let original = fingerprint(&Posted { left: whole, ..posted });
        if self.seen.get(&digest) != Some(&original) {
            return Err(format!("reverses what transfer {of} did not post"));
        }
        if left != all {
            let (amount, left_after) = (accepted.amount, posted.left);
            return Err(format!("{amount} of {left} of transfer {of} does not leave {left_after}"));
        }
        self.reversed.insert(digest, Reversed { posted: whole, left: posted.left });
        Ok(())
    }

    /// LD-11: what is noted of a transfer changes from what it is, and the transfer was accepted.
    pub(crate) fn check_metadata(
        &mut self,
        ledger: &str,
        id: &Id,
        (changes, others): (&[MetadataChange], &Metadata),
    ) -> Result<(), String> {
        let digest = self.digest(ledger, Kind::Transfer, id);
        if self.seen.get(&digest).is_none_or(|seen| *seen == OTHER) {
            return Err(format!("metadata of transfer {id}, which was not accepted"));
        }
        let before = |change: &MetadataChange| Some((change.key.clone(), change.before.clone()?));
        let others_too = others.iter().map(|(key, value)| (key.clone(), value.clone()));
        let before: Metadata = changes.iter().filter_map(before).chain(others_too).collect();
        let was = self.noted.get(&digest).copied();
        if was != (!before.is_empty()).then(|| fingerprint_of(&before)) {
            return Err(format!("metadata of transfer {id} changes from what it is not"));
        }
        self.note(digest, &others.after(changes));
        Ok(())
    }

    fn note(&mut self, digest: [u8; 16], metadata: &Metadata) {
        if metadata.is_empty() {
            self.noted.remove(&digest);
        } else {
            self.noted.insert(digest, fingerprint_of(metadata));
        }
    }

    fn digest(&mut self, ledger: &str, kind: Kind, id: &Id) -> [u8; 16] {
        self.key.clear();
        self.key.push(match kind {
            Kind::Request => 0,
            Kind::Transfer => 1,
            Kind::Entry => 2,
        });
        // A ledger's name holds no "/", so that the parts cannot run into one another.
        self.key.extend_from_slice(ledger.as_bytes());
        self.key.push(b'/');
        id.write_key(&mut self.key);
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&self.key).as_bytes()[..16]);
        digest
    }
}

/// Of an id that is no accepted transfer's.
const OTHER: u64 = 0;
/// Of a transfer that posted nothing which could be reversed.
const NOT_REVERSIBLE: u64 = 1;

fn fingerprint_of(metadata: &Metadata) -> u64 {
    let mut hasher = blake3::Hasher::new();
    metadata.feed(&mut |bytes| {
        hasher.update(bytes);
    });
    let mut short = [0; 8];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(short)
}

/// None of the two above.
fn fingerprint(posted: &Posted) -> u64 {
    let Posted { debit_account, credit_account, asset, left } = posted;
    let mut bytes = [0; 8 + 8 + 4 + 16];
    bytes[..8].copy_from_slice(&debit_account.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&credit_account.0.to_le_bytes());
    bytes[16..20].copy_from_slice(&asset.0.to_le_bytes());
    bytes[20..].copy_from_slice(&left.to_le_bytes());
    let mut short = [0; 8];
    short.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..8]);
    u64::from_le_bytes(short).max(2)
}
