//! S4: from every state on, each writer that is left alone gets a commit through.

use super::message::Message;
use super::state::State;
use super::writer::Role;
use super::{Action, Fence};

/// A request that no search sends.
const ANOTHER: u8 = 7;
/// More than any such run needs.
const STEPS_MAX: usize = 40;

impl State {
    /// Whether each writer gets on when the others rest and nothing more goes wrong: both when late
    /// messages stay away and when all of them land just as it begins to serve.
    pub(super) fn each_gets_on(&self, fence: &Fence) -> bool {
        if self.wrong.is_some() || self.stopped || self.lost.is_some() {
            return true;
        }
        let fence = Fence::new(fence.size, fence.in_doubt, fence.change);
        let alike = |w: usize| w > 0 && self.writers[w - 1] == self.writers[w];
        (0..self.writers.len()).filter(|w| !alike(*w)).all(|w| {
            self.gets_on(&fence, w, false)
                && (self.late.is_empty() || self.gets_on(&fence, w, true))
        })
    }

    fn gets_on(&self, fence: &Fence, w: usize, mut late_land: bool) -> bool {
        let mut state = self.clone();
        for _ in 0..STEPS_MAX {
            let serves = matches!(state.writers[w].role, Role::Serving(_));
            if serves && late_land {
                late_land = false;
                let late: Vec<Message> = state.late.drain(..).flatten().collect();
                for message in late {
                    state.land(fence, message);
                }
            } else {
                let Some(action) = state.next_alone(w) else { return false };
                state.apply(fence, action);
            }
            if state.wrong.is_some() {
                return false;
            }
            let known =
                matches!(&state.writers[w].role, Role::Serving(s) if s.known.past.has(ANOTHER));
            if known && state.reader.past.has(ANOTHER) {
                return true;
            }
        }
        false
    }

    /// What a writer without faults does next.
    fn next_alone(&self, w: usize) -> Option<Action> {
        match &self.writers[w].role {
            Role::Idle => Some(Action::Take(w)),
            Role::Stopped => None,
            _ if self.writers[w].on_its_way() => Some(Action::Land(w)),
            Role::Taking(_) => Some(Action::Serve(w)),
            Role::Serving(serving) if serving.flight.is_empty() => Some(Action::Send(w, ANOTHER)),
            Role::Serving(serving) => serving.next_report(w),
        }
    }
}
