//! One run for each kind of service connection.

use serde_json::json;
use system_tests::World;

use crate::support::{succeeds, world};

/// The principal of the connection is an administrator of the pool, and may do everything in the subscription.
#[tokio::test]
async fn a_service_principal_with_a_key() {
    let Some(world) = world().await else { return };
    let said = succeeds(&world, &[]).await;
    // It had deleted itself before the last job came.
    assert!(world.asked(&["DELETE", "containerGroups"]) >= 1, "{said}");
    world.end().await;
}

#[tokio::test]
async fn a_service_principal_with_a_certificate() {
    let Some(world) = world().await else { return };
    let certificate = world.certificate();
    let parameters =
        [("authenticationType", "spnCertificate"), ("servicePrincipalCertificate", certificate.as_str())];
    world.connect("azure", &world.azure_connection("ServicePrincipal", &parameters)).await;
    world.secrets_expire(true);
    succeeds(&world, &[]).await;
    world.end().await;
}

#[tokio::test]
async fn workload_identity_federation() {
    let Some(world) = world().await else { return };
    let said = world.connect("azure", &world.azure_connection("WorkloadIdentityFederation", &[])).await;
    world.trust(&world.setting("AZURE_CLIENT_ID"), &said);
    world.secrets_expire(true);
    let said = succeeds(&world, &[]).await;
    assert!(said.contains("no key or certificate that the container could delete itself with"), "{said}");
    assert!(world.asked(&["POST", "/oidctoken", "200"]) >= 2, "once for each task");
    world.end().await;
}

/// Without the federated credential Entra ID refuses, and the user learns what to make.
#[tokio::test]
async fn workload_identity_federation_that_nobody_trusts() {
    let Some(world) = world().await else { return };
    world.connect("azure", &world.azure_connection("WorkloadIdentityFederation", &[])).await;
    let printed = crate::support::run(&world, &[]).await;
    printed.has_row("task-federation");
    world.end().await;
}

#[tokio::test]
async fn a_managed_identity_of_the_machine() {
    let Some(world) = world().await else { return };
    let everything =
        ["Microsoft.ContainerInstance/*", "Microsoft.Resources/subscriptions/resourceGroups/read"];
    let identity = world.identity("of-the-machine", &everything);
    world.machine_has(&identity);
    world.connect("azure", &world.azure_connection("ManagedServiceIdentity", &[])).await;
    succeeds(&world, &[]).await;
    world.end().await;
}

/// The registry's login reaches the container group. That images are pulled with it is shown on an engine.
#[tokio::test]
async fn connections_to_registries() {
    let Some(world) = world().await else { return };
    let generic = json!({
        "type": "dockerregistry", "scheme": "UsernamePassword", "data": {"registrytype": "Others"},
        "parameters": {"registry": "https://registry.test", "username": "puller", "password": "planted-password"},
    });
    world.connect("registry", &generic).await;
    let inputs = [("containerRegistry", "registry"), ("imageName", "agent:1")];
    let login = login_of_a_run(&world, &inputs).await;
    assert_eq!(
        (login["server"].as_str(), login["username"].as_str()),
        (Some("registry.test"), Some("puller"))
    );
    let azure = json!({
        "type": "dockerregistry", "scheme": "ServicePrincipal", "data": {"registrytype": "ACR"},
        "parameters": {
            "loginServer": "registry.test", "tenantId": world.setting("AZURE_TENANT_ID"),
            "servicePrincipalId": world.setting("AZURE_CLIENT_ID"), "servicePrincipalKey": "planted-password",
        },
    });
    world.connect("registry", &azure).await;
    let login = login_of_a_run(&world, &inputs).await;
    assert_eq!(login["username"], world.setting("AZURE_CLIENT_ID"));
    world.end().await;
}

/// Runs the pipeline until its container group is there, and to its end; gives the group's registry login.
async fn login_of_a_run(world: &World, inputs: &[(&str, &str)]) -> serde_json::Value {
    let pipeline = world.pipeline("pipeline", &crate::support::yaml(world, inputs)).start();
    let look = world.wait_for("a container group", |state| {
        let group = state.arm.container_groups.values().next()?;
        Some(group.properties["imageRegistryCredentials"][0].clone())
    });
    let (login, printed) = tokio::join!(look, pipeline.end());
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    world.nothing_left().await;
    login
}
