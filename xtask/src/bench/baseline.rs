//! The way of 2019 (`bench/baseline`) and ours, each a whole life on one emulator, seen from outside.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::image;
use super::life::{command, run_job, second_of_day, wait_for_end};
use super::sample::{self, Usage};
use crate::binaries::Binaries;
use crate::emulator::Emulator;
use crate::programs::{output, root};
use crate::python_tools;

/// Name of the image that is only a script.
const IMAGE: &str = "baseline";

/// The cloud, as the Azure CLI calls it.
const CLOUD: &str = "emulator";

/// What belongs to the agent, and is the same either way.
const AGENT: &str = "Agent.";

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As in 2019.
    Baseline,
    /// Ours.
    Ours,
}

/// A whole life.
pub(super) struct Life {
    provisioning: Usage,
    container: Usage,
    requests_to_online: f64,
    requests: f64,
    to_online: f64,
    to_gone: f64,
}

/// What both ways are tried on.
pub(super) struct Ground {
    emulator: Emulator,
    shipped: Binaries,
    azure_cli: PathBuf,
}

impl Ground {
    /// An emulator that knows the image of 2019, and an Azure CLI that knows the emulator.
    pub(super) fn new(programs: &Binaries, shipped: Binaries, data: &Path) -> Result<Self> {
        let azure_cli = python_tools::azure_cli()?;
        std::fs::create_dir_all(data)?;
        let image = image_script(data, &azure_cli)?;
        let emulator = Emulator::start_with_image(programs, data, (IMAGE, &image))?;
        let ground = Self { emulator, shipped, azure_cli };
        ground.az(&["config", "set", "core.instance_discovery=false", "core.collect_telemetry=no"])?;
        let endpoint = ground.emulator.setting("EMULATOR_URL");
        ground.az(&["cloud", "register", "--name", CLOUD, "--endpoint-resource-manager", endpoint])?;
        Ok(ground)
    }

    fn az(&self, words: &[&str]) -> Result<()> {
        output(self.with_az(&mut Command::new(&self.azure_cli)).args(words)).map(drop)
    }

    /// With the Azure CLI in its path, set up for the emulator.
    fn with_az<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let ca = self.emulator.setting("EMULATOR_CA_FILE");
        command
            .env("AZURE_CONFIG_DIR", configuration(self.emulator.data()))
            .env("PATH", path_with(&self.azure_cli))
            .env("REQUESTS_CA_BUNDLE", ca)
            .env("CURL_CA_BUNDLE", ca)
    }

    /// Lives one life.
    pub(super) fn live(&self, way: Way) -> Result<Life> {
        let (before, begin) = (self.requests()?, second_of_day()?);
        let (provisioning, name) = self.provision(way)?;
        let requests_to_online = self.requests()? - before;
        let emulator = self.emulator.pid().unwrap_or_default();
        // The container groups of lives before are gone.
        let container =
            *sample::children_of(emulator).first().context("no container runs under the emulator")?;
        let watcher = std::thread::spawn(move || sample::watch_tree(container, Some(AGENT)));
        run_job(&self.emulator, &name)?;
        let container = watcher.join().map_err(|_| anyhow::anyhow!("the watcher fell over"))?;
        let moments = wait_for_end(&self.emulator, &name)?;
        let moment = |event: &str| moments.get(event).copied().with_context(|| format!("no {event}"));
        Ok(Life {
            provisioning,
            container,
            requests_to_online,
            requests: self.requests()? - before,
            to_online: moment("agentOnline")? - begin,
            to_gone: moment("groupDeleted")? - moment("jobFinished")?,
        })
    }

    /// What it took, and the agent's name.
    fn provision(&self, way: Way) -> Result<(Usage, String)> {
        let mut command = match way {
            Way::Ours => command(&self.emulator, &self.shipped, crate::base_image::AGENT_IMAGE),
            Way::Baseline => self.baseline(),
        };
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = child.id();
        let watcher = std::thread::spawn(move || sample::watch_tree(pid, None));
        let output = child.wait_with_output()?;
        let usage = watcher.join().map_err(|_| anyhow::anyhow!("the watcher fell over"))?;
        if !output.status.success() {
            bail!("{way:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let name = match way {
            Way::Ours => serde_json::from_str::<Value>(&text)?["agentName"].as_str().map(str::to_owned),
            Way::Baseline => text.lines().next().map(str::to_owned),
        };
        Ok((usage, name.with_context(|| format!("{way:?} names no agent"))?))
    }

    fn baseline(&self) -> Command {
        let setting = |key: &str| self.emulator.setting(key).to_owned();
        let mut command = Command::new(root().join("bench/baseline/provision.sh"));
        self.with_az(&mut command).env("IMAGE", IMAGE).env("CLOUD", CLOUD).envs([
            ("ORGANIZATION_URL", setting("AZURE_DEVOPS_ORG_URL")),
            ("POOL", setting("AZURE_DEVOPS_POOL")),
            ("TOKEN", setting("AZURE_DEVOPS_EXT_PAT")),
            ("RESOURCE_GROUP", setting("AZURE_RESOURCE_GROUP")),
            ("LOCATION", setting("AZURE_LOCATION")),
            ("SUBSCRIPTION", setting("AZURE_SUBSCRIPTION_ID")),
            ("TENANT", setting("AZURE_TENANT_ID")),
            ("APP", setting("AZURE_CLIENT_ID")),
            ("APP_KEY", setting("AZURE_CLIENT_SECRET")),
        ]);
        command
    }

    /// How many requests both services got, but for those of us who watch.
    #[expect(clippy::cast_precision_loss, reason = "counts are small numbers")]
    fn requests(&self) -> Result<f64> {
        let state = self.emulator.control("GET", "state", None)?;
        let counts = state["requests"].as_object().context("the emulator counts no requests")?;
        let ours = ["/emulator/", "/_apis/build/", "/_apis/pipelines/"];
        let of_others = counts.iter().filter(|(request, _)| !ours.iter().any(|part| request.contains(part)));
        Ok(of_others.filter_map(|(_, count)| count.as_u64()).sum::<u64>() as f64)
    }
}

