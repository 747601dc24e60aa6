//! What was changed upon the state so far, and can be taken back as far as a mark.

use std::hash::Hash;

use crate::index::Index;

/// Values that stand before those of the state.
pub(super) struct Overlay<K: Eq + Hash, V> {
    values: Index<K, V>,
    /// What stood there before each change since the mark; unset outside of a group, which is most of the
    /// time.
    before: Option<Vec<(K, Option<V>)>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Overlay<K, V> {
    pub(super) fn new() -> Self {
        Overlay { values: Index::default(), before: None }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    pub(super) fn set(&mut self, key: K, value: V) {
        match &mut self.before {
            None => {
                self.values.insert(key, value);
            }
            Some(before) => {
                let was = self.values.insert(key.clone(), value);
                before.push((key, was));
            }
        }
    }

    /// From here on changes can be taken back.
    pub(super) fn mark(&mut self) {
        self.before = Some(Vec::new());
    }

    /// Those since the mark stay.
    pub(super) fn keep(&mut self) {
        self.before = None;
    }

    /// Takes back those since the mark.
    pub(super) fn take_back(&mut self) {
        for (key, was) in self.before.take().into_iter().flatten().rev() {
            match was {
                Some(was) => {
                    self.values.insert(key, was);
                }
                None => self.values.remove(&key),
            }
        }
    }
}
