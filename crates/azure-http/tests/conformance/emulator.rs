//! The emulator as a judge: its program is started, if it is built, and shares no code with the clients.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use azure_http::identity::{ServicePrincipal, client_secret};
use azure_http::{Cloud, Credential, Dialect, Method, Pipeline, PipelineOptions, Request};
use redact::Secret;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A running emulator that moves only when it is stepped. It ends with this value.
pub(crate) struct Emulator {
    child: Child,
    folder: PathBuf,
    values: BTreeMap<String, String>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The program that `AZURE_EMULATOR` names, which then has to be there; else the one that was built beside these
/// tests, if it was.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("AZURE_EMULATOR") {
        return Some(named.into());
    }
    let tests = std::env::current_exe().ok()?;
    let beside = tests.parent()?.parent()?.join("azure-emulator");
    beside.exists().then_some(beside)
}

impl Emulator {
    /// Starts one of its own for the test called `test`; `None` where the program is not built.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let program = program()?;
        let folder = std::env::temp_dir().join(format!("emulator-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut child = Command::new(&program)
            .args(["serve", "--port", "0", "--runtime", "process", "--mode", "step"])
            .args(["--image", "conformance:1=/bin/sleep", "--data"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        let output = child.stdout.take().expect("its output");
        let output = tokio::process::ChildStdout::from_std(output).expect("its output");
        let mut emulator = Self { child, folder, values: BTreeMap::new() };
        emulator.wait_until_ready(output).await;
        let file = std::fs::read_to_string(emulator.folder.join("emulator.env")).expect("emulator.env");
        let pairs = file.lines().filter_map(|line| line.split_once('='));
        emulator.values =
            pairs.map(|(key, value)| (key.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect();
        Some(emulator)
    }

    async fn wait_until_ready(&mut self, output: tokio::process::ChildStdout) {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.expect("its output is text") {
            if line.contains("ready at") {
                // Whatever it says later must not fill the pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return;
            }
        }
        panic!("the emulator ended: {:?}", self.child.wait());
    }

    /// A value of `emulator.env`.
    pub(crate) fn value(&self, key: &str) -> &str {
        self.values.get(key).unwrap_or_else(|| panic!("emulator.env has no {key}"))
    }

    /// A pipeline that trusts its certificate authority.
    pub(crate) fn pipeline(&self) -> Pipeline {
        let ca = std::fs::read(self.value("EMULATOR_CA_FILE")).expect("its certificate authority");
        Pipeline::new(PipelineOptions {
            extra_ca_pem: vec![ca],
            first_wait: Duration::from_millis(2),
            ..PipelineOptions::new("tests/1.0")
        })
        .expect("a pipeline")
    }

    /// Its cloud, as it describes itself.
    pub(crate) async fn cloud(&self) -> Cloud {
        Cloud::discover(&self.pipeline(), self.value("EMULATOR_URL")).await.expect("a cloud")
    }

    /// The service principal that may do everything in its subscription.
    pub(crate) fn credential(&self, pipeline: &Pipeline, cloud: &Cloud) -> Credential {
        let principal = ServicePrincipal {
            tenant: self.value("AZURE_TENANT_ID").to_owned(),
            client: self.value("AZURE_CLIENT_ID").to_owned(),
        };
        let secret = Secret::new(self.value("AZURE_CLIENT_SECRET"));
        client_secret(pipeline, cloud, principal, secret).expect("a credential")
    }

    /// Lets it come to rest: everything that takes time has happened.
    pub(crate) async fn settle(&self, pipeline: &Pipeline) {
        let url = format!("{}/emulator/step", self.value("EMULATOR_URL")).parse().expect("an address");
        let request = Request::new(Method::Post, url, Dialect::Plain)
            .json(&serde_json::json!({"seconds": 120}))
            .expect("a body");
        pipeline.send(request).await.expect("stepped");
    }
}
