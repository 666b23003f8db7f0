//! The image, in a real registry.
//!
//! `DOCKER_REGISTRY` names its program; `cargo xtask test` does.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use system_tests::{Invocation, Registry, World};

use crate::support::{has_state, is_ok, says};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(bytes: &[u8]) -> String {
    let hexadecimal: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

/// A client that pushes, as Docker does.
struct Pusher {
    client: reqwest::Client,
    base: String,
}

impl Pusher {
    #[expect(
        clippy::disallowed_methods,
        reason = "it pushes as a stranger does, who shares no code with ours"
    )]
    fn new(registry: &Registry) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { client, base: format!("http://{}/v2/agent", registry.server()) }
    }

    async fn blob(&self, content: &[u8]) -> String {
        let begun =
            self.client.post(format!("{}/blobs/uploads/", self.base)).send().await.expect("an answer");
        let place = begun.headers()["location"].to_str().expect("text").to_owned();
        let digest = digest(content);
        let put = self.client.put(format!("{place}&digest={digest}")).body(content.to_vec());
        assert_eq!(put.send().await.expect("an answer").status(), 201);
        digest
    }

    async fn manifest(&self, reference: &str, kind: &str, manifest: &Value) -> String {
        let text = manifest.to_string();
        let url = format!("{}/manifests/{reference}", self.base);
        let put = self.client.put(url).header("content-type", kind).body(text.clone());
        let answer = put.send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
        digest(text.as_bytes())
    }

    /// An image of one layer that says it has that many bytes; gives its manifest's digest.
    async fn image(&self, reference: &str, (os, architecture): (&str, &str), bytes: u64) -> String {
        let config = json!({"os": os, "architecture": architecture}).to_string();
        let (config_digest, layer) = (self.blob(config.as_bytes()).await, self.blob(b"a layer").await);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest,
                "size": config.len(),
            },
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": bytes}],
        });
        self.manifest(reference, MANIFEST, &manifest).await
    }
}

fn of(world: &World, registry: &Registry, reference: &str) -> Invocation {
    world.doctor().with("image", &registry.image(&format!("agent:{reference}")))
}

#[tokio::test]
async fn what_a_registry_has() {
    if std::env::var_os("DOCKER_REGISTRY").is_none() {
        return;
    }
    let world = World::start().await;
    let registry = Registry::start(&world.folder().join("registry"), None);
    let pusher = Pusher::new(&registry);
    pusher.image("one", ("linux", "amd64"), 150_000_000).await;
    is_ok(&of(&world, &registry, "one"), "image", "is there for linux/amd64: 151 MB to pull.").await;
    assert_eq!(of(&world, &registry, "one").run().await.code, Some(0));
    says("doctor-image-missing", &of(&world, &registry, "two")).await;
    says("doctor-image-platform", &of(&world, &registry, "one").and("os-type", "windows")).await;
    pusher.image("large", ("linux", "amd64"), 5_200_000_000).await;
    says("doctor-image-large", &of(&world, &registry, "large")).await;
}

#[tokio::test]
async fn an_image_for_several_platforms() {
    if std::env::var_os("DOCKER_REGISTRY").is_none() {
        return;
    }
    let world = World::start().await;
    let registry = Registry::start(&world.folder().join("registry"), None);
    let pusher = Pusher::new(&registry);
    let arm = pusher.image("arm", ("linux", "arm64"), 10_000_000).await;
    let intel = pusher.image("intel", ("linux", "amd64"), 20_000_000).await;
    let entry = |digest: &str, architecture: &str| {
        json!({
            "mediaType": MANIFEST, "digest": digest, "size": 1,
            "platform": {"os": "linux", "architecture": architecture},
        })
    };
    let index = |entries: Vec<Value>| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    pusher.manifest("both", INDEX, &index(vec![entry(&arm, "arm64"), entry(&intel, "amd64")])).await;
    is_ok(&of(&world, &registry, "both"), "image", "is there for linux/amd64: 21 MB to pull.").await;
    pusher.manifest("none", INDEX, &index(vec![entry(&arm, "arm64")])).await;
    let found = of(&world, &registry, "none");
    has_state(&found, "image", "failed", "is made for linux/arm64, and not for linux/amd64.").await;
}

#[tokio::test]
async fn a_registry_that_wants_a_password() {
    let is_there = |program: &str| std::process::Command::new(program).arg("-h").output().is_ok();
    if std::env::var_os("DOCKER_REGISTRY").is_none() || !is_there("htpasswd") {
        return;
    }
    let world = World::start().await;
    let open = Registry::start(&world.folder().join("registry"), None);
    Pusher::new(&open).image("one", ("linux", "amd64"), 1_000).await;
    let closed = open.closed("puller", "pl4nted-password");
    says("doctor-image-login", &of(&world, &closed, "one")).await;
    let as_user = of(&world, &closed, "one").and("registry-user", "puller");
    let with = |password: &str| as_user.clone().env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", password);
    is_ok(&with("pl4nted-password"), "image", "is there for linux/amd64: 2 kB to pull.").await;
    let printed = says("doctor-image-login", &with("pl4nted-other")).await;
    assert!(!printed.said().contains("pl4nted"), "{}", printed.said());
}

/// A registry of Azure lets whoever asks in with a token of Entra ID, where an identity is to pull.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_of_azure_asked_as_oneself() {
    if std::env::var_os("DOCKER_REGISTRY").is_none() {
        return;
    }
    let world = World::start().await;
    let made = world
        .command(&["sample", "registry", "create"])
        .without("resource-group")
        .and("location", "westeurope")
        .run()
        .await;
    assert_eq!(made.code, Some(0), "{}", made.said());
    let (server, id) = world.emulator().read(|state| {
        let registry = state.arm.registries.last().expect("the registry");
        (registry.login_server.clone(), registry.id.clone())
    });
    let puller = world.identity("puller", &[]);
    let looks = world.doctor().with("image", &format!("{server}/agent:1")).and("registry-identity", &puller);
    says("doctor-identity-cannot-pull", &looks).await;
    has_state(&looks, "image", "failed", "The registry has no image").await;
    world.assign(&puller, "AcrPull", &id);
    is_ok(&looks, "identity", "puller may pull the image.").await;
    world.end().await;
}

#[tokio::test]
async fn a_registry_that_is_not_reached_from_here() {
    let world = World::start().await;
    says("doctor-image-unreachable", &crate::support::doctor(&world)).await;
}
