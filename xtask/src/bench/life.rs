//! One life, measured: an agent is provisioned, runs one job, and is gone.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Row;
use super::sample::{self, Usage};
use crate::binaries::Binaries;
use crate::emulator::{Emulator, pause};

/// The job: short, so that what is measured is ours.
const JOB: &str = "jobs:\n- job: deploy\n  pool: {name: sample-ephemeralpool, demands: ['Agent.Name -equals NAME']}\n  \
                   steps: [{checkout: none}, {script: 'sleep 1; echo done'}]\n";

/// What one life took.
pub(super) struct Life {
    provision: Usage,
    requests_before_waiting: f64,
    supervisor: Usage,
    start_overhead: f64,
    job_end_to_delete: f64,
}

/// Lives one.
pub(super) fn measure(emulator: &Emulator, shipped: &Binaries, image: &str) -> Result<Life> {
    let (provision, output) = provision(emulator, shipped, image)?;
    let name = output["agentName"].as_str().context("provision names no agent")?.to_owned();
    let supervisor_pid = *sample::children_called(emulator.pid().unwrap_or_default(), "agent-supervisor")
        .first()
        .context("no supervisor runs under the emulator")?;
    let agent = *sample::children_called(supervisor_pid, "Agent.Listener")
        .first()
        .context("no agent under the supervisor")?;
    let started =
        sample::start_seconds(agent).zip(sample::start_seconds(supervisor_pid)).context("start times")?;
    let watcher = std::thread::spawn(move || sample::watch(supervisor_pid));
    run_job(emulator, &name)?;
    let supervisor = watcher.join().map_err(|_| anyhow::anyhow!("the watcher fell over"))?;
    let moments = wait_for_end(emulator, &name)?;
    let moment =
        |event: &str| moments.get(event).copied().with_context(|| format!("no {event} in the journal"));
    Ok(Life {
        provision,
        requests_before_waiting: output["requestsBeforeWaiting"]
            .as_f64()
            .context("provision counts no requests")?,
        supervisor,
        start_overhead: started.0 - started.1,
        job_end_to_delete: moment("groupDeleteAsked")? - moment("jobFinished")?,
    })
}

/// The medians, against what is promised.
pub(super) fn rows(lives: &[Life]) -> Vec<Row> {
    let median = |value: fn(&Life) -> f64| {
        let mut values: Vec<f64> = lives.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let row = |what, promised, unit, value| Row { what, measured: median(value), promised, unit };
    vec![
        row("`provision`: requests before it waits", 10.0, "", |life| life.requests_before_waiting),
        row("`provision`: processor time of a whole run", 0.15, "s", |life| life.provision.processor_seconds),
        row("`provision`: most memory", 30.0, "MiB", |life| life.provision.memory_mib),
        row("`agent-supervisor`: most memory of a life", 12.0, "MiB", |life| life.supervisor.memory_mib),
        row("`agent-supervisor`: processor time of a life", 0.1, "s", |life| {
            life.supervisor.processor_seconds
        }),
        row("container start to the agent's start, above the agent's own time", 0.5, "s", |life| {
            life.start_overhead
        }),
        row("end of the job to the request that deletes the group", 0.5, "s", |life| life.job_end_to_delete),
    ]
}

fn provision(emulator: &Emulator, shipped: &Binaries, image: &str) -> Result<(Usage, Value)> {
    let child = command(emulator, shipped, image).spawn()?;
    let pid = child.id();
    let watcher = std::thread::spawn(move || sample::watch(pid));
    // Reads to the end first; the process stays a zombie until then, and the watcher knows a zombie.
    let output = child.wait_with_output()?;
    let usage = watcher.join().map_err(|_| anyhow::anyhow!("the watcher fell over"))?;
    if !output.status.success() {
        bail!("provision: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let result = serde_json::from_slice(&output.stdout).context("provision prints JSON")?;
    Ok((usage, result))
}

/// `provision`, for an agent whose container deletes itself.
pub(super) fn command(emulator: &Emulator, shipped: &Binaries, image: &str) -> Command {
    let ca = emulator.setting("EMULATOR_CA_FILE");
    let mut command = Command::new(shipped.path("ephemeral-agents"));
    command
        .args(["provision", "--output", "json", "--take-down", "secrets", "--image", image])
        .args(["--organization-url", emulator.setting("AZURE_DEVOPS_ORG_URL")])
        .args(["--agent-pool", emulator.setting("AZURE_DEVOPS_POOL")])
        .args(["--subscription", emulator.setting("AZURE_SUBSCRIPTION_ID")])
        .args(["--resource-group", emulator.setting("AZURE_RESOURCE_GROUP")])
        .args(["--location", emulator.setting("AZURE_LOCATION")])
        .args(["--cloud", emulator.setting("EMULATOR_URL"), "--ca-file", ca, "--agent-ca-file", ca])
        .envs(emulator.settings())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// As the journal counts: seconds since midnight.
pub(super) fn second_of_day() -> Result<f64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(since.as_secs_f64() % 86_400.0)
}

pub(super) fn run_job(emulator: &Emulator, name: &str) -> Result<()> {
    let pipeline = json!({"yaml": JOB.replace("NAME", name)});
    let id = emulator.control("PUT", "pipelines/bench", Some(&pipeline))?["id"].clone();
    let project = emulator.setting("AZURE_DEVOPS_PROJECT");
    let run = emulator.devops(
        "POST",
        &format!("{project}/_apis/pipelines/{id}/runs?api-version=7.1"),
        Some(&json!({})),
    )?;
    loop {
        let state = emulator.devops("GET", &format!("{project}/_apis/build/builds/{}", run["id"]), None)?;
        if state["status"] == "completed" {
            return if state["result"] == "succeeded" {
                Ok(())
            } else {
                bail!("the job: {}", state["result"])
            };
        }
        pause(Duration::from_millis(50));
    }
}

pub(super) fn wait_for_end(emulator: &Emulator, name: &str) -> Result<BTreeMap<String, f64>> {
    for _ in 0..600 {
        let life = crate::demo::life_of(emulator, name)?;
        if life.contains_key("groupDeleted") {
            return Ok(life);
        }
        pause(Duration::from_millis(50));
    }
    bail!("the container group of {name} is not gone after 30 s")
}
