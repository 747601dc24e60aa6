//! Where the newest commits that count stand.

use std::collections::VecDeque;

/// Offsets of the newest commits that count, by sequence.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    first: u64,
    offsets: VecDeque<u64>,
}

impl Offsets {
    pub(super) fn restart(&mut self, first: u64) {
        *self = Offsets { first, offsets: VecDeque::new() };
    }

    pub(super) fn push(&mut self, sequence: u64, offset: u64) {
        let next = self.first + u64::try_from(self.offsets.len()).unwrap_or(u64::MAX);
        assert_eq!(sequence, next, "sequences are gapless");
        self.offsets.push_back(offset);
    }

    pub(super) fn find(&self, sequence: u64) -> Option<u64> {
        let place = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.offsets.get(place).copied()
    }

    /// # Panics
    /// For a commit that does not count or was forgotten.
    pub(super) fn get(&self, sequence: u64) -> u64 {
        match self.find(sequence) {
            Some(offset) => offset,
            None => panic!("a reply leaves once its commits count: sequence {sequence}"),
        }
    }

    /// Forgets what the id store has, but keeps this many.
    pub(super) fn prune(&mut self, followed: u64, kept: usize) {
        while self.first <= followed && self.offsets.len() > kept {
            self.offsets.pop_front();
            self.first += 1;
        }
    }
}
