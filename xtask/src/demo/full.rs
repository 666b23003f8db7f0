//! `cargo xtask demo --full`: all of the sample, as somebody who follows docs/getting-started.md does it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{life, wait_until_gone};
use crate::base_image;
use crate::binaries::Binaries;
use crate::emulator::Emulator;
use crate::engine::Engine;
use crate::programs::{execute, output, root, target};
use crate::{extension, image, machine, node_tools, versions};

/// The image with the Azure CLI.
const IMAGE: &str = "ephemeral-agents/demo-azure:latest";

/// The same, which trusts the authority of the emulator, as that of a company may trust its own.
const TRUSTING_IMAGE: &str = "ephemeral-agents/demo-trusting:latest";

/// The name of the app behind the service connections.
const APP: &str = "sample-azure-subscription";

/// An upload from outside, as the pipeline does it: with the account's key, which an owner may have.
const UPLOAD: &str = "set -e
export AZURE_CORE_ONLY_SHOW_ERRORS=true
az config set core.instance_discovery=false
az cloud register --name emulator --endpoint-resource-manager $EMULATOR_URL --output none
az cloud set --name emulator
echo \"$AZURE_CLIENT_SECRET\" > /tmp/secret
az login --service-principal --username $AZURE_CLIENT_ID --password @/tmp/secret --tenant $AZURE_TENANT_ID --output none
AZURE_STORAGE_CONNECTION_STRING=$(az storage account show-connection-string --resource-group ephemeral-agents-sample \\
  --name ephemeralsamplestorage --query connectionString --output tsv)
export AZURE_STORAGE_CONNECTION_STRING
az storage blob upload --container-name test --name outside.txt --data 'from outside' --output none";

/// A stage with everything on it.
struct Show<'a> {
    binaries: &'a Binaries,
    engine: &'a Engine,
    emulator: Emulator,
    data: PathBuf,
}

/// Shows it, on this engine.
pub(super) fn show(binaries: &Binaries, engine: &Engine, base: Option<&str>) -> Result<()> {
    let package = extension::for_tests(binaries)?;
    let behind = [
        ("AZURITE", node_tools::azurite()?.into_os_string()),
        ("DOCKER_REGISTRY", machine::fetch("docker-registry", "docker-registry")?.into_os_string()),
    ];
    let base = base_image::find_or_make(engine, base)?;
    let recipe = image::Recipe {
        target: "azure",
        base: &base,
        supervisor: &binaries.path("agent-supervisor"),
        tag: IMAGE,
        build_arguments: &[format!("AZURE_CLI_VERSION={}", versions::AZURE_CLI.1)],
    };
    println!("Building the agent image with the Azure CLI");
    image::build(engine, &recipe)?;

    let start = Instant::now();
    let data = target().join("demo");
    let _ = std::fs::remove_dir_all(&data);
    let emulator = Emulator::start_with(binaries, &data, Some(engine), &behind)?;
    let show = Show { binaries, engine, emulator, data };
    show.play(&package)?;
    println!("\nDone in {:.1} s.", start.elapsed().as_secs_f64());
    Ok(())
}

