//! The feed of a log with everything in it that does not count, over publishers that fail half-way.

use std::sync::{Arc, Mutex};

use ledger_domain::{
    AccountChange, AccountName, AskedRules, AssetCode, CommandBody, Decimal, Event, Id, Leg, Link,
    Metadata, MetadataKey, MetadataOf, MetadataUpdate, MetadataValue, Movement, Plan, Position,
    Transfer, When,
};
use ledger_proto::v1;
use ledger_proto::v1::feed_event::Event as Wire;
use ledger_views::MemoryStore;

use super::log::TestLog;
use super::{Bank, NOW, Rng, open};
use crate::{Feed, FeedError, FeedRecord, Projector, Publish, PublishError};

mod customers;

/// A partition of a feed, which may take only some of what it is given.
#[derive(Clone, Debug, Default)]
struct Topic {
    records: Arc<Mutex<Vec<FeedRecord>>>,
    /// How many records it takes before it fails, if it is to fail.
    fails_after: Arc<Mutex<Option<usize>>>,
}

impl Publish for Topic {
    fn newest(&mut self) -> Result<Option<Position>, PublishError> {
        Ok(self.records.lock().unwrap().last().map(|record| record.position))
    }

    fn publish(&mut self, records: Vec<FeedRecord>) -> Result<(), PublishError> {
        let taken = self.fails_after.lock().unwrap().take();
        let (count, all) = (taken.unwrap_or(usize::MAX), records.len());
        self.records.lock().unwrap().extend(records.into_iter().take(count));
        match taken {
            Some(count) if count < all => Err(PublishError { what: "gone".into() }),
            _ => Ok(()),
        }
    }
}

impl Topic {
    fn feed(&self, log: &TestLog, projector: &Projector) -> Feed {
        Feed::new(Arc::new(log.clone()), projector.view(), Box::new(self.clone()))
    }

    /// What a consumer keeps that skips every position at or before the newest that it has seen.
    fn consumed(&self) -> Vec<FeedRecord> {
        let mut kept: Vec<FeedRecord> = Vec::new();
        for record in self.records.lock().unwrap().iter() {
            let newest = kept.last().map(|last| last.position.bound());
            if newest < Some(record.position.bound()) {
                kept.push(record.clone());
            }
        }
        kept
    }
}

fn drain(feed: &mut Feed) {
    while feed.step().unwrap() > 0 {}
}

/// Positions of the events of a commit.
fn positions(offset: u64, events: &[Event]) -> impl Iterator<Item = Position> {
    let width: u32 = events.iter().map(Event::width).sum();
    (0..width).map(move |index| Position::event(0, offset, index))
}

#[test]
fn the_feed_is_what_counts_once_and_in_order_whatever_fails() {
    for seed in 0..40 {
        let mut rng = Rng::with_seed(seed);
        let mut bank = Bank::default();
        let mut log = TestLog::created();
        log.term();
        let topic = Topic::default();
        let store = Arc::<MemoryStore>::default();
        let mut projector = open(&log, &store).unwrap();
        let mut feed = topic.feed(&log, &projector);
        let mut due = Vec::new();
        for round in 0..60 {
            match rng.u32(..12) {
                0 => log.term(),
                1 => log.foreign(),
                2 => log.zombie(),
                3 => log.duplicate(),
                4 => log.hole(),
                _ => {
                    let mut events = if round == 0 { bank.open() } else { Vec::new() };
                    (0..rng.usize(1..4)).for_each(|_| events.extend(bank.transfer(&mut rng)));
                    log.commit(&events);
                    due.extend(positions(log.counted(), &events));
                }
            }
            if rng.bool() {
                projector.step(NOW, rng.usize(1..2_000)).unwrap();
            }
            match rng.u32(..6) {
                0 => {
                    *topic.fails_after.lock().unwrap() = Some(rng.usize(..3));
                }
                1 => feed = topic.feed(&log, &projector),
                2..4 => drop(feed.step()),
                _ => {}
            }
        }
        while projector.step(NOW, 1 << 20).unwrap().records > 0 {}
        *topic.fails_after.lock().unwrap() = None;
        drain(&mut feed);
        let published: Vec<Position> =
            topic.records.lock().unwrap().iter().map(|record| record.position).collect();
        assert_eq!(published, due, "seed {seed}: one publisher repeats nothing");

        // A second publisher, which began when the first had done half of it, repeats the rest.
        let late = topic.clone();
        let half = due.len() / 2;
        late.records.lock().unwrap().truncate(half);
        let (mut one, mut other) = (topic.feed(&log, &projector), topic.feed(&log, &projector));
        other.step().unwrap();
        drain(&mut one);
        drain(&mut other);
        let consumed: Vec<Position> = topic.consumed().iter().map(|r| r.position).collect();
        assert_eq!(consumed, due, "seed {seed}");
    }
}

