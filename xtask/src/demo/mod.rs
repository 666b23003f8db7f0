//! `cargo xtask demo`: one job on one ephemeral agent, from queued to gone.

mod full;
mod life;
mod log;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::base_image;
use crate::binaries::Binaries;
use crate::emulator::{Emulator, Runtime, pause};
use crate::engine::Engine;
use crate::programs::{root, target};

/// How long the whole run may take before we give up on it.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long both services may take to be empty again after the run.
const GONE: Duration = Duration::from_secs(30);

/// Between two looks.
const PACE: Duration = Duration::from_millis(100);

/// How to show it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What container groups run on; by default Docker, and processes where no engine can be had
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
    /// Leave the emulator running, and say how to talk to it
    #[arg(long)]
    keep: bool,
    /// Show all of it: network, registry, storage account and roles, and a deployment to what only the network reaches
    #[arg(long, conflicts_with_all = ["keep", "runtime"])]
    full: bool,
    /// Build the agent image on this one instead of on a root filesystem of this system
    #[arg(long, value_name = "IMAGE")]
    base_image: Option<String>,
}

/// Builds what is needed and shows it.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("Building (the first time takes some minutes)");
    let binaries = Binaries::build()?;
    if options.full {
        let engine =
            Engine::find_or_start().context("the whole sample needs networks that keep things apart")?;
        return full::show(&binaries, &engine, options.base_image.as_deref());
    }
    let engine = engine(options.runtime)?;
    let image = match &engine {
        Some(engine) => base_image::build(engine, &binaries, options.base_image.as_deref())?,
        None => base_image::AGENT_IMAGE.to_owned(),
    };
    let shown = show(&binaries, engine.as_ref(), &image, options.keep);
    if let Some(process) = engine.filter(|_| options.keep).and_then(Engine::leave) {
        println!("The Docker engine of our own runs on too, as process {process}.");
    }
    shown
}

/// The engine that `--runtime` asks for, or that can be had; `None` means processes.
fn engine(runtime: Option<Runtime>) -> Result<Option<Engine>> {
    match runtime {
        Some(Runtime::Process) => Ok(None),
        Some(Runtime::Docker) => Engine::find_or_start().map(Some),
        None => Ok(Engine::find_or_start()
            .inspect_err(|error| println!("Without Docker ({error:#}): container groups run as processes."))
            .ok()),
    }
}

/// Runs the sample pipeline, streams its log, shows the agent's life and checks that nothing is left.
pub(crate) fn show(binaries: &Binaries, engine: Option<&Engine>, image: &str, keep: bool) -> Result<()> {
    let start = Instant::now();
    let data = target().join("demo");
    let _ = std::fs::remove_dir_all(&data);
    let emulator = Emulator::start(binaries, &data, engine)?;
    match engine {
        Some(engine) => println!("Container groups are containers of {}.", engine.describe()),
        None => println!(
            "Container groups are processes: no isolation, no limits. With a Docker engine they are containers."
        ),
    }
    let run = start_run(&emulator, image)?;
    println!(
        "Run {} of samples/demo/azure-pipelines.yml, against {}\n",
        run.number,
        emulator.setting("EMULATOR_URL")
    );
    let result = log::follow(&emulator, run.id, PATIENCE)?;
    let name = life::agent_name(&emulator)?;
    let left = wait_until_gone(&emulator)?;
    println!("\nThe agent's life");
    let life = life::read(&emulator, name.as_deref().unwrap_or_default())?;
    println!("{}", life::table(&life));
    println!("Left in the agent pool:     {}", life::list(&left.agents));
    println!("Left in the resource group: {}", life::list(&left.groups));
    println!("\nDone in {:.1} s.", start.elapsed().as_secs_f64());
    if keep {
        println!("{}", how_to_talk(&emulator));
        emulator.leave();
    }
    verdict(&result, &left, &life)
}

