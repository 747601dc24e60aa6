//! The aggregates of one partition, held in memory and rebuilt from a snapshot and the log.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::command::{AccountStatus, AccountType, Timestamp};
use crate::feed::{feed_instant, feed_length, feed_text};
use crate::index::Index;
use crate::metadata::Metadata;
use crate::name::{AccountName, AssetCode, Id, LedgerName};
use crate::rules::AccountRules;
use crate::schedule::{self, Due, Schedule};
use crate::send::Outgoing;

/// A ledger of this partition: the n-th that was created in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LedgerHandle(pub u32);

/// An asset of a ledger: the n-th that was created in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AssetHandle(pub u32);

/// An account of this partition: the n-th that was opened in it, over all its ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountHandle(pub u64);

/// Everything that `decide` looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct State {
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) accounts: Vec<Account>,
    /// Those that are open: something is left of each.
    pub(crate) holds: BTreeMap<(LedgerHandle, Id), Hold>,
    /// All that were ever made.
    pub(crate) schedules: BTreeMap<(LedgerHandle, Id), Schedule>,
    pub(crate) recorded_at: Timestamp,
    #[serde(skip)]
    pub(crate) due: BTreeSet<(Timestamp, Due)>,
    /// Those of the holds that are sends.
    #[serde(skip)]
    pub(crate) sends: BTreeSet<(LedgerHandle, Id)>,
    #[serde(skip)]
    pub(crate) ledgers_by_name: Index<LedgerName, LedgerHandle>,
}

/// The state without its indices, as a snapshot holds it: they follow from the rest.
#[derive(Deserialize)]
struct Stored {
    ledgers: Vec<Ledger>,
    accounts: Vec<Account>,
    holds: BTreeMap<(LedgerHandle, Id), Hold>,
    schedules: BTreeMap<(LedgerHandle, Id), Schedule>,
    recorded_at: Timestamp,
}

impl From<Stored> for State {
    fn from(stored: Stored) -> Self {
        let Stored { mut ledgers, accounts, holds, schedules, recorded_at } = stored;
        for ledger in &mut ledgers {
            let assets = (0..).map(AssetHandle).zip(&ledger.assets);
            ledger.assets_by_code = assets.map(|(at, asset)| (asset.code.clone(), at)).collect();
        }
        for (at, account) in (0..).map(AccountHandle).zip(&accounts) {
            let ledger = usize::try_from(account.ledger.0).ok().and_then(|l| ledgers.get_mut(l));
            if let Some(ledger) = ledger {
                ledger.accounts_by_name.insert(account.name.clone(), at);
            }
        }
        let named = (0..).map(LedgerHandle).zip(&ledgers);
        let ledgers_by_name = named.map(|(at, ledger)| (ledger.name.clone(), at)).collect();
        let due = schedule::all_due(&holds, &schedules);
        let sends = holds.iter().filter(|(_, hold)| hold.send.is_some());
        let sends = sends.map(|(key, _)| key.clone()).collect();
        State { ledgers, accounts, holds, schedules, recorded_at, due, sends, ledgers_by_name }
    }
}

/// A named book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Its name.
    pub name: LedgerName,
    /// What took effect before it is closed.
    pub locked_before: Option<Timestamp>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its assets, by handle.
    pub assets: Vec<Asset>,
    #[serde(skip)]
    pub(crate) assets_by_code: Index<AssetCode, AssetHandle>,
    #[serde(skip)]
    pub(crate) accounts_by_name: Index<AccountName, AccountHandle>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Its code.
    pub code: AssetCode,
    /// Decimal digits of its minor unit.
    pub scale: u8,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its ledger.
    pub ledger: LedgerHandle,
    /// Its name.
    pub name: AccountName,
    /// Its type, and so its normal side.
    pub account_type: AccountType,
    /// Its rules.
    pub rules: AccountRules,
    /// What may be done with it.
    pub status: AccountStatus,
    /// Its metadata.
    pub metadata: Metadata,
    /// When the last commit that changed it was recorded: that opened it, changed its status, its rules or
    /// its metadata, or moved one of its balances.
    pub changed_at: Timestamp,
    /// One for each asset that it ever moved, ascending by handle.
    pub(crate) balances: Vec<(AssetHandle, Balance)>,
}

/// What is held and neither captured nor given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Account that a capture debits.
    pub debit_account: AccountHandle,
    /// Account that a capture credits.
    pub credit_account: AccountHandle,
    /// Asset.
    pub asset: AssetHandle,
    /// What is left of it, in minor units; not zero.
    pub amount: u128,
    /// From when on it cannot be captured and is given back.
    pub expires_at: Option<Timestamp>,
    /// Of a send: where it goes to. Boxed, so that other holds stay small.
    pub send: Option<Box<Outgoing>>,
}

