//! One run for each kind of connection to a registry, on an engine that really pulls.

use serde_json::{Value, json};
use system_tests::{Engine, Registry, World};

use crate::support::{prepared, with_key, yaml};

const PASSWORD: &str = "planted-password";

/// The registries of a test: one for everybody, one with a password, and that one again as a registry of Azure.
struct Registries {
    open: Registry,
    closed: Registry,
}

impl Registries {
    fn start(engine: &Engine) -> Self {
        let open = engine.registry();
        engine.push(engine.agent_image(), &open, "agents/agent:1");
        let closed = open.closed("puller", PASSWORD);
        Self { open, closed }
    }
}

/// Connections by name, and the image that is in each registry.
async fn connect(world: &World, registries: &Registries) -> Vec<(&'static str, String)> {
    let login_server = world.setting("EMULATOR_URL").trim_start_matches("https://").to_owned();
    let (behind, user, password) =
        (registries.closed.server().to_owned(), "puller".to_owned(), PASSWORD.to_owned());
    world
        .emulator()
        .change(|state| emulator::arm::add_registry(state, &login_server, behind, user, password));
    let generic = json!({
        "type": "dockerregistry", "scheme": "UsernamePassword", "data": {"registrytype": "Others"},
        "parameters": {
            "registry": format!("https://{}", registries.closed.server()), "username": "puller", "password": PASSWORD,
        },
    });
    let of_azure = |scheme: &str, more: Value| {
        let mut connection = json!({
            "type": "dockerregistry", "scheme": scheme, "data": {"registrytype": "ACR"},
            "parameters": {
                "loginServer": login_server, "tenantId": world.setting("AZURE_TENANT_ID"),
                "servicePrincipalId": world.setting("AZURE_CLIENT_ID"),
            },
        });
        if let (Value::Object(more), Some(parameters)) = (more, connection["parameters"].as_object_mut()) {
            parameters.extend(more);
        }
        connection
    };
    let key = json!({"servicePrincipalKey": world.setting("AZURE_CLIENT_SECRET")});
    world.connect("generic", &generic).await;
    world.connect("acr-key", &of_azure("ServicePrincipal", key)).await;
    let said = world.connect("acr-federated", &of_azure("WorkloadIdentityFederation", json!({}))).await;
    world.trust(&world.setting("AZURE_CLIENT_ID"), &said);
    let of_the_machine =
        world.identity("of-the-machine", &["Microsoft.ContainerRegistry/registries/pull/read"]);
    world.machine_has(&of_the_machine);
    world.connect("acr-managed", &of_azure("ManagedServiceIdentity", json!({}))).await;
    vec![
        ("", registries.open.image("agents/agent:1")),
        ("generic", "agents/agent:1".to_owned()),
        ("acr-key", "agents/agent:1".to_owned()),
        ("acr-federated", "agents/agent:1".to_owned()),
        ("acr-managed", "agents/agent:1".to_owned()),
    ]
}

/// In one test, since compressing what is pushed takes longer than all the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_are_pulled_with_every_kind_of_connection() {
    let Some(engine) = Engine::prepared() else { return };
    let Some(world) = prepared(World::on(&engine).await).await else { return };
    world.connect("azure", &with_key(&world)).await;
    let registries = Registries::start(&engine);
    for (connection, image) in connect(&world, &registries).await {
        let inputs = [("containerRegistry", connection), ("imageName", image.as_str())];
        let printed = world.pipeline("pipeline", &yaml(&world, &inputs)).run().await;
        assert_eq!(printed.code, Some(0), "{connection}: {}", printed.said());
        world.nothing_left().await;
    }
    world.end().await;
}
