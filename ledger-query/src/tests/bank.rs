//! Views written without a log: commands are decided and staged at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ledger_domain::partition::partition_of;
use ledger_domain::{
    AccountName, AccountType, AskedRules, AssetCode, Command, CommandBody, Decimal, Event, Id,
    LedgerName, Leg, Link, Metadata, MetadataOf, MetadataTarget, Movement, Position, Seen, State,
    Transfer, apply, decide, decide_due,
};
use ledger_views::{Freshness, MemoryStore, ViewLog, ViewRecord, ViewRecordKind, ViewWriter};

use crate::Query;

pub(crate) const LEDGERS: [&str; 3] = ["bank", "shop", "club"];
pub(crate) const ACCOUNTS: [&str; 3] = ["till", "wallet", "world"];

/// Several partitions, each with its writer, and what they stand for.
#[derive(Debug)]
pub(crate) struct Bank {
    partitions: Vec<Partition>,
    transfers: u64,
    recorded_at: i64,
    /// What is noted of each transfer, as the writer would know it.
    noted: BTreeMap<Id, Metadata>,
}

#[derive(Debug)]
struct Partition {
    writer: ViewWriter,
    state: State,
    sequence: u64,
    recorded_at: i64,
}

impl Bank {
    /// Views that hold nothing, not even record 0.
    pub(crate) fn empty(partition_count: u32) -> Self {
        let partition = |partition| {
            let log = ViewLog { log_id: [3; 16], partition, partition_count };
            let writer = ViewWriter::open(Arc::new(MemoryStore::new()), log).unwrap();
            Partition { writer, state: State::default(), sequence: 0, recorded_at: 0 }
        };
        let partitions = (0..partition_count).map(partition).collect();
        Bank { partitions, transfers: 0, recorded_at: 1_000, noted: BTreeMap::new() }
    }

    pub(crate) fn new(partition_count: u32) -> Self {
        let mut bank = Self::empty(partition_count);
        bank.partitions.iter_mut().for_each(|p| p.record(ViewRecordKind::Created));
        bank
    }

    pub(crate) fn query(&self) -> Query {
        Query::new(self.partitions.iter().map(|p| p.writer.reader()).collect()).unwrap()
    }

    pub(crate) fn state(&self, partition: usize) -> &State {
        &self.partitions[partition].state
    }

    pub(crate) fn recorded_at(&self) -> i64 {
        self.recorded_at
    }

    /// A record that does not count, in every partition.
    pub(crate) fn skip(&mut self) {
        self.partitions.iter_mut().for_each(|p| p.record(ViewRecordKind::Skipped("hole")));
    }

    /// As a projector does that knows how the views stand to the log.
    pub(crate) fn tell(&mut self, fresh: Freshness) {
        self.partitions.iter_mut().for_each(|p| p.writer.tell(fresh, 0));
    }

    pub(crate) fn park(&mut self) {
        for partition in &mut self.partitions {
            partition.writer.park(partition.writer.next(), "poison");
        }
    }

    /// Decides these commands and commits their events; where.
    pub(crate) fn commit(&mut self, ledger: &str, bodies: Vec<CommandBody>) -> Position {
        let at = partition_of(ledger, u32::try_from(self.partitions.len()).unwrap());
        let partition = &mut self.partitions[at as usize];
        self.recorded_at += 10;
        let mut events: Vec<Event> = Vec::new();
        for body in bodies {
            let ledger = LedgerName::parse(ledger).unwrap();
            let command = Command { ledger, request_id: None, conditions: Vec::new(), body };
            let known = known(&self.noted, &command.body);
            let decided = decide(&partition.state, &command, &known, self.recorded_at).events;
            let at = self.recorded_at;
            decided.iter().for_each(|event| apply(&mut partition.state, event, at));
            decided.iter().for_each(|event| remember(&mut self.noted, event));
            events.extend(decided);
        }
        partition.sequence += 1;
        partition.recorded_at = self.recorded_at;
        partition.record(ViewRecordKind::Commit(events));
        Position::commit(at, partition.writer.next() - 1)
    }

