//! One organization with one pool, one agent and a queue of messages.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::sync::Mutex;

use aes::Aes256;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BoxedUint, PublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// What `configure` authenticates with.
pub(crate) const PAT: &str = "personal-access-token";
/// What the agent's key is exchanged for.
pub(crate) const AGENT_TOKEN: &str = "token-of-the-agent";
/// What the job's message carries.
pub(crate) const JOB_TOKEN: &str = "token-of-the-job";
/// The job.
pub(crate) const JOB: &str = "00000000-0000-4000-8000-00000000000a";

const AES_KEY: [u8; 32] = [42; 32];
const IV: [u8; 16] = [7; 16];

/// One call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: String,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    agent: Option<Value>,
    messages: VecDeque<(i64, String, Value)>,
    last_message: i64,
    tasks: BTreeMap<String, Vec<u8>>,
    package: Option<(String, Vec<u8>)>,
    logs: i64,
}

/// The server's memory.
pub(crate) struct World {
    url: String,
    state: Mutex<State>,
    /// Counts changes, so that one can wait for the next.
    changes: watch::Sender<u64>,
}

type Answer = Response<Full<Bytes>>;

impl World {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), state: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Queues a message for the agent.
    pub(crate) fn send(&self, kind: &str, body: Value) {
        let mut state = self.state.lock().unwrap();
        state.last_message += 1;
        let id = state.last_message;
        state.messages.push_back((id, kind.to_owned(), body));
        drop(state);
        self.changed();
    }

    /// Offers a task: its files.
    pub(crate) fn add_task(&self, id: &str, files: &[(&str, &str)]) {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in files {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        let archive = archive.finish().unwrap().into_inner();
        self.state.lock().unwrap().tasks.insert(id.to_owned(), archive);
    }

    /// Offers an agent package of a version.
    pub(crate) fn add_package(&self, version: &str, archive: Vec<u8>) {
        self.state.lock().unwrap().package = Some((version.to_owned(), archive));
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// The calls whose method is this and whose path contains that.
    pub(crate) fn calls_of(&self, method: &str, part: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method == method && call.path.contains(part)).collect()
    }

    /// Waits until the calls so far are as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        while !wanted(self) {
            changes.changed().await.unwrap();
        }
    }

    /// All that was sent about a timeline record, merged as the server does.
    pub(crate) fn record(&self, name: &str) -> Value {
        let mut merged = json!({});
        for call in self.calls_of("PATCH", "/records") {
            for record in call.json()["value"].as_array().unwrap() {
                if record["name"] == name {
                    let fields = record.as_object().unwrap().clone();
                    merged.as_object_mut().unwrap().extend(fields);
                }
            }
        }
        merged
    }

    /// The uploaded log of a record.
    pub(crate) fn log(&self, name: &str) -> String {
        let log = self.record(name)["log"]["id"].as_i64().unwrap_or_default();
        self.calls_of("POST", &format!("/logs/{log}")).iter().map(Call::text).collect()
    }

    pub(crate) async fn answer(&self, call: Call) -> Answer {
        let path = call.path.trim_start_matches("/contoso").trim_start_matches('/').to_owned();
        self.state.lock().unwrap().calls.push(call.clone());
        self.changed();
        if !is_authorized(&path, &call) {
            return challenge();
        }
        if call.method == "GET" && path.ends_with("/messages") {
            return self.next_message(&call).await;
        }
        let mut state = self.state.lock().unwrap();
        let parts: Vec<_> = path.split('/').collect();
        match (call.method.as_str(), parts.as_slice()) {
            ("OPTIONS", _) => ok(&json!({"count": 0, "value": []})),
            ("GET", ["_apis", "connectionData"]) => ok(&json!({"deploymentType": "onPremises"})),
            ("POST", ["oauth2", "token"]) => token(&state, &call),
            ("GET", ["_apis", _, "pools"]) => {
                ok(&json!({"count": 1, "value": [{"id": 3, "name": "sample"}]}))
            }
            ("GET", [.., "packages", "agent"]) => self.packages(&state),
            ("GET", ["package.tar.gz"]) => bytes(state.package.as_ref().map(|(_, archive)| archive.clone())),
            ("GET", [.., "tasks", id, _]) => bytes(state.tasks.get(*id).cloned()),
            (_, [.., "agents"] | [.., "agents", _]) => agents(&mut state, &call),
            ("POST", [.., "sessions"]) => session(&state),
            ("DELETE", [.., "messages", id]) => {
                state.messages.retain(|(message, ..)| message.to_string() != *id);
                ok(&json!({}))
            }
            ("PATCH", [.., "jobrequests", id]) => ok(
                &json!({"requestId": id.parse::<i64>().unwrap(), "lockedUntil": "2099-01-01T00:00:00.0000000Z"}),
            ),
            ("POST", [.., "plans", _, "logs"]) => {
                state.logs += 1;
                ok(&json!({"id": state.logs}))
            }
            (_, ["project", ..] | [.., "sessions", _] | [.., "updates"]) => ok(&json!({})),
            _ => reply(404, json!({"message": format!("no {path}"), "typeKey": "None"}).to_string()),
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Holds the poll until there is a message that was not seen.
    async fn next_message(&self, call: &Call) -> Answer {
        let mut changes = self.changes.subscribe();
        let query: BTreeMap<_, _> = url::form_urlencoded::parse(call.query.as_bytes()).into_owned().collect();
        let seen: i64 = query.get("lastMessageId").map_or(0, |id| id.parse().unwrap());
        loop {
            let unseen = self.state.lock().unwrap().messages.iter().find(|(id, ..)| *id > seen).cloned();
            match unseen {
                Some((id, kind, body)) => {
                    let encrypted = cbc::Encryptor::<Aes256>::new_from_slices(&AES_KEY, &IV)
                        .unwrap()
                        .encrypt_padded_vec::<Pkcs7>(body.to_string().as_bytes());
                    let (iv, body) = (BASE64_STANDARD.encode(IV), BASE64_STANDARD.encode(encrypted));
                    return ok(&json!({"messageId": id, "messageType": kind, "iv": iv, "body": body}));
                }
                None => changes.changed().await.unwrap(),
            }
        }
    }

    fn packages(&self, state: &State) -> Answer {
        let (version, archive) = state.package.as_ref().unwrap();
        let numbers: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
        let digits =
            |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap());
        let hash: String = Sha256::digest(archive).iter().flat_map(digits).collect();
        ok(&json!({"count": 1, "value": [{
            "version": {"major": numbers[0], "minor": numbers[1], "patch": numbers[2]},
            "downloadUrl": format!("{}/package.tar.gz", self.url), "hashValue": hash,
        }]}))
    }
}

