//! What becomes of transfers: holds, reversals and journal entries, at every position.

use ledger_domain::{AccountName, AssetCode, Decimal, Id, Leg, Link, Movement, Transfer};

use super::*;

/// A hold of EUR from the till to the wallet, and what is done with it.
pub(super) fn moves(id: &str, movement: Movement) -> Transfer {
    Transfer {
        id: Id::parse(id).unwrap(),
        movement,
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    }
}

pub(super) fn hold(id: &str, amount: &str, expires_at: Option<i64>) -> Transfer {
    let leg = Leg {
        debit_account: AccountName::parse("till").unwrap(),
        credit_account: AccountName::parse("wallet").unwrap(),
        asset: AssetCode::parse("EUR").unwrap(),
        amount: Decimal::parse(amount).unwrap(),
        up_to: false,
    };
    moves(id, Movement::Hold { leg, expires_at })
}

fn post(id: &str, amount: &str, link: Link) -> Transfer {
    let Movement::Hold { leg, .. } = hold(id, amount, None).movement else { panic!("a hold") };
    Transfer { link, ..moves(id, Movement::Post(leg)) }
}

#[test]
fn a_journal_entry_and_its_reversals_are_what_they_were_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let id = |id: &str| Id::parse(id).unwrap();
    let entry = || Link::Entry(Box::new(id("e")));
    let reversal = |of: &str, amount: Option<&str>| Movement::Reversal {
        of: id(of),
        amount: amount.map(|amount| Decimal::parse(amount).unwrap()),
    };
    let at = bank.post(
        "bank",
        vec![
            post("a", "10", entry()),
            post("b", "4", entry()),
            moves("r1", reversal("a", Some("2.5"))),
            moves("r2", reversal("b", None)),
            moves("r3", reversal("a", None)),
        ],
    );
    let read = |consistency| {
        let name = "ledgers/bank/journalEntries/e".into();
        query.get_journal_entry(&v1::GetJournalEntryRequest { name, consistency })
    };
    let say = |response: v1::GetJournalEntryResponse| {
        let transfers = response.transfers.into_iter().map(|it| {
            let transfer = it.transfer.unwrap();
            assert_eq!((transfer.entry_id.as_str(), transfer.linked), ("e", false));
            let reversal = it.reversal.map(|it| {
                format!(" {} {} {:?} {}", it.reversed, it.remaining, it.reversal_ids, it.position)
            });
            let reversal = reversal.unwrap_or_default();
            format!("{} {} {}{reversal}", transfer.transfer_id, transfer.amount, it.position)
        });
        transfers.collect::<Vec<_>>().join("; ")
    };
    let shown = read(None).unwrap();
    assert_eq!(
        (shown.name.as_str(), &shown.position),
        ("ledgers/bank/journalEntries/e", &format!("{at}.0"))
    );
    let all = format!(
        "a 10.00 {at}.0 10.00 0.00 [\"r3\", \"r1\"] {at}.4; b 4.00 {at}.1 4.00 0.00 [\"r2\"] {at}.3"
    );
    assert_eq!(say(shown), all);
    for (index, expected) in [
        (0, format!("a 10.00 {at}.0")),
        (1, format!("a 10.00 {at}.0; b 4.00 {at}.1")),
        (2, format!("a 10.00 {at}.0 2.50 7.50 [\"r1\"] {at}.2; b 4.00 {at}.1")),
    ] {
        assert_eq!(say(read(as_of(&format!("{at}.{index}"))).unwrap()), expected);
    }
    let before = read(as_of(&format!("0@{}", at.offset - 1))).unwrap_err();
    let reason = "UNKNOWN_JOURNAL_ENTRY";
    assert!(matches!(before, QueryError::NotFound { reason: r, .. } if r == reason), "{before}");

    let get = |id: &str| {
        let name = format!("ledgers/bank/transfers/{id}");
        query.get_transfer(&v1::GetTransferRequest { name, consistency: None }).unwrap()
    };
    let back = get("r1");
    assert_eq!(back.reversal, None);
    let back = back.transfer.unwrap();
    assert_eq!((back.kind(), back.reversed_id.as_str()), (v1::TransferKind::Reversal, "a"));
    assert_eq!((back.debit_account.as_str(), back.credit_account.as_str()), ("wallet", "till"));
    assert_eq!(get("a").reversal.unwrap().reversal_ids, ["r3", "r1"]);
}

