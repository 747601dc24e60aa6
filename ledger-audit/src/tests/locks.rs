//! What took effect in open books, and what did not.

use super::*;

fn locked(locked_before: Option<i64>) -> Event {
    Event::BooksLocked { ledger: LedgerHandle(0), locked_before }
}

fn effective(event: Event, at: i64) -> Event {
    let Event::TransferBatch(mut batch) = event else { panic!("{event:?} moves nothing") };
    batch.accepted[0].effective_at = Some(at);
    Event::TransferBatch(batch)
}

fn posted(id: &str, at: i64) -> Event {
    effective(moved(id, 0, 1, 1), at)
}

#[test]
fn what_takes_effect_in_open_books_is_clean() {
    let mut author = Author::bank();
    author.forge(vec![
        posted("a", -1),
        locked(Some(1_000)),
        posted("b", 1_000),
        moved("c", 0, 1, 1),
    ]);
    author.forge(vec![locked(Some(5)), posted("d", 5), locked(None), posted("e", -1)]);
    assert_eq!(found(&author.log), []);
}

#[test]
fn what_takes_effect_in_closed_books_stops_the_replay() {
    let hold = || did("h", Effect::Hold { expires_at: None }, 0, 1, 100);
    let id = || Id::parse("h").unwrap();
    let capture = Capture { hold: id(), rest: false, remaining: 99 };
    let capture = did("c", Effect::Capture(Box::new(capture)), 0, 1, 1);
    let void = did("v", Effect::Void { hold: Box::new(id()), refused: None }, 0, 1, 100);
    let lock = || locked(Some(1_000));
    let now = Author::bank().now as i64 + 10;
    let cases = [
        (vec![lock(), posted("t-9", 999)], "0@11.1"),
        (vec![lock(), effective(hold(), 999)], "0@11.1"),
        (vec![hold(), lock(), effective(capture, 999)], "0@11.2"),
        (vec![hold(), lock(), effective(void, 999)], "0@11.2"),
        (vec![locked(Some(now + 1))], "0@11.0"),
        (vec![Event::BooksLocked { ledger: LedgerHandle(7), locked_before: None }], "0@11.0"),
    ];
    for (events, position) in cases {
        stops_at(&events, position);
    }
    let mut author = Author::bank();
    author.forge(vec![locked(Some(now))]);
    assert_eq!(found(&author.log), [], "up to now");
}
