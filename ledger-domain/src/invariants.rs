//! What holds after every event, by id. The simulator and the audit run these.

use std::collections::BTreeMap;

use crate::name::{AssetCode, Id, LedgerName};
use crate::state::{AccountHandle, AssetHandle, Hold, LedgerHandle, State};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its id: "LD-1".
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

/// Checks LD-1, LD-2, LD-6, LD-10 and SG-1 over the whole state, as it is after a command.
#[must_use]
pub fn check(state: &State) -> Vec<Broken> {
    let mut broken = check_debits_equal_credits(state);
    broken.extend(check_rules(state));
    broken.extend(check_holds(state));
    broken.extend(check_sends(state));
    broken.extend(check_alerts(state));
    broken
}

/// Checks SG-2 over the states of all partitions, at one moment or at rest.
///
/// What a ledger has received from another one is what the other has sent, but for what the other still
/// holds: that may have been received already or not.
#[must_use]
pub fn check_clearing(states: &[&State]) -> Vec<Broken> {
    let mut sides: BTreeMap<(LedgerName, LedgerName, AssetCode), Cleared> = BTreeMap::new();
    for state in states {
        for account in state.accounts() {
            let Some(other) = account.name.cleared() else { continue };
            let Some(book) = state.ledger(account.ledger) else { continue };
            for (asset, balance) in account.balances() {
                let Some(code) = book.asset(*asset).map(|asset| &asset.code) else { continue };
                let sent = sides.entry((book.name.clone(), other.clone(), code.clone()));
                let sent = sent.or_default();
                (sent.posted, sent.pending) = (balance.credits_posted, balance.credits_pending);
                let received = (other.clone(), book.name.clone(), code.clone());
                sides.entry(received).or_default().received = balance.debits_posted;
            }
        }
    }
    let differ = sides.into_iter().filter(|(_, Cleared { posted, pending, received })| {
        received < posted || *received > posted.saturating_add(*pending)
    });
    let broken = differ.map(|((from, to, code), cleared)| Broken {
        invariant: "SG-2",
        what: format!("{code} from {from} to {to}: sent and received differ: {cleared:?}"),
    });
    broken.collect()
}

/// What went from one ledger to another, in minor units, as their clearing accounts say.
#[derive(Clone, Copy, Debug, Default)]
struct Cleared {
    /// Of the ledger that sends.
    posted: u128,
    pending: u128,
    /// Of the other one.
    received: u128,
}

/// SG-1: what an open send holds is held against the clearing account of its destination, so that only its
/// settlement ends it.
fn check_sends(state: &State) -> Vec<Broken> {
    let clears = |(ledger, id, hold): &(LedgerHandle, &Id, &Hold)| {
        let other = state.account(hold.credit_account).and_then(|account| account.name.cleared());
        let to = hold.send.as_ref().map(|outgoing| &outgoing.to.ledger);
        let is_listed = state.sends.contains(&(*ledger, (*id).clone()));
        other.as_ref() == to && is_listed == to.is_some()
    };
    let astray = state.holds().filter(|hold| !clears(hold));
    let broken = astray.map(|(ledger, id, _)| Broken {
        invariant: "SG-1",
        what: format!("ledger {} hold {id}: is no send to where it is held", ledger.0),
    });
    broken.collect()
}

/// LD-10: an alert is raised while its condition is true and at no other time, and each account counts its own.
fn check_alerts(state: &State) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (handle, id, alert) in state.alerts() {
        let account = state.account(handle);
        let is_so = account
            .is_some_and(|account| alert.rule.holds(account, account.balance(alert.rule.asset)));
        if is_so != alert.raised {
            let what = format!("account {} alert {id}: raised is {}", handle.0, alert.raised);
            broken.push(Broken { invariant: "LD-10", what });
        }
    }
    for (handle, account) in (0u64..).map(AccountHandle).zip(state.accounts()) {
        let counted = usize::from(account.alerts);
        if counted != state.alerts_of(handle).count() {
            let what = format!("account {}: has not the {counted} alerts it counts", handle.0);
            broken.push(Broken { invariant: "LD-10", what });
        }
    }
    broken
}

/// LD-1: debits = credits per asset of every ledger.
fn check_debits_equal_credits(state: &State) -> Vec<Broken> {
    let mut totals: BTreeMap<(LedgerHandle, AssetHandle), [Sum; 4]> = BTreeMap::new();
    for account in state.accounts() {
        for (asset, balance) in account.balances() {
            let [debits, credits, pending_debits, pending_credits] =
                totals.entry((account.ledger, *asset)).or_default();
            debits.add(balance.debits_posted);
            credits.add(balance.credits_posted);
            pending_debits.add(balance.debits_pending);
            pending_credits.add(balance.credits_pending);
        }
    }
    let unequal = |[debits, credits, pending_debits, pending_credits]: &[Sum; 4]| {
        debits != credits || pending_debits != pending_credits
    };
    totals
        .iter()
        .filter(|(_, sums)| unequal(sums))
        .map(|((ledger, asset), sums)| Broken {
            invariant: "LD-1",
            what: format!(
                "ledger {} asset {}: debits and credits differ: {sums:?}",
                ledger.0, asset.0
            ),
        })
        .collect()
}

