//! What queries answer against the model, at the position that the answer states.

mod alerts;
mod customers;
mod holds;
mod metadata;
mod schedules;
mod sealed;
mod transfers;

use std::cell::RefCell;

use fastrand::Rng;
use ledger_domain::Position;
use ledger_keys::KeyStore;
use ledger_proto::{time, v1};
use ledger_query::{Query, QueryError};

use crate::model::{Account, Book, Bound, Counters, EXPIRY, Place, Status, Version, noted};
use crate::oracle::{Commit, Oracle};
use crate::request::{NoteOf, plain};
use crate::summary::Summary;
use crate::world::Ends;
use sealed::noted_at;

/// A state that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    Latest,
    AtLeast(Position),
    AsOf(Position),
    AsOfTime(i64),
}

impl Level {
    /// At random; positions and instants are of commits that the oracle knows.
    pub(crate) fn random(rng: &mut Rng, partition: u32, commits: &[Commit]) -> Self {
        if commits.is_empty() {
            return Level::Latest;
        }
        let commit = commits[rng.usize(0..commits.len())];
        let whole = Position::commit(partition, commit.offset);
        match rng.u32(0..10) {
            0..2 => Level::Latest,
            2 => Level::AtLeast(whole),
            3..5 => Level::AsOf(whole),
            5..7 => {
                let index = rng.u32(0..commit.width);
                Level::AsOf(Position::event(partition, commit.offset, index))
            }
            // Any record of the past, counted or not.
            7 => Level::AsOf(Position::commit(partition, rng.u64(0..=commit.offset))),
            _ => Level::AsOfTime(commit.recorded_at + rng.i64(-1..=1)),
        }
    }

    fn wire(self) -> v1::Consistency {
        use v1::as_of::When;
        use v1::consistency::Level as Wire;
        let as_of = |when| Wire::AsOf(v1::AsOf { when: Some(when) });
        let level = match self {
            Level::Latest => Wire::Latest(()),
            Level::AtLeast(at) => Wire::AtLeast(at.to_string()),
            Level::AsOf(at) => as_of(When::Position(at.to_string())),
            Level::AsOfTime(at) => as_of(When::Timestamp(time::to_wire(at))),
        };
        v1::Consistency { level: Some(level) }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Latest => "read.latest",
            Level::AtLeast(_) => "read.at_least",
            Level::AsOf(_) => "read.as_of_position",
            Level::AsOfTime(_) => "read.as_of_instant",
        }
    }
}

/// Reads one partition through one process, and compares.
#[derive(Debug)]
pub(crate) struct Reads<'a> {
    pub(crate) query: &'a Query,
    pub(crate) oracle: &'a Oracle,
    pub(crate) ends: &'a Ends,
    /// Offset of the last record that the view has.
    pub(crate) applied: u64,
    /// Ledger, account and version of what was read, for clients to act upon.
    pub(crate) versions: RefCell<Vec<(String, String, u64)>>,
    /// Ledger and id of accepted transfers that were read, likewise.
    pub(crate) transfers: RefCell<Vec<(String, String)>>,
    /// Which keys were destroyed.
    pub(crate) keys: &'a dyn KeyStore,
    /// What came up in answers.
    pub(crate) seen: RefCell<Summary>,
}

