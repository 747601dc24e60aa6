//! What the oracle takes for possible.

use super::*;
use crate::model::Verdict;

fn bank(ask: Ask) -> Request {
    let (request_id, ledger, conditions) = (String::new(), "bank".to_owned(), Vec::new());
    Request { request_id, ledger, ask, conditions, validate_only: true }
}

/// Seed 5741 of the simulation: a dry run whose instant passed while it waited.
#[test]
fn books_may_be_locked_from_their_instant_on() {
    let mut oracle = Oracle::new(LogId([1; 16]), 0);
    oracle.recorded_at = 10;
    let done = Verdicts::Whole(Verdict::Done);
    oracle.model.record(
        &bank(Ask::CreateLedger { metadata: Default::default() }),
        &[],
        &done,
        (1, 0),
    );
    let request = bank(Ask::Lock { before: Some(15) });
    let (transfers, told) = (Vec::new(), Told::Nothing);
    let attempt = Attempt { request, transfers, current: true, told };
    let expected = [(10, Verdicts::Whole(Verdict::Refused(226))), (15, done)];
    assert_eq!(oracle.may_come_to(&attempt), expected);
}