fn noted(entries: &[v1::MetadataEntry]) -> String {
    let entry = |entry: &v1::MetadataEntry| match &entry.value {
        Some(v1::metadata_entry::Value::Plain(text)) => format!(" {}={text}", entry.key),
        Some(v1::metadata_entry::Value::Sealed(of)) => {
            assert_eq!(of.text, None, "a feed opens nothing");
            format!(" {}={}/", entry.key, of.customer)
        }
        None => panic!("an entry has a value"),
    };
    entries.iter().map(entry).collect()
}

/// An event in short.
fn line(event: Wire) -> String {
    match event {
        Wire::LedgerCreated(created) => format!("ledger{}", noted(&created.metadata)),
        Wire::AssetCreated(asset) => format!("asset {} {}", asset.code, asset.scale),
        Wire::AccountOpened(opened) => {
            let noted = noted(&opened.metadata);
            format!("account {} {:?}{noted}", opened.account, opened.r#type())
        }
        Wire::MetadataChanged(changed) => {
            let change = |it: &v1::MetadataChange| {
                format!("[{}] to [{}]", noted(it.before.as_slice()), noted(it.after.as_slice()))
            };
            let changes: Vec<_> = changed.changes.iter().map(change).collect();
            let of_transfer = match changed.transfer.as_str() {
                "" => String::new(),
                id => format!("{id} "),
            };
            format!("noted {:?} {of_transfer}{}", changed.account, changes.join(", "))
        }
        Wire::AccountStatusChanged(changed) => {
            format!("{} is {:?}", changed.account, changed.status())
        }
        Wire::BooksLocked(locked) => format!("locked {}", locked.locked_before.unwrap_or_default()),
        Wire::AccountRulesChanged(changed) => {
            let limits = changed.rules.unwrap_or_default().credit_limits;
            let limits: Vec<_> =
                limits.iter().map(|it| format!("{} {}", it.asset, it.amount)).collect();
            format!("{} may owe {}", changed.account, limits.join(", "))
        }
        Wire::TransferAccepted(t) => {
            let kind = t.kind().as_str_name().trim_start_matches("TRANSFER_KIND_");
            let (id, debit, credit) = (&t.transfer_id, &t.debit_account, &t.credit_account);
            let (amount, asset, hold) = (&t.amount, &t.asset, &t.hold_id);
            format!("{id} {kind}{hold} {debit} {credit} {amount} {asset} {}", t.reference)
        }
        Wire::HoldExpired(t) => {
            let (debit, credit) = (&t.debit_account, &t.credit_account);
            format!("{} expired {debit} {credit} {} {}", t.hold_id, t.amount, t.asset)
        }
        Wire::TransferRefused(refused) => {
            let (t, refusal) = (refused.transfer.unwrap(), refused.refusal.unwrap());
            let (id, credit, amount) = (t.transfer_id, t.credit_account, t.amount);
            format!("{id} to {credit} {amount}: {} {}", refusal.reason, refusal.position)
        }
        Wire::ScheduleCreated(s) => {
            let (debit, credit) = (&s.debit_account, &s.credit_account);
            format!("{} schedules {debit} {credit} {} {}", s.schedule_id, s.amount, s.asset)
        }
        Wire::ScheduleCancelled(cancelled) => format!("{} cancelled", cancelled.schedule_id),
        Wire::ScheduleRan(ran) => {
            let it = ran.occurrence.unwrap();
            let next = ran.next_time.map_or_else(|| "never".to_owned(), |at| at.to_string());
            format!("{} ran {} {}, next {next}", ran.schedule_id, it.transfer_id, it.refused)
        }
        Wire::BalanceAlertSet(set) => {
            let when = set.when.unwrap();
            let (of, how) = (when.figure().as_str_name(), when.comparison().as_str_name());
            let (account, id) = (&set.account, &set.alert_id);
            format!("{id} of {account} {of} {how} {} {}, {}", when.amount, when.asset, set.raised)
        }
        Wire::BalanceAlertRemoved(it) => format!("{} of {} removed", it.alert_id, it.account),
        Wire::BalanceAlertCrossed(it) => {
            let amount = it.when.unwrap().amount;
            let (id, account, value) = (it.alert_id, it.account, it.value);
            format!("{id} of {account} {amount} {} {value} {:?}", it.raised, it.cause)
        }
        Wire::CommandRefused(refusal) => refusal.reason,
        other => customer_line(other),
    }
}

fn customer_line(event: Wire) -> String {
    match event {
        Wire::CustomerRegistered(customer) => {
            let accounts: Vec<_> =
                customer.accounts.iter().map(|it| it.account_id.as_str()).collect();
            let (accounts, keys) = (accounts.join(" "), customer.profile_keys.join(" "));
            format!("{} registered with {accounts}, keeps {keys}", customer.customer_id)
        }
        Wire::ProfileUpdated(customer) => {
            format!("{} keeps {}", customer.customer_id, customer.profile_keys.join(" "))
        }
        Wire::CustomerErased(customer) => format!("{} erased", customer.customer_id),
        other => panic!("{other:?}"),
    }
}

/// Transfers of every kind from "a", two of them refused.
fn every_kind() -> Vec<Transfer> {
    let transfer = |id: &str, credit: &str, amount: &str| Transfer {
        id: Id::parse(id).unwrap(),
        movement: Movement::Post(Leg {
            debit_account: ledger_domain::AccountName::parse("a").unwrap(),
            credit_account: ledger_domain::AccountName::parse(credit).unwrap(),
            asset: AssetCode::parse("EUR").unwrap(),
            amount: Decimal::parse(amount).unwrap(),
            up_to: false,
        }),
        reference: "rent".into(),
        effective_at: Some(1_000_000_000),
        link: Link::Alone,
        metadata: Default::default(),
    };
    let hold = |id, amount| match transfer(id, "b", amount) {
        Transfer { movement: Movement::Post(leg), .. } => Transfer {
            movement: Movement::Hold { leg, expires_at: Some(7) },
            ..transfer(id, "b", amount)
        },
        other => panic!("{other:?}"),
    };
    let id = || Id::parse("h").unwrap();
    let part = Movement::Capture { hold: id(), amount: Some(Decimal::parse("2").unwrap()) };
    vec![
        transfer("t-1", "b", "1.5"),
        transfer("t-2", "nobody", "2"),
        transfer("t-3", "b", "3.00"),
        hold("h", "5"),
        Transfer { movement: part, ..transfer("c", "b", "5") },
        Transfer {
            movement: Movement::Void { hold: id(), refused: None },
            ..transfer("v", "b", "5")
        },
        Transfer {
            movement: Movement::Capture { hold: id(), amount: None },
            ..transfer("d", "b", "5")
        },
        hold("i", "1"),
    ]
}

#[test]
fn events_have_names_and_amounts_in_full_scale() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let transfers = every_kind();
    log.commit(&bank.decide(CommandBody::PostTransfers { transfers }));
    let code = AssetCode::parse("EUR").unwrap();
    log.commit(&bank.decide(CommandBody::CreateAsset { code, scale: 3 }));
    let (name, change) = (AccountName::parse("b").unwrap(), AccountChange::Freeze);
    log.commit(&bank.decide(CommandBody::ChangeAccount { name: name.clone(), change }));
    let limit = (AssetCode::parse("EUR").unwrap(), Decimal::parse("70").unwrap());
    let credit_limits = [limit].into();
    let rules = AskedRules { may_go_negative: false, credit_limits };
    log.commit(&bank.decide(CommandBody::SetAccountRules { name, rules }));
    let locked_before = Some(0);
    log.commit(&bank.decide(CommandBody::LockBooks { locked_before }));
    log.commit(&[Event::HoldExpired {
        ledger: ledger_domain::LedgerHandle(0),
        hold: Id::parse("i").unwrap(),
        debit_account: ledger_domain::AccountHandle(0),
        credit_account: ledger_domain::AccountHandle(1),
        asset: ledger_domain::AssetHandle(0),
        amount: 100,
    }]);
    let projector = super::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let records = topic.records.lock().unwrap().clone();
    let mut said = Vec::new();
    for FeedRecord { position, event } in &records {
        assert_eq!(
            (event.position.as_str(), event.ledger.as_str()),
            (&*position.to_string(), "bank")
        );
        assert!(event.recorded_at.is_some());
        said.push(line(event.event.clone().unwrap()));
    }
    let due = [
        "ledger",
        "asset EUR 2",
        "account a Asset",
        "account b Asset",
        "t-1 POST a b 1.50 EUR rent",
        "t-2 to nobody 2.00: UNKNOWN_CREDIT_ACCOUNT 0@3.1",
        "t-3 POST a b 3.00 EUR rent",
        "h HOLD a b 5.00 EUR rent",
        "c CAPTUREh a b 2.00 EUR rent",
        "v VOIDh a b 3.00 EUR rent",
        "d to  : HOLD_NOT_OPEN 0@3.6",
        "i HOLD a b 1.00 EUR rent",
        "ASSET_EXISTS",
        "b is Frozen",
        "b may owe EUR 70.00",
        "locked 1970-01-01T00:00:00Z",
        "i expired a b 1.00 EUR",
    ];
    assert_eq!(said, due);
    assert_eq!(records[4].position.to_string(), "0@3.0");
}

