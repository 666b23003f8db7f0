//! Other people's programs for Node, each in a folder of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::machine;
use crate::programs::{execute, target};
use crate::versions::{AZURITE, DEVOPS_NODE_API, Pinned, TASK_LIB, TFX_CLI};

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

/// The folder of azure-devops-node-api.
pub(crate) fn devops_node_api() -> Result<PathBuf> {
    package(DEVOPS_NODE_API)
}

/// A package in a folder of its own, so that none can disturb another.
fn package((name, version): Pinned) -> Result<PathBuf> {
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
