//! Set-valued views: what is a member of a set as of any place, at a cost that does not grow with the log.
//!
//! ```text
//! set_keyframes   ledger ++ set ++ !place of the keyframe              -> how many members it has
//! set_members     ledger ++ set ++ place of the keyframe ++ member
//!                     ++ 0 ++ !place of the change                     -> carried over, joined, left
//! ```
//!
//! Each change of a set is one row below the keyframe that is the newest at that place, sorted by member. A
//! keyframe carries all members over, below itself. So the members at P are found in one scan below the newest
//! keyframe up to P: of each member the newest row up to P says whether it is one, and a page of them reads its
//! own part of the rows and no other.
//!
//! A keyframe is due after as many changes as the last one has members, and no fewer than
//! [`KEYFRAME_CHANGES_MIN`]. A fixed interval would copy a set of a million members a thousand times over in a
//! million changes. So it costs: to write, at most three rows for each change, for a keyframe has no more members
//! than the last one and the changes since; to read, at most the rows of one keyframe and as many changes again,
//! or 1,000; in memory of whoever projects, all members, as the writer's state has them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use ledger_domain::{Id, LedgerHandle};

use crate::key::{self, Place};
use crate::project::Balances;
use crate::row::{Row, SetChange, SetKeyframeRow};
use crate::rows::Rows;
use crate::store::{StoreError, ViewStore};
use crate::table::Table;

/// Changes of a set between two keyframes; as many as it has members, if those are more.
pub(crate) const KEYFRAME_CHANGES_MIN: u64 = 1_000;

/// A set that each ledger has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetKind {
    /// Holds of which something is left, open sends among them.
    OpenHolds,
    /// Sends whose sagas are open.
    OpenSends,
    /// Alerts that are raised, of all accounts: the members are those of [`key::raised_alert`].
    RaisedAlerts,
}

impl SetKind {
    /// All of them.
    pub const ALL: [SetKind; 3] = [SetKind::OpenHolds, SetKind::OpenSends, SetKind::RaisedAlerts];

    /// Its stable number, in keys.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            SetKind::OpenHolds => 1,
            SetKind::OpenSends => 2,
            SetKind::RaisedAlerts => 22,
        }
    }
}

/// A change of a set. At one place a set has at most one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) ledger: LedgerHandle,
    pub(crate) kind: SetKind,
    pub(crate) place: Place,
    pub(crate) member: &'a Id,
    /// Or else leaves it.
    pub(crate) joins: bool,
}

impl<'a> Change<'a> {
    /// A hold is among the open ones from here on, or no more.
    pub(crate) fn of_hold(ledger: LedgerHandle, place: Place, member: &'a Id, joins: bool) -> Self {
        Change { ledger, kind: SetKind::OpenHolds, place, member, joins }
    }
}

/// One set, as it is after all that was projected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    since: Since,
    members: BTreeSet<Id>,
}

/// What became of a set since its last keyframe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Since {
    /// Where that is; the first place of all where there is none.
    keyframe: Place,
    /// Members that it has.
    members: u64,
    /// Changes behind it.
    changes: u64,
}

impl Members {
    /// Reads a set as the store has it.
    pub(crate) fn load(
        store: &dyn ViewStore,
        ledger: LedgerHandle,
        kind: SetKind,
    ) -> Result<Self, StoreError> {
        let mut set = Members::default();
        let mut damage = None;
        let prefix = key::set(ledger, kind);
        store.scan(Table::SetKeyframes, &prefix, &prefix, &mut |key, bytes| {
            match key::read_place(key).zip(SetKeyframeRow::decode(bytes)) {
                Some((keyframe, row)) => {
                    set.since = Since { keyframe, members: row.members, changes: 0 };
                }
                None => damage = Some(damaged(Table::SetKeyframes, ledger, kind)),
            }
            ControlFlow::Break(())
        })?;
        let prefix = key::set_keyframe_members(ledger, kind, set.since.keyframe);
        let mut seen = None;
        store.scan(Table::SetMembers, &prefix, &prefix, &mut |key, bytes| {
            let Some(((member, _), change)) =
                key::read_set_member(key).zip(SetChange::decode(bytes))
            else {
                damage = Some(damaged(Table::SetMembers, ledger, kind));
                return ControlFlow::Break(());
            };
            set.since.changes += u64::from(change != SetChange::Carried);
            // The newest row of a member comes first.
            if seen.as_ref() != Some(&member) {
                if change.is_member() {
                    set.members.insert(member.clone());
                }
                seen = Some(member);
            }
            ControlFlow::Continue(())
        })?;
        damage.map_or(Ok(set), Err)
    }
}