#[test]
fn a_hold_is_what_it_was_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let until = bank.recorded_at() + 1_000;
    let id = || Id::parse("h").unwrap();
    let part = Movement::Capture { hold: id(), amount: Some(Decimal::parse("3").unwrap()) };
    let held = bank.post("bank", vec![hold("h", "10", Some(until)), hold("i", "4", None)]);
    let part = bank.post("bank", vec![moves("c", part)]);
    let void = Movement::Void { hold: Id::parse("i").unwrap(), refused: None };
    let void = bank.post("bank", vec![moves("v", void), hold("j", "5", None)]);
    let rest = Movement::Capture { hold: Id::parse("j").unwrap(), amount: None };
    let rest = bank.post("bank", vec![moves("r", rest)]);
    let expired = bank.expire(until);

    let state = |id: &str, at: &Position| {
        let name = format!("ledgers/bank/transfers/{id}");
        let request = v1::GetTransferRequest { name, consistency: as_of(&at.to_string()) };
        let hold = query.get_transfer(&request).unwrap().hold.unwrap();
        let status = hold.status();
        let v1::HoldState { captured, remaining, released, position, .. } = hold;
        format!("{} {captured} {remaining} {released} {position}", status.as_str_name())
    };
    assert_eq!(state("h", &held), format!("HOLD_STATUS_OPEN 0.00 10.00 0.00 {held}.0"));
    assert_eq!(state("h", &part), format!("HOLD_STATUS_OPEN 3.00 7.00 0.00 {part}.0"));
    assert_eq!(state("h", &rest), format!("HOLD_STATUS_OPEN 3.00 7.00 0.00 {part}.0"));
    assert_eq!(state("h", &expired), format!("HOLD_STATUS_EXPIRED 3.00 0.00 7.00 {expired}.0"));
    assert_eq!(state("i", &held), format!("HOLD_STATUS_OPEN 0.00 4.00 0.00 {held}.1"));
    assert_eq!(state("i", &expired), format!("HOLD_STATUS_VOIDED 0.00 0.00 4.00 {void}.0"));
    assert_eq!(state("j", &void), format!("HOLD_STATUS_OPEN 0.00 5.00 0.00 {void}.1"));
    assert_eq!(state("j", &rest), format!("HOLD_STATUS_CAPTURED 5.00 0.00 0.00 {rest}.0"));

    // A capture is shown with what it has of its hold, and is no hold.
    let request =
        v1::GetTransferRequest { name: "ledgers/bank/transfers/c".into(), consistency: None };
    let shown = query.get_transfer(&request).unwrap();
    assert_eq!(shown.hold, None);
    let shown = shown.transfer.unwrap();
    assert_eq!((shown.kind(), shown.hold_id.as_str()), (v1::TransferKind::Capture, "h"));
    assert_eq!(
        (shown.debit_account.as_str(), shown.credit_account.as_str(), shown.amount.as_str()),
        ("till", "wallet", "3.00")
    );

    let request = v1::ListEntriesRequest {
        parent: "ledgers/bank/accounts/till".into(),
        ..Default::default()
    };
    let lines: Vec<String> = query
        .list_entries(&request)
        .unwrap()
        .entries
        .iter()
        .map(|entry| {
            let (kind, id) =
                (entry.kind().as_str_name(), entry.transfer.rsplit('/').next().unwrap());
            let balance = entry.balance.as_ref().unwrap();
            format!("{kind} {id} {} {} {}", entry.amount, balance.balance, balance.debits_pending)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "ENTRY_KIND_EXPIRY h 7.00 8.00 0.00",
            "ENTRY_KIND_CAPTURE r 5.00 8.00 7.00",
            "ENTRY_KIND_HOLD j 5.00 3.00 12.00",
            "ENTRY_KIND_VOID v 4.00 3.00 7.00",
            "ENTRY_KIND_CAPTURE c 3.00 3.00 11.00",
            "ENTRY_KIND_HOLD i 4.00 0.00 14.00",
            "ENTRY_KIND_HOLD h 10.00 0.00 10.00",
        ]
    );
}
