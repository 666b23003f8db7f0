//! Other people's programs for Python, each set in an environment of its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::machine;
use crate::programs::{execute, target};
use crate::versions::{AZURE_CLI, PYTHON_SDKS, Pinned};

/// The Azure CLI, `az`.
pub(crate) fn azure_cli() -> Result<PathBuf> {
    Ok(environment("azure-cli", &[AZURE_CLI])?.join("az"))
}

/// A Python that knows the SDKs of Azure and of Azure DevOps.
pub(crate) fn sdks() -> Result<PathBuf> {
    Ok(environment("sdks", PYTHON_SDKS)?.join("python"))
}

/// The folder of programs of an environment with these packages. Another set of versions is another environment.
fn environment(name: &str, packages: &[Pinned]) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    let folder = target().join("python").join(format!("{name}-{:016x}", hasher.finish()));
    let complete = folder.join("complete");
    if !complete.exists() {
        let python = machine::python()?;
        execute(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let quiet = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"];
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(quiet).args(packages.iter().map(|(package, version)| format!("{package}=={version}")));
        execute(pip.stdout(Stdio::null()))?;
        std::fs::write(complete, "")?;
    }
    Ok(folder.join("bin"))
}
