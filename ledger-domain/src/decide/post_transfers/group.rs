//! Transfers that stand or fall together: all are accepted, or nothing of them is.

use super::{Draft, known_before, refuse};
use crate::command::Transfer;
use crate::decide::{ItemOutcome, Seen};
use crate::event::TransferBatch;
use crate::rejection::{Code, Rejection};

/// Transfers that stand or fall together, side by side; most are by themselves.
pub(in crate::decide) fn groups(transfers: &[Transfer]) -> impl Iterator<Item = &[Transfer]> {
    transfers.chunk_by(|here, next| here.link.joins(&next.link))
}

impl Draft<'_> {
    /// Adds an outcome for each of a group. Nothing of it is decided when one of its ids is known: what
    /// was decided before was decided in other company. `all` are those of the batch.
    pub(super) fn take_group(
        &mut self,
        all: &[Transfer],
        group: &[(&Transfer, &Seen)],
        batch: &mut TransferBatch,
        items: &mut Vec<ItemOutcome>,
    ) {
        let Some((first, _)) = group.iter().find(|(_, seen)| !seen.is_new()) else {
            items.extend(self.take_new_group(group, batch));
            return;
        };
        items.extend(group.iter().map(|(transfer, seen)| match seen.is_new() {
            true => fails_with(first),
            false => known_before(all, transfer, seen),
        }));
    }

    fn take_new_group(
        &mut self,
        group: &[(&Transfer, &Seen)],
        batch: &mut TransferBatch,
    ) -> Vec<ItemOutcome> {
        let before = batch.accepted.len();
        let mut items = Vec::with_capacity(group.len());
        self.mark();
        for (place, (transfer, seen)) in group.iter().enumerate() {
            match self.accept(transfer, seen) {
                Ok(accepted) => items.push(self.push(accepted, batch)),
                Err(rejection) => {
                    self.take_back();
                    batch.accepted.truncate(before);
                    let mut items = vec![fails_with(transfer); group.len()];
                    if let Some(item) = items.get_mut(place) {
                        // The only id of the group that is burnt.
                        *item = refuse(transfer, rejection, batch);
                    }
                    return items;
                }
            }
        }
        self.keep();
        items
    }

    fn mark(&mut self) {
        self.touched.mark();
        self.holds.mark();
        self.originals.iter_mut().for_each(|originals| originals.mark());
    }

    fn keep(&mut self) {
        self.touched.keep();
        self.holds.keep();
        self.originals.iter_mut().for_each(|originals| originals.keep());
    }

    fn take_back(&mut self) {
        self.touched.take_back();
        self.holds.take_back();
        self.originals.iter_mut().for_each(|originals| originals.take_back());
    }
}

fn fails_with(other: &Transfer) -> ItemOutcome {
    let rejection = Rejection::new(Code::LinkedFailed, &other.id.to_string());
    ItemOutcome::NotRecorded { rejection }
}
