//! The loop of a thread that tails its partition until it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger_domain::Timestamp;

use crate::error::ProjectorError;
use crate::projector::{Progress, Projector};

/// Bytes of the log that one step reads: large enough to sort many rows together, small enough that
/// a reader waits for its position some tens of milliseconds at most.
const STEP_BYTES_MAX: usize = 4 << 20;
/// Bytes of the log after which the view is flushed: what a crash makes it read again, at most.
const FLUSH_BYTES: usize = 64 << 20;
/// One wait for new records; also how long a stop takes to be seen.
const WAIT: Duration = Duration::from_millis(200);
/// Waits without a record after which the view is flushed: about five seconds.
const IDLE_WAITS_BEFORE_FLUSH: u32 = 25;
/// How often the pause after a failure doubles, from one wait on: to about six seconds.
const PAUSE_DOUBLINGS_MAX: u32 = 5;

/// Nanoseconds since the Unix epoch.
pub type Clock = fn() -> Timestamp;

impl Projector {
    /// Follows the log until `stop` is set, then flushes; a failure that can pass it waits for. `clock` is by
    /// what readers are told how stale the view is. Blocks: give it a thread.
    ///
    /// # Errors
    /// [`ProjectorError`] when it can go no further: the view is parked, reads of it go on.
    pub fn run(&mut self, stop: &AtomicBool, clock: Clock) -> Result<(), ProjectorError> {
        let followed = self.follow(stop, clock);
        let flushed = self.flush();
        followed.and(flushed)
    }

    fn follow(&mut self, stop: &AtomicBool, clock: Clock) -> Result<(), ProjectorError> {
        let partition = self.partition;
        let (mut idle_waits, mut failures) = (0u32, 0u32);
        while !stop.load(Ordering::Acquire) {
            match self.step_and_flush(clock(), idle_waits) {
                Ok(progress) => {
                    if failures > 0 {
                        tracing::info!(partition, next = progress.next, "the view goes on");
                        failures = 0;
                    }
                    if progress.records > 0 {
                        idle_waits = 0;
                    } else {
                        idle_waits = idle_waits.saturating_add(1);
                        self.backend.wait(partition, progress.next, WAIT);
                    }
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(partition, %error, "the view stands, trying again");
                    self.pause(failures, stop);
                    failures = failures.saturating_add(1);
                }
                Err(error) => {
                    tracing::error!(partition, %error, "the view is parked");
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// One step, and a flush where one is due.
    fn step_and_flush(
        &mut self,
        now: Timestamp,
        idle_waits: u32,
    ) -> Result<Progress, ProjectorError> {
        let progress = self.step(now, STEP_BYTES_MAX)?;
        let idle = progress.records == 0 && idle_waits >= IDLE_WAITS_BEFORE_FLUSH;
        if self.unflushed >= FLUSH_BYTES || (idle && self.unflushed > 0) {
            self.flush()?;
        }
        Ok(progress)
    }

    /// Waits, the longer the more often it failed in a row, or until it is to stop.
    fn pause(&self, failures: u32, stop: &AtomicBool) {
        for _ in 0..1u32 << failures.min(PAUSE_DOUBLINGS_MAX) {
            if stop.load(Ordering::Acquire) {
                return;
            }
            // Nothing wakes it before the time is over: no record is ever there.
            self.backend.wait(self.partition, u64::MAX, WAIT);
        }
    }
}
