//! What these tests share: an emulator whose hosted pool works, and a person who runs pipelines in it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use emulator::Running;
use emulator::options::{Mode, Options, RuntimeChoice};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Longer than any run of these tests takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(4);

/// The stand-in agent: `STAND_IN_AGENT` names it, else it is built.
static STAND_IN_AGENT: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("STAND_IN_AGENT") {
    Some(path) => path.into(),
    None => build_stand_in_agent(),
});

fn build_stand_in_agent() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "stand-in-agent", "--message-format", "json"])
        .current_dir(workspace)
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout);
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.expect("cargo says what it built")
}

/// An emulator and a person.
pub(crate) struct Person {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    token: String,
}

#[expect(clippy::disallowed_methods, reason = "a foreign client, made by hand")]
fn client(ca_pem: &str) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).expect("the emulator's CA");
    // Whichever test is first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().expect("a client")
}

impl Person {
    /// Starts an emulator whose hosted pool has the stand-in agent.
    pub(crate) async fn start() -> Self {
        Self::start_with(Some(STAND_IN_AGENT.clone())).await
    }

    pub(crate) async fn start_with(stand_in_agent: Option<PathBuf>) -> Self {
        Self::start_as(stand_in_agent, None).await
    }

    /// Starts an emulator that keeps what it knows in a folder, and takes up what is there.
    pub(crate) async fn start_in(state: &Path) -> Self {
        Self::start_as(None, Some(state.to_owned())).await
    }

