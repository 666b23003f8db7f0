//! `cargo xtask`: everything that builds, checks and shows this repository.
//!
//! What a command needs it sets up itself on Debian and Ubuntu, and takes down again what it started; elsewhere it
//! says what to install.

#![expect(clippy::print_stdout, reason = "these are programs for a person at a terminal")]

mod base_image;
mod bench;
mod binaries;
mod chaos;
mod ci;
mod cross;
mod demo;
mod emulator;
mod engine;
mod extension;
mod image;
mod machine;
mod node_tools;
mod programs;
mod python_tools;
mod sim;
mod test;
mod tidy;
mod versions;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, checks and shows Ephemeral Agents")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show one job on one ephemeral agent, from queued to gone, against the emulator
    Demo(demo::Options),
    /// Run every test, with a Docker engine and without
    Test(test::Options),
    /// All that a change must pass: format, lints, tidy, docs, tests
    Ci,
    /// Check what the compiler cannot: the walls between crates, forbidden words, files that grew too long
    Tidy,
    /// Build programs for another system than this one: Windows, Linux on arm64
    Cross(cross::Options),
    /// Build the agent image
    Image(image::Options),
    /// Package the extension for Azure DevOps
    Extension(extension::Options),
    /// Kill somebody in many lives of agents, reap, and count what is left
    Chaos(chaos::Options),
    /// Let agents live in worlds where everything goes wrong, and hold them to the promises
    #[command(disable_help_flag = true)]
    Sim(sim::Options),
    /// Measure, and compare with what we promise
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Ci => ci::run(),
        Command::Tidy => tidy::run(),
        Command::Cross(options) => cross::run(&options),
        Command::Image(options) => image::run(&options),
        Command::Extension(options) => extension::run(&options),
        Command::Chaos(options) => chaos::run(&options),
        Command::Sim(options) => sim::run(&options),
        Command::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
