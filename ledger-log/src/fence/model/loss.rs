//! L1: when the end of the log is lost, whoever had read it finds out.

use super::message::{LOG, Message, PARTITION, Past};
use super::state::{Lost, State};
use super::{Change, Fence};
use crate::simulated::Simulated;

impl State {
    /// Either all that had counted still does, or a reader that reads anew stops, or one that kept its
    /// cursor sees another log.
    pub(super) fn loss_is_found(&self, fence: &Fence) -> bool {
        let Some(Lost { kept, past }) = &self.lost else { return true };
        let is_noticed =
            || fence.change != Change::NoVerification && kept.verify(&self.backend(), LOG).is_err();
        self.stopped || self.still_counts(*past) || is_noticed()
    }

    fn still_counts(&self, past: Past) -> bool {
        let mut now = Past::NOTHING;
        let counting = self.log.iter().filter(|logged| logged.counts);
        past == now
            || counting.into_iter().any(|logged| {
                if let Message::Commit(commit) = &logged.message {
                    now = now.after(commit);
                }
                now == past
            })
    }

    fn backend(&self) -> Simulated {
        let backend = Simulated::new(1, 0);
        for message in self.messages() {
            backend.inject(PARTITION, message.bytes());
        }
        backend
    }
}
