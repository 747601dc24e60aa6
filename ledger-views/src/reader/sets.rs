//! Members of sets.

use std::ops::ControlFlow;

use ledger_domain::{Id, LedgerHandle};

use super::{PAGE_ROWS_EXAMINED_MAX, ViewReader};
use crate::key::{self, Place};
use crate::row::{SetChange, SetKeyframeRow};
use crate::sets::SetKind;
use crate::store::StoreError;
use crate::table::Table;

/// Part of a set, UUIDs first and then by text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberPage {
    /// Its members.
    pub members: Vec<Id>,
    /// Set when more may follow: they come after this one, which need not be a member.
    pub after: Option<Id>,
}

impl ViewReader {
    /// At most `limit` members of a set, after this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn members(
        &self,
        at: Place,
        ledger: LedgerHandle,
        kind: SetKind,
        after: Option<&Id>,
        limit: usize,
    ) -> Result<MemberPage, StoreError> {
        let keyframe: Option<(Place, SetKeyframeRow)> = self.newest(
            Table::SetKeyframes,
            &key::set(ledger, kind),
            &key::set_keyframe(ledger, kind, at),
        )?;
        let keyframe = keyframe.map(|(place, _)| place).unwrap_or_default();
        let prefix = key::set_keyframe_members(ledger, kind, keyframe);
        let from = match after {
            Some(member) => key::behind_set_member(ledger, kind, keyframe, member),
            None => prefix.to_vec(),
        };
        let mut page = MemberPage::default();
        // The member whose rows are visited, and whether what it is at the place was found.
        let (mut examined, mut current, mut is_known) = (0, None, false);
        self.each(Table::SetMembers, &prefix, &from, |key, row: SetChange| {
            let (member, place) = key::read_set_member(key)?;
            if current.as_ref() != Some(&member) {
                if page.members.len() >= limit || examined >= PAGE_ROWS_EXAMINED_MAX {
                    page.after = current.take();
                    return Some(ControlFlow::Break(()));
                }
                (current, is_known) = (Some(member.clone()), false);
            }
            examined += 1;
            // Newest first: the first up to the place is the one.
            if place <= at && !is_known {
                is_known = true;
                if row.is_member() {
                    page.members.push(member);
                }
            }
            Some(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }
}
