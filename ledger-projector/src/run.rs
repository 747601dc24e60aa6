//! The loop of a thread that tails its partition until it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::ProjectorError;
use crate::projector::Projector;

/// Bytes of the log that one step reads: large enough to sort many rows together, small enough that
/// a reader waits for its position some tens of milliseconds at most.
const STEP_BYTES_MAX: usize = 4 << 20;
/// Bytes of the log after which the view is flushed: what a crash makes it read again, at most.
const FLUSH_BYTES: usize = 64 << 20;
/// One wait for new records; also how long a stop takes to be seen.
const WAIT: Duration = Duration::from_millis(200);
/// Waits without a record after which the view is flushed: about five seconds.
const IDLE_WAITS_BEFORE_FLUSH: u32 = 25;

impl Projector {
    /// Follows the log until `stop` is set, then flushes. Blocks: give it a thread.
    ///
    /// # Errors
    /// [`ProjectorError`] when it can go no further: the view is parked, reads of it go on.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), ProjectorError> {
        let followed = self.follow(stop);
        let flushed = self.flush();
        followed.and(flushed)
    }

    fn follow(&mut self, stop: &AtomicBool) -> Result<(), ProjectorError> {
        let partition = self.partition;
        let (mut unflushed, mut idle_waits) = (0usize, 0u32);
        while !stop.load(Ordering::Acquire) {
            let next = match self.step(STEP_BYTES_MAX) {
                Ok(progress) if progress.records > 0 => {
                    unflushed += progress.bytes;
                    idle_waits = 0;
                    if unflushed >= FLUSH_BYTES {
                        self.flush()?;
                        unflushed = 0;
                    }
                    continue;
                }
                Ok(progress) => progress.next,
                Err(error) if error.is_transient() => {
                    tracing::warn!(partition, %error, "the log cannot be read, trying again");
                    // Nothing wakes it before the time is over: no record is ever there.
                    u64::MAX
                }
                Err(error) => {
                    tracing::error!(partition, %error, "the view is parked");
                    return Err(error);
                }
            };
            idle_waits = idle_waits.saturating_add(1);
            if idle_waits == IDLE_WAITS_BEFORE_FLUSH && unflushed > 0 {
                self.flush()?;
                unflushed = 0;
            }
            self.backend.wait(partition, next, WAIT);
        }
        Ok(())
    }
}
