//! What a load posts: request n is a pure function of the flags, whichever client sends it.

use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use uuid::{Builder, Uuid};

use super::{IdOrder, LoadArgs};

pub(super) const ASSET: &str = "USD";
pub(super) const SCALE: u32 = 2;
/// Amounts are 0.01 to 1,000.00.
const AMOUNT_MINOR_MAX: u64 = 100_000;
const TIMESTAMP_BITS: u64 = (1 << 48) - 1;

/// Ledgers, accounts and requests of one load.
#[derive(Debug)]
pub(super) struct Plan {
    ledgers: Vec<String>,
    accounts: u32,
    transfers: u64,
    batch: u64,
    ids: IdOrder,
    seed: u64,
    /// Milliseconds since the epoch, where ordered ids begin: later loads have later ids.
    started_ms: u64,
}

impl Plan {
    pub(super) fn new(args: &LoadArgs, name: &str) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Plan {
            ledgers: (0..args.ledgers).map(|n| format!("{name}-{n}")).collect(),
            accounts: args.accounts,
            transfers: args.transfers,
            batch: u64::from(args.batch),
            ids: args.ids,
            seed: args.seed,
            started_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(0) & TIMESTAMP_BITS,
        }
    }

    pub(super) fn ledgers(&self) -> &[String] {
        &self.ledgers
    }

    /// Transfers of one request, the last one's left aside.
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }

    pub(super) fn requests(&self) -> u64 {
        self.transfers.div_ceil(self.batch)
    }

    pub(super) fn accounts_total(&self) -> u64 {
        u64::from(self.accounts) * u64::try_from(self.ledgers.len()).unwrap_or(0)
    }

    pub(super) fn account_requests(&self) -> impl Iterator<Item = v1::OpenAccountRequest> {
        self.ledgers.iter().flat_map(move |ledger| {
            (0..self.accounts).map(move |number| v1::OpenAccountRequest {
                sealed_metadata: Vec::new(),
                parent: ledger_resource(ledger),
                account_id: account(number),
                r#type: v1::AccountType::Asset.into(),
                rules: Some(v1::AccountRules::without_limits(true)),
                request_id: String::new(),
                validate_only: false,
                metadata: Default::default(),
                conditions: Vec::new(),
            })
        })
    }

    /// The ledger of request `number`.
    pub(super) fn ledger(&self, number: u64) -> &str {
        let ledgers = u64::try_from(self.ledgers.len()).unwrap_or(1);
        let ledger = usize::try_from(number % ledgers).unwrap_or(0);
        self.ledgers.get(ledger).map_or("", String::as_str)
    }

    /// Transfers of request `number`.
    pub(super) fn transfers_of(&self, number: u64) -> u64 {
        let first = number * self.batch;
        (first + self.batch).min(self.transfers) - first
    }

    /// Request `number` of [`Plan::requests`].
    pub(super) fn request(&self, number: u64) -> v1::PostTransfersRequest {
        let first = number * self.batch;
        let end = first + self.transfers_of(number);
        // Fibonacci hashing, so that neighbouring requests draw unrelated numbers.
        let salt = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = Rng::with_seed(self.seed ^ salt);
        v1::PostTransfersRequest {
            parent: ledger_resource(self.ledger(number)),
            transfers: (first..end).map(|n| self.transfer(n, &mut rng)).collect(),
            request_id: String::new(),
            validate_only: false,
            conditions: Vec::new(),
        }
    }

    fn transfer(&self, number: u64, rng: &mut Rng) -> v1::Transfer {
        let debit = rng.u32(0..self.accounts);
        // Any other account: a step round the ring that is not a full turn.
        let step = rng.u32(1..self.accounts);
        let credit = (u64::from(debit) + u64::from(step)) % u64::from(self.accounts);
        let minor = rng.u64(1..=AMOUNT_MINOR_MAX);
        v1::Transfer {
            transfer_id: self.id(number, rng).to_string(),
            debit_account: account(debit),
            credit_account: account(u32::try_from(credit).unwrap_or(0)),
            asset: ASSET.to_owned(),
            amount: format!("{}.{:02}", minor / 100, minor % 100),
            reference: String::new(),
            effective_time: None,
            ..Default::default()
        }
    }

    fn id(&self, number: u64, rng: &mut Rng) -> Uuid {
        match self.ids {
            IdOrder::Ordered => {
                let mut counter = [0; 10];
                counter[2..].copy_from_slice(&number.to_be_bytes());
                Builder::from_unix_timestamp_millis(self.started_ms, &counter).into_uuid()
            }
            IdOrder::Random => Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid(),
        }
    }
}

fn account(number: u32) -> String {
    format!("a{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan(ids: IdOrder) -> Plan {
        let ledgers = vec!["x-0".to_owned(), "x-1".to_owned()];
        Plan { ledgers, accounts: 3, transfers: 1_005, batch: 100, ids, seed: 7, started_ms: 1_000 }
    }

    #[test]
    fn every_transfer_is_posted_once_and_is_well_formed() {
        for ids in [IdOrder::Ordered, IdOrder::Random] {
            let plan = plan(ids);
            assert_eq!(plan.requests(), 11);
            let requests: Vec<_> = (0..plan.requests()).map(|n| plan.request(n)).collect();
            assert_eq!(requests.iter().map(|r| r.transfers.len()).sum::<usize>(), 1_005);
            let mut seen = HashSet::new();
            for request in &requests {
                let batch = ledger_proto::request::post_transfers(request).unwrap();
                assert_eq!(batch.malformed, []);
                seen.extend(request.transfers.iter().map(|t| t.transfer_id.clone()));
            }
            assert_eq!(seen.len(), 1_005);
            assert_ne!(requests[0].parent, requests[1].parent);
            assert_eq!(requests[0].parent, requests[2].parent);
        }
    }

    #[test]
    fn the_same_flags_make_the_same_requests() {
        for ids in [IdOrder::Ordered, IdOrder::Random] {
            assert_eq!(plan(ids).request(3), plan(ids).request(3));
            assert_ne!(plan(ids).request(3), plan(ids).request(5));
        }
        let other = Plan { seed: 8, ..plan(IdOrder::Random) };
        assert_ne!(other.request(3), plan(IdOrder::Random).request(3));
    }

    #[test]
    fn ordered_ids_ascend() {
        let plan = plan(IdOrder::Ordered);
        let ids: Vec<String> = (0..plan.requests())
            .flat_map(|number| plan.request(number).transfers)
            .map(|transfer| transfer.transfer_id)
            .collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}
