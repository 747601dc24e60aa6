//! A reader of the model's log: the module's own, and a twin whose rules can be left out.

use super::message::{Commit, LOG, Message, PARTITION, Past};
use super::{Change, Fence, Seen};
use crate::Cursor;
use crate::fence::{Decision, Reader, Skip};
use crate::record::Chain;

/// What a reader came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    /// All that a reader keeps.
    pub(super) cursor: Cursor,
    /// What the accepted commits add up to.
    pub(super) past: Past,
    /// Under [`Change::StickyHole`] only: a hole was seen in this term. A reader that restarts does not
    /// know it.
    pub(super) in_hole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Created,
    NewTerm,
    Accepted,
    Skipped(Skip),
    Stopped,
}

impl View {
    pub(super) fn start() -> View {
        View { cursor: Cursor::start(LOG, PARTITION), past: Past::NOTHING, in_hole: false }
    }

    /// A reader that kept its cursor and nothing else.
    pub(super) fn restarted(&self) -> View {
        View { in_hole: false, ..self.clone() }
    }

    /// Decides on the next message. Without a change the module decides too, and must agree.
    pub(super) fn step(&mut self, fence: &Fence, message: &Message) -> Verdict {
        let bytes = message.bytes();
        let before = self.cursor.clone();
        let verdict = self.pass(fence.change, message, &bytes);
        if fence.change == Change::None {
            // Always one that restarts here, from the bytes that it kept.
            let kept = Cursor::decode(&before.encode()).expect("a cursor reads back");
            let mut module = Reader::resume(kept);
            let decided = decided(&mut module, &bytes);
            assert_eq!(verdict, decided, "the twin decides as the module on {message:?}");
            assert_eq!(self.cursor, *module.cursor(), "and keeps the same of {message:?}");
        }
        verdict
    }

    /// Decides as `step`, where the module was asked before.
    pub(super) fn pass(&mut self, change: Change, message: &Message, bytes: &[u8]) -> Verdict {
        let verdict = self.twin(change, message);
        self.advance(change, verdict, message, bytes);
        if let (Verdict::Accepted, Message::Commit(commit)) = (verdict, message) {
            self.past = self.past.after(commit);
        }
        verdict
    }

    fn twin(&mut self, change: Change, message: &Message) -> Verdict {
        match message {
            Message::Created if self.cursor.next == 0 => Verdict::Created,
            Message::Created | Message::Foreign => Verdict::Skipped(Skip::Foreign),
            Message::TermStarted(_) => Verdict::NewTerm,
            Message::Commit(commit) => self.twin_of_commit(change, commit),
        }
    }

    fn twin_of_commit(&mut self, change: Change, commit: &Commit) -> Verdict {
        let Cursor { term, sequence, chain, .. } = self.cursor;
        if commit.term < term && change != Change::NoZombieSkip {
            return Verdict::Skipped(Skip::Zombie);
        }
        if commit.term > term && change != Change::NoTermAheadStop {
            return Verdict::Stopped;
        }
        if self.in_hole {
            return Verdict::Skipped(Skip::Hole);
        }
        if commit.sequence <= sequence && change != Change::NoDuplicateSkip {
            return Verdict::Skipped(Skip::Duplicate);
        }
        if commit.sequence > sequence + 1 && change != Change::NoHoleSkip {
            self.in_hole = change == Change::StickyHole;
            return Verdict::Skipped(Skip::Hole);
        }
        if commit.prev_hash != chain.0 && change != Change::NoPastCheck {
            return Verdict::Stopped;
        }
        Verdict::Accepted
    }

    fn advance(&mut self, change: Change, verdict: Verdict, message: &Message, bytes: &[u8]) {
        let offset = self.cursor.next;
        let chain = self.cursor.chain;
        let after = match (verdict, message) {
            (Verdict::Stopped, _) => return,
            (Verdict::Accepted, Message::Commit(commit)) => {
                self.cursor.sequence = commit.sequence;
                self.cursor.recorded_at = commit.sequence;
                Some(chain_after(change, chain, offset, bytes))
            }
            (Verdict::NewTerm, _) => {
                self.cursor.term = offset;
                self.in_hole = false;
                Some(chain.after_term(offset, bytes))
            }
            (Verdict::Created, _) => Some(chain.after(bytes)),
            _ => None,
        };
        if let Some(after) = after {
            self.cursor.chain_before = std::mem::replace(&mut self.cursor.chain, after);
            self.cursor.counted = offset;
        }
        self.cursor.next = offset + 1;
    }
}

/// The chain after an accepted commit.
pub(super) fn chain_after(change: Change, chain: Chain, offset: u64, bytes: &[u8]) -> Chain {
    match change {
        Change::ChainOverOffset => chain.after_term(offset, bytes),
        _ => chain.after(bytes),
    }
}

fn decided(module: &mut Reader, bytes: &[u8]) -> Verdict {
    match module.step(module.cursor().next, bytes) {
        Ok(Decision::Created) => Verdict::Created,
        Ok(Decision::NewTerm(_)) => Verdict::NewTerm,
        Ok(Decision::Accepted(_)) => Verdict::Accepted,
        Ok(Decision::Skipped(skip)) => Verdict::Skipped(skip),
        Err(_) => Verdict::Stopped,
    }
}

impl Verdict {
    /// What a run has to have met.
    pub(super) fn seen(self) -> Seen {
        match self {
            Verdict::Created | Verdict::NewTerm => Seen::NewTerm,
            Verdict::Accepted => Seen::Accepted,
            Verdict::Skipped(Skip::Foreign) => Seen::Foreign,
            Verdict::Skipped(Skip::Zombie) => Seen::Zombie,
            Verdict::Skipped(Skip::Duplicate) => Seen::Duplicate,
            Verdict::Skipped(Skip::Hole) => Seen::Hole,
            Verdict::Stopped => Seen::Stopped,
        }
    }
}
