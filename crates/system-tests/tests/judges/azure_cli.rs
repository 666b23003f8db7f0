//! The Azure CLI, as its users have it.
//!
//! How it starts and signs in is tried with `az` itself. What follows is a script each that runs many command lines in
//! one process, with the interpreter and the packages of `az`: the same CLI without a start for each of them.

use std::path::{Path, PathBuf};

use system_tests::{Invocation, World};

use crate::HELLO;
use crate::support::{program, script, succeed};

/// A command line of the CLI, which keeps what it knows in the world's folder and tells nobody of it.
fn command(world: &World, program: &Path, words: &[&str]) -> Invocation {
    let folder = world.folder().join(".azure").display().to_string();
    world.client(program, words).env("AZURE_CONFIG_DIR", &folder).env("AZURE_CORE_COLLECT_TELEMETRY", "no")
}

/// The interpreter that `az` runs under, with its packages.
fn python(az: &Path) -> PathBuf {
    az.with_file_name("python")
}

/// Lets the CLI judge what a script is about: it runs with the interpreter of `az`.
async fn judges(world: World, az: &Path, subject: &str) {
    succeed(&command(&world, &python(az), &[&script(&format!("azure_cli_{subject}.py"))])).await;
    world.was_judged_by(&format!("az: {subject}"));
    world.end().await;
}

#[tokio::test]
async fn container_groups() {
    let Some(az) = program("AZURE_CLI") else { return };
    let world = World::start_with(&[HELLO]).await;
    // So that what is listed takes more than one page.
    world.fault("arm.page-size", 1);
    world.fault("arm.leftover-association-link", true);
    judges(world, &az, "containers").await;
}

#[tokio::test]
async fn identities_and_roles() {
    let Some(az) = program("AZURE_CLI") else { return };
    let inside = format!("exec '{}' '{}'", python(&az).display(), script("azure_cli_inside.py"));
    let world = World::start_with(&[("azure-cli", &inside)]).await;
    judges(world, &az, "identities").await;
}

#[tokio::test]
async fn networks() {
    let Some(az) = program("AZURE_CLI") else { return };
    let world = World::start().await;
    judges(world, &az, "networks").await;
}

#[tokio::test]
async fn registries() {
    let (Some(az), Some(_)) = (program("AZURE_CLI"), program("DOCKER_REGISTRY")) else { return };
    let world = World::start().await;
    judges(world, &az, "registries").await;
}

#[tokio::test]
async fn storage_accounts() {
    let (Some(az), Some(_)) = (program("AZURE_CLI"), program("AZURITE")) else { return };
    let world = World::start().await;
    judges(world, &az, "storage").await;
}

/// `az` itself, at its start and with each credential that a service principal can have.
#[tokio::test]
async fn signing_in() {
    let Some(az) = program("AZURE_CLI") else { return };
    let world = World::start().await;
    let url = world.setting("EMULATOR_URL");
    let says = async |words: &[&str], said: &[&str]| {
        let printed = succeed(&command(&world, &az, words)).await;
        let begin: Vec<&str> =
            printed.talk.iter().map(|line| line.split(" '").next().unwrap_or(line)).collect();
        assert_eq!(begin, said, "az {words:?}: {}", printed.said());
        printed.output.concat()
    };
    says(&["config", "set", "core.instance_discovery=false"], &["WARNING: Command group"]).await;
    says(&["cloud", "register", "--name", "emulator", "--endpoint-resource-manager", &url], &[]).await;
    let switched = ["WARNING: Switched active cloud to", "WARNING: Use", "WARNING: Use"];
    says(&["cloud", "set", "--name", "emulator"], &switched).await;

    let (client, tenant) = (world.setting("AZURE_CLIENT_ID"), world.setting("AZURE_TENANT_ID"));
    let secret = world.setting("AZURE_CLIENT_SECRET");
    let certificate = world.folder().join("app.pem");
    std::fs::write(&certificate, world.certificate()).expect("a file");
    let certificate = certificate.display().to_string();
    for (option, credential) in [("--password", &secret), ("--certificate", &certificate)] {
        let login =
            ["login", "--service-principal", "--username", &client, option, credential, "--tenant", &tenant];
        let account = says(&login, &[]).await;
        assert!(account.contains(&world.setting("AZURE_SUBSCRIPTION_ID")), "{account}");
        let groups = says(&["group", "list", "--query", "[].name", "--output", "tsv"], &[]).await;
        assert_eq!(groups, world.setting("AZURE_RESOURCE_GROUP"));
        says(&["logout"], &[]).await;
    }
    let wrong =
        ["login", "--service-principal", "--username", &client, "--password", "wrong", "--tenant", &tenant];
    let refused = command(&world, &az, &wrong).run().await;
    assert_eq!(refused.code, Some(1), "{}", refused.said());
    assert!(refused.said().contains("AADSTS7000215"), "{}", refused.said());
    world.was_judged_by("az: sign-in");
    world.end().await;
}
