//! The `ephemeral-agents` command: Azure Pipelines agents that live for one job, in Azure Container Instances.
//!
//! What was typed (`arguments`) becomes checked settings (`settings`); a command (`provision`, `deprovision`, `list`,
//! `logs`, `reap`, `sample`) works on them through the traits in `services`, which `wiring` implements with the client
//! crates; all that is said goes through `report`, and every expected failure has its words in `errors`. What is
//! decided is decided by pure functions: `provision::plan`, `preflight::verdict`, `wait::next`,
//! `diagnose::likely_cause`, `sample::plan`, `sample::removal`, and `lifecycle::plan` for `reap`.

mod app;
mod arguments;
mod checks;
mod deprovision;
mod doctor;
mod errors;
mod interrupts;
mod life_end;
mod list;
mod logs;
mod provision;
mod reap;
mod report;
mod sample;
mod services;
mod settings;
mod task;
mod wiring;

#[cfg(test)]
mod fake;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::run(std::env::args_os().collect(), &settings::environment::Environment::of_process())
}
