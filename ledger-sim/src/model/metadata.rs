//! Metadata: every version of all that is noted, in a list.

use std::collections::BTreeSet;

use super::customer::Person;
use super::shape::{id_read, name};
use super::{Book, Decided, Place, canonical_id};
use crate::request::{Note, NoteOf, Text, Texts};

/// All that is noted from each place on, ascending; nothing before the first.
pub(crate) type Noted = Vec<(Place, Texts)>;

/// The code of what is wrong with values by key.
pub(super) fn shape(metadata: &Texts) -> Option<u32> {
    let malformed = |(key, Text { of, text }): (&String, &Text)| {
        !is_key(key) || text.is_empty() || of.as_ref().is_some_and(|of| !is_key(of))
    };
    if metadata.iter().any(malformed) {
        return Some(101);
    }
    let too_long = metadata.len() > 32 || metadata.values().any(|it| it.text.len() > 256);
    too_long.then_some(107)
}

/// The code of what is wrong with an update.
pub(super) fn update_shape(note: &Note) -> Option<u32> {
    let Note { of, set, remove } = note;
    let named = match of {
        NoteOf::Ledger => true,
        NoteOf::Account(account) => name(account, 128, "_.:-"),
        NoteOf::Transfer(transfer) => id_read(transfer),
    };
    let once: BTreeSet<&String> = remove.iter().collect();
    let nothing = set.is_empty() && remove.is_empty();
    let clash = once.len() < remove.len() || remove.iter().any(|key| set.contains_key(key));
    if !named || nothing || clash || !remove.iter().all(|key| is_key(key)) {
        return Some(101);
    }
    shape(set).or((remove.len() > 32).then_some(107))
}

/// Names of customers are as keys are.
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
    let of = |note: &Note| match &note.of {
        NoteOf::Transfer(id) => NoteOf::Transfer(canonical_id(id)),
        of => of.clone(),
    };
    of(a) == of(b) && a.set == b.set && keys(a) == keys(b)
}

impl Note {
    fn upon(&self, before: &Texts) -> Texts {
        let mut now = before.clone();
        self.remove.iter().for_each(|key| drop(now.remove(key)));
        now.extend(self.set.clone());
        now
    }
}

impl Decided {
    /// All that was ever noted of it: what it was made with, and each update. Nothing of a refused one.
    pub(crate) fn noted(&self) -> Noted {
        let made = created(&self.asked.metadata, self.first.place);
        let accepted = made.into_iter().filter(|_| self.moved.is_some());
        accepted.chain(self.updates.iter().cloned()).collect()
    }

    /// What is noted of it as of a place; of a refused one, what it was asked with.
    pub(crate) fn noted_at(&self, at: Place) -> &Texts {
        noted(&self.updates, at).map_or(&self.asked.metadata, |(_, now)| now)
    }
}

impl Book {
    /// The code of why an update is refused.
    pub(super) fn notes(&self, note: &Note) -> Option<u32> {
        if let NoteOf::Account(name) = &note.of
            && !self.accounts.contains_key(name)
        {
            return Some(212);
        }
        if let Err(code) = self.may_seal([&note.set], None) {
            return Some(code);
        }
        let nothing = Texts::new();
        let before = match &note.of {
            NoteOf::Ledger => last(&self.noted).unwrap_or(&nothing),
            NoteOf::Account(name) => last(&self.accounts[name].noted).unwrap_or(&nothing),
            NoteOf::Transfer(id) => {
                let decided = self.transfers.get(&canonical_id(id));
                match decided.filter(|decided| decided.moved.is_some()) {
                    Some(decided) => decided.noted_at((u64::MAX, u32::MAX)),
                    None => return Some(220),
                }
            }
        };
        (note.upon(before).len() > 32).then_some(240)
    }

    pub(super) fn note(&mut self, note: &Note, place: Place) {
        let (noted, asked) = match &note.of {
            NoteOf::Ledger => (&mut self.noted, None),
            NoteOf::Account(name) => match self.accounts.get_mut(name) {
                Some(account) => (&mut account.noted, None),
                None => return,
            },
            NoteOf::Transfer(id) => match self.transfers.get_mut(&canonical_id(id)) {
                Some(decided) => (&mut decided.updates, Some(&decided.asked.metadata)),
                None => return,
            },
        };
        let nothing = Texts::new();
        let now = note.upon(last(noted).or(asked).unwrap_or(&nothing));
        noted.push((place, now));
    }

    /// Whether all customers whom something is sealed for are there, and not erased; the one who is registered with
    /// it is there by then.
    pub(super) fn may_seal<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a Texts>,
        registered: Option<&str>,
    ) -> Result<(), u32> {
        let sealed = texts.into_iter().flat_map(Texts::values);
        let others =
            sealed.filter_map(|it| it.of.as_ref()).filter(|of| Some(of.as_str()) != registered);
        let others: Vec<Option<&Person>> = others.map(|of| self.customers.get(of)).collect();
        if others.iter().any(Option::is_none) {
            return Err(251);
        }
        if others.into_iter().flatten().any(Person::is_erased) { Err(252) } else { Ok(()) }
    }

    /// What of it is still noted of what a schedule posts.
    pub(super) fn still_sealed(&self, texts: &Texts) -> Texts {
        let gone = |it: &Text| {
            let person = it.of.as_ref().and_then(|of| self.customers.get(of));
            person.is_some_and(Person::is_erased)
        };
        let kept = texts.iter().filter(|(_, text)| !gone(text));
        kept.map(|(key, text)| (key.clone(), text.clone())).collect()
    }
}

fn last(of: &Noted) -> Option<&Texts> {
    of.last().map(|(_, now)| now)
}

/// Of something that is created with it.
pub(super) fn created(metadata: &Texts, place: Place) -> Noted {
    if metadata.is_empty() { Vec::new() } else { vec![(place, metadata.clone())] }
}
