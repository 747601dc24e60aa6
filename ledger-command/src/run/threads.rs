//! The two threads of a partition. The writer's owns the follower's: it ends it after itself.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ledger_domain::Timestamp;
use ledger_log::Backend;
use ledger_runtime::spawn;
use tokio::sync::watch;

use super::mailbox::{Letter, Mail, Mailbox, Ownership};
use super::reply_to::ReplyTo;
use super::{Door, Environment, Opened, RunError};
use crate::follower::{FollowError, Follower};
use crate::link::{Fingerprint, Link};
use crate::writer::{Status, Writer};

/// How long a follower sleeps at most before it looks whether it shall end.
const FOLLOWER_NAP: Duration = Duration::from_millis(500);
const FOLLOWER_PANICKED: &str = "a defect: the follower's thread panicked";
/// How long a stopping writer waits for what is in flight.
const DRAIN_NS_MAX: i64 = 10_000_000_000;

/// Sequence up to which a follower goes on before it ends; `u64::MAX` while it shall not.
#[derive(Debug)]
struct EndAfter(AtomicU64);

/// Starts both threads; the handle is the writer's.
pub(super) fn start(
    environment: &Environment,
    partition: u32,
    opened: Opened,
) -> Result<(Door, JoinHandle<Result<(), RunError>>), RunError> {
    let Opened { writer, follower, link, mailbox } = opened;
    let end_after = Arc::new(EndAfter(AtomicU64::new(u64::MAX)));
    let following = Following {
        backend: environment.backend.clone(),
        partition,
        follower,
        link: link.clone(),
        mailbox: mailbox.clone(),
        end_after: end_after.clone(),
    };
    let follower_thread = spawn::thread(&format!("follower-{partition}"), move || following.run())?;
    let (status_to, status) = watch::channel(writer.status());
    let door = Door { mailbox: mailbox.clone(), status, link };
    let mut writing = Writing {
        writer,
        mailbox: mailbox.clone(),
        clock: environment.clock,
        status: status_to,
        waiters: HashMap::new(),
    };
    let thread = spawn::thread(&format!("writer-{partition}"), move || {
        let ended = catch_unwind(AssertUnwindSafe(|| writing.run()));
        if ended.is_err() {
            // Whoever waits hears that nobody knows; the next are refused.
            let reason = "a defect: the writer's thread panicked".to_owned();
            writing.status.send_replace(Status::Stopped { reason: reason.clone() });
            mailbox.stop(reason);
            mailbox.take(Some(Duration::ZERO));
            writing.waiters.clear();
        }
        let stopped = match &*writing.status.borrow() {
            Status::Stopped { reason } => Some(reason.clone()),
            Status::Standby
            | Status::Starting { .. }
            | Status::Serving { .. }
            | Status::ClockBehind { .. } => None,
        };
        let clean = stopped.is_none() && writing.writer.is_serving();
        let live = clean.then(|| writing.writer.fingerprint());
        end_after.0.store(live.map_or(0, |live| live.sequence), Ordering::Release);
        let replayed = follower_thread.join();
        if let Some(reason) = stopped {
            return Err(RunError::Stopped { partition, reason });
        }
        let replayed = replayed.unwrap_or_else(|_| Err(follower_panicked(partition)))?;
        compare(partition, live, replayed)
    })?;
    Ok((door, thread))
}

/// After a clean stop replay and live state are the same where they are at the same commit (LD-5). The
/// replay is further on where another writer has taken the partition and this one did not notice.
fn compare(
    partition: u32,
    live: Option<Fingerprint>,
    replayed: Fingerprint,
) -> Result<(), RunError> {
    match live {
        Some(live) if live.sequence == replayed.sequence && live.hash != replayed.hash => {
            Err(FollowError::Differs { partition, sequence: live.sequence }.into())
        }
        _ => Ok(()),
    }
}

