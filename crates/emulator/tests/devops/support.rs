//! What the tests of Azure DevOps share: an emulator in this process, plain HTTP towards it, and an agent made by hand.

use std::sync::LazyLock;
use std::time::Duration;

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use emulator::devops::{self, NewJobRequest, NewPlan, Reference};
use emulator::options::{Mode, Options, RuntimeChoice};
use emulator::{Running, State};
use reqwest::{Method, StatusCode};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use uuid::Uuid;

/// The pool for ephemeral agents.
pub(crate) const POOL: u64 = 3;
/// Where its agents are.
pub(crate) const AGENTS: &str = "_apis/distributedtask/pools/3/agents";
/// Where its job requests are.
pub(crate) const REQUESTS: &str = "_apis/distributedtask/pools/3/jobrequests";

/// Making a key takes long, and no test needs one of its own.
static KEY: LazyLock<rsa::PrivateKey> =
    LazyLock::new(|| rsa::PrivateKey::new(&mut rand::rng(), 2048).expect("a key"));

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
        docker_registry: None,
        azurite: None,
        images: Vec::new(),
    }
}

/// An organization in an emulator.
pub(crate) struct Organization {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    token: String,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, bytes, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and `typeKey` of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["typeKey"].as_str().unwrap_or_default())
    }

    /// The items of a collection, whose count must be right.
    pub(crate) fn items(&self) -> &[Value] {
        let items = self.body["value"].as_array().expect("a collection");
        assert_eq!(self.body["count"], items.len());
        items
    }

    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.bytes));
        self
    }
}

#[expect(clippy::disallowed_methods, reason = "a foreign client, made by hand")]
fn client(ca_pem: &str) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).expect("the emulator's CA");
    // Whichever test is first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().expect("a client")
}

impl Organization {
    pub(crate) async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let running = Running::start(options).await.expect("the emulator starts");
        let http = client(&running.emulator.ca_pem);
        let token = running.emulator.read(|state| state.world.personal_access_token.clone());
        let url = format!("{}/contoso", running.emulator.url);
        Self { running, http, url, token }
    }

    /// A request with the API's version, and nothing that says who calls.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}", self.url));
        request
            .header("accept", "application/json;api-version=7.1")
            .header("x-tfs-fedauthredirect", "Suppress")
    }

    /// A request of who owns the organization.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path).basic_auth("anybody", Some(&self.token));
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// A request with a token.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = self.request(method, path).bearer_auth(token);
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// Turns a knob.
    pub(crate) fn turn(&self, knob: &str, value: Value) {
        self.change(|state| state.faults.set(knob, value)).expect("a knob of that name");
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.running.emulator.change(change)
    }

    /// Moves time.
    pub(crate) async fn step(&self, seconds: u32) {
        let url = format!("{}/emulator/step", self.running.emulator.url);
        Answer::of(self.http.post(url).json(&json!({"seconds": seconds}))).await.ok();
    }

    /// Waits until the state is as `look` wants it.
    pub(crate) async fn until(&self, mut look: impl FnMut(&State) -> bool) {
        let seen = self.running.emulator.wait_for(Duration::from_hours(1), |state| look(state).then_some(()));
        seen.await.expect("it happens");
    }

    /// Queues a job in a plan of its own.
    pub(crate) fn queue(&self, demands: &[&str]) -> Job {
        let job = Job {
            plan_id: Uuid::new_v4(),
            job_id: Uuid::new_v4(),
            timeline_id: Uuid::new_v4(),
            request_id: 0,
        };
        let request_id = self.change(|state| {
            let definition = Reference { id: 12, name: "sample".to_owned() };
            let owner = Reference { id: 42, name: "20261123.1".to_owned() };
            let scope = state.devops.project_id;
            devops::create_plan(
                state,
                NewPlan {
                    plan_id: job.plan_id,
                    timeline_id: job.timeline_id,
                    scope,
                    hub: "Build".to_owned(),
                    definition: definition.clone(),
                    owner: owner.clone(),
                },
            );
            devops::queue_job(
                state,
                NewJobRequest {
                    pool_id: POOL,
                    queue_id: 18,
                    plan_id: job.plan_id,
                    job_id: job.job_id,
                    job_name: "Job".to_owned(),
                    demands: demands.iter().map(|demand| (*demand).to_owned()).collect(),
                    definition,
                    owner,
                    message: json!({"jobId": job.job_id, "url": "{emulator-url}/contoso/", "token": "{job-token}"}),
                },
            )
        });
        Job { request_id: request_id.expect("an agent that could do it"), ..job }
    }

    /// Registers an agent with a key, as whoever provisions does.
    pub(crate) async fn register(&self, name: &str) -> Agent {
        let answer = self.post(AGENTS, registration(name)).await.ok();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Agent {
            id: answer.body["id"].as_u64().expect("an id"),
            client_id: text(&answer.body["authorization"]["clientId"]),
            token_url: text(&answer.body["authorization"]["authorizationUrl"]),
            token: String::new(),
            session_id: String::new(),
            session_key: Vec::new(),
        }
    }

    /// Registers an agent, gets it a token, and opens a session.
    pub(crate) async fn listening(&self, name: &str) -> Agent {
        let mut agent = self.register(name).await;
        agent.ask_for_token(self).await;
        agent.open_session(self).await.ok();
        agent
    }
}

/// A job that waits or runs.
pub(crate) struct Job {
    pub(crate) plan_id: Uuid,
    pub(crate) job_id: Uuid,
    pub(crate) timeline_id: Uuid,
    pub(crate) request_id: u64,
}

