//! What became of metadata, and the accounts that are found by it.

use fastrand::Rng;
use ledger_proto::v1;

use super::{Level, Reads};
use crate::model::{Book, Decided, noted};
use crate::request::{NoteOf, Text, Texts};
use crate::summary::Summary;
use crate::workload::{KEYS, VALUES};

impl Reads<'_> {
    /// A transfer, mostly one whose metadata was updated: by itself, or what became of its metadata.
    pub(super) fn noted_transfer(
        &self,
        ledger: &str,
        book: &Book,
        level: Level,
        rng: &mut Rng,
    ) -> Result<String, String> {
        let is_updated = |(_, it): &(&String, &Decided)| !it.updates.is_empty();
        let mut ids: Vec<&String> =
            book.transfers.iter().filter(is_updated).map(|(id, _)| id).collect();
        if ids.is_empty() || rng.u32(0..6) == 0 {
            ids = book.transfers.keys().collect();
        }
        let id = ids[rng.usize(0..ids.len())];
        if rng.u32(0..3) == 0 {
            return self.transfer(ledger, id, level);
        }
        self.metadata_history(ledger, book, &NoteOf::Transfer(id.clone()), level, rng.i32(1..4))
    }

    /// All pages of what became of the metadata of a ledger, an account or a transfer.
    pub(super) fn metadata_history(
        &self,
        ledger: &str,
        book: &Book,
        of: &NoteOf,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let (parent, noted, made) = match of {
            NoteOf::Ledger => (format!("ledgers/{ledger}"), book.noted.clone(), book.created),
            NoteOf::Account(name) => {
                let account = &book.accounts[name];
                let parent = format!("ledgers/{ledger}/accounts/{name}");
                (parent, account.noted.clone(), account.opened)
            }
            NoteOf::Transfer(id) => {
                let decided = &book.transfers[id];
                let parent = format!("ledgers/{ledger}/transfers/{id}");
                (parent, decided.noted(), decided.first.place)
            }
        };
        let consistency = Some(level.wire());
        let mut request = v1::ListMetadataHistoryRequest {
            parent: parent.clone(),
            consistency,
            page_size,
            ..Default::default()
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_metadata_history(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, made),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.updates.into_iter().map(|it| (it.position, it.changes)));
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let (mut due, mut before) = (Vec::new(), &Texts::new());
        for (place, now) in noted.iter().filter(|(place, _)| *place <= bound) {
            due.push((self.position(*place), self.changes(ledger, before, now)));
            before = now;
        }
        due.reverse();
        if read != due {
            return Err(format!("metadata of {parent}: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} updates of metadata of {parent} at {bound:?}", due.len()))
    }

    /// All pages of the accounts that have one value, or two.
    pub(super) fn found(
        &self,
        ledger: &str,
        book: &Book,
        level: Level,
        rng: &mut Rng,
        summary: &mut Summary,
    ) -> Result<String, String> {
        let term = |rng: &mut Rng| (KEYS[rng.usize(0..4)], VALUES[rng.usize(0..4)]);
        let terms: Vec<_> = (0..rng.u32(1..3)).map(|_| term(rng)).collect();
        let quoted = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"");
        let said =
            terms.iter().map(|(key, value)| format!("metadata.{key} = \"{}\"", quoted(value)));
        let filter = said.collect::<Vec<_>>().join(" AND ");
        let mut request = v1::ListAccountsRequest {
            parent: format!("ledgers/{ledger}"),
            consistency: Some(level.wire()),
            page_size: rng.i32(1..4),
            filter: filter.clone(),
            ..Default::default()
        };
        let mut read = Vec::new();
        let bound = loop {
            let response = match self.query.list_accounts(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, book.created),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            read.extend(response.accounts);
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let is_so = |now: &Texts| {
            terms.iter().all(|(key, value)| now.get(*key) == Some(&Text::plain(value)))
        };
        let found = book
            .accounts
            .iter()
            .filter(|(_, account)| noted(&account.noted, bound).is_some_and(|(_, now)| is_so(now)));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(_, account)| account.opened);
        let due: Vec<_> = found
            .into_iter()
            .map(|(name, account)| self.wire_account(ledger, book, name, account, bound))
            .collect();
        if read != due {
            return Err(format!("accounts with {filter}: due {due:?}, read {read:?}"));
        }
        if !due.is_empty() {
            summary.note(if terms.len() == 1 { "read.found" } else { "read.found_by_two" });
        }
        Ok(format!("{} accounts with {filter} at {bound:?}", due.len()))
    }

    /// By key, all that differs.
    fn changes(&self, ledger: &str, before: &Texts, now: &Texts) -> Vec<v1::MetadataChange> {
        let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
        keys.sort();
        keys.dedup();
        let entry =
            |of: &Texts, key: &String| of.get(key).map(|it| self.metadata_entry(ledger, key, it));
        let differing = keys.into_iter().filter(|key| before.get(*key) != now.get(*key));
        differing
            .map(|key| v1::MetadataChange { before: entry(before, key), after: entry(now, key) })
            .collect()
    }
}