/// Who may call what. Routes without an entry are open.
fn is_authorized(path: &str, call: &Call) -> bool {
    let pat = format!("Basic {}", BASE64_STANDARD.encode(format!("VstsAgent:{PAT}")));
    let (agent, job) = (format!("Bearer {AGENT_TOKEN}"), format!("Bearer {JOB_TOKEN}"));
    let allowed: &[&String] = match path {
        "oauth2/token" | "package.tar.gz" | "_apis/" => return true,
        "_apis/connectionData" => &[&pat, &agent, &job],
        path if path.starts_with("project/") || path.contains("/tasks/") => &[&job],
        path if path.contains("/sessions") || path.contains("/messages") || path.contains("/jobrequests") => {
            &[&agent]
        }
        _ => &[&pat, &agent],
    };
    allowed.contains(&&call.authorization)
}

fn agents(state: &mut State, call: &Call) -> Answer {
    match call.method.as_str() {
        "GET" => {
            let agents: Vec<_> = state.agent.iter().collect();
            return ok(&json!({"count": agents.len(), "value": agents}));
        }
        "DELETE" => {
            state.agent = None;
            return reply(204, String::new());
        }
        _ => {}
    }
    let mut agent = call.json();
    agent["id"] = json!(17);
    agent["authorization"]["clientId"] = json!("client-17");
    // A name that cannot be reached: the agent must put the configured one in its place.
    agent["authorization"]["authorizationUrl"] = json!("https://inside.invalid/oauth2/token");
    state.agent = Some(agent.clone());
    ok(&agent)
}

