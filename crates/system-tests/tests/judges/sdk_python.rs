//! Azure's SDKs for Python: one script, and with it one process, for each subject.

use system_tests::World;

use crate::HELLO;
use crate::support::{judge, program, script};

/// Runs a script in this world, with an app's certificate in its folder. A page of a list holds one resource, so that
/// whatever lists two has to turn pages.
async fn judges(world: World, subject: &str) {
    let Some(python) = program("SDK_PYTHON") else { return };
    world.fault("arm.page-size", 1);
    std::fs::write(world.folder().join("app.pem"), world.certificate()).expect("a file");
    let printed = judge(&world, &python, &format!("azure_sdk_{subject}.py")).await;
    assert_eq!(printed.talk, [""; 0], "warnings: {}", printed.said());
    world.was_judged_by(&format!("Python: {subject}"));
    world.end().await;
}

#[tokio::test]
async fn resource_groups() {
    judges(World::start().await, "groups").await;
}

#[tokio::test]
async fn container_groups() {
    judges(World::start_with(&[HELLO]).await, "containers").await;
}

#[tokio::test]
async fn networks() {
    judges(World::start().await, "networks").await;
}

#[tokio::test]
async fn registries_and_storage_accounts() {
    if program("DOCKER_REGISTRY").is_some() && program("AZURITE").is_some() {
        judges(World::start().await, "stores").await;
    }
}

#[tokio::test]
async fn identities_and_roles() {
    let Some(python) = program("SDK_PYTHON") else { return };
    let inside = format!("exec '{}' '{}'", python.display(), script("azure_sdk_inside.py"));
    judges(World::start_with(&[("azure-sdk", &inside)]).await, "identities").await;
}
