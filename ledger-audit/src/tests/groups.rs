//! Reversals, groups and journal entries that were rightly recorded, and those that were not.

use super::*;

/// Posts back of "t-1", which moved 500 from account 0 to account 1.
fn reversed(id: &str, of: &str, amount: u128, remaining: u128) -> Event {
    back(id, of, (1, 0), amount, remaining)
}

fn back(id: &str, of: &str, (debit, credit): (u64, u64), amount: u128, remaining: u128) -> Event {
    let of = Id::parse(of).unwrap();
    let reversal = Reversal { of, rest: false, remaining };
    did(id, Effect::Reversal(Box::new(reversal)), debit, credit, amount)
}

fn entry(id: &str) -> Link {
    Link::Entry(Box::new(Id::parse(id).unwrap()))
}

/// Posts 1 each, linked so.
fn grouped(rows: &[(&str, Link)]) -> Event {
    let accepted = rows.iter().map(|(id, link)| {
        let Event::TransferBatch(one) = moved(id, 0, 1, 1) else { panic!("a batch") };
        AcceptedTransfer { link: link.clone(), ..one.accepted[0].clone() }
    });
    let (ledger, refused) = (LedgerHandle(0), Vec::new());
    Event::TransferBatch(TransferBatch { ledger, accepted: accepted.collect(), refused })
}

fn refusing_behind(mut event: Event) -> Event {
    let Event::TransferBatch(batch) = &mut event else { panic!("a batch") };
    let leg = Leg {
        debit_account: AccountName::parse("alice").unwrap(),
        credit_account: AccountName::parse("bob").unwrap(),
        asset: AssetCode::parse("USD").unwrap(),
        amount: Decimal::from_minor(1, 2),
        up_to: false,
    };
    let transfer = Transfer {
        id: Id::parse("t-refused").unwrap(),
        movement: Movement::Post(leg),
        reference: "".into(),
        effective_at: None,
        link: Link::Alone,
        metadata: Default::default(),
    };
    let rejection = Rejection::new(Code::InsufficientFunds, "alice");
    batch.refused.push(RefusedTransfer { row: batch.rows(), transfer, rejection });
    event
}

fn forged(events: Vec<Event>) -> Vec<(&'static str, String)> {
    let mut author = Author::bank();
    author.forge(events);
    found(&author.log)
}

#[test]
fn a_reversal_of_what_was_not_posted_is_found() {
    let hold = did("h", Effect::Hold { expires_at: None }, 0, 1, 100);
    let cases = [
        (vec![reversed("r-1", "none", 1, 0)], "0@11.0"),
        (vec![reversed("r-1", "t-1", 501, 0)], "0@11.0"),
        (vec![reversed("r-1", "t-1", 300, 300)], "0@11.0"),
        (vec![back("r-1", "t-1", (0, 1), 500, 0)], "0@11.0"),
        (vec![back("r-1", "t-1", (1, 2), 500, 0)], "0@11.0"),
        (vec![reversed("r-1", "t-1", 1, 499), reversed("r-2", "t-1", 1, 499)], "0@11.1"),
        (vec![reversed("r-1", "t-1", 1, 499), reversed("r-2", "t-1", 400, 98)], "0@11.1"),
        (vec![hold, reversed("r-1", "h", 100, 0)], "0@11.1"),
        // "t-2" was refused.
        (vec![back("r-1", "t-2", (2, 1), 900, 0)], "0@11.0"),
        (vec![reversed("r-1", "t-1", 9, 491), back("r-2", "r-1", (0, 1), 9, 0)], "0@11.1"),
    ];
    for (events, position) in cases {
        let found = forged(events.clone());
        let ours: Vec<_> =
            found.into_iter().filter(|(invariant, _)| *invariant == "LD-7").collect();
        assert_eq!(ours, one("LD-7", position), "{events:?}");
    }
}

#[test]
fn a_group_that_is_not_whole_is_found() {
    let next = || Link::Next;
    let open = grouped(&[("t-8", next()), ("t-9", next())]);
    assert_eq!(forged(vec![open]), one("LD-8", "0@11.1"));
    let refused = refusing_behind(grouped(&[("t-8", next())]));
    assert_eq!(forged(vec![refused]), one("LD-8", "0@11.1"));
}

#[test]
fn a_journal_entry_that_is_recorded_twice_is_found() {
    let alone = || Link::Alone;
    let split = grouped(&[("t-8", entry("e")), ("t-9", alone()), ("t-10", entry("e"))]);
    assert_eq!(forged(vec![split]), one("LD-4", "0@11.2"));
    let again = vec![grouped(&[("t-8", entry("e"))]), grouped(&[("t-9", entry("e"))])];
    assert_eq!(forged(again), one("LD-4", "0@11.1"));
}

#[test]
fn what_was_rightly_grouped_and_reversed_is_clean() {
    let next = || Link::Next;
    let rows = [("t-8", next()), ("t-9", Link::Alone), ("t-10", entry("e")), ("t-11", entry("e"))];
    let events = vec![
        refusing_behind(grouped(&rows)),
        // The same id is another thing's.
        grouped(&[("e", entry("t-8")), ("t-12", entry("f"))]),
        reversed("r-1", "t-1", 200, 300),
        reversed("r-2", "t-10", 1, 0),
        reversed("r-3", "t-1", 50, 250),
    ];
    assert_eq!(forged(events), []);
}