fn public_key(state: &State) -> PublicKey {
    let key = &state.agent.as_ref().unwrap()["authorization"]["publicKey"];
    let number = |name: &str| {
        BoxedUint::from_be_slice_vartime(&BASE64_STANDARD.decode(key[name].as_str().unwrap()).unwrap())
    };
    PublicKey::new(number("modulus"), number("exponent")).unwrap()
}

/// Checks the assertion as the token server does.
fn token(state: &State, call: &Call) -> Answer {
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let assertion = &form["client_assertion"];
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let is_signed = state.agent.is_some()
        && public_key(state)
            .verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), &signature)
            .is_ok();
    if is_signed && claims["sub"] == "client-17" && claims["aud"].as_str().unwrap().ends_with("/oauth2/token")
    {
        return ok(&json!({"access_token": AGENT_TOKEN, "token_type": "bearer", "expires_in": 3000}));
    }
    reply(400, json!({"error": "invalid_client", "error_description": "unknown agent"}).to_string())
}

fn session(state: &State) -> Answer {
    let encrypted = public_key(state).oaep_encrypt::<sha1::Sha1>(&AES_KEY).unwrap();
    let key = json!({"encrypted": true, "value": BASE64_STANDARD.encode(encrypted)});
    ok(&json!({"sessionId": "00000000-0000-4000-8000-000000000005", "encryptionKey": key}))
}

fn challenge() -> Answer {
    Response::builder()
        .status(401)
        .header("www-authenticate", "Bearer authorization_uri=https://login.example/t")
        .header("www-authenticate", "Basic realm=\"https://h/\"")
        .header("www-authenticate", "TFS-Federated")
        .body(Full::default())
        .unwrap()
}

fn ok(body: &Value) -> Answer {
    reply(200, body.to_string())
}

fn reply(status: u16, body: String) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=utf-8")
        .body(Full::from(body))
        .unwrap()
}

fn bytes(body: Option<Vec<u8>>) -> Answer {
    match body {
        Some(body) => Response::new(Full::from(body)),
        None => reply(
            404,
            json!({"message": "no such file", "typeKey": "TaskDefinitionNotFoundException"}).to_string(),
        ),
    }
}

/// A job message with these steps.
pub(crate) fn job(url: &str, steps: &Value) -> Value {
    json!({
        "messageType": "PipelineAgentJobRequest", "requestId": 9, "jobId": JOB, "jobName": "__default",
        "jobDisplayName": "Deploy",
        "plan": {"scopeIdentifier": "project", "planType": "Build", "version": 14, "planId": "plan"},
        "timeline": {"id": "timeline"},
        "mask": [],
        "variables": {
            "password": {"value": "hunter2!", "isSecret": true},
            "build.buildId": {"value": "42"},
            "system.hosttype": {"value": "build"},
        },
        "steps": steps,
        "resources": {
            "endpoints": [{"name": "SystemVssConnection", "url": format!("{url}/contoso/"),
                "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": JOB_TOKEN}}}],
            "repositories": [{"alias": "self", "properties": {"url": "file:///nowhere"}}],
        },
    })
}

/// A `script:` step.
pub(crate) fn script(name: &str, script: &str, condition: &str) -> Value {
    json!({
        "type": "task", "id": uuid::Uuid::new_v4(), "name": name, "displayName": name, "condition": condition,
        "reference": {"id": CMD_LINE, "name": "CmdLine", "version": "2.250.0"},
        "inputs": {"script": script},
    })
}

/// Id of the task behind `script:`.
pub(crate) const CMD_LINE: &str = "d9bafed4-0b18-4f58-968d-86655b4d2ce9";

/// Its manifest.
pub(crate) const CMD_LINE_MANIFEST: &str = r#"{"friendlyName":"Command line","description":"Run a script","author":"Nobody",
    "inputs":[{"name":"script"},{"name":"workingDirectory","type":"filePath","defaultValue":""},
    {"name":"failOnStderr","type":"boolean","defaultValue":"false"}],"execution":{"Node20_1":{"target":"cmdline.js"}}}"#;