/// Exit 0 only if all of it is true.
fn verdict(result: &str, left: &Left, life: &[life::Entry]) -> Result<()> {
    if result != "succeeded" {
        bail!("the run {result}");
    }
    if !left.agents.is_empty() || !left.groups.is_empty() {
        bail!("something is left");
    }
    let missing: Vec<_> =
        life::EVENTS.iter().filter(|(event, _)| !life.iter().any(|entry| entry.event == *event)).collect();
    if !missing.is_empty() {
        bail!(
            "the agent's life lacks {}",
            missing.iter().map(|(_, words)| *words).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}

struct Run {
    id: u64,
    number: String,
}

fn start_run(emulator: &Emulator, image: &str) -> Result<Run> {
    let yaml = std::fs::read_to_string(root().join("samples/demo/azure-pipelines.yml"))
        .context("the sample pipeline")?;
    let setting = |key: &str| emulator.setting(key).to_owned();
    let pipeline = json!({
        "yaml": yaml,
        "variables": {
            "subscriptionId": setting("AZURE_SUBSCRIPTION_ID"), "resourceGroup": setting("AZURE_RESOURCE_GROUP"),
            "location": setting("AZURE_LOCATION"), "tenantId": setting("AZURE_TENANT_ID"),
            "clientId": setting("AZURE_CLIENT_ID"), "cloud": setting("EMULATOR_URL"),
            "caFile": setting("EMULATOR_CA_FILE"), "agentImage": image,
        },
        "secrets": {"clientSecret": setting("AZURE_CLIENT_SECRET"), "azureDevOpsToken": setting("AZURE_DEVOPS_EXT_PAT")},
    });
    let registered = emulator.control("PUT", "pipelines/demo", Some(&pipeline))?;
    let id = registered["id"].as_u64().with_context(|| format!("the pipeline has no id: {registered}"))?;
    let path =
        format!("{}/_apis/pipelines/{id}/runs?api-version=7.1", emulator.setting("AZURE_DEVOPS_PROJECT"));
    let run = emulator.devops("POST", &path, Some(&json!({})))?;
    let id = run["id"].as_u64().with_context(|| format!("the run has no id: {run}"))?;
    Ok(Run { id, number: run["name"].as_str().unwrap_or_default().to_owned() })
}

/// What is left in both services.
struct Left {
    agents: Vec<String>,
    groups: Vec<String>,
}

fn wait_until_gone(emulator: &Emulator) -> Result<Left> {
    let start = Instant::now();
    loop {
        let left = Left { agents: life::agents(emulator)?, groups: life::groups(emulator)? };
        if (left.agents.is_empty() && left.groups.is_empty()) || start.elapsed() > GONE {
            return Ok(left);
        }
        pause(PACE);
    }
}

fn how_to_talk(emulator: &Emulator) -> String {
    let (url, data) = (emulator.setting("EMULATOR_URL"), emulator.data().display());
    format!(
        "\nThe emulator runs on, as process {pid}; end it with `kill {pid}`.\n\
         curl\n  set -a; . {data}/emulator.env; set +a\n  \
         curl --cacert {data}/ca.pem -u :$AZURE_DEVOPS_EXT_PAT $AZURE_DEVOPS_ORG_URL/_apis/distributedtask/pools\n  \
         curl --cacert {data}/ca.pem {url}/emulator/state\n\
         Azure CLI\n  export AZURE_CONFIG_DIR={data}/azure-config REQUESTS_CA_BUNDLE={data}/ca.pem\n  \
         az config set core.instance_discovery=false\n  \
         az cloud register -n emulator --endpoint-resource-manager {url} && az cloud set -n emulator\n  \
         az login --service-principal -u $AZURE_CLIENT_ID -p $AZURE_CLIENT_SECRET --tenant $AZURE_TENANT_ID\n  \
         az container list -o table",
        pid = emulator.pid().unwrap_or_default(),
    )
}

/// The moments of an agent's life, in seconds, by the journal's words.
pub(crate) fn life_of(emulator: &Emulator, name: &str) -> Result<std::collections::BTreeMap<String, f64>> {
    Ok(life::read(emulator, name)?.into_iter().map(|entry| (entry.event, entry.at)).collect())
}

/// A list in an answer of either service.
fn values(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["value"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}
