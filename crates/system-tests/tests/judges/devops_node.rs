//! azure-devops-node-api.

use std::path::Path;

use system_tests::World;

use crate::support::{Look, a_job, connect_azure, judge_with, program};

/// The client, by its folder.
struct NodeApi(String);

impl NodeApi {
    fn here() -> Option<Self> {
        Some(Self(program("DEVOPS_NODE_API")?.display().to_string()))
    }

    async fn judge(&self, world: &World, script: &[&str], variables: &[(&str, &str)]) {
        let variables: Vec<_> =
            variables.iter().copied().chain([("DEVOPS_NODE_API", self.0.as_str())]).collect();
        judge_with(world, Path::new("node"), script, &variables).await;
    }
}

impl Look for NodeApi {
    async fn look(&self, world: &World, at: &str, agent: &str) {
        self.judge(world, &["devops_node/job.js", at], &[("AGENT", agent)]).await;
    }
}

#[tokio::test]
async fn what_there_is() {
    let Some(client) = NodeApi::here() else { return };
    let world = World::start().await;
    connect_azure(&world).await;
    client.judge(&world, &["devops_node/places.js"], &[]).await;
    world.end().await;
}

#[tokio::test]
async fn an_agent_s_record() {
    let Some(client) = NodeApi::here() else { return };
    let world = World::start().await;
    client.judge(&world, &["devops_node/agents.js"], &[]).await;
    world.end().await;
}

#[tokio::test]
async fn refusals() {
    let Some(client) = NodeApi::here() else { return };
    let world = World::start().await;
    client.judge(&world, &["devops_node/refusals.js", "anybody"], &[]).await;
    world.fault("devops.pool-role", "reader");
    client.judge(&world, &["devops_node/refusals.js", "reader"], &[]).await;
    world.end().await;
}

#[tokio::test]
async fn a_job_on_an_agent() {
    let Some(client) = NodeApi::here() else { return };
    let world = World::start().await;
    a_job(&world, &client).await;
    world.end().await;
}
