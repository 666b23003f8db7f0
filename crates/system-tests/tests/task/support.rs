//! A pipeline of three jobs: provision, work on the new agent, take down whatever happened.

use std::fmt::Write as _;

use serde_json::Value;
use system_tests::{AGENT_IMAGE, Printed, World};

/// A world with the extension, and a connection to Azure with the service principal's key; `None` without a package.
pub(crate) async fn world() -> Option<World> {
    prepared(
        World::start_with(&[("sleeper", "exec sleep 600"), ("broken", "echo it broke >&2; exit 3")]).await,
    )
    .await
}

/// The same out of any world.
pub(crate) async fn prepared(world: World) -> Option<World> {
    if !world.install_extension().await {
        world.end().await;
        return None;
    }
    world.connect("azure", &with_key(&world)).await;
    Some(world)
}

pub(crate) fn with_key(world: &World) -> Value {
    let key = world.setting("AZURE_CLIENT_SECRET");
    world.azure_connection("ServicePrincipal", &[("serviceprincipalkey", &key)])
}

/// The pipeline, with further or other inputs of the first task.
pub(crate) fn yaml(world: &World, inputs: &[(&str, &str)]) -> String {
    let certificates = world.setting("EMULATOR_CA_FILE");
    let mut all = vec![
        ("azureSubscription", "azure"),
        ("resourceGroupName", "$(group)"),
        ("imageName", AGENT_IMAGE),
        ("agentPool", "$(pool)"),
        ("azureDevOpsToken", "$(poolToken)"),
        ("agentCaFile", certificates.as_str()),
    ];
    for (name, value) in inputs {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    let mut text = String::new();
    for (name, value) in all {
        let value = value.lines().fold(String::new(), |text, line| text + "\n            " + line);
        writeln!(text, "          {name}: >-{value}").expect("text");
    }
    let (pool, group) = (emulator::world::POOL, world.setting("AZURE_RESOURCE_GROUP"));
    format!(
        "variables:
  pool: {pool}
  group: {group}
jobs:
  - job: provision
    pool: {{vmImage: ubuntu-latest}}
    steps:
      - checkout: none
      - task: AzureContainerAgentCreate@1
        name: create
        inputs:
{text}
  - job: work
    dependsOn: provision
    variables:
      agentName: $[ dependencies.provision.outputs['create.agentName'] ]
    pool:
      name: $(pool)
      demands: Agent.Name -equals $(agentName)
    steps:
      - checkout: none
      - script: echo \"I am $(agentName), $(Agent.Name)\"
  - job: remove
    dependsOn: [provision, work]
    condition: always()
    variables:
      agentNames: $[ dependencies.provision.outputs['create.agentNames'] ]
    pool: {{vmImage: ubuntu-latest}}
    steps:
      - checkout: none
      - task: AzureContainerAgentCreate@1
        inputs:
          command: remove
          azureSubscription: azure
          resourceGroupName: $(group)
          agentPool: $(pool)
          agentNames: $(agentNames)
          azureDevOpsToken: $(poolToken)
"
    )
}

/// Runs it to its end, and checks that nothing is left.
pub(crate) async fn run(world: &World, inputs: &[(&str, &str)]) -> Printed {
    let printed = world.pipeline("pipeline", &yaml(world, inputs)).run().await;
    world.nothing_left().await;
    printed
}

/// Runs it, and checks that all went well.
pub(crate) async fn succeeds(world: &World, inputs: &[(&str, &str)]) -> String {
    let printed = run(world, inputs).await;
    let said = printed.said();
    assert_eq!(printed.code, Some(0), "{said}");
    let agent = said.lines().find_map(|line| line.split_once("I am ")).expect("the work's line").1;
    let (named, real) = agent.split_once(", ").expect("two names");
    assert_eq!(named, real, "the job ran on the agent that was made for it");
    said
}
