//! No secret is printed, whatever fails and however loud the logging, nor is one where others can read it: arguments,
//! the plain part of a container group, the output of a container, the last words of a program that is killed.

use serde_json::{Value, json};
use system_tests::{AGENT_IMAGE, Invocation, World};

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const REGISTRY_PASSWORD: &str = "planted-registry-password";
const WORKSPACE_KEY: &str = "planted-workspace-key";
const SECURE_VARIABLE: &str = "planted-feed-token";
const FEDERATED_TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJwbGFudGVkIjoidG9rZW4ifQ.c2lnbmF0dXJl";
const CERTIFICATE: &str =
    "-----BEGIN PRIVATE KEY-----\nplanted+private+key+of+a+certificate\n-----END PRIVATE KEY-----\n";

/// A container that prints what it was told, the secrets last: that is what is shown.
const ECHO: &str = "env | sort; env | grep -E '^(FEED_TOKEN|AZP_TOKEN|AZ_SERVICE_PRINCIPAL_KEY)='; exit 3";

/// The same with the secrets that `reap` has too.
const TELLS: &str = "env | grep -E '^(AZP_TOKEN|AZ_SERVICE_PRINCIPAL_KEY)='; exit 3";

/// A world, and `provision` in it with a secret in every setting that takes one, at the loudest.
struct Planted {
    world: World,
    secrets: Vec<String>,
}

impl Planted {
    async fn start() -> Self {
        let images = [("sleeper", "exec sleep 600"), ("echo", ECHO), ("tells", TELLS)];
        let world = World::start_with(&images).await;
        let (token, key) = (world.setting("AZURE_DEVOPS_EXT_PAT"), world.setting("AZURE_CLIENT_SECRET"));
        let basic = base64(format!(":{token}").as_bytes());
        let planted =
            [REGISTRY_PASSWORD, WORKSPACE_KEY, SECURE_VARIABLE, FEDERATED_TOKEN, "planted+private+key"];
        let mut secrets = planted.map(str::to_owned).to_vec();
        secrets.extend([token, key, basic]);
        Self { world, secrets }
    }

    fn provision(&self) -> Invocation {
        Self::loud(self.world.provision())
    }

    fn loud(command: Invocation) -> Invocation {
        command
            .and("verbose", "")
            .and("verbose", "")
            .and("registry-user", "puller")
            .and("secure-env", "FEED_TOKEN")
            .and("timeout-agent-online", "1")
            .and("log-analytics-workspace", "00000000-1111-2222-3333-444444444444")
            .env("EPHEMERAL_AGENTS_LOG_ANALYTICS_KEY", WORKSPACE_KEY)
            .env("FEED_TOKEN", SECURE_VARIABLE)
            .env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", REGISTRY_PASSWORD)
    }

    fn assert_hidden(&self, text: &str, where_: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {where_}:\n{text}");
        }
    }
}

/// Base64 as the credentials of a request have it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        let letters = (0..=chunk.len()).map(|index| (group >> (18 - 6 * index) & 63) as usize);
        text.extend(letters.map(|index| char::from(LETTERS[index])));
    }
    text
}

/// A way to fail at each stage, as a knob with its value, or an option.
fn failures() -> Vec<(&'static str, Value)> {
    vec![
        ("http.not-json", json!({"path": "/pools", "count": 1})),
        ("http.throttle", json!({"path": "/usages", "count": 1})),
        ("http.unavailable", json!({"path": "/oauth2/", "count": 20})),
        ("http.unavailable", json!({"path": "/agents", "method": "POST", "status": 500})),
        ("http.lose-reply", json!({"path": "/containerGroups/", "method": "PUT"})),
        ("http.lose-reply", json!({"path": "/containerGroups/", "method": "DELETE"})),
        ("arm.capacity", json!(true)),
        ("arm.capacity", json!({"late": true})),
        ("arm.quota", json!(0)),
        ("arm.registry-error", json!(9)),
        ("arm.image-inaccessible", json!(9)),
        ("arm.container-exits", json!(1)),
        ("entra.clock-skew-seconds", json!(86_400)),
    ]
}

#[tokio::test]
async fn whatever_fails_no_secret_is_printed() {
    let planted = Planted::start().await;
    let mut loud = 0;
    for (knob, value) in failures() {
        planted.world.fault(knob, value.clone());
        let printed = planted.provision().with("image", "registry.test/sleeper:1").run().await;
        planted.world.mend(knob);
        assert!(printed.talk.len() > 20, "it is loud: {}", printed.said());
        loud += usize::from(printed.code != Some(0));
        planted.assert_hidden(&printed.said(), &format!("what it printed with {knob} at {value}"));
    }
    assert!(loud >= failures().len() - 2, "nearly all of these are failures: {loud}");
    planted.world.nothing_left().await;
}

/// A registry that says back in its refusal all that it was told; gives its host and port.
async fn indiscreet_registry() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut told = [0; 4096];
            let length = stream.read(&mut told).await.unwrap_or_default();
            let told: Vec<_> = String::from_utf8_lossy(&told[..length]).lines().map(str::to_owned).collect();
            let body = json!({"errors": [{"code": "DENIED", "message": told.join(" ")}]}).to_string();
            let head =
                "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"r\"\r\nconnection: close";
            let answer = format!(
                "{head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn doctor_prints_none_although_a_registry_says_it_back() {
    let mut planted = Planted::start().await;
    planted.secrets.push(base64(format!("puller:{REGISTRY_PASSWORD}").as_bytes()));
    let registry = indiscreet_registry().await;
    let doctor = Planted::loud(planted.world.doctor())
        .without("timeout-agent-online")
        .with("image", &format!("{registry}/agent:1"));
    for output in ["text", "json"] {
        let printed = doctor.clone().and("output", output).run().await;
        assert_eq!(printed.code, Some(1), "{}", printed.said());
        assert!(printed.said().contains("GET /v2/agent/manifests/1"), "it said so: {}", printed.said());
        planted.assert_hidden(&printed.said(), "what doctor printed");
    }
    // Those that only look.
    for (knob, value) in failures().into_iter().take(2) {
        planted.world.fault(knob, value.clone());
        let printed = doctor.run().await;
        planted.world.mend(knob);
        planted.assert_hidden(&printed.said(), &format!("what doctor printed with {knob} at {value}"));
    }
}

