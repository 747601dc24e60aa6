//! Metadata: every version of all that is noted, in a list.

use std::collections::BTreeSet;

use super::shape::name;
use super::{Book, Place};
use crate::request::{Note, Texts};

/// All that is noted from each place on, ascending; nothing before the first.
pub(crate) type Noted = Vec<(Place, Texts)>;

/// The code of what is wrong with values by key.
pub(super) fn shape(metadata: &Texts) -> Option<u32> {
    let malformed = |(key, value): (&String, &String)| !is_key(key) || value.is_empty();
    if metadata.iter().any(malformed) {
        return Some(101);
    }
    let too_long = metadata.len() > 32 || metadata.values().any(|value| value.len() > 256);
    too_long.then_some(107)
}

/// The code of what is wrong with an update.
pub(super) fn update_shape(note: &Note) -> Option<u32> {
    let Note { of: _, set, remove } = note;
    let once: BTreeSet<&String> = remove.iter().collect();
    let nothing = set.is_empty() && remove.is_empty();
    let clash = once.len() < remove.len() || remove.iter().any(|key| set.contains_key(key));
    if nothing || clash || !remove.iter().all(|key| is_key(key)) {
        return Some(101);
    }
    shape(set).or((remove.len() > 32).then_some(107))
}

fn is_key(key: &str) -> bool {
    name(key, 64, "_.:-")
}

/// What is noted as of a place, and since when.
pub(crate) fn noted(of: &Noted, at: Place) -> Option<&(Place, Texts)> {
    of.iter().rfind(|(place, _)| *place <= at)
}

/// Two updates ask the same: keys are removed in no order.
pub(super) fn same(a: &Note, b: &Note) -> bool {
    let keys = |note: &Note| note.remove.iter().cloned().collect::<BTreeSet<String>>();
    a.of == b.of && a.set == b.set && keys(a) == keys(b)
}

impl Note {
    fn upon(&self, before: &Noted) -> Texts {
        let mut now = before.last().map(|(_, now)| now.clone()).unwrap_or_default();
        self.remove.iter().for_each(|key| drop(now.remove(key)));
        now.extend(self.set.clone());
        now
    }
}

impl Book {
    /// The code of why an update is refused.
    pub(super) fn notes(&self, note: &Note) -> Option<u32> {
        let before = match &note.of {
            None => &self.noted,
            Some(name) => match self.accounts.get(name) {
                None => return Some(212),
                Some(account) => &account.noted,
            },
        };
        (note.upon(before).len() > 32).then_some(240)
    }

    pub(super) fn note(&mut self, note: &Note, place: Place) {
        let noted = match &note.of {
            None => Some(&mut self.noted),
            Some(name) => self.accounts.get_mut(name).map(|account| &mut account.noted),
        };
        if let Some(noted) = noted {
            let now = note.upon(noted);
            noted.push((place, now));
        }
    }
}

/// Of something that is created with it.
pub(super) fn created(metadata: &Texts, place: Place) -> Noted {
    if metadata.is_empty() { Vec::new() } else { vec![(place, metadata.clone())] }
}
