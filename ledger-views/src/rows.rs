//! Rows on their way into a store: one buffer for many, sorted before they are written.

use crate::table::Table;

/// Rows to write together. A later row of the same key replaces the earlier.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    table: Table,
    start: usize,
    key_end: usize,
    end: usize,
}

impl Rows {
    /// Adds a row; the second function writes its value.
    pub fn put(&mut self, table: Table, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        value(&mut self.bytes);
        self.slots.push(Slot { table, start, key_end, end: self.bytes.len() });
    }

    /// Orders the rows by table and key, as a store likes them; rows of one key stay in their order.
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |slot: &Slot| &bytes[slot.start..slot.key_end];
        self.slots.sort_by(|a, b| a.table.cmp(&b.table).then_with(|| key(a).cmp(key(b))));
    }

    /// Each row: its table, key and value.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        self.slots.iter().map(|slot| {
            let key = &self.bytes[slot.start..slot.key_end];
            (slot.table, key, &self.bytes[slot.key_end..slot.end])
        })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Removes all rows; their memory is kept for the next ones.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
    }

    /// Removes the rows after the first `count`, which must stand in the order they were added.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.slots.truncate(count);
        self.bytes.truncate(self.slots.last().map_or(0, |slot| slot.end));
    }
}