    /// A ledger with two assets, and accounts "till" (debit-normal) and "wallet" (credit-normal).
    pub(crate) fn open(&mut self, ledger: &str) -> Position {
        let asset = |code: &str, scale| CommandBody::CreateAsset {
            code: AssetCode::parse(code).unwrap(),
            scale,
        };
        let account = |name: &str, account_type| CommandBody::OpenAccount {
            name: AccountName::parse(name).unwrap(),
            account_type,
            rules: AskedRules::without_limits(true),
            metadata: Default::default(),
        };
        let bodies = vec![
            CommandBody::CreateLedger { metadata: Default::default() },
            asset("XAU", 4),
            asset("EUR", 2),
            account("till", AccountType::Asset),
            account("wallet", AccountType::Liability),
        ];
        self.commit(ledger, bodies)
    }

    /// Transfers of EUR with the ids t1, t2 and so on: debit account, credit account, amount.
    pub(crate) fn transfers(&mut self, ledger: &str, all: &[(&str, &str, &str)]) -> Position {
        self.transfers_of(ledger, "EUR", all)
    }

    pub(crate) fn transfers_of(
        &mut self,
        ledger: &str,
        asset: &str,
        all: &[(&str, &str, &str)],
    ) -> Position {
        let transfers = all.iter().map(|(debit, credit, amount)| {
            self.transfers += 1;
            Transfer {
                id: Id::parse(&format!("t{}", self.transfers)).unwrap(),
                movement: Movement::Post(Leg {
                    debit_account: AccountName::parse(debit).unwrap(),
                    credit_account: AccountName::parse(credit).unwrap(),
                    asset: AssetCode::parse(asset).unwrap(),
                    amount: Decimal::parse(amount).unwrap(),
                    up_to: false,
                }),
                reference: "".into(),
                effective_at: None,
                link: Link::Alone,
                metadata: Default::default(),
            }
        });
        let transfers = transfers.collect();
        self.post(ledger, transfers)
    }

    pub(crate) fn post(&mut self, ledger: &str, transfers: Vec<Transfer>) -> Position {
        self.commit(ledger, vec![CommandBody::PostTransfers { transfers }])
    }

    /// What is due at this instant, committed then.
    pub(crate) fn expire(&mut self, now: i64) -> Position {
        self.recorded_at = now;
        let partition = &mut self.partitions[0];
        let events = decide_due(&partition.state, now, usize::MAX);
        events.iter().for_each(|event| apply(&mut partition.state, event, now));
        partition.sequence += 1;
        partition.recorded_at = now;
        partition.record(ViewRecordKind::Commit(events));
        Position::commit(0, partition.writer.next() - 1)
    }

    pub(crate) fn random_commit(&mut self, rng: &mut Rng, ledger: &str) -> Position {
        if rng.u32(..4) == 0 {
            return self.open(ledger);
        }
        if rng.u32(..6) == 0 {
            self.skip();
        }
        let mut all = Vec::new();
        for _ in 0..rng.usize(1..4) {
            let debit = rng.usize(..ACCOUNTS.len());
            let credit = (debit + rng.usize(1..ACCOUNTS.len())) % ACCOUNTS.len();
            all.push((ACCOUNTS[debit], ACCOUNTS[credit], ["1", "2.5", "0.001"][rng.usize(..3)]));
        }
        let asset = ["EUR", "EUR", "XAU"][rng.usize(..3)];
        self.transfers_of(ledger, asset, &all)
    }
}

fn known(noted: &BTreeMap<Id, Metadata>, body: &CommandBody) -> Vec<Seen> {
    let CommandBody::UpdateMetadata { of: MetadataOf::Transfer(id), .. } = body else {
        return Vec::new();
    };
    noted.get(id).cloned().map(Seen::Noted).into_iter().collect()
}

fn remember(noted: &mut BTreeMap<Id, Metadata>, event: &Event) {
    match event {
        Event::TransferBatch(batch) => {
            let accepted = batch.accepted.iter();
            noted.extend(accepted.map(|it| (it.id.clone(), it.metadata.clone())));
        }
        Event::MetadataChanged {
            target: MetadataTarget::Transfer(id), changes, others, ..
        } => {
            noted.insert(id.clone(), others.after(changes));
        }
        _ => {}
    }
}

impl Partition {
    fn record(&mut self, kind: ViewRecordKind) {
        let Partition { sequence, recorded_at, .. } = *self;
        let offset = self.writer.next();
        self.writer.stage(&ViewRecord { offset, kind, term: 0, sequence, recorded_at }).unwrap();
        self.writer.commit(&offset.to_be_bytes()).unwrap();
    }
}
