//! Whether the partition is this server's to write. It is a hint for who should lead: what counts is
//! decided by the fence in the log, also while two servers take it for theirs.

use ledger_domain::Timestamp;

use super::term::Phase;
use super::{Speculation, Writer};
use crate::reply::Reply;

const REVOKED: &str = "the partition went to another server";

impl Writer {
    /// The partition is this server's: the next step takes a term. One that was being given back goes on.
    pub fn assign(&mut self) {
        self.assigned = true;
        if matches!(self.phase, Phase::Standby) {
            self.failures = 0;
            self.last_error.clear();
            self.phase = Phase::Resting { until: Some(Timestamp::MIN) };
        }
    }

    /// The partition goes to another server. What waits to be decided is for that one; what is in flight
    /// is answered by its reports, and then this writer is on standby. In a term that is in doubt nobody
    /// waits: the next owner's term settles it, and whoever asks there again with the same ids hears how.
    pub fn revoke(&mut self) {
        self.assigned = false;
        self.refuse_queued(&Reply::NotOwner);
        self.stand_by_if_revoked();
    }

    /// The partition is another server's by now, or its log does not answer: on standby at once.
    pub fn abandon(&mut self) {
        self.assigned = false;
        self.refuse_queued(&Reply::NotOwner);
        if !matches!(self.phase, Phase::Standby | Phase::Stopped { .. }) {
            self.stand_by();
        }
    }

    pub(super) fn stand_by_if_revoked(&mut self) {
        if self.assigned {
            return;
        }
        match self.phase {
            Phase::Standby | Phase::Stopped { .. } => {}
            Phase::Serving(_) if !self.is_idle() => {}
            Phase::Serving(_) | Phase::Resting { .. } | Phase::Taking(_) => self.stand_by(),
        }
    }

    /// Forgets everything that is of a term: the next one begins with what the follower hands over.
    fn stand_by(&mut self) {
        self.release();
        self.leave_unknown(REVOKED);
        self.recent.clear();
        self.speculation = Speculation::default();
        self.settled = None;
        self.without_offset = 0;
        self.first_ticket = self.next_ticket;
        self.unwritable = None;
        self.clock_behind_ns = 0;
        self.parts.link.want_nothing();
        self.phase = Phase::Standby;
        tracing::info!(partition = self.parts.partition, "on standby");
    }
}
