//! What happens without a command: holds expire, and schedules run.

use ledger_domain::{Event, apply, decide_due};
use ledger_proto::logged::{self, LoggedCommand};

use super::Writer;
use super::draft::{Draft, RECORD_OVERHEAD_BYTES};
use super::recent::RecentEntry;
use crate::follower::entries;

/// Bytes of a hold's expiry, in the log: an id of 64, numbers and tags. An upper bound.
const EXPIRY_BYTES_MAX: usize = 160;

impl Writer {
    /// What is due comes before every command of its commit. As much of it as fits: the rest is due in a
    /// later one. Whether there is any.
    pub(super) fn take_due(&mut self, draft: &mut Draft) -> bool {
        if !self.is_due(draft.now) {
            return false;
        }
        let bytes_max = self.limits.commit_bytes_max.min(self.record_bytes_max);
        let mut left = (bytes_max.saturating_sub(RECORD_OVERHEAD_BYTES) / EXPIRY_BYTES_MAX).max(1);
        while left > 0 {
            // One after the other, for each depends upon those before it.
            let events = decide_due(&self.speculation.state, draft.now, left);
            left = left.saturating_sub(events.len());
            if events.is_empty() {
                break;
            }
            let logged = LoggedCommand {
                request_id: None,
                actor: String::new(),
                traceparent: String::new(),
                cause: None,
                source: None,
                // Nobody asked.
                content_hash: [0; 16],
                events,
            };
            let bytes = logged::encode(&logged);
            if !draft.is_empty() && draft.bytes_with(&bytes) > bytes_max {
                break;
            }
            let state = &mut self.speculation.state;
            logged.events.iter().for_each(|event| apply(state, event, draft.now));
            self.remember_due(&logged, draft);
            draft.push(bytes, logged.events.iter().map(Event::width).sum());
        }
        !draft.is_empty()
    }

    /// Keeps the ids of transfers that nobody asked for, which can be reversed as any other.
    fn remember_due(&mut self, logged: &LoggedCommand, draft: &Draft) {
        let place = entries::Place { offset: 0, index: draft.next_index(), recorded_at: draft.now };
        let mut kept = Vec::new();
        entries::of_command(&self.speculation.state, logged, place, &mut kept);
        for (key, entry) in kept {
            let entry = RecentEntry {
                sequence: draft.sequence,
                index: entry.index,
                recorded_at: entry.recorded_at,
                content_hash: entry.content_hash,
                refused: entry.refused,
                posted: entry.posted,
                metadata: entry.metadata,
            };
            self.recent.insert(&key, entry);
        }
    }
}
