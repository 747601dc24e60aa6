//! Rows of sets: what changed in them, and their keyframes.

use super::Row;
use crate::code::{Source, put_number};

/// Of [`crate::Table::SetKeyframes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetKeyframeRow {
    /// How many members the set has there.
    pub members: u64,
}

/// Of [`crate::Table::SetMembers`]: what a set has to do with a member at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetChange {
    /// It leaves.
    Left,
    /// It joins.
    Joined,
    /// It had joined before the keyframe.
    Carried,
}

impl SetChange {
    /// Whether it is a member from there on.
    #[must_use]
    pub fn is_member(self) -> bool {
        match self {
            SetChange::Left => false,
            SetChange::Joined | SetChange::Carried => true,
        }
    }
}

impl Row for SetKeyframeRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.members);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes);
        let row = SetKeyframeRow { members: source.u64()? };
        source.end(row)
    }
}

impl Row for SetChange {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self {
            SetChange::Left => 0,
            SetChange::Joined => 1,
            SetChange::Carried => 2,
        });
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(SetChange::Left),
            [1] => Some(SetChange::Joined),
            [2] => Some(SetChange::Carried),
            _ => None,
        }
    }
}