#[tokio::test]
async fn a_container_that_prints_its_secrets_shows_none_of_them() {
    let planted = Planted::start().await;
    for registration in ["jit", "token"] {
        let echo =
            planted.provision().with("image", "registry.test/echo:1").with("registration", registration);
        for invocation in [echo.clone(), echo.env("TF_BUILD", "True")] {
            let printed = invocation.run().await;
            assert!(
                printed.said().contains("FEED_TOKEN=***"),
                "the container's log is shown: {}",
                printed.said()
            );
            planted.assert_hidden(&printed.said(), "the log that it showed");
        }
    }
    planted.world.nothing_left().await;
}

/// Whoever reads the last log of what was left over does not read secrets in it.
#[tokio::test]
async fn a_container_that_printed_its_secrets_is_reaped_without_them() {
    let planted = Planted::start().await;
    let world = &planted.world;
    let made = planted
        .provision()
        .with("timeout-agent-online", "0")
        .with("image", "registry.test/tells:1")
        .with("registration", "token")
        .run()
        .await;
    let agent = made.agent_name();
    world.says(agent, "AZP_TOKEN=").await;
    world.emulator().change(|state| {
        let group = state.arm.container_groups.values_mut().find(|group| group.name == agent);
        group.expect("the group").tags["expires-at"] = "2020-01-01T00:00:00Z".into();
    });
    let printed = world.reap().and("verbose", "").and("verbose", "").and("output", "json").run().await;
    assert!(printed.said().contains("AZP_TOKEN=***"), "the log is given: {}", printed.said());
    planted.assert_hidden(&printed.said(), "what reap printed");
    world.nothing_left().await;
}

#[tokio::test]
async fn other_credentials_are_as_safe() {
    let planted = Planted::start().await;
    let file = |name: &str, text: &str| {
        let path = planted.world.folder().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let without_secret = planted.provision().env("AZURE_CLIENT_SECRET", "");
    let federated =
        without_secret.clone().env("AZURE_FEDERATED_TOKEN_FILE", &file("federated", FEDERATED_TOKEN));
    let certificate = without_secret.env("AZURE_CLIENT_CERTIFICATE_PATH", &file("pem", CERTIFICATE));
    let bearer = planted.provision().and("token-file", &file("bearer", FEDERATED_TOKEN));
    for invocation in [federated, certificate, bearer] {
        let printed = invocation.run().await;
        assert_eq!(printed.code, Some(1), "{}", printed.said());
        planted.assert_hidden(&printed.said(), "what it printed");
    }
    planted.world.nothing_left().await;
}

#[tokio::test]
async fn no_secret_is_an_argument_or_a_plain_part_of_the_container_group() {
    let planted = Planted::start().await;
    let sleeper =
        planted.provision().with("image", "registry.test/sleeper:1").with("timeout-agent-online", "60");
    let mut started = sleeper.start();
    started.until("container Running").await;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", started.id())).expect("it runs");
    planted.assert_hidden(&String::from_utf8_lossy(&arguments), "its arguments");
    let shown = planted.world.plain_parts_of_groups();
    planted.assert_hidden(&shown, "the plain part of the container group");
    started.signal(Signal::SIGINT);
    assert_eq!(started.end().await.code, Some(130));
    planted.world.nothing_left().await;
}

/// With these a process of a Windows container gets tokens of its identity; no system's job gets them from us.
#[tokio::test]
async fn what_gets_tokens_of_an_identity_is_kept_from_the_job() {
    let world = World::start().await;
    let (header, endpoint) = ("planted-identity-header", "http://192.0.2.1/planted-endpoint");
    let provisioned = world
        .provision()
        .with("image", AGENT_IMAGE)
        .and("secure-env", "IDENTITY_HEADER")
        .env("IDENTITY_HEADER", header)
        .and("env", &format!("IDENTITY_ENDPOINT={endpoint}"))
        .and("env", "GREETING=hello")
        .run()
        .await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "env; tr '\\0' '\\n' </proc/$PPID/environ").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.job_log(run));
    let log = world.job_log(run);
    assert!(log.contains("GREETING=hello"), "it prints its environment: {log}");
    world.life(agent).await.has_row("job-finished");
    for planted in [header, endpoint] {
        assert!(!log.contains(planted), "{log}");
        assert!(!world.container_output(agent).contains(planted));
    }
    world.nothing_left().await;
}

#[tokio::test]
async fn a_program_that_is_killed_says_no_secret() {
    let planted = Planted::start().await;
    let sleeper =
        planted.provision().with("image", "registry.test/sleeper:1").with("timeout-agent-online", "60");
    for signal in [Signal::SIGABRT, Signal::SIGQUIT] {
        let mut started = sleeper.start();
        started.until("container Running").await;
        started.signal(signal);
        let printed = started.end().await;
        assert_eq!(printed.code, None, "{}", printed.said());
        planted.assert_hidden(&printed.said(), "its last words");
    }
    assert!(!planted.world.folder().join("core").exists());
}