    async fn start_as(stand_in_agent: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        let options = Options {
            port: 0,
            listen: None,
            advertise: None,
            runtime: RuntimeChoice::Process,
            data: None,
            state,
            mode: Mode::Run,
            stand_in_agent,
            docker_registry: None,
            azurite: None,
            images: Vec::new(),
        };
        let running = Running::start(options).await.expect("the emulator starts");
        let http = client(&running.emulator.ca_pem);
        let token = running.emulator.read(|state| state.world.personal_access_token.clone());
        Self { running, http, token }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<&Value>,
    ) -> (StatusCode, String) {
        let mut request = self
            .http
            .request(method, format!("{}/{path}", self.running.emulator.url))
            .header("accept", format!("{accept};api-version=7.1"))
            .header("x-tfs-fedauthredirect", "Suppress")
            .basic_auth("", Some(&self.token));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        (response.status(), response.text().await.expect("a body"))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) =
            self.call(Method::GET, &format!("contoso/sample/_apis/{path}"), "application/json", None).await;
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, text) =
            self.call(Method::PUT, &format!("emulator/{path}"), "application/json", Some(&body)).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// What the organization shows under a path.
    pub(crate) async fn organization(&self, path: &str) -> Value {
        let (status, body) =
            self.call(Method::GET, &format!("contoso/_apis/{path}"), "application/json", None).await;
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// What agents get as a task's archive.
    pub(crate) async fn task_archive(&self, id: &str, version: &str) -> (StatusCode, Vec<u8>) {
        let url = format!("{}/contoso/_apis/distributedtask/tasks/{id}/{version}", self.running.emulator.url);
        let request = self.http.get(url).header("accept", "application/zip;api-version=7.2");
        let answer = request.basic_auth("", Some(&self.token)).send().await.expect("an answer");
        (answer.status(), answer.bytes().await.expect("a body").to_vec())
    }

    /// Waits until everything it knows by now is kept.
    pub(crate) async fn kept(&self, folder: &Path, word: &str) {
        let state = folder.join("state.json");
        let begun = std::time::Instant::now();
        while !std::fs::read_to_string(&state).is_ok_and(|text| text.contains(word)) {
            assert!(begun.elapsed() < PATIENCE, "the state was not kept");
            tokio::task::yield_now().await;
        }
    }

    /// Installs the package of an extension. `Err` is what the refusal says.
    pub(crate) async fn install(&self, package: Vec<u8>) -> Result<Value, String> {
        let url = format!("{}/emulator/extensions", self.running.emulator.url);
        let response = self.http.put(url).body(package).send().await.expect("an answer");
        let taken = response.status().is_success();
        let body: Value = response.json().await.expect("JSON");
        if taken { Ok(body) } else { Err(body["error"].as_str().expect("a reason").to_owned()) }
    }

    pub(crate) async fn uninstall(&self, extension: &str) {
        let path = format!("emulator/extensions/{extension}");
        let (status, body) = self.call(Method::DELETE, &path, "application/json", None).await;
        assert!(status.is_success(), "{body}");
    }

    /// Makes a service connection. `Err` is what the refusal says.
    pub(crate) async fn connect(&self, name: &str, connection: Value) -> Result<Value, String> {
        let (status, body) = self.put(&format!("service-connections/{name}"), connection).await;
        if status.is_success() { Ok(body) } else { Err(body["error"].as_str().expect("a reason").to_owned()) }
    }

    /// What the emulator shows of itself.
    pub(crate) async fn state(&self) -> String {
        self.call(Method::GET, "emulator/state", "application/json", None).await.1
    }

    /// Moves time, which stands still from then on.
    pub(crate) async fn step(&self, seconds: u32) {
        let (status, body) = self.put("mode", json!({"mode": "step"})).await;
        assert!(status.is_success(), "{body}");
        let step = json!({"seconds": seconds});
        let (status, text) = self.call(Method::POST, "emulator/step", "application/json", Some(&step)).await;
        assert!(status.is_success(), "{text}");
    }

    /// Puts a pipeline there and asks for a run. `Err` is the service's text.
    pub(crate) async fn try_run(&self, pipeline: Value, run: Value) -> Result<u64, String> {
        let (status, put) = self.put("pipelines/test", pipeline).await;
        assert!(status.is_success(), "{put}");
        let path = format!("contoso/sample/_apis/pipelines/{}/runs", put["id"]);
        let (status, text) = self.call(Method::POST, &path, "application/json", Some(&run)).await;
        let body: Value = serde_json::from_str(&text).expect("JSON");
        match status.as_u16() {
            200 => Ok(body["id"].as_u64().expect("an id")),
            400 => Err(body["message"].as_str().expect("a text").to_owned()),
            _ => panic!("{status} {body}"),
        }
    }

    /// Queues a build. `Err` is the refusal.
    pub(crate) async fn queue(&self, build: Value) -> Result<Value, Value> {
        let path = "contoso/sample/_apis/build/builds";
        let (status, text) = self.call(Method::POST, path, "application/json", Some(&build)).await;
        let body = serde_json::from_str(&text).expect("JSON");
        if status.is_success() { Ok(body) } else { Err(body) }
    }

    /// Starts a run of a pipeline that is nothing but its text.
    pub(crate) async fn run(&self, yaml: &str) -> u64 {
        self.try_run(json!({ "yaml": yaml }), json!({})).await.expect("a run")
    }

    /// Waits until an agent works on a job.
    pub(crate) async fn job_runs(&self) {
        let found = self
            .running
            .emulator
            .wait_for(PATIENCE, |state| state.devops.requests.values().any(devops_runs).then_some(()))
            .await;
        assert!(found.is_some(), "no job began");
    }

    /// Waits for the end of a run, and says how it ended.
    pub(crate) async fn result(&self, run: u64) -> String {
        let over = self
            .running
            .emulator
            .wait_for(PATIENCE, |state| state.pipelines.is_over(run).then_some(()))
            .await;
        let build = self.get(&format!("build/builds/{run}")).await;
        assert!(
            over.is_some(),
            "the run does not end: {build} {}",
            self.get(&format!("build/builds/{run}/timeline")).await
        );
        assert_eq!(build["status"], "completed");
        build["result"].as_str().expect("a result").to_owned()
    }

    pub(crate) async fn cancel(&self, run: u64) {
        let path = format!("contoso/sample/_apis/build/builds/{run}");
        let body = json!({"status": "cancelling"});
        let (status, text) = self.call(Method::PATCH, &path, "application/json", Some(&body)).await;
        assert!(status.is_success(), "{text}");
    }

    /// The records of a run of this type, by name: result and the texts of their issues.
    pub(crate) async fn records(&self, run: u64, kind: &str) -> Vec<(String, String, String)> {
        let timeline = self.get(&format!("build/builds/{run}/timeline")).await;
        let records =
            timeline["records"].as_array().expect("records").iter().filter(|record| record["type"] == kind);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        records
            .map(|record| {
                let issues = record["issues"].as_array().into_iter().flatten();
                let issues: Vec<String> = issues.map(|issue| text(&issue["message"])).collect();
                (text(&record["name"]), text(&record["result"]), issues.join("\n"))
            })
            .collect()
    }

    /// All logs of a run, one after the other.
    pub(crate) async fn logs(&self, run: u64) -> String {
        let logs = self.get(&format!("build/builds/{run}/logs")).await;
        let mut all = String::new();
        for log in logs["value"].as_array().expect("logs") {
            let path = format!("contoso/sample/_apis/build/builds/{run}/logs/{}", log["id"]);
            let (_, text) = self.call(Method::GET, &path, "text/plain", None).await;
            all.push_str(&text);
        }
        all
    }
}

fn devops_runs(request: &emulator::devops::JobRequest) -> bool {
    request.is_running()
}
