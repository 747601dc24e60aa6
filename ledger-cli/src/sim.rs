//! `ledger sim`: the simulation of the real services from one seed.

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

/// Runs the seeds; fails at the first that breaks an invariant, naming it.
pub(crate) async fn run(args: SimArgs) -> anyhow::Result<()> {
    let SimArgs { seeds, seed } = args;
    anyhow::bail!("`ledger sim` cannot run {seeds} seeds from {seed} in this build")
}
