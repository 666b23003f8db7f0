//! Samples, from their files as they stand.

use serde_json::json;
use system_tests::World;

use crate::support::{prepared, with_key};

/// Runs a file in the network that `ephemeral-agents sample` makes, with the connections that it names, and gives its
/// log; `None` without a package.
async fn run(sample: &str) -> Option<String> {
    // Its image holds the authority that the emulator's certificates are signed by.
    let authority = r#"export AZP_CA_PEM="$(base64 -w 0 "$(dirname "$0")/data/ca.pem")""#;
    let world = prepared(World::with_agent(authority).await).await?;
    let network = world.command(&["sample", "network", "create"]).without("resource-group");
    let network = network.and("location", emulator::world::LOCATION).run().await;
    assert_eq!(network.code, Some(0), "{}", network.said());
    world.connect("sample-azure-subscription", &with_key(&world)).await;
    let registry = json!({
        "type": "dockerregistry", "scheme": "UsernamePassword", "data": {"registrytype": "Others"},
        "parameters": {"registry": "https://registry.test", "username": "puller", "password": "planted-password"},
    });
    world.connect("ephemeral-sample-registry", &registry).await;
    let printed = world.pipeline("sample", sample).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    world.nothing_left().await;
    world.end().await;
    Some(printed.said())
}

#[tokio::test]
async fn the_sample_runs_as_it_stands() {
    let Some(said) = run(include_str!("../../../../samples/pipeline-task/azure-pipelines.yml")).await else {
        return;
    };
    assert!(said.contains("made for this run"), "{said}");
}

#[tokio::test]
async fn several_agents_run_as_they_stand() {
    let Some(said) = run(include_str!("../../../../samples/several-agents/azure-pipelines.yml")).await else {
        return;
    };
    let mut agents: Vec<_> = said.lines().filter(|line| line.ends_with(", one of three")).collect();
    agents.sort_unstable();
    agents.dedup();
    assert_eq!(agents.len(), 3, "three agents, each with a job: {said}");
}
