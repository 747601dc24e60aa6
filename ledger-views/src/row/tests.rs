//! Golden bytes of every row. A change here is another view version.

use std::fmt::Debug;

use ledger_domain::{
    Capture, Code, CustomerHandle, CustomerName, Decimal, Destination, Effect, Leg, Link, Metadata,
    MetadataKey, MetadataValue, Movement, Origin, Reversal, Sealed,
};

use super::*;

const PLACE: Place = Place { offset: 300, index: 17 };
const BALANCE: Balance =
    Balance { debits_posted: 5, credits_posted: 1 << 64, debits_pending: 0, credits_pending: 7 };

#[track_caller]
fn golden<R: Row + Debug + PartialEq>(row: &R, expected: &str) {
    let mut bytes = Vec::new();
    row.encode(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
    assert_eq!(R::decode(&bytes).as_ref(), Some(row));
}

/// Rows of known length refuse bytes that are cut short or go on.
#[track_caller]
fn exact<R: Row + Debug + PartialEq>(row: &R) {
    let mut bytes = Vec::new();
    row.encode(&mut bytes);
    for length in 0..bytes.len() {
        assert_eq!(R::decode(&bytes[..length]), None, "cut to {length}");
    }
    bytes.push(0);
    assert_eq!(R::decode(&bytes), None, "one byte more");
}

fn leg() -> Leg {
    Leg {
        debit_account: AccountName::from_log("a"),
        credit_account: AccountName::from_log("b:c"),
        asset: AssetCode::from_log("USD"),
        amount: Decimal::parse("12.5").unwrap(),
        up_to: false,
    }
}

fn transfer(id: Id) -> Transfer {
    Transfer {
        id,
        movement: Movement::Post(leg()),
        reference: "".into(),
        effective_at: Some(-2),
        link: Link::Alone,
        metadata: Default::default(),
    }
}

fn posted(reference: &str, effective_at: Option<Timestamp>) -> AcceptedTransfer {
    AcceptedTransfer {
        id: Id::Text("t1".into()),
        effect: Effect::Post,
        up_to: None,
        debit_account: AccountHandle(3),
        credit_account: AccountHandle(200),
        asset: AssetHandle(1),
        amount: 1234,
        reference: reference.into(),
        effective_at,
        link: Link::Alone,
        metadata: Default::default(),
    }
}

#[test]
fn balances_and_entries() {
    let latest = LatestRow { place: PLACE, balance: BALANCE };
    golden(&latest, "ac021105808080808080808080020007");
    exact(&latest);
    let entry = EntryRow {
        side: Side::Credit,
        kind: EntryKind::Post,
        amount: 1234,
        counterparty: AccountHandle(9),
        transfer: Id::Uuid([0xab; 16]),
        reference: "rent".into(),
        effective_at: Some(64),
        noted: false,
        balance: BALANCE,
    };
    golden(
        &entry,
        "07d209091100abababababababababababababababab0472656e74800105808080808080808080020007",
    );
    exact(&entry);
    let plain = EntryRow {
        side: Side::Debit,
        transfer: Id::Text("t1".into()),
        reference: "".into(),
        effective_at: None,
        ..entry
    };
    golden(&plain, "00d209090301743105808080808080808080020007");
    for (kind, first) in [
        (EntryKind::Hold, "10"),
        (EntryKind::Capture, "20"),
        (EntryKind::Void, "30"),
        (EntryKind::Expiry, "40"),
        (EntryKind::Reversal, "50"),
        (EntryKind::Send, "60"),
        (EntryKind::Receive, "70"),
    ] {
        let row = EntryRow { kind, ..plain.clone() };
        golden(&row, &format!("{first}d209090301743105808080808080808080020007"));
    }
    let noted = EntryRow { noted: true, ..plain.clone() };
    golden(&noted, "08d209090301743105808080808080808080020007");
    exact(&noted);
    assert_eq!(EntryRow::decode(&[0x80, 1, 1, 3, 1, 0x61, 0, 0, 0, 0]), None, "no such flag");
}

#[test]
fn holds() {
    let row = HoldRow { status: HoldStatus::Voided, remaining: 0, released: 300 };
    golden(&row, "0300ac02");
    exact(&row);
    assert_eq!(HoldRow::decode(&[5, 0, 0]), None, "no such status");
}

#[test]
fn sets() {
    let row = SetKeyframeRow { members: 300 };
    golden(&row, "ac02");
    exact(&row);
    for (row, bytes) in
        [(SetChange::Left, "00"), (SetChange::Joined, "01"), (SetChange::Carried, "02")]
    {
        golden(&row, bytes);
        exact(&row);
    }
    assert_eq!(SetChange::decode(&[3]), None, "no such change");
}

#[test]
fn reversals_and_journal_entries() {
    let row = ReversalRow { reversal: Id::Text("r1".into()), remaining: 300 };
    golden(&row, "03017231ac02");
    exact(&row);
    let ids = vec![Id::Text("t1".into()), Id::Uuid([0xab; 16])];
    let row = JournalEntryRow { place: PLACE, transfers: ids };
    golden(&row, "ac0211030174311100abababababababababababababababab");
}

#[test]
fn a_journal_entry_is_shown_as_far_as_the_place() {
    let ids: Vec<Id> = ["t1", "t2", "t3"].map(|id| Id::Text(id.into())).to_vec();
    let row = JournalEntryRow { place: PLACE, transfers: ids.clone() };
    for (index, shown) in [(17, 1), (18, 2), (19, 3), (20, 3), (u32::MAX, 3)] {
        assert_eq!(row.clone().as_of(Place { index, ..PLACE }).transfers, ids[..shown]);
    }
    assert_eq!(row.clone().as_of(Place { offset: 301, index: 0 }).transfers, ids);
}

#[test]
fn transfers_of_a_group() {
    let row = |outcome| TransferRow { place: PLACE, outcome };
    let entry = Link::Entry(Box::new(Id::Text("e".into())));
    let back = |rest| {
        Effect::Reversal(Box::new(Reversal { of: Id::Text("t".into()), rest, remaining: 5 }))
    };
    let accepted = [
        (Effect::Post, Link::Next, "00ac02110301743103c80101d20901"),
        (Effect::Post, entry.clone(), "00ac02110301743103c80101d20902020165"),
        (back(false), Link::Alone, "40ac02110301743103c80101d20902017405"),
        (back(true), Link::Next, "c0ac02110301743103c80101d2090201740501"),
    ];
    for (effect, link, hex) in accepted {
        let transfer = AcceptedTransfer { effect, link, ..posted("", None) };
        golden(&row(TransferOutcome::Accepted(transfer)), hex);
    }
    let of = Id::Text("t".into());
    let amount = Some(leg().amount);
    let asked = [
        (
            Movement::Reversal { of: of.clone(), amount },
            entry,
            "4cac021103017431d90101680201747d010302020165",
        ),
        (Movement::Reversal { of, amount: None }, Link::Next, "ccac021103017431d90101680201740301"),
    ];
    for (movement, link, hex) in asked {
        let transfer = Transfer { movement, link, ..transfer(Id::Text("t1".into())) };
        let rejection = Rejection::new(Code::HoldNotOpen, "h");
        golden(&row(TransferOutcome::Refused(transfer, rejection)), hex);
    }
}

#[test]
fn transfers_with_metadata() {
    let row = |outcome| TransferRow { place: PLACE, outcome };
    let metadata = || -> Metadata {
        let entry = |(key, value): (&str, &str)| {
            (MetadataKey::from_log(key), MetadataValue::Plain(value.into()))
        };
        [("a", "1"), ("k", "v")].into_iter().map(entry).collect()
    };
    let accepted = |link| AcceptedTransfer { link, metadata: metadata(), ..posted("x", Some(1)) };
    for (link, hex) in [
        (Link::Alone, "06ac02110301743103c80101d20901780203020161010131016b010176"),
        (Link::Next, "06ac02110301743103c80101d2090178020103020161010131016b010176"),
    ] {
        golden(&row(TransferOutcome::Accepted(accepted(link))), hex);
    }
    let asked = Transfer { metadata: metadata(), ..transfer(Id::Text("t1".into())) };
    let rejection = Rejection::new(Code::HoldNotOpen, "h");
    let refused = row(TransferOutcome::Refused(asked, rejection));
    let mut bytes = Vec::new();
    refused.encode(&mut bytes);
    assert_eq!(TransferRow::decode(&bytes), Some(refused));
    let mut bytes = Vec::new();
    row(TransferOutcome::Accepted(posted("", None))).encode(&mut bytes);
    bytes.extend([3, 0]);
    assert_eq!(TransferRow::decode(&bytes), None, "metadata of nothing");
}

#[test]
fn transfers_between_ledgers() {
    let row = |outcome| TransferRow { place: PLACE, outcome };
    let to = |deadline| {
        let (ledger, account) = (LedgerName::from_log("m"), AccountName::from_log("b"));
        Box::new(Destination { ledger, account, deadline })
    };
    let from = || {
        let (ledger, send) = (LedgerName::from_log("m"), Id::Text("s".into()));
        Box::new(Origin { ledger, send, scale: 2, deadline: None, sent_at: 64 })
    };
    let why = || Some(Box::new(Rejection::new(Code::AccountFrozen, "b")));
    let hold = Id::Text("h".into());
    let accepted = [
        (Effect::Send(to(None)), "56ac02110301743103c80101d209016d016200017802"),
        (Effect::Send(to(Some(-2))), "56ac02110301743103c80101d209016d01620103017802"),
        (Effect::Receive(from()), "66ac02110301743103c80101d209016d02017302008001017802"),
        (
            Effect::Void { hold: Box::new(hold.clone()), refused: why() },
            "b6ac02110301743103c80101d209020168d6010162017802",
        ),
    ];
    for (effect, hex) in accepted {
        let transfer = AcceptedTransfer { effect, ..posted("x", Some(1)) };
        let row = row(TransferOutcome::Accepted(transfer));
        golden(&row, hex);
        exact(&row);
    }
    let asked = [
        (
            Movement::Send { leg: leg(), to: to(Some(-2)) },
            "5cac021103017431d9010168016103623a63035553447d01016d0162010303",
        ),
        (
            Movement::Receive { leg: leg(), from: from() },
            "6cac021103017431d9010168016103623a63035553447d01016d0201730200800103",
        ),
        (Movement::Void { hold, refused: why() }, "bcac021103017431d9010168020168d601016203"),
    ];
    for (movement, hex) in asked {
        let transfer = Transfer { movement, ..transfer(Id::Text("t1".into())) };
        let rejection = Rejection::new(Code::HoldNotOpen, "h");
        golden(&row(TransferOutcome::Refused(transfer, rejection)), hex);
    }
}

#[test]
fn transfers_of_every_kind() {
    let row = |outcome| TransferRow { place: PLACE, outcome };
    let hold = Id::Text("h".into());
    let up_to = Some(Box::new(2_000));
    let capture = |rest, remaining| {
        Effect::Capture(Box::new(Capture { hold: hold.clone(), rest, remaining }))
    };
    let accepted = [
        (Effect::Post, up_to.clone(), "86ac02110301743103c80101d209d00f017802"),
        (Effect::Hold { expires_at: None }, None, "16ac02110301743103c80101d209017802"),
        (Effect::Hold { expires_at: Some(-2) }, up_to, "97ac02110301743103c80101d209d00f03017802"),
        (capture(false, 5), None, "26ac02110301743103c80101d20902016805017802"),
        (capture(true, 0), None, "a6ac02110301743103c80101d20902016800017802"),
        (
            Effect::Void { hold: Box::new(hold.clone()), refused: None },
            None,
            "36ac02110301743103c80101d209020168017802",
        ),
    ];
    for (effect, up_to, hex) in accepted {
        let transfer = AcceptedTransfer { effect, up_to, ..posted("x", Some(1)) };
        let row = row(TransferOutcome::Accepted(transfer));
        golden(&row, hex);
        exact(&row);
    }
    let up_to = Leg { up_to: true, ..leg() };
    let amount = Some(leg().amount);
    let asked = [
        (Movement::Post(up_to.clone()), "8cac021103017431d9010168016103623a63035553447d0103"),
        (
            Movement::Hold { leg: leg(), expires_at: None },
            "1cac021103017431d9010168016103623a63035553447d0103",
        ),
        (
            Movement::Hold { leg: up_to, expires_at: Some(-2) },
            "9dac021103017431d9010168016103623a63035553447d010303",
        ),
        (Movement::Capture { hold: hold.clone(), amount }, "2cac021103017431d90101680201687d0103"),
        (
            Movement::Capture { hold: hold.clone(), amount: None },
            "acac021103017431d901016802016803",
        ),
        (Movement::Void { hold, refused: None }, "3cac021103017431d901016802016803"),
    ];
    for (movement, hex) in asked {
        let transfer = Transfer { movement, ..transfer(Id::Text("t1".into())) };
        let rejection = Rejection::new(Code::HoldNotOpen, "h");
        let row = row(TransferOutcome::Refused(transfer, rejection));
        golden(&row, hex);
        exact(&row);
    }
}

#[test]
fn transfers() {
    let row = |outcome| TransferRow { place: PLACE, outcome };
    let plain = row(TransferOutcome::Accepted(posted("", None)));
    golden(&plain, "00ac02110301743103c80101d209");
    exact(&plain);
    let full = row(TransferOutcome::Accepted(posted("x", Some(1))));
    golden(&full, "06ac02110301743103c80101d209017802");
    exact(&full);
    let rejection = Rejection::new(Code::InsufficientFunds, "a");
    let refused = row(TransferOutcome::Refused(transfer(Id::Text("t1".into())), rejection));
    golden(&refused, "0cac021103017431d3010161016103623a63035553447d0103");
    exact(&refused);
}

#[test]
fn directories() {
    let ledger = LedgerRow { handle: LedgerHandle(2), place: PLACE };
    golden(&ledger, "02ac0211");
    exact(&ledger);
    golden(&LedgerNameRow(LedgerName::from_log("bank")), "62616e6b");
    let asset = AssetRow { handle: AssetHandle(1), scale: 2, place: PLACE };
    golden(&asset, "0102ac0211");
    exact(&asset);
    golden(&AssetCodeRow { code: AssetCode::from_log("USD"), scale: 2 }, "02555344");
    let account = AccountRow {
        handle: AccountHandle(200),
        account_type: AccountType::Liability,
        rules: AccountRules::without_limits(true),
        place: PLACE,
    };
    golden(&account, "c801020100ac0211");
    exact(&account);
    let name = AccountNameRow { ledger: LedgerHandle(2), name: AccountName::from_log("a:b") };
    golden(&name, "0203613a62");
    exact(&name);
}

#[test]
fn the_log() {
    let commit = |kind| CommitRow { kind, term: 1, sequence: 2, recorded_at: 3 };
    golden(&commit(RecordKind::Created), "00010206");
    golden(&commit(RecordKind::TermStarted), "01010206");
    golden(&commit(RecordKind::Commit { width: 300 }), "02010206ac02");
    golden(&commit(RecordKind::Skipped("hole".into())), "0301020604686f6c65");
    exact(&commit(RecordKind::Skipped("hole".into())));
    golden(&TimeRow { offset: 300 }, "ac02");
    let applied = AppliedRow {
        offset: 300,
        recorded_at: 3,
        heads: Heads { ledgers: 1, accounts: 200, customers: 3 },
        cursor: vec![1, 2],
    };
    golden(&applied, "ac020601c801030102");
    let log = ViewLog { log_id: [7; 16], partition: 3, partition_count: 8 };
    golden(&log, "070707070707070707070707070707070308");
    exact(&log);
    golden(&ToldRow { caught_up_at: None, known_end: 300, parked: None }, "00ac02");
    let told = ToldRow { caught_up_at: Some(3), known_end: 1, parked: Some((5, "no".into())) };
    golden(&told, "03010605026e6f");
    exact(&told);
}

#[test]
fn keys() {
    use crate::key;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (account, asset) = (AccountHandle(0x0102), AssetHandle(3));
    assert_eq!(hex(&key::balance(account, asset)), "000000000000010200000003");
    let history = key::history(account, asset, PLACE);
    assert_eq!(hex(&history), "000000000000010200000003fffffffffffffed3ffffffee");
    assert_eq!(key::read_history(&history), Some((account, asset, PLACE)));
    let transfer = key::transfer(LedgerHandle(1), &Id::Text("t1".into()));
    assert_eq!(hex(&transfer), "00000001017431");
    let hold = key::change(LedgerHandle(1), &Id::Text("t1".into()), PLACE);
    assert_eq!(hex(&hold), "0000000101743100fffffffffffffed3ffffffee");
    assert_eq!(key::read_place(&hold), Some(PLACE));
    let lock = key::book_lock(LedgerHandle(1), PLACE);
    assert_eq!(hex(&lock), "00000001fffffffffffffed3ffffffee");
    assert_eq!(key::read_place(&lock), Some(PLACE));
    assert_eq!(hex(&key::named(LedgerHandle(1), "a:b")), "00000001613a62");
    assert_eq!(hex(&key::asset_code(LedgerHandle(1), asset)), "0000000100000003");
    assert_eq!(hex(&key::time(1)), "fffffffffffffffe");
}

#[test]
fn statuses_of_accounts() {
    let row = AccountStatusRow(AccountStatus::Frozen);
    golden(&row, "02");
    exact(&row);
    assert_eq!(AccountStatusRow::decode(&[4]), None, "no such status");
}

#[test]
fn locks_of_books() {
    golden(&BookLockRow(None), "00");
    golden(&BookLockRow(Some(-5)), "0109");
    exact(&BookLockRow(Some(-5)));
    assert_eq!(BookLockRow::decode(&[2]), None, "no such lock");
}

#[test]
fn rules_of_accounts() {
    golden(&AccountRulesRow(AccountRules::without_limits(true)), "0100");
    let credit_limits = Box::new([(AssetHandle(1), 300), (AssetHandle(200), 5)]);
    let limited = AccountRulesRow(AccountRules { may_go_negative: false, credit_limits });
    golden(&limited, "000201ac02c80105");
    exact(&limited);
    assert_eq!(AccountRulesRow::decode(&[2, 0]), None, "no such rule");
}

#[test]
fn customers() {
    let accounts = vec![AccountHandle(1), AccountHandle(200)];
    let row = CustomerRow { handle: CustomerHandle(3), place: PLACE, accounts };
    golden(&row, "03ac02110201c801");
    exact(&row);
    let name = CustomerNameRow { ledger: LedgerHandle(2), name: CustomerName::from_log("ann") };
    golden(&name, "0203616e6e");
    exact(&name);
    let sealed = Sealed::from_bytes(&[7, 8]);
    let profile = ProfileRow::Kept([(MetadataKey::from_log("email"), sealed)].into());
    golden(&profile, "000105656d61696c020708");
    exact(&profile);
    golden(&ProfileRow::Erased, "01");
    exact(&ProfileRow::Erased);
    assert_eq!(ProfileRow::decode(&[2]), None, "no such profile");
    golden(&AccountCustomerRow(CustomerHandle(200)), "c801");
    exact(&AccountCustomerRow(CustomerHandle(200)));
}
