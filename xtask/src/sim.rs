//! `cargo xtask sim`: the simulator, built to be quick.

use anyhow::Result;

use crate::programs::{cargo, execute};

/// Handed on to the simulator as they are.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// --seed N, --runs N, --minutes N; --help says more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut simulator = cargo(&["run", "--quiet", "--release", "--package", "simulator", "--"]);
    execute(simulator.args(&options.arguments))
}
