//! The pipeline task, measured: from its start, as an agent starts it, to the request that creates the container group.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Row;
use super::life::second_of_day;
use crate::binaries::Binaries;
use crate::emulator::Emulator;
use crate::programs::{execute, root};

/// Seconds from the start of Node to the container group, for several runs.
pub(super) struct Starts(Vec<f64>);

/// Runs the task that often.
pub(super) fn measure(emulator: &Emulator, shipped: &Binaries, image: &str, runs: usize) -> Result<Starts> {
    let folder = emulator.data().join("task");
    lay_out(&folder, shipped)?;
    (0..runs).map(|_| run(emulator, &folder, shipped, image)).collect::<Result<_>>().map(Starts)
}

/// The median, against what is promised.
pub(super) fn row(starts: &Starts) -> Row {
    let mut seconds = starts.0.clone();
    seconds.sort_by(f64::total_cmp);
    Row {
        what: "the task: its start, with Node, to the request that creates the group",
        measured: seconds.get(seconds.len() / 2).copied().unwrap_or_default(),
        promised: 0.3,
        unit: "s",
    }
}

/// The task's folder as an agent unpacks it.
fn lay_out(folder: &Path, shipped: &Binaries) -> Result<()> {
    let program = folder.join("bin/linux-x64/ephemeral-agents");
    std::fs::create_dir_all(program.parent().unwrap_or(folder))?;
    std::fs::copy(shipped.path("ephemeral-agents"), &program)?;
    std::fs::copy(root().join("extension/AzureContainerAgentCreate/index.js"), folder.join("index.js"))?;
    Ok(())
}

fn run(emulator: &Emulator, folder: &Path, shipped: &Binaries, image: &str) -> Result<f64> {
    let setting = |key: &str| emulator.setting(key).to_owned();
    let inputs = [
        ("CONNECTEDSERVICENAMEARM", "c".to_owned()),
        ("RESOURCEGROUPNAME", setting("AZURE_RESOURCE_GROUP")),
        ("AGENTPOOL", setting("AZURE_DEVOPS_POOL")),
        ("IMAGENAME", image.to_owned()),
        ("AZUREDEVOPSTOKEN", setting("AZURE_DEVOPS_EXT_PAT")),
        ("WAITFORAGENT", "false".to_owned()),
    ];
    let connection = [
        ("URL_c", setting("EMULATOR_URL")),
        ("DATA_c_ENVIRONMENT", "AzureStack".to_owned()),
        ("DATA_c_SUBSCRIPTIONID", setting("AZURE_SUBSCRIPTION_ID")),
        ("AUTH_SCHEME_c", "ServicePrincipal".to_owned()),
        ("AUTH_PARAMETER_c_TENANTID", setting("AZURE_TENANT_ID")),
        ("AUTH_PARAMETER_c_SERVICEPRINCIPALID", setting("AZURE_CLIENT_ID")),
        ("AUTH_PARAMETER_c_SERVICEPRINCIPALKEY", setting("AZURE_CLIENT_SECRET")),
    ];
    let mut task = Command::new("node");
    task.arg(folder.join("index.js")).env("TF_BUILD", "True");
    task.env("SYSTEM_COLLECTIONURI", setting("AZURE_DEVOPS_ORG_URL"))
        .env("SSL_CERT_FILE", setting("EMULATOR_CA_FILE"));
    task.envs(inputs.map(|(name, value)| (format!("INPUT_{name}"), value)));
    task.envs(connection.map(|(name, value)| (format!("ENDPOINT_{name}"), value)));
    let begin = second_of_day()?;
    let output = task.output().context("node")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let name = text.lines().find_map(|line| line.strip_prefix("agentName="));
    let Some(name) = name else { bail!("the task: {}\n{text}", output.status) };
    let created = crate::demo::life_of(emulator, name)?.get("groupCreated").copied();
    let created = created.with_context(|| format!("no container group of {name} in the journal"))?;
    take_down(emulator, shipped, name)?;
    Ok(created - begin)
}

fn take_down(emulator: &Emulator, shipped: &Binaries, name: &str) -> Result<()> {
    execute(
        Command::new(shipped.path("ephemeral-agents"))
            .args(["deprovision", name, "--output", "json"])
            .args(["--organization-url", emulator.setting("AZURE_DEVOPS_ORG_URL")])
            .args(["--agent-pool", emulator.setting("AZURE_DEVOPS_POOL")])
            .args(["--subscription", emulator.setting("AZURE_SUBSCRIPTION_ID")])
            .args(["--resource-group", emulator.setting("AZURE_RESOURCE_GROUP")])
            .args(["--cloud", emulator.setting("EMULATOR_URL")])
            .args(["--ca-file", emulator.setting("EMULATOR_CA_FILE")])
            .envs(emulator.settings())
            .stdout(std::process::Stdio::null()),
    )
}
