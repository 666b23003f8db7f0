//! A small Azure with TLS, a folder for a supervisor to live in, and the supervisor itself.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// What the server answers: a status and a body.
pub(crate) type Reply = (u16, Vec<u8>);

/// Decides on an answer from the request (`METHOD path?query`) and how often the same was asked before.
pub(crate) type Script = dyn Fn(&str, usize) -> Option<Reply> + Send + Sync;

/// The services a supervisor talks to, on one port.
pub(crate) struct Azure {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    requests: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

/// JSON as an answer.
pub(crate) fn reply(status: u16, body: &Value) -> Reply {
    (status, body.to_string().into_bytes())
}

impl Azure {
    /// A server that answers what `script` says, and otherwise as if everything went well.
    pub(crate) fn start(script: impl Fn(&str, usize) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .expect("a TLS configuration");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let serve = serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            url.clone(),
            Arc::clone(&requests),
            Arc::new(script),
        );
        runtime.spawn(serve);
        Self { url, ca_pem: signed.cert.pem(), requests, _runtime: runtime }
    }

    /// Everything that was asked, in order, without the questions that only find out where things are.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .iter()
            .filter(|request| !request.contains("/metadata/") && !request.contains("oauth2"))
            .cloned()
            .collect()
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    script: Arc<Script>,
) {
    while let Ok((connection, _)) = listener.accept().await {
        let (tls, url, requests, script) =
            (tls.clone(), url.clone(), Arc::clone(&requests), Arc::clone(&script));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(connection).await else { return };
            let mut stream = tokio::io::BufReader::new(stream);
            while let Some(request) = read_request(&mut stream).await {
                let asked_before = {
                    let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
                    let count = requests.iter().filter(|known| **known == request).count();
                    requests.push(request.clone());
                    count
                };
                let (status, body) = script(&request, asked_before).unwrap_or_else(|| usual(&request, &url));
                let body = here(body, &url);
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                let _ = stream.flush().await;
            }
        });
    }
}

/// Puts our own address in place of `HERE`.
fn here(body: Vec<u8>, url: &str) -> Vec<u8> {
    match String::from_utf8(body) {
        Ok(text) => text.replace("HERE", url).into_bytes(),
        Err(binary) => binary.into_bytes(),
    }
}

/// Reads one request: its first line and, after two blanks, its JSON body, if it has one.
async fn read_request(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let request = first.trim_end().trim_end_matches(" HTTP/1.1");
    let body = String::from_utf8_lossy(&body);
    Some(if body.starts_with('{') { format!("{request}  {body}") } else { request.to_owned() })
}

/// The answers of services that have nothing to object.
fn usual(request: &str, url: &str) -> Reply {
    let body = if request.contains("/metadata/endpoints") {
        json!({"authentication": {"loginEndpoint": url, "audiences": ["https://management.example"]}})
    } else if request.contains("oauth2") {
        let expires = "4102444800";
        json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "expires_on": expires})
    } else if request.starts_with("DELETE") {
        return (204, Vec::new());
    } else {
        json!({"id": 17, "count": 0, "value": []})
    };
    (200, body.to_string().into_bytes())
}

/// A folder in the place of the container's file system.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// Without an agent.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        Self { folder }
    }

    /// With an agent that is this shell script. It finds its verb in `$1`, and `notify` sends a notification.
    pub(crate) fn with_agent(script: &str) -> Self {
        let home = Self::empty();
        let listener = home.path("agent/bin/Agent.Listener");
        fs::create_dir_all(listener.parent().expect("a parent")).expect("a folder");
        fs::write(&listener, agent(script)).expect("a script");
        fs::set_permissions(&listener, fs::Permissions::from_mode(0o755)).expect("permissions");
        home
    }

    /// Something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file in the agent's folder.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("agent").join(name)).unwrap_or_default()
    }
}

/// The official agent's manners, in shell.
pub(crate) fn agent(script: &str) -> String {
    const MANNERS: &str = r#"#!/bin/bash
say() { echo "2026-01-01 00:00:00Z: $1"; }
wait_for_signal() { mkfifo nothing; exec 8<>nothing; while :; do read -r <&8; done; }
address=$(sed -n 's/.*[nN]otificationSocketAddress": *"\([^"]*\)".*/\1/p' .agent 2>/dev/null)
notify() {
  [ -e /dev/fd/9 ] || exec 9<>"/dev/tcp/${address%:*}/${address#*:}"
  printf '%s: 12345678-1234-1234-1234-123456789abc' "$1" >&9
}
job() {
  say "Running job: Job"; notify "Starting job"
  say "Job Job completed with result: Succeeded"; notify "Finished job"
}
"#;
    format!("{MANNERS}{script}\n")
}

