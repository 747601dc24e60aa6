//! Customers, as names and texts.

use std::collections::{BTreeMap, BTreeSet};

use super::shape::name;
use super::{Account, Book, Bound, Place, metadata};
use crate::request::{Customer, NewAccount};

/// What is kept of a person; `None` once erased.
pub(crate) type Kept = Option<BTreeMap<String, String>>;

/// A customer that was registered.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) accounts: Vec<String>,
    /// Where it changed, and to what; the first is that it was registered.
    pub(crate) kept: Vec<(Place, Kept)>,
}

impl Person {
    pub(crate) fn registered(&self) -> Place {
        self.kept[0].0
    }

    fn now(&self) -> &Kept {
        &self.kept[self.kept.len() - 1].1
    }

    pub(crate) fn is_erased(&self) -> bool {
        self.now().is_none()
    }
}

/// What is malformed of a request about a customer; the second is what comes after what it depends on.
pub(super) fn shape(asked: &Customer) -> (bool, bool) {
    let key = |text: &str| name(text, 64, "_.:-");
    let values = |values: &[(String, String)]| {
        let sound = |(of, value): &(String, String)| key(of) && !value.is_empty();
        values.iter().all(sound)
    };
    let long = |values: &[(String, String)]| {
        values.len() > 32 || values.iter().any(|(_, value)| value.len() > 256)
    };
    let named = name(asked.name(), 64, "_.:-");
    match asked {
        Customer::Register { accounts, profile, .. } => {
            let names: BTreeSet<&String> = accounts.iter().map(|it| &it.name).collect();
            let noted = |it: &NewAccount| metadata::shape(&it.metadata);
            let sound = |it: &NewAccount| {
                let named = name(&it.name, 128, "_.:-");
                named && (1..=5).contains(&it.kind) && noted(it) != Some(101)
            };
            let each = names.len() == accounts.len() && accounts.iter().all(sound);
            let too_long = long(profile) || accounts.iter().any(|it| noted(it).is_some());
            (!(named && each && accounts.len() <= 16 && values(profile)), too_long)
        }
        Customer::Update { set, remove, .. } => {
            let apart = set.iter().all(|(of, _)| !remove.contains(of));
            let some = !(set.is_empty() && remove.is_empty());
            let sound = values(set) && remove.iter().all(|of| key(of));
            (!(named && apart && some && sound), long(set))
        }
        Customer::Erase { .. } => (!named, false),
    }
}

/// In any order, and removed once or twice.
pub(super) fn same(a: &Customer, b: &Customer) -> bool {
    let values = |values: &[(String, String)]| values.iter().cloned().collect::<BTreeMap<_, _>>();
    let keys = |keys: &[String]| keys.iter().cloned().collect::<BTreeSet<_>>();
    match (a, b) {
        (
            Customer::Register { name: a, accounts, profile },
            Customer::Register { name: b, accounts: b_accounts, profile: b_profile },
        ) => a == b && accounts == b_accounts && values(profile) == values(b_profile),
        (
            Customer::Update { name: a, set, remove },
            Customer::Update { name: b, set: b_set, remove: b_remove },
        ) => a == b && values(set) == values(b_set) && keys(remove) == keys(b_remove),
        (a, b) => a == b,
    }
}

impl Book {
    /// What is wrong with it now.
    pub(super) fn refuses(&self, asked: &Customer) -> Option<u32> {
        let person = self.customers.get(asked.name());
        match (asked, person.map(Person::now)) {
            (Customer::Register { .. }, Some(_)) => Some(250),
            (Customer::Register { accounts, .. }, None)
                if accounts.iter().any(|it| self.accounts.contains_key(&it.name)) =>
            {
                Some(204)
            }
            (Customer::Register { name, accounts, .. }, None) => {
                self.may_seal(accounts.iter().map(|it| &it.metadata), Some(name)).err()
            }
            (_, None) => Some(251),
            (_, Some(None)) => Some(252),
            (Customer::Update { set, remove, .. }, Some(Some(kept))) => {
                (changed(kept, set, remove).len() > 32).then_some(240)
            }
            (Customer::Erase { .. }, Some(Some(_))) => None,
        }
    }

    pub(super) fn does(&mut self, asked: &Customer, place: Place) {
        if let Customer::Register { name, accounts, profile } = asked {
            for NewAccount { name, kind, metadata } in accounts {
                let rules = vec![(place, Bound::default())];
                let (statuses, noted) = (Vec::new(), metadata::created(metadata, place));
                let opened = Account { opened: place, kind: *kind, rules, statuses, noted };
                self.accounts.insert(name.clone(), opened);
            }
            let accounts = accounts.iter().map(|it| it.name.clone()).collect();
            let kept = vec![(place, Some(profile.iter().cloned().collect()))];
            self.customers.insert(name.clone(), Person { accounts, kept });
            return;
        }
        let Some(person) = self.customers.get_mut(asked.name()) else { return };
        let next = match (asked, person.now()) {
            (Customer::Update { set, remove, .. }, Some(kept)) => Some(changed(kept, set, remove)),
            _ => None,
        };
        person.kept.push((place, next));
    }

    /// Whose an account is.
    pub(crate) fn customer_of(&self, account: &str) -> Option<&String> {
        let mut owners = self.customers.iter();
        owners.find(|(_, it)| it.accounts.iter().any(|of| of == account)).map(|(name, _)| name)
    }
}

fn changed(
    kept: &BTreeMap<String, String>,
    set: &[(String, String)],
    remove: &[String],
) -> BTreeMap<String, String> {
    let mut kept = kept.clone();
    kept.retain(|key, _| !remove.contains(key));
    kept.extend(set.iter().cloned());
    kept
}