fn damaged(table: Table, ledger: LedgerHandle, kind: SetKind) -> StoreError {
    let what = format!("{}: a row of {kind:?} of ledger {}", table.name(), ledger.0);
    StoreError::Damaged { what }
}

/// The sets that changed since the projection began, and what the record being projected changed.
#[derive(Clone, Debug)]
pub struct Sets {
    changes_min: u64,
    sets: HashMap<(LedgerHandle, SetKind), Members>,
    undo: Vec<Undo>,
}

/// Takes back one change.
#[derive(Clone, Debug)]
struct Undo {
    set: (LedgerHandle, SetKind),
    before: Since,
    member: Id,
    joined: bool,
}

impl Default for Sets {
    fn default() -> Self {
        Self::with_changes_min(KEYFRAME_CHANGES_MIN)
    }
}

impl Sets {
    /// With a keyframe after as few changes as this.
    pub(crate) fn with_changes_min(changes_min: u64) -> Self {
        Sets { changes_min, sets: HashMap::new(), undo: Vec::new() }
    }

    /// Forgets everything: the store may not have what was written last.
    pub(crate) fn clear(&mut self) {
        self.sets.clear();
        self.undo.clear();
    }

    /// Keeps what the last record changed.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what the last record changed.
    pub(crate) fn take_back(&mut self) {
        while let Some(Undo { set, before, member, joined }) = self.undo.pop() {
            let Some(set) = self.sets.get_mut(&set) else { continue };
            set.since = before;
            if joined {
                set.members.remove(&member);
            } else {
                set.members.insert(member);
            }
        }
    }

    /// The rows of a change, and of the keyframe that is due after it. Whoever joins twice, or leaves what it
    /// was no member of, changes nothing: an audit finds such an event.
    pub(crate) fn change(
        &mut self,
        store: &mut impl Balances,
        change: Change<'_>,
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
        let Change { ledger, kind, place, member, joins } = change;
        let set = match self.sets.entry((ledger, kind)) {
            Entry::Occupied(set) => set.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(store.members(ledger, kind)?),
        };
        let before = set.since;
        let changed =
            if joins { set.members.insert(member.clone()) } else { set.members.remove(member) };
        if !changed {
            return Ok(());
        }
        let undo = Undo { set: (ledger, kind), before, member: member.clone(), joined: joins };
        self.undo.push(undo);
        let row = if joins { SetChange::Joined } else { SetChange::Left };
        let key = key::set_member(ledger, kind, before.keyframe, member, place);
        rows.put(Table::SetMembers, &key, |out| row.encode(out));
        set.since.changes += 1;
        if set.since.changes < self.changes_min.max(set.since.members) {
            return Ok(());
        }
        set.since = Since { keyframe: place, members: set.members.len() as u64, changes: 0 };
        let row = SetKeyframeRow { members: set.since.members };
        rows.put(Table::SetKeyframes, &key::set_keyframe(ledger, kind, place), |out| {
            row.encode(out);
        });
        for member in &set.members {
            let key = key::set_member(ledger, kind, place, member, place);
            rows.put(Table::SetMembers, &key, |out| SetChange::Carried.encode(out));
        }
        Ok(())
    }
}