#[test]
fn metadata_has_names_and_what_it_was() {
    let metadata = |entries: &[(&str, &str)]| -> Metadata {
        let entry = |(key, value): &(&str, &str)| {
            (MetadataKey::parse(key).unwrap(), MetadataValue::plain(value).unwrap())
        };
        entries.iter().map(entry).collect()
    };
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.decide(CommandBody::CreateLedger { metadata: metadata(&[("region", "eu")]) }));
    log.commit(&bank.decide(CommandBody::OpenAccount {
        name: AccountName::parse("a").unwrap(),
        account_type: ledger_domain::AccountType::Asset,
        rules: AskedRules::default(),
        metadata: metadata(&[("kyc", "2"), ("tier", "silver")]),
    }));
    let remove = [MetadataKey::parse("kyc").unwrap()].into();
    let update = MetadataUpdate { set: metadata(&[("b", "1"), ("tier", "gold")]), remove };
    let of = MetadataOf::Account(AccountName::parse("a").unwrap());
    log.commit(&bank.decide(CommandBody::UpdateMetadata { of, update }));
    let same = MetadataUpdate { set: metadata(&[("region", "eu")]), remove: [].into() };
    log.commit(&bank.decide(CommandBody::UpdateMetadata { of: MetadataOf::Ledger, update: same }));
    let projector = super::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let records = topic.records.lock().unwrap().clone();
    let said: Vec<_> =
        records.into_iter().map(|record| line(record.event.event.unwrap())).collect();
    let due = [
        "ledger region=eu",
        "account a Asset kyc=2 tier=silver",
        "noted \"a\" [] to [ b=1], [ kyc=2] to [], [ tier=silver] to [ tier=gold]",
        "noted \"\" ",
    ];
    assert_eq!(said, due);
}

