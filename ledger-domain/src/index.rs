//! Look-up by key, without an order that could reach an event.
#![expect(
    clippy::disallowed_types,
    reason = "a hash map that is never iterated has no order to differ in; its hasher has fixed keys"
)]

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

/// A map that can be asked and changed, not walked. Half the cost of `decide` was comparing names in a
/// tree (docs/performance.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index<K: Eq + Hash, V>(HashMap<K, V, BuildHasherDefault<DefaultHasher>>);

impl<K: Eq + Hash, V> Index<K, V> {
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.get(key)
    }

    /// Returns what stood there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.0.remove(key);
    }
}

impl<K: Eq + Hash, V> Default for Index<K, V> {
    fn default() -> Self {
        Index(HashMap::default())
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for Index<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        Index(pairs.into_iter().collect())
    }
}