impl Hold {
    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Four counters, in minor units. What was posted and what is held of one side stay below 2^128 together,
/// so that what is held can always be captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Sum of what was debited.
    pub debits_posted: u128,
    /// Sum of what was credited.
    pub credits_posted: u128,
    /// Held for debits.
    pub debits_pending: u128,
    /// Held for credits.
    pub credits_pending: u128,
}

/// Side of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The account was debited.
    Debit,
    /// The account was credited.
    Credit,
}

/// What becomes of an amount in the counters of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is posted.
    Post,
    /// It is held.
    Hold,
    /// It was held and is posted.
    Capture,
    /// It was held and is given back.
    Release,
}

impl Balance {
    /// This balance after a step of one side; `None` when its counters would reach 2^128, or less is held.
    #[must_use]
    pub fn after(self, side: Side, step: Step, amount: u128) -> Option<Balance> {
        let (posted, pending) = match side {
            Side::Debit => (self.debits_posted, self.debits_pending),
            Side::Credit => (self.credits_posted, self.credits_pending),
        };
        let (posted, pending) = match step {
            Step::Post => (posted.checked_add(amount)?, pending),
            Step::Hold => (posted, pending.checked_add(amount)?),
            Step::Capture => (posted.checked_add(amount)?, pending.checked_sub(amount)?),
            Step::Release => (posted, pending.checked_sub(amount)?),
        };
        posted.checked_add(pending)?;
        Some(match side {
            Side::Debit => Balance { debits_posted: posted, debits_pending: pending, ..self },
            Side::Credit => Balance { credits_posted: posted, credits_pending: pending, ..self },
        })
    }

    /// What counts for and against it on the account's normal side, in minor units; what is held against
    /// it counts already. It is below zero when the second is the larger.
    #[must_use]
    pub fn sides(self, account_type: AccountType) -> (u128, u128) {
        if account_type.is_debit_normal() {
            (self.debits_posted, self.credits_posted.saturating_add(self.credits_pending))
        } else {
            (self.credits_posted, self.debits_posted.saturating_add(self.debits_pending))
        }
    }
}

impl Side {
    /// Whether an entry of it makes less of the balance of an account of this type.
    #[must_use]
    pub fn shrinks(self, account_type: AccountType) -> bool {
        match self {
            Side::Debit => !account_type.is_debit_normal(),
            Side::Credit => account_type.is_debit_normal(),
        }
    }
}

impl Account {
    /// Its version: when it changed last, in nanoseconds since the Unix epoch; not 0.
    #[must_use]
    pub fn version(&self) -> u64 {
        u64::try_from(self.changed_at).unwrap_or(0)
    }

    /// The most that an entry of this side may take from its balance of an asset, by its rules; `None` is
    /// without bound.
    #[must_use]
    pub fn room(&self, asset: AssetHandle, balance: Balance, side: Side) -> Option<u128> {
        if !side.shrinks(self.account_type) {
            return None;
        }
        let limit = self.rules.bound(asset)?;
        let (plus, minus) = balance.sides(self.account_type);
        // Not plus + limit - minus, which could pass 2^128 on its way. Room for more than any amount is
        // room for every amount.
        Some(match plus.checked_sub(minus) {
            Some(left) => left.saturating_add(limit),
            None => limit.saturating_sub(minus.abs_diff(plus)),
        })
    }

    /// Whether its rules allow it this balance of an asset (LD-2).
    #[must_use]
    pub fn allows(&self, asset: AssetHandle, balance: Balance) -> bool {
        self.allows_by(&self.rules, asset, balance)
    }

    /// Whether it may have this balance of an asset by other rules.
    #[must_use]
    pub(crate) fn allows_by(
        &self,
        rules: &AccountRules,
        asset: AssetHandle,
        balance: Balance,
    ) -> bool {
        let (plus, minus) = balance.sides(self.account_type);
        rules.bound(asset).is_none_or(|limit| minus.saturating_sub(plus) <= limit)
    }

    /// Its balance of an asset; zero for one that it never moved.
    #[must_use]
    pub fn balance(&self, asset: AssetHandle) -> Balance {
        match self.balances.binary_search_by_key(&asset, |(held, _)| *held) {
            Ok(at) => self.balances.get(at).map_or_else(Balance::default, |(_, balance)| *balance),
            Err(_) => Balance::default(),
        }
    }