/// Where the Azure CLI keeps what it knows.
fn configuration(data: &Path) -> PathBuf {
    data.join("azure-config")
}

/// A path in which the Azure CLI is found.
fn path_with(azure_cli: &Path) -> String {
    let folder = azure_cli.parent().unwrap_or(azure_cli).display();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}

/// What the image of 2019 starts: its script, in a container that has the Azure CLI and trusts the emulator.
fn image_script(data: &Path, azure_cli: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let (script, ca, configuration) = (data.join(IMAGE), data.join("ca.pem"), configuration(data));
    let start = root().join("bench/baseline/start.sh");
    let text = format!(
        "#!/bin/bash\nexport PATH='{}' AZURE_CONFIG_DIR=$HOME/azure\nfor name in SSL_CERT_FILE CURL_CA_BUNDLE \
         REQUESTS_CA_BUNDLE; do export $name='{}'; done\ncp -r '{}' \"$AZURE_CONFIG_DIR\"\nexec '{}'\n",
        path_with(azure_cli),
        ca.display(),
        configuration.display(),
        start.display()
    );
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// The medians of both ways, side by side.
pub(super) fn table(baseline: &[Life], ours: &[Life], images: (u64, u64)) -> String {
    let row = |what: &str, unit: &str, value: fn(&Life) -> f64| {
        line(what, unit, (median(baseline, value), median(ours, value)))
    };
    let mut table =
        "| a whole life | in 2019 | ours | less by a factor of |\n|---|---:|---:|---:|\n".to_owned();
    table.extend([
        row("requests until the agent is online, its own included", "", |life| life.requests_to_online),
        row("requests of the whole life, the agent's own included", "", |life| life.requests),
        row("provisioning: processor time", "s", |life| life.provisioning.processor_seconds),
        row("provisioning: most memory at a time", "MiB", |life| life.provisioning.memory_mib),
        row("container, without the agent: processor time", "s", |life| life.container.processor_seconds),
        row("container, without the agent: most memory at a time", "MiB", |life| life.container.memory_mib),
        row("from the start of provisioning until the agent is online", "s", |life| life.to_online),
        row("from the end of the job until the container group is gone", "s", |life| life.to_gone),
        line("the image", "MiB", (image::mebibytes(images.0), image::mebibytes(images.1))),
    ]);
    table
}

fn median(lives: &[Life], value: fn(&Life) -> f64) -> f64 {
    let mut values: Vec<f64> = lives.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn line(what: &str, unit: &str, (baseline, ours): (f64, f64)) -> String {
    let shown =
        |value: f64| if unit.is_empty() { format!("{value:.0}") } else { format!("{value:.2} {unit}") };
    let factor = baseline / ours;
    let factor = if factor > 100.0 { "more than 100".to_owned() } else { format!("{factor:.1}") };
    format!("| {what} | {} | {} | {factor} |\n", shown(baseline), shown(ours))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_row_says_how_much_less() {
        assert_eq!(line("requests", "", (60.0, 20.0)), "| requests | 60 | 20 | 3.0 |\n");
        assert_eq!(line("time", "s", (3.0, 0.04)), "| time | 3.00 s | 0.04 s | 75.0 |\n");
        assert_eq!(line("more", "s", (1.5, 0.001)), "| more | 1.50 s | 0.00 s | more than 100 |\n");
    }
}
