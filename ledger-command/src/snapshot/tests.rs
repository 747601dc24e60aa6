//! Snapshots read back whole or not at all; their bytes are fixed by the schema that they name.

use ledger_domain::{
    AcceptedTransfer, AccountHandle, AccountName, AccountRules, AccountType, AlertRule, AssetCode,
    AssetHandle, BalanceFigure, Comparison, CustomerHandle, CustomerName, Decimal, Destination,
    Effect, Event, Id, LedgerHandle, LedgerName, Leg, Link, Metadata, MetadataChange, MetadataKey,
    MetadataTarget, MetadataValue, NewAccount, Plan, Sealed, SignedMinor, TransferBatch, When,
    apply,
};
use ledger_log::LogId;

use super::*;

fn sample() -> Snapshot {
    let mut state = State::default();
    let (ledger, asset) = (LedgerHandle(0), AssetHandle(0));
    let open = |account, name: &str, rules| Event::AccountOpened {
        ledger,
        account: AccountHandle(account),
        name: AccountName::parse(name).unwrap(),
        account_type: AccountType::Liability,
        rules,
        metadata: noted(),
    };
    let credit_limits = Box::new([(asset, 500)]);
    let limited = AccountRules { may_go_negative: false, credit_limits };
    let posted = AcceptedTransfer {
        id: Id::parse("t").unwrap(),
        effect: Effect::Post,
        up_to: None,
        debit_account: AccountHandle(0),
        credit_account: AccountHandle(1),
        asset,
        amount: 1234,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    let effect = Effect::Hold { expires_at: Some(5_000) };
    let held = AcceptedTransfer { id: Id::parse("h").unwrap(), effect, ..posted.clone() };
    let to = Destination {
        ledger: LedgerName::parse("shop").unwrap(),
        account: AccountName::parse("b").unwrap(),
        deadline: Some(6_000),
    };
    let (effect, reference) = (Effect::Send(Box::new(to)), "rent".into());
    let sent =
        AcceptedTransfer { id: Id::parse("s").unwrap(), effect, reference, ..posted.clone() };
    let accepted = vec![posted, held, sent];
    let events = [
        Event::LedgerCreated {
            ledger,
            name: LedgerName::parse("bank").unwrap(),
            metadata: Default::default(),
        },
        Event::AssetCreated { ledger, asset, code: AssetCode::parse("USD").unwrap(), scale: 2 },
        open(0, "world", AccountRules::without_limits(true)),
        open(1, "a", limited),
        changed(ledger),
        Event::TransferBatch(TransferBatch { ledger, accepted, refused: Vec::new() }),
        Event::BooksLocked { ledger, locked_before: Some(-5) },
        scheduled(ledger),
        registered(ledger),
        watched(ledger, asset),
    ];
    events.iter().for_each(|event| apply(&mut state, event, 1_000));
    state.record(1_000);
    let cursor = Cursor { next: 9, sequence: 5, ..Cursor::start(LogId([1; 16]), 3) };
    Snapshot { cursor, state }
}

/// A customer "c" with an account "w".
fn registered(ledger: LedgerHandle) -> Event {
    let sealed = MetadataValue::Sealed {
        customer: CustomerName::parse("c").unwrap(),
        sealed: Sealed::from_bytes(&[7]),
    };
    let account = NewAccount {
        account: AccountHandle(2),
        name: AccountName::parse("w").unwrap(),
        account_type: AccountType::Liability,
        rules: AccountRules::without_limits(false),
        metadata: [(MetadataKey::parse("k").unwrap(), sealed)].into_iter().collect(),
    };
    let (key, sealed) = (MetadataKey::parse("k").unwrap(), Sealed::from_bytes(&[7, 255]));
    Event::CustomerRegistered {
        ledger,
        customer: CustomerHandle(0),
        name: CustomerName::parse("c").unwrap(),
        accounts: vec![account],
        profile: [(key, sealed)].into(),
    }
}

/// What is noted of both accounts, under "k".
fn noted() -> Metadata {
    let key = MetadataKey::parse("k").unwrap();
    [(key, MetadataValue::plain("v").unwrap())].into_iter().collect()
}

/// That of the first is removed.
fn changed(ledger: LedgerHandle) -> Event {
    let target = MetadataTarget::Account(AccountHandle(0));
    let before = noted().iter().map(|(_, value)| value.clone()).next();
    let change = MetadataChange { key: MetadataKey::parse("k").unwrap(), before, after: None };
    let (changes, others) = (vec![change], Metadata::default());
    Event::MetadataChanged { ledger, target, changes, others }
}

/// A schedule "r", due on the last day of every month.
fn scheduled(ledger: LedgerHandle) -> Event {
    let name = |name| AccountName::parse(name).unwrap();
    let leg = Leg {
        debit_account: name("world"),
        credit_account: name("a"),
        asset: AssetCode::parse("USD").unwrap(),
        amount: Decimal::parse("1.5").unwrap(),
        up_to: false,
    };
    let (reference, when, start) = ("rent".into(), When::Monthly(31), 7_000);
    let plan = Plan { leg, reference, metadata: noted(), when, start, until: None, count: Some(3) };
    let next_due = plan.first_due().unwrap();
    let (schedule, plan) = (Id::parse("r").unwrap(), Box::new(plan));
    Event::ScheduleCreated { ledger, schedule, plan, next_due }
}

/// An alert "low" of the second account.
fn watched(ledger: LedgerHandle, asset: AssetHandle) -> Event {
    let rule = AlertRule {
        asset,
        figure: BalanceFigure::CreditsPosted,
        comparison: Comparison::Equal,
        amount: SignedMinor::new(true, 300),
    };
    let (account, alert) = (AccountHandle(1), Id::parse("low").unwrap());
    Event::BalanceAlertSet { ledger, account, alert, rule: Box::new(rule), raised: false }
}

fn encoded() -> Vec<u8> {
    let Snapshot { cursor, state } = sample();
    codec::encode(&cursor, &state).unwrap()
}

#[test]
fn reads_back_with_its_indices() {
    let snapshot = codec::decode(&encoded()).unwrap();
    assert_eq!(snapshot, sample());
    let ledger = snapshot.state.ledger_by_name(&LedgerName::parse("bank").unwrap()).unwrap();
    let book = snapshot.state.ledger(ledger).unwrap();
    assert_eq!(book.account_by_name(&AccountName::parse("a").unwrap()), Some(AccountHandle(1)));
    let customer = book.customer_by_name(&CustomerName::parse("c").unwrap());
    assert_eq!(customer, Some(CustomerHandle(0)));
    assert_eq!(snapshot.state.next_due(), Some(5_000));
    assert!(snapshot.state.is_watched(AccountHandle(1)));
    assert!(!snapshot.state.is_watched(AccountHandle(0)));
    let sends: Vec<_> = snapshot.state.sends().map(|(_, id)| id.to_string()).collect();
    assert_eq!(sends, ["s"]);
}

#[test]
fn the_state_has_the_bytes_of_its_schema() {
    let bytes = codec::state_bytes(&sample().state);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "010462616e6b010900010355534402", // one ledger, its lock, no metadata, its one asset
            "030005776f726c640101000000fbd0070100fbd20400fba4090000", // two accounts, the first with its balance
            "016101000100fbf401000101016b000176fbd007010000fbd20400fba409", // the second, with its limit and metadata
            "0001770100000001",           // the third, opened with a customer
            "01016b0101630107fbd00700",   // and what is sealed for them
            "01000163010201016b0207ff00", // the customer, with its sealed profile
            "0200010168000100fbd20401fb102700", // two holds, of which one expires
            "00010173000100fbd20400010473686f70016201fbe02efbd0070472656e74", // and one is a send
            "010001017205776f726c640161035553440f0100", // one schedule, what it posts
            "0472656e740101016b000176",   // with which reference and metadata
            "031ffbb0360001030001fdb036840ed26a120000", // when, and when next
            "010101036c6f7700030201fb2c0100", // one alert
            "fbd007",                     // recorded at
        ),
        "a type of the state changed: change SCHEMA with it"
    );
}

