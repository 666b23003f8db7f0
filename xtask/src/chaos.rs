//! `cargo xtask chaos`: many whole lives in which somebody is killed, then `reap`, then a count of what is left.

use anyhow::Result;

use crate::binaries::Binaries;
use crate::programs::{cargo, execute};

/// How many, and which.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Lives of agents
    #[arg(long, default_value_t = 500)]
    lives: u64,
    /// Decides which faults there are, and who dies when
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Lives them, as processes of this machine.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = Binaries::build()?;
    let mut test =
        cargo(&["test", "--quiet", "--package", "system-tests", "--test", "chaos", "--", "--nocapture"]);
    test.env("PROGRAMS", binaries.path(""));
    test.env("CHAOS_LIVES", options.lives.to_string()).env("CHAOS_SEED", options.seed.to_string());
    execute(&mut test)
}
