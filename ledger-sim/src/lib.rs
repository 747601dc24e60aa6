//! One seed simulates the real services, with faults, against a naive model.
//!
//! ```text
//!  Workload ─► Writer ─► Simulated log ─► Follower, Projector ─► Query
//!     │  ▲        real code, stepped by hand on one thread, crashed at will        │
//!     │  └─ answers ─┐                │ every record                 answers │
//!     └── what was asked ──► Oracle ◄─┴── Model: the rules once more ◄───────┘
//! ```
//!
//! The seed decides every command, fault, step and interleaving, so that a failure is replayed by its
//! seed alone. Nothing here reads a clock, spawns or draws randomness from anywhere else.

mod summary;

mod model;
mod request;
mod step;
mod workload;

mod node;
mod oracle;
mod reads;
mod world;

mod endgame;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use summary::{Failure, Summary};

use world::World;

/// What one simulation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Makes everything.
    pub seed: u64,
    /// Steps before faults cease and everything comes to rest.
    pub steps: u32,
}

impl Options {
    /// With the usual number of steps.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Options { seed, steps: 2_000 }
    }
}

/// Runs one simulation.
///
/// # Errors
/// [`Failure`] with the seed, the step and what happened last, when anything is not as the model says or
/// the real code panics.
pub fn run(options: Options) -> Result<Summary, Failure> {
    let mut world = World::new(options.seed);
    // Everything behind this border is thrown away after a panic.
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..options.steps {
            world.step()?;
        }
        world.end()
    }));
    let what = match ran {
        Ok(Ok(())) => return Ok(world.into_summary()),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("panicked: {}", text.unwrap_or("without a message"))
        }
    };
    Err(world.into_failure(options.seed, what))
}

/// Runs `seeds` simulations from `first_seed` on; `on_progress` hears how many are done and what happened
/// in all of them.
///
/// # Errors
/// The first [`Failure`].
pub fn run_many(
    seeds: u64,
    first_seed: u64,
    on_progress: &mut dyn FnMut(u64, &Summary),
) -> Result<Summary, Failure> {
    let mut total = Summary::default();
    for done in 0..seeds {
        total.add(&run(Options::of(first_seed.wrapping_add(done)))?);
        on_progress(done + 1, &total);
    }
    Ok(total)
}

#[cfg(test)]
mod tests;
