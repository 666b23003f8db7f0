//! Azure DevOps: token, pool, pipelines, package.

use emulator::devops::PipelinePermissions;
use serde_json::json;
use system_tests::{Invocation, World};

use crate::support::{doctor, has_state, is_ok, says};

#[tokio::test]
async fn the_token() {
    let world = World::start().await;
    is_ok(&doctor(&world), "azure-devops", "knows you as Owner of contoso.").await;
    says("doctor-token", &doctor(&world).env("AZURE_DEVOPS_EXT_PAT", "wrong")).await;
}

#[tokio::test]
async fn the_pool() {
    let world = World::start().await;
    is_ok(&doctor(&world), "agent-pool", "You may add agents to `sample-ephemeralpool`").await;
    says("pool-unknown", &doctor(&world).with("agent-pool", "nowhere")).await;
    says("pool-hosted", &doctor(&world).with("agent-pool", "Azure Pipelines")).await;
    let agents = world.emulator().change(|state| std::mem::take(&mut state.devops.agents));
    says("doctor-pool-empty", &doctor(&world)).await;
    world.emulator().change(|state| state.devops.agents = agents);
    world.fault("devops.pool-role", "reader");
    says("pool-not-manageable", &doctor(&world)).await;
}

fn permit(world: &World, permissions: &PipelinePermissions) {
    world.emulator().change(|state| {
        state.devops.queues.values_mut().for_each(|queue| queue.permissions = permissions.clone());
    });
}

fn in_project(world: &World) -> Invocation {
    doctor(world).and("project", "sample")
}

#[tokio::test]
async fn the_pipelines_that_may_use_it() {
    let world = World::start().await;
    has_state(&doctor(&world), "pipelines", "not-checked", "give --project").await;
    is_ok(&in_project(&world), "pipelines", "Every pipeline of sample may use").await;
    permit(&world, &PipelinePermissions { all: false, pipelines: [12].into() });
    says("doctor-pipelines-some", &in_project(&world)).await;
    is_ok(&in_project(&world).and("pipeline-id", "12"), "pipelines", "The pipeline 12 may use").await;
    says("doctor-pipeline-not-permitted", &in_project(&world).and("pipeline-id", "13")).await;
    world.emulator().change(|state| state.devops.queues.clear());
    says("doctor-queue-missing", &in_project(&world)).await;
    says("doctor-project-unknown", &doctor(&world).and("project", "nowhere")).await;
}

/// A pipeline says itself which it is.
#[tokio::test]
async fn in_a_pipeline_it_is_about_that_pipeline() {
    let world = World::start().await;
    permit(&world, &PipelinePermissions { all: false, pipelines: [12].into() });
    let job = doctor(&world).env("TF_BUILD", "True").env("SYSTEM_TEAMPROJECT", "sample");
    is_ok(&job.clone().env("SYSTEM_DEFINITIONID", "12"), "pipelines", "The pipeline 12 may use").await;
    has_state(&job.env("SYSTEM_DEFINITIONID", "13"), "pipelines", "failed", "The pipeline 13 may not use")
        .await;
}

#[tokio::test]
async fn the_agents_package() {
    let world = World::start().await;
    is_ok(&doctor(&world), "agent-package", "Agent 4.275.0 can be fetched.").await;
    world.fault("devops.package-host", "https://127.0.0.1:9");
    says("doctor-package-unreachable", &doctor(&world)).await;
    world.fault("devops.package-none", true);
    says("doctor-package-none", &doctor(&world)).await;
    world.fault("http.unavailable", json!({"count": 99, "path": "packages/agent", "status": 500}));
    has_state(&doctor(&world), "agent-package", "warning", "Could not look for the agent's package").await;
}