#[test]
fn any_flipped_bit_and_any_cut_is_seen() {
    let bytes = encoded();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(codec::decode(&flipped).is_err(), "byte {place}");
        assert!(codec::decode(&bytes[..place]).is_err(), "cut at {place}");
    }
}

#[test]
fn files_keep_the_newest_two_and_drop_half_written_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = FileSnapshots::open(folder.path()).unwrap();
    for next in [3, 20, 100] {
        store.save(next, &next.to_le_bytes()).unwrap();
    }
    assert_eq!(store.list().unwrap(), [100, 20]);
    assert_eq!(store.load(100).unwrap(), 100u64.to_le_bytes());
    std::fs::write(folder.path().join("next.partial"), b"half").unwrap();
    let store = FileSnapshots::open(folder.path()).unwrap();
    assert_eq!(store.list().unwrap(), [100, 20]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_save_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = FileSnapshots::open(folder.path()).unwrap();
    let in_the_way = folder.path().join(format!("{:020}.snapshot", 3));
    std::fs::create_dir(&in_the_way).unwrap();
    let error = store.save(3, b"whole").unwrap_err().to_string();
    assert!(error.starts_with("SNAPSHOT_STORE: "), "{error}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only what stood in the way: {left:?}");
}

#[test]
fn the_newest_sound_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = FileSnapshots::open(folder.path()).unwrap();
    assert_eq!(newest(&store).unwrap(), None);
    let Snapshot { cursor, state } = sample();
    save(&mut store, &cursor, &state).unwrap();
    store.save(50, b"damaged").unwrap();
    assert_eq!(newest(&store).unwrap(), Some(sample()));
    // Sound bytes under another name are of another position.
    let bytes = store.load(9).unwrap();
    store.save(60, &bytes).unwrap();
    assert_eq!(newest(&store).unwrap(), None);
}
