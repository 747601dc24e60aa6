//! Up to when books are closed, as of any position.

use ledger_domain::CommandBody;
use ledger_proto::{time, v1};

use super::as_of;
use super::bank::Bank;

#[test]
fn books_are_closed_as_they_were_at_every_position() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let lock = |locked_before| CommandBody::LockBooks { locked_before };
    let opened = bank.open("bank");
    bank.open("shop");
    let twice = bank.commit("bank", vec![lock(Some(7)), lock(Some(-5))]);
    let unlocked = bank.commit("bank", vec![lock(None)]);
    let shown = |ledger: &v1::Ledger| {
        let before = ledger.locked_before.as_ref().map(|at| time::from_wire(at).unwrap());
        format!("{before:?} {}", ledger.locked_position)
    };
    let at = |position: &str| {
        let (name, consistency) = ("ledgers/bank".to_owned(), as_of(position));
        let request = v1::GetLedgerRequest { name, consistency };
        shown(&query.get_ledger(&request).unwrap().ledger.unwrap())
    };
    assert_eq!(at(&opened.to_string()), "None ");
    assert_eq!(at(&format!("{twice}.0")), format!("Some(7) {twice}.0"));
    assert_eq!(at(&twice.to_string()), format!("Some(-5) {twice}.1"));
    assert_eq!(at(&unlocked.to_string()), format!("None {unlocked}.0"));
    let all = query.list_ledgers(&v1::ListLedgersRequest::default()).unwrap().ledgers;
    let all: Vec<String> = all.iter().map(shown).collect();
    assert_eq!(all, [format!("None {unlocked}.0"), "None ".to_owned()]);
}