    /// Whether nothing is in it: what was debited is what was credited, of every asset, and nothing is
    /// pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.balances.iter().all(|(_, balance)| {
            let Balance { debits_posted, credits_posted, debits_pending, credits_pending } =
                balance;
            debits_posted == credits_posted && *debits_pending == 0 && *credits_pending == 0
        })
    }

    /// Its balances, ascending by asset handle.
    #[must_use]
    pub fn balances(&self) -> &[(AssetHandle, Balance)] {
        &self.balances
    }

    pub(crate) fn set_balance(&mut self, asset: AssetHandle, balance: Balance) {
        match self.balances.binary_search_by_key(&asset, |(held, _)| *held) {
            Ok(at) => {
                if let Some(slot) = self.balances.get_mut(at) {
                    slot.1 = balance;
                }
            }
            Err(at) => self.balances.insert(at, (asset, balance)),
        }
    }
}

impl Ledger {
    /// Whether what takes effect at this instant is closed. `None` is when it is recorded, which never is.
    #[must_use]
    pub fn is_locked(&self, effective_at: Option<Timestamp>) -> bool {
        self.locked_before.zip(effective_at).is_some_and(|(before, at)| at < before)
    }

    /// The asset with this code.
    #[must_use]
    pub fn asset_by_code(&self, code: &AssetCode) -> Option<AssetHandle> {
        self.assets_by_code.get(code).copied()
    }

    /// The asset with this handle.
    #[must_use]
    pub fn asset(&self, handle: AssetHandle) -> Option<&Asset> {
        self.assets.get(usize::try_from(handle.0).ok()?)
    }

    /// The account with this name.
    #[must_use]
    pub fn account_by_name(&self, name: &AccountName) -> Option<AccountHandle> {
        self.accounts_by_name.get(name).copied()
    }
}

impl State {
    /// The ledger with this name.
    #[must_use]
    pub fn ledger_by_name(&self, name: &LedgerName) -> Option<LedgerHandle> {
        self.ledgers_by_name.get(name).copied()
    }

    /// The ledger with this handle.
    #[must_use]
    pub fn ledger(&self, handle: LedgerHandle) -> Option<&Ledger> {
        self.ledgers.get(usize::try_from(handle.0).ok()?)
    }

    /// All ledgers, by handle.
    #[must_use]
    pub fn ledgers(&self) -> &[Ledger] {
        &self.ledgers
    }

    /// The account with this handle.
    #[must_use]
    pub fn account(&self, handle: AccountHandle) -> Option<&Account> {
        self.accounts.get(usize::try_from(handle.0).ok()?)
    }

    /// All accounts, by handle.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The open hold with this id.
    #[must_use]
    pub fn hold(&self, ledger: LedgerHandle, id: &Id) -> Option<&Hold> {
        // Most partitions have none, and need no key.
        if self.holds.is_empty() { None } else { self.holds.get(&(ledger, id.clone())) }
    }

    /// All open holds.
    pub fn holds(&self) -> impl Iterator<Item = (LedgerHandle, &Id, &Hold)> {
        self.holds.iter().map(|((ledger, id), hold)| (*ledger, id, hold))
    }

    /// All open sends, which are holds too.
    pub fn sends(&self) -> impl Iterator<Item = (LedgerHandle, &Id)> {
        self.sends.iter().map(|(ledger, id)| (*ledger, id))
    }

    /// When the first open hold expires or the first schedule is due: there is due work from then on.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// When the last applied commit was recorded.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Notes that a commit recorded at this instant was applied.
    pub fn record(&mut self, recorded_at: Timestamp) {
        self.recorded_at = recorded_at;
    }

    /// Feeds the whole state to a hash, in a canonical form: equal states feed equal bytes, and no other
    /// state does (LD-5). Every text and every list is fed behind its length.
    pub fn feed(&self, sink: &mut impl FnMut(&[u8])) {
        // Destructured throughout, so that no new field is left out unseen. The indices follow from
        // the rest.
        let State {
            ledgers,
            accounts,
            holds,
            schedules,
            recorded_at,
            due: _,
            sends: _,
            ledgers_by_name: _,
        } = self;
        sink(&recorded_at.to_le_bytes());
        feed_length(ledgers.len(), sink);
        for ledger in ledgers {
            let Ledger {
                name,
                locked_before,
                metadata,
                assets,
                assets_by_code: _,
                accounts_by_name: _,
            } = ledger;
            feed_text(name.as_str(), sink);
            feed_instant(*locked_before, sink);
            metadata.feed(sink);
            feed_length(assets.len(), sink);
            for Asset { code, scale } in assets {
                feed_text(code.as_str(), sink);
                sink(&[*scale]);
            }
        }
        feed_length(accounts.len(), sink);
        for account in accounts {
            account.feed(sink);
        }
        feed_length(holds.len(), sink);
        let mut key = Vec::new();
        for ((ledger, id), hold) in holds {
            sink(&ledger.0.to_le_bytes());
            key.clear();
            id.write_key(&mut key);
            feed_length(key.len(), sink);
            sink(&key);
            hold.feed(sink);
        }
        schedule::feed_all(schedules, sink);
    }
}
