//! What became of metadata, and the accounts that are found by it.

use fastrand::Rng;
use ledger_proto::v1;

use super::{Level, Reads};
use crate::model::{Book, noted};
use crate::request::Texts;
use crate::summary::Summary;
use crate::workload::{KEYS, VALUES};

impl Reads<'_> {
    /// All pages of what became of the metadata of a ledger or an account.
    pub(super) fn metadata_history(
        &self,
        ledger: &str,
        book: &Book,
        account: Option<&str>,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let (parent, noted, made) = match account {
            None => (format!("ledgers/{ledger}"), &book.noted, book.created),
            Some(name) => {
                let account = &book.accounts[name];
                (format!("ledgers/{ledger}/accounts/{name}"), &account.noted, account.opened)
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
            due.push((self.position(*place), changes(before, now)));
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
            terms.iter().all(|(key, value)| now.get(*key).is_some_and(|it| it == value))
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
}

/// By key, all that differs.
fn changes(before: &Texts, now: &Texts) -> Vec<v1::MetadataChange> {
    let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
    keys.sort();
    keys.dedup();
    let entry = |of: &Texts, key: &String| {
        of.get(key).map(|text| v1::MetadataEntry {
            key: key.clone(),
            value: Some(v1::metadata_entry::Value::Plain(text.clone())),
        })
    };
    let differing = keys.into_iter().filter(|key| before.get(*key) != now.get(*key));
    differing
        .map(|key| v1::MetadataChange { before: entry(before, key), after: entry(now, key) })
        .collect()
}
