//! Other people's programs for Node, in the versions that we have tried.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::machine;
use crate::programs::{execute, target};

/// Packages extensions for Azure DevOps.
const TFX_CLI: (&str, &str) = ("tfx-cli", "0.23.1");
/// How tasks read their environment.
const TASK_LIB: (&str, &str) = ("azure-pipelines-task-lib", "5.281.0");

/// Azure's own emulator of storage, behind ours.
const AZURITE: (&str, &str) = ("azurite", "3.35.0");

/// The script that serves blobs.
pub(crate) fn azurite() -> Result<PathBuf> {
    Ok(package(AZURITE)?.join("dist/src/blob/main.js"))
}

/// `tfx`, for which the first argument is its script.
pub(crate) fn tfx() -> Result<Command> {
    let mut node = Command::new("node");
    node.arg(package(TFX_CLI)?.join("_build/tfx-cli.js"));
    Ok(node)
}

/// The folder of azure-pipelines-task-lib.
pub(crate) fn task_lib() -> Result<PathBuf> {
    package(TASK_LIB)
}

/// A package in a folder of its own, so that none can disturb another.
fn package((name, version): (&str, &str)) -> Result<PathBuf> {
    machine::need(&[("node", "nodejs"), ("npm", "npm")])?;
    let folder = target().join("node").join(format!("{name}-{version}"));
    let package = folder.join("node_modules").join(name);
    if !package.join("package.json").exists() {
        std::fs::create_dir_all(&folder)?;
        let quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"];
        let mut npm = Command::new("npm");
        npm.args(["install", "--prefix"]).arg(&folder).args(quiet).arg(format!("{name}@{version}"));
        execute(npm.stdout(std::process::Stdio::null()))?;
    }
    Ok(package)
}