impl Show<'_> {
    fn play(&self, package: &Path) -> Result<()> {
        heading("An app, for the pipeline's service connections");
        let app = self.emulator.control("PUT", &format!("apps/{APP}"), Some(&json!({})))?;
        let id = |key: &str| app[key].as_str().map(str::to_owned).with_context(|| format!("no {key}: {app}"));
        let (client, object) = (id("client_id")?, id("object_id")?);
        println!("client id {client}, object id {object}; it has no secret");

        heading("Everything in Azure");
        self.sample("up", &["--location", "westeurope", "--provisioner", &object])?;

        heading("The image into the sample's registry");
        let login_server = self.push()?;

        heading("The extension, and the service connections");
        self.emulate(&["extension", "install", &package.display().to_string()])?;
        self.connect(&client, &login_server)?;

        heading("samples/storage-pipeline/azure-pipelines.yml, as it stands");
        let pipeline = root().join("samples/storage-pipeline/azure-pipelines.yml");
        let arguments = [
            "pipeline",
            "run",
            &pipeline.display().to_string(),
            "--secret",
            "poolToken=AZURE_DEVOPS_EXT_PAT",
        ];
        self.emulate(&arguments)?;
        let left = wait_until_gone(&self.emulator)?;
        println!("\nLeft in the agent pool:     {}", life::list(&left.agents));
        println!("Left in the resource group: {}", life::list(&left.groups));

        heading("The same upload from this machine, which is outside, with the account's own key");
        let refused = self.upload_from_outside()?;

        heading("Away with it");
        self.sample("down", &[])?;
        output(&mut self.docker(&["rmi", &format!("{login_server}/agent:1")]))?;
        if !left.agents.is_empty() || !left.groups.is_empty() {
            bail!("an agent or its container group is left");
        }
        if !refused {
            bail!("the storage account let somebody in from outside its network");
        }
        Ok(())
    }

    /// A program of ours, in the environment of somebody with every right.
    fn command(&self, program: &str, words: &[&str]) -> Command {
        println!("$ {program} {}\n", words.join(" "));
        let mut command = Command::new(self.binaries.path(program));
        command.args(words).envs(self.emulator.settings()).env("NO_COLOR", "1");
        command
    }

    fn emulate(&self, words: &[&str]) -> Result<()> {
        execute(self.command("azure-emulator", words).arg("--data").arg(&self.data))
    }

    fn sample(&self, what: &str, words: &[&str]) -> Result<()> {
        let mut command = self.command("ephemeral-agents", &[&["sample", what], words].concat());
        // It is the only cloud that this command shall see.
        command.env("EPHEMERAL_AGENTS_CLOUD", self.emulator.setting("EMULATOR_URL"));
        command.env("EPHEMERAL_AGENTS_CA_FILE", self.emulator.setting("EMULATOR_CA_FILE"));
        command.env_remove("AZURE_RESOURCE_GROUP").env_remove("AZURE_DEVOPS_POOL");
        execute(&mut command)
    }

    /// Pushes the image, on top of which the authority of this Azure is trusted, and gives the registry's server.
    fn push(&self) -> Result<String> {
        let path = "resourceGroups/ephemeral-agents-sample/providers/Microsoft.ContainerRegistry/registries/\
                    ephemeralsampleregistry?api-version=2023-07-01";
        let registry = self.emulator.arm(path)?;
        let server = registry["properties"]["loginServer"].as_str();
        let server = server.with_context(|| format!("no login server: {registry}"))?.to_owned();
        let context = self.data.join("image");
        std::fs::create_dir_all(&context)?;
        let lines = "COPY authority.crt /usr/local/share/ca-certificates/\nRUN update-ca-certificates";
        std::fs::write(context.join("Dockerfile"), format!("FROM {IMAGE}\n{lines}\n"))?;
        std::fs::copy(self.emulator.setting("EMULATOR_CA_FILE"), context.join("authority.crt"))?;
        output(self.docker(&["build", "--quiet", "--force-rm", "--tag", TRUSTING_IMAGE]).arg(&context))?;
        let image = format!("{server}/agent:1");
        output(&mut self.docker(&["tag", TRUSTING_IMAGE, &image]))?;
        let user = self.emulator.setting("AZURE_CLIENT_ID");
        let secret = self.data.join("registry-secret");
        std::fs::write(&secret, self.emulator.setting("AZURE_CLIENT_SECRET"))?;
        let mut login = self.docker(&["login", "--username", user, "--password-stdin", &server]);
        output(login.stdin(std::fs::File::open(&secret)?))?;
        std::fs::remove_file(secret)?;
        println!("$ docker push {image}");
        output(&mut self.docker(&["push", "--quiet", &image]))?;
        // What is started later has to come from the registry.
        output(&mut self.docker(&["rmi", &image]))?;
        Ok(server)
    }

    /// `docker` with logins of its own.
    fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = self.engine.docker(arguments);
        docker.env("DOCKER_CONFIG", self.data.join("docker"));
        docker
    }

    /// Makes the service connections that the pipeline names, and lets the app trust them.
    fn connect(&self, client: &str, login_server: &str) -> Result<()> {
        let setting = |key: &str| self.emulator.setting(key);
        let azure = json!({
            "type": "azurerm", "scheme": "WorkloadIdentityFederation",
            "parameters": {"tenantid": setting("AZURE_TENANT_ID"), "serviceprincipalid": client},
            "data": {
                "environment": "AzureStack", "environmentUrl": "{emulator-url}",
                "subscriptionId": setting("AZURE_SUBSCRIPTION_ID"), "subscriptionName": "Sample",
            },
        });
        let registry = json!({
            "type": "dockerregistry", "scheme": "WorkloadIdentityFederation", "data": {"registrytype": "ACR"},
            "parameters": {
                "loginServer": login_server, "tenantId": setting("AZURE_TENANT_ID"), "servicePrincipalId": client,
            },
        });
        let mut trusted = Vec::new();
        for (name, connection) in
            [("sample-azure-subscription", azure), ("ephemeral-sample-registry", registry)]
        {
            let file = self.data.join(format!("{name}.json"));
            std::fs::write(&file, connection.to_string())?;
            let file = file.display().to_string();
            let mut put =
                self.command("azure-emulator", &["service-connection", "put", name, "--file", &file]);
            let said = output(put.arg("--data").arg(&self.data))?;
            println!("{said}");
            trusted.push(credential(&said)?);
        }
        self.emulator.control(
            "PUT",
            &format!("apps/{APP}"),
            Some(&json!({ "federated_credentials": trusted })),
        )?;
        Ok(())
    }

    /// Whether an upload from here is refused for where it comes from.
    fn upload_from_outside(&self) -> Result<bool> {
        let mut run = self.docker(&["run", "--rm", "--network", "host", "--entrypoint", "bash"]);
        for name in ["EMULATOR_URL", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"] {
            run.args(["--env", name]).env(name, self.emulator.setting(name));
        }
        println!("$ az storage blob upload --container-name test --name outside.txt --data 'from outside'\n");
        let answer = run.args([TRUSTING_IMAGE, "-c", UPLOAD]).output()?;
        let text = String::from_utf8_lossy(&answer.stderr).into_owned();
        println!("{}", text.trim());
        Ok(!answer.status.success() && text.contains("network rules"))
    }
}

/// What an app has to trust, out of what the service says of a connection.
fn credential(said: &str) -> Result<Value> {
    let part = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.with_context(|| format!("no {name}: {said}"))
    };
    Ok(json!({
        "issuer": part("workloadIdentityFederationIssuer")?, "subject": part("workloadIdentityFederationSubject")?,
    }))
}

fn heading(text: &str) {
    println!("\n━━ {text}");
}
