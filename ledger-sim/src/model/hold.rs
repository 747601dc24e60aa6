//! Holds, each with all that ever became of it, and those whose time is over.

use super::{CAPTURE, EXPIRY, Model, Moved, Place, VOID};

/// What is held, or was.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) asset: String,
    pub(crate) expires_at: Option<i64>,
    pub(crate) is_send: bool,
    /// Ascending; never empty.
    pub(crate) versions: Vec<HoldVersion>,
}

/// What is of a hold from `place` on. Amounts in minor units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldVersion {
    pub(crate) place: Place,
    pub(crate) status: HoldStatus,
    pub(crate) captured: u128,
    pub(crate) remaining: u128,
    pub(crate) released: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldStatus {
    Open,
    Captured,
    Voided,
    Expired,
}

/// What is due, in the order in which it was: UUIDs come before other ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at: i64,
    /// A schedule that is to run, and no hold: of one instant, holds come first.
    pub(crate) is_schedule: bool,
    /// Its ledger: the n-th that was created.
    pub(crate) nth: usize,
    is_text: bool,
    pub(crate) id: String,
    pub(crate) amount: u128,
    pub(crate) ledger: String,
}

impl Hold {
    pub(super) fn new(moved: &Moved, expires_at: Option<i64>, is_send: bool, place: Place) -> Self {
        let version = HoldVersion {
            place,
            status: HoldStatus::Open,
            captured: 0,
            remaining: moved.amount,
            released: 0,
        };
        let (debit, credit) = (moved.debit.clone(), moved.credit.clone());
        let (asset, versions) = (moved.asset.clone(), vec![version]);
        Hold { debit, credit, asset, expires_at, is_send, versions }
    }

    pub(super) fn remaining(&self) -> u128 {
        self.versions.last().map_or(0, |version| version.remaining)
    }

    /// Captures, voids or expires an amount of what is left.
    pub(super) fn change(&mut self, kind: i32, amount: u128, place: Place) {
        let Some(mut version) = self.versions.last().copied() else { return };
        version.place = place;
        version.remaining -= amount;
        match kind {
            CAPTURE => version.captured += amount,
            _ => version.released += amount,
        }
        version.status = match kind {
            VOID => HoldStatus::Voided,
            EXPIRY => HoldStatus::Expired,
            _ if version.remaining == 0 => HoldStatus::Captured,
            _ => HoldStatus::Open,
        };
        self.versions.push(version);
    }
}

impl Model {
    /// All that is due now, in order: what is held past its time, and schedules with their next time.
    pub(crate) fn due(&self, now: i64) -> Vec<Due> {
        let mut created: Vec<_> = self.books.iter().map(|(name, b)| (b.created, name)).collect();
        created.sort();
        let mut due = Vec::new();
        for (nth, (_, ledger)) in created.into_iter().enumerate() {
            for (id, hold) in &self.books[ledger].holds {
                let Some(at) = hold.expires_at.filter(|at| *at <= now) else { continue };
                let amount = hold.remaining();
                if amount > 0 {
                    let (is_text, id, ledger) =
                        (!super::same::is_uuid(id), id.clone(), ledger.clone());
                    due.push(Due { at, is_schedule: false, nth, is_text, id, amount, ledger });
                }
            }
            for (id, made) in &self.books[ledger].schedules {
                let Some(at) = made.next().filter(|at| *at <= now) else { continue };
                let (is_text, id, ledger) = (!super::same::is_uuid(id), id.clone(), ledger.clone());
                due.push(Due { at, is_schedule: true, nth, is_text, id, amount: 0, ledger });
            }
        }
        due.sort();
        due
    }

    /// Gives back what is left of a hold whose time is over.
    pub(crate) fn expire(&mut self, due: &Due, place: Place) {
        let Some(book) = self.books.get_mut(&due.ledger) else { return };
        let Some(hold) = book.holds.get_mut(&due.id) else { return };
        hold.change(EXPIRY, due.amount, place);
        let moved = Moved {
            debit: hold.debit.clone(),
            credit: hold.credit.clone(),
            asset: hold.asset.clone(),
            amount: due.amount,
            up_to: None,
            remaining: 0,
        };
        book.count(&moved, EXPIRY, &due.id, place);
    }
}