impl Reads<'_> {
    /// Some read of a random thing at this level; what was read, for the record.
    pub(crate) fn random(
        &self,
        rng: &mut Rng,
        level: Level,
        summary: &mut Summary,
    ) -> Result<String, String> {
        let ids = self.oracle.transfer_ids();
        let names: Vec<(&String, &Book)> = self.oracle.model.books.iter().collect();
        if names.is_empty() {
            return Ok("nothing to read".into());
        }
        let (ledger, book) = names[rng.usize(0..names.len())];
        let accounts: Vec<&String> = book.accounts.keys().collect();
        let read = match rng.u32(0..26) {
            number @ 16.. => self.of_accounts(rng, number, (ledger, book), level, summary),
            13 => self.sagas(ledger, book, level, rng.i32(1..4)),
            12 => {
                let account =
                    rng.choice(&accounts).filter(|_| rng.bool()).map(|name| name.as_str());
                self.holds(ledger, book, account, level, rng.i32(1..5))
            }
            14 => self.schedules(ledger, book, level, rng.i32(1..4)),
            15 if !book.schedules.is_empty() => {
                let schedules: Vec<&String> = book.schedules.keys().collect();
                self.schedule(ledger, book, schedules[rng.usize(0..schedules.len())], level)
            }
            10 => self.ledger(ledger, book, level),
            11 if book.transfers.values().any(Reads::is_saga) => {
                let sagas = book.transfers.iter().filter(|(_, of)| Reads::is_saga(of));
                let sagas: Vec<&String> = sagas.map(|(id, _)| id).collect();
                self.saga(ledger, sagas[rng.usize(0..sagas.len())], level)
            }
            0..2 if !ids.is_empty() => {
                let (ledger, id) = &ids[rng.usize(0..ids.len())];
                self.transfer(ledger, id, level)
            }
            2 if !book.entries.is_empty() => {
                let entries: Vec<&String> = book.entries.keys().collect();
                self.journal_entry(ledger, entries[rng.usize(0..entries.len())], level)
            }
            2..4 => self.accounts(ledger, book, level, rng.i32(1..5)),
            4..7 if !book.balances.is_empty() => {
                let keys: Vec<_> = book.balances.keys().collect();
                let (account, asset) = keys[rng.usize(0..keys.len())];
                self.entries(ledger, book, (account, asset), level, rng.i32(1..6))
            }
            _ if !accounts.is_empty() => {
                let account = accounts[rng.usize(0..accounts.len())];
                self.balance(ledger, book, account, level)
            }
            _ => return Ok("nothing to read".into()),
        };
        match read {
            Ok(what) => {
                summary.note(level.name());
                Ok(what)
            }
            Err(what) => Err(format!("a read at {level:?} of {ledger}: {what}")),
        }
    }

    /// Customers, alerts and metadata.
    fn of_accounts(
        &self,
        rng: &mut Rng,
        number: u32,
        (ledger, book): (&str, &Book),
        level: Level,
        summary: &mut Summary,
    ) -> Result<String, String> {
        let accounts: Vec<&String> = book.accounts.keys().collect();
        let account = rng.choice(&accounts).map(|name| name.as_str());
        match (number, account) {
            (16, Some(account)) if rng.bool() => {
                self.alerts(ledger, book, account, level, rng.i32(1..4))
            }
            (16, Some(account)) => self.crossings(ledger, book, account, level, rng.i32(1..4)),
            (18, _) if !book.alerts.is_empty() => {
                let alerts: Vec<_> = book.alerts.keys().collect();
                let (account, id) = alerts[rng.usize(0..alerts.len())];
                self.alert(ledger, book, (account, id), level)
            }
            (19, _) => self.customers(ledger, book, level, rng.i32(1..4)),
            (20, _) if !book.customers.is_empty() => {
                let customers: Vec<&String> = book.customers.keys().collect();
                self.customer(ledger, book, customers[rng.usize(0..customers.len())], level)
            }
            (21 | 22, _) => {
                let account = account.filter(|_| number == 22).map(str::to_owned);
                let of = account.map_or(NoteOf::Ledger, NoteOf::Account);
                self.metadata_history(ledger, book, &of, level, rng.i32(1..4))
            }
            (24.., _) if !book.transfers.is_empty() => {
                self.noted_transfer(ledger, book, level, rng)
            }
            (23, _) => self.found(ledger, book, level, rng, summary),
            _ => self.raised(ledger, book, level, rng.i32(1..4)),
        }
    }

    /// Compares the state that an answer states with the one that was asked for; its bound.
    fn read_at(&self, level: Level, read_at: Option<&v1::ReadAt>) -> Result<Place, String> {
        let read_at = read_at.ok_or("an answer without a position")?;
        let position: Position =
            read_at.position.parse().map_err(|_| format!("read_at {read_at:?}"))?;
        let bound = position.bound();
        let end = (self.applied, u32::MAX);
        let of_time = |instant| {
            let commits = &self.oracle.commits;
            let seen = |c: &&Commit| c.recorded_at <= instant && c.offset <= self.applied;
            commits.iter().rev().find(seen).map_or((0, u32::MAX), |c| (c.offset, u32::MAX))
        };
        let right = match level {
            Level::Latest => bound == end,
            Level::AtLeast(asked) => bound == end && bound >= asked.bound(),
            Level::AsOf(asked) => bound == asked.bound(),
            Level::AsOfTime(instant) => bound == of_time(instant),
        };
        if !right {
            return Err(format!("read at {position}, the view has {}", self.applied));
        }
        self.is_as_fresh_as_it_says(read_at)?;
        if let (Level::AsOfTime(instant), true) = (level, read_at.r#final) {
            let later = |c: &Commit| c.recorded_at > instant && c.offset <= self.applied;
            if !self.oracle.commits.iter().any(later) {
                return Err(format!("final at {position}, but no later commit is applied"));
            }
        }
        Ok(bound)
    }

    /// Nothing that the log had at the instant that an answer states is missing in the view.
    fn is_as_fresh_as_it_says(&self, read_at: &v1::ReadAt) -> Result<(), String> {
        let next = self.applied + 1;
        let Some(at) = &read_at.caught_up_at else { return Ok(()) };
        let at = time::from_wire(at).ok_or("no instant")?;
        let ends = self.ends.get(&at).ok_or("an instant at which the log said nothing")?;
        let (end, _) = ends[self.oracle.partition() as usize];
        if end > next {
            return Err(format!("caught up at {at}, when the log ended at {end}, with {next}"));
        }
        let known = self.ends.values().map(|ends| ends[self.oracle.partition() as usize].1);
        if next + read_at.records_behind > known.max().unwrap_or(0).max(next) {
            return Err(format!("{} records behind at {next}", read_at.records_behind));
        }
        Ok(())
    }

    /// An answer that there is no such thing, where the model has none at that state either.
    fn nothing(&self, level: Level, error: &QueryError, made: Place) -> Result<String, String> {
        let future = match level {
            Level::AtLeast(at) | Level::AsOf(at) => at.offset > self.applied,
            Level::Latest | Level::AsOfTime(_) => false,
        };
        match error {
            QueryError::Behind { .. } | QueryError::Future { .. } if future => {
                Ok(format!("the view has {} only", self.applied))
            }
            QueryError::NotFound { at, .. } if at.bound() < made => Ok("not there yet".into()),
            error => Err(format!("{error} (it was made at {made:?})")),
        }
    }

    fn balance(
        &self,
        ledger: &str,
        book: &Book,
        name: &str,
        level: Level,
    ) -> Result<String, String> {
        let account = &book.accounts[name];
        let request = v1::GetBalanceRequest {
            name: format!("ledgers/{ledger}/accounts/{name}"),
            consistency: Some(level.wire()),
        };
        let response = match self.query.get_balance(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, account.opened),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let mut due = Vec::new();
        for ((_, asset), versions) in book.balances.iter().filter(|((of, _), _)| of == name) {
            if let Some(version) = versions.iter().rev().find(|version| version.place <= bound) {
                due.push(self.wire_balance(book, asset, account, version));
            }
        }
        if response.balances != due {
            return Err(format!("{name} has {due:?}, read {:?}", response.balances));
        }
        let version = self.oracle.model.version(book, name, bound);
        if response.version != version {
            return Err(format!("{name} has version {version}, read {}", response.version));
        }
        self.versions.borrow_mut().push((ledger.to_owned(), name.to_owned(), version));
        Ok(format!("balance of {name} at {bound:?}"))
    }

    fn wire_balance(&self, book: &Book, asset: &str, of: &Account, at: &Version) -> v1::Balance {
        let scale = book.assets[asset].0;
        let Counters { debits, credits, debits_pending, credits_pending } = at.counters;
        let debit_normal = of.kind == 1 || of.kind == 5;
        let (plus, minus) = if debit_normal { (debits, credits) } else { (credits, debits) };
        let sign = if minus > plus { "-" } else { "" };
        let Version { place: (offset, index), .. } = *at;
        v1::Balance {
            asset: asset.to_owned(),
            debits_posted: decimal_string(debits, scale),
            credits_posted: decimal_string(credits, scale),
            debits_pending: decimal_string(debits_pending, scale),
            credits_pending: decimal_string(credits_pending, scale),
            balance: format!("{sign}{}", decimal_string(plus.abs_diff(minus), scale)),
            position: Position::event(self.oracle.partition(), offset, index).to_string(),
        }
    }

    fn ledger(&self, ledger: &str, book: &Book, level: Level) -> Result<String, String> {
        let (name, consistency) = (format!("ledgers/{ledger}"), Some(level.wire()));
        let request = v1::GetLedgerRequest { name: name.clone(), consistency };
        let response = match self.query.get_ledger(&request) {
            Ok(response) => response,
            Err(error) => return self.nothing(level, &error, book.created),
        };
        let bound = self.read_at(level, response.read_at.as_ref())?;
        let locked = book.lock(bound);
        let due = v1::Ledger {
            name,
            position: self.position(book.created),
            locked_before: locked.and_then(|(_, before)| before).map(time::to_wire),
            locked_position: locked.map(|(place, _)| self.position(place)).unwrap_or_default(),
            sealed_metadata: self.sealed(ledger, noted_at(&book.noted, bound)),
            metadata: plain(noted_at(&book.noted, bound)),
            metadata_position: noted(&book.noted, bound)
                .map(|(place, _)| self.position(*place))
                .unwrap_or_default(),
        };
        if response.ledger.as_ref() != Some(&due) {
            return Err(format!("ledger: due {due:?}, read {:?}", response.ledger));
        }
        Ok(format!("ledger {ledger} at {bound:?}"))
    }

    /// All pages of a statement: each entry and the balance after it, newest first.
    fn entries(
        &self,
        ledger: &str,
        book: &Book,
        (name, asset): (&str, &str),
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let account = &book.accounts[name];
        let mut request = v1::ListEntriesRequest {
            parent: format!("ledgers/{ledger}/accounts/{name}"),
            asset: asset.to_owned(),
            consistency: Some(level.wire()),
            page_size,
            page_token: String::new(),
        };
        let mut read = Vec::new();
        let bound = loop {
            let made = account.opened.max(book.assets[asset].1);
            let response = match self.query.list_entries(&request) {
                Ok(response) => response,
                Err(error) => return self.nothing(level, &error, made),
            };
            let bound = self.read_at(level, response.read_at.as_ref())?;
            for entry in response.entries {
                let kind = entry.kind;
                let metadata = (entry.metadata, entry.sealed_metadata);
                read.push((entry.position, entry.transfer, kind, entry.balance, metadata));
            }
            if response.next_page_token.is_empty() {
                break bound;
            }
            request.page_token = response.next_page_token;
        };
        let versions = &book.balances[&(name.to_owned(), asset.to_owned())];
        let seen = versions.iter().rev().filter(|version| version.place <= bound);
        let due: Vec<_> = seen
            .map(|version| {
                let (offset, index) = version.place;
                let position = Position::event(self.oracle.partition(), offset, index);
                let transfer = format!("ledgers/{ledger}/transfers/{}", version.transfer);
                let balance = self.wire_balance(book, asset, account, version);
                let metadata = match version.kind {
                    // An expiry has no transfer of its own.
                    EXPIRY => Default::default(),
                    _ => {
                        let noted = book.transfers[&version.transfer].noted_at(bound);
                        (plain(noted), self.sealed(ledger, noted))
                    }
                };
                (position.to_string(), transfer, version.kind, Some(balance), metadata)
            })
            .collect();
        if read != due {
            return Err(format!("entries of {name} {asset}: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} entries of {name} {asset} at {bound:?}", due.len()))
    }

    fn accounts(
        &self,
        ledger: &str,
        book: &Book,
        level: Level,
        page_size: i32,
    ) -> Result<String, String> {
        let mut request = v1::ListAccountsRequest {
            parent: format!("ledgers/{ledger}"),
            consistency: Some(level.wire()),
            page_size,
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
        let seen = book.accounts.iter().filter(|(_, account)| account.opened <= bound);
        let due: Vec<_> = seen
            .map(|(name, account)| self.wire_account(ledger, book, name, account, bound))
            .collect();
        if read != due {
            return Err(format!("accounts: due {due:?}, read {read:?}"));
        }
        Ok(format!("{} accounts of {ledger} at {bound:?}", due.len()))
    }

    fn wire_account(
        &self,
        ledger: &str,
        book: &Book,
        name: &str,
        account: &Account,
        at: Place,
    ) -> v1::Account {
        let position =
            |(offset, index)| Position::event(self.oracle.partition(), offset, index).to_string();
        let changed = account.status(at);
        let status = match changed {
            None | Some((_, Status::Open)) => v1::AccountStatus::Open,
            Some((_, Status::Frozen)) => v1::AccountStatus::Frozen,
            Some((_, Status::Closed)) => v1::AccountStatus::Closed,
        };
        let ruled = account.rules(at);
        let limit = |(asset, amount): (&String, &u128)| v1::CreditLimit {
            asset: asset.clone(),
            amount: decimal_string(*amount, book.assets[asset].0),
        };
        let rules = match ruled {
            None => v1::AccountRules::default(),
            Some((_, Bound::None)) => v1::AccountRules::without_limits(true),
            Some((_, Bound::Limits(limits))) => v1::AccountRules {
                may_go_negative: false,
                credit_limits: limits.iter().map(limit).collect(),
            },
        };
        let customer = book.customer_of(name);
        let since = ruled.filter(|(place, _)| *place != account.opened);
        v1::Account {
            name: format!("ledgers/{ledger}/accounts/{name}"),
            r#type: account.kind,
            rules: Some(rules),
            position: position(account.opened),
            status: status.into(),
            status_position: changed.map(|(place, _)| position(place)).unwrap_or_default(),
            rules_position: since.map(|(place, _)| position(*place)).unwrap_or_default(),
            version: self.oracle.model.version(book, name, at),
            customer: customer
                .map(|of| format!("ledgers/{ledger}/customers/{of}"))
                .unwrap_or_default(),
            sealed_metadata: self.sealed(ledger, noted_at(&account.noted, at)),
            metadata: plain(noted_at(&account.noted, at)),
            metadata_position: noted(&account.noted, at)
                .map(|(place, _)| position(*place))
                .unwrap_or_default(),
        }
    }
}

/// Minor units with all digits of the scale.
fn decimal_string(minor: u128, scale: u32) -> String {
    let mut digits = minor.to_string();
    while digits.len() <= scale as usize {
        digits.insert(0, '0');
    }
    if scale > 0 {
        digits.insert(digits.len() - scale as usize, '.');
    }
    digits
}
