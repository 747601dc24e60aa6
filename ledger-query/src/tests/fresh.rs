//! Every answer says how fresh the view is that gave it.

use ledger_proto::v1;
use ledger_views::Freshness;
use tonic::Status;
use tonic_types::StatusExt;

use super::bank::Bank;
use super::{as_of, balance_request};

#[test]
fn an_answer_of_any_state_says_how_fresh_its_view_is() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    let says = |consistency| {
        let read_at = query.get_balance(&balance_request("wallet", consistency)).unwrap().read_at;
        let v1::ReadAt { caught_up_at, records_behind, .. } = read_at.unwrap();
        (caught_up_at.as_ref().and_then(ledger_proto::time::from_wire), records_behind)
    };
    assert_eq!(says(None), (None, 0), "nothing is known yet");
    bank.tell(Freshness { caught_up_at: Some(7_000), known_end: 5 });
    assert_eq!(says(None), (Some(7_000), 3));
    assert_eq!(says(as_of(&opened.to_string())), (Some(7_000), 3), "the view, not the state");
    bank.transfers("bank", &[("till", "wallet", "1")]);
    assert_eq!(says(None), (Some(7_000), 2));
    bank.skip();
    bank.skip();
    bank.skip();
    assert_eq!(says(None), (Some(7_000), 0), "further than what was known of");
}

#[test]
fn that_something_is_not_there_is_said_with_how_fresh_that_is() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    bank.open("bank");
    let said = || {
        let error = query.get_balance(&balance_request("nobody", None)).unwrap_err();
        let info = Status::from(error).get_error_details().error_info().cloned().unwrap();
        (info.metadata.get("read_at").cloned(), info.metadata.get("caught_up_at").cloned())
    };
    assert_eq!(said(), (Some("0@1".into()), None));
    bank.tell(Freshness { caught_up_at: Some(1_000_000_000), known_end: 5 });
    assert_eq!(said(), (Some("0@1".into()), Some("1970-01-01T00:00:01Z".into())));
}