#[test]
fn a_feed_of_something_else_is_not_continued() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let projector = super::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let count = topic.records.lock().unwrap().len();
    topic.records.lock().unwrap()[count - 1].position = Position::event(1, 2, 0);
    let error = topic.feed(&log, &projector).step().unwrap_err();
    assert!(matches!(error, FeedError::OtherLog { partition: 0, .. }), "{error}");

    // The log of the same name is another than the one that the view was made from.
    let topic = Topic::default();
    let mut other = TestLog::created();
    other.term();
    other.term();
    other.commit(&Bank::default().open());
    let error = topic.feed(&other, &projector).step().unwrap_err().to_string();
    assert!(error.contains("LOG_DIVERGED"), "{error}");
    assert_eq!(topic.records.lock().unwrap().len(), 0);
}

#[test]
fn schedules_have_names_and_say_when_they_are_due() {
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let Movement::Post(leg) = every_kind().remove(0).movement else { panic!("a post") };
    let (reference, until, start) = ("".into(), None, 2_000_000_000);
    let (when, count) = (When::Every(1_000_000_000), Some(2));
    let plan =
        Box::new(Plan { leg, reference, metadata: <_>::default(), when, start, until, count });
    let (ledger, schedule) = (ledger_domain::LedgerHandle(0), Id::parse("rent").unwrap());
    let ran = |number, next_due, refused| Event::ScheduleRan {
        ledger,
        schedule: schedule.clone(),
        number,
        due_at: start,
        next_due,
        refused,
    };
    log.commit(&[
        Event::ScheduleCreated { ledger, schedule: schedule.clone(), plan, next_due: start },
        ran(1, Some(3_000_000_000), None),
        ran(2, None, Some(ledger_domain::Code::AccountFrozen)),
        Event::ScheduleCancelled { ledger, schedule: schedule.clone() },
    ]);
    let projector = super::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let records = topic.records.lock().unwrap().clone();
    let said: Vec<_> =
        records.into_iter().skip(4).map(|record| line(record.event.event.unwrap())).collect();
    let due = [
        "rent schedules a b 1.50 EUR",
        "rent ran ~at:rent:1 , next 1970-01-01T00:00:03Z",
        "rent ran ~at:rent:2 ACCOUNT_FROZEN, next never",
        "rent cancelled",
    ];
    assert_eq!(said, due);
}