impl Job {
    pub(crate) fn plan(&self) -> String {
        format!("sample/_apis/distributedtask/hubs/Build/plans/{}", self.plan_id)
    }

    /// The event that ends it.
    pub(crate) fn completed(&self, shutting_down: bool) -> Value {
        json!({
            "name": "JobCompleted", "jobId": self.job_id, "requestId": self.request_id, "result": "succeeded",
            "agentShuttingDown": shutting_down,
        })
    }
}

/// The body of a registration, with the key of the tests.
pub(crate) fn registration(name: &str) -> Value {
    let key = KEY.to_public_key();
    json!({
        "name": name, "version": "4.275.0", "osDescription": "Linux", "maxParallelism": 1, "enabled": true,
        "provisioningState": "Provisioned",
        "authorization": {"publicKey": {
            "exponent": STANDARD.encode(key.e_bytes()), "modulus": STANDARD.encode(key.n_bytes()),
        }},
        "systemCapabilities": {"Agent.Name": name, "Agent.Version": "4.275.0", "Agent.OS": "Linux", "docker": "/usr/bin/docker"},
    })
}

/// An agent made by hand.
pub(crate) struct Agent {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    pub(crate) token_url: String,
    pub(crate) token: String,
    pub(crate) session_id: String,
    pub(crate) session_key: Vec<u8>,
}

impl Agent {
    pub(crate) fn path(&self) -> String {
        format!("{AGENTS}/{}", self.id)
    }

    /// Where it polls.
    pub(crate) fn messages(&self) -> String {
        format!("_apis/distributedtask/pools/3/messages?sessionId={}", self.session_id)
    }

    /// An assertion with these claims, signed with the registered key.
    pub(crate) fn assertion(claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({"typ": "JWT", "alg": "RS256"})), encode(claims));
        let signer = rsa::pkcs1v15::SigningKey::<sha2::Sha256>::new(KEY.clone());
        let signature = signer.sign_with_rng(&mut rand::rng(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The claims of a right assertion.
    pub(crate) fn claims(&self, now: jiff::Timestamp) -> Value {
        let now = now.as_second();
        json!({
            "sub": self.client_id, "iss": self.client_id, "aud": self.token_url, "jti": Uuid::new_v4(), "nbf": now,
            "exp": now + 300,
        })
    }

    pub(crate) async fn exchange(&self, organization: &Organization, assertion: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        Answer::of(organization.http.post(&self.token_url).form(&form)).await
    }

    pub(crate) async fn ask_for_token(&mut self, organization: &Organization) {
        let now = organization.running.emulator.read(|state| state.now);
        let answer = self.exchange(organization, &Self::assertion(&self.claims(now))).await.ok();
        answer.body["access_token"].as_str().expect("a token").clone_into(&mut self.token);
    }

    /// Opens a session, and decrypts its key if there is one.
    pub(crate) async fn open_session(&mut self, organization: &Organization) -> Answer {
        let body = json!({
            "sessionId": Uuid::nil(), "ownerName": "machine",
            "agent": {"id": self.id, "name": "one", "version": "4.275.0"}, "encryptionKey": null,
        });
        let path = "_apis/distributedtask/pools/3/sessions";
        let answer = organization.call_as(&self.token, Method::POST, path, Some(body)).await;
        if answer.status.is_success() {
            answer.body["sessionId"].as_str().expect("an id").clone_into(&mut self.session_id);
            assert_eq!(answer.body["encryptionKey"]["encrypted"], true);
            let key = STANDARD
                .decode(answer.body["encryptionKey"]["value"].as_str().expect("a key"))
                .expect("base64");
            self.session_key = KEY.oaep_decrypt::<sha1::Sha1>(&key).expect("encrypted to the registered key");
        }
        answer
    }

    pub(crate) async fn poll(&self, organization: &Organization) -> Answer {
        organization.call_as(&self.token, Method::GET, &self.messages(), None).await
    }

    /// The body of a message.
    pub(crate) fn decrypt(&self, message: &Value) -> Value {
        let bytes = |key: &str| STANDARD.decode(message[key].as_str().expect("base64")).expect("base64");
        let cipher =
            cbc::Decryptor::<Aes256>::new_from_slices(&self.session_key, &bytes("iv")).expect("256 bits");
        let text = cipher.decrypt_padded_vec::<Pkcs7>(&bytes("body")).expect("the session's key");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Takes the job that waits for it: gets the message, renews the lock, deletes the message. Returns its body.
    pub(crate) async fn take_job(&self, organization: &Organization) -> Value {
        let message = self.poll(organization).await.ok().body;
        assert_eq!(message["messageType"], "PipelineAgentJobRequest");
        let job = self.decrypt(&message);
        self.renew(organization, job["requestId"].as_u64().expect("an id")).await.ok();
        let path = format!(
            "_apis/distributedtask/pools/3/messages/{}?sessionId={}",
            message["messageId"], self.session_id
        );
        assert_eq!(organization.call_as(&self.token, Method::DELETE, &path, None).await.status, 204);
        job
    }

    pub(crate) async fn renew(&self, organization: &Organization, request_id: u64) -> Answer {
        let path = format!("{REQUESTS}/{request_id}?lockToken={}", Uuid::nil());
        organization.call_as(&self.token, Method::PATCH, &path, Some(json!({"requestId": request_id}))).await
    }

    pub(crate) async fn close_session(&self, organization: &Organization) -> Answer {
        let path = format!("_apis/distributedtask/pools/3/sessions/{}", self.session_id);
        organization.call_as(&self.token, Method::DELETE, &path, None).await
    }
}