const SUPERVISOR: &str = env!("CARGO_BIN_EXE_agent-supervisor");

/// A supervisor that lives or has lived.
pub(crate) struct Life {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    seen: Vec<String>,
}

/// The variables of a just-in-time registration.
pub(crate) fn just_in_time() -> Vec<(&'static str, String)> {
    let files = json!({".agent": r#"{"agentId":17,"poolId":3}"#, ".credentials": "{}", ".credentials_rsaparams": "{}"});
    let registration = json!({"poolId": 3, "agentId": 17, "agentName": "n", "files": files});
    vec![("AZP_JIT_CONFIG", STANDARD.encode(registration.to_string()))]
}

/// The variables of a container group that deletes itself with its managed identity.
pub(crate) fn self_destructing(azure: &Azure) -> Vec<(&'static str, String)> {
    vec![
        ("AZ_ACI_NAME", "group".into()),
        ("AZ_ACI_RG", "rg".into()),
        ("AZ_SUBSCRIPTION_ID", "sub".into()),
        ("AZ_CLOUD", azure.url.clone()),
        ("AZ_MANAGED_IDENTITY", "system".into()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.url.clone()),
    ]
}

impl Life {
    /// Starts a supervisor.
    pub(crate) fn start(
        azure: &Azure,
        home: &Home,
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        Self::start_by(Command::new(SUPERVISOR), azure, home, variables)
    }

    /// Starts a supervisor as the first process of a process namespace of its own, as in a container. `None` where this
    /// may not be done.
    pub(crate) fn start_as_first_process(
        azure: &Azure,
        home: &Home,
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Option<Self> {
        let unshare = |program: &str| {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--kill-child", "--mount-proc", program]);
            command
        };
        let allowed = unshare("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        allowed.then(|| Self::start_by(unshare(SUPERVISOR), azure, home, variables))
    }

    fn start_by(
        mut command: Command,
        azure: &Azure,
        home: &Home,
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let mut child = command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AZP_URL", format!("{}/contoso", azure.url))
            .env("AZP_HOME", home.path("").as_os_str())
            .env("AZP_CA_PEM", STANDARD.encode(&azure.ca_pem))
            .env("AZP_RUN_AS", "nobody")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the supervisor starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines, seen: Vec::new() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Reads until a line that contains `text`.
    pub(crate) fn until(&mut self, text: &str) {
        for line in self.lines.by_ref() {
            let line = line.expect("text");
            let found = line.contains(text);
            self.seen.push(line);
            if found {
                return;
            }
        }
        panic!("it ended without {text:?}:\n{}", self.seen.join("\n"));
    }

    /// Lives to the end. Gives what it printed; it must have exited with code 0.
    pub(crate) fn end(mut self) -> Output {
        self.seen.extend(self.lines.by_ref().map(|line| line.expect("text")));
        let status = self.child.wait().expect("an end");
        assert_eq!(status.code(), Some(0), "it always exits with 0:\n{}", self.seen.join("\n"));
        Output(self.seen)
    }
}

/// What a supervisor printed.
pub(crate) struct Output(pub(crate) Vec<String>);

impl Output {
    /// The whole of it.
    pub(crate) fn text(&self) -> String {
        self.0.join("\n")
    }

    /// The outcome line for programs.
    pub(crate) fn outcome(&self) -> Value {
        let records = self.0.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let outcomes: Vec<Value> = records.filter(|record| record["event"] == "outcome").collect();
        let [outcome] = &outcomes[..] else { panic!("not one outcome:\n{}", self.text()) };
        outcome.clone()
    }

    /// Checks the name of the outcome.
    pub(crate) fn assert_outcome(&self, name: &str) {
        assert_eq!(self.outcome()["outcome"], name, "{}", self.text());
    }
}

/// Whether a process lives. A zombie does not.
pub(crate) fn alive(id: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(id.trim()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