#[test]
fn alerts_have_names_and_say_what_made_them_cross() {
    use ledger_domain::{
        AccountHandle, AlertRule, AssetHandle, BalanceFigure, Cause, Comparison, Crossing,
        SignedMinor,
    };
    let mut bank = Bank::default();
    let mut log = TestLog::created();
    log.term();
    log.commit(&bank.open());
    let (ledger, account) = (ledger_domain::LedgerHandle(0), AccountHandle(0));
    let (alert, id) = (Id::parse("low").unwrap(), |text| Id::parse(text).unwrap());
    let rule = AlertRule {
        asset: AssetHandle(0),
        figure: BalanceFigure::Available,
        comparison: Comparison::AtMost,
        amount: SignedMinor::new(true, 150),
    };
    let crossed = |raised, minor, cause| {
        let (alert, value) = (alert.clone(), SignedMinor::new(raised, minor));
        let crossing = Crossing { account, alert, rule, raised, value, cause };
        Event::BalanceAlertCrossed { ledger, crossing: Box::new(crossing) }
    };
    log.commit(&[
        Event::BalanceAlertSet {
            ledger,
            account,
            alert: alert.clone(),
            rule: Box::new(rule),
            raised: false,
        },
        crossed(true, 205, Cause::Set),
        crossed(false, 5, Cause::Transfer(id("t"))),
        crossed(true, 150, Cause::Expiry(id("h"))),
        Event::BalanceAlertRemoved { ledger, account, alert: alert.clone() },
    ]);
    let projector = super::project(&log, &Arc::default());
    let topic = Topic::default();
    drain(&mut topic.feed(&log, &projector));
    let records = topic.records.lock().unwrap().clone();
    let said: Vec<_> =
        records.into_iter().skip(4).map(|record| line(record.event.event.unwrap())).collect();
    let due = [
        "low of a BALANCE_FIGURE_AVAILABLE COMPARISON_AT_MOST -1.50 EUR, false",
        "low of a -1.50 true -2.05 None",
        "low of a -1.50 false 0.05 Some(TransferId(\"t\"))",
        "low of a -1.50 true -1.50 Some(HoldId(\"h\"))",
        "low of a removed",
    ];
    assert_eq!(said, due);
}
