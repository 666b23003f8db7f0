//! azure-devops for Python.

use std::path::PathBuf;

use system_tests::World;

use crate::support::{Look, a_job, connect_azure, judge, judge_with, program};

/// The client, by the Python that knows it.
struct Python(PathBuf);

impl Look for Python {
    async fn look(&self, world: &World, at: &str, agent: &str) {
        judge_with(world, &self.0, &["devops_python/job.py", at], &[("AGENT", agent)]).await;
    }
}

#[tokio::test]
async fn what_there_is() {
    let Some(python) = program("SDK_PYTHON") else { return };
    let world = World::start().await;
    connect_azure(&world).await;
    judge(&world, &python, "devops_python/places.py").await;
    world.end().await;
}

#[tokio::test]
async fn an_agent_s_record() {
    let Some(python) = program("SDK_PYTHON") else { return };
    let world = World::start().await;
    judge(&world, &python, "devops_python/agents.py").await;
    world.end().await;
}

#[tokio::test]
async fn refusals() {
    let Some(python) = program("SDK_PYTHON") else { return };
    let world = World::start().await;
    judge_with(&world, &python, &["devops_python/refusals.py", "anybody"], &[]).await;
    world.fault("devops.pool-role", "reader");
    judge_with(&world, &python, &["devops_python/refusals.py", "reader"], &[]).await;
    world.end().await;
}

#[tokio::test]
async fn a_job_on_an_agent() {
    let Some(python) = program("SDK_PYTHON") else { return };
    let world = World::start().await;
    a_job(&world, &Python(python)).await;
    world.end().await;
}