fn follower_panicked(partition: u32) -> RunError {
    RunError::Stopped { partition, reason: FOLLOWER_PANICKED.to_owned() }
}

struct Writing {
    writer: Writer,
    mailbox: Arc<Mailbox>,
    clock: fn() -> Timestamp,
    status: watch::Sender<Status>,
    waiters: HashMap<u64, ReplyTo>,
}

impl Writing {
    fn run(&mut self) {
        let mut wake = self.step();
        let mut drain_until = None;
        loop {
            let now = (self.clock)();
            let until = |at: Timestamp| {
                Duration::from_nanos(u64::try_from(at.saturating_sub(now)).unwrap_or(0))
            };
            let Mail { letters, reports, stop, closing, ownership } =
                self.mailbox.take(wake.map(until));
            for report in reports {
                self.writer.report(report);
            }
            if let Some(reason) = stop {
                self.writer.stop(reason);
            }
            // Before the letters: what was sent to an owner finds one.
            match ownership {
                Ownership::Assigned => self.writer.assign(),
                Ownership::Revoked => self.writer.revoke(),
                Ownership::Abandoned => self.writer.abandon(),
            }
            for Letter { request, reply_to } in letters {
                self.waiters.insert(request.token, reply_to);
                self.writer.offer(request);
            }
            if closing {
                self.writer.close();
            }
            wake = self.step();
            if closing {
                let now = (self.clock)();
                let until = *drain_until.get_or_insert(now.saturating_add(DRAIN_NS_MAX));
                if self.writer.is_idle() {
                    return;
                }
                if now >= until {
                    self.writer.stop("the server stopped before the log answered".into());
                    self.step();
                    return;
                }
                wake = Some(wake.map_or(until, |at| at.min(until)));
            }
        }
    }

    fn step(&mut self) -> Option<Timestamp> {
        let wake = self.writer.step((self.clock)());
        for (token, replied) in self.writer.take_replies() {
            if let Some(reply_to) = self.waiters.remove(&token) {
                reply_to.tell(replied);
            }
        }
        let status = self.writer.status();
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
        wake
    }
}

struct Following {
    backend: Arc<dyn Backend>,
    partition: u32,
    follower: Follower,
    link: Arc<Link>,
    mailbox: Arc<Mailbox>,
    end_after: Arc<EndAfter>,
}

impl Following {
    /// Follows until it shall end; the hash of its state there. The writer does not go on without it.
    fn run(mut self) -> Result<Fingerprint, RunError> {
        let (reason, error) = match catch_unwind(AssertUnwindSafe(|| self.follow())) {
            Ok(Ok(there)) => return Ok(there),
            Ok(Err(error)) => (error.to_string(), error.into()),
            Err(_) => (FOLLOWER_PANICKED.to_owned(), follower_panicked(self.partition)),
        };
        tracing::error!(partition = self.partition, reason, "follower stopped");
        self.mailbox.stop(reason);
        Err(error)
    }

    fn follow(&mut self) -> Result<Fingerprint, FollowError> {
        let mut last_error = String::new();
        loop {
            let end_after = self.end_after.0.load(Ordering::Acquire);
            let stepped = self.follower.step();
            if self.link.wakes_writer() {
                self.mailbox.nudge();
            }
            match stepped {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) if error.is_transient() && end_after == u64::MAX => {
                    let error = error.to_string();
                    if error != last_error {
                        tracing::warn!(partition = self.partition, error, "trying again");
                        last_error = error;
                    }
                    // Nothing wakes it before the time is over: no record is ever there.
                    self.backend.wait(self.partition, u64::MAX, FOLLOWER_NAP);
                    continue;
                }
                Err(error) => return Err(error),
            }
            if self.follower.cursor().sequence >= end_after {
                self.follower.finish()?;
                return Ok(self.follower.fingerprint());
            }
            self.backend.wait(self.partition, self.follower.cursor().next, FOLLOWER_NAP);
        }
    }
}
