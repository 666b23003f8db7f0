//! What the tests of Entra ID and Resource Manager share: an emulator in this process, and plain HTTP towards it.

use std::path::PathBuf;

use emulator::Running;
use emulator::options::{Mode, Options, RuntimeChoice};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// An api-version, for calls where it does not matter which.
pub(crate) const VERSION: &str = "api-version=2023-05-01";

/// An emulator, and somebody who calls it.
pub(crate) struct Azure {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    token: String,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `error.code` of a refusal of Resource Manager.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

/// Options for a test: any port, processes, time that stands still.
pub(crate) fn options() -> Options {
    Options {
        port: 0,
        listen: None,
        advertise: None,
        runtime: RuntimeChoice::Process,
        data: None,
        state: None,
        mode: Mode::Step,
        stand_in_agent: None,
        docker_registry: std::env::var_os("DOCKER_REGISTRY").map(Into::into),
        azurite: std::env::var_os("AZURITE").map(Into::into),
        images: Vec::new(),
    }
}

/// A program that stands for an image: a shell script in `folder`.
pub(crate) fn script(folder: &std::path::Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    path
}

impl Azure {
    pub(crate) async fn start(options: Options) -> Self {
        let running = Running::start(options).await.expect("the emulator starts");
        let http = client(&running.emulator.ca_pem);
        let mut azure = Self { running, http, token: String::new() };
        azure.token = azure.sign_in(&format!("{}/", azure.url())).await;
        azure
    }

    pub(crate) fn url(&self) -> &str {
        &self.running.emulator.url
    }

    /// A setting out of `emulator.env`.
    pub(crate) fn setting(&self, key: &str) -> String {
        let settings = emulator::world::settings(&self.running.emulator);
        settings.into_iter().find(|(name, _)| *name == key).expect("a setting of that name").1
    }

    pub(crate) fn subscription(&self) -> String {
        format!("/subscriptions/{}", self.setting("AZURE_SUBSCRIPTION_ID"))
    }

    pub(crate) fn resource_group(&self) -> String {
        format!("{}/resourceGroups/{}", self.subscription(), self.setting("AZURE_RESOURCE_GROUP"))
    }

    pub(crate) fn group(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.ContainerInstance/containerGroups/{name}", self.resource_group())
    }

    /// The token endpoint's answer to the provisioner's form, changed by `more`; a value of "" removes a field.
    pub(crate) async fn ask_for_token(&self, path: &str, more: &[(&str, &str)]) -> Answer {
        let (client, secret) = (self.setting("AZURE_CLIENT_ID"), self.setting("AZURE_CLIENT_SECRET"));
        let scope = format!("{}//.default", self.url());
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &client),
            ("client_secret", &secret),
            ("scope", &scope),
        ];
        for (name, value) in more {
            form.retain(|(known, _)| known != name);
            if !value.is_empty() {
                form.push((name, value));
            }
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}{path}", self.url())).body(body);
        read(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// An access token of the provisioner.
    pub(crate) async fn sign_in(&self, resource: &str) -> String {
        let path = format!("/{}/oauth2/v2.0/token", self.setting("AZURE_TENANT_ID"));
        let answer = self.ask_for_token(&path, &[("scope", &format!("{resource}/.default"))]).await;
        answer.body["access_token"].as_str().unwrap_or_else(|| panic!("a token: {answer:?}")).to_owned()
    }

    /// A call of the provisioner. A path without a query gets an api-version.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.call_as(&self.token, method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let base = if path.starts_with("https://") { "" } else { self.url() };
        let query = if path.contains('?') { String::new() } else { format!("?{VERSION}") };
        let mut request = self.http.request(method, format!("{base}{path}{query}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Turns a knob.
    pub(crate) async fn fault(&self, knob: &str, value: Value) {
        let set = self.put(&format!("/emulator/faults/{knob}"), &value).await;
        assert_eq!(set.status, 204, "{set:?}");
    }

    /// Moves time.
    pub(crate) async fn step(&self, seconds: u32) {
        let moved = self.call(Method::POST, "/emulator/step", Some(&json!({"seconds": seconds}))).await;
        assert_eq!(moved.status, 200, "{moved:?}");
    }

    /// Waits until a GET shows what is looked for: looks again at each change of the emulator.
    pub(crate) async fn wait_until(&self, path: &str, found: impl Fn(&Value) -> bool) -> Value {
        let mut changes = self.running.emulator.changes();
        let wait = async {
            loop {
                changes.borrow_and_update();
                let answer = self.get(path).await;
                if found(&answer.body) {
                    return answer.body;
                }
                changes.changed().await.expect("the emulator lives");
            }
        };
        match tokio::time::timeout(std::time::Duration::from_mins(1), wait).await {
            Ok(body) => body,
            Err(tokio::time::error::Elapsed { .. }) => {
                panic!("not within a minute; now: {:#}", self.get(path).await.body)
            }
        }
    }
}

/// The body of a container group with one container.
pub(crate) fn container_group(image: &str, more: &Value) -> Value {
    let mut properties = json!({
        "osType": "Linux",
        "restartPolicy": "Never",
        "containers": [{
            "name": "agent",
            "properties": {"image": image, "resources": {"requests": {"cpu": 1, "memoryInGB": 1.5}}},
        }],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    json!({"location": "westeurope", "tags": {"made-by": "test"}, "properties": properties})
}

#[expect(clippy::disallowed_methods, reason = "the tests are a foreign client: they use none of ours")]
pub(crate) fn client(ca_pem: &str) -> reqwest::Client {
    // Whoever comes first installs it; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = reqwest::Certificate::from_pem(ca_pem.as_bytes()).expect("the authority's certificate");
    reqwest::Client::builder().tls_certs_only([certificate]).build().expect("a client")
}

pub(crate) async fn read(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("a reply");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

/// The program that a variable names, without which a test has nothing to try; `cargo xtask test` sets it.
#[expect(clippy::print_stderr, reason = "who runs tests should know what was left out")]
pub(crate) fn with_program(variable: &str) -> Option<PathBuf> {
    let program = std::env::var_os(variable).map(PathBuf::from);
    if program.is_none() {
        eprintln!("left out: {variable} names no program");
    }
    program
}
