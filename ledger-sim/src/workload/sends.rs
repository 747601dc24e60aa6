//! Money that is sent to other ledgers.

use fastrand::Rng;

use super::{ACCOUNTS, LEDGERS, SECOND_NS, Workload};
use crate::model::SEND;
use crate::request::Transfer;

impl Workload {
    /// Mostly to an account that is there, in time.
    pub(super) fn send(&self, rng: &mut Rng, row: usize, ledger: &str) -> Transfer {
        let others: Vec<&str> = LEDGERS.into_iter().filter(|other| *other != ledger).collect();
        let to = match rng.u32(0..40) {
            0 => ledger,
            1 => "ghost",
            2 => "no ledger",
            _ => others[rng.usize(0..others.len())],
        };
        let account = match rng.u32(0..40) {
            0 => "nobody",
            1 => "~clearing:bank",
            _ => ACCOUNTS[rng.usize(0..ACCOUNTS.len())],
        };
        let destination = match rng.u32(0..60) {
            0 => account.to_owned(),
            _ => format!("ledgers/{to}/accounts/{account}"),
        };
        let deadline = match rng.u32(0..10) {
            0..6 => None,
            6 => Some(self.now - rng.i64(-2..SECOND_NS)),
            7 => Some(self.now + rng.i64(0..100 * SECOND_NS)),
            _ => Some(self.now + rng.i64(0..SECOND_NS / 4)),
        };
        let transfer = self.transfer(rng, row);
        let debit = if rng.u32(0..3) == 0 { transfer.debit.clone() } else { "world".into() };
        let (credit, expires_at) = (String::new(), None);
        Transfer { kind: SEND, debit, credit, expires_at, destination, deadline, ..transfer }
    }
}
