//! The driver in the real world: one task for all partitions that this server writes.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger_domain::{Code, Rejection, Timestamp};
use ledger_proto::v1::command::Request;
use ledger_proto::v1::command_result::Outcome;
use ledger_proto::{request, v1};
use tokio::task::JoinSet;

use super::{Answered, Key, Sagas, Step, StepKind, refused};
use crate::router::{Arrival, Origin, Router};
use crate::run::Handle;

/// How long a step looks for the server that decides it: it is asked for again anyway, and others wait.
const FIND_OWNER: Duration = Duration::from_secs(1);
/// How often it looks whether partitions have come or gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Drives the sends of all partitions that this server writes, for as long as it is polled.
#[expect(clippy::disallowed_methods, reason = "the pauses of the real world")]
pub async fn drive(handle: Handle, router: Router, clock: fn() -> Timestamp) {
    let changed = handle.sends_changed();
    let mut driving =
        Driving { handle, router, sagas: BTreeMap::new(), given: 0, asked: JoinSet::new() };
    loop {
        let now = clock();
        let wake = driving.ask(now);
        let pause = wake.map_or(LOOK_AGAIN, |at| {
            let left = u64::try_from(at.saturating_sub(now)).unwrap_or(0);
            Duration::from_nanos(left).min(LOOK_AGAIN)
        });
        tokio::select! {
            Some(done) = driving.asked.join_next() => match done {
                Ok(done) => driving.answered(done, clock()),
                Err(error) => tracing::error!(%error, "a step of a send was not answered"),
            },
            () = changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Driving {
    handle: Handle,
    router: Router,
    /// Of the partitions that this server writes, each with the number that it was given when it came.
    sagas: BTreeMap<u32, (u64, Sagas)>,
    given: u64,
    asked: JoinSet<Done>,
}

/// A partition since it came to this server.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tenure {
    partition: u32,
    given: u64,
}

/// What came of a step of a partition's send.
type Done = (Tenure, Key, StepKind, Answered);

impl Driving {
    /// Asks for every step that is ready; when the next one is.
    fn ask(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut wake = None;
        for partition in 0..self.handle.partition_count() {
            if !self.handle.serves(partition) {
                // Whoever writes it now drives it.
                self.sagas.remove(&partition);
                continue;
            }
            let Some(link) = self.handle.link(partition) else { continue };
            let (given, sagas) = self.sagas.entry(partition).or_insert_with(|| {
                self.given += 1;
                (self.given, Sagas::default())
            });
            let tenure = Tenure { partition, given: *given };
            for step in sagas.step(link.outbox(), now) {
                self.asked.spawn(take(self.router.clone(), tenure, step));
            }
            wake = wake.into_iter().chain(sagas.wake()).min();
        }
        wake
    }

    /// What was asked before the partition went and came again is no business of its driver now.
    fn answered(&mut self, (tenure, send, kind, answered): Done, now: Timestamp) {
        if let Some((given, sagas)) = self.sagas.get_mut(&tenure.partition)
            && *given == tenure.given
        {
            sagas.answered(&send, kind, answered, now);
        }
    }
}

async fn take(router: Router, tenure: Tenure, step: Step) -> Done {
    let Step { send, command, kind } = step;
    let Some(step) = request::step_to_wire(&command) else {
        panic!("a step of a send has a form on the wire");
    };
    let command = v1::Command { request: Some(Request::SagaStep(step)) };
    let arrival = Arrival { origin: Origin::Driver, at_most: FIND_OWNER, ..Arrival::default() };
    let answered = answered(router.execute(command, arrival).await);
    (tenure, send, kind, answered)
}

fn answered(result: v1::CommandResult) -> Answered {
    let again = |why: String| Answered::Again { why };
    match result.outcome {
        Some(Outcome::Acknowledgement(_)) => Answered::Accepted,
        Some(Outcome::Refusal(refusal)) => match Code::from_number(refusal.code) {
            Some(code) => {
                refused(Rejection::new(code, &refusal.subject), !refusal.position.is_empty())
            }
            None => again(format!("a refusal of a newer server: {}", refusal.message)),
        },
        Some(Outcome::Failure(failure)) => again(failure.message),
        Some(Outcome::Transfers(_)) | None => again("the result is not of this step".into()),
    }
}
