//! An emulator of a run, and calls to it as a person with curl would make them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::binaries::Binaries;
use crate::engine::Engine;

/// What runs container groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Runtime {
    /// Containers of a Docker engine.
    Docker,
    /// Processes.
    Process,
}

/// An emulator that runs. It ends with this, unless it is left behind.
pub(crate) struct Emulator {
    child: Option<Child>,
    settings: BTreeMap<String, String>,
    data: PathBuf,
    agent: ureq::Agent,
}

/// Sleeps; for those who watch from outside and have nothing to wait on.
#[expect(clippy::disallowed_methods, reason = "a watcher polls")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

impl Emulator {
    /// Starts one in `data` and waits until it is ready.
    pub(crate) fn start(binaries: &Binaries, data: &Path, engine: Option<&Engine>) -> Result<Self> {
        Self::start_with(binaries, data, engine, &[])
    }

    /// One whose container groups are processes, and which knows another image besides: its name, and what it starts.
    pub(crate) fn start_with_image(
        binaries: &Binaries,
        data: &Path,
        (image, program): (&str, &Path),
    ) -> Result<Self> {
        let image = format!("{image}={}", program.display());
        Self::launch(binaries, data, None, &[], &["--image", &image])
    }

    /// The same, with the programs that stand behind registries and storage accounts, by their variables.
    pub(crate) fn start_with(
        binaries: &Binaries,
        data: &Path,
        engine: Option<&Engine>,
        behind: &[(&str, OsString)],
    ) -> Result<Self> {
        Self::launch(binaries, data, engine, behind, &[])
    }

    fn launch(
        binaries: &Binaries,
        data: &Path,
        engine: Option<&Engine>,
        behind: &[(&str, OsString)],
        further: &[&str],
    ) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let mut command = Command::new(binaries.path("azure-emulator"));
        command.args(["serve", "--port", "0", "--data"]).arg(data);
        command.envs(behind.iter().map(|(name, program)| (name, program)));
        command.arg("--stand-in-agent").arg(binaries.path("stand-in-agent"));
        if let Some(engine) = engine {
            command.args(["--runtime", "docker"]);
            engine.point(&mut command);
        } else {
            let image = format!("ephemeral-agents/demo={}", binaries.path("agent-supervisor").display());
            command.args(["--runtime", "process", "--image", &image]);
        }
        command.args(further);
        let log = std::fs::File::create(data.join("emulator.log"))?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = child.stdout.take().context("the emulator's output")?;
        let ready = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("ready at https://"));
        if !ready {
            let _ = child.wait();
            bail!("the emulator did not start:\n{}", std::fs::read_to_string(data.join("emulator.log"))?);
        }
        let (settings, agent) = connect(data)?;
        Ok(Self { child: Some(child), settings, data: data.to_owned(), agent })
    }

    /// One of the settings that it wrote for clients.
    pub(crate) fn setting(&self, key: &str) -> &str {
        self.settings.get(key).map_or("", String::as_str)
    }

    /// All of them.
    pub(crate) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Its folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Lets it run on after us.
    pub(crate) fn leave(mut self) {
        self.child = None;
    }

    /// A call to Azure DevOps; `path` comes after the organization.
    pub(crate) fn devops(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let basic = base64::engine::general_purpose::STANDARD
            .encode(format!(":{}", self.setting("AZURE_DEVOPS_EXT_PAT")));
        let url = format!("{}/{path}", self.setting("AZURE_DEVOPS_ORG_URL"));
        self.call(method, &url, &format!("Basic {basic}"), body)
    }

    /// A call to Resource Manager; `path` comes after the subscription.
    pub(crate) fn arm(&self, path: &str) -> Result<Value> {
        let url = self.setting("EMULATOR_URL");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.setting("AZURE_CLIENT_ID")),
            ("client_secret", self.setting("AZURE_CLIENT_SECRET")),
            ("scope", &format!("{url}/.default")),
        ];
        let token_url = format!("{url}/{}/oauth2/v2.0/token", self.setting("AZURE_TENANT_ID"));
        let mut reply = self.agent.post(&token_url).send_form(form)?;
        let token: Value = reply.body_mut().read_json()?;
        let token = token["access_token"].as_str().with_context(|| format!("no token: {token}"))?;
        let url = format!("{url}/subscriptions/{}/{path}", self.setting("AZURE_SUBSCRIPTION_ID"));
        self.call("GET", &url, &format!("Bearer {token}"), None)
    }

    /// A call to the emulator's own endpoints.
    pub(crate) fn control(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("{}/emulator/{path}", self.setting("EMULATOR_URL"));
        self.call(method, &url, &format!("Bearer {}", self.setting("EMULATOR_CONTROL_TOKEN")), body)
    }

    fn call(&self, method: &str, url: &str, authorization: &str, body: Option<&Value>) -> Result<Value> {
        let request = ureq::http::Request::builder().method(method).uri(url);
        let request = request.header("authorization", authorization).header("accept", "application/json");
        let request =
            request.header("x-tfs-fedauthredirect", "Suppress").header("content-type", "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut reply = self.agent.run(request.body(body)?).with_context(|| format!("{method} {url}"))?;
        let text = reply.body_mut().read_to_string()?;
        if !reply.status().is_success() {
            bail!("{method} {url}: {} {text}", reply.status());
        }
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }
}

fn connect(data: &Path) -> Result<(BTreeMap<String, String>, ureq::Agent)> {
    let text = std::fs::read_to_string(data.join("emulator.env")).context("the emulator's settings")?;
    let settings: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let pem = std::fs::read(data.join("ca.pem")).context("the emulator's certificate authority")?;
    let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&pem)?]);
    let config = ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .http_status_as_error(false)
        .proxy(None)
        .build();
    Ok((settings, config.new_agent()))
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}