/// LD-2: no balance passes its account's rule.
fn check_rules(state: &State) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (handle, account) in (0u64..).map(AccountHandle).zip(state.accounts()) {
        for (asset, balance) in account.balances() {
            if !account.allows(*asset, *balance) {
                let (handle, asset) = (handle.0, asset.0);
                let what = format!("account {handle} asset {asset}: passes its rule: {balance:?}");
                broken.push(Broken { invariant: "LD-2", what });
            }
        }
    }
    broken
}

/// LD-6: what the balances hold is what is left of the open holds, and something is left of each.
fn check_holds(state: &State) -> Vec<Broken> {
    let mut held: BTreeMap<(AccountHandle, AssetHandle), [Sum; 2]> = BTreeMap::new();
    for (handle, account) in (0u64..).map(AccountHandle).zip(state.accounts()) {
        for (asset, balance) in account.balances() {
            if balance.debits_pending > 0 || balance.credits_pending > 0 {
                let [debits, credits] = held.entry((handle, *asset)).or_default();
                debits.add(balance.debits_pending);
                credits.add(balance.credits_pending);
            }
        }
    }
    let mut open: BTreeMap<(AccountHandle, AssetHandle), [Sum; 2]> = BTreeMap::new();
    let mut empty = Vec::new();
    for (ledger, id, hold) in state.holds() {
        let [debits, _] = open.entry((hold.debit_account, hold.asset)).or_default();
        debits.add(hold.amount);
        let [_, credits] = open.entry((hold.credit_account, hold.asset)).or_default();
        credits.add(hold.amount);
        if hold.amount == 0 {
            let what = format!("ledger {} hold {id}: nothing is left of it", ledger.0);
            empty.push(Broken { invariant: "LD-6", what });
        }
    }
    let differs = held.iter().find(|(key, sums)| open.get(key) != Some(sums));
    let differs = differs.or_else(|| open.iter().find(|(key, sums)| held.get(key) != Some(sums)));
    let differs = differs.map(|((account, asset), _)| Broken {
        invariant: "LD-6",
        what: format!("account {} asset {}: holds and pending differ", account.0, asset.0),
    });
    differs.into_iter().chain(empty).collect()
}

/// A sum of counters: one counter fits 128 bits, their sum need not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    high: u128,
    low: u128,
}

impl Sum {
    fn add(&mut self, value: u128) {
        let (low, carried) = self.low.overflowing_add(value);
        self.low = low;
        self.high = self.high.saturating_add(u128::from(carried));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply;
    use crate::command::AccountType;
    use crate::event::Event;
    use crate::metadata::Metadata;
    use crate::name::{AccountName, LedgerName};
    use crate::rules::AccountRules;
    use crate::state::Balance;

    /// Invariants that break once the only account holds `balance`.
    fn broken(balance: Balance) -> Vec<&'static str> {
        let mut state = State::default();
        let ledger = LedgerHandle(0);
        let (name, metadata) = (LedgerName::from_log("bank"), Metadata::default());
        let created = Event::LedgerCreated { ledger, name, metadata: metadata.clone() };
        apply(&mut state, &created, 1);
        let opened = Event::AccountOpened {
            ledger,
            account: AccountHandle(0),
            name: AccountName::from_log("alice"),
            account_type: AccountType::Liability,
            rules: AccountRules::without_limits(false),
            metadata,
        };
        apply(&mut state, &opened, 1);
        state.accounts.iter_mut().for_each(|a| a.set_balance(AssetHandle(0), balance));
        check(&state).into_iter().map(|broken| broken.invariant).collect()
    }

    #[test]
    fn every_broken_invariant_is_found() {
        let even = Balance { debits_posted: 5, credits_posted: 5, ..Balance::default() };
        assert_eq!(broken(even), [""; 0]);
        assert_eq!(broken(Balance { credits_posted: 6, ..even }), ["LD-1"]);
        assert_eq!(broken(Balance { credits_pending: 1, ..even }), ["LD-1", "LD-6"]);
        assert_eq!(broken(Balance { debits_posted: 6, ..even }), ["LD-1", "LD-2"]);
        let held = Balance { debits_pending: 1, credits_pending: 1, ..even };
        assert_eq!(broken(held), ["LD-2", "LD-6"], "what is held is gone");
    }

    #[test]
    fn a_sum_passes_128_bits() {
        let mut sum = Sum::default();
        sum.add(u128::MAX);
        sum.add(1);
        assert_eq!(sum, Sum { high: 1, low: 0 });
    }
}
