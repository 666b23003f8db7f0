//! `cargo xtask ci`: all that a change must pass. Reports every failure, not the first.

use anyhow::{Result, bail};

use crate::programs::{cargo, execute, is_installed};

/// Runs every check.
fn run_all() -> Vec<(&'static str, Result<()>)> {
    let docs =
        || execute(cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"));
    let lints = || {
        execute(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    };
    let tests = || crate::test::run(&crate::test::Options::default());
    vec![
        ("format", execute(&mut cargo(&["fmt", "--all", "--check"]))),
        ("tidy", crate::tidy::run()),
        ("lints", lints()),
        ("docs", docs()),
        ("dependencies", dependencies()),
        ("windows", crate::cross::check()),
        ("tests", tests()),
    ]
}

/// Runs every check and fails if one does.
pub(crate) fn run() -> Result<()> {
    let failed: Vec<_> =
        run_all().into_iter().filter_map(|(name, done)| done.err().map(|error| (name, error))).collect();
    for (name, error) in &failed {
        println!("\nci: {name}: {error:#}");
    }
    if failed.is_empty() {
        println!("\nci: everything passed");
        return Ok(());
    }
    bail!(
        "{} of the checks failed: {}",
        failed.len(),
        failed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    )
}

/// Licences, sources and known faults of dependencies. `cargo deny` takes minutes to build, so it is used where it is.
fn dependencies() -> Result<()> {
    if !is_installed("cargo-deny") {
        println!("ci: dependencies are not checked here; `cargo install cargo-deny` brings the check");
        return Ok(());
    }
    execute(&mut cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))
}
