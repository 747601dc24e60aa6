//! `ledger sim`: the simulation of the real services from one seed.

use anyhow::{anyhow, ensure};

use crate::output::{Unit, progress};

/// Flags of `ledger sim`.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArgs {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Runs the seeds; fails at the first that breaks an invariant, naming it. What happened, all in all,
/// is the answer: a simulation that exercises nothing is seen.
pub(crate) fn run(args: &SimArgs) -> anyhow::Result<ledger_sim::Summary> {
    ensure!(args.seeds > 0, "no seed to run: --seeds is 0");
    // A panic of the code under simulation is a finding that names its seed: the default hook would
    // print it in the middle of the progress bar.
    std::panic::set_hook(Box::new(|_| {}));
    let bar = progress(args.seeds, Unit::Items);
    let ran = ledger_sim::run_many(args.seeds, args.seed, &mut |done, _| bar.set_position(done));
    bar.finish_and_clear();
    ran.map_err(|failure| anyhow!("{failure}"))
}
