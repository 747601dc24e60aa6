//! Looks whether the log is still what it was, and how far it reaches: a log that lost records at either
//! end, and brokers that were away, make everybody who follows it compare.
//!
//! A thread for each partition: a question about one that has no leader is answered only when it has one, or
//! not in time, and must not hold up what is known of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::client::Clients;
use super::tail::{Bounds, Shared, Tail};
use crate::backend::ConfirmedEnd;
use crate::log::LogError;

/// Pause between two looks at a partition: what is answered from an idle log is no staler than about
/// this.
const EVERY: Duration = Duration::from_millis(500);

/// The watch and its threads.
pub(super) struct Watch {
    state: Arc<State>,
    tail: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    found: AtomicU64,
    stop: AtomicBool,
}

/// What the last look at a partition saw.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    first: u64,
    away: bool,
}

impl Watch {
    pub(super) fn start(clients: &Clients, tail: &Tail) -> Result<Watch, LogError> {
        let mut watch = Watch { state: Arc::default(), tail: tail.shared(), threads: Vec::new() };
        for partition in (0..).take(watch.tail.partitions()) {
            let (tail, state) = (watch.tail.clone(), watch.state.clone());
            let looking = Looking { clients: clients.clone(), partition, tail, state };
            let thread = spawn(looking)
                .map_err(|error| LogError::Unavailable { what: format!("a thread: {error}") })?;
            watch.threads.push(thread);
        }
        Ok(watch)
    }

    /// How often followers had reason to compare.
    pub(super) fn reconnects(&self) -> u64 {
        self.state.found.load(Ordering::Acquire) + self.tail.alarms()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the watch over the log panicked");
            }
        }
    }
}

struct Looking {
    clients: Clients,
    partition: u32,
    tail: Arc<Shared>,
    state: Arc<State>,
}

impl Looking {
    fn run(self) {
        let mut seen = Seen::default();
        while !self.state.stop.load(Ordering::Acquire) {
            self.look(&mut seen);
            std::thread::park_timeout(EVERY);
        }
    }

    /// Followers hear that there is reason to compare before they hear how far the log reaches.
    fn look(&self, seen: &mut Seen) {
        let partition = self.partition;
        let was = *seen;
        let (tailed, alarms) = (self.tail.end(partition), self.tail.alarms());
        let at_ns = now_ns();
        match self.clients.watermarks(partition) {
            Ok((first, end)) => {
                self.tail.trim(partition, first);
                *seen = Seen { first, away: false };
                if *seen != was || end < tailed {
                    self.tail.distrust(partition);
                    self.state.found.fetch_add(1, Ordering::AcqRel);
                }
                if end >= tailed {
                    self.tail.confirm(partition, ConfirmedEnd { end, at_ns });
                }
                self.tail.saw(partition, Bounds { first, end, alarms });
            }
            Err(error) => {
                if !was.away {
                    tracing::warn!(partition, %error, "the brokers do not answer");
                }
                seen.away = true;
            }
        }
    }
}

/// Nanoseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "a door to the outside: when the brokers were asked")]
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a door to the outside: a thread that watches a partition"
)]
fn spawn(looking: Looking) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("kafka-watch".into()).spawn(move || looking.run())
}
